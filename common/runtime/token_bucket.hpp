// A limit on how often something may be done: so much at once, and so much in a time.
#pragma once

#include <algorithm>
#include <chrono>

namespace careteam::runtime {

/// A bucket is full at first, so that whoever was away may catch up. One thread.
class token_bucket {
 public:
  using time_point = std::chrono::steady_clock::time_point;

  /// Takes one and gives zero, or takes nothing and gives how long to wait until there is one again.
  std::chrono::milliseconds take(time_point now, double per_second, double burst) {
    const double spent = spent_at(now, per_second);
    if (spent + 1 > burst) return std::chrono::milliseconds(static_cast<std::int64_t>((spent + 1 - burst) / per_second * 1000) + 1);
    spent_ = spent + 1;
    last_ = now;
    return std::chrono::milliseconds::zero();
  }
  /// Nothing is missing: a new bucket would be the same.
  bool full(time_point now, double per_second) const { return spent_at(now, per_second) == 0; }

 private:
  double spent_at(time_point now, double per_second) const {
    const std::chrono::duration<double> passed = now - last_;
    return std::max(0.0, spent_ - std::max(0.0, passed.count()) * per_second);
  }
  double spent_ = 0;
  time_point last_{};
};

}  // namespace careteam::runtime

// A limit on how often something may be done: so much at once, and so much in a time.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <unordered_map>

namespace careteam::runtime {

/// A bucket is full at first, so that whoever was away may catch up. One thread.
class token_bucket {
 public:
  using time_point = std::chrono::steady_clock::time_point;

  /// Takes one and gives zero, or takes nothing and gives how long to wait until there is one again.
  std::chrono::milliseconds take(time_point now, double per_second, double burst) {
    const auto left_to_wait = wait(now, per_second, burst);
    if (left_to_wait.count() > 0) return left_to_wait;
    spent_ = spent_at(now, per_second) + 1;
    last_ = now;
    return std::chrono::milliseconds::zero();
  }
  /// How long until there is one to take; zero: there is one now.
  std::chrono::milliseconds wait(time_point now, double per_second, double burst) const {
    const double spent = spent_at(now, per_second);
    if (spent + 1 <= burst) return std::chrono::milliseconds::zero();
    return std::chrono::milliseconds(static_cast<std::int64_t>((spent + 1 - burst) / per_second * 1000) + 1);
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

/// How often, for each of many; `most` of them are remembered. One thread.
template <class Key>
class token_buckets {
 public:
  using time_point = token_bucket::time_point;

  token_buckets(std::size_t per_minute, std::size_t at_once, std::size_t most)
      : per_second_(static_cast<double>(per_minute) / 60), burst_(static_cast<double>(at_once)), most_(most) {}

  /// Takes one of `whose` and gives zero, or how long to wait for the next.
  std::chrono::milliseconds take(const Key& whose, time_point now) {
    auto at = buckets_.find(whose);
    if (at == buckets_.end()) {
      if (buckets_.size() >= most_) make_room(now);
      at = buckets_.try_emplace(whose).first;
    }
    return at->second.take(now, per_second_, burst_);
  }
  /// How long until `whose` has one to take; zero: now.
  std::chrono::milliseconds wait(const Key& whose, time_point now) const {
    const auto at = buckets_.find(whose);
    return at == buckets_.end() ? std::chrono::milliseconds::zero() : at->second.wait(now, per_second_, burst_);
  }
  std::size_t size() const { return buckets_.size(); }

 private:
  // Those that are full are forgotten: a new one is the same. Looked for once a second at most, so that a flood of new names costs little;
  // where none is full, any one of them goes: bounded memory before an exact count for the last of so many.
  void make_room(time_point now) {
    if (now - looked_ >= std::chrono::seconds(1)) {
      looked_ = now;
      std::erase_if(buckets_, [&](const auto& one) { return one.second.full(now, per_second_); });
    }
    if (buckets_.size() >= most_) buckets_.erase(buckets_.begin());
  }
  double per_second_, burst_;
  std::size_t most_;
  std::unordered_map<Key, token_bucket> buckets_;
  time_point looked_{};
};

}  // namespace careteam::runtime

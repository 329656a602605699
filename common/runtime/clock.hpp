// Time as an input: whoever needs it gets a clock, so that a test can say what time it is.
#pragma once

#include <chrono>

namespace careteam::runtime {

/// The time of day, UTC. Deadlines of sockets and timers use Asio's steady timers, not this.
class clock {
 public:
  virtual ~clock() = default;
  [[nodiscard]] virtual std::chrono::system_clock::time_point now() const = 0;
};

/// The machine's time.
class system_clock final : public clock {
 public:
  [[nodiscard]] std::chrono::system_clock::time_point now() const override { return std::chrono::system_clock::now(); }
};

/// A clock that moves only when told to, for tests.
class manual_clock final : public clock {
 public:
  explicit manual_clock(std::chrono::system_clock::time_point start) : now_(start) {}
  [[nodiscard]] std::chrono::system_clock::time_point now() const override { return now_; }
  void advance(std::chrono::system_clock::duration by) { now_ += by; }
  void set(std::chrono::system_clock::time_point to) { now_ = to; }

 private:
  std::chrono::system_clock::time_point now_;
};

}  // namespace careteam::runtime

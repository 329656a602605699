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

/// How the machine's time of day is followed while somebody sets it. Pure: both times come from outside.
///
/// A step back of at most `longest_standstill` is waited out: time stands still until the machine's has caught up, so that what was just
/// decided (a membership that begins now, a token that is void from now on) holds. A larger one was meant: it is followed, like every step
/// ahead.
class followed_time {
 public:
  using wall_time = std::chrono::system_clock::time_point;
  using steady_time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::seconds longest_standstill{60};
  static constexpr std::chrono::seconds least_step{1};  ///< Smaller ones are drift, or this process was not running.

  /// The time to go by. `step`: by how much the machine's time was set since the last call; zero where it just passed.
  struct reading {
    wall_time time;
    std::chrono::milliseconds step{0};
  };
  reading follow(wall_time wall, steady_time steady);

 private:
  bool started_ = false;
  wall_time told_{};
  wall_time wall_{};
  steady_time steady_{};
};

/// The machine's time, as followed_time follows it; one log line tells of each step. One thread.
class system_clock final : public clock {
 public:
  [[nodiscard]] std::chrono::system_clock::time_point now() const override;

 private:
  mutable followed_time following_;
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

// Whether silent peers are still there: one timer for all connections, in place of one for each. Runs on the event loop.
#pragma once

#include <array>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <vector>

namespace careteam::gateway {

/// Whoever is looked at once in every period.
class beating {
 public:
  virtual ~beating() = default;
  /// A period is over. False: look no more.
  virtual bool on_beat() = 0;
};

/// Looks at everybody once in a period, spread over it: a part of them at each tick, all in one turn of the event loop.
class heartbeats {
 public:
  heartbeats(const boost::asio::any_io_executor& executor, std::chrono::milliseconds period);

  /// From now on, first after most of a period. Held weakly: who is gone is forgotten.
  void watch(std::weak_ptr<beating> one);

 private:
  static constexpr std::size_t parts = 32;
  void tick_later();
  void tick();

  std::chrono::milliseconds tick_after_;
  boost::asio::steady_timer timer_;
  std::array<std::vector<std::weak_ptr<beating>>, parts> wheel_;
  std::size_t at_ = 0;
  std::size_t watched_ = 0;  ///< The timer rests while it is 0.
};

}  // namespace careteam::gateway

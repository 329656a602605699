// How much is owed and how much of it is late, by priority and by duty, over all records (C10): counted in the store from time to time.
// Numbers only, no people: whoever holds a duty is not told. Runs on the event loop.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "careteam/v1/model.pb.h"
#include "runtime/clock.hpp"
#include "runtime/metrics.hpp"
#include "store/store.hpp"

namespace careteam::coordination {

/// Duties with metrics of their own: the first that are met. All others together are `other_duties`, which is no duty's id.
inline constexpr std::size_t max_duty_gauges = 100;
inline constexpr std::string_view other_duties = "(others)";
inline constexpr std::chrono::seconds obligation_count_every{10};  ///< 100,000 open obligations are counted in some 10 ms.

class obligation_gauges : public std::enable_shared_from_this<obligation_gauges> {
 public:
  /// Everything that is named here must live until `running` is false.
  obligation_gauges(boost::asio::any_io_executor executor, store::record_store& from, const runtime::clock& clock,
                    runtime::metrics_registry& registry, std::chrono::milliseconds every = obligation_count_every);

  /// Counts from now on. Once.
  void start();
  /// Counts once.
  boost::asio::awaitable<void> count();
  /// Ends after what is being read.
  void stop();
  bool running() const { return running_; }

 private:
  struct gauges {
    runtime::gauge& open;
    runtime::gauge& overdue;
  };
  boost::asio::awaitable<void> run();
  void show(const std::vector<store::obligation_count>& counts);
  void show(const std::vector<store::owner_count>& counts);
  gauges& of_duty(std::string_view duty);

  boost::asio::any_io_executor executor_;
  store::record_store& store_;
  const runtime::clock& clock_;
  runtime::metrics_registry& registry_;
  std::chrono::milliseconds every_;
  std::map<v1::Priority, gauges> by_priority_;
  std::map<std::string, gauges, std::less<>> by_duty_;
  boost::asio::steady_timer sleep_;
  bool stopping_ = false;
  bool running_ = false;
};

}  // namespace careteam::coordination

// Fires the timers of the store when they are due (G5): hands them, in the order of their deadlines, to whoever carries them out, and
// never one that is still being carried out.
//
// The store is what is true. Nothing is kept here but what was handed over and is not done yet, and the place up to which the store was
// read: so memory does not grow with timers, nothing has to be told when one is moved or cancelled, and after an outage of hours the
// overdue ones come in pages, as fast as they are done. A timer that is handed over twice all the same, by two processes or around a
// crash, has one effect: the append that it leads to takes it off.
//
// Runs on the event loop.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>

#include "coordination/record_host.hpp"
#include "runtime/clock.hpp"
#include "runtime/metrics.hpp"
#include "store/store.hpp"

namespace careteam::coordination {

struct timer_metrics {
  runtime::counter& fired;
  runtime::counter& failed;
  runtime::histogram& lateness_seconds;
  static timer_metrics in(runtime::metrics_registry& registry);
};

struct timer_limits {
  std::size_t in_flight = 2'000;           ///< Handed over and not done: about 400 bytes each. More is read when half of them are done.
  std::size_t page = 500;                  ///< Read at once.
  std::chrono::milliseconds together{20};  ///< What is due within this is read together: less work where thousands are due each second.
  std::chrono::milliseconds longest_look{1'000};  ///< Between two looks at the clock, which may be set, and at what other processes set.
  std::chrono::milliseconds retry{5'000};         ///< What failed is handed over again, behind everything else that is due.
  std::chrono::milliseconds sweep{60'000};  ///< Everything that is due is looked at again: another process may have set what was past.
};

class timers : public std::enable_shared_from_this<timers> {
 public:
  /// Carries a timer out and calls `done` once, now or later, on the event loop; an error: it is handed over again. Must not throw.
  using sink = std::function<void(store::stored_timer timer, timer_done done)>;

  /// Everything that is named here must live until the service has ended.
  timers(boost::asio::any_io_executor executor, store::record_store& from, const runtime::clock& clock, sink to, timer_metrics metrics,
         timer_limits limits = {});

  /// Fires from now on. Once.
  void start();
  /// A timer was set: does not sleep past it.
  void set(store::instant due);
  /// Looks at the clock again.
  void look();
  /// Hands over nothing more. Ends after what is being read from the store; what is in flight goes on without this.
  void stop();
  /// Started, and not at its end.
  bool running() const { return running_; }

  std::size_t in_flight() const { return in_flight_.size(); }

 private:
  using steady = std::chrono::steady_clock;

  boost::asio::awaitable<void> run();
  boost::asio::awaitable<void> wait(steady::duration longest);
  /// Reads and hands over; nothing: the store failed. Otherwise whether there may be more that is due.
  boost::asio::awaitable<std::optional<bool>> fire_page(store::instant now);
  boost::asio::awaitable<steady::duration> until_next(store::instant now);
  void hand_over(store::stored_timer timer);
  void finish(const std::string& key, store::instant due, boost::system::error_code failed);
  void rewind_in(steady::duration time);
  bool crowded() const { return in_flight_.size() > limits_.in_flight / 2; }

  boost::asio::any_io_executor executor_;
  store::record_store& store_;
  const runtime::clock& clock_;
  sink sink_;
  timer_metrics metrics_;
  timer_limits limits_;

  std::unordered_set<std::string> in_flight_;
  bool reading_ = false;
  std::unordered_set<std::string> done_while_reading_;  ///< What is read may still show them.
  std::optional<store::stored_timer> passed_;           ///< Everything up to here was handed over.
  steady::time_point rewind_at_;
  store::instant looked_at_ = store::instant::min();

  store::instant first_set_ = store::instant::max();  ///< Since the last page was asked for: it may not show them.

  boost::asio::steady_timer sleep_;
  store::instant sleeps_until_ = store::instant::min();
  bool woken_ = false;
  bool stopping_ = false;
  bool running_ = false;
};

}  // namespace careteam::coordination

#include "coordination/obligation_gauges.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "care/worklist.hpp"
#include "runtime/log.hpp"

namespace careteam::coordination {

obligation_gauges::obligation_gauges(boost::asio::any_io_executor executor, store::record_store& from, const runtime::clock& clock,
                                     runtime::metrics_registry& registry, std::chrono::milliseconds every)
    : executor_(std::move(executor)), store_(from), clock_(clock), registry_(registry), every_(every), sleep_(executor_) {
  for (const auto& [priority, label] : {std::pair{v1::PRIORITY_ROUTINE, "routine"}, std::pair{v1::PRIORITY_URGENT, "urgent"},
                                        std::pair{v1::PRIORITY_ASAP, "asap"}, std::pair{v1::PRIORITY_STAT, "stat"}}) {
    by_priority_.emplace(priority, gauges{registry.add_gauge("careteam_obligations_open", "Tasks and acknowledgements that somebody owes.",
                                                             {{"priority", label}}),
                                          registry.add_gauge("careteam_obligations_overdue",
                                                             "Of them: those whose nearest deadline has passed.", {{"priority", label}})});
  }
  of_duty(other_duties);  // There before any duty is, so that a panel finds the metric.
}

void obligation_gauges::start() {
  running_ = true;
  boost::asio::co_spawn(executor_, run(), [self = shared_from_this()](std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);  // A bug: the process stops.
    self->running_ = false;
  });
}

void obligation_gauges::stop() {
  stopping_ = true;
  sleep_.cancel();
}

boost::asio::awaitable<void> obligation_gauges::run() {
  while (!stopping_) {
    co_await count();
    if (stopping_) break;
    sleep_.expires_after(every_);
    (void)co_await sleep_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  }
}

boost::asio::awaitable<void> obligation_gauges::count() {
  const auto now = std::chrono::floor<std::chrono::microseconds>(clock_.now());
  const auto counts = co_await store_.count_obligations(now);
  const auto of_duties = co_await store_.count_by_owner(care::duty_key(""), now);
  if (counts && of_duties) {
    show(*counts);
    show(*of_duties);
  } else {
    runtime::log_warning("obligations_not_counted", {{"error", counts ? of_duties.error() : counts.error()}});
  }
}

void obligation_gauges::show(const std::vector<store::obligation_count>& counts) {
  for (auto& [priority, both] : by_priority_) {
    std::int64_t open = 0, overdue = 0;
    for (const auto& count : counts) {
      if (count.priority != static_cast<std::uint8_t>(priority)) continue;
      open = static_cast<std::int64_t>(count.open);
      overdue = static_cast<std::int64_t>(count.overdue);
    }
    both.open.set(open);
    both.overdue.set(overdue);
  }
}

void obligation_gauges::show(const std::vector<store::owner_count>& counts) {
  for (auto& [duty, both] : by_duty_) {
    both.open.set(0);
    both.overdue.set(0);
  }
  const auto prefix = care::duty_key("").size();
  for (const auto& count : counts) {
    auto& both = of_duty(std::string_view(count.owner).substr(prefix));
    both.open.add(static_cast<std::int64_t>(count.open));
    both.overdue.add(static_cast<std::int64_t>(count.overdue));
  }
}

obligation_gauges::gauges& obligation_gauges::of_duty(std::string_view duty) {
  const auto name = by_duty_.contains(duty) || by_duty_.size() <= max_duty_gauges ? duty : other_duties;
  if (const auto known = by_duty_.find(name); known != by_duty_.end()) return known->second;
  const runtime::metric_labels labels{{"duty", std::string(name)}};
  gauges made{registry_.add_gauge("careteam_duty_obligations_open", "Of what is owed: what whoever holds the duty answers for.", labels),
              registry_.add_gauge("careteam_duty_obligations_overdue", "Of them: those whose nearest deadline has passed.", labels)};
  return by_duty_.emplace(name, made).first->second;
}

}  // namespace careteam::coordination

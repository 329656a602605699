#include "coordination/timers.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "runtime/log.hpp"

namespace careteam::coordination {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

/// A timer that is moved is another one.
std::string key_of(const store::stored_timer& timer) {
  return timer.record + '\0' + timer.key.id + '\0' + std::to_string(timer.key.due.time_since_epoch().count());
}

}  // namespace

timer_metrics timer_metrics::in(runtime::metrics_registry& registry) {
  return {registry.add_counter("careteam_timers_total", "Timers handed over.", {{"outcome", "fired"}}),
          registry.add_counter("careteam_timers_total", "Timers handed over.", {{"outcome", "failed"}}),
          registry.add_histogram("careteam_timer_lateness_seconds", "From a timer's deadline to its effect being on disk.",
                                 runtime::latency_buckets())};
}

timers::timers(asio::any_io_executor executor, store::record_store& from, const runtime::clock& clock, sink to, timer_metrics metrics,
               timer_limits limits)
    : executor_(std::move(executor)),
      store_(from),
      clock_(clock),
      sink_(std::move(to)),
      metrics_(metrics),
      limits_(limits),
      rewind_at_(steady::now() + limits.sweep),
      sleep_(executor_) {}

void timers::start() {
  running_ = true;
  asio::co_spawn(executor_, run(), [self = shared_from_this()](std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);  // A bug: the process stops.
    self->running_ = false;
  });
}

void timers::stop() {
  stopping_ = true;
  look();
}

void timers::look() {
  woken_ = true;
  sleep_.cancel();
}

void timers::set(store::instant due) {
  // Before what was handed over last: everything is read again; what is in flight is known.
  if (passed_ && due <= passed_->key.due) rewind_in({});
  first_set_ = std::min(first_set_, due);
  if (due < sleeps_until_) look();
}

void timers::rewind_in(steady::duration time) {
  rewind_at_ = std::min(rewind_at_, steady::now() + time);
}

asio::awaitable<void> timers::run() {
  while (!stopping_) {
    if (crowded()) {
      co_await wait(limits_.longest_look);
      continue;
    }
    const auto now = std::chrono::floor<std::chrono::microseconds>(clock_.now());
    // Set back: what is set from now on may lie before what was handed over.
    if (now < looked_at_) passed_.reset();
    looked_at_ = now;
    if (rewind_at_ <= steady::now()) {
      passed_.reset();
      rewind_at_ = steady::now() + limits_.sweep;
    }
    const auto more = co_await fire_page(now);
    if (stopping_ || more == true) continue;
    steady::duration rest = limits_.retry;
    if (more) rest = co_await until_next(now);
    if (!stopping_) co_await wait(rest);
  }
}

asio::awaitable<std::optional<bool>> timers::fire_page(store::instant now) {
  const std::size_t limit = std::min(limits_.page, limits_.in_flight - in_flight_.size());
  reading_ = true;
  first_set_ = store::instant::max();
  auto page = co_await store_.due_timers(now, passed_, limit);
  reading_ = false;
  const auto done = std::exchange(done_while_reading_, {});
  if (!page) {
    runtime::log_error("timers_not_read", {{"error", page.error()}});
    co_return std::nullopt;
  }
  const bool more = page->size() == limit;
  if (!page->empty()) passed_ = page->back();
  for (auto& timer : *page) {
    if (stopping_) break;
    const auto key = key_of(timer);
    if (in_flight_.contains(key) || done.contains(key)) continue;
    hand_over(std::move(timer));
  }
  co_return more;
}

void timers::hand_over(store::stored_timer timer) {
  auto key = key_of(timer);
  in_flight_.insert(key);
  const auto due = timer.key.due;
  sink_(std::move(timer), [weak = weak_from_this(), key = std::move(key), due](error_code failed) {
    if (const auto self = weak.lock()) self->finish(key, due, failed);
  });
}

void timers::finish(const std::string& key, store::instant due, error_code failed) {
  const bool was_crowded = crowded();
  in_flight_.erase(key);
  if (failed) {
    metrics_.failed.increment();
    rewind_in(limits_.retry);
  } else {
    if (reading_) done_while_reading_.insert(key);
    metrics_.fired.increment();
    metrics_.lateness_seconds.observe(std::max<std::chrono::nanoseconds>(clock_.now() - due, {}));
  }
  if (was_crowded && !crowded()) look();
}

asio::awaitable<timers::steady::duration> timers::until_next(store::instant now) {
  const auto stored = co_await store_.next_timer(now);
  auto next = first_set_;
  if (stored && *stored) next = std::min(next, **stored);
  if (next > now + limits_.longest_look) co_return limits_.longest_look;
  co_return next - now;
}

// Whatever happened since the last look (a timer was set, one was done) is looked at without sleeping.
asio::awaitable<void> timers::wait(steady::duration longest) {
  if (!std::exchange(woken_, false)) {
    const auto rest = std::clamp<steady::duration>(rewind_at_ - steady::now(), {}, longest);
    const auto pause = std::max<steady::duration>(rest, limits_.together);
    sleeps_until_ = looked_at_ + std::chrono::ceil<std::chrono::microseconds>(pause);
    sleep_.expires_after(pause);
    (void)co_await sleep_.async_wait(asio::as_tuple(asio::use_awaitable));
    sleeps_until_ = store::instant::min();
    woken_ = false;
  }
}

}  // namespace careteam::coordination

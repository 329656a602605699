#include "coordination/record_host.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "coordination/duties.hpp"
#include "coordination/record_batch.hpp"
#include "coordination/record_loading.hpp"
#include "runtime/log.hpp"

namespace careteam::coordination {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr std::size_t load_page_bytes = 1024 * 1024;  // Entries read at once while a record is loaded.
constexpr int max_attempts = 64;  // Conflicts in a row before a batch gives up: somebody else always wins, so this is a bug.
constexpr auto longest_boundary_wait = std::chrono::hours(1);  // The wall clock may drift meanwhile: look again.

/// Whoever waits for this goes on, and whoever comes to wait does not.
void happen(asio::steady_timer& event) {
  event.expires_at(asio::steady_timer::time_point::min());
}

}  // namespace

host_metrics host_metrics::in(runtime::metrics_registry& registry) {
  return {
      registry.add_counter("careteam_commands_total", "Commands answered.", {{"outcome", "committed"}}),
      registry.add_counter("careteam_commands_total", "Commands answered.", {{"outcome", "refused"}}),
      registry.add_counter("careteam_commit_conflicts_total", "Batches that were decided again because another writer was first."),
      registry.add_counter("careteam_store_failures_total", "Requests that the store could not carry out."),
      registry.add_counter("careteam_entries_total", "Entries committed."),
      registry.add_histogram("careteam_commit_seconds", "From the decision of a batch to its being on disk.", runtime::latency_buckets())};
}

record_host::record_host(host_environment& environment, store::record_key key)
    : environment_(environment), key_(std::move(key)), state_(care::new_record(key_).value()), boundary_(environment.executor) {}

void record_host::quarantine() {
  if (std::exchange(quarantined_, true)) return;
  runtime::log_error("record_quarantined", {{"record", key_}, {"text", "damaged in the store; `careteam verify` names the place"}});
}

void record_host::submit(submission what) {
  if (mailbox_.size() >= max_waiting_per_record) {
    auto why = care::refuse(care::code::resource_exhausted, "", "too much is waiting on this record; try again");
    why.retry_after_ms = 500;
    what.answer(what, {std::move(why), {}});
    return;
  }
  mailbox_.emplace_back(std::move(what));
  wake();
}

void record_host::note(care::facts entries, v1::Author author, std::function<void(error_code)> done) {
  mailbox_.emplace_back(noted{std::move(entries), std::move(author), std::move(done)});
  wake();
}

void record_host::fire(store::stored_timer timer, timer_done done) {
  mailbox_.emplace_back(fired{std::move(timer), {}, std::move(done), {}});
  wake();
}

void record_host::when_settled(std::function<void(error_code)> what) {
  if (loaded_ && !running_ && !quarantined_) {
    what({});
    return;
  }
  mailbox_.emplace_back(visit{std::move(what)});
  wake();
}

void record_host::refresh() {
  if (!loaded_ && !running_) return;  // Whoever loads it reads everything.
  mailbox_.emplace_back(reread{});
  wake();
}

asio::awaitable<std::shared_ptr<void>> record_host::hold() {
  held what{std::make_shared<asio::steady_timer>(environment_.executor, asio::steady_timer::time_point::max()),
            std::make_shared<asio::steady_timer>(environment_.executor, asio::steady_timer::time_point::max())};
  mailbox_.emplace_back(what);
  wake();
  (void)co_await what.granted->async_wait(asio::as_tuple(asio::use_awaitable));
  co_return std::shared_ptr<void>(what.released.get(), [released = what.released](void*) { happen(*released); });
}

void record_host::wake() {
  if (running_) return;
  running_ = true;
  asio::co_spawn(environment_.executor, run(), [self = shared_from_this()](std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);  // A bug: the process stops.
  });
}

asio::awaitable<void> record_host::run() {
  while (!mailbox_.empty()) {
    error_code failed;
    if (!loaded_ && !quarantined_) failed = co_await load();
    if (failed == store::errc::corrupt) quarantine();
    if (quarantined_) failed = make_error_code(store::errc::corrupt);
    if (failed) {
      turn_away(failed);
      continue;
    }
    if (auto* keeping = std::get_if<held>(&mailbox_.front())) {
      const held now = *keeping;
      mailbox_.pop_front();
      happen(*now.granted);
      const bool released = now.released->expiry() == asio::steady_timer::time_point::min();
      if (!released) now.released->expires_after(longest_hold);
      (void)co_await now.released->async_wait(asio::as_tuple(asio::use_awaitable));
      continue;
    }
    co_await take_batch();
  }
  running_ = false;
}

void record_host::turn_away(error_code failed) {
  if (!quarantined_) runtime::log_error("record_not_loaded", {{"record", key_}, {"error", failed}});
  environment_.metrics.store_failures.increment();
  auto waiting = std::exchange(mailbox_, {});
  for (auto& one : waiting) {
    if (auto* command = std::get_if<submission>(&one)) command->answer(*command, {refusal_of(failed), {}});
    if (auto* entries = std::get_if<noted>(&one)) entries->done(failed);
    if (auto* due = std::get_if<fired>(&one)) due->done(failed);
    if (auto* asking = std::get_if<visit>(&one)) asking->what(failed);
    if (auto* keeping = std::get_if<held>(&one)) happen(*keeping->granted);
  }
}

asio::awaitable<error_code> record_host::load() {
  auto loaded = co_await load_record(environment_.store, key_);
  if (!loaded) co_return loaded.error();
  state_ = std::move(loaded->state);
  snapshot_version_ = loaded->snapshot_version;
  for (std::size_t i = 0; i < care::stream_count; ++i) {
    durable_[i].head = state_.streams[i].head;
    durable_[i].authored = state_.streams[i].authored;
    durable_[i].chain = {};
  }
  for (const auto& stream : loaded->streams) {
    if (stream.stream < care::stream_count) durable_[stream.stream].chain = stream.chain;
  }
  loaded_ = true;
  appoint();
  arm_boundary();
  publish();
  co_return error_code{};
}

asio::awaitable<error_code> record_host::catch_up_listeners() {
  std::array<std::uint64_t, care::stream_count> told{};
  for (std::size_t i = 0; i < care::stream_count; ++i) told[i] = durable_[i].head;
  loaded_ = false;
  const auto known_boundary = boundary_at_;
  if (const error_code failed = co_await load()) co_return failed;
  std::vector<shared_batch> batches;
  for (std::size_t i = 0; i < care::stream_count; ++i) {
    while (told[i] < durable_[i].head) {
      auto page =
          co_await environment_.store.read_stream(key_, static_cast<store::stream_kind>(i), told[i] + 1, durable_[i].head, load_page_bytes);
      if (!page) co_return page.error();
      if (page->empty()) co_return make_error_code(store::errc::corrupt);
      auto missed = std::make_shared<stream_batch>(static_cast<v1::Stream>(i), told[i] + 1);
      for (const auto& stored : *page) missed->add_encoded(stored.bytes);
      told[i] += page->size();
      batches.push_back(std::move(missed));
    }
  }
  if (environment_.listener && (!batches.empty() || boundary_at_ != known_boundary)) {
    environment_.listener->audience_changed(*this);
    environment_.listener->committed(*this, batches);
  }
  co_return error_code{};
}

asio::awaitable<void> record_host::take_batch() {
  batch work(key_, environment_.store.epoch());
  bool read_again = false;
  std::vector<visit> visits;
  while (!mailbox_.empty() && work.commands.size() + work.notes.size() + work.timers.size() < max_batch_commands) {
    auto& front = mailbox_.front();
    if (std::holds_alternative<held>(front)) break;
    if (auto* command = std::get_if<submission>(&front)) work.commands.push_back(std::move(*command));
    if (auto* entries = std::get_if<noted>(&front)) work.notes.push_back(std::move(*entries));
    if (auto* due = std::get_if<fired>(&front)) work.timers.push_back(std::move(*due));
    if (auto* asking = std::get_if<visit>(&front)) visits.push_back(std::move(*asking));
    read_again |= std::holds_alternative<reread>(front);
    mailbox_.pop_front();
  }
  work.answered.assign(work.commands.size(), 0);
  if (read_again) {
    const error_code failed = co_await catch_up_listeners();
    if (failed == store::errc::corrupt) quarantine();
    if (failed) runtime::log_error("record_not_refreshed", {{"record", key_}, {"error", failed}});
  }
  for (auto& asking : visits) asking.what(loaded_ ? error_code{} : make_error_code(store::errc::unavailable));
  if (work.commands.empty() && work.notes.empty() && work.timers.empty()) co_return;

  error_code failed;
  for (int attempt = 0; attempt < max_attempts; ++attempt) {
    if (!loaded_) failed = co_await catch_up_listeners();
    if (!failed) failed = co_await page_in(work);
    if (failed) break;
    decide_all(work);
    const bool done = co_await commit(work);
    if (done) co_return;
    environment_.metrics.conflicts.increment();
  }
  if (failed == store::errc::corrupt) quarantine();
  environment_.metrics.store_failures.increment();
  for (std::size_t i = 0; i < work.commands.size(); ++i) {
    if (!work.answered[i]) work.commands[i].answer(work.commands[i], {refusal_of(failed), {}});
  }
  for (auto& entries : work.notes) entries.done(failed ? failed : make_error_code(store::errc::unavailable));
  for (auto& due : work.timers) due.done(failed ? failed : make_error_code(store::errc::unavailable));
}

void record_host::publish() {
  if (state_.is_organization() && environment_.accounts_changed) environment_.accounts_changed(state_.organization);
  if (!state_.is_duty() || !environment_.all_duties) return;
  const auto now = std::chrono::floor<std::chrono::microseconds>(environment_.clock.now());
  const auto changed = environment_.all_duties->take(shared_from_this(), now);
  if (changed.reading && environment_.duty_readers_changed) environment_.duty_readers_changed(state_.duty.id);
  if (changed.answering.empty()) return;
  if (environment_.listener) environment_.listener->answering_changed(changed.answering);
  if (environment_.answering_changed) environment_.answering_changed(changed.answering);
}

bool record_host::appoint() {
  return environment_.all_duties && care::appoint(state_.team, environment_.all_duties->directory());
}

void record_host::look_at_boundary() {
  const auto known = boundary_at_;
  arm_boundary();
  if (boundary_at_ != known && environment_.listener) environment_.listener->audience_changed(*this);
}

void record_host::arm_boundary() {
  const auto now = std::chrono::floor<std::chrono::microseconds>(environment_.clock.now());
  boundary_at_ = state_.team.next_boundary(now);
  boundary_.cancel();
  if (!boundary_at_) return;
  boundary_.expires_after(std::min<std::chrono::steady_clock::duration>(*boundary_at_ - now, longest_boundary_wait));
  boundary_.async_wait([weak = weak_from_this()](error_code failed) {
    const auto self = weak.lock();
    if (!failed && self) self->look_at_boundary();
  });
}

}  // namespace careteam::coordination

#include "coordination/record_host.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "care/worklist.hpp"
#include "coordination/delivery_changes.hpp"
#include "coordination/obligation_rows.hpp"
#include "coordination/people.hpp"
#include "coordination/record_loading.hpp"
#include "coordination/timer_changes.hpp"
#include "runtime/log.hpp"

namespace careteam::coordination {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr std::size_t load_page_bytes = 1024 * 1024;  // Entries read at once while a record is loaded.
constexpr int max_attempts = 64;  // Conflicts in a row before a batch gives up: somebody else always wins, so this is a bug.
constexpr auto longest_boundary_wait = std::chrono::hours(1);  // The wall clock may be set meanwhile: look again.

bool changes_audience(const v1::Entry& entry) {
  switch (entry.fact_case()) {
    case v1::Entry::kMemberAdded:
    case v1::Entry::kMemberEnded:
    case v1::Entry::kRoleChanged:
    case v1::Entry::kMembershipDetailed:
    case v1::Entry::kInvitationRenewed:
    case v1::Entry::kRecordOpened:
    case v1::Entry::kPersonEnrolled:
    case v1::Entry::kPersonSuspended:
    case v1::Entry::kPersonReinstated:
    case v1::Entry::kSessionsRevoked:
      return true;
    default:
      return false;
  }
}

care::refusal try_later() {
  auto why = care::refuse(care::code::unavailable, "", "the store cannot be written now; nothing has happened; try again");
  why.retry_after_ms = 1000;
  return why;
}

care::refusal damaged() {
  return care::refuse(care::code::data_loss, "", "what is stored here is damaged; nothing has happened; the operator has to mend it");
}

/// What a command hears when the store failed.
care::refusal refusal_of(error_code failed) {
  if (failed == store::errc::corrupt) return damaged();
  auto why = try_later();
  if (failed == store::errc::uncertain) {
    why.message = "the disk failed, and it is not known whether this was kept; send it again with the same commandId";
  }
  return why;
}

/// Whoever waits for this goes on, and whoever comes to wait does not.
void happen(asio::steady_timer& event) {
  event.expires_at(asio::steady_timer::time_point::min());
}

care::refusal other_command() {
  return care::refuse(care::code::already_exists, "commandId", "this commandId was used for another command");
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

struct record_host::batch {
  struct refused {
    std::size_t command;
    care::refusal why;
  };
  struct accepted {
    std::size_t command;
    care::place where;
    care::facts entries;
    bool remembered_here = false;  ///< The answer was at hand: the store knows the command already.
  };
  std::vector<submission> commands;
  std::vector<noted> notes;
  std::vector<fired> timers;
  std::vector<char> answered;  ///< By command: it has its answer already.
  std::vector<refused> refusals;
  std::vector<accepted> acceptances;
  std::vector<std::pair<std::size_t, std::size_t>> twins;  ///< The same command sent twice in one batch: (second, first).
  std::array<std::shared_ptr<stream_batch>, care::stream_count> streams;
  std::vector<shared_batch> order;
  std::vector<v1::Entry> audience_changes;
  std::uint64_t expected_version = 0;
  std::size_t entry_count = 0;
  std::set<std::string> members_touched;
  care::obligation_changes obligations;
  std::vector<care::place> obligations_touched;
  delivery_changes deliveries;
  care::instant now;

  batch(const store::record_key& record, const std::string& epoch) : deliveries(record, epoch) {}
  void start_over(std::uint64_t version, care::instant at) {
    refusals.clear();
    acceptances.clear();
    twins.clear();
    streams = {};
    order.clear();
    audience_changes.clear();
    members_touched.clear();
    obligations.clear();
    deliveries.clear();
    expected_version = version;
    entry_count = 0;
    now = at;
  }
};

record_host::record_host(host_environment& environment, std::string patient_id)
    : environment_(environment),
      patient_id_(std::move(patient_id)),
      key_(care::record_key(patient_id_)),
      state_(patient_id_),
      boundary_(environment.executor) {}

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
  fired due{std::move(timer), {}, std::move(done), {}};
  if (!due.command.ParseFromString(due.timer.payload)) {
    runtime::log_error("timer_not_readable", {{"record", key_}, {"timer", due.timer.key.id}});
    due.command.Clear();  // It leads to nothing, and is taken off like any other.
  }
  mailbox_.emplace_back(std::move(due));
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
  auto loaded = co_await load_record(environment_.store, patient_id_);
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
  arm_boundary();
  co_return error_code{};
}

asio::awaitable<error_code> record_host::catch_up_listeners() {
  std::array<std::uint64_t, care::stream_count> told{};
  for (std::size_t i = 0; i < care::stream_count; ++i) told[i] = durable_[i].head;
  loaded_ = false;
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
  if (environment_.listener && !batches.empty()) {
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

asio::awaitable<error_code> record_host::page_in(batch& work) {
  care::forget_settled(state_);
  for (std::size_t i = 0; i < work.commands.size(); ++i) {
    if (work.answered[i]) continue;
    for (const care::place at : care::references(state_, work.commands[i].command)) {
      if (const error_code failed = co_await page_in_at(at)) co_return failed;
    }
  }
  for (const auto& due : work.timers) {
    for (const care::place at : care::references(state_, due.command)) {
      if (const error_code failed = co_await page_in_at(at)) co_return failed;
    }
  }
  co_return error_code{};
}

asio::awaitable<error_code> record_host::page_in_at(care::place at) {
  if (at.seq > state_.stream(at.stream).head) co_return error_code{};
  auto stored = co_await environment_.store.read_about(key_, static_cast<store::stream_kind>(at.stream), at.seq);
  if (!stored) co_return stored.error();
  std::vector<v1::Entry> entries(stored->size());
  for (std::size_t k = 0; k < entries.size(); ++k) {
    if (!parse_entry((*stored)[k], entries[k])) co_return make_error_code(store::errc::corrupt);
  }
  care::page_in(state_, at, entries);
  co_return error_code{};
}

void record_host::decide_all(batch& work) {
  const auto now = std::chrono::floor<std::chrono::microseconds>(environment_.clock.now());
  work.start_over(state_.version, now);
  decide_fired(work);
  std::unordered_map<command_key, std::size_t, command_key_hash> in_batch;
  for (std::size_t i = 0; i < work.commands.size(); ++i) {
    if (work.answered[i]) continue;
    auto& one = work.commands[i];
    const command_key key{one.id, one.who.person_id};
    if (const auto known = answers_.find(key); known != answers_.end()) {
      if (known->second.digest == one.digest) {
        work.acceptances.push_back({i, known->second.where, {}, true});
      } else {
        work.refusals.push_back({i, other_command()});
      }
      continue;
    }
    if (const auto [first, fresh] = in_batch.try_emplace(key, i); !fresh) {
      if (work.commands[first->second].digest == one.digest) {
        work.twins.emplace_back(i, first->second);
      } else {
        work.refusals.push_back({i, other_command()});
      }
      continue;
    }
    if (auto token = confirmation_needed(one, now); !token.empty()) {
      auto why = care::refuse(care::code::failed_precondition, "confirmPatient",
                              "your last message, moments ago, was about another patient: confirm that you mean this one");
      why.confirm_token = std::move(token);
      work.refusals.push_back({i, std::move(why)});
      in_batch.erase(key);
      continue;
    }
    const bool stat = one.command.post_message().priority() == v1::PRIORITY_STAT;
    care::context with{now, environment_.directory.accounts(), 0, environment_.stat_per_hour, *environment_.tasks};
    if (stat) with.stat_in_last_hour = environment_.directory.stat_in_last_hour(one.who.person_id, now);
    auto decided = care::decide(state_, one.command, one.who, with);
    if (!decided) {
      work.refusals.push_back({i, decided.error()});
      in_batch.erase(key);  // The same command a second time is decided by itself, and refused the same.
      continue;
    }
    if (stat) environment_.directory.note_stat(one.who.person_id, now);
    if (one.command.has_post_message()) environment_.directory.note_post(one.who.person_id, patient_id_, now);
    care::place where;
    for (const auto& entry : *decided) {
      if (where.seq != 0) break;
      if (entry.stream() != v1::STREAM_AUDIT) where = {entry.stream(), entry.seq()};
    }
    add_entries(work, *decided);
    work.acceptances.push_back({i, where, std::move(*decided)});
  }
  for (auto& entries : work.notes) {
    if (!state_.exists()) continue;
    care::stamp(state_, entries.entries, entries.author, now);
    add_entries(work, entries.entries);
  }
}

// Before the commands: a deadline that has passed came before what is asked now.
void record_host::decide_fired(batch& work) {
  for (auto& due : work.timers) {
    due.entries.clear();
    // Its time has come, also where the clock was set back since it was handed over.
    const care::context with{std::max(work.now, due.timer.key.due), environment_.directory.accounts(), 0, environment_.stat_per_hour,
                             *environment_.tasks};
    auto decided = care::decide(state_, due.command, {{}, v1::ROLE_UNSPECIFIED, true}, with);
    if (decided) {
      due.entries = std::move(*decided);
      add_entries(work, due.entries);
    } else {
      runtime::log_warning("timer_refused", {{"record", key_}, {"timer", due.timer.key.id}, {"text", decided.error().message}});
    }
    const auto& pending = state_.timers.pending();
    if (const auto at = pending.find(due.timer.key.id); at != pending.end() && at->second.due == due.timer.key.due) {
      runtime::log_error("timer_without_effect", {{"record", key_}, {"timer", due.timer.key.id}});
    }
  }
}

// Here, behind the look-up of the command's id: a message that is sent again gets its first answer, whatever was said elsewhere meanwhile.
std::string record_host::confirmation_needed(const submission& what, care::instant now) {
  if (!what.command.has_post_message() || !care::is_staff(state_.team, what.who.person_id, now)) return {};
  return environment_.directory.confirmation_needed(what.who.person_id, patient_id_, what.command.confirm_patient(),
                                                    environment_.wrong_patient_window, now);
}

void record_host::add_entries(batch& work, care::facts& entries) {
  for (const auto& entry : entries) {
    work.obligations.before(state_, entry);
    care::apply(state_, entry);
    const auto& people = environment_.directory.accounts();
    work.deliveries.add(care::calls_after(state_, entry, {work.now, people, 0, 0, *environment_.tasks}), people, work.now);
    auto& stream = work.streams[static_cast<std::size_t>(entry.stream())];
    if (!stream) {
      stream = std::make_shared<stream_batch>(entry.stream(), entry.seq());
      work.order.push_back(stream);
    }
    stream->add(entry);
    ++work.entry_count;
    if (changes_audience(entry)) work.audience_changes.push_back(entry);
    if (entry.has_member_added()) work.members_touched.insert(entry.member_added().person_id());
    if (entry.has_member_ended()) work.members_touched.insert(entry.member_ended().person_id());
  }
}

asio::awaitable<bool> record_host::commit(batch& work) {
  // What was refused because a timer fired is refused only if it has: the store may know better.
  if (work.timers.empty()) co_await answer_refused(work);
  if (work.entry_count == 0 && work.acceptances.empty() && work.twins.empty() && work.timers.empty()) {
    for (auto& entries : work.notes) entries.done(make_error_code(store::errc::unavailable));
    co_return true;
  }
  store::record_append append;
  append.record = key_;
  append.expected_version = work.expected_version;
  append.entries.reserve(work.entry_count);
  append.commands.reserve(work.acceptances.size());
  // Entries take versions in the order of the list: the order of their decisions, which is also each stream's order.
  std::array<std::size_t, care::stream_count> next{};
  const auto add = [&](const v1::Entry& entry) {
    const auto index = static_cast<std::size_t>(entry.stream());
    append.entries.push_back({static_cast<store::stream_kind>(entry.stream()), entry.seq(), care::about(entry), entry.author().person_id(),
                              work.streams[index]->entry(next[index]++)});
  };
  for (const auto& due : work.timers) {
    for (const auto& entry : due.entries) add(entry);
    append.fired_timers.push_back(due.timer.key);
  }
  for (const auto& one : work.acceptances) {
    for (const auto& entry : one.entries) add(entry);
  }
  for (const auto& entries : work.notes) {
    if (state_.exists() && !entries.entries.empty() && entries.entries.front().seq() != 0) {
      for (const auto& entry : entries.entries) add(entry);
    }
  }
  for (const auto& one : work.acceptances) {
    const auto& what = work.commands[one.command];
    if (one.remembered_here) continue;
    append.commands.push_back({what.who.person_id, what.id, what.digest, static_cast<store::stream_kind>(one.where.stream), one.where.seq});
  }
  for (const auto& person : work.members_touched) {
    bool member = false;
    for (const auto& m : state_.team.members) member |= m.person_id == person && (!m.end || work.now < *m.end);
    append.memberships.push_back({person, member});
  }
  if (state_.version - snapshot_version_ >= environment_.snapshot_every) append.snapshot = care::to_snapshot(state_);
  const bool snapshot = append.snapshot.has_value();
  append.keep_alive = std::make_shared<std::vector<shared_batch>>(work.order);
  add_timer_changes(append, state_.timers.take_changes());
  work.obligations_touched = add_obligation_changes(append, work.obligations.against(state_));
  work.deliveries.move_to(append, environment_.deliveries_added ? delivery_changes::calls::keep : delivery_changes::calls::drop);
  const auto added = environment_.deliveries_added ? append.add_deliveries : std::vector<store::new_delivery>();
  std::optional<care::instant> first_set;
  for (const auto& timer : append.set_timers) first_set = std::min(first_set.value_or(timer.key.due), timer.key.due);
  if (append.entries.empty() && append.commands.empty() && append.fired_timers.empty()) {
    finish(work, {});
    co_return true;
  }

  const auto started = std::chrono::steady_clock::now();
  std::vector<store::record_append> request;
  request.push_back(std::move(append));
  auto appended = co_await environment_.store.append(std::move(request));
  if (!appended || std::holds_alternative<store::committed>(*appended)) co_await answer_refused(work);
  if (!appended) {
    runtime::log_error("append_failed", {{"record", key_}, {"error", appended.error()}});
    loaded_ = false;
    environment_.metrics.store_failures.increment();
    const auto why = refusal_of(appended.error());
    for (const auto& one : work.acceptances) work.commands[one.command].answer(work.commands[one.command], {why, {}});
    for (const auto& [second, first] : work.twins) work.commands[second].answer(work.commands[second], {why, {}});
    for (auto& entries : work.notes) entries.done(appended.error());
    for (auto& due : work.timers) due.done(appended.error());
    co_return true;
  }
  if (const auto* done = std::get_if<store::committed>(&*appended)) {
    environment_.metrics.commit_seconds.observe(std::chrono::steady_clock::now() - started);
    if (snapshot) snapshot_version_ = state_.version;
    finish(work, *done);
    if (first_set && environment_.timer_set) environment_.timer_set(*first_set);
    if (!added.empty()) environment_.deliveries_added(added);
    co_return true;
  }
  loaded_ = false;  // The state ran ahead of the store.
  if (const auto* stale = std::get_if<store::stale_timers>(&*appended)) forget_stale(work, *stale);
  if (const auto* known = std::get_if<store::duplicates>(&*appended)) {
    for (const auto& command : known->known) {
      for (std::size_t i = 0; i < work.commands.size(); ++i) {
        auto& one = work.commands[i];
        if (work.answered[i] || one.id != command.id || one.who.person_id != command.actor) continue;
        work.answered[i] = 1;
        const care::place where{static_cast<v1::Stream>(command.stream), command.seq};
        if (one.digest == command.digest) {
          one.answer(one, {where, {}});
        } else {
          one.answer(one, {other_command(), {}});
        }
      }
    }
  }
  co_return false;
}

// Another process fired them, or something moved them: either way there is nothing left to do.
void record_host::forget_stale(batch& work, const store::stale_timers& stale) {
  std::erase_if(work.timers, [&](const fired& due) {
    if (std::ranges::find(stale.gone, due.timer.key) == stale.gone.end()) return false;
    due.done({});
    return true;
  });
}

asio::awaitable<void> record_host::answer_refused(batch& work) {
  for (auto& [index, why] : work.refusals) {
    auto& one = work.commands[index];
    work.answered[index] = 1;
    // A command that was carried out before, and would be refused now, still gets its first answer.
    auto known = co_await environment_.store.find_command(one.who.person_id, one.id);
    command_answer answer{std::move(why), {}};
    if (!known) {
      answer.result = try_later();
    } else if (known->has_value()) {
      const auto& before = **known;
      if (before.digest == one.digest) {
        answer.result = care::place{static_cast<v1::Stream>(before.stream), before.seq};
      } else {
        answer.result = other_command();
      }
    }
    if (!answer.result) environment_.metrics.refused.increment();
    one.answer(one, std::move(answer));
  }
  work.refusals.clear();
}

void record_host::finish(batch& work, const store::committed& done) {
  for (const auto& one : work.order) {
    auto& durable = durable_[static_cast<std::size_t>(one->stream())];
    durable.head = one->last_seq();
  }
  if (!done.heads.empty()) {
    for (const auto& head : done.heads.front()) {
      if (head.stream < care::stream_count) durable_[head.stream].chain = head.chain;
    }
  }
  const auto count = [&](const care::facts& entries) {
    for (const auto& entry : entries) {
      if (!entry.author().person_id().empty()) ++durable_[static_cast<std::size_t>(entry.stream())].authored[entry.author().person_id()];
    }
  };
  for (const auto& due : work.timers) count(due.entries);
  for (const auto& one : work.acceptances) count(one.entries);
  for (const auto& entries : work.notes) {
    if (state_.exists()) count(entries.entries);
  }
  environment_.metrics.entries.increment(work.entry_count);
  environment_.metrics.committed.increment(work.acceptances.size());
  care::forget_settled(state_);

  std::unordered_map<std::size_t, care::place> answers;
  for (auto& one : work.acceptances) {
    auto& what = work.commands[one.command];
    if (!work.twins.empty()) answers.emplace(one.command, one.where);
    if (!one.remembered_here) remember(what, one.where);
    what.answer(what, {one.where, std::move(one.entries)});
  }
  for (const auto& [second, first] : work.twins) {
    auto& what = work.commands[second];
    if (const auto at = answers.find(first); at != answers.end()) {
      what.answer(what, {at->second, {}});
    } else {
      what.answer(what, {try_later(), {}});  // The first of the two was refused; this one may be sent again.
    }
  }
  if (environment_.listener) {
    // First who may read: nobody is to be handed what was decided after they had left. Whoever joined catches up to here.
    if (!work.audience_changes.empty()) {
      arm_boundary();
      environment_.listener->audience_changed(*this);
    }
    if (!work.obligations_touched.empty()) environment_.listener->obligations_changed(*this, work.obligations_touched);
    if (!work.order.empty()) environment_.listener->committed(*this, work.order);
  }
  for (auto& entries : work.notes) {
    entries.done(state_.exists() ? error_code{} : make_error_code(store::errc::unavailable));
  }
  for (auto& due : work.timers) due.done({});
}

void record_host::remember(const submission& what, care::place where) {
  command_key key{what.id, what.who.person_id};
  if (!answers_.try_emplace(key, remembered{what.digest, where}).second) return;
  answer_order_.push_back(std::move(key));
  if (answer_order_.size() > remembered_answers) {
    answers_.erase(answer_order_.front());
    answer_order_.pop_front();
  }
}

void record_host::arm_boundary() {
  const auto now = std::chrono::floor<std::chrono::microseconds>(environment_.clock.now());
  const auto next = state_.team.next_boundary(now);
  boundary_.cancel();
  if (!next) return;
  boundary_.expires_after(std::min<std::chrono::steady_clock::duration>(*next - now, longest_boundary_wait));
  boundary_.async_wait([weak = weak_from_this()](error_code failed) {
    const auto self = weak.lock();
    if (failed || !self) return;
    if (self->environment_.listener) self->environment_.listener->audience_changed(*self);
    self->arm_boundary();
  });
}

}  // namespace careteam::coordination

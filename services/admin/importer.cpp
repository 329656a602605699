#include "admin/importer.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "admin/task_steps.hpp"
#include "care/worklist.hpp"
#include "coordination/digest.hpp"
#include "coordination/obligation_rows.hpp"
#include "coordination/record_loading.hpp"
#include "coordination/timer_changes.hpp"

namespace careteam::admin {
namespace {

constexpr std::size_t kept_records = 256;    // States at hand between units; more are read again.
constexpr int max_attempts = 16;             // Conflicts with a running server in a row.
constexpr std::size_t steps_at_a_time = 64;  // Then a server's other work has its turn.
const std::string import_actor =
    "import";  // Whose commands these are in the store's memory of commands; no person has this id and a command.

/// What the source does not know stays as it is.
void keep_unknown(v1::EnrollPerson& asked, const care::account* account) {
  if (!account) return;
  if (asked.reach().empty()) asked.set_reach(account->reach);
  if (asked.hours().empty()) asked.set_hours(account->hours);
  if (asked.quiet_hours().empty()) asked.set_quiet_hours(account->quiet_hours);
  if (asked.contacts().empty()) {
    for (const auto& contact : account->contacts) {
      auto& point = *asked.add_contacts();
      point.set_system(contact.system);
      point.set_value(contact.value);
    }
  }
  if (asked.roles_size() == 0 && account->administrator) asked.add_roles(v1::ROLE_ADMINISTRATOR);
}

}  // namespace

/// One record's part of a unit.
struct importer::draft {
  store::record_append append;
  std::vector<std::string> bytes;  ///< Owns the encoded entries until the append takes them over.
  std::vector<v1::Entry> entries;
  care::obligation_changes obligations;
};

boost::asio::awaitable<store::result<importer::working_record*>> importer::record(std::string patient_id) {
  if (const auto at = records_.find(patient_id); at != records_.end()) co_return &at->second;
  auto loaded = co_await coordination::load_record(store_, care::record_key(patient_id));
  if (!loaded) co_return loaded.error();
  auto& slot = records_[patient_id];
  slot.state = std::move(loaded->state);
  slot.snapshot_version = loaded->snapshot_version;
  co_return &slot;
}

void importer::forget_unless(const std::string& patient_id, std::uint64_t version) {
  const auto at = records_.find(patient_id);
  if (at != records_.end() && at->second.state.version != version) records_.erase(at);
}

boost::asio::awaitable<store::result<unit_outcome>> importer::apply(import_unit unit) {
  if (records_.size() > kept_records) records_.clear();
  for (int i = 0; i < max_attempts; ++i) {
    auto tried = co_await attempt(unit);
    if (!tried || (*tried && (*tried)->refused)) records_.clear();  // The states ran ahead of the store.
    if (!tried) co_return tried.error();
    if (*tried) co_return std::move(**tried);
    records_.clear();  // A running server was first: read again.
  }
  co_return make_error_code(store::errc::unavailable);
}

boost::asio::awaitable<store::result<care::place>> importer::find_task(std::string task) {
  for (const auto what : {task_drafted, task_begun}) {
    auto before = co_await store_.find_command(import_actor, coordination::digest_of(task + '#' + std::string(what)));
    if (!before) co_return before.error();
    if (before->has_value()) co_return care::place{static_cast<v1::Stream>((*before)->stream), (*before)->seq};
  }
  co_return care::place{};
}

boost::asio::awaitable<store::result<void>> importer::page_in(care::record_state& state, care::place at) {
  if (at.seq > state.stream(at.stream).head) co_return store::result<void>{};
  auto stored = co_await store_.read_about(care::key_of(state), static_cast<store::stream_kind>(at.stream), at.seq);
  if (!stored) co_return stored.error();
  std::vector<v1::Entry> entries(stored->size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (!coordination::parse_entry((*stored)[i], entries[i])) co_return make_error_code(store::errc::corrupt);
  }
  care::page_in(state, at, entries);
  co_return store::result<void>{};
}

boost::asio::awaitable<store::result<importer::preparation>> importer::prepare_task_step(const import_step& step, care::record_state& state,
                                                                                         v1::Command& command, task_progress& progress) {
  if (progress.passed_over.contains(step.task)) co_return preparation::nothing_to_do;
  care::place at;
  if (const auto here = progress.begun.find(step.task); here != progress.begun.end()) {
    at = here->second;
  } else {
    auto before = co_await find_task(step.task);
    if (!before) co_return before.error();
    at = *before;
  }
  const bool begins = begins_task(command);
  if (!begins && at.seq == 0) co_return preparation::nothing_to_do;
  name_task(command, at);
  if (begins && at.seq != 0) {
    // What was a draft then is asked for now; everything else has begun.
    if (!command.has_request_task()) co_return preparation::nothing_to_do;
    if (!state.tasks.find(at)) {
      if (auto paged = co_await page_in(state, at); !paged) co_return paged.error();
    }
    const auto* task = state.tasks.find(at);
    if (!task || task->status != v1::TASK_STATUS_DRAFT) co_return preparation::nothing_to_do;
    command.mutable_request_task()->set_draft_seq(at.seq);
  }
  if (begins && step.own.seq() != 0 && step.own.patient_id() == state.patient_id && care::is_chat_stream(step.own.stream())) {
    const care::place own{step.own.stream(), step.own.seq()};
    if (!state.tasks.find(own)) {
      if (auto paged = co_await page_in(state, own); !paged) co_return paged.error();
    }
    if (const auto* task = state.tasks.find(own); task && is_same_task(*task, command)) {
      progress.passed_over.insert(step.task);
      co_return preparation::nothing_to_do;
    }
  }
  for (const auto wanted : care::references(state, command)) {
    if (auto paged = co_await page_in(state, wanted); !paged) co_return paged.error();
  }
  co_return preparation::ready;
}

boost::asio::awaitable<store::result<std::optional<unit_outcome>>> importer::attempt(const import_unit& unit) {
  unit_outcome outcome;
  std::map<std::string, draft> drafts;
  std::set<std::string> applied_here;
  task_progress progress;
  auto organization = co_await record({});
  if (!organization) co_return organization.error();
  const auto now = std::chrono::floor<std::chrono::microseconds>(clock_.now());

  std::size_t steps = 0;
  for (const auto& step : unit.steps) {
    if (++steps % steps_at_a_time == 0) co_await boost::asio::post(co_await boost::asio::this_coro::executor, boost::asio::use_awaitable);
    v1::Command command = step.command;
    auto record_now = co_await record(command.patient_id());
    if (!record_now) co_return record_now.error();
    auto& state = (*record_now)->state;
    auto& accounts = (*organization)->state.organization;
    const bool remembered = step.when != apply_when::if_changed && step.when != apply_when::unless_enrolled;
    if (remembered) {
      auto before = co_await store_.find_command(import_actor, coordination::digest_of(step.identity));
      if (!before) co_return before.error();
      if (before->has_value() || applied_here.contains(step.identity)) {
        ++outcome.unchanged;
        continue;
      }
    }
    if (step.when == apply_when::if_applied && !applied_here.contains(step.depends_on)) {
      auto brought = co_await store_.find_command(import_actor, coordination::digest_of(step.depends_on));
      if (!brought) co_return brought.error();
      if (!brought->has_value()) {
        ++outcome.unchanged;
        continue;
      }
    }
    if (command.has_enroll_person()) {
      const auto* account = accounts.find(command.enroll_person().person_id());
      if (step.when == apply_when::unless_enrolled && account) {
        ++outcome.unchanged;
        continue;
      }
      if (step.when == apply_when::if_changed) keep_unknown(*command.mutable_enroll_person(), account);
    }
    if (command.has_add_member()) command.mutable_add_member()->set_expected_roster_version(state.team.version);
    if (command.has_end_member()) command.mutable_end_member()->set_expected_roster_version(state.team.version);
    if (command.has_assign_attending()) command.mutable_assign_attending()->set_expected_roster_version(state.team.version);

    care::actor who{step.author.person_id(), step.author.role(), true};
    if (step.when == apply_when::as_far_as_allowed) {
      auto ready = co_await prepare_task_step(step, state, command, progress);
      if (!ready) co_return ready.error();
      if (*ready == preparation::nothing_to_do) {
        ++outcome.unchanged;
        care::forget_settled(state);
        continue;
      }
      if (who.chosen_role == v1::ROLE_UNSPECIFIED && !who.person_id.empty()) {
        who.chosen_role = acting_role_in(state, who.person_id, care::task_named(command), {state.team, accounts, tasks_, now});
      }
    }
    auto decided = care::decide(state, command, who, {.now = now, .people = accounts, .tasks = tasks_});
    if (!decided && step.when == apply_when::as_far_as_allowed) {
      progress.passed_over.insert(step.task);
      outcome.left_out.push_back({unit.where, step.source, decided.error().field + ": " + decided.error().message, false});
      care::forget_settled(state);
      continue;
    }
    if (!decided) {
      outcome.refused = import_problem{unit.where, step.source, decided.error().field + ": " + decided.error().message, true};
      outcome.applied = outcome.unchanged = 0;
      outcome.patients.clear();
      co_return outcome;
    }
    auto& part = drafts[command.patient_id()];
    if (part.append.record.empty()) {
      part.append.record = care::record_key(command.patient_id());
      part.append.expected_version = state.version;
    }
    for (auto& entry : *decided) {
      part.obligations.before(state, entry);
      care::apply(state, entry);
      part.bytes.push_back(entry.SerializeAsString());
      if (entry.has_member_added()) part.append.memberships.push_back({entry.member_added().person_id(), true});
      if (entry.has_member_ended()) part.append.memberships.push_back({entry.member_ended().person_id(), false});
      part.entries.push_back(std::move(entry));
    }
    care::forget_settled(state);
    if (begins_task(command)) {
      const auto& begun = part.entries.back();
      const auto drafted = command.request_task().draft_seq();
      progress.begun[step.task] = care::place{begun.stream(), drafted != 0 ? drafted : begun.seq()};
    }
    if (remembered) {
      const auto& last = part.entries;
      const auto stream = last.empty() ? 0U : static_cast<store::stream_kind>(last.back().stream());
      part.append.commands.push_back({import_actor, coordination::digest_of(step.identity), coordination::digest_of(step.command), stream,
                                      last.empty() ? 0U : last.back().seq()});
    }
    applied_here.insert(step.identity);
    ++(decided->empty() ? outcome.unchanged : outcome.applied);
  }

  std::vector<store::record_append> request;
  for (auto& [patient, part] : drafts) {
    if (part.entries.empty() && part.append.commands.empty()) continue;
    auto& kept = records_.at(patient);
    auto bytes = std::make_shared<std::vector<std::string>>(std::move(part.bytes));
    auto entries = std::make_shared<std::vector<v1::Entry>>(std::move(part.entries));
    for (std::size_t i = 0; i < entries->size(); ++i) {
      const auto& entry = (*entries)[i];
      part.append.entries.push_back(
          {static_cast<store::stream_kind>(entry.stream()), entry.seq(), care::about(entry), entry.author().person_id(), (*bytes)[i]});
    }
    part.append.keep_alive = std::make_shared<std::pair<std::shared_ptr<void>, std::shared_ptr<void>>>(bytes, entries);
    (void)coordination::add_obligation_changes(part.append, part.obligations.against(kept.state));
    // Somebody whose one membership ended may have another: the index follows the roster, not the last entry.
    for (auto& change : part.append.memberships) {
      change.member = care::is_offered(kept.state, change.person, now);
    }
    coordination::add_timer_changes(part.append, kept.state.timers.take_changes());
    for (const auto& timer : part.append.set_timers) {
      outcome.first_timer = std::min(outcome.first_timer.value_or(timer.key.due), timer.key.due);
    }
    if (kept.state.version - kept.snapshot_version >= snapshot_every_) {
      part.append.snapshot = care::to_snapshot(kept.state);
      kept.snapshot_version = kept.state.version;
    }
    outcome.patients.insert(patient);
    request.push_back(std::move(part.append));
  }
  if (request.empty()) co_return outcome;
  auto appended = co_await store_.append(std::move(request));
  if (!appended) co_return appended.error();
  if (!std::holds_alternative<store::committed>(*appended)) co_return std::nullopt;
  co_return outcome;
}

}  // namespace careteam::admin

// How a record host decides a batch: what has to be at hand, timers before commands, and every entry applied as it is decided.
#include <boost/asio/use_awaitable.hpp>

#include "coordination/people.hpp"
#include "coordination/record_batch.hpp"
#include "coordination/record_loading.hpp"
#include "runtime/log.hpp"

namespace careteam::coordination {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr std::size_t page_of_owed = 500;

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
    case v1::Entry::kDutyDefined:
      return true;
    default:
      return false;
  }
}

}  // namespace

// Anew for each attempt: a state that was behind the store's did not know them all.
void record_host::find_fired(batch& work) {
  const auto& pending = state_.timers.pending();
  for (auto& due : work.timers) {
    due.command.reset();
    const auto at = pending.find(due.timer.key.id);
    if (at == pending.end() || at->second.due != due.timer.key.due) continue;  // It was moved or cancelled: then the store says so, too.
    if (!due.command.emplace().ParseFromString(at->second.command)) due.command.reset();
  }
}

asio::awaitable<error_code> record_host::page_in(batch& work) {
  care::forget_settled(state_);
  find_fired(work);
  for (std::size_t i = 0; i < work.commands.size(); ++i) {
    if (work.answered[i]) continue;
    for (const care::place at : care::references(state_, work.commands[i].command)) {
      if (const error_code failed = co_await page_in_at(at)) co_return failed;
    }
  }
  if (state_.is_duty()) {
    // Whatever changes the roster may begin a handoff, which lists what is owed.
    const bool needed = std::ranges::any_of(work.commands, [](const auto& one) { return care::on_duties(one.command.action_case()); }) ||
                        std::ranges::any_of(work.timers, [](const auto& one) { return one.command.has_value(); });
    if (needed) {
      if (const error_code failed = co_await read_owed(work)) co_return failed;
    }
  }
  for (const auto& due : work.timers) {
    if (!due.command) continue;
    for (const care::place at : care::references(state_, *due.command)) {
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

asio::awaitable<error_code> record_host::read_owed(batch& work) {
  work.owed.clear();
  std::optional<store::stored_obligation> after;
  for (;;) {
    auto page = co_await environment_.store.obligations_of(care::duty_key(state_.duty.id), after, page_of_owed);
    if (!page) co_return page.error();
    for (const auto& [record, row] : *page) {
      const auto patient = care::patient_of_key(record);
      if (!patient || (row.parts & care::row_part::answers) == 0) continue;
      work.owed.push_back({*patient,
                           {static_cast<v1::Stream>(row.key.stream), row.key.seq},
                           static_cast<v1::Priority>(row.priority),
                           row.key.breach == store::no_breach ? std::nullopt : std::optional(row.key.breach),
                           row.version});
    }
    if (page->size() < page_of_owed || work.owed.size() > care::max_owed_items) co_return error_code{};
    after = std::move(page->back());
  }
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
    care::context with{now, environment_.directory.accounts(), 0, environment_.stat_per_hour, *environment_.tasks, work.owed};
    if (stat) with.stat_in_last_hour = environment_.directory.stat_in_last_hour(one.who.person_id, now);
    auto decided = care::decide(state_, one.command, one.who, with);
    if (!decided) {
      work.refusals.push_back({i, decided.error()});
      in_batch.erase(key);  // The same command a second time is decided by itself, and refused the same.
      continue;
    }
    if (stat) environment_.directory.note_stat(one.who.person_id, now);
    if (one.command.has_post_message()) environment_.directory.note_post(one.who.person_id, state_.patient_id, now);
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
    if (!due.command) continue;
    // Its time has come, also where the clock was set back since it was handed over.
    const care::context with{std::max(work.now, due.timer.key.due),
                             environment_.directory.accounts(),
                             0,
                             environment_.stat_per_hour,
                             *environment_.tasks,
                             work.owed};
    auto decided = care::decide(state_, *due.command, {{}, v1::ROLE_UNSPECIFIED, true}, with);
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
  return environment_.directory.confirmation_needed(what.who.person_id, state_.patient_id, what.command.confirm_patient(),
                                                    environment_.wrong_patient_window, now);
}

void record_host::touch_people(batch& work) {
  for (auto& person : care::people_of(state_, work.now)) work.members_touched.insert(std::move(person));
}

void record_host::add_entries(batch& work, care::facts& entries) {
  for (const auto& entry : entries) {
    work.obligations.before(state_, entry);
    if (entry.has_duty_defined()) touch_people(work);  // Whoever is no longer among them.
    care::apply(state_, entry);
    if (entry.has_duty_defined()) touch_people(work);
    if (entry.has_member_added()) appoint();
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
    const auto touch = [&](const auto& one) { work.members_touched.insert(care::member_key(one.person_id(), one.duty_id())); };
    if (entry.has_member_added()) touch(entry.member_added());
    if (entry.has_member_ended()) touch(entry.member_ended());
  }
}

}  // namespace careteam::coordination

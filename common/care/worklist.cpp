#include "care/worklist.hpp"

#include <algorithm>

#include "care/acknowledgement.hpp"
#include "care/message_escalation.hpp"
#include "care/task_owner.hpp"

namespace careteam::care {
namespace {

using owners = std::map<std::string, std::uint8_t>;

const task_state* open_task(const record_state& state, place at) {
  const auto found = state.tasks.open.find(at);
  return found != state.tasks.open.end() && found->second.open() ? &found->second : nullptr;
}

const message_state* open_message(const record_state& state, place at) {
  const auto found = state.chat.open_messages.find(at);
  return found != state.chat.open_messages.end() && found->second.open() ? &found->second : nullptr;
}

/// Its nearest timer, or when it is due, also when that has passed and nothing is left to escalate: then it is late, not without a
/// deadline.
std::optional<instant> breach_of(const task_state& task) {
  std::optional<instant> next;
  if (!is_terminal(task.status)) next = task.order.due;
  for (const auto& [kind, deadline] : task.timers) next = std::min(next.value_or(deadline.at), deadline.at);
  return next;
}

/// The people and duties whom a step of the order names, in roster order. Who has declined may still answer for it later.
std::vector<std::string> named(const task_target& target, const team_state& team) {
  if (!target.person.empty()) return {person_key(target.person)};
  if (!target.duty.empty()) return {duty_key(target.duty)};
  std::vector<std::string> result;
  if (target.role == v1::ROLE_UNSPECIFIED) return result;
  for (const auto& m : team.members) {
    if (m.role != target.role) continue;
    auto key = m.duty_id.empty() ? person_key(m.person_id) : duty_key(m.duty_id);
    if (std::find(result.begin(), result.end(), key) == result.end()) result.push_back(std::move(key));
  }
  return result;
}

/// Whom the order names: its target first, then its ladder.
std::vector<std::string> named(const task_state& task, const team_state& team) {
  auto result = named(task.order.target, team);
  for (const auto& step : task.order.ladder) {
    for (auto& one : named(step, team)) result.push_back(std::move(one));
  }
  return result;
}

/// Who answers for it by the entries: its owner, else whoever is asked first and has not declined, else the attending, else its requester.
std::string answers_for(const task_state& task, const record_state& state, const std::vector<std::string>& asked) {
  if (task.status == v1::TASK_STATUS_DRAFT && !task.requester.empty()) return person_key(task.requester);
  if (!task.owner_duty.empty()) return duty_key(task.owner_duty);
  if (!task.owner.empty()) return person_key(task.owner);
  for (const auto& one : asked) {
    const bool declined = std::any_of(task.declined.begin(), task.declined.end(), [&](const auto& who) { return person_key(who) == one; });
    if (!declined) return one;
  }
  if (!state.team.attending.empty()) return person_key(state.team.attending);
  return task.requester.empty() ? record_key(state.patient_id) : person_key(task.requester);
}

owners owners_of(const task_state& task, const record_state& state) {
  owners result;
  const auto asked = named(task, state.team);
  result[answers_for(task, state, asked)] |= row_part::answers;
  for (const auto& one : asked) result[one] |= row_part::concerned;
  // The duty's owner answers while nobody holds it; whoever was asked to take over may.
  if (!task.owner.empty()) result[person_key(task.owner)] |= row_part::concerned;
  if (!task.offered_to.empty()) result[person_key(task.offered_to)] |= row_part::concerned;
  if (!task.requester.empty()) result[person_key(task.requester)] |= row_part::requested;
  return result;
}

owners owners_of(const message_state& message, const record_state& state) {
  owners result;
  std::string first;
  for (const auto& slot : message.addressees) {
    if (message.answered(slot)) continue;
    if (!slot.duty.empty()) {
      if (first.empty()) first = duty_key(slot.duty);
      result[duty_key(slot.duty)] |= row_part::concerned;
    }
    for (const auto& person : slot.people) {
      if (first.empty() && person != message.author) first = person_key(person);
      result[person_key(person)] |= row_part::concerned;
    }
  }
  for (const auto& person : message.ladder.told) {
    if (message.awaits_told(person)) result[person_key(person)] |= row_part::concerned;
  }
  if (first.empty() && !state.team.attending.empty()) first = person_key(state.team.attending);
  if (first.empty()) first = message.author.empty() ? record_key(state.patient_id) : person_key(message.author);
  result[first] |= row_part::answers;
  if (!message.author.empty()) result[person_key(message.author)] |= row_part::requested;
  return result;
}

std::vector<obligation_row> spread(const obligation_row& row, const owners& over) {
  std::vector<obligation_row> rows;
  rows.reserve(over.size());
  for (const auto& [owner, parts] : over) {
    rows.push_back(row);
    rows.back().owner = owner;
    rows.back().parts = parts;
  }
  return rows;
}

worklist_item item_of(const task_state& task, place at, standing how) {
  return {at, obligation_kind::task, how, task.order.priority, task.status, breach_of(task), task.version, {}};
}

worklist_item item_of(const message_state& message, place at, standing how) {
  return {
      at, obligation_kind::acknowledgement, how, message.priority, v1::TASK_STATUS_UNSPECIFIED, message.ladder.due, message.revision_seq,
      {}};
}

bool readable(const record_state& state, place at, const worklist_view& view) {
  return view.people.active(view.person) && may_see(state.team, view.person, at.stream, at.seq, view.t);
}

/// Nobody has taken it, and this person may, in one of their roles; or the owner has asked them to take over.
bool is_asked(const task_state& task, place at, const worklist_view& view, const task_world& world) {
  if (task.offered_to == view.person) return true;
  if (task.status != v1::TASK_STATUS_REQUESTED) return false;
  return std::any_of(world.team.members.begin(), world.team.members.end(), [&](const membership& m) {
    return m.person_id == view.person && m.active_at(view.t) && step_for(task, at, view.person, m.role, world);
  });
}

}  // namespace

std::string person_key(std::string_view person) {
  return "person/" + std::string(person);
}

std::string duty_key(std::string_view duty) {
  return "duty/" + std::string(duty);
}

std::vector<std::string> owner_keys(std::string_view person, const task_setting& setting, instant t) {
  std::vector<std::string> keys{person_key(person)};
  if (!setting.duties) return keys;
  for (const auto& duty : setting.duties->answered_by(person, t)) keys.push_back(duty_key(duty));
  return keys;
}

bool answers_for_the_rest(const record_state& state, std::string_view person, const task_setting& setting) {
  return state.team.attending == person || setting.safety_person == person;
}

std::vector<obligation_row> obligation_rows(const record_state& state, place at) {
  obligation_row row;
  row.at = at;
  if (const auto* task = open_task(state, at)) {
    row.breach = breach_of(*task);
    row.priority = task->order.priority;
    row.status = task->status;
    row.version = task->version;
    return spread(row, owners_of(*task, state));
  }
  const auto* message = open_message(state, at);
  if (!message) return {};
  row.kind = obligation_kind::acknowledgement;
  row.breach = message->ladder.due;
  row.priority = message->priority;
  row.version = message->revision_seq;
  return spread(row, owners_of(*message, state));
}

std::vector<place> open_obligations(const record_state& state) {
  std::vector<place> places;
  for (const auto& [at, task] : state.tasks.open) {
    if (task.open()) places.push_back(at);
  }
  for (const auto& [at, message] : state.chat.open_messages) {
    if (message.open()) places.push_back(at);
  }
  std::sort(places.begin(), places.end());
  return places;
}

std::vector<obligation_row> obligation_rows(const record_state& state) {
  std::vector<obligation_row> rows;
  for (const auto at : open_obligations(state)) {
    auto here = obligation_rows(state, at);
    rows.insert(rows.end(), std::make_move_iterator(here.begin()), std::make_move_iterator(here.end()));
  }
  return rows;
}

void obligation_changes::keep(const record_state& state, place at) {
  const auto [kept, fresh] = rows_.try_emplace(at);
  if (fresh) kept->second = obligation_rows(state, at);
}

void obligation_changes::before(const record_state& state, const v1::Entry& entry) {
  switch (entry.fact_case()) {
    case v1::Entry::kMemberAdded:
    case v1::Entry::kRoleChanged:
    case v1::Entry::kAttendingAssigned:
      // Who holds a role, and who answers when nobody is named, is a part of every row.
      for (const auto at : open_obligations(state)) keep(state, at);
      return;
    case v1::Entry::kMessageEscalationDetailed:
      keep(state, timed_message(entry));
      return;
    default:
      break;
  }
  if (entry.stream() == v1::STREAM_AUDIT || entry.stream() == v1::STREAM_ORGANIZATION) return;
  keep(state, {entry.stream(), entry.seq()});
  if (const auto began = about(entry); began != 0) keep(state, {entry.stream(), began});
}

obligation_changes::difference obligation_changes::against(const record_state& now) const {
  difference result;
  for (const auto& [at, before] : rows_) {
    auto after = obligation_rows(now, at);
    if (after == before) continue;
    result.places.push_back(at);
    for (const auto& row : before) {
      if (std::find(after.begin(), after.end(), row) == after.end()) result.gone.push_back(row);
    }
    for (auto& row : after) {
      if (std::find(before.begin(), before.end(), row) == before.end()) result.now.push_back(std::move(row));
    }
  }
  return result;
}

std::optional<worklist_item> owed_by(const record_state& state, place at, const worklist_view& view) {
  if (!readable(state, at, view)) return std::nullopt;
  if (const auto* task = open_task(state, at)) {
    const task_world world{state.team, view.people, view.setting, view.t};
    if (accountable(*task, at, world) == view.person) return item_of(*task, at, standing::answers);
    if (is_asked(*task, at, view, world)) return item_of(*task, at, standing::asked);
    return std::nullopt;
  }
  const auto* message = open_message(state, at);
  if (!message) return std::nullopt;
  std::optional<worklist_item> item;
  if (message->awaits_told(view.person)) item = item_of(*message, at, standing::asked);
  for (const auto& owed : obligations_of(*message, at, {view.t, state.team, &view.people, view.setting.duties})) {
    if (owed.accountable == view.person) return item_of(*message, at, standing::answers);
    const auto& people = owed.slot.people;
    if (owed.slot.duty.empty() && view.person != message->author && std::find(people.begin(), people.end(), view.person) != people.end()) {
      item = item_of(*message, at, standing::asked);
    }
  }
  return item;
}

std::optional<worklist_item> asked_by(const record_state& state, place at, const worklist_view& view) {
  if (!readable(state, at, view)) return std::nullopt;
  if (const auto* task = open_task(state, at); task && task->requester == view.person) return item_of(*task, at, standing::requested);
  if (const auto* message = open_message(state, at); message && message->author == view.person) {
    return item_of(*message, at, standing::requested);
  }
  return std::nullopt;
}

std::optional<worklist_item> owed_by_duty(const record_state& state, place at, std::string_view duty, const worklist_view& view) {
  if (!readable(state, at, view)) return std::nullopt;
  const auto rows = obligation_rows(state, at);
  const auto key = duty_key(duty);
  const bool concerned = std::ranges::any_of(rows, [&](const auto& row) { return row.owner == key; });
  if (!concerned) return std::nullopt;
  if (const auto* task = open_task(state, at)) {
    auto item = item_of(*task, at, standing::of_duty);
    item.accountable = accountable(*task, at, {state.team, view.people, view.setting, view.t});
    return item;
  }
  const auto* message = open_message(state, at);
  auto item = item_of(*message, at, standing::of_duty);
  for (const auto& owed : obligations_of(*message, at, {view.t, state.team, &view.people, view.setting.duties})) {
    if (item.accountable.empty() || owed.slot.duty == duty) item.accountable = owed.accountable;
  }
  return item;
}

}  // namespace careteam::care

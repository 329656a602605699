#include "care/notification.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "care/task_owner.hpp"
#include "care/worklist.hpp"

namespace careteam::care {
namespace {

constexpr std::array<std::string_view, 8> names{"", "accept", "act", "stop", "take-over", "acknowledge", "hand-over", "find-cover"};
constexpr std::uint32_t frequent_urgent_calls = 10;  // Then hourly (table 3.1).

/// The people of one entry's changes, each once for each thing.
class collector {
 public:
  collector(call_changes& to, place cause, v1::Priority priority, std::string_view author)
      : to_(to), cause_(cause), priority_(priority), author_(author) {}

  void off(place about, std::initializer_list<called_for> what) {
    for (const auto one : what) to_.over.push_back({about, one});
  }
  void call_person(place about, called_for what, const std::string& person, bool again = false, const std::string& duty = {}) {
    if (person.empty() || person == author_) return;
    const obligation_key key{about, what};
    const bool known = std::any_of(to_.calls.begin(), to_.calls.end(), [&](const call& c) { return c.about == key && c.person == person; });
    if (!known) to_.calls.push_back({key, person, priority_, cause_, again, duty});
  }

 private:
  call_changes& to_;
  place cause_;
  v1::Priority priority_;
  std::string_view author_;
};

struct asked_person {
  std::string person, duty;  ///< The duty for which they are asked; empty: none.
};

bool is_among(const std::vector<asked_person>& people, std::string_view person) {
  return std::find_if(people.begin(), people.end(), [&](const auto& one) { return one.person == person; }) != people.end();
}

/// Who is asked by the steps `from` … `to` of the ladder (0: the target) and has not declined.
std::vector<asked_person> asked(const task_state& task, place at, std::uint32_t from, std::uint32_t to, const task_world& world) {
  std::vector<asked_person> result;
  for (std::uint32_t i = from; i <= to; ++i) {
    if (i > task.order.ladder.size()) break;
    const auto& step = i == 0 ? task.order.target : task.order.ladder[i - 1];
    for (auto& person : candidates(step, at.stream, task.order, world)) {
      if (!task.declined.contains(person) && !is_among(result, person)) result.push_back({std::move(person), step.duty});
    }
  }
  return result;
}

void call_asked(collector& to, const task_state& task, place at, std::uint32_t from, std::uint32_t until, const task_world& world,
                bool again) {
  for (const auto& [person, duty] : asked(task, at, from, until, world)) to.call_person(at, called_for::accept, person, again, duty);
}

void after_escalation(collector& to, const task_state& task, place at, const v1::TaskEscalated& escalated, const task_world& world) {
  if (escalated.timer() == v1::TASK_TIMER_ACCEPT) {
    // Whoever was asked before stays called.
    if (escalated.no_response()) return;
    const auto before = asked(task, at, 0, escalated.level() - 1, world);
    for (const auto& [person, duty] : asked(task, at, escalated.level(), escalated.level(), world)) {
      if (!is_among(before, person)) to.call_person(at, called_for::accept, person, false, duty);
    }
    // A claimer who does not decide is called too.
    if (task.status == v1::TASK_STATUS_RECEIVED) to.call_person(at, called_for::accept, owner_of(task, world), false, task.owner_duty);
    return;
  }
  const auto what = escalated.timer() == v1::TASK_TIMER_ACKNOWLEDGE ? called_for::stop : called_for::act;
  to.off(at, {what});
  to.call_person(at, what, owner_of(task, world), false, task.owner_duty);
  for (const auto& [person, duty] : asked(task, at, 1, escalated.level(), world)) to.call_person(at, what, person, false, duty);
}

void after_decline(collector& to, const task_state& task, place at, const v1::TaskDeclined& declined, const task_world& world) {
  to.off(at, {called_for::accept});
  if (declined.rejected()) return;
  const bool moved_on = declined.has_next_by() && declined.level() > 0;
  if (moved_on) {
    call_asked(to, task, at, declined.level(), declined.level(), world, false);
  }
  call_asked(to, task, at, 0, task.level, world, true);
}

void after_task_entry(call_changes& changes, const record_state& state, const v1::Entry& entry, const task_world& asked_in) {
  const place here{entry.stream(), entry.seq()};
  const auto target = about_task(entry);
  const place at = target != 0 ? place{entry.stream(), target} : here;
  const task_state* found = state.tasks.find(at);
  if (!found) return;
  const task_state& task = *found;
  task_world world = asked_in;
  world.began = at.seq;
  collector to(changes, here, task.order.priority, entry.author().person_id());
  const auto all = {called_for::accept, called_for::act, called_for::stop, called_for::take_over};
  switch (entry.fact_case()) {
    case v1::Entry::kTaskRequested:
      call_asked(to, task, at, 0, task.level, world, false);
      break;
    case v1::Entry::kTaskInstantiated:
      to.call_person(at, called_for::act, owner_of(task, world), false, task.owner_duty);
      break;
    case v1::Entry::kTaskClaimed:
      to.off(at, {called_for::accept});
      break;
    case v1::Entry::kTaskReleased:
      to.off(at, {called_for::accept});
      call_asked(to, task, at, 0, task.level, world, false);
      break;
    case v1::Entry::kTaskDeclined:
      after_decline(to, task, at, entry.task_declined(), world);
      break;
    case v1::Entry::kTaskTransferOffered:
      to.off(at, {called_for::take_over});
      to.call_person(at, called_for::take_over, entry.task_transfer_offered().person_id());
      break;
    case v1::Entry::kTaskResumed:
      to.off(at, {called_for::act});
      if (entry.task_resumed().expired()) to.call_person(at, called_for::act, owner_of(task, world), false, task.owner_duty);
      break;
    case v1::Entry::kTaskEscalated:
      after_escalation(to, task, at, entry.task_escalated(), world);
      break;
    case v1::Entry::kTaskRescheduled:
      to.off(at, {called_for::act});
      break;
    case v1::Entry::kTaskStarted:
    case v1::Entry::kTaskPaused:
      to.off(at, {called_for::accept, called_for::act});
      break;
    case v1::Entry::kTaskAccepted:
    case v1::Entry::kTaskTransferred:
    case v1::Entry::kTaskCompleted:
    case v1::Entry::kTaskFailed:
    case v1::Entry::kTaskCancelAcknowledged:
      to.off(at, all);
      break;
    case v1::Entry::kTaskCancelled:
      to.off(at, all);
      if (task.stopping) to.call_person(at, called_for::stop, owner_of(task, world), false, task.owner_duty);
      break;
    case v1::Entry::kTaskMarkedInError:
      if (!entry.task_marked_in_error().proposed()) to.off(at, all);
      break;
    default:
      break;
  }
}

/// Those who were asked in addition, and have not acknowledged.
void call_told(collector& to, const message_state& message, place at, const record_state& state, const context& with, bool again) {
  for (const auto& person : message.ladder.told) {
    const bool reads_it = may_see(state.team, person, at.stream, at.seq, with.now) && with.people.active(person);
    if (reads_it && message.awaits_told(person)) to.call_person(at, called_for::acknowledge, person, again);
  }
}

void call_addressees(collector& to, const message_state& message, place at, const record_state& state, const context& with, bool again) {
  for (const auto& slot : message.addressees) {
    if (message.answered(slot)) continue;
    for (const auto& person : slot.people) {
      const bool reads_it = may_see(state.team, person, at.stream, at.seq, with.now) && with.people.active(person);
      if (reads_it && person != message.author) to.call_person(at, called_for::acknowledge, person, again, slot.duty);
    }
  }
  call_told(to, message, at, state, with, again);
}

void after_message_entry(call_changes& changes, const record_state& state, const v1::Entry& entry, const context& with) {
  const place here{entry.stream(), entry.seq()};
  const auto target = about_chat(entry);
  const place at = target != 0 ? place{entry.stream(), target} : here;
  const message_state* message = state.chat.message(at);
  if (!message || !message->must_acknowledge) return;
  collector to(changes, here, message->priority, entry.author().person_id());
  switch (entry.fact_case()) {
    case v1::Entry::kMessagePosted:
      call_addressees(to, *message, at, state, with, false);
      break;
    case v1::Entry::kMessageCorrected:
      to.off(at, {called_for::acknowledge});
      call_addressees(to, *message, at, state, with, false);
      break;
    case v1::Entry::kMessageEscalated:
      // Whoever was called before stays called.
      for (const auto& person : entry.message_escalated().person_id()) to.call_person(at, called_for::acknowledge, person);
      break;
    case v1::Entry::kMessageRetracted:
      to.off(at, {called_for::acknowledge});
      break;
    case v1::Entry::kMessageAcknowledged:
      to.off(at, {called_for::acknowledge});
      if (message->open()) call_addressees(to, *message, at, state, with, true);
      break;
    default:
      break;
  }
}

}  // namespace

std::string obligation_name(place about, called_for what) {
  return std::to_string(about.stream) + '/' + std::to_string(about.seq) + '/' + std::string(names[static_cast<std::size_t>(what)]);
}

std::optional<obligation_key> parse_obligation(std::string_view name) {
  int stream = 0;
  obligation_key key;
  const char* const end = name.data() + name.size();
  const auto [behind_stream, bad_stream] = std::from_chars(name.data(), end, stream);
  if (bad_stream != std::errc() || behind_stream == end || *behind_stream != '/' || !v1::Stream_IsValid(stream)) return std::nullopt;
  const auto [behind_seq, bad_seq] = std::from_chars(behind_stream + 1, end, key.about.seq);
  if (bad_seq != std::errc() || behind_seq == end || *behind_seq != '/') return std::nullopt;
  key.about.stream = static_cast<v1::Stream>(stream);
  const auto what = std::find(names.begin() + 1, names.end(), std::string_view(behind_seq + 1, end));
  if (what == names.end()) return std::nullopt;
  key.what = static_cast<called_for>(what - names.begin());
  return key;
}

namespace {

constexpr place duty_itself{v1::STREAM_DUTY, 1};  // Where it was defined: what is late about it has no entry of its own.

v1::Priority of_gap(std::uint32_t hours_left) {
  if (hours_left <= 2) return v1::PRIORITY_ASAP;
  return hours_left <= 24 ? v1::PRIORITY_URGENT : v1::PRIORITY_ROUTINE;
}

/// What somebody is called for about a duty; nothing: nothing that is known.
std::optional<called_for> called_about(v1::DutyCall call) {
  switch (call) {
    case v1::DUTY_CALL_HAND_OVER:
      return called_for::hand_over;
    case v1::DUTY_CALL_FIND_COVER:
      return called_for::find_cover;
    case v1::DUTY_CALL_TAKE_OVER:
      return called_for::take_over;
    default:
      return std::nullopt;
  }
}

/// A handoff that is late rings until somebody goes on with it, a gap until the roster is another one (3.2, B5).
void after_duty_entry(call_changes& changes, const v1::Entry& entry) {
  const place here{entry.stream(), entry.seq()};
  const std::string& author = entry.author().person_id();
  switch (entry.fact_case()) {
    case v1::Entry::kDutyReminded: {
      const auto& reminded = entry.duty_reminded();
      collector to(changes, here, reminded.priority(), author);
      for (const auto& person : reminded.person_id()) to.call_person(duty_itself, called_for::hand_over, person);
      return;
    }
    case v1::Entry::kCoverageGapNear: {
      collector to(changes, here, of_gap(entry.coverage_gap_near().hours_left()), author);
      to.call_person(duty_itself, called_for::find_cover, entry.coverage_gap_near().person_id());
      return;
    }
    case v1::Entry::kDutyCallUndelivered: {
      const auto& failed = entry.duty_call_undelivered();
      const auto what = called_about(failed.call());
      if (what) collector(changes, here, failed.priority(), author).call_person(duty_itself, *what, failed.next_person_id());
      return;
    }
    case v1::Entry::kHandoffPatientDeclined: {
      // A part of the duty is to be theirs, and they have not been asked.
      collector to(changes, here, v1::PRIORITY_ASAP, author);
      to.call_person(duty_itself, called_for::take_over, entry.handoff_patient_declined().person_id());
      return;
    }
    case v1::Entry::kCoverageForecast:
      collector(changes, here, v1::PRIORITY_ROUTINE, author).off(duty_itself, {called_for::find_cover});
      return;
    case v1::Entry::kHandoffOffered:
    case v1::Entry::kHandoffOpened:
    case v1::Entry::kHandoffTaken:
    case v1::Entry::kPatientSynthesized:
    case v1::Entry::kSynthesisCorrected:
      collector(changes, here, v1::PRIORITY_ROUTINE, author).off(duty_itself, {called_for::hand_over});
      return;
    case v1::Entry::kHandoffEnded:
    case v1::Entry::kDutyHolderChanged:
      collector(changes, here, v1::PRIORITY_ROUTINE, author).off(duty_itself, {called_for::hand_over, called_for::take_over});
      return;
    default:
      return;
  }
}

}  // namespace

call_changes calls_after(const record_state& state, const v1::Entry& entry, const context& with) {
  call_changes changes;
  if (state.is_duty()) {
    after_duty_entry(changes, entry);
    return changes;
  }
  if (!is_chat_stream(entry.stream())) return changes;
  after_task_entry(changes, state, entry, {state.team, with.people, with.tasks, with.now});
  after_message_entry(changes, state, entry, with);
  return changes;
}

std::optional<std::string> called_instead(const record_state& state, const obligation_key& about, std::string_view person,
                                          std::string_view duty, const context& with) {
  if (duty.empty() || with.tasks.duties == nullptr) return std::nullopt;
  const auto now = with.tasks.duties->find(duty, state.patient_id, with.now);
  const auto owes = [&](std::string_view who) { return owed_by(state, about.about, {who, with.people, with.tasks, with.now}).has_value(); };
  if (!now || now->holder == person || owes(person)) return std::nullopt;
  // The duty's holder or its lead; else whoever answers for what nobody else can.
  for (const auto& next : {now->holder, now->fallback, state.team.attending, with.tasks.safety_person}) {
    if (!next.empty() && owes(next)) return next;
  }
  // Somebody who is called beside the owner of a task does not owe it.
  const bool reads = may_see(state.team, now->holder, about.about.stream, about.about.seq, with.now) && with.people.active(now->holder);
  return about.what == called_for::act && reads ? now->holder : std::string();
}

std::optional<std::chrono::seconds> fallback_after(v1::Priority priority) {
  switch (priority) {
    case v1::PRIORITY_STAT:
      return std::chrono::minutes{1};
    case v1::PRIORITY_ASAP:
      return std::chrono::minutes{3};
    case v1::PRIORITY_URGENT:
      return std::chrono::minutes{5};
    default:
      return std::nullopt;
  }
}

std::optional<std::chrono::seconds> pause_after(v1::Priority priority, std::uint32_t times) {
  switch (priority) {
    case v1::PRIORITY_STAT:
      return std::chrono::minutes{1};
    case v1::PRIORITY_ASAP:
      return std::chrono::minutes{2};
    case v1::PRIORITY_URGENT:
      if (times <= frequent_urgent_calls) return std::chrono::minutes{5};
      return std::chrono::hours{1};
    default:
      return std::nullopt;
  }
}

bool rings_in_quiet_hours(v1::Priority priority, bool staff) {
  return priority == v1::PRIORITY_STAT || (priority == v1::PRIORITY_ASAP && staff);
}

}  // namespace careteam::care

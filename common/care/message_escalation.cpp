#include "care/message_escalation.hpp"

#include <algorithm>

#include "care/acknowledgement.hpp"
#include "care/task_decisions.hpp"
#include "care/task_owner.hpp"

namespace careteam::care {
namespace {

using people = std::vector<std::string>;

bool among(const people& list, std::string_view person) {
  return std::find(list.begin(), list.end(), person) != list.end();
}

void add_once(people& to, const std::string& person) {
  if (!among(to, person)) to.push_back(person);
}

/// A message about which somebody is silent, and what is known around it.
struct silence {
  place at;
  const message_state& message;
  const task_context& context;

  task_world world() const { return world_of(context); }
  chat_audience audience() const { return {context.now, context.team, &context.people, context.setting.duties}; }
  bool addressed(std::string_view person) const {
    return std::any_of(message.addressees.begin(), message.addressees.end(), [&](const addressee& slot) {
      return !message.answered(slot) && (among(slot.people, person) || answers_for_duty(slot.duty, at, audience()) == person);
    });
  }
  /// Who answers for the duties that are silent when their holders do not: their leads.
  people leads() const {
    people result;
    for (const auto& slot : message.addressees) {
      const auto duty = message.answered(slot) ? std::nullopt : duty_now(slot.duty, audience());
      if (duty && !duty->fallback.empty()) add_once(result, duty->fallback);
    }
    return result;
  }
  /// May be asked in addition: can acknowledge it, and nobody has asked them before.
  bool may_be_told(const std::string& person) const {
    return person != message.author && !addressed(person) && !among(message.ladder.told, person) &&
           !message.acknowledged.contains(person) && can_answer(audience(), person, at);
  }
};

/// The roles of the clinic's people; patients, caregivers and service accounts have no colleagues.
bool has_colleagues(v1::Role role) {
  return rights_of(role).staff && role != v1::ROLE_INTEGRATION;
}

/// The roles for which this mention speaks now: the one that was addressed, or those of the person.
std::vector<v1::Role> roles_of(const addressee& slot, const task_context& context) {
  if (slot.role != v1::ROLE_UNSPECIFIED) return {slot.role};
  std::vector<v1::Role> roles;
  for (const auto& m : context.team.members) {
    if (m.active_at(context.now) && among(slot.people, m.person_id)) roles.push_back(m.role);
  }
  return roles;
}

/// Nobody acknowledges in place of a patient or a caregiver. Whoever has left the team since is the clinic's: only they have successors.
bool for_staff(const addressee& slot, const task_context& context) {
  const auto roles = roles_of(slot, context);
  const bool patient = among(slot.people, context.team.patient_id);
  return !patient && std::none_of(roles.begin(), roles.end(), [](v1::Role role) { return !rights_of(role).staff; });
}

people colleagues(const silence& about) {
  people result;
  for (const auto& slot : about.message.addressees) {
    if (about.message.answered(slot)) continue;
    const auto roles = roles_of(slot, about.context);
    for (const auto& m : about.context.team.members) {
      const bool same = has_colleagues(m.role) && std::find(roles.begin(), roles.end(), m.role) != roles.end();
      if (same && m.active_at(about.context.now) && about.may_be_told(m.person_id)) add_once(result, m.person_id);
    }
  }
  return result;
}

/// Whom the next level asks in addition; nobody when all who could be asked are.
people next_told(const silence& about) {
  people of_duties = about.leads();
  std::erase_if(of_duties, [&](const std::string& person) { return !about.may_be_told(person); });
  if (!of_duties.empty()) return of_duties;
  if (auto same_role = colleagues(about); !same_role.empty()) return same_role;
  for (const auto& person : {about.context.team.attending, about.context.setting.safety_person}) {
    if (!person.empty() && about.may_be_told(person)) return {person};
  }
  return {};
}

/// Who has to see to it that nobody acknowledged, those first who are not silent themselves.
people supervisors_of(const silence& about, v1::Stream stream) {
  task_order follow_up;
  follow_up.kind = v1::TASK_KIND_FOLLOW_UP;
  follow_up.priority = v1::PRIORITY_STAT;
  const auto& attending = about.context.team.attending;
  const auto& safety = about.context.setting.safety_person;
  people able_ones, result;
  people asked = about.leads();
  for (const auto& person : {attending, safety}) add_once(asked, person);
  for (const auto& person : asked) {
    if (able(person, stream, follow_up, about.world())) add_once(able_ones, person);
  }
  for (const auto& person : able_ones) {
    if (!about.addressed(person)) add_once(result, person);
  }
  for (const auto& person : able_ones) add_once(result, person);
  if (result.empty() && !safety.empty()) result.push_back(safety);
  return result;
}

/// The task that asks a supervisor; nothing where there is none. The one of a message in `shared` is the staff's own.
std::optional<place> add_follow_up(facts& to, const silence& about) {
  const bool staff_only = about.at.stream == v1::STREAM_SHARED;
  const auto stream = staff_only ? v1::STREAM_CLINICAL : about.at.stream;
  const auto asked = supervisors_of(about, stream);
  if (asked.empty()) return std::nullopt;
  // A link, or even a number, would tell those who do not read `shared` of what is there (invariant 4).
  const bool linked = !staff_only || audience_within(about.context.team, stream, about.at.stream, about.context.now);
  const bool knows = may_read(about.context.team, about.message.author, stream, about.context.now);
  add_message_follow_up(to,
                        {stream,
                         linked ? about.at : place{},
                         knows ? about.message.author : std::string(),
                         {staff_only ? 0 : about.message.ladder.asked_seq, v1::TASK_RULE_UNACKNOWLEDGED, 1}},
                        asked, about.context);
  return place{stream, about.context.heads[static_cast<std::size_t>(stream)] + 1};
}

v1::EscalationStep next_step(const silence& about) {
  const auto& ladder = about.message.ladder;
  v1::EscalationStep step;
  if (ladder.level == last_level) {
    step.set_level(last_level);
    step.set_no_response(true);
    return step;
  }
  // From deadline to deadline, not from when it was noticed: a night without the server does not stretch the ladder (G5).
  const auto& policy = about.context.setting.policy;
  const auto priority = about.message.priority;
  step.set_level(ladder.level + 1);
  set_timestamp(*step.mutable_next_by(), policy.after(priority, *ladder.due, policy.times(priority).accept[step.level()]));
  return step;
}

void add_escalated(facts& to, const silence& about, const people& told, const v1::EscalationStep& step) {
  const bool patients_read = about.at.stream == v1::STREAM_SHARED;
  if (patients_read && told.empty()) return;
  auto& escalated = *add_fact(to, about.at.stream).mutable_message_escalated();
  escalated.set_seq(about.at.seq);
  for (const auto& person : told) escalated.add_person_id(person);
  if (!patients_read) *escalated.mutable_step() = step;
  if (told.empty()) return;
  const auto& slots = about.message.addressees;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (!about.message.answered(slots[i]) && for_staff(slots[i], about.context)) escalated.add_mention(static_cast<std::uint32_t>(i));
  }
}

facts escalate(const silence& about) {
  facts result;
  const auto step = next_step(about);
  add_escalated(result, about, step.no_response() ? people{} : next_told(about), step);
  std::optional<place> follow_up;
  if (step.no_response()) follow_up = add_follow_up(result, about);
  if (about.at.stream != v1::STREAM_SHARED) return result;
  auto& detailed = *add_fact(result, v1::STREAM_AUDIT).mutable_message_escalation_detailed();
  detailed.set_stream(about.at.stream);
  detailed.set_seq(about.at.seq);
  *detailed.mutable_step() = step;
  if (follow_up) {
    detailed.mutable_follow_up()->set_patient_id(about.context.team.patient_id);
    detailed.mutable_follow_up()->set_stream(follow_up->stream);
    detailed.mutable_follow_up()->set_seq(follow_up->seq);
  }
  return result;
}

const message_state* open_message(const chat_state& state, place at) {
  const auto found = state.open_messages.find(at);
  return found != state.open_messages.end() && found->second.open() ? &found->second : nullptr;
}

message_ladder ladder_of(std::uint64_t asked_seq, bool is_set, const google::protobuf::Timestamp& by) {
  message_ladder ladder;
  ladder.asked_seq = asked_seq;
  if (is_set) ladder.due = to_instant(by);
  return ladder;
}

}  // namespace

instant acknowledge_by(v1::Priority priority, instant t, const task_setting& setting) {
  return setting.policy.after(priority, t, setting.policy.times(priority).accept[0]);
}

outcome<facts> fire_message_timer(const chat_state& state, const v1::FireMessageTimer& asked, const actor& who,
                                  const task_context& context) {
  if (!who.system) return refuse(code::permission_denied, "action", "is for the server only");
  const place at{asked.stream(), asked.seq()};
  const auto running = running_timer_of(state, at);
  // Whatever was acknowledged, retracted or corrected meanwhile has no such timer any more: nothing to change.
  if (!running || running->asked_seq() != asked.asked_seq() || running->level() != asked.level()) return facts{};
  const auto& message = *open_message(state, at);
  if (context.now < *message.ladder.due) return refuse(code::failed_precondition, "fireMessageTimer", "is not due yet");
  return escalate({at, message, context});
}

message_ladder ladder_from(const v1::Entry& entry) {
  if (entry.has_message_corrected()) {
    return ladder_of(entry.seq(), entry.message_corrected().has_acknowledge_by(), entry.message_corrected().acknowledge_by());
  }
  return ladder_of(entry.seq(), entry.message_posted().has_acknowledge_by(), entry.message_posted().acknowledge_by());
}

void apply_step(message_ladder& ladder, const v1::EscalationStep& step) {
  ladder.level = step.level();
  ladder.no_response = step.no_response();
  if (step.has_next_by()) ladder.due = to_instant(step.next_by());
}

void apply_escalation(message_state& message, const v1::MessageEscalated& escalated) {
  for (const auto& person : escalated.person_id()) add_once(message.ladder.told, person);
  for (const auto index : escalated.mention()) {
    if (index < message.addressees.size()) message.addressees[index].stand_ins = true;
  }
  if (escalated.has_step()) apply_step(message.ladder, escalated.step());
}

place timed_message(const v1::Entry& entry) {
  switch (entry.fact_case()) {
    case v1::Entry::kMessagePosted:
      return {entry.stream(), entry.seq()};
    case v1::Entry::kMessageCorrected:
    case v1::Entry::kMessageRetracted:
    case v1::Entry::kMessageAcknowledged:
    case v1::Entry::kMessageEscalated:
      return {entry.stream(), about_chat(entry)};
    case v1::Entry::kMessageEscalationDetailed:
      return {entry.message_escalation_detailed().stream(), entry.message_escalation_detailed().seq()};
    default:
      return {};
  }
}

std::optional<v1::FireMessageTimer> running_timer_of(const chat_state& state, place message) {
  const auto* open = open_message(state, message);
  if (!open || !open->ladder.running()) return std::nullopt;
  v1::FireMessageTimer timer;
  timer.set_stream(message.stream);
  timer.set_seq(message.seq);
  timer.set_asked_seq(open->ladder.asked_seq);
  timer.set_level(open->ladder.level);
  return timer;
}

void keep_timer(timer_board& board, const chat_state& state, place message, std::string_view patient_id, std::uint64_t record_version) {
  const std::string id = "message/" + std::to_string(message.stream) + "/" + std::to_string(message.seq) + "/acknowledge";
  const auto running = running_timer_of(state, message);
  if (!running) {
    board.cancel(id);
    return;
  }
  v1::Command command;
  command.set_patient_id(std::string(patient_id));
  *command.mutable_fire_message_timer() = *running;
  board.set(id, *open_message(state, message)->ladder.due, record_version, command);
}

}  // namespace careteam::care

#include "care/chat_mention.hpp"

#include <algorithm>

#include "care/acknowledgement.hpp"

namespace careteam::care {
namespace {

const std::string field = "postMessage.mentions";

/// Whoever holds the role now and can be reached. Where they all do by one duty, it is that duty which is addressed.
template <class Accept>
void add_holders(v1::ResolvedMention& to, v1::Role role, v1::Stream stream, const chat_audience& audience, Accept accept) {
  to.set_role(role);
  for (const auto& m : audience.team.members) {
    if (m.role != role || !m.active_at(audience.now) || !reads(m, stream)) continue;
    if (!reachable(audience, m.person_id, stream) || !accept(m.person_id)) continue;
    const auto& people = to.person_id();
    to.set_duty_id(people.empty() || to.duty_id() == m.duty_id ? m.duty_id : std::string());
    if (std::find(people.begin(), people.end(), m.person_id) == people.end()) to.add_person_id(m.person_id);
  }
}

bool is_guest(const actor& who, const chat_context& context) {
  return !who.system && !is_staff(context.team, who.person_id, context.now);
}

/// Who is written to in place of somebody on leave: whoever covers for them, else whoever answers for the duty; empty: nobody who may.
std::string stands_in(const absence& away, v1::Stream stream, const actor& who, const chat_audience& audience) {
  const auto may = [&](const std::string& person) {
    return person != who.person_id && can_answer(audience, person, {stream, yet_to_come});
  };
  if (may(away.cover)) return away.cover;
  auto person = answers_for_duty(away.duty_id, {stream, yet_to_come}, audience);
  return may(person) ? person : std::string();
}

/// Whether somebody who is away is known here by the duty that they are away from: the team has it among its members.
bool known_by_duty(const absence& away, const chat_context& context) {
  return std::ranges::any_of(context.team.members,
                             [&](const membership& m) { return m.is_of({}, away.duty_id) && m.runs_at(context.now); });
}

outcome<void> resolve_person(const std::string& person, const v1::PostMessage& asked, const actor& who, const chat_context& context,
                             v1::ResolvedMention& to) {
  const auto audience = audience_of(context);
  const auto stream = asked.stream();
  const bool owed = must_acknowledge(asked.priority());
  if (context.people) {
    if (auto alive = check_alive(person, context.team, *context.people, field); !alive) return alive;
  }
  const auto away = context.setting.duties == nullptr || who.system || person == who.person_id
                        ? std::nullopt
                        : context.setting.duties->absence_of(person, context.now);
  const bool here = reachable(audience, person, stream);
  if (!here && !(away && known_by_duty(*away, context))) {
    return refuse(code::not_found, field, "no such person in this stream's audience");
  }
  if (owed && person == who.person_id) return refuse(code::invalid_argument, field, "nobody answers their own message");
  const bool answers = here && (!owed || may_acknowledge(context.team, person, context.now));
  if (!away && !answers) return refuse(code::failed_precondition, field, "may not acknowledge: name somebody who may");
  if (!away) {
    to.add_person_id(person);
    return {};
  }
  if (asked.priority() != v1::PRIORITY_STAT && !is_guest(who, context))
    return refuse(code::failed_precondition, field, told(person, *away));
  const auto other = stands_in(*away, stream, who, audience);
  if (other.empty() && !answers) return refuse(code::failed_precondition, field, told(person, *away));
  if (!other.empty()) to.set_instead_of_person_id(person);
  to.add_person_id(other.empty() ? person : other);
  return {};
}

outcome<void> resolve_role(v1::Role role, const v1::PostMessage& asked, const actor& who, const chat_context& context,
                           v1::ResolvedMention& to) {
  const bool owed = must_acknowledge(asked.priority());
  if (is_guest(who, context)) return refuse(code::permission_denied, field, "patients and caregivers address people, not roles");
  add_holders(to, role, asked.stream(), audience_of(context), [&](const std::string& person) {
    return !owed || (person != who.person_id && may_acknowledge(context.team, person, context.now));
  });
  if (!to.person_id().empty()) return {};
  if (owed && context.team.holds(who.person_id, role, context.now)) {
    return refuse(code::invalid_argument, field, "nobody answers their own message, and nobody else has this role now");
  }
  return refuse(code::not_found, field, "nobody in this stream's audience has this role now");
}

outcome<void> resolve_duty(const std::string& duty_id, const v1::PostMessage& asked, const actor& who, const chat_context& context,
                           v1::ResolvedMention& to) {
  const auto audience = audience_of(context);
  const auto stream = asked.stream();
  if (is_guest(who, context)) return refuse(code::permission_denied, field, "patients and caregivers address people, not duties");
  const auto duty = duty_now(duty_id, audience);
  if (!duty) return refuse(code::not_found, field, "no such duty");
  auto person = answers_for_duty(duty_id, {stream, yet_to_come}, audience);
  const bool covered = !person.empty() && person == duty->holder;
  // Whoever answers for it but does not read this stream cannot be written to here: the attending sees to it.
  if (person.empty() && can_answer(audience, context.team.attending, {stream, yet_to_come})) person = context.team.attending;
  if (person.empty()) return refuse(code::failed_precondition, field, "nobody who answers for this duty now reads this stream");
  if (must_acknowledge(asked.priority()) && person == who.person_id) {
    return refuse(code::invalid_argument, field, "nobody answers their own message, and you answer for this duty now");
  }
  to.set_duty_id(duty_id);
  to.set_uncovered(!covered);
  to.add_person_id(std::move(person));
  return {};
}

}  // namespace

outcome<void> resolve_mention(const v1::Mention& mention, const v1::PostMessage& asked, const actor& who, const chat_context& context,
                              v1::ResolvedMention& to) {
  switch (mention.to_case()) {
    case v1::Mention::kPersonId:
      return resolve_person(mention.person_id(), asked, who, context, to);
    case v1::Mention::kRole:
      return resolve_role(mention.role(), asked, who, context, to);
    case v1::Mention::kDutyId:
      return resolve_duty(mention.duty_id(), asked, who, context, to);
    case v1::Mention::TO_NOT_SET:
      break;
  }
  return refuse(code::invalid_argument, field, "needs a person, a role or a duty");
}

v1::ResolvedMention asked_now(const addressee& slot, place message, const actor& author, const chat_context& context) {
  const auto audience = audience_of(context);
  v1::ResolvedMention mention;
  const auto answers = [&](const std::string& person) { return person != author.person_id && can_answer(audience, person, message); };
  if (slot.role != v1::ROLE_UNSPECIFIED) {
    add_holders(mention, slot.role, message.stream, audience, answers);
  } else if (!slot.duty.empty()) {
    const auto duty = duty_now(slot.duty, audience);
    if (auto person = answers_for_duty(slot.duty, message, audience); answers(person)) {
      mention.set_duty_id(slot.duty);
      mention.set_uncovered(person != duty->holder);
      mention.add_person_id(std::move(person));
    }
  } else {
    for (const auto& person : slot.people) {
      if (answers(person)) mention.add_person_id(person);
    }
  }
  if (mention.person_id().empty() && answers(context.team.attending)) {
    mention.clear_role();
    mention.add_person_id(context.team.attending);
  }
  return mention;
}

std::vector<addressee> addressees_of(const google::protobuf::RepeatedPtrField<v1::ResolvedMention>& mentions) {
  std::vector<addressee> result;
  for (const auto& mention : mentions) {
    result.push_back({mention.role(), {mention.person_id().begin(), mention.person_id().end()}, mention.duty_id()});
  }
  return result;
}

}  // namespace careteam::care

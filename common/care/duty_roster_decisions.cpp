// What its lead and administrators make of a duty and its roster (B4). What goes with a roster is `refused`'s to say; who may ask, and that
// the past stays as it was, is decided here.
#include <algorithm>
#include <array>
#include <set>

#include "care/duty_decisions.hpp"
#include "care/duty_messages.hpp"
#include "care/wellformed.hpp"

namespace careteam::care {
namespace {

outcome<void> check_id(std::string_view id, std::string_view field) {
  if (!is_fhir_id(id)) return refuse(code::invalid_argument, field, "must be a FHIR id: 1 to 64 of A-Z a-z 0-9 - .");
  return {};
}

/// Everybody whom the duty's state still names.
std::set<std::string, std::less<>> named(const duty_state& state) {
  std::set<std::string, std::less<>> people;
  if (!state.holder.empty()) people.insert(state.holder);
  for (const auto& one : state.roster.shifts) people.insert(one.person);
  for (const auto& one : state.roster.overrides) people.insert(one.person);
  for (const auto& one : state.roster.rotations) people.insert(one.people.begin(), one.people.end());
  for (const auto& one : state.roster.leaves) {
    for (const auto& cover : one.covers) people.insert(cover.person);
  }
  return people;
}

outcome<void> check_staff(const duty_case& one, std::string_view person, std::string_view field) {
  const auto* account = one.context.people.find(person);
  if (!account || account->kind != v1::PERSON_KIND_STAFF) return refuse(code::failed_precondition, field, "is no member of staff");
  return {};
}

outcome<void> check_members(const duty_case& one, const duty_definition& asked) {
  if (asked.members.size() > max_duty_members) return refuse(code::invalid_argument, one.field("duty.members"), "are too many");
  std::set<std::string_view> seen;
  for (const auto& member : asked.members) {
    if (auto staff = check_staff(one, member.person, one.field("duty.members.personId")); !staff) return staff;
    if (member.role == v1::ROLE_UNSPECIFIED) return refuse(code::invalid_argument, one.field("duty.members.role"), "must be set");
    if (!seen.insert(member.person).second) return refuse(code::invalid_argument, one.field("duty.members"), "names somebody twice");
  }
  if (!seen.contains(asked.lead)) {
    return refuse(code::failed_precondition, one.field("duty.leadPersonId"), "must be one of the duty's members");
  }
  if (!asked.manager.empty() && !seen.contains(asked.manager)) {
    return refuse(code::failed_precondition, one.field("duty.managerPersonId"), "must be one of the duty's members");
  }
  if (!asked.personal_of.empty() && !asked.eligible(asked.personal_of)) {
    return refuse(code::failed_precondition, one.field("duty.personalOf"), "must be one of the duty's members, in one of its roles");
  }
  for (const auto& person : named(one.state)) {
    const bool rostered_only = person != one.state.holder;
    if (rostered_only ? asked.eligible(person) : seen.contains(person)) continue;
    return refuse(code::failed_precondition, one.field("duty.members"), "leaves out somebody who holds it or is on its roster");
  }
  return {};
}

outcome<void> check_terms(const duty_case& one, const v1::Duty& asked) {
  if (auto name = check_text(asked.name(), one.field("duty.name"), max_name_bytes); !name) return name;
  if (!zone_named(asked.time_zone())) {
    return refuse(code::invalid_argument, one.field("duty.timeZone"), "is no time zone of this machine");
  }
  if (static_cast<std::size_t>(asked.roles_size()) > max_duty_roles) {
    return refuse(code::invalid_argument, one.field("duty.roles"), "are too many");
  }
  for (const int role : asked.roles()) {
    if (role == v1::ROLE_UNSPECIFIED || role == v1::ROLE_PATIENT || role == v1::ROLE_CAREGIVER) {
      return refuse(code::invalid_argument, one.field("duty.roles"), "must be roles of staff");
    }
  }
  return {};
}

/// A field of a change of the roster, as the command names it: "rotation.people" is "rotation.personId".
std::string in_command(std::string_view field) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 13> names{{{"person", "personId"},
                                                                                        {"people", "personId"},
                                                                                        {"at", "period"},
                                                                                        {"days", "weekday"},
                                                                                        {"from", "startMinute"},
                                                                                        {"until", "endMinute"},
                                                                                        {"first", "firstDay"},
                                                                                        {"last", "lastDay"},
                                                                                        {"lead", "leadPersonId"},
                                                                                        {"fallbacks", "fallbackDutyId"},
                                                                                        {"terms", "duty"},
                                                                                        {"rotation", "rotation"},
                                                                                        {"removal", "item"}}};
  const auto part = field.substr(0, field.find('.'));
  std::string result;
  for (std::size_t at = 0; at < field.size();) {
    const auto end = std::min(field.find('.', at), field.size());
    const auto word = field.substr(at, end - at);
    const auto found = std::ranges::find(names, word, &std::pair<std::string_view, std::string_view>::first);
    const bool kept_part = word == "terms" || word == "rotation";
    auto name = std::string(found == names.end() ? word : found->second);
    if (word == "id") name = part == "override" ? "shiftId" : part == "removal" ? "itemId" : std::string(part) + "Id";
    if (at > 0 || kept_part) result += (result.empty() ? "" : ".") + name;
    at = end + 1;
  }
  return result;
}

outcome<void> check_not_over(const duty_case& one, const time_span& at) {
  if (at.start < at.end && at.end <= one.context.now) return refuse(code::failed_precondition, one.field("period"), "is over");
  return {};
}

outcome<void> check_to_come(const duty_case& one, const roster_turn& turn, std::string_view name) {
  const auto at = time_of(one.state.roster, turn);
  if (at && at->start <= one.context.now) return refuse(code::failed_precondition, one.field(name), "has begun");
  return {};
}

/// The commands that change the roster's times: by whom, and against which version.
outcome<void> check_change(const duty_case& one, std::uint64_t expected_version) {
  if (!one.administers() && !one.leads()) return not_yours("the duty's lead and administrators change its roster");
  return check_roster_version(one, expected_version);
}

}  // namespace

outcome<void> check_roster_version(const duty_case& one, std::uint64_t expected) {
  if (expected == one.state.roster_version) return {};
  return refuse(code::aborted, one.field("expectedRosterVersion"),
                "the roster has version " + std::to_string(one.state.roster_version) + ": look at it again");
}

outcome<void> check_against_roster(const duty_case& one, const duty_change& change) {
  auto why = refused(one.state.roster, change, working_people(one.context.people));
  if (!why) return {};
  const auto name = in_command(why->field);
  why->field = name.empty() ? std::string(one.action) : one.field(name);
  return *std::move(why);
}

outcome<facts> define_duty(const duty_case& one, const v1::DefineDuty& asked, std::string_view duty_id) {
  const bool is_new = !one.state.defined();
  if (!one.administers() && (is_new || !one.leads())) return not_yours("administrators create duties; leads change them");
  if (auto good = check_id(duty_id, "dutyId"); !good) return good.error();
  if (auto version = check_roster_version(one, asked.expected_roster_version()); !version) return version.error();
  if (auto terms = check_terms(one, asked.duty()); !terms) return terms.error();
  const auto what = definition_of(asked.duty());
  if (auto members = check_members(one, what); !members) return members.error();
  if (auto good = check_against_roster(one, terms_of(what)); !good) return good.error();
  if (!is_new && what.time_zone != one.state.what.time_zone && !one.state.roster.rotations.empty()) {
    return refuse(code::failed_precondition, one.field("duty.timeZone"), "cannot change while there are rotations in it");
  }
  if (what == one.state.what) return facts{};
  facts result;
  auto& defined = *add_fact(result, v1::STREAM_DUTY).mutable_duty_defined();
  put_definition(*defined.mutable_duty(), what);
  defined.set_roster_version(one.state.roster_version + 1);
  look_at_roster(result, one);
  return result;
}

outcome<facts> schedule_shift(const duty_case& one, const v1::ScheduleShift& asked) {
  if (auto may = check_change(one, asked.expected_roster_version()); !may) return may.error();
  const auto at = span_of(asked.period());
  if (!at) return refuse(code::invalid_argument, one.field("period"), "needs a start and an end between 1900 and 2200");
  if (auto good = check_not_over(one, *at); !good) return good.error();
  const auto change = asked.override() ? duty_change(roster_override{asked.shift_id(), asked.person_id(), *at})
                                       : duty_change(roster_shift{asked.shift_id(), asked.person_id(), *at});
  if (auto good = check_against_roster(one, change); !good) return good.error();
  facts result;
  auto& scheduled = *add_fact(result, v1::STREAM_DUTY).mutable_shift_scheduled();
  scheduled.set_shift_id(asked.shift_id());
  scheduled.set_person_id(asked.person_id());
  put_span(*scheduled.mutable_period(), *at);
  scheduled.set_override(asked.override());
  scheduled.set_roster_version(one.state.roster_version + 1);
  look_at_roster(result, one);
  return result;
}

outcome<facts> set_rotation(const duty_case& one, const v1::SetRotation& asked) {
  if (auto may = check_change(one, asked.expected_roster_version()); !may) return may.error();
  const auto made = rotation_of(asked.rotation());
  if (!made) {
    return refuse(code::invalid_argument, one.field("rotation"), "needs weekdays 1 to 7, minutes of a week and days such as 2026-11-23");
  }
  if (auto good = check_against_roster(one, *made); !good) return good.error();
  facts result;
  auto& set = *add_fact(result, v1::STREAM_DUTY).mutable_rotation_set();
  put_rotation(*set.mutable_rotation(), *made);
  set.set_roster_version(one.state.roster_version + 1);
  look_at_roster(result, one);
  return result;
}

outcome<facts> remove_roster_item(const duty_case& one, const v1::RemoveRosterItem& asked) {
  if (auto may = check_change(one, asked.expected_roster_version()); !may) return may.error();
  if (auto reason = check_text(asked.reason(), one.field("reason"), max_reason_bytes); !reason) return reason.error();
  if (std::ranges::find(one.state.roster.leaves, asked.item_id(), &roster_leave::id) != one.state.roster.leaves.end()) {
    return refuse(code::failed_precondition, one.field("itemId"), "is a leave: end it");
  }
  if (auto good = check_against_roster(one, roster_removal{asked.item_id()}); !good) return good.error();
  facts result;
  auto& removed = *add_fact(result, v1::STREAM_DUTY).mutable_roster_item_removed();
  removed.set_item_id(asked.item_id());
  removed.set_reason(asked.reason());
  removed.set_roster_version(one.state.roster_version + 1);
  look_at_roster(result, one);
  return result;
}

outcome<facts> swap_turns(const duty_case& one, const v1::SwapTurns& asked) {
  if (auto may = check_change(one, asked.expected_roster_version()); !may) return may.error();
  const auto first = turn_of(asked.one()), other = turn_of(asked.other());
  if (!first) return refuse(code::invalid_argument, one.field("one.week"), "must be a day such as 2026-11-23");
  if (!other) return refuse(code::invalid_argument, one.field("other.week"), "must be a day such as 2026-11-23");
  if (auto good = check_to_come(one, *first, "one"); !good) return good.error();
  if (auto good = check_to_come(one, *other, "other"); !good) return good.error();
  if (auto good = check_against_roster(one, roster_swap{asked.swap_id(), *first, *other}); !good) return good.error();
  facts result;
  auto& swapped = *add_fact(result, v1::STREAM_DUTY).mutable_turns_swapped();
  swapped.set_swap_id(asked.swap_id());
  put_turn(*swapped.mutable_one(), *first);
  put_turn(*swapped.mutable_other(), *other);
  swapped.set_roster_version(one.state.roster_version + 1);
  look_at_roster(result, one);
  return result;
}

outcome<facts> force_take(const duty_case& one, const v1::ForceTakeDuty& asked) {
  if (!one.leads()) return not_yours("only the duty's lead takes it");
  if (auto reason = check_text(asked.reason(), one.field("reason"), max_reason_bytes); !reason) return reason.error();
  if (one.holds()) return refuse(code::failed_precondition, "action", "you hold it already");
  facts result;
  change_holder(result, one.state, one.who.person_id, v1::HOLDER_REASON_FORCED, asked.reason());
  look_at_roster(result, one);
  return result;
}

}  // namespace careteam::care

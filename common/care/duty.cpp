#include "care/duty.hpp"

#include <algorithm>
#include <set>

#include "care/duty_decisions.hpp"
#include "care/wellformed.hpp"

namespace careteam::care {
namespace {

outcome<void> check_id(std::string_view id, std::string_view field) {
  if (!is_fhir_id(id)) return refuse(code::invalid_argument, field, "must be a FHIR id: 1 to 64 of A-Z a-z 0-9 - .");
  return {};
}

bool taken(const duty_roster& roster, std::string_view id) {
  return roster.shifts.contains(id) || roster.rotations.contains(id) || roster.leaves.contains(id);
}

outcome<void> check_new_id(const duty_case& one, std::string_view id, std::string_view name) {
  if (auto good = check_id(id, one.field(name)); !good) return good;
  if (taken(one.state.roster, id)) return refuse(code::already_exists, one.field(name), "is on this roster already");
  return {};
}

outcome<void> check_eligible(const duty_case& one, std::string_view person, std::string_view field) {
  if (!one.state.what.eligible(person)) {
    return refuse(code::failed_precondition, field, "is no member of this duty in one of its roles");
  }
  if (!one.context.people.active(person)) return refuse(code::failed_precondition, field, "has no account that works");
  return {};
}

outcome<void> check_may_change(const duty_case& one) {
  if (one.administers() || one.leads()) return {};
  return not_yours("the duty's lead and administrators change its roster");
}

/// Everybody whom the duty's state still names.
std::set<std::string, std::less<>> named(const duty_state& state) {
  std::set<std::string, std::less<>> people;
  if (!state.holder.empty()) people.insert(state.holder);
  for (const auto& [id, shift] : state.roster.shifts) people.insert(shift.person);
  for (const auto& [id, one] : state.roster.rotations) people.insert(one.people.begin(), one.people.end());
  for (const auto& [id, leave] : state.roster.leaves) {
    for (const auto& cover : leave.covers) people.insert(cover.person);
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
  for (const auto& [person, field] : {std::pair(asked.lead, "duty.leadPersonId"), std::pair(asked.manager, "duty.managerPersonId")}) {
    if (person.empty() && person == asked.manager && person != asked.lead) continue;
    if (!seen.contains(person)) return refuse(code::failed_precondition, one.field(field), "must be one of the duty's members");
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

outcome<facts> define(const duty_case& one, const v1::DefineDuty& asked, std::string_view duty_id) {
  const bool is_new = !one.state.defined();
  if (is_new ? !one.administers() : !(one.administers() || one.leads()))
    return not_yours("administrators create duties; leads change them");
  if (auto good = check_id(duty_id, "dutyId"); !good) return good.error();
  if (auto version = check_roster_version(one, asked.expected_roster_version()); !version) return version.error();
  const auto& duty = asked.duty();
  if (auto name = check_text(duty.name(), one.field("duty.name"), max_name_bytes); !name) return name.error();
  if (!zone_named(duty.time_zone())) return refuse(code::invalid_argument, one.field("duty.timeZone"), "is no time zone of this machine");
  if (static_cast<std::size_t>(duty.roles_size()) > max_duty_roles)
    return refuse(code::invalid_argument, one.field("duty.roles"), "are too many");
  if (static_cast<std::size_t>(duty.fallback_duty_id_size()) > max_fallback_duties) {
    return refuse(code::invalid_argument, one.field("duty.fallbackDutyId"), "are too many");
  }
  for (const int role : duty.roles()) {
    if (role == v1::ROLE_UNSPECIFIED || role == v1::ROLE_PATIENT || role == v1::ROLE_CAREGIVER) {
      return refuse(code::invalid_argument, one.field("duty.roles"), "must be roles of staff");
    }
  }
  for (const auto& fallback : duty.fallback_duty_id()) {
    if (auto good = check_id(fallback, one.field("duty.fallbackDutyId")); !good) return good.error();
    if (fallback == duty_id) return refuse(code::invalid_argument, one.field("duty.fallbackDutyId"), "is the duty itself");
  }
  const auto what = definition_of(duty);
  if (auto members = check_members(one, what); !members) return members.error();
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

outcome<void> check_shift(const duty_case& one, const roster_shift& shift) {
  if (shift.when.start >= shift.when.end) return refuse(code::invalid_argument, one.field("period"), "must not be empty or backwards");
  if (shift.when.end - shift.when.start > longest_shift) return refuse(code::invalid_argument, one.field("period"), "is too long");
  if (shift.when.end <= one.context.now) return refuse(code::failed_precondition, one.field("period"), "is over");
  if (auto good = check_eligible(one, shift.person, one.field("personId")); !good) return good;
  for (const auto& [id, leave] : one.state.roster.leaves) {
    if (leave.person == shift.person && leave.when.overlaps(shift.when)) {
      return refuse(code::failed_precondition, one.field("personId"), "is on leave then");
    }
  }
  if (one.state.roster.shifts.size() >= max_shifts) return refuse(code::resource_exhausted, one.field("shiftId"), "the roster is full");
  if (const auto other = overlapping(one.state.what, one.state.roster, shift)) {
    return refuse(code::failed_precondition, one.field("period"), "overlaps " + *other);
  }
  return {};
}

void add_shift(facts& to, std::string_view id, const roster_shift& shift, std::uint64_t roster_version) {
  auto& scheduled = *add_fact(to, v1::STREAM_DUTY).mutable_shift_scheduled();
  scheduled.set_shift_id(std::string(id));
  scheduled.set_person_id(shift.person);
  put_span(*scheduled.mutable_period(), shift.when);
  scheduled.set_override(shift.overrides);
  scheduled.set_roster_version(roster_version);
}

outcome<facts> schedule(const duty_case& one, const v1::ScheduleShift& asked) {
  if (auto may = check_may_change(one); !may) return may.error();
  if (auto version = check_roster_version(one, asked.expected_roster_version()); !version) return version.error();
  if (auto good = check_new_id(one, asked.shift_id(), "shiftId"); !good) return good.error();
  const auto when = span_of(asked.period());
  if (!when) return refuse(code::invalid_argument, one.field("period"), "needs a start and an end between 1900 and 2200");
  const roster_shift shift{asked.person_id(), *when, asked.override()};
  if (auto good = check_shift(one, shift); !good) return good.error();
  facts result;
  add_shift(result, asked.shift_id(), shift, one.state.roster_version + 1);
  look_at_roster(result, one);
  return result;
}

outcome<facts> set_rotation(const duty_case& one, const v1::SetRotation& asked) {
  if (auto may = check_may_change(one); !may) return may.error();
  if (auto version = check_roster_version(one, asked.expected_roster_version()); !version) return version.error();
  if (auto good = check_new_id(one, asked.rotation().rotation_id(), "rotation.rotationId"); !good) return good.error();
  const auto made = rotation_of(asked.rotation());
  if (!made) {
    return refuse(code::invalid_argument, one.field("rotation"),
                  "needs people, weekdays 1 to 7, minutes below 1440 and a day such as 2026-11-23");
  }
  if (made->people.size() > max_rotation_people) return refuse(code::invalid_argument, one.field("rotation.personId"), "are too many");
  if (made->last && *made->last < made->first) return refuse(code::invalid_argument, one.field("rotation.lastDay"), "is before the first");
  for (const auto& person : made->people) {
    if (auto good = check_eligible(one, person, one.field("rotation.personId")); !good) return good.error();
  }
  if (one.state.roster.rotations.size() >= max_rotations)
    return refuse(code::resource_exhausted, one.field("rotation"), "the roster is full");
  if (const auto other = overlapping(one.state.what, one.state.roster, asked.rotation().rotation_id(), *made)) {
    const bool itself = *other == asked.rotation().rotation_id();
    return refuse(code::failed_precondition, one.field("rotation"), itself ? "overlaps itself" : "overlaps " + *other);
  }
  facts result;
  auto& set = *add_fact(result, v1::STREAM_DUTY).mutable_rotation_set();
  put_rotation(*set.mutable_rotation(), asked.rotation().rotation_id(), *made);
  set.set_roster_version(one.state.roster_version + 1);
  look_at_roster(result, one);
  return result;
}

outcome<facts> remove_item(const duty_case& one, const v1::RemoveRosterItem& asked) {
  if (auto may = check_may_change(one); !may) return may.error();
  if (auto version = check_roster_version(one, asked.expected_roster_version()); !version) return version.error();
  if (auto reason = check_text(asked.reason(), one.field("reason"), max_reason_bytes); !reason) return reason.error();
  const auto& roster = one.state.roster;
  if (!roster.shifts.contains(asked.item_id()) && !roster.rotations.contains(asked.item_id())) {
    return refuse(code::not_found, one.field("itemId"), "is no shift, override or rotation of this roster");
  }
  facts result;
  auto& removed = *add_fact(result, v1::STREAM_DUTY).mutable_roster_item_removed();
  removed.set_item_id(asked.item_id());
  removed.set_reason(asked.reason());
  removed.set_roster_version(one.state.roster_version + 1);
  look_at_roster(result, one);
  return result;
}

/// The stretch of one person around an instant; nothing where nobody is rostered or it has begun.
std::optional<rostered> coming_shift(const duty_case& one, const google::protobuf::Timestamp& at) {
  const auto t = to_instant(at);
  if (!t || *t <= one.context.now || *t > one.context.now + longest_leave) return std::nullopt;
  const time_span around{std::max(one.context.now, *t - longest_shift), *t + longest_shift};
  for (auto& stretch : stretches(one.state.what, one.state.roster, around)) {
    if (stretch.when.contains(*t) && !stretch.person.empty() && stretch.when.start > one.context.now) return std::move(stretch);
  }
  return std::nullopt;
}

outcome<facts> swap(const duty_case& one, const v1::SwapShifts& asked) {
  if (auto may = check_may_change(one); !may) return may.error();
  if (auto version = check_roster_version(one, asked.expected_roster_version()); !version) return version.error();
  if (asked.swap_id().size() > 60) return refuse(code::invalid_argument, one.field("swapId"), "is longer than 60 characters");
  for (const auto* end : {"-1", "-2"}) {
    if (auto good = check_new_id(one, asked.swap_id() + end, "swapId"); !good) return good.error();
  }
  auto first = coming_shift(one, asked.one());
  if (!first) return refuse(code::failed_precondition, one.field("one"), "is in no shift that is still to begin");
  auto second = coming_shift(one, asked.other());
  if (!second) return refuse(code::failed_precondition, one.field("other"), "is in no shift that is still to begin");
  if (first->person == second->person) return refuse(code::failed_precondition, one.field("other"), "is the same person's");
  std::swap(first->person, second->person);
  facts result;
  int number = 0;
  for (const auto* shift : {&*first, &*second}) {
    const roster_shift made{shift->person, shift->when, true};
    if (auto good = check_shift(one, made); !good) {
      auto why = good.error();
      why.field = one.field(number == 0 ? "one" : "other");
      return why;
    }
    ++number;
    add_shift(result, asked.swap_id() + "-" + std::to_string(number), made, one.state.roster_version + static_cast<unsigned>(number));
  }
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

void set_deadline(duty_state& state, v1::DutyTimer timer, const google::protobuf::Timestamp& at, std::uint64_t version) {
  if (const auto when = to_instant(at)) state.timers[timer] = {*when, version};
}

void apply_prepared(duty_state& state, const v1::Entry& entry, std::uint64_t version) {
  const auto& prepared = entry.handoff_prepared();
  handoff_state made;
  made.seq = entry.seq();
  made.version = 1;
  made.from = prepared.from_person_id();
  made.to = prepared.to_person_id();
  for (const auto& row : prepared.owed()) {
    auto item = owed_of(row);
    made.owed.insert_or_assign({item.patient_id, item.at}, std::move(item));
  }
  made.owed_hash = hash_of(made.owed);
  state.handoff = std::move(made);
  state.shift_end = to_instant(prepared.shift_end());
  set_deadline(state, v1::DUTY_TIMER_OFFER, prepared.offer_by(), version);
  set_deadline(state, v1::DUTY_TIMER_LEAD, prepared.lead_by(), version);
  set_deadline(state, v1::DUTY_TIMER_MANAGER, prepared.manager_by(), version);
}

void end_handoff(duty_state& state) {
  state.handoff.reset();
  for (const auto timer : {v1::DUTY_TIMER_OFFER, v1::DUTY_TIMER_RECEIVE, v1::DUTY_TIMER_SYNTHESIZE}) state.timers.erase(timer);
}

void apply_about_handoff(duty_state& state, const v1::Entry& entry, std::uint64_t version) {
  if (!state.handoff || about_handoff(entry) != state.handoff->seq) return;
  apply_handoff(*state.handoff, entry, to_instant(entry.time()).value_or(instant{}));
  switch (entry.fact_case()) {
    case v1::Entry::kHandoffOffered:
      state.timers.erase(v1::DUTY_TIMER_OFFER);
      set_deadline(state, v1::DUTY_TIMER_RECEIVE, entry.handoff_offered().receive_by(), version);
      break;
    case v1::Entry::kHandoffTaken:
      state.timers.erase(v1::DUTY_TIMER_RECEIVE);
      set_deadline(state, v1::DUTY_TIMER_SYNTHESIZE, entry.handoff_taken().synthesize_by(), version);
      break;
    case v1::Entry::kHandoffCompleted:
    case v1::Entry::kHandoffEnded:
      end_handoff(state);
      return;
    default:
      break;
  }
  if (state.handoff->stage == handoff_stage::in_progress) state.timers.erase(v1::DUTY_TIMER_SYNTHESIZE);
}

void apply_to_roster(duty_state& state, const v1::Entry& entry) {
  auto& roster = state.roster;
  switch (entry.fact_case()) {
    case v1::Entry::kDutyDefined:
      state.what = definition_of(entry.duty_defined().duty());
      state.roster_version = entry.duty_defined().roster_version();
      break;
    case v1::Entry::kShiftScheduled: {
      const auto& fact = entry.shift_scheduled();
      if (const auto when = span_of(fact.period())) roster.shifts[fact.shift_id()] = {fact.person_id(), *when, fact.override()};
      state.roster_version = fact.roster_version();
      break;
    }
    case v1::Entry::kRotationSet:
      if (auto made = rotation_of(entry.rotation_set().rotation())) {
        roster.rotations[entry.rotation_set().rotation().rotation_id()] = std::move(*made);
      }
      state.roster_version = entry.rotation_set().roster_version();
      break;
    case v1::Entry::kRosterItemRemoved:
      roster.shifts.erase(entry.roster_item_removed().item_id());
      roster.rotations.erase(entry.roster_item_removed().item_id());
      state.roster_version = entry.roster_item_removed().roster_version();
      break;
    case v1::Entry::kLeaveEntered: {
      const auto& fact = entry.leave_entered();
      duty_leave leave{fact.person_id(), span_of(fact.period()).value_or(time_span{}), {}};
      for (const auto& row : fact.covers()) {
        if (const auto when = span_of(row.period())) leave.covers.push_back({row.person_id(), *when});
      }
      roster.leaves[fact.leave_id()] = std::move(leave);
      state.roster_version = fact.roster_version();
      break;
    }
    case v1::Entry::kLeaveEnded:
      roster.leaves.erase(entry.leave_ended().leave_id());
      state.roster_version = entry.leave_ended().roster_version();
      break;
    default:
      break;
  }
}

}  // namespace

outcome<void> check_roster_version(const duty_case& one, std::uint64_t expected) {
  if (expected == one.state.roster_version) return {};
  return refuse(code::aborted, one.field("expectedRosterVersion"),
                "the roster has version " + std::to_string(one.state.roster_version) + ": look at it again");
}

bool on_duties(v1::Command::ActionCase action) {
  return action >= v1::Command::kDefineDuty && action <= v1::Command::kFireDutyTimer;
}

bool needs_owed(v1::Command::ActionCase action) {
  return action >= v1::Command::kPrepareHandoff && action <= v1::Command::kConfirmHandoff;
}

refusal no_such_duty() {
  return refuse(code::not_found, "dutyId", "no such duty");
}

bool of_duty(const duty_state& state, const organization_state& people, std::string_view person) {
  return state.what.member(person) && people.active(person);
}

std::optional<v1::Role> duty_role(const duty_state& state, const organization_state& people, const actor& who) {
  const account* asking = people.find(who.person_id);
  const auto* member = state.what.member(who.person_id);
  const bool administrator = asking && asking->administrator;
  if (administrator && (!member || who.chosen_role == v1::ROLE_ADMINISTRATOR)) return v1::ROLE_ADMINISTRATOR;
  if (!member) return std::nullopt;
  return member->role;
}

outcome<facts> decide_duty(const duty_state& state, const v1::Command& command, const actor& who, const duty_context& context) {
  const auto name = v1::Command::descriptor()->FindFieldByNumber(static_cast<int>(command.action_case()))->json_name();
  const duty_case one{state, who, context, name};
  if (command.has_define_duty()) return define(one, command.define_duty(), command.duty_id());
  if (!state.defined()) return no_such_duty();
  switch (command.action_case()) {
    case v1::Command::kScheduleShift:
      return schedule(one, command.schedule_shift());
    case v1::Command::kSetRotation:
      return set_rotation(one, command.set_rotation());
    case v1::Command::kRemoveRosterItem:
      return remove_item(one, command.remove_roster_item());
    case v1::Command::kSwapShifts:
      return swap(one, command.swap_shifts());
    case v1::Command::kEnterLeave:
      return enter_leave(one, command.enter_leave());
    case v1::Command::kEndLeave:
      return end_leave(one, command.end_leave());
    case v1::Command::kForceTakeDuty:
      return force_take(one, command.force_take_duty());
    case v1::Command::kFireDutyTimer:
      return fire_duty_timer(one, command.fire_duty_timer());
    default:
      return decide_handoff(one, command);
  }
}

void apply_duty(duty_state& state, const v1::Entry& entry, std::uint64_t version) {
  switch (entry.fact_case()) {
    case v1::Entry::kDutyHolderChanged:
      state.holder = entry.duty_holder_changed().person_id();
      end_handoff(state);
      state.timers.erase(v1::DUTY_TIMER_LEAD);
      state.timers.erase(v1::DUTY_TIMER_MANAGER);
      break;
    case v1::Entry::kCoverageForecast:
      state.gaps.clear();
      for (const auto& row : entry.coverage_forecast().gaps()) {
        const auto start = to_instant(row.start()), end = to_instant(row.end());
        if (start && end) state.gaps.push_back({*start, *end});
      }
      std::erase_if(state.gap_told, [&](const auto& told) {
        return std::none_of(state.gaps.begin(), state.gaps.end(), [&](const auto& gap) { return gap.start == told.first; });
      });
      break;
    case v1::Entry::kCoverageGapNear:
      if (const auto start = to_instant(entry.coverage_gap_near().gap().start())) {
        state.gap_told[*start] = entry.coverage_gap_near().hours_left();
      }
      break;
    case v1::Entry::kRosterLookSet:
      set_deadline(state, v1::DUTY_TIMER_ROSTER, entry.roster_look_set().next(), version);
      forget_past(state.roster, to_instant(entry.time()).value_or(instant{}), state.holder);
      break;
    case v1::Entry::kDutyReminded:
      state.timers.erase(entry.duty_reminded().timer());
      break;
    case v1::Entry::kHandoffPrepared:
      apply_prepared(state, entry, version);
      break;
    default:
      apply_to_roster(state, entry);
      apply_about_handoff(state, entry, version);
  }
}

void keep_duty_timers(timer_board& board, const duty_state& state, std::uint64_t version) {
  for (int kind = v1::DUTY_TIMER_ROSTER; kind <= v1::DutyTimer_MAX; ++kind) {
    const auto timer = static_cast<v1::DutyTimer>(kind);
    const std::string id = "duty/" + std::to_string(kind);
    const auto running = state.timers.find(timer);
    if (running == state.timers.end()) {
      board.cancel(id);
      continue;
    }
    v1::Command command;
    command.set_duty_id(state.id);
    command.mutable_fire_duty_timer()->set_timer(timer);
    command.mutable_fire_duty_timer()->set_version(running->second.version);
    board.set(id, running->second.at, version, command);
  }
}

std::uint64_t about_handoff(const v1::Entry& entry) {
  switch (entry.fact_case()) {
    case v1::Entry::kPatientDescribed:
      return entry.patient_described().seq();
    case v1::Entry::kHandoffOffered:
      return entry.handoff_offered().seq();
    case v1::Entry::kHandoffOpened:
      return entry.handoff_opened().seq();
    case v1::Entry::kHandoffTaken:
      return entry.handoff_taken().seq();
    case v1::Entry::kHandoffDeltaShown:
      return entry.handoff_delta_shown().seq();
    case v1::Entry::kPatientSynthesized:
      return entry.patient_synthesized().seq();
    case v1::Entry::kSynthesisCorrected:
      return entry.synthesis_corrected().seq();
    case v1::Entry::kHandoffCompleted:
      return entry.handoff_completed().seq();
    case v1::Entry::kHandoffEnded:
      return entry.handoff_ended().seq();
    default:
      return 0;
  }
}

}  // namespace careteam::care

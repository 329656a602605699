#include "care/duty.hpp"

#include <algorithm>
#include <stdexcept>

#include "care/duty_decisions.hpp"
#include "care/duty_messages.hpp"

namespace careteam::care {
namespace {

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

void apply_delayed(duty_state& state, const v1::HandoffDelayed& delayed, std::uint64_t version) {
  set_deadline(state, v1::DUTY_TIMER_LEAD, delayed.lead_by(), version);
  set_deadline(state, v1::DUTY_TIMER_MANAGER, delayed.manager_by(), version);
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
    case v1::Entry::kHandoffDelayed:
      apply_delayed(state, entry.handoff_delayed(), version);
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

absl::TimeZone zone_of(const duty_definition& what) {
  const auto zone = zone_named(what.time_zone);
  if (!zone) throw std::runtime_error("a duty is meant in the time zone \"" + what.time_zone + "\", which this machine does not know");
  return *zone;
}

void apply_defined(duty_state& state, const v1::DutyDefined& defined) {
  state.what = definition_of(defined.duty());
  state.roster.duty_id = state.id;
  state.roster.zone = zone_of(state.what);
  apply(state.roster, terms_of(state.what));
  // Who is no longer of the duty answers for no part of it: whoever holds it does.
  std::erase_if(state.apart, [&](const auto& one) { return !state.what.member(one.second.person); });
  state.roster_version = defined.roster_version();
}

void apply_scheduled(duty_state& state, const v1::ShiftScheduled& fact) {
  if (const auto at = span_of(fact.period())) {
    if (fact.override()) {
      apply(state.roster, roster_override{fact.shift_id(), fact.person_id(), *at});
    } else {
      apply(state.roster, roster_shift{fact.shift_id(), fact.person_id(), *at});
    }
  }
  state.roster_version = fact.roster_version();
}

void apply_swapped(duty_state& state, const v1::TurnsSwapped& fact) {
  const auto one = turn_of(fact.one()), other = turn_of(fact.other());
  if (one && other) apply(state.roster, roster_swap{fact.swap_id(), *one, *other});
  state.roster_version = fact.roster_version();
}

void apply_to_roster(duty_state& state, const v1::Entry& entry) {
  switch (entry.fact_case()) {
    case v1::Entry::kDutyDefined:
      return apply_defined(state, entry.duty_defined());
    case v1::Entry::kShiftScheduled:
      return apply_scheduled(state, entry.shift_scheduled());
    case v1::Entry::kTurnsSwapped:
      return apply_swapped(state, entry.turns_swapped());
    case v1::Entry::kRotationSet:
      if (const auto made = rotation_of(entry.rotation_set().rotation())) apply(state.roster, *made);
      state.roster_version = entry.rotation_set().roster_version();
      return;
    case v1::Entry::kRosterItemRemoved:
      apply(state.roster, roster_removal{entry.roster_item_removed().item_id()});
      state.roster_version = entry.roster_item_removed().roster_version();
      return;
    case v1::Entry::kLeaveEntered:
      apply(state.roster, leave_of(entry.leave_entered()));
      state.roster_version = entry.leave_entered().roster_version();
      return;
    case v1::Entry::kLeaveEnded:
      apply(state.roster, roster_removal{entry.leave_ended().leave_id()});
      state.roster_version = entry.leave_ended().roster_version();
      return;
    default:
      return;
  }
}

/// Before the holder is another one.
void note_former(duty_state& state, v1::HolderReason reason, instant t) {
  if (reason == v1::HOLDER_REASON_HANDOFF) {
    state.former = {state.holder, false};
  } else if (reason != v1::HOLDER_REASON_LEAVE && reason != v1::HOLDER_REASON_COVER_ENDED) {
    state.former = {};
  } else if (!state.former.on_leave && on_leave(state.roster, state.holder, t)) {
    state.former = {state.holder, true};
  }
}

}  // namespace

const duty_member* duty_definition::member(std::string_view person) const {
  const auto at = std::find_if(members.begin(), members.end(), [&](const auto& one) { return one.person == person; });
  return at == members.end() ? nullptr : &*at;
}

bool duty_definition::eligible(std::string_view person) const {
  const auto* one = member(person);
  return one && (roles.empty() || std::find(roles.begin(), roles.end(), one->role) != roles.end());
}

roster_terms terms_of(const duty_definition& what) {
  roster_terms terms{{}, what.lead, what.fallback, what.personal_of};
  for (const auto& member : what.members) {
    if (what.eligible(member.person)) terms.eligible.people.insert(member.person);
  }
  return terms;
}

roster_people working_people(const organization_state& people) {
  return {[&people](std::string_view person) { return people.active(person); },
          [&people](const duty_roster& roster, std::string_view person) {
            return people.active(person) && roster.eligible.admits(person, {});
          }};
}

duty_standing standing_of(const duty_state& state) {
  duty_standing standing{state.holder, state.what.manager, state.roster};
  for (const auto& [patient, apart] : state.apart) standing.apart.emplace(patient, apart.person);
  return standing;
}

bool on_duties(v1::Command::ActionCase action) {
  const bool newer = action >= v1::Command::kReportDutyCall && action <= v1::Command::kTakePatientBack;
  return newer || (action >= v1::Command::kDefineDuty && action <= v1::Command::kFireDutyTimer);
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
  if (command.has_define_duty()) return define_duty(one, command.define_duty(), command.duty_id());
  if (!state.defined()) return no_such_duty();
  switch (command.action_case()) {
    case v1::Command::kScheduleShift:
      return schedule_shift(one, command.schedule_shift());
    case v1::Command::kSetRotation:
      return set_rotation(one, command.set_rotation());
    case v1::Command::kRemoveRosterItem:
      return remove_roster_item(one, command.remove_roster_item());
    case v1::Command::kSwapTurns:
      return swap_turns(one, command.swap_turns());
    case v1::Command::kEnterLeave:
      return enter_leave(one, command.enter_leave());
    case v1::Command::kEndLeave:
      return end_leave(one, command.end_leave());
    case v1::Command::kForceTakeDuty:
      return force_take(one, command.force_take_duty());
    case v1::Command::kFireDutyTimer:
      return fire_duty_timer(one, command.fire_duty_timer());
    case v1::Command::kReportDutyCall:
      return report_duty_call(one, command.report_duty_call());
    default:
      return decide_handoff(one, command);
  }
}

void apply_duty(duty_state& state, const v1::Entry& entry, std::uint64_t version) {
  switch (entry.fact_case()) {
    case v1::Entry::kDutyHolderChanged:
      note_former(state, entry.duty_holder_changed().reason(), to_instant(entry.time()).value_or(instant{}));
      state.holder = entry.duty_holder_changed().person_id();
      state.handed_over = state.shift_end;
      // Whoever answered for a patient of it answers for all of it.
      std::erase_if(state.apart, [&](const auto& one) { return one.second.person == state.holder; });
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
    case v1::Entry::kPatientSetApart:
      state.apart[entry.patient_set_apart().patient_id()] = {entry.patient_set_apart().person_id(), std::nullopt};
      break;
    case v1::Entry::kPatientReturned: {
      const auto& said = entry.patient_returned().patient();
      if (const auto at = state.apart.find(said.patient_id()); at != state.apart.end()) at->second.returned = described_by(said);
      break;
    }
    case v1::Entry::kPatientTakenBack:
      state.apart.erase(entry.patient_taken_back().patient_id());
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
    case v1::Entry::kHandoffPatientDeclined:
      return entry.handoff_patient_declined().seq();
    case v1::Entry::kHandoffDelayed:
      return entry.handoff_delayed().seq();
    case v1::Entry::kHandoffCompleted:
      return entry.handoff_completed().seq();
    case v1::Entry::kHandoffEnded:
      return entry.handoff_ended().seq();
    default:
      return 0;
  }
}

}  // namespace careteam::care

// What the files that decide about duties share. Only they include it.
#pragma once

#include "care/duty.hpp"

namespace careteam::care {

/// A command on a duty, with what its decision stands on.
struct duty_case {
  const duty_state& state;
  const actor& who;
  const duty_context& context;
  std::string_view action;  ///< The command's name in the protocol: the first part of a field's path.

  std::string field(std::string_view name) const { return std::string(action) + "." + std::string(name); }
  bool administers() const { return who.system || who.chosen_role == v1::ROLE_ADMINISTRATOR; }
  bool leads() const { return !who.system && who.person_id == state.what.lead; }
  bool holds() const { return !who.system && !state.holder.empty() && who.person_id == state.holder; }
};

inline refusal not_yours(std::string_view why) {
  return refuse(code::permission_denied, "action", why);
}

/// Adds what follows from the roster as it is after `so_far`: the holder, a handoff to prepare, gaps, and when to look again.
void look_at_roster(facts& so_far, const duty_case& one);
/// The duty as it is after these facts.
duty_state after(const duty_case& one, const facts& so_far);
/// Another holder; a handoff that is under way ends with it.
void change_holder(facts& to, const duty_state& state, const std::string& person, v1::HolderReason reason, std::string_view text = {});
/// The person works, and is not on leave from the duty: what is declined, or reaches nobody else, can go to them.
bool can_see_to(const duty_case& one, const std::string& person);
/// What the duty's holder owes: without the patients for whom the lead answers.
std::vector<owed_item> owed_by_holder(const duty_state& state, std::span<const owed_item> owed);
/// Begins a handoff.
void prepare(facts& to, const duty_state& state, const std::string& next, instant shift_end, const owed_list& owed);

/// Whom the roster names, and who can do it, in order; empty: nobody. Neighbours differ.
struct rostered {
  std::string person;
  time_span at;
};
std::vector<rostered> rostered_ahead(const duty_case& one, const duty_state& duty);

// duty_roster_decisions.cpp
outcome<void> check_roster_version(const duty_case& one, std::uint64_t expected);
/// Why the roster refuses the change, with the field as the command names it.
outcome<void> check_against_roster(const duty_case& one, const duty_change& change);
outcome<facts> define_duty(const duty_case& one, const v1::DefineDuty& asked, std::string_view duty_id);
outcome<facts> schedule_shift(const duty_case& one, const v1::ScheduleShift& asked);
outcome<facts> set_rotation(const duty_case& one, const v1::SetRotation& asked);
outcome<facts> remove_roster_item(const duty_case& one, const v1::RemoveRosterItem& asked);
outcome<facts> swap_turns(const duty_case& one, const v1::SwapTurns& asked);
outcome<facts> force_take(const duty_case& one, const v1::ForceTakeDuty& asked);
// duty_leaves.cpp
outcome<facts> enter_leave(const duty_case& one, const v1::EnterLeave& asked);
outcome<facts> end_leave(const duty_case& one, const v1::EndLeave& asked);
// handoff_decisions.cpp
outcome<facts> decide_handoff(const duty_case& one, const v1::Command& command);
/// What a patient's I, P and S lack, where `path` is the field that has them.
outcome<void> check_described(const v1::HandoffPatient& asked, const std::string& path);
/// Whether what was entered is what is due first, and when.
bool matches(const owed_item* top, const v1::EntryRef* action, const google::protobuf::Timestamp* deadline);
// handoff_split.cpp
outcome<facts> decline_patient(const duty_case& one, const handoff_state& handoff, const v1::DeclineHandoffPatient& asked);
/// Who of the declined goes to the lead at the confirmation; refused where the lead could not have them.
outcome<void> set_declined_apart(facts& to, const duty_case& one, const handoff_state& handoff);
outcome<facts> return_patient(const duty_case& one, const v1::ReturnPatient& asked);
outcome<facts> take_patient_back(const duty_case& one, const v1::TakePatientBack& asked);
// duty_look.cpp
outcome<facts> fire_duty_timer(const duty_case& one, const v1::FireDutyTimer& asked);
// duty_calls.cpp
outcome<facts> report_duty_call(const duty_case& one, const v1::ReportDutyCall& asked);

}  // namespace careteam::care

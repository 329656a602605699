// The split of a handoff (`domain.md` HO4): whoever takes over may decline a patient. At the confirmation the duty's lead comes to answer
// for what the duty owes for that patient, in the same commit in which everything else goes to the new holder; until the lead has returned
// the patient and the holder of then has taken them. So somebody answers at every version, and never two.
#include <algorithm>

#include "care/duty_decisions.hpp"

namespace careteam::care {
namespace {

/// Who a declined patient can go to: the lead, unless the lead is the one who declines.
outcome<std::string> lead_for_declined(const duty_case& one, const handoff_state& handoff) {
  const auto& lead = one.state.what.lead;
  if (lead == handoff.to) return refuse(code::failed_precondition, one.field("handoff.seq"), "whoever takes over leads the duty");
  if (!can_see_to(one, lead)) {
    return refuse(code::failed_precondition, one.field("handoff.seq"), "the duty's lead cannot answer for a declined patient now");
  }
  return lead;
}

}  // namespace

bool can_see_to(const duty_case& one, const std::string& person) {
  return one.context.people.active(person) && !on_leave(one.state.roster, person, one.context.now);
}

outcome<facts> decline_patient(const duty_case& one, const handoff_state& handoff, const v1::DeclineHandoffPatient& asked) {
  if (one.who.system || one.who.person_id != handoff.to) return not_yours("whoever takes over does that");
  if (handoff.stage != handoff_stage::received && handoff.stage != handoff_stage::accepted) {
    return refuse(code::failed_precondition, one.field("handoff.seq"), "the handoff does not stand there");
  }
  const auto at = handoff.patients.find(asked.patient_id());
  if (at == handoff.patients.end()) return refuse(code::not_found, one.field("patientId"), "no such patient is handed over here");
  if (at->second.declined) return facts{};
  if (auto reason = check_text(asked.reason(), one.field("reason"), max_reason_bytes); !reason) return reason.error();
  const auto lead = lead_for_declined(one, handoff);
  if (!lead) return lead.error();
  facts result;
  auto& declined = *add_fact(result, v1::STREAM_CLINICAL).mutable_handoff_patient_declined();
  declined.set_seq(handoff.seq);
  declined.set_patient_id(asked.patient_id());
  declined.set_reason(asked.reason());
  declined.set_person_id(*lead);
  return result;
}

outcome<void> set_declined_apart(facts& to, const duty_case& one, const handoff_state& handoff) {
  for (const auto& [id, patient] : handoff.patients) {
    if (!patient.declined) continue;
    const auto lead = lead_for_declined(one, handoff);
    if (!lead) return lead.error();
    auto& apart = *add_fact(to, v1::STREAM_CLINICAL).mutable_patient_set_apart();
    apart.set_patient_id(id);
    apart.set_person_id(*lead);
  }
  return {};
}

outcome<facts> return_patient(const duty_case& one, const v1::ReturnPatient& asked) {
  const auto at = one.state.apart.find(asked.patient().patient_id());
  if (at == one.state.apart.end()) return refuse(code::not_found, one.field("patient.patientId"), "no such patient is set apart here");
  if (at->second.person != one.who.person_id) return not_yours("whoever answers for the patient returns them");
  if (auto good = check_described(asked.patient(), one.field("patient")); !good) return good.error();
  facts result;
  *add_fact(result, v1::STREAM_CLINICAL).mutable_patient_returned()->mutable_patient() = asked.patient();
  return result;
}

outcome<facts> take_patient_back(const duty_case& one, const v1::TakePatientBack& asked) {
  if (!one.holds()) return not_yours("whoever holds the duty takes a patient back");
  const auto at = one.state.apart.find(asked.patient_id());
  if (at == one.state.apart.end() || !at->second.returned) {
    return refuse(code::not_found, one.field("patientId"), "no such patient was returned here");
  }
  const bool stable = at->second.returned->severity == v1::HandoffNote::SEVERITY_STABLE;
  if (!stable || !asked.synthesis().empty()) {
    if (auto text = check_text(asked.synthesis(), one.field("synthesis"), max_summary_bytes); !text) return text.error();
  }
  const auto* action = asked.has_top_action() ? &asked.top_action() : nullptr;
  const auto* deadline = asked.has_top_deadline() ? &asked.top_deadline() : nullptr;
  if (action && (action->patient_id() != asked.patient_id() || !action->duty_id().empty())) {
    return refuse(code::invalid_argument, one.field("topAction"), "must be of this patient");
  }
  const auto owed = owed_by_place(one.context.owed);
  if ((!stable || action || deadline) && !matches(top_action(owed, asked.patient_id()), action, deadline)) {
    return refuse(code::failed_precondition, one.field("topAction"), "is not what is due first, or not then");
  }
  facts result;
  auto& taken = *add_fact(result, v1::STREAM_CLINICAL).mutable_patient_taken_back();
  taken.set_patient_id(asked.patient_id());
  taken.set_synthesis(asked.synthesis());
  if (action) *taken.mutable_top_action() = *action;
  if (deadline) *taken.mutable_top_deadline() = *deadline;
  return result;
}

}  // namespace careteam::care

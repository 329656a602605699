// Who may do what in a handoff (`domain.md` 3.2, HO1–HO9).
#include <algorithm>
#include <set>

#include "care/duty_decisions.hpp"

namespace careteam::care {
namespace {

int order_of_severity(const handoff_state& handoff, std::string_view patient) {
  const auto at = handoff.patients.find(patient);
  return at == handoff.patients.end() ? 0 : -static_cast<int>(at->second.severity);
}

constexpr std::string_view changed = "what is owed has changed: the delta must be shown first";

/// The handoff that a command names, at the version that the client saw.
outcome<const handoff_state*> named(const duty_case& one, const v1::HandoffRef& ref) {
  const auto& handoff = one.state.handoff;
  if (!handoff || ref.seq() != handoff->seq) return refuse(code::not_found, one.field("handoff.seq"), "no such handoff is under way");
  if (ref.expected_version() != 0 && ref.expected_version() != handoff->version) {
    return refuse(code::aborted, one.field("handoff.expectedVersion"), "it has version " + std::to_string(handoff->version));
  }
  return &*handoff;
}

outcome<void> check_stage(const duty_case& one, const handoff_state& handoff, std::initializer_list<handoff_stage> allowed) {
  if (std::find(allowed.begin(), allowed.end(), handoff.stage) != allowed.end()) return {};
  return refuse(code::failed_precondition, one.field("handoff.seq"), "the handoff does not stand there");
}

outcome<void> from_only(const duty_case& one, const handoff_state& handoff) {
  if (!one.who.system && one.who.person_id == handoff.from) return {};
  return not_yours("whoever hands over does that");
}

outcome<void> to_only(const duty_case& one, const handoff_state& handoff) {
  if (!one.who.system && one.who.person_id == handoff.to) return {};
  return not_yours("whoever takes over does that");
}

/// HO5: nothing is synthesised or confirmed on what is no longer so.
outcome<void> check_fresh(const duty_case& one, const handoff_state& handoff) {
  if (hash_of(owed_by_place(one.context.owed)) == handoff.owed_hash) return {};
  return refuse(code::failed_precondition, one.field("handoff.seq"), changed);
}

outcome<facts> prepare_handoff(const duty_case& one, const v1::PrepareHandoff& asked) {
  if (!one.holds() && !one.leads()) return not_yours("a handoff is prepared by the holder or the lead");
  if (one.state.holder.empty()) return refuse(code::failed_precondition, "action", "nobody holds the duty");
  if (one.state.handoff) {
    return refuse(code::already_exists, "action", "handoff " + std::to_string(one.state.handoff->seq) + " is under way");
  }
  const auto now = one.context.now;
  const auto ahead = rostered_ahead(one, one.state);
  instant shift_end = now;
  if (!ahead.empty() && ahead.front().person == one.state.holder) shift_end = ahead.front().at.end;
  auto next = asked.to_person_id();
  for (const auto& stretch : ahead) {
    if (next.empty() && !stretch.person.empty() && stretch.person != one.state.holder) next = stretch.person;
  }
  if (next.empty()) return refuse(code::failed_precondition, one.field("toPersonId"), "the roster names nobody for the next 14 days");
  if (next == one.state.holder) return refuse(code::invalid_argument, one.field("toPersonId"), "holds it already");
  if (!one.state.what.eligible(next)) {
    return refuse(code::failed_precondition, one.field("toPersonId"), "is no member of this duty in one of its roles");
  }
  if (!one.context.people.active(next)) return refuse(code::failed_precondition, one.field("toPersonId"), "has no account that works");
  facts result;
  prepare(result, one.state, next, shift_end, owed_by_place(one.context.owed));
  return result;
}

outcome<facts> describe(const duty_case& one, const handoff_state& handoff, const v1::HandoffPatient& asked) {
  if (auto may = from_only(one, handoff); !may) return may.error();
  using enum handoff_stage;
  if (auto stage = check_stage(one, handoff, {draft, requested, received, accepted}); !stage) return stage.error();
  const bool known =
      handoff.patients.contains(asked.patient_id()) || std::any_of(one.context.owed.begin(), one.context.owed.end(),
                                                                   [&](const auto& item) { return item.patient_id == asked.patient_id(); });
  if (!known) return refuse(code::not_found, one.field("patient.patientId"), "nothing is owed here for such a patient");
  if (auto good = check_described(asked, one.field("patient")); !good) return good.error();
  facts result;
  auto& described = *add_fact(result, v1::STREAM_CLINICAL).mutable_patient_described();
  described.set_seq(handoff.seq);
  *described.mutable_patient() = asked;
  return result;
}

outcome<facts> offer(const duty_case& one, const handoff_state& handoff) {
  if (auto may = from_only(one, handoff); !may) return may.error();
  if (auto stage = check_stage(one, handoff, {handoff_stage::draft}); !stage) return stage.error();
  const auto owed = owed_by_place(one.context.owed);
  if (const auto missing = not_described(handoff, owed); !missing.empty()) {
    return refuse(code::failed_precondition, one.field("handoff.seq"), std::to_string(missing.size()) + " patients are not described yet");
  }
  facts result;
  auto& offered = *add_fact(result, v1::STREAM_CLINICAL).mutable_handoff_offered();
  offered.set_seq(handoff.seq);
  std::vector<owed_item> items;
  for (const auto& [key, item] : owed) items.push_back(item);
  std::stable_sort(items.begin(), items.end(), [&](const auto& a, const auto& b) {
    return order_of_severity(handoff, a.patient_id) < order_of_severity(handoff, b.patient_id);
  });
  for (const auto& item : items) put_owed(*offered.add_owed(), item);
  offered.set_owed_hash(hash_of(owed));
  set_timestamp(*offered.mutable_receive_by(), one.context.now + handoff_received_within);
  return result;
}

outcome<facts> open(const duty_case& one, const handoff_state& handoff) {
  if (auto may = to_only(one, handoff); !may) return may.error();
  if (auto stage = check_stage(one, handoff, {handoff_stage::requested}); !stage) return stage.error();
  facts result;
  add_fact(result, v1::STREAM_CLINICAL).mutable_handoff_opened()->set_seq(handoff.seq);
  return result;
}

outcome<facts> take(const duty_case& one, const handoff_state& handoff) {
  if (auto may = to_only(one, handoff); !may) return may.error();
  if (auto stage = check_stage(one, handoff, {handoff_stage::received}); !stage) return stage.error();
  facts result;
  auto& taken = *add_fact(result, v1::STREAM_CLINICAL).mutable_handoff_taken();
  taken.set_seq(handoff.seq);
  set_timestamp(*taken.mutable_synthesize_by(), one.context.now + handoff_synthesized_within);
  return result;
}

outcome<facts> show_delta(const duty_case& one, const handoff_state& handoff) {
  if (auto may = to_only(one, handoff); !may) return may.error();
  using enum handoff_stage;
  if (auto stage = check_stage(one, handoff, {received, accepted, in_progress}); !stage) return stage.error();
  const auto owed = owed_by_place(one.context.owed);
  if (owed == handoff.owed) return facts{};
  facts result;
  auto& shown = *add_fact(result, v1::STREAM_CLINICAL).mutable_handoff_delta_shown();
  shown.set_seq(handoff.seq);
  for (const auto& [key, item] : owed) {
    const auto before = handoff.owed.find(key);
    if (before == handoff.owed.end() || before->second != item) put_owed(*shown.add_owed(), item);
  }
  for (const auto& [key, item] : handoff.owed) {
    if (owed.contains(key)) continue;
    auto& ref = *shown.add_settled();
    ref.set_patient_id(item.patient_id);
    ref.set_stream(item.at.stream);
    ref.set_seq(item.at.seq);
  }
  shown.set_owed_hash(hash_of(owed));
  return result;
}

outcome<facts> synthesize(const duty_case& one, const handoff_state& handoff, const v1::SynthesizePatient& asked) {
  if (auto may = to_only(one, handoff); !may) return may.error();
  if (auto stage = check_stage(one, handoff, {handoff_stage::accepted}); !stage) return stage.error();
  if (auto fresh = check_fresh(one, handoff); !fresh) return fresh.error();
  const auto at = handoff.patients.find(asked.patient_id());
  if (at == handoff.patients.end()) return refuse(code::not_found, one.field("patientId"), "no such patient is handed over here");
  if (asked.top_action().patient_id() != (asked.has_top_action() ? asked.patient_id() : std::string()) ||
      !asked.top_action().duty_id().empty()) {
    return refuse(code::invalid_argument, one.field("topAction"), "must be of this patient");
  }
  if (at->second.declined) return refuse(code::failed_precondition, one.field("patientId"), "was declined: the lead is to answer for them");
  const bool stable = at->second.severity == v1::HandoffNote::SEVERITY_STABLE;
  if (!stable || !asked.synthesis().empty()) {
    if (auto text = check_text(asked.synthesis(), one.field("synthesis"), max_summary_bytes); !text) return text.error();
  }
  const bool asks_top = !stable || asked.has_top_action() || asked.has_top_deadline();
  if (asked.has_top_deadline() && !to_instant(asked.top_deadline())) {
    return refuse(code::invalid_argument, one.field("topDeadline"), "must be between 1900 and 2200");
  }
  facts result;
  auto& said = *add_fact(result, v1::STREAM_CLINICAL).mutable_patient_synthesized();
  said.set_seq(handoff.seq);
  said.set_patient_id(asked.patient_id());
  said.set_synthesis(asked.synthesis());
  if (asked.has_top_action()) *said.mutable_top_action() = asked.top_action();
  if (asked.has_top_deadline()) *said.mutable_top_deadline() = asked.top_deadline();
  const auto* action = asked.has_top_action() ? &asked.top_action() : nullptr;
  const auto* deadline = asked.has_top_deadline() ? &asked.top_deadline() : nullptr;
  said.set_mismatch(asks_top && !matches(top_action(handoff.owed, asked.patient_id()), action, deadline));
  return result;
}

outcome<facts> correct(const duty_case& one, const handoff_state& handoff, const v1::CorrectSynthesis& asked) {
  if (auto may = from_only(one, handoff); !may) return may.error();
  if (auto stage = check_stage(one, handoff, {handoff_stage::accepted, handoff_stage::in_progress}); !stage) return stage.error();
  if (!handoff.patients.contains(asked.patient_id())) {
    return refuse(code::not_found, one.field("patientId"), "no such patient is handed over here");
  }
  if (auto text = check_text(asked.correction(), one.field("correction"), max_reason_bytes); !text) return text.error();
  facts result;
  auto& corrected = *add_fact(result, v1::STREAM_CLINICAL).mutable_synthesis_corrected();
  corrected.set_seq(handoff.seq);
  corrected.set_patient_id(asked.patient_id());
  corrected.set_correction(asked.correction());
  return result;
}

outcome<facts> confirm(const duty_case& one, const handoff_state& handoff) {
  const bool sender = !one.who.system && one.who.person_id == handoff.from;
  // Whoever takes over is no witness of it.
  const bool witness = one.leads() && one.who.person_id != handoff.to;
  if (!sender && !witness) return not_yours("a handoff is confirmed by whoever hands over, or by the lead");
  if (auto stage = check_stage(one, handoff, {handoff_stage::in_progress}); !stage) return stage.error();
  if (!sender && one.context.now < *handoff.synthesized + handoff_witness_after) {
    return refuse(code::failed_precondition, one.field("handoff.seq"), "the lead may confirm it 15 minutes after the last synthesis");
  }
  if (auto fresh = check_fresh(one, handoff); !fresh) return fresh.error();
  if (!one.context.people.active(handoff.to))
    return refuse(code::failed_precondition, "action", "whoever takes over has no account that works");
  facts result;
  auto& completed = *add_fact(result, v1::STREAM_CLINICAL).mutable_handoff_completed();
  completed.set_seq(handoff.seq);
  completed.set_unwitnessed_by_sender(!sender);
  if (auto apart = set_declined_apart(result, one, handoff); !apart) return apart.error();
  change_holder(result, one.state, handoff.to, v1::HOLDER_REASON_HANDOFF);
  result.back().mutable_duty_holder_changed()->set_unwitnessed_by_sender(!sender);
  look_at_roster(result, one);
  return result;
}

/// Of a handoff that ends when the shift is over: the roster is looked at again once all have been told that it is late, and there has been
/// time to begin another. Nothing: it is looked at by then.
std::optional<instant> look_after_end(const duty_case& one) {
  const auto& ended = one.state.shift_end;
  const auto look = one.state.timers.find(v1::DUTY_TIMER_ROSTER);
  if (!ended || one.context.now < *ended || look == one.state.timers.end()) return std::nullopt;
  const auto next = std::max(one.context.now, *ended + manager_told_after) + lead_told_after;
  return next < look->second.at ? std::optional(next) : std::nullopt;
}

outcome<facts> end(const duty_case& one, const handoff_state& handoff, const v1::EndHandoff& asked) {
  const bool receiver = !one.who.system && one.who.person_id == handoff.to;
  const bool sender = !one.who.system && one.who.person_id == handoff.from;
  if (!receiver && !sender && !one.leads()) return not_yours("a handoff is ended by its two people or the lead");
  if (auto reason = check_text(asked.reason(), one.field("reason"), max_reason_bytes); !reason) return reason.error();
  facts result;
  auto& ended = *add_fact(result, v1::STREAM_CLINICAL).mutable_handoff_ended();
  ended.set_seq(handoff.seq);
  ended.set_end(receiver ? v1::HANDOFF_END_REJECTED : v1::HANDOFF_END_CANCELLED);
  ended.set_reason(asked.reason());
  if (const auto next = look_after_end(one)) {
    set_timestamp(*add_fact(result, v1::STREAM_DUTY).mutable_roster_look_set()->mutable_next(), *next);
  }
  return result;
}

/// Whether deciding it stands on what the duty owes.
bool needs_owed(v1::Command::ActionCase action) {
  return (action >= v1::Command::kPrepareHandoff && action <= v1::Command::kConfirmHandoff) || action == v1::Command::kTakePatientBack;
}

}  // namespace

outcome<void> check_described(const v1::HandoffPatient& asked, const std::string& path) {
  if (asked.severity() == v1::HandoffNote::SEVERITY_UNSPECIFIED) return refuse(code::invalid_argument, path + ".severity", "must be set");
  if (auto summary = check_text(asked.summary(), path + ".summary", max_summary_bytes); !summary) return summary.error();
  if (asked.contingencies_size() < 1 || asked.contingencies_size() > max_contingencies) {
    return refuse(code::invalid_argument, path + ".contingencies", "must be 1 to 16");
  }
  for (const auto& text : asked.contingencies()) {
    if (auto good = check_text(text, path + ".contingencies", max_reason_bytes); !good) return good.error();
  }
  return {};
}

bool matches(const owed_item* top, const v1::EntryRef* action, const google::protobuf::Timestamp* deadline) {
  if (!top) return !action && !deadline;
  const bool same_place = action && action->stream() == top->at.stream && action->seq() == top->at.seq;
  if (!same_place || (deadline != nullptr) != top->deadline.has_value()) return false;
  if (!top->deadline) return true;
  const auto entered = to_instant(*deadline);
  const auto minute = [](instant t) { return std::chrono::floor<std::chrono::minutes>(t); };
  return entered && minute(*entered) == minute(*top->deadline);
}

outcome<facts> decide_handoff(const duty_case& all, const v1::Command& command) {
  // What is said of patients is not for administrators: for them there are no handoffs.
  if (all.administers()) return not_yours("handoffs are the duty's people's");
  if (all.context.owed.size() > max_owed_items && needs_owed(command.action_case())) {
    return refuse(code::resource_exhausted, "action",
                  "the duty owes more than the " + std::to_string(max_owed_items) + " things that a handoff can list");
  }
  if (command.has_return_patient()) return return_patient(all, command.return_patient());
  if (command.has_take_patient_back()) return take_patient_back(all, command.take_patient_back());
  const auto owed = owed_by_holder(all.state, all.context.owed);
  auto context = all.context;
  context.owed = owed;
  const duty_case one{all.state, all.who, context, all.action};
  if (command.has_prepare_handoff()) return prepare_handoff(one, command.prepare_handoff());
  const auto* ref = [&]() -> const v1::HandoffRef* {
    switch (command.action_case()) {
      case v1::Command::kDescribePatient:
        return &command.describe_patient().handoff();
      case v1::Command::kOfferHandoff:
        return &command.offer_handoff().handoff();
      case v1::Command::kOpenHandoff:
        return &command.open_handoff().handoff();
      case v1::Command::kTakeHandoff:
        return &command.take_handoff().handoff();
      case v1::Command::kDeclineHandoffPatient:
        return &command.decline_handoff_patient().handoff();
      case v1::Command::kShowHandoffDelta:
        return &command.show_handoff_delta().handoff();
      case v1::Command::kSynthesizePatient:
        return &command.synthesize_patient().handoff();
      case v1::Command::kCorrectSynthesis:
        return &command.correct_synthesis().handoff();
      case v1::Command::kConfirmHandoff:
        return &command.confirm_handoff().handoff();
      case v1::Command::kEndHandoff:
        return &command.end_handoff().handoff();
      default:
        return nullptr;
    }
  }();
  if (!ref) return refuse(code::invalid_argument, "action", "is not a command on a duty");
  const auto handoff = named(one, *ref);
  if (!handoff) return handoff.error();
  switch (command.action_case()) {
    case v1::Command::kDescribePatient:
      return describe(one, **handoff, command.describe_patient().patient());
    case v1::Command::kOfferHandoff:
      return offer(one, **handoff);
    case v1::Command::kOpenHandoff:
      return open(one, **handoff);
    case v1::Command::kTakeHandoff:
      return take(one, **handoff);
    case v1::Command::kDeclineHandoffPatient:
      return decline_patient(one, **handoff, command.decline_handoff_patient());
    case v1::Command::kShowHandoffDelta:
      return show_delta(one, **handoff);
    case v1::Command::kSynthesizePatient:
      return synthesize(one, **handoff, command.synthesize_patient());
    case v1::Command::kCorrectSynthesis:
      return correct(one, **handoff, command.correct_synthesis());
    case v1::Command::kConfirmHandoff:
      return confirm(one, **handoff);
    default:
      return end(one, **handoff, command.end_handoff());
  }
}

}  // namespace careteam::care

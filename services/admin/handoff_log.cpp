#include "admin/handoff_log.hpp"

#include <algorithm>

#include "care/time.hpp"

namespace careteam::admin {
namespace {

template <class Rows, class Patient>
void keep_of(Rows& rows, const Patient& is_of) {
  rows.erase(std::remove_if(rows.begin(), rows.end(), [&](const auto& row) { return !is_of(row); }), rows.end());
}

/// What of an entry concerns the patient; nothing: it is about others alone. What was said of the handoff as a whole may name others.
std::optional<v1::Entry> part_of(v1::Entry entry, std::string_view patient) {
  const auto only = [&](const std::string& whose) { return whose == patient ? std::optional(entry) : std::nullopt; };
  const auto owed = [&](const v1::OwedItem& item) { return item.entry().patient_id() == patient; };
  switch (entry.fact_case()) {
    case v1::Entry::kHandoffPrepared:
      keep_of(*entry.mutable_handoff_prepared()->mutable_owed(), owed);
      return entry;
    case v1::Entry::kHandoffOffered:
      keep_of(*entry.mutable_handoff_offered()->mutable_owed(), owed);
      entry.mutable_handoff_offered()->clear_owed_hash();
      return entry;
    case v1::Entry::kHandoffDeltaShown: {
      auto& shown = *entry.mutable_handoff_delta_shown();
      keep_of(*shown.mutable_owed(), owed);
      keep_of(*shown.mutable_settled(), [&](const v1::EntryRef& ref) { return ref.patient_id() == patient; });
      shown.clear_owed_hash();
      if (shown.owed().empty() && shown.settled().empty()) return std::nullopt;
      return entry;
    }
    case v1::Entry::kPatientDescribed:
      return only(entry.patient_described().patient().patient_id());
    case v1::Entry::kPatientSynthesized:
      return only(entry.patient_synthesized().patient_id());
    case v1::Entry::kSynthesisCorrected:
      return only(entry.synthesis_corrected().patient_id());
    case v1::Entry::kHandoffPatientDeclined:
      return only(entry.handoff_patient_declined().patient_id());
    case v1::Entry::kPatientSetApart:
      return only(entry.patient_set_apart().patient_id());
    case v1::Entry::kHandoffEnded:
      entry.mutable_handoff_ended()->clear_reason();
      return entry;
    case v1::Entry::kDutyHolderChanged:
      entry.mutable_duty_holder_changed()->clear_text();
      return entry;
    default:
      return entry;
  }
}

/// Whether a patient's part of an entry says something of them.
bool says_something(const v1::Entry& part) {
  switch (part.fact_case()) {
    case v1::Entry::kHandoffPrepared:
      return !part.handoff_prepared().owed().empty();
    case v1::Entry::kHandoffOffered:
      return !part.handoff_offered().owed().empty();
    case v1::Entry::kHandoffDeltaShown:
    case v1::Entry::kPatientDescribed:
      return true;
    default:
      return false;
  }
}

}  // namespace

duty_handoffs::duty_handoffs(const std::string& duty, std::string patient)
    : patient_(std::move(patient)), duty_(care::new_record(care::duty_record_key(duty)).value()) {}

std::span<const handoff_log> duty_handoffs::handoffs() const {
  const bool last_is_of_others = !handoffs_.empty() && !handoffs_.back().concerned;
  return {handoffs_.data(), handoffs_.size() - (last_is_of_others ? 1 : 0)};
}

void duty_handoffs::add(handoff_log& to, const v1::Entry& entry) const {
  auto part = patient_.empty() ? std::optional(entry) : part_of(entry, patient_);
  if (!part) return;
  to.concerned = to.concerned || patient_.empty() || says_something(*part);
  to.entries.push_back(std::move(*part));
}

void duty_handoffs::begin(const v1::Entry& prepared) {
  if (!handoffs_.empty() && !handoffs_.back().concerned) handoffs_.pop_back();
  add(handoffs_.emplace_back(), prepared);
}

void duty_handoffs::take_change(const v1::Entry& entry) {
  auto* handoff = last();
  const auto same_commit = [&](const handoff_log& one) {
    return one.ended && !one.change && care::to_instant(one.entries.back().time()) == care::to_instant(entry.time());
  };
  if (handoff != nullptr && same_commit(*handoff)) {
    handoff->change = patient_.empty() ? entry : part_of(entry, patient_);
  } else if (patient_.empty() && entry.duty_holder_changed().reason() == v1::HOLDER_REASON_FORCED) {
    taken_by_lead_.push_back(entry);
  }
}

void duty_handoffs::take_return(const v1::Entry& entry) {
  const auto when = care::to_instant(entry.time());
  const bool offers = entry.has_patient_returned();
  const auto about = offers ? entry.patient_returned().patient().patient_id() : entry.patient_taken_back().patient_id();
  for (auto& one : returns_) {
    const auto& whose = one.returned.patient_returned().patient().patient_id();
    if (!one.open()) continue;
    if (entry.has_patient_taken_back() && whose == about) {
      one.taken = entry;
    } else if ((offers && whose == about) || !duty_.duty.apart.contains(whose)) {
      one.ended = when;
    }
  }
  if (offers && concerns(about)) returns_.push_back({entry, duty_.duty.holder, {}, {}});
}

void duty_handoffs::take(const v1::Entry& entry) {
  care::apply(duty_, entry);
  (void)duty_.timers.take_changes();
  if (entry.has_handoff_prepared()) {
    begin(entry);
  } else if (care::about_handoff(entry) != 0 || entry.has_patient_set_apart()) {
    if (auto* handoff = last()) {
      add(*handoff, entry);
      if (duty_.duty.handoff) handoff->stage = duty_.duty.handoff->stage;
      handoff->ended = handoff->ended || entry.has_handoff_completed() || entry.has_handoff_ended();
    }
  } else if (entry.has_duty_holder_changed()) {
    take_change(entry);
  }
  take_return(entry);
}

}  // namespace careteam::admin

#include "care/handoff.hpp"

#include <algorithm>

#include "care/time.hpp"

namespace careteam::care {
namespace {

/// FNV-1a over the fields of a list: the same on every machine.
class mixer {
 public:
  void add(std::uint64_t value) {
    for (int i = 0; i < 8; ++i) step(static_cast<unsigned char>(value >> (8 * i)));
  }
  void add(std::string_view text) {
    for (const char c : text) step(static_cast<unsigned char>(c));
    add(text.size());
  }
  std::uint64_t value() const { return hash_; }

 private:
  void step(unsigned char byte) { hash_ = (hash_ ^ byte) * 1099511628211ULL; }
  std::uint64_t hash_ = 14695981039346656037ULL;
};

/// What is due earlier; what has no deadline comes last; then the higher priority.
bool more_urgent(const owed_item& one, const owed_item& other) {
  const auto when = [](const owed_item& of) { return of.deadline.value_or(instant::max()); };
  if (when(one) != when(other)) return when(one) < when(other);
  return one.priority > other.priority;
}

owed_key key_of(const owed_item& item) {
  return {item.patient_id, item.at};
}

/// Nothing that was said of a patient holds once what is owed for them is not what it was.
void say_again(handoff_state& handoff, std::string_view patient) {
  if (const auto known = handoff.patients.find(patient); known != handoff.patients.end()) known->second.synthesized = false;
  if (handoff.stage == handoff_stage::in_progress) handoff.stage = handoff_stage::accepted;
}

void show_delta(handoff_state& handoff, const v1::HandoffDeltaShown& shown) {
  for (const auto& row : shown.owed()) {
    auto item = owed_of(row);
    say_again(handoff, item.patient_id);
    handoff.owed.insert_or_assign(key_of(item), std::move(item));
  }
  for (const auto& ref : shown.settled()) {
    say_again(handoff, ref.patient_id());
    handoff.owed.erase({ref.patient_id(), {ref.stream(), ref.seq()}});
  }
  handoff.owed_hash = shown.owed_hash();
}

void finish_synthesis(handoff_state& handoff, instant when) {
  if (handoff.stage != handoff_stage::accepted || !all_synthesized(handoff)) return;
  handoff.stage = handoff_stage::in_progress;
  handoff.synthesized = when;
}

}  // namespace

owed_list owed_by_place(std::span<const owed_item> items) {
  owed_list result;
  for (const auto& item : items) result.insert_or_assign(key_of(item), item);
  return result;
}

std::uint64_t hash_of(const owed_list& owed) {
  mixer mix;
  for (const auto& [key, item] : owed) {
    mix.add(item.patient_id);
    mix.add(static_cast<std::uint64_t>(item.at.stream));
    mix.add(item.at.seq);
    mix.add(static_cast<std::uint64_t>(item.priority));
    mix.add(item.deadline ? static_cast<std::uint64_t>(item.deadline->time_since_epoch().count()) : 0);
    mix.add(item.version);
  }
  return mix.value();
}

const owed_item* top_action(const owed_list& owed, std::string_view patient_id) {
  const owed_item* top = nullptr;
  for (const auto& [key, item] : owed) {
    if (item.patient_id == patient_id && item.at.seq != 0 && (!top || more_urgent(item, *top))) top = &item;
  }
  return top;
}

std::vector<std::string> not_described(const handoff_state& handoff, const owed_list& owed) {
  std::vector<std::string> result;
  for (const auto& [key, item] : owed) {
    const auto known = handoff.patients.find(item.patient_id);
    const bool described = known != handoff.patients.end() && known->second.severity != v1::HandoffNote::SEVERITY_UNSPECIFIED;
    if (!described && (result.empty() || result.back() != item.patient_id)) result.push_back(item.patient_id);
  }
  return result;
}

bool all_synthesized(const handoff_state& handoff) {
  return not_described(handoff, handoff.owed).empty() && std::all_of(handoff.patients.begin(), handoff.patients.end(), [](const auto& one) {
           return one.second.synthesized || one.second.declined;
         });
}

handoff_patient described_by(const v1::HandoffPatient& from) {
  return {from.severity(), from.summary(), {from.contingencies().begin(), from.contingencies().end()}};
}

owed_item owed_of(const v1::OwedItem& from) {
  owed_item made;
  made.patient_id = from.entry().patient_id();
  made.at = {from.entry().stream(), from.entry().seq()};
  made.priority = from.priority();
  if (from.has_deadline()) made.deadline = to_instant(from.deadline());
  made.version = from.version();
  return made;
}

void put_owed(v1::OwedItem& to, const owed_item& from) {
  to.mutable_entry()->set_patient_id(from.patient_id);
  to.mutable_entry()->set_stream(from.at.stream);
  to.mutable_entry()->set_seq(from.at.seq);
  to.set_priority(from.priority);
  if (from.deadline) set_timestamp(*to.mutable_deadline(), *from.deadline);
  to.set_version(from.version);
}

void apply_handoff(handoff_state& handoff, const v1::Entry& entry, instant when) {
  ++handoff.version;
  switch (entry.fact_case()) {
    case v1::Entry::kPatientDescribed: {
      const auto& said = entry.patient_described().patient();
      auto& patient = handoff.patients[said.patient_id()];
      const bool declined = patient.declined;
      patient = described_by(said);
      patient.declined = declined;
      say_again(handoff, said.patient_id());
      break;
    }
    case v1::Entry::kHandoffOffered:
      handoff.stage = handoff_stage::requested;
      handoff.owed.clear();
      for (const auto& row : entry.handoff_offered().owed()) {
        auto item = owed_of(row);
        handoff.owed.insert_or_assign(key_of(item), std::move(item));
      }
      handoff.owed_hash = entry.handoff_offered().owed_hash();
      break;
    case v1::Entry::kHandoffOpened:
      handoff.stage = handoff_stage::received;
      break;
    case v1::Entry::kHandoffTaken:
      handoff.stage = handoff_stage::accepted;
      finish_synthesis(handoff, when);  // With nobody to speak of there is nothing to say.
      break;
    case v1::Entry::kHandoffDeltaShown:
      show_delta(handoff, entry.handoff_delta_shown());
      finish_synthesis(handoff, when);
      break;
    case v1::Entry::kPatientSynthesized: {
      const auto& said = entry.patient_synthesized();
      if (const auto at = handoff.patients.find(said.patient_id()); at != handoff.patients.end()) at->second.synthesized = !said.mismatch();
      finish_synthesis(handoff, when);
      break;
    }
    case v1::Entry::kHandoffPatientDeclined:
      if (const auto at = handoff.patients.find(entry.handoff_patient_declined().patient_id()); at != handoff.patients.end()) {
        at->second.synthesized = false;
        at->second.declined = true;
      }
      finish_synthesis(handoff, when);
      break;
    case v1::Entry::kHandoffDelayed:
      handoff.delayed = to_instant(entry.handoff_delayed().shift_start());
      break;
    case v1::Entry::kSynthesisCorrected:
      say_again(handoff, entry.synthesis_corrected().patient_id());
      break;
    default:
      break;
  }
}

}  // namespace careteam::care

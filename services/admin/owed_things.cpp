#include "admin/owed_things.hpp"

#include "care/task.hpp"

namespace careteam::admin {
namespace {

/// Calls with every obligation that an entry names, and every patient who is described in it.
template <class Ref, class Patient>
void each_named(const v1::Entry& entry, const Ref& ref, const Patient& patient) {
  const auto owed = [&](const auto& fact) {
    for (const auto& item : fact.owed()) ref(item.entry());
  };
  switch (entry.fact_case()) {
    case v1::Entry::kHandoffPrepared:
      return owed(entry.handoff_prepared());
    case v1::Entry::kHandoffOffered:
      return owed(entry.handoff_offered());
    case v1::Entry::kHandoffDeltaShown:
      return owed(entry.handoff_delta_shown());
    case v1::Entry::kPatientDescribed:
      return patient(entry.patient_described().patient().patient_id());
    case v1::Entry::kPatientSynthesized:
      if (entry.patient_synthesized().has_top_action()) ref(entry.patient_synthesized().top_action());
      return;
    case v1::Entry::kPatientReturned:
      return patient(entry.patient_returned().patient().patient_id());
    case v1::Entry::kPatientTakenBack:
      if (entry.patient_taken_back().has_top_action()) ref(entry.patient_taken_back().top_action());
      return;
    default:
      return;
  }
}

}  // namespace

void owed_things::need(const v1::EntryRef& ref) {
  patients_.insert(ref.patient_id());
  things_.try_emplace({ref.patient_id(), {ref.stream(), ref.seq()}});
}

void owed_things::need(const v1::Entry& of_duty) {
  each_named(
      of_duty, [&](const v1::EntryRef& ref) { need(ref); }, [&](const std::string& patient) { patients_.insert(patient); });
}

void owed_things::need(const v1::Entry& of_duty, const std::string& patient) {
  each_named(
      of_duty,
      [&](const v1::EntryRef& ref) {
        if (ref.patient_id() == patient) need(ref);
      },
      [](const std::string&) {});
}

void owed_things::take(const v1::Entry& of_patient) {
  const v1::TaskOrder* order = of_patient.has_task_drafted()        ? &of_patient.task_drafted().order()
                               : of_patient.has_task_requested()    ? &of_patient.task_requested().order()
                               : of_patient.has_task_instantiated() ? &of_patient.task_instantiated().order()
                                                                    : nullptr;
  if (order == nullptr && !of_patient.has_message_posted()) return;
  const auto begun = care::about_task(of_patient);
  const auto known = things_.find({of_patient.patient_id(), {of_patient.stream(), begun != 0 ? begun : of_patient.seq()}});
  if (known == things_.end()) return;
  known->second.is = order ? thing::kind::task : thing::kind::message;
  if (order) known->second.title = order->title();
}

const owed_things::thing& owed_things::at(const care::owed_key& key) const {
  static const thing none;
  const auto known = things_.find(key);
  return known == things_.end() ? none : known->second;
}

}  // namespace careteam::admin

#include "admin/known_organization.hpp"

#include <utility>

namespace careteam::admin {

known_organization::known_organization(care::task_setting setting)
    : index_(organization_.organization, setting.safety_person), setting_(std::move(setting)) {
  setting_.duties = &index_;
}

void known_organization::take(const v1::Entry& entry) {
  if (entry.duty_id().empty()) {
    care::apply(organization_, entry);
    return;
  }
  auto known = duties_.find(entry.duty_id());
  if (known == duties_.end()) {
    known = duties_.emplace(entry.duty_id(), care::new_record(care::duty_record_key(entry.duty_id())).value()).first;
  }
  auto& duty = known->second;
  care::apply(duty, entry);
  (void)duty.timers.take_changes();
  // What is said of patients in a handoff moves nobody, but for who answers for one of them alone.
  if (entry.stream() == v1::STREAM_DUTY || entry.has_patient_set_apart() || entry.has_patient_taken_back()) index_.put(duty.duty);
}

const care::duty_state* known_organization::duty(std::string_view id) const {
  const auto known = duties_.find(id);
  return known == duties_.end() || !known->second.duty.defined() ? nullptr : &known->second.duty;
}

}  // namespace careteam::admin

#include "care/duty_index.hpp"

#include <algorithm>

namespace careteam::care {
namespace {

/// Stands where nobody is: no person has this id, so that whoever asks finds somebody of their own.
constexpr std::string_view nobody_at_all = "-";

std::string person_of(const duty_answer& answer) {
  return answer.person == nobody_at_all ? std::string() : answer.person;
}

}  // namespace

duty_index::duty_index(const organization_state& people, std::string safety_person)
    : people_(people), working_(working_people(people)), safety_person_(std::move(safety_person)) {}

bool duty_index::put(const duty_state& duty) {
  if (!duty.defined()) return false;
  duties_.insert_or_assign(duty.id, standing_of(duty));
  const auto role = [&](const std::string& person) {
    const auto* member = duty.what.member(person);
    return member ? member->role : v1::ROLE_UNSPECIFIED;
  };
  appointed one{{duty.what.name, duty.what.roles, duty.holder, role(duty.holder), duty.former.person, role(duty.former.person)}, {}};
  for (const auto& [patient, apart] : duty.apart) {
    auto& theirs = one.apart[patient] = one.usual;
    theirs.person = apart.person;
    theirs.role = role(apart.person);
  }
  auto& known = appointments_[duty.id];
  const bool changed = known != one;
  known = std::move(one);
  return changed;
}

std::string duty_index::last_resort() const {
  if (!safety_person_.empty()) return safety_person_;
  for (const auto& [person, account] : people_.people) {
    if (account.administrator && account.works()) return person;
  }
  return std::string(nobody_at_all);
}

duty_answer duty_index::answer(std::string_view duty_id, std::string_view patient_id, instant t) const {
  auto answer = resolve_with_fallback(duties_, duty_id, t, working_, last_resort(), patient_id);
  answer.person = person_of(answer);
  return answer;
}

std::map<std::string, std::string> duty_index::apart(std::string_view duty_id) const {
  const auto found = duties_.find(duty_id);
  if (found == duties_.end()) return {};
  return {found->second.apart.begin(), found->second.apart.end()};
}

std::optional<duty_view> duty_index::find(std::string_view duty_id, std::string_view patient_id, instant t) const {
  const auto known = appointments_.find(duty_id);
  if (known == appointments_.end()) return std::nullopt;
  const auto& roles = known->second.usual.roles;
  const auto found = answer(duty_id, patient_id, t);
  if (!found.covered()) return duty_view{{}, found.person, roles};
  return duty_view{found.person, person_of(resolve_supervisor(duties_, duty_id, t, working_, last_resort())), roles};
}

std::vector<std::string> duty_index::answered_by(std::string_view person, instant t) const {
  std::vector<std::string> result;
  if (person.empty()) return result;
  for (const auto& [id, duty] : duties_) {
    const auto seen = find(id, {}, t);
    const bool has_it = seen && (seen->holder == person || seen->fallback == person);
    const bool for_a_patient = std::ranges::any_of(duty.apart, [&](const auto& one) { return one.second == person; });
    if (has_it || for_a_patient) result.push_back(id);
  }
  return result;
}

std::optional<absence> duty_index::absence_of(std::string_view person, instant t) const {
  std::optional<absence> found;
  for (const auto& [id, duty] : duties_) {
    if (duty.holder == person) return std::nullopt;
    const auto* leave = leave_of(duty.roster, person, t);
    if (leave == nullptr) continue;
    auto cover = standing_in(duty.roster, person, t);
    if (!people_.active(cover)) cover.clear();
    // Of several, the first that somebody covers.
    if (!found || (found->cover.empty() && !cover.empty())) found = absence{id, std::move(cover), leave->at.end};
  }
  return found;
}

std::optional<duty_appointment> duty_index::appointment(std::string_view duty_id, std::string_view patient_id) const {
  const auto known = appointments_.find(duty_id);
  if (known == appointments_.end()) return std::nullopt;
  const auto apart = known->second.apart.find(patient_id);
  return apart == known->second.apart.end() ? known->second.usual : apart->second;
}

std::vector<std::string> duty_index::read_by(std::string_view person) const {
  std::vector<std::string> result;
  const auto theirs = [&](const duty_appointment& one) { return one.person == person || one.former == person; };
  for (const auto& [id, one] : appointments_) {
    const bool apart = std::ranges::any_of(one.apart, [&](const auto& patient) { return theirs(patient.second); });
    if (!person.empty() && (apart || theirs(one.usual))) result.push_back(id);
  }
  return result;
}

}  // namespace careteam::care

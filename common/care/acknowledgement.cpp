#include "care/acknowledgement.hpp"

#include <algorithm>

namespace careteam::care {

bool must_acknowledge(v1::Priority priority) {
  return priority == v1::PRIORITY_ASAP || priority == v1::PRIORITY_STAT;
}

bool may_acknowledge(const team_state& team, std::string_view person, instant t) {
  return std::any_of(team.members.begin(), team.members.end(), [&](const membership& m) {
    return m.person_id == person && m.active_at(t) && (m.role != v1::ROLE_CAREGIVER || m.has(v1::SCOPE_ACKNOWLEDGE));
  });
}

bool reachable(const chat_audience& audience, std::string_view person, v1::Stream stream) {
  return may_read(audience.team, person, stream, audience.now) && (!audience.people || audience.people->active(person));
}

bool can_answer(const chat_audience& audience, std::string_view person, place message) {
  return may_see(audience.team, person, message.stream, message.seq, audience.now) &&
         (!audience.people || audience.people->active(person)) && may_acknowledge(audience.team, person, audience.now);
}

std::optional<duty_view> duty_now(std::string_view duty_id, const chat_audience& audience) {
  if (duty_id.empty() || audience.duties == nullptr) return std::nullopt;
  return audience.duties->find(duty_id, audience.team.patient_id, audience.now);
}

std::string answers_for_duty(std::string_view duty_id, place message, const chat_audience& audience) {
  const auto duty = duty_now(duty_id, audience);
  if (!duty) return {};
  if (can_answer(audience, duty->holder, message)) return duty->holder;
  return can_answer(audience, duty->fallback, message) ? duty->fallback : std::string();
}

bool message_state::answered(const addressee& slot) const {
  const auto acknowledges = [&](const std::string& person) { return acknowledged.contains(person); };
  return std::any_of(slot.people.begin(), slot.people.end(), acknowledges) ||
         (slot.stand_ins && std::any_of(ladder.told.begin(), ladder.told.end(), acknowledges));
}

bool message_state::awaits_told(std::string_view person) const {
  return std::find(ladder.told.begin(), ladder.told.end(), person) != ladder.told.end() && !acknowledged.contains(std::string(person));
}

bool message_state::open() const {
  return must_acknowledge && !retracted &&
         !std::all_of(addressees.begin(), addressees.end(), [&](const addressee& slot) { return answered(slot); });
}

std::vector<obligation> obligations_of(const message_state& message, place at, const chat_audience& audience) {
  std::vector<obligation> result;
  if (!message.open()) return result;
  const auto answers = [&](const std::string& person) { return person != message.author && can_answer(audience, person, at); };
  const auto first_of = [&](const std::vector<std::string>& asked) {
    const auto found = std::find_if(asked.begin(), asked.end(), answers);
    return found == asked.end() ? std::string() : *found;
  };
  for (const auto& slot : message.addressees) {
    if (message.answered(slot)) continue;
    auto accountable = answers_for_duty(slot.duty, at, audience);
    if (!answers(accountable)) accountable = first_of(slot.people);
    if (accountable.empty() && slot.stand_ins) accountable = first_of(message.ladder.told);
    const auto& attending = audience.team.attending;
    if (accountable.empty()) accountable = answers(attending) ? attending : message.author;
    result.push_back({at, slot, std::move(accountable)});
  }
  return result;
}

std::vector<obligation> obligations(const chat_state& state, const chat_audience& audience) {
  std::vector<obligation> result;
  for (const auto& [at, message] : state.open_messages) {
    for (auto& owed : obligations_of(message, at, audience)) result.push_back(std::move(owed));
  }
  return result;
}

}  // namespace careteam::care

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

bool reachable(const team_state& team, const organization_state* people, std::string_view person, v1::Stream stream, instant t) {
  return may_read(team, person, stream, t) && (!people || people->active(person));
}

bool can_answer(const team_state& team, const organization_state* people, std::string_view person, place message, instant t) {
  return may_see(team, person, message.stream, message.seq, t) && (!people || people->active(person)) && may_acknowledge(team, person, t);
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

std::vector<obligation> obligations_of(const message_state& message, place at, const team_state& team, instant t,
                                       const organization_state* people) {
  std::vector<obligation> result;
  if (!message.open()) return result;
  const auto answers = [&](const std::string& person) { return person != message.author && can_answer(team, people, person, at, t); };
  const auto first_of = [&](const std::vector<std::string>& asked) {
    const auto found = std::find_if(asked.begin(), asked.end(), answers);
    return found == asked.end() ? std::string() : *found;
  };
  for (const auto& slot : message.addressees) {
    if (message.answered(slot)) continue;
    auto accountable = first_of(slot.people);
    if (accountable.empty() && slot.stand_ins) accountable = first_of(message.ladder.told);
    if (accountable.empty()) accountable = answers(team.attending) ? team.attending : message.author;
    result.push_back({at, slot, std::move(accountable)});
  }
  return result;
}

std::vector<obligation> obligations(const chat_state& state, const team_state& team, instant t, const organization_state* people) {
  std::vector<obligation> result;
  for (const auto& [at, message] : state.open_messages) {
    for (auto& owed : obligations_of(message, at, team, t, people)) result.push_back(std::move(owed));
  }
  return result;
}

}  // namespace careteam::care

#include "care/duty_answer.hpp"

#include <algorithm>
#include <vector>

namespace careteam::care {
namespace {

/// The duty and what stands behind it, each once, in the order in which they are asked.
std::vector<const duty_state*> ladder(std::string_view duty_id, const duty_lookup& duties) {
  std::vector<const duty_state*> found;
  std::vector<std::string> waiting{std::string(duty_id)};
  while (!waiting.empty()) {
    const auto* duty = duties(waiting.back());
    waiting.pop_back();
    if (!duty || !duty->defined() || std::find(found.begin(), found.end(), duty) != found.end()) continue;
    found.push_back(duty);
    waiting.insert(waiting.end(), duty->what.fallback.rbegin(), duty->what.fallback.rend());
  }
  return found;
}

/// Who has the duty itself.
duty_answer own(const duty_state& duty, const organization_state& people, instant t) {
  if (people.active(duty.holder)) return {duty.holder, answers_as::holder, duty.id};
  if (auto person = rostered_at(duty.what, duty.roster, t); people.active(person))
    return {std::move(person), answers_as::rostered, duty.id};
  return {};
}

duty_answer leader(const duty_state& duty, const organization_state& people) {
  for (const auto& person : {duty.what.lead, duty.what.manager}) {
    if (people.active(person)) return {person, answers_as::lead, duty.id};
  }
  return {};
}

duty_answer somebody(const std::vector<const duty_state*>& duties, const organization_state& people, instant t) {
  for (const auto* duty : duties) {
    if (auto answer = own(*duty, people, t); !answer.person.empty()) {
      if (duty != duties.front()) answer.why = answers_as::fallback;
      return answer;
    }
  }
  for (const auto* duty : duties) {
    if (auto answer = leader(*duty, people); !answer.person.empty()) return answer;
  }
  return {};
}

}  // namespace

duty_answer resolve(std::string_view duty_id, const duty_lookup& duties, const organization_state& people, instant t) {
  if (auto answer = somebody(ladder(duty_id, duties), people, t); !answer.person.empty()) return answer;
  if (auto answer = somebody(ladder(safety_duty, duties), people, t); !answer.person.empty()) {
    answer.why = answers_as::safety;
    return answer;
  }
  for (const auto& [person, account] : people.people) {
    if (account.administrator && !account.suspended) return {person, answers_as::administrator, {}};
  }
  return {};
}

}  // namespace careteam::care

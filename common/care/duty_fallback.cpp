#include "care/duty_fallback.hpp"

#include <boost/assert.hpp>

namespace careteam::care {
namespace {

/// The duties to ask, in order, each once.
std::vector<std::string> ladder_of(const duty_rosters& rosters, std::string_view duty_id) {
  std::vector<std::string> order;
  std::set<std::string, std::less<>> seen;
  std::vector<std::string> next{std::string(duty_id)};
  while (!next.empty()) {
    auto duty = std::move(next.back());
    next.pop_back();
    if (!seen.insert(duty).second) continue;
    if (const auto found = rosters.find(duty); found != rosters.end()) {
      next.insert(next.end(), found->second.fallbacks.rbegin(), found->second.fallbacks.rend());
    }
    order.push_back(std::move(duty));
  }
  return order;
}

ladder_step ask_duty(const duty_rosters& rosters, const std::string& duty_id, instant t, const roster_people& people) {
  const auto found = rosters.find(duty_id);
  if (found == rosters.end()) return {ladder_rung::duty, rung_result::no_such_duty, duty_id, {}};
  auto holder = resolve(found->second, t);
  auto result = rung_result::nobody;
  if (holder.rule != roster_rule::nobody) {
    result = people.eligible(found->second, holder.person) ? rung_result::taken : rung_result::not_able;
  }
  return {ladder_rung::duty, result, duty_id, std::move(holder)};
}

ladder_step ask_lead(const duty_roster& roster, instant t, const roster_people& people) {
  ladder_step step{ladder_rung::lead, rung_result::nobody, roster.duty_id, {}};
  step.holder.person = roster.lead;
  if (roster.lead.empty()) return step;
  step.result = people.active(roster.lead) && !on_leave(roster, roster.lead, t) ? rung_result::taken : rung_result::not_able;
  return step;
}

/// Whether that was the last one.
bool ends_with(duty_answer& answer, ladder_step step) {
  answer.path.push_back(std::move(step));
  const auto& last = answer.path.back();
  if (last.result != rung_result::taken) return false;
  answer.person = last.holder.person;
  return true;
}

}  // namespace

duty_answer resolve_with_fallback(const duty_rosters& rosters, std::string_view duty_id, instant t, const roster_people& people,
                                  std::string_view safety_person) {
  BOOST_ASSERT_MSG(!safety_person.empty(), "an organisation has a safety person");
  duty_answer answer;
  const auto ladder = ladder_of(rosters, duty_id);
  for (const auto& duty : ladder) {
    if (ends_with(answer, ask_duty(rosters, duty, t, people))) return answer;
  }
  for (const auto& duty : ladder) {
    const auto found = rosters.find(duty);
    if (found != rosters.end() && ends_with(answer, ask_lead(found->second, t, people))) return answer;
  }
  ladder_step safety{ladder_rung::safety, rung_result::taken, {}, {}};
  safety.holder.person = safety_person;
  ends_with(answer, std::move(safety));
  return answer;
}

}  // namespace careteam::care

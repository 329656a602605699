#include "care/duty_fallback.hpp"

#include <algorithm>
#include <boost/assert.hpp>

namespace careteam::care {
namespace {

/// The duties to ask, in order, each once.
std::vector<std::string> ladder_of(const duty_standings& duties, std::string_view duty_id) {
  std::vector<std::string> order;
  std::set<std::string, std::less<>> seen;
  std::vector<std::string> next{std::string(duty_id)};
  while (!next.empty()) {
    auto duty = std::move(next.back());
    next.pop_back();
    if (!seen.insert(duty).second) continue;
    if (const auto found = duties.find(duty); found != duties.end()) {
      const auto& fallbacks = found->second.roster.fallbacks;
      next.insert(next.end(), fallbacks.rbegin(), fallbacks.rend());
    }
    order.push_back(std::move(duty));
  }
  return order;
}

/// The safety duty's ladder, without what was asked already.
std::vector<std::string> last_ladder(const duty_standings& duties, const std::vector<std::string>& asked) {
  if (!duties.contains(safety_duty)) return {};
  auto order = ladder_of(duties, safety_duty);
  std::erase_if(order, [&](const auto& duty) { return std::find(asked.begin(), asked.end(), duty) != asked.end(); });
  return order;
}

/// Walks down until somebody takes it.
class walk {
 public:
  walk(const duty_standings& duties, instant t, const roster_people& people, std::string_view patient)
      : duties_(duties), t_(t), people_(people), patient_(patient) {}

  bool asks_duties(const std::vector<std::string>& ladder) {
    return std::ranges::any_of(ladder, [&](const auto& duty) { return asks_duty(duty); });
  }

  bool asks_leads(const std::vector<std::string>& ladder) {
    return std::ranges::any_of(ladder, [&](const auto& duty) { return asks_leads_of(duty); });
  }

  duty_answer ends_with(std::string_view safety_person) && {
    if (answer_.person.empty()) takes({ladder_rung::safety, rung_result::taken, {}, named(safety_person)});
    return std::move(answer_);
  }

 private:
  static roster_holder named(std::string_view person) { return {roster_rule::nobody, std::string(person), {}, {}}; }

  /// Whether that was the last one.
  bool takes(ladder_step step) {
    answer_.path.push_back(std::move(step));
    const auto& last = answer_.path.back();
    if (last.result != rung_result::taken) return false;
    answer_.person = last.holder.person;
    return true;
  }

  bool asks_duty(const std::string& duty_id) {
    const auto found = duties_.find(duty_id);
    if (found == duties_.end()) return takes({ladder_rung::duty, rung_result::no_such_duty, duty_id, {}});
    const auto& [holder, manager, roster, apart] = found->second;
    if (const auto set_apart = apart.find(patient_); set_apart != apart.end()) {
      const auto result = able_to_lead(roster, set_apart->second);
      if (takes({ladder_rung::apart, result, duty_id, named(set_apart->second)})) return true;
    }
    if (!holder.empty()) {
      const auto result = people_.active(holder) ? rung_result::taken : rung_result::not_able;
      if (takes({ladder_rung::holder, result, duty_id, named(holder)})) return true;
    }
    auto by_roster = resolve(roster, t_);
    auto result = rung_result::nobody;
    if (by_roster.rule != roster_rule::nobody) {
      result = people_.eligible(roster, by_roster.person) ? rung_result::taken : rung_result::not_able;
    }
    return takes({ladder_rung::duty, result, duty_id, std::move(by_roster)});
  }

  bool asks_leads_of(const std::string& duty_id) {
    const auto found = duties_.find(duty_id);
    if (found == duties_.end()) return false;
    const auto& [holder, manager, roster, apart] = found->second;
    if (takes({ladder_rung::lead, able_to_lead(roster, roster.lead), duty_id, named(roster.lead)})) return true;
    return !manager.empty() && takes({ladder_rung::manager, able_to_lead(roster, manager), duty_id, named(manager)});
  }

  rung_result able_to_lead(const duty_roster& roster, std::string_view person) const {
    if (person.empty()) return rung_result::nobody;
    return people_.active(person) && !on_leave(roster, person, t_) ? rung_result::taken : rung_result::not_able;
  }

  const duty_standings& duties_;
  instant t_;
  const roster_people& people_;
  std::string_view patient_;
  duty_answer answer_;
};

}  // namespace

duty_answer resolve_with_fallback(const duty_standings& duties, std::string_view duty_id, instant t, const roster_people& people,
                                  std::string_view safety_person, std::string_view patient_id) {
  BOOST_ASSERT_MSG(!safety_person.empty(), "an organisation has a safety person");
  walk ladder(duties, t, people, patient_id);
  const auto first = ladder_of(duties, duty_id);
  if (ladder.asks_duties(first) || ladder.asks_leads(first)) return std::move(ladder).ends_with(safety_person);
  const auto last = last_ladder(duties, first);
  if (!ladder.asks_duties(last)) ladder.asks_leads(last);
  return std::move(ladder).ends_with(safety_person);
}

duty_answer resolve_supervisor(const duty_standings& duties, std::string_view duty_id, instant t, const roster_people& people,
                               std::string_view safety_person) {
  BOOST_ASSERT_MSG(!safety_person.empty(), "an organisation has a safety person");
  walk ladder(duties, t, people, {});
  const auto first = ladder_of(duties, duty_id);
  if (ladder.asks_leads(first)) return std::move(ladder).ends_with(safety_person);
  const auto last = last_ladder(duties, first);
  if (!ladder.asks_duties(last)) ladder.asks_leads(last);
  return std::move(ladder).ends_with(safety_person);
}

}  // namespace careteam::care

// A call about a duty that reached nobody (G3, G9) does not end nowhere: the next is called, lead, manager, the organisation's safety
// person.
#include <algorithm>
#include <array>

#include "care/duty_decisions.hpp"

namespace careteam::care {
namespace {

/// Who is called when this person cannot be; empty: nobody is left.
std::string next_to_call(const duty_case& one, const std::string& unreachable) {
  const std::array<std::string, 3> ladder{one.state.what.lead, one.state.what.manager, std::string(one.context.safety_person)};
  auto at = std::ranges::find(ladder, unreachable);
  at = at == ladder.end() ? ladder.begin() : at + 1;
  for (; at != ladder.end(); ++at) {
    // Whoever is on it twice was tried in the first of the two places: so it comes to an end.
    const bool tried = *at == unreachable || std::find(ladder.begin(), at, *at) != at;
    if (!tried && can_see_to(one, *at)) return *at;
  }
  return {};
}

}  // namespace

outcome<facts> report_duty_call(const duty_case& one, const v1::ReportDutyCall& asked) {
  if (!one.who.system) return refuse(code::permission_denied, "action", "is for the server only");
  if (asked.person_id().empty()) return refuse(code::invalid_argument, one.field("personId"), "must be set");
  if (asked.call() == v1::DUTY_CALL_UNSPECIFIED) return refuse(code::invalid_argument, one.field("call"), "must be set");
  facts result;
  auto& told = *add_fact(result, v1::STREAM_DUTY).mutable_duty_call_undelivered();
  told.set_person_id(asked.person_id());
  told.set_call(asked.call());
  told.set_priority(asked.priority());
  told.set_next_person_id(next_to_call(one, asked.person_id()));
  return result;
}

}  // namespace careteam::care

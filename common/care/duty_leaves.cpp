// Leaves (B6): every turn of somebody on leave has cover, or the leave is refused with the list.
#include <algorithm>

#include "care/duty_decisions.hpp"
#include "care/duty_messages.hpp"
#include "care/wellformed.hpp"

namespace careteam::care {
namespace {

outcome<roster_leave> leave_asked(const duty_case& one, const v1::EnterLeave& asked) {
  const auto at = span_of(asked.period());
  if (!at) return refuse(code::invalid_argument, one.field("period"), "needs a start and an end between 1900 and 2200");
  if (at->start < at->end && at->end <= one.context.now) return refuse(code::failed_precondition, one.field("period"), "is over");
  if (static_cast<std::size_t>(asked.covers_size()) > max_leave_covers) {
    return refuse(code::invalid_argument, one.field("covers"), "are too many");
  }
  const auto uncovered = asked.accept_gaps() ? uncovered_turns::accepted : uncovered_turns::refused;
  roster_leave leave{asked.leave_id(), asked.person_id(), *at, {}, uncovered};
  for (const auto& row : asked.covers()) {
    const auto part = span_of(row.period());
    if (!part) return refuse(code::invalid_argument, one.field("covers"), "need a start and an end");
    leave.covers.push_back({row.person_id(), *part});
  }
  return leave;
}

bool covers(const roster_leave& leave, std::string_view person) {
  return std::ranges::any_of(leave.covers, [&](const auto& cover) { return cover.person == person; });
}

/// Whoever holds the duty without being rostered for it still has it when the leave begins.
bool leaves_it_now(const duty_case& one, const roster_leave& leave) {
  const auto covered = std::ranges::any_of(leave.covers, [&](const auto& cover) { return cover.at.contains(one.context.now); });
  return one.state.holder == leave.person && leave.at.contains(one.context.now) && !covered;
}

void add_leave(facts& to, const duty_case& one, const roster_leave& leave, const std::vector<time_span>& gaps, const std::string& reason) {
  auto& entered = *add_fact(to, v1::STREAM_DUTY).mutable_leave_entered();
  entered.set_leave_id(leave.id);
  entered.set_person_id(leave.person);
  put_span(*entered.mutable_period(), leave.at);
  for (const auto& cover : leave.covers) {
    auto& row = *entered.add_covers();
    row.set_person_id(cover.person);
    put_span(*row.mutable_period(), cover.at);
  }
  for (const auto& gap : gaps) {
    auto& row = *entered.add_gaps();
    set_timestamp(*row.mutable_start(), gap.start);
    set_timestamp(*row.mutable_end(), gap.end);
  }
  entered.set_reason(reason);
  entered.set_roster_version(one.state.roster_version + 1);
  entered.set_accepts_gaps(leave.uncovered == uncovered_turns::accepted);
}

}  // namespace

outcome<facts> enter_leave(const duty_case& one, const v1::EnterLeave& asked) {
  const bool own = !one.who.system && one.who.person_id == asked.person_id();
  if (!own && !one.leads() && !one.administers()) return not_yours("a leave is entered by the person, the lead or an administrator");
  if (auto version = check_roster_version(one, asked.expected_roster_version()); !version) return version.error();
  if (!one.state.what.member(asked.person_id())) {
    return refuse(code::failed_precondition, one.field("personId"), "is no member of this duty");
  }
  if (asked.accept_gaps() && !one.administers()) return not_yours("only an administrator accepts gaps");
  if (asked.accept_gaps() || !asked.reason().empty()) {
    if (auto reason = check_text(asked.reason(), one.field("reason"), max_reason_bytes); !reason) return reason.error();
  }
  const auto leave = leave_asked(one, asked);
  if (!leave) return leave.error();
  if (auto good = check_against_roster(one, *leave); !good) return good.error();
  auto gaps = uncovered_by(one.state.roster, *leave);
  if (leaves_it_now(one, *leave) && gaps.empty()) {
    if (leave->uncovered == uncovered_turns::refused) {
      return refuse(code::failed_precondition, one.field("covers"), "holds the duty now: somebody has to cover it from now on");
    }
    gaps.push_back({one.context.now, leave->at.end});
  }
  if (gaps.size() > max_gaps) gaps.resize(max_gaps);
  facts result;
  add_leave(result, one, *leave, gaps, asked.reason());
  look_at_roster(result, one);
  return result;
}

outcome<facts> end_leave(const duty_case& one, const v1::EndLeave& asked) {
  const auto& leaves = one.state.roster.leaves;
  const auto leave = std::ranges::find(leaves, asked.leave_id(), &roster_leave::id);
  if (leave == leaves.end()) return refuse(code::not_found, one.field("leaveId"), "is no leave of this roster");
  const bool theirs = !one.who.system && (one.who.person_id == leave->person || covers(*leave, one.who.person_id));
  if (!theirs && !one.leads() && !one.administers()) {
    return not_yours("a leave is ended by the person, their cover, the lead or an administrator");
  }
  if (auto version = check_roster_version(one, asked.expected_roster_version()); !version) return version.error();
  if (asked.reason().size() > max_reason_bytes) return refuse(code::invalid_argument, one.field("reason"), "is too long");
  facts result;
  auto& ended = *add_fact(result, v1::STREAM_DUTY).mutable_leave_ended();
  ended.set_leave_id(asked.leave_id());
  ended.set_reason(asked.reason());
  ended.set_roster_version(one.state.roster_version + 1);
  // The handback is explicit: who covers gives the duty to whoever would have it without the leave.
  const auto back = resolve_without_leave(one.state.roster, one.context.now).person;
  if (covers(*leave, one.state.holder) && leave->at.start <= one.context.now && back == leave->person) {
    change_holder(result, one.state, leave->person, v1::HOLDER_REASON_HANDED_BACK);
  }
  look_at_roster(result, one);
  return result;
}

}  // namespace careteam::care

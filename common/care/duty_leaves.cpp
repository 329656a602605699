// Leaves (B6): every shift of somebody on leave has cover, or the leave is refused with the list.
#include <algorithm>

#include "care/duty_decisions.hpp"
#include "care/wellformed.hpp"

namespace careteam::care {
namespace {

std::string told(const std::vector<time_span>& gaps) {
  static constexpr std::size_t told_at_most = 10;
  std::string text = "nobody covers";
  for (std::size_t i = 0; i < gaps.size() && i < told_at_most; ++i) {
    text += (i == 0 ? " " : ", ") + utc_text(gaps[i].start) + " to " + utc_text(gaps[i].end);
  }
  if (gaps.size() > told_at_most) text += ", and more";
  return text;
}

outcome<void> check_cover(const duty_case& one, const duty_leave& leave, const leave_cover& cover) {
  const auto field = one.field("covers");
  if (cover.when.start >= cover.when.end) return refuse(code::invalid_argument, field, "must not be empty or backwards");
  if (cover.when.start < leave.when.start || cover.when.end > leave.when.end)
    return refuse(code::invalid_argument, field, "must lie within the leave");
  if (cover.person == leave.person) return refuse(code::invalid_argument, field, "must be other people");
  if (!one.state.what.eligible(cover.person))
    return refuse(code::failed_precondition, field, "must be members of this duty in one of its roles");
  if (!one.context.people.active(cover.person)) return refuse(code::failed_precondition, field, "must have accounts that work");
  for (const auto& [id, other] : one.state.roster.leaves) {
    if (other.person == cover.person && other.when.overlaps(cover.when))
      return refuse(code::failed_precondition, field, "are on leave themselves: " + id);
  }
  for (const auto& other : leave.covers) {
    if (&other != &cover && other.when.overlaps(cover.when)) return refuse(code::invalid_argument, field, "must not overlap");
  }
  return {};
}

outcome<void> check_against_roster(const duty_case& one, const duty_leave& leave) {
  for (const auto& [id, other] : one.state.roster.leaves) {
    if (other.person == leave.person && other.when.overlaps(leave.when)) {
      return refuse(code::failed_precondition, one.field("period"), "overlaps the leave " + id);
    }
    const bool covers = std::any_of(other.covers.begin(), other.covers.end(),
                                    [&](const auto& cover) { return cover.person == leave.person && cover.when.overlaps(leave.when); });
    if (covers) return refuse(code::failed_precondition, one.field("period"), "this person covers the leave " + id + " then");
  }
  for (const auto& [id, shift] : one.state.roster.shifts) {
    if (shift.overrides && shift.person == leave.person && shift.when.overlaps(leave.when)) {
      return refuse(code::failed_precondition, one.field("period"), "overlaps the override " + id + ", which wins: take it off first");
    }
  }
  return {};
}

outcome<duty_leave> leave_asked(const duty_case& one, const v1::EnterLeave& asked) {
  const auto when = span_of(asked.period());
  if (!when) return refuse(code::invalid_argument, one.field("period"), "needs a start and an end between 1900 and 2200");
  if (when->start >= when->end) return refuse(code::invalid_argument, one.field("period"), "must not be empty or backwards");
  if (when->end - when->start > longest_leave) return refuse(code::invalid_argument, one.field("period"), "is longer than 93 days");
  if (when->end <= one.context.now) return refuse(code::failed_precondition, one.field("period"), "is over");
  if (static_cast<std::size_t>(asked.covers_size()) > max_leave_covers)
    return refuse(code::invalid_argument, one.field("covers"), "are too many");
  duty_leave leave{asked.person_id(), *when, {}};
  for (const auto& row : asked.covers()) {
    const auto part = span_of(row.period());
    if (!part) return refuse(code::invalid_argument, one.field("covers"), "need a start and an end");
    leave.covers.push_back({row.person_id(), *part});
  }
  for (const auto& cover : leave.covers) {
    if (auto good = check_cover(one, leave, cover); !good) return good.error();
  }
  return leave;
}

}  // namespace

outcome<facts> enter_leave(const duty_case& one, const v1::EnterLeave& asked) {
  const bool own = !one.who.system && one.who.person_id == asked.person_id();
  if (!own && !one.leads() && !one.administers()) return not_yours("a leave is entered by the person, the lead or an administrator");
  if (auto version = check_roster_version(one, asked.expected_roster_version()); !version) return version.error();
  const auto& roster = one.state.roster;
  if (!is_fhir_id(asked.leave_id()))
    return refuse(code::invalid_argument, one.field("leaveId"), "must be a FHIR id: 1 to 64 of A-Z a-z 0-9 - .");
  if (roster.leaves.contains(asked.leave_id()) || roster.shifts.contains(asked.leave_id()) || roster.rotations.contains(asked.leave_id())) {
    return refuse(code::already_exists, one.field("leaveId"), "is on this roster already");
  }
  if (!one.state.what.member(asked.person_id()))
    return refuse(code::failed_precondition, one.field("personId"), "is no member of this duty");
  if (roster.leaves.size() >= max_leaves) return refuse(code::resource_exhausted, one.field("leaveId"), "the roster is full");
  if (asked.accept_gaps() && !one.administers()) return not_yours("only an administrator accepts gaps");
  if (asked.accept_gaps() || !asked.reason().empty()) {
    if (auto reason = check_text(asked.reason(), one.field("reason"), max_reason_bytes); !reason) return reason.error();
  }
  auto leave = leave_asked(one, asked);
  if (!leave) return leave.error();
  if (auto good = check_against_roster(one, *leave); !good) return good.error();
  auto gaps = leave_gaps(one.state.what, roster, *leave);
  // Whoever holds the duty and is rostered for none of it still has it when the leave begins.
  if (one.state.holder == leave->person && leave->when.contains(one.context.now) && !leave->cover_at(one.context.now) && gaps.empty()) {
    gaps.push_back({one.context.now, leave->when.end});
  }
  if (!gaps.empty() && !asked.accept_gaps()) return refuse(code::failed_precondition, one.field("covers"), told(gaps));
  facts result;
  auto& entered = *add_fact(result, v1::STREAM_DUTY).mutable_leave_entered();
  entered.set_leave_id(asked.leave_id());
  entered.set_person_id(leave->person);
  put_span(*entered.mutable_period(), leave->when);
  for (const auto& cover : leave->covers) {
    auto& row = *entered.add_covers();
    row.set_person_id(cover.person);
    put_span(*row.mutable_period(), cover.when);
  }
  for (const auto& gap : gaps) {
    auto& row = *entered.add_gaps();
    set_timestamp(*row.mutable_start(), gap.start);
    set_timestamp(*row.mutable_end(), gap.end);
  }
  entered.set_reason(asked.reason());
  entered.set_roster_version(one.state.roster_version + 1);
  look_at_roster(result, one);
  return result;
}

outcome<facts> end_leave(const duty_case& one, const v1::EndLeave& asked) {
  const auto at = one.state.roster.leaves.find(asked.leave_id());
  if (at == one.state.roster.leaves.end()) return refuse(code::not_found, one.field("leaveId"), "is no leave of this roster");
  const auto& leave = at->second;
  const auto covers = [&](std::string_view person) {
    return std::any_of(leave.covers.begin(), leave.covers.end(), [&](const auto& cover) { return cover.person == person; });
  };
  const bool theirs = !one.who.system && (one.who.person_id == leave.person || covers(one.who.person_id));
  if (!theirs && !one.leads() && !one.administers())
    return not_yours("a leave is ended by the person, their cover, the lead or an administrator");
  if (auto version = check_roster_version(one, asked.expected_roster_version()); !version) return version.error();
  if (asked.reason().size() > max_reason_bytes) return refuse(code::invalid_argument, one.field("reason"), "is too long");
  facts result;
  auto& ended = *add_fact(result, v1::STREAM_DUTY).mutable_leave_ended();
  ended.set_leave_id(asked.leave_id());
  ended.set_reason(asked.reason());
  ended.set_roster_version(one.state.roster_version + 1);
  // The handback is explicit: who covers gives the duty to whoever would have it without the leave.
  const auto back = rostered_without_leave(one.state.what, one.state.roster, one.context.now);
  if (covers(one.state.holder) && leave.when.start <= one.context.now && back == leave.person) {
    change_holder(result, one.state, leave.person, v1::HOLDER_REASON_HANDED_BACK);
  }
  look_at_roster(result, one);
  return result;
}

}  // namespace careteam::care

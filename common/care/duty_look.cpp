// What time makes of a duty: the roster's boundaries, gaps that come near, deadlines of a handoff (B5, B6, 3.2).
#include <algorithm>
#include <array>

#include "care/duty_decisions.hpp"

namespace careteam::care {
namespace {

constexpr std::chrono::hours longest_between_looks{24};     // The nightly forecast.
constexpr std::array<unsigned, 3> gap_warnings{72, 24, 2};  // Hours before a gap.

/// Whether somebody else should have it because they covered a leave, and their time is over before the leave is.
bool cover_has_ended(const duty_state& duty, instant t) {
  for (const auto& leave : duty.roster.leaves) {
    if (!leave.at.contains(t) || !standing_in(duty.roster, leave.person, t).empty()) continue;
    const bool covered =
        std::ranges::any_of(leave.covers, [&](const auto& cover) { return cover.person == duty.holder && cover.at.end <= t; });
    if (covered && resolve_without_leave(duty.roster, t).person == leave.person) return true;
  }
  return false;
}

/// Who should hold the duty from now on, and why; nothing: whoever does.
std::optional<std::pair<std::string, v1::HolderReason>> next_holder(const duty_state& duty, const duty_context& context) {
  const auto t = context.now;
  const auto named = resolve(duty.roster, t);
  if (duty.holder.empty()) {
    if (!working_people(context.people).eligible(duty.roster, named.person)) return std::nullopt;
    return std::pair(named.person, v1::HOLDER_REASON_ROSTER);
  }
  const bool called_in = named.rule == roster_rule::override && named.person == duty.holder;
  if (called_in) return std::nullopt;
  if (on_leave(duty.roster, duty.holder, t)) {
    auto cover = standing_in(duty.roster, duty.holder, t);
    if (!context.people.active(cover)) return std::pair(std::string(), v1::HOLDER_REASON_COVER_ENDED);
    return std::pair(std::move(cover), v1::HOLDER_REASON_LEAVE);
  }
  if (cover_has_ended(duty, t)) return std::pair(std::string(), v1::HOLDER_REASON_COVER_ENDED);
  return std::nullopt;
}

/// When the duty is to go to somebody else by the roster.
struct boundary {
  std::string next;  ///< To whom.
  instant at{};      ///< When the shift of now ends; where nobody is rostered for longer than a handoff takes, when theirs begins.
};

/// Whom the roster names in turn, whatever lies between: nobody in between changes nothing for whoever holds the duty.
std::vector<rostered> turns_of(const std::vector<rostered>& ahead) {
  std::vector<rostered> turns;
  for (const auto& one : ahead) {
    if (one.person.empty()) continue;
    if (!turns.empty() && turns.back().person == one.person) {
      turns.back().at.end = one.at.end;
    } else {
      turns.push_back(one);
    }
  }
  return turns;
}

/// The next one; one that has passed is at `now`. Nothing: whoever holds the duty is the only one whom the roster names.
std::optional<boundary> next_boundary(const duty_state& duty, instant now, const std::vector<rostered>& ahead) {
  if (duty.holder.empty()) return std::nullopt;
  const auto turns = turns_of(ahead);
  if (turns.empty()) return std::nullopt;
  if (turns[0].person != duty.holder) return boundary{turns[0].person, std::max(turns[0].at.start, now)};
  if (turns.size() < 2) return std::nullopt;
  const auto end = turns[0].at.end, start = turns[1].at.start;
  return boundary{turns[1].person, start - end <= handoff_prepared_before ? end : start};
}

/// The handoff that is due to be prepared.
std::optional<boundary> handoff_due(const duty_state& duty, instant now, const std::vector<rostered>& ahead) {
  if (duty.handoff) return std::nullopt;
  const auto due = next_boundary(duty, now, ahead);
  if (!due || now < due->at - handoff_prepared_before) return std::nullopt;
  if (due->at > now) {
    // Once for each; one that came to nothing is prepared again when the shift is over.
    const bool prepared = duty.shift_end && *duty.shift_end > due->at - handoff_prepared_before;
    return prepared ? std::nullopt : due;
  }
  // Beyond their shift: the server was not there when it ended, or an earlier handoff came to nothing. Where the duty was given away before
  // the shift's end, it has yet to end.
  const bool given_away = duty.handed_over && *duty.handed_over > now;
  return given_away ? std::nullopt : due;
}

/// When the stretch of now began: of one person, whom the roster names and who can do it.
instant began(const duty_case& one, const duty_state& duty) {
  const auto people = working_people(one.context.people);
  const auto able = [&](const roster_stretch& of) {
    return people.eligible(duty.roster, of.holder.person) ? of.holder.person : std::string();
  };
  const auto past = timeline(duty.roster, {one.context.now - forecast_horizon, one.context.now + std::chrono::microseconds{1}});
  auto since = past.back().at.start;
  for (auto at = past.rbegin() + 1; at != past.rend() && able(*at) == able(past.back()); ++at) since = at->at.start;
  return since;
}

/// Another shift began while a handoff is under way: nothing is prepared for it, and the lead hears of it all the same.
void note_delay(facts& to, const duty_case& one, const duty_state& duty, const std::vector<rostered>& ahead) {
  if (!duty.handoff || ahead.empty() || ahead.front().person.empty() || ahead.front().person == duty.holder) return;
  const auto since = began(one, duty);
  if ((duty.shift_end && since <= *duty.shift_end) || (duty.handoff->delayed && since <= *duty.handoff->delayed)) return;
  auto& delayed = *add_fact(to, v1::STREAM_CLINICAL).mutable_handoff_delayed();
  delayed.set_seq(duty.handoff->seq);
  set_timestamp(*delayed.mutable_shift_start(), since);
  set_timestamp(*delayed.mutable_lead_by(), since + lead_told_after);
  set_timestamp(*delayed.mutable_manager_by(), since + manager_told_after);
}

void put_gap(v1::CoverageGap& to, const time_span& gap) {
  set_timestamp(*to.mutable_start(), gap.start);
  set_timestamp(*to.mutable_end(), gap.end);
}

void forecast(facts& to, const duty_state& duty, const time_span& within, const std::vector<rostered>& ahead) {
  std::vector<time_span> gaps;
  for (const auto& one : ahead) {
    if (one.person.empty() && gaps.size() < max_gaps) gaps.push_back(one.at);
  }
  // What is not over yet is no news because time has passed, or because one sees further.
  const auto same = [&](const time_span& now, const time_span& before) {
    const bool start = now.start == before.start || (now.start == within.start && before.start < within.start);
    return start && (now.end == before.end || now.end == within.end);
  };
  auto known = duty.gaps;
  std::erase_if(known, [&](const auto& gap) { return gap.end <= within.start; });
  if (std::equal(gaps.begin(), gaps.end(), known.begin(), known.end(), same)) return;
  auto& told = *add_fact(to, v1::STREAM_DUTY).mutable_coverage_forecast();
  for (const auto& gap : gaps) put_gap(*told.add_gaps(), gap);
  set_timestamp(*told.mutable_until(), within.end);
}

/// Whether a gap was warned of with so little time left, or less.
bool warned(const duty_state& duty, const time_span& gap, unsigned hours) {
  const auto told = duty.gap_told.find(gap.start);
  return told != duty.gap_told.end() && told->second <= hours;
}

void warn_of_gaps(facts& to, const duty_state& duty, instant now) {
  for (const auto& gap : duty.gaps) {
    if (gap.end <= now) continue;
    // The latest warning that is due stands for those before it.
    std::optional<unsigned> due;
    for (const unsigned hours : gap_warnings) {
      if (now >= gap.start - std::chrono::hours(hours)) due = hours;
    }
    if (!due || warned(duty, gap, *due)) continue;
    auto& near = *add_fact(to, v1::STREAM_DUTY).mutable_coverage_gap_near();
    put_gap(*near.mutable_gap(), gap);
    near.set_person_id(duty.what.lead);
    near.set_hours_left(*due);
  }
}

instant next_look(const duty_state& duty, instant now, const std::vector<rostered>& ahead) {
  const auto horizon = now + longest_between_looks;
  instant next = std::min(horizon, next_change(duty.roster, now).value_or(horizon));
  if (const auto boundary = next_boundary(duty, now, ahead)) {
    const auto prepare_at = boundary->at - handoff_prepared_before;
    if (prepare_at > now) next = std::min(next, prepare_at);
  }
  for (const auto& gap : duty.gaps) {
    for (const unsigned hours : gap_warnings) {
      const auto warn_at = gap.start - std::chrono::hours(hours);
      if (warn_at > now) next = std::min(next, warn_at);
    }
  }
  return next;
}

void add_once(v1::DutyReminded& to, const std::string& person) {
  if (person.empty()) return;
  if (std::find(to.person_id().begin(), to.person_id().end(), person) == to.person_id().end()) to.add_person_id(person);
}

facts remind(const duty_state& duty, v1::DutyTimer timer) {
  facts result;
  auto& reminded = *add_fact(result, v1::STREAM_DUTY).mutable_duty_reminded();
  reminded.set_timer(timer);
  reminded.set_priority(v1::PRIORITY_ASAP);
  if (timer == v1::DUTY_TIMER_MANAGER) {
    reminded.set_priority(v1::PRIORITY_STAT);
    add_once(reminded, duty.what.manager);
    add_once(reminded, duty.what.lead);
  } else if (timer == v1::DUTY_TIMER_LEAD) {
    add_once(reminded, duty.what.lead);
  } else if (timer == v1::DUTY_TIMER_OFFER) {
    add_once(reminded, duty.holder);
  } else if (duty.handoff) {
    add_once(reminded, duty.handoff->to);
    add_once(reminded, duty.handoff->from);
  }
  return result;
}

}  // namespace

duty_state after(const duty_case& one, const facts& so_far) {
  duty_state next = one.state;
  std::uint64_t clinical = one.context.clinical_head;
  for (auto entry : so_far) {
    set_timestamp(*entry.mutable_time(), one.context.now);
    if (entry.stream() == v1::STREAM_CLINICAL) entry.set_seq(++clinical);
    apply_duty(next, entry, 0);
  }
  return next;
}

void change_holder(facts& to, const duty_state& state, const std::string& person, v1::HolderReason reason, std::string_view text) {
  if (state.handoff && reason != v1::HOLDER_REASON_HANDOFF) {
    auto& ended = *add_fact(to, v1::STREAM_CLINICAL).mutable_handoff_ended();
    ended.set_seq(state.handoff->seq);
    ended.set_end(v1::HANDOFF_END_OVERTAKEN);
  }
  auto& changed = *add_fact(to, v1::STREAM_DUTY).mutable_duty_holder_changed();
  changed.set_person_id(person);
  changed.set_previous_person_id(state.holder);
  changed.set_reason(reason);
  changed.set_text(std::string(text));
}

std::vector<owed_item> owed_by_holder(const duty_state& state, std::span<const owed_item> owed) {
  std::vector<owed_item> result;
  for (const auto& item : owed) {
    if (!state.apart.contains(item.patient_id)) result.push_back(item);
  }
  return result;
}

void prepare(facts& to, const duty_state& state, const std::string& next, instant shift_end, const owed_list& owed) {
  auto& prepared = *add_fact(to, v1::STREAM_CLINICAL).mutable_handoff_prepared();
  prepared.set_from_person_id(state.holder);
  prepared.set_to_person_id(next);
  set_timestamp(*prepared.mutable_shift_end(), shift_end);
  set_timestamp(*prepared.mutable_offer_by(), shift_end - handoff_offered_before);
  set_timestamp(*prepared.mutable_lead_by(), shift_end + lead_told_after);
  set_timestamp(*prepared.mutable_manager_by(), shift_end + manager_told_after);
  for (const auto& [key, item] : owed) put_owed(*prepared.add_owed(), item);
}

std::vector<rostered> rostered_ahead(const duty_case& one, const duty_state& duty) {
  const auto people = working_people(one.context.people);
  std::vector<rostered> result;
  for (const auto& stretch : timeline(duty.roster, {one.context.now, one.context.now + forecast_horizon})) {
    const bool able = people.eligible(duty.roster, stretch.holder.person);
    const auto person = able ? stretch.holder.person : std::string();
    if (!result.empty() && result.back().person == person) {
      result.back().at.end = stretch.at.end;
    } else {
      result.push_back({person, stretch.at});
    }
  }
  return result;
}

void look_at_roster(facts& so_far, const duty_case& one) {
  auto duty = after(one, so_far);
  if (const auto next = next_holder(duty, one.context)) {
    change_holder(so_far, duty, next->first, next->second);
    duty = after(one, so_far);
  }
  const time_span within{one.context.now, one.context.now + forecast_horizon};
  const auto ahead = rostered_ahead(one, duty);
  if (const auto due = handoff_due(duty, one.context.now, ahead)) {
    // Of more than can be listed nothing is: the draft begins all the same, and whoever holds the duty is told when they offer it.
    const bool listed = one.context.owed.size() <= max_owed_items;
    prepare(so_far, duty, due->next, due->at, listed ? owed_by_place(owed_by_holder(duty, one.context.owed)) : owed_list{});
  }
  note_delay(so_far, one, duty, ahead);
  forecast(so_far, duty, within, ahead);
  duty = after(one, so_far);
  warn_of_gaps(so_far, duty, one.context.now);
  set_timestamp(*add_fact(so_far, v1::STREAM_DUTY).mutable_roster_look_set()->mutable_next(), next_look(duty, one.context.now, ahead));
}

outcome<facts> fire_duty_timer(const duty_case& one, const v1::FireDutyTimer& asked) {
  if (!one.who.system) return refuse(code::permission_denied, "action", "is for the server only");
  const auto running = one.state.timers.find(asked.timer());
  // Whatever was moved or done meanwhile has no such timer any more: nothing to change.
  if (running == one.state.timers.end() || running->second.version != asked.version()) return facts{};
  if (one.context.now < running->second.at) return refuse(code::failed_precondition, one.action, "is not due yet");
  if (asked.timer() != v1::DUTY_TIMER_ROSTER) return remind(one.state, asked.timer());
  facts result;
  look_at_roster(result, one);
  return result;
}

}  // namespace careteam::care

#include "care/duty_roster.hpp"

#include <algorithm>

#include "care/civil_time.hpp"

namespace careteam::care {
namespace {

constexpr int minutes_of_day = 24 * 60;
constexpr int days_of_week = 7;

/// A rotation's shift that starts on this day.
time_span shift_on(const duty_roster& roster, const roster_rotation& rotation, absl::CivilDay day) {
  const absl::CivilMinute midnight(day);
  return {first_shown(roster.zone, absl::CivilSecond(midnight + rotation.from)),
          first_shown(roster.zone, absl::CivilSecond(midnight + rotation.until))};
}

bool starts_on(const roster_rotation& rotation, absl::CivilDay day) {
  return day >= rotation.first && (!rotation.last || day <= *rotation.last) && rotation.days.contains(absl::GetWeekday(day));
}

absl::CivilDay local_day(const duty_roster& roster, instant t) {
  return absl::CivilDay(roster.zone.At(to_absl(t)).cs);
}

/// No shift that has not ended by a day has started before this one.
absl::CivilDay earliest_start(const roster_rotation& rotation, absl::CivilDay day) {
  return day - (rotation.until + minutes_of_day - 1) / minutes_of_day;
}

/// A clock that is set back over midnight shows yesterday after today has begun: what has started may start tomorrow by the clock.
absl::CivilDay latest_start(absl::CivilDay day) {
  return day + 1;
}

/// The day on which the shift started that is on now; none: the rotation is not on.
std::optional<absl::CivilDay> started(const duty_roster& roster, const roster_rotation& rotation, absl::CivilDay today, instant t) {
  for (auto day = earliest_start(rotation, today); day <= latest_start(today); ++day) {
    if (starts_on(rotation, day) && shift_on(roster, rotation, day).contains(t)) return day;
  }
  return std::nullopt;
}

std::string person_in_week(const roster_rotation& rotation, absl::CivilDay monday) {
  const auto weeks = (monday - monday_of(rotation.first)) / days_of_week;
  if (rotation.people.empty() || weeks < 0) return {};
  return rotation.people[static_cast<std::size_t>(weeks) % rotation.people.size()];
}

bool has_shift_in_week(const roster_rotation& rotation, absl::CivilDay monday) {
  for (auto day = monday; day < monday + days_of_week; ++day) {
    if (starts_on(rotation, day)) return true;
  }
  return false;
}

struct planned_turn {
  roster_turn turn;
  roster_rule rule = roster_rule::nobody;
};

std::optional<planned_turn> planned(const duty_roster& roster, instant t) {
  for (const auto& one : roster.shifts) {
    if (one.at.contains(t)) return planned_turn{{one.id, std::nullopt}, roster_rule::shift};
  }
  const auto today = local_day(roster, t);
  for (const auto& one : roster.rotations) {
    if (const auto day = started(roster, one, today, t)) return planned_turn{{one.id, monday_of(*day)}, roster_rule::rotation};
  }
  return std::nullopt;
}

roster_holder swapped(const duty_roster& roster, const planned_turn& planned) {
  for (const auto& swap : roster.swaps) {
    if (swap.one == planned.turn) return {roster_rule::swap, planned_person(roster, swap.other), swap.id, {}};
    if (swap.other == planned.turn) return {roster_rule::swap, planned_person(roster, swap.one), swap.id, {}};
  }
  return {planned.rule, planned_person(roster, planned.turn), planned.turn.id, {}};
}

/// Who covers may go on leave later, and is covered then. A circle of covers is nobody.
roster_holder covered(const duty_roster& roster, roster_holder holder, instant t) {
  for (std::size_t step = 0; step <= roster.leaves.size(); ++step) {
    const auto* leave = leave_of(roster, holder.person, t);
    if (leave == nullptr) return holder;
    const auto cover = std::ranges::find_if(leave->covers, [&](const auto& one) { return one.at.contains(t); });
    if (cover == leave->covers.end()) return {roster_rule::nobody, {}, leave->id, leave->person};
    holder = {roster_rule::leave_cover, cover->person, leave->id, leave->person};
  }
  return {roster_rule::nobody, {}, holder.source, holder.absent};
}

/// The earliest of the instants after t that it is told of.
class earliest_after {
 public:
  explicit earliest_after(instant t) : after_(t) {}
  void consider(instant t) {
    if (t > after_ && (!found_ || t < *found_)) found_ = t;
  }
  void consider(const time_span& at) {
    consider(at.start);
    consider(at.end);
  }
  std::optional<instant> found() const { return found_; }

 private:
  instant after_;
  std::optional<instant> found_;
};

void consider_rotation(const duty_roster& roster, const roster_rotation& rotation, absl::CivilDay today, instant t, earliest_after& next) {
  // Any seven days that are still to come hold one of each.
  const auto end = std::max(latest_start(today) + 1, rotation.first) + days_of_week;
  for (auto day = std::max(earliest_start(rotation, today), rotation.first); day < end; ++day) {
    if (!starts_on(rotation, day)) continue;
    const auto shift = shift_on(roster, rotation, day);
    next.consider(shift);
    if (shift.start > t) return;
  }
}

}  // namespace

bool duty_eligibility::admits(std::string_view person, std::span<const std::string> roles_of_person) const {
  return people.contains(person) || std::ranges::any_of(roles_of_person, [&](const auto& role) { return roles.contains(role); });
}

absl::CivilDay monday_of(absl::CivilDay day) {
  return absl::PrevWeekday(day + 1, absl::Weekday::monday);
}

std::string planned_person(const duty_roster& roster, const roster_turn& turn) {
  if (!turn.week) {
    const auto shift = std::ranges::find(roster.shifts, turn.id, &roster_shift::id);
    return shift == roster.shifts.end() ? std::string() : shift->person;
  }
  const auto rotation = std::ranges::find(roster.rotations, turn.id, &roster_rotation::id);
  const auto monday = monday_of(*turn.week);
  if (rotation == roster.rotations.end() || !has_shift_in_week(*rotation, monday)) return {};
  return person_in_week(*rotation, monday);
}

const roster_leave* leave_of(const duty_roster& roster, std::string_view person, instant t) {
  const auto found = std::ranges::find_if(roster.leaves, [&](const auto& one) { return one.person == person && one.at.contains(t); });
  return found == roster.leaves.end() ? nullptr : &*found;
}

bool on_leave(const duty_roster& roster, std::string_view person, instant t) {
  return leave_of(roster, person, t) != nullptr;
}

roster_holder resolve_without_leave(const duty_roster& roster, instant t) {
  for (const auto& one : roster.overrides) {
    if (one.at.contains(t)) return {roster_rule::override, one.person, one.id, {}};
  }
  if (const auto turn = planned(roster, t)) {
    auto holder = swapped(roster, *turn);
    return holder.person.empty() ? roster_holder{} : holder;
  }
  return roster.own_of.empty() ? roster_holder{} : roster_holder{roster_rule::own, roster.own_of, {}, {}};
}

roster_holder resolve(const duty_roster& roster, instant t) {
  auto holder = resolve_without_leave(roster, t);
  const bool settled = holder.rule == roster_rule::nobody || holder.rule == roster_rule::override;
  return settled ? holder : covered(roster, std::move(holder), t);
}

std::string standing_in(const duty_roster& roster, std::string_view person, instant t) {
  return covered(roster, {roster_rule::own, std::string(person), {}, {}}, t).person;
}

std::optional<time_span> time_of(const duty_roster& roster, const roster_turn& turn) {
  if (!turn.week) {
    const auto shift = std::ranges::find(roster.shifts, turn.id, &roster_shift::id);
    return shift == roster.shifts.end() ? std::nullopt : std::optional(shift->at);
  }
  const auto rotation = std::ranges::find(roster.rotations, turn.id, &roster_rotation::id);
  if (rotation == roster.rotations.end()) return std::nullopt;
  std::optional<time_span> all;
  const auto monday = monday_of(*turn.week);
  for (auto day = monday; day < monday + days_of_week; ++day) {
    if (!starts_on(*rotation, day)) continue;
    const auto shift = shift_on(roster, *rotation, day);
    all = all ? time_span{all->start, shift.end} : shift;
  }
  return all;
}

std::optional<instant> next_change(const duty_roster& roster, instant t) {
  earliest_after next(t);
  for (const auto& one : roster.overrides) next.consider(one.at);
  for (const auto& one : roster.shifts) next.consider(one.at);
  for (const auto& one : roster.leaves) {
    next.consider(one.at);
    for (const auto& cover : one.covers) next.consider(cover.at);
  }
  const auto today = local_day(roster, t);
  for (const auto& one : roster.rotations) consider_rotation(roster, one, today, t, next);
  return next.found();
}

std::vector<roster_stretch> timeline(const duty_roster& roster, time_span during) {
  std::vector<roster_stretch> result;
  for (auto t = during.start; t < during.end;) {
    const auto until = std::min(next_change(roster, t).value_or(during.end), during.end);
    auto holder = resolve(roster, t);
    if (!result.empty() && result.back().holder == holder) {
      result.back().at.end = until;
    } else {
      result.push_back({{t, until}, std::move(holder)});
    }
    t = until;
  }
  return result;
}

std::vector<roster_stretch> gaps(const duty_roster& roster, time_span during, const roster_people& people) {
  auto result = timeline(roster, during);
  std::erase_if(result, [&](const roster_stretch& one) {
    return one.holder.rule != roster_rule::nobody && people.eligible(roster, one.holder.person);
  });
  return result;
}

}  // namespace careteam::care

#include "care/duty_roster_change.hpp"

#include <algorithm>
#include <array>

#include "care/civil_time.hpp"
#include "care/wellformed.hpp"

namespace careteam::care {
namespace {

using maybe_refusal = std::optional<refusal>;

constexpr int minutes_of_day = 24 * 60;
constexpr int minutes_of_week = 7 * minutes_of_day;
constexpr std::size_t max_listed = 10;  ///< Times in a message.

maybe_refusal refuse_at(code c, std::string_view part, std::string_view field, std::string_view message) {
  return refuse(c, std::string(part) + "." + std::string(field), message);
}

bool has_id(const duty_roster& roster, std::string_view id) {
  const auto named = [&](const auto& parts) { return std::ranges::any_of(parts, [&](const auto& one) { return one.id == id; }); };
  return named(roster.shifts) || named(roster.rotations) || named(roster.overrides) || named(roster.swaps) || named(roster.leaves);
}

template <class Part>
maybe_refusal wrong_id(const duty_roster& roster, const std::vector<Part>& parts, std::size_t most, const std::string& id,
                       std::string_view part) {
  if (!is_fhir_id(id)) return refuse_at(code::invalid_argument, part, "id", "1 to 64 letters, digits, - and .");
  if (has_id(roster, id)) return refuse_at(code::already_exists, part, "id", "this roster has a part of this id");
  if (parts.size() >= most) return refuse(code::resource_exhausted, part, "too many: remove what is over");
  return std::nullopt;
}

maybe_refusal wrong_time(const time_span& at, std::string_view part) {
  if (at.start < earliest_time || at.end > latest_time) return refuse_at(code::invalid_argument, part, "at", "lies outside 1900 to 2200");
  if (at.start >= at.end) return refuse_at(code::invalid_argument, part, "at.end", "must be after the start");
  if (at.end - at.start > max_roster_time) return refuse_at(code::invalid_argument, part, "at.end", "at most 366 days after the start");
  return std::nullopt;
}

maybe_refusal wrong_person(const duty_roster& roster, const roster_people& people, std::string_view person, std::string_view part,
                           std::string_view field) {
  if (!person.empty() && people.eligible(roster, person)) return std::nullopt;
  return refuse_at(code::not_found, part, field, "no such person who may hold this duty");
}

template <class Part>
maybe_refusal wrong_stretch(const duty_roster& roster, const std::vector<Part>& parts, const Part& asked, const roster_people& people,
                            std::string_view part) {
  if (auto why = wrong_id(roster, parts, max_roster_parts, asked.id, part)) return why;
  if (auto why = wrong_time(asked.at, part)) return why;
  if (auto why = wrong_person(roster, people, asked.person, part, "person")) return why;
  if (std::ranges::none_of(parts, [&](const auto& one) { return one.at.overlaps(asked.at); })) return std::nullopt;
  return refuse_at(code::failed_precondition, part, "at", "overlaps with another: remove that first");
}

maybe_refusal check(const duty_roster& roster, const roster_shift& asked, const roster_people& people) {
  if (auto why = wrong_stretch(roster, roster.shifts, asked, people, "shift")) return why;
  const auto away = [&](const auto& leave) { return leave.person == asked.person && leave.at.overlaps(asked.at); };
  if (std::ranges::none_of(roster.leaves, away)) return std::nullopt;
  return refuse_at(code::failed_precondition, "shift", "person", "is on leave then");
}

maybe_refusal check(const duty_roster& roster, const roster_override& asked, const roster_people& people) {
  return wrong_stretch(roster, roster.overrides, asked, people, "override");
}

/// Whether a shift that starts on this day of one rotation meets one of another. By the clock: that settles it for time (`first_shown`).
bool meets(const roster_rotation& one, absl::CivilDay one_day, const roster_rotation& other, absl::CivilDay other_day) {
  const auto apart = (other_day - one_day) * minutes_of_day;
  return one.from < other.until + apart && other.from + apart < one.until;
}

bool starts_on(const roster_rotation& rotation, absl::CivilDay day) {
  return day >= rotation.first && (!rotation.last || day <= *rotation.last) && rotation.days.contains(absl::GetWeekday(day));
}

/// Whether two shifts meet, of one rotation or of two. A week from where both run is like every other; before it, the last shifts of one
/// may reach into the first of the other.
bool overlap(const roster_rotation& one, const roster_rotation& other) {
  const auto begin = std::max(one.first, other.first) - 8;
  for (auto day = begin; day < begin + 24; ++day) {
    if (!starts_on(one, day)) continue;
    for (auto near = day - 8; near <= day + 8; ++near) {
      const bool itself = one.id == other.id && near == day;
      if (!itself && starts_on(other, near) && meets(one, day, other, near)) return true;
    }
  }
  return false;
}

bool within_calendar(absl::CivilDay day) {
  return day >= absl::CivilDay(1900, 1, 1) && day < absl::CivilDay(2200, 1, 1);
}

maybe_refusal wrong_hours(const roster_rotation& asked) {
  if (asked.days.empty()) return refuse(code::invalid_argument, "rotation.days", "names no day of the week");
  if (asked.from < 0 || asked.from >= minutes_of_day) return refuse(code::invalid_argument, "rotation.from", "0 to 1439 minutes");
  if (asked.until <= asked.from) {
    return refuse(code::invalid_argument, "rotation.until", "must be after from: past midnight, 1440 minutes more");
  }
  if (asked.until > asked.from + minutes_of_week) return refuse(code::invalid_argument, "rotation.until", "at most a week after from");
  if (!within_calendar(asked.first)) return refuse(code::invalid_argument, "rotation.first", "lies outside 1900 to 2200");
  if (!asked.last) return std::nullopt;
  if (*asked.last < asked.first) return refuse(code::invalid_argument, "rotation.last", "must not be before first");
  if (!within_calendar(*asked.last)) return refuse(code::invalid_argument, "rotation.last", "lies outside 1900 to 2200");
  return std::nullopt;
}

maybe_refusal check(const duty_roster& roster, const roster_rotation& asked, const roster_people& people) {
  if (auto why = wrong_id(roster, roster.rotations, max_roster_rotations, asked.id, "rotation")) return why;
  if (auto why = wrong_hours(asked)) return why;
  if (asked.people.empty()) return refuse(code::invalid_argument, "rotation.people", "names nobody");
  if (asked.people.size() > max_rotation_people) return refuse(code::invalid_argument, "rotation.people", "too many");
  for (const auto& person : asked.people) {
    if (auto why = wrong_person(roster, people, person, "rotation", "people")) return why;
  }
  if (overlap(asked, asked)) return refuse(code::invalid_argument, "rotation.until", "its own shifts overlap");
  for (const auto& one : roster.rotations) {
    if (overlap(asked, one)) return refuse(code::failed_precondition, "rotation", "overlaps with another: end that first");
  }
  return std::nullopt;
}

roster_turn kept(roster_turn turn) {
  if (turn.week) turn.week = monday_of(*turn.week);
  return turn;
}

maybe_refusal wrong_turn(const duty_roster& roster, const roster_turn& turn, const roster_people& people, std::string_view field) {
  const auto person = planned_person(roster, turn);
  if (person.empty()) return refuse_at(code::not_found, "swap", field, "no such shift, or no such week of a rotation");
  if (auto why = wrong_person(roster, people, person, "swap", field)) return why;
  const auto taken = [&](const auto& swap) { return swap.one == turn || swap.other == turn; };
  if (std::ranges::none_of(roster.swaps, taken)) return std::nullopt;
  return refuse_at(code::failed_precondition, "swap", field, "is swapped already: remove that swap first");
}

maybe_refusal check(const duty_roster& roster, const roster_swap& asked, const roster_people& people) {
  if (auto why = wrong_id(roster, roster.swaps, max_roster_parts, asked.id, "swap")) return why;
  const auto one = kept(asked.one);
  const auto other = kept(asked.other);
  if (auto why = wrong_turn(roster, one, people, "one")) return why;
  if (auto why = wrong_turn(roster, other, people, "other")) return why;
  if (planned_person(roster, one) == planned_person(roster, other)) {
    return refuse(code::invalid_argument, "swap.other", "is the same person's: nothing would change");
  }
  return std::nullopt;
}

bool away(const duty_roster& roster, std::string_view person, const time_span& at) {
  return std::ranges::any_of(roster.leaves, [&](const auto& one) { return one.person == person && one.at.overlaps(at); });
}

maybe_refusal wrong_cover(const duty_roster& roster, const roster_leave& leave, std::size_t index, const roster_people& people) {
  const auto part = "leave.covers[" + std::to_string(index) + "]";
  const auto& cover = leave.covers[index];
  if (auto why = wrong_time(cover.at, part)) return why;
  if (cover.at.start < leave.at.start || cover.at.end > leave.at.end) {
    return refuse_at(code::invalid_argument, part, "at", "lies outside the leave");
  }
  if (cover.person == leave.person) return refuse_at(code::invalid_argument, part, "person", "is the one on leave");
  if (auto why = wrong_person(roster, people, cover.person, part, "person")) return why;
  for (std::size_t before = 0; before < index; ++before) {
    if (leave.covers[before].at.overlaps(cover.at)) return refuse_at(code::invalid_argument, part, "at", "overlaps with another cover");
  }
  if (away(roster, cover.person, cover.at)) return refuse_at(code::failed_precondition, part, "person", "is on leave then");
  return std::nullopt;
}

/// Whether any part of the roster names the person: somebody who may no longer hold the duty can still be away from it.
bool named(const duty_roster& roster, std::string_view person) {
  const auto theirs = [&](const auto& one) { return one.person == person; };
  const auto takes_turns = [&](const auto& one) { return std::ranges::find(one.people, person) != one.people.end(); };
  return roster.lead == person || roster.own_of == person || std::ranges::any_of(roster.shifts, theirs) ||
         std::ranges::any_of(roster.overrides, theirs) || std::ranges::any_of(roster.rotations, takes_turns);
}

maybe_refusal check(const duty_roster& roster, const roster_leave& asked, const roster_people& people) {
  if (auto why = wrong_id(roster, roster.leaves, max_roster_leaves, asked.id, "leave")) return why;
  if (auto why = wrong_time(asked.at, "leave")) return why;
  if (asked.person.empty() || !named(roster, asked.person)) {
    if (auto why = wrong_person(roster, people, asked.person, "leave", "person")) return why;
  }
  if (asked.covers.size() > max_leave_covers) return refuse(code::invalid_argument, "leave.covers", "too many");
  if (away(roster, asked.person, asked.at)) return refuse(code::failed_precondition, "leave.at", "overlaps with another leave of theirs");
  const auto called_in = [&](const auto& one) { return one.person == asked.person && one.at.overlaps(asked.at); };
  if (std::ranges::any_of(roster.overrides, called_in)) {
    return refuse(code::failed_precondition, "leave.at", "an override names them then: remove it first");
  }
  for (std::size_t index = 0; index < asked.covers.size(); ++index) {
    if (auto why = wrong_cover(roster, asked, index, people)) return why;
  }
  return std::nullopt;
}

maybe_refusal check(const duty_roster& roster, const roster_terms& asked, const roster_people& people) {
  if (asked.fallbacks.size() > max_roster_fallbacks) return refuse(code::invalid_argument, "terms.fallbacks", "too many");
  std::set<std::string_view> seen{roster.duty_id};
  for (const auto& duty : asked.fallbacks) {
    if (!is_fhir_id(duty)) return refuse(code::invalid_argument, "terms.fallbacks", "1 to 64 letters, digits, - and .");
    if (!seen.insert(duty).second) return refuse(code::invalid_argument, "terms.fallbacks", "names a duty twice, or the duty itself");
  }
  if (asked.lead.empty() || people.active(asked.lead)) return std::nullopt;
  return refuse(code::not_found, "terms.lead", "no such person with access");
}

maybe_refusal check(const duty_roster& roster, const roster_removal& asked, const roster_people&) {
  if (!has_id(roster, asked.id)) return refuse(code::not_found, "removal.id", "this roster has no part of this id");
  const auto exchanges = [&](const auto& swap) { return swap.one.id == asked.id || swap.other.id == asked.id; };
  if (std::ranges::none_of(roster.swaps, exchanges)) return std::nullopt;
  return refuse(code::failed_precondition, "removal.id", "is swapped: remove the swap first");
}

void put(duty_roster& roster, const roster_terms& terms) {
  roster.eligible = terms.eligible;
  roster.lead = terms.lead;
  roster.fallbacks = terms.fallbacks;
  roster.own_of = terms.own_of;
}
void put(duty_roster& roster, const roster_shift& shift) {
  roster.shifts.push_back(shift);
}
void put(duty_roster& roster, const roster_rotation& rotation) {
  roster.rotations.push_back(rotation);
}
void put(duty_roster& roster, const roster_override& one) {
  roster.overrides.push_back(one);
}
void put(duty_roster& roster, const roster_swap& swap) {
  roster.swaps.push_back({swap.id, kept(swap.one), kept(swap.other)});
}
void put(duty_roster& roster, const roster_leave& leave) {
  roster.leaves.push_back(leave);
}
void put(duty_roster& roster, const roster_removal& removal) {
  const auto theirs = [&](const auto& one) { return one.id == removal.id; };
  std::erase_if(roster.shifts, theirs);
  std::erase_if(roster.rotations, theirs);
  std::erase_if(roster.overrides, theirs);
  std::erase_if(roster.swaps, theirs);
  std::erase_if(roster.leaves, theirs);
}

/// A day of which nothing is left anywhere in the world, for what lasts so long after its midnight.
bool is_over(absl::CivilDay day, int until, instant t) {
  const auto today = absl::CivilDay(absl::UTCTimeZone().At(to_absl(t)).cs);
  return day + until / minutes_of_day + 2 < today;
}

bool is_over(const duty_roster& roster, const roster_turn& turn, instant t) {
  if (!turn.week) {
    const auto shift = std::ranges::find(roster.shifts, turn.id, &roster_shift::id);
    return shift == roster.shifts.end() || shift->at.end <= t;
  }
  const auto rotation = std::ranges::find(roster.rotations, turn.id, &roster_rotation::id);
  return rotation == roster.rotations.end() || is_over(*turn.week + 6, rotation->until, t);
}

std::vector<time_span> uncovered_in(const duty_roster& roster, const roster_leave& leave) {
  std::vector<time_span> result;
  for (const auto& one : timeline(roster, leave.at)) {
    if (one.holder.rule == roster_rule::nobody && one.holder.absent == leave.person) result.push_back(one.at);
  }
  return result;
}

std::string listed(const std::vector<time_span>& times) {
  std::string text = "leaves turns of somebody on leave without cover:";
  for (std::size_t i = 0; i < std::min(times.size(), max_listed); ++i) {
    text += (i == 0 ? " " : ", ") + utc_text(times[i].start) + " to " + utc_text(times[i].end);
  }
  if (times.size() > max_listed) text += " and " + std::to_string(times.size() - max_listed) + " more";
  return text;
}

std::string_view part_of(const duty_change& change) {
  static constexpr std::array<std::string_view, std::variant_size_v<duty_change>> names{"terms", "shift",        "rotation", "override",
                                                                                        "swap",  "leave.covers", "removal"};
  return names.at(change.index());
}

/// A leave that accepts no uncovered turns keeps none, whatever changes later.
maybe_refusal uncovers(const duty_roster& roster, const duty_change& change) {
  auto then = roster;
  apply(then, change);
  for (const auto& leave : then.leaves) {
    if (leave.uncovered == uncovered_turns::accepted) continue;
    const auto times = uncovered_in(then, leave);
    if (!times.empty()) return refuse(code::failed_precondition, part_of(change), listed(times));
  }
  return std::nullopt;
}

}  // namespace

std::optional<refusal> refused(const duty_roster& roster, const duty_change& change, const roster_people& people) {
  if (auto why = std::visit([&](const auto& one) { return check(roster, one, people); }, change)) return why;
  return uncovers(roster, change);
}

void apply(duty_roster& roster, const duty_change& change) {
  std::visit([&](const auto& one) { put(roster, one); }, change);
}

void forget_past(duty_roster& roster, instant t, std::string_view holder) {
  std::erase_if(roster.swaps, [&](const auto& one) { return is_over(roster, one.one, t) && is_over(roster, one.other, t); });
  const auto swapped = [&](std::string_view id) {
    return std::ranges::any_of(roster.swaps, [&](const auto& swap) { return swap.one.id == id || swap.other.id == id; });
  };
  std::erase_if(roster.shifts, [&](const auto& one) { return one.at.end <= t && !swapped(one.id); });
  std::erase_if(roster.rotations, [&](const auto& one) { return one.last && is_over(*one.last, one.until, t) && !swapped(one.id); });
  std::erase_if(roster.overrides, [&](const auto& one) { return one.at.end <= t; });
  std::erase_if(roster.leaves, [&](const auto& one) {
    const auto held = std::ranges::any_of(one.covers, [&](const auto& cover) { return cover.person == holder; });
    return one.at.end <= t && !held;
  });
}

std::vector<time_span> uncovered_by(const duty_roster& roster, const roster_leave& leave) {
  auto then = roster;
  apply(then, leave);
  return uncovered_in(then, leave);
}

}  // namespace careteam::care

#include "care/duty_roster.hpp"

#include <algorithm>
#include <charconv>
#include <set>

namespace careteam::care {
namespace {

constexpr int minutes_of_day = 24 * 60;

absl::Time to_absl(instant t) {
  return absl::FromUnixMicros(t.time_since_epoch().count());
}

instant from_absl(absl::Time t) {
  return instant{std::chrono::microseconds{absl::ToUnixMicros(t)}};
}

instant local(const absl::TimeZone& zone, absl::CivilDay day, int minute) {
  const auto found = zone.At(absl::CivilSecond(absl::CivilMinute(day) + minute));
  return from_absl(found.kind == absl::TimeZone::TimeInfo::SKIPPED ? found.trans : found.pre);
}

absl::CivilDay local_day(const absl::TimeZone& zone, instant t) {
  return absl::CivilDay(zone.At(to_absl(t)).cs);
}

unsigned weekday_of(absl::CivilDay day) {
  return static_cast<unsigned>(absl::GetWeekday(day)) + 1;  // absl counts from Monday.
}

absl::CivilDay monday_of(absl::CivilDay day) {
  return day - static_cast<int>(weekday_of(day) - 1);
}

absl::TimeZone zone_of(const duty_definition& what) {
  return zone_named(what.time_zone).value_or(absl::UTCTimeZone());
}

/// Whether it is a time zone's name, and nothing that leads elsewhere in the file system.
bool is_zone_name(const std::string& name) {
  if (name.empty() || name.size() > 64 || name.front() == '/' || name.find("..") != std::string::npos) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' || c == '_' || c == '-' || c == '+';
  });
}

/// Every shift of a rotation that may touch the span.
std::vector<rostered> occurrences(const rotation& what, const absl::TimeZone& zone, const time_span& within) {
  std::vector<rostered> result;
  // A shift may have begun the day before.
  const auto from = std::max(local_day(zone, within.start) - 1, what.first);
  auto to = local_day(zone, within.end);
  if (what.last) to = std::min(to, *what.last);
  for (auto day = from; day <= to; ++day) {
    if (auto one = rotation_on(what, day, zone); one && one->when.overlaps(within)) result.push_back(std::move(*one));
  }
  return result;
}

/// Who covers the person then, where they are on leave.
std::string or_cover(const duty_roster& roster, std::string person, instant t) {
  const auto* leave = roster.leave_of(person, t);
  if (!leave) return person;
  const auto* cover = leave->cover_at(t);
  return cover ? cover->person : std::string();
}

std::string override_at(const duty_roster& roster, instant t) {
  for (const auto& [id, shift] : roster.shifts) {
    if (shift.overrides && shift.when.contains(t)) return shift.person;
  }
  return {};
}

std::string regular_at(const duty_definition& what, const duty_roster& roster, const absl::TimeZone& zone, instant t) {
  for (const auto& [id, shift] : roster.shifts) {
    if (!shift.overrides && shift.when.contains(t)) return shift.person;
  }
  const auto today = local_day(zone, t);
  for (const auto& [id, one] : roster.rotations) {
    for (const auto day : {today - 1, today}) {
      if (const auto shift = rotation_on(one, day, zone); shift && shift->when.contains(t)) return shift->person;
    }
  }
  return what.personal_of;
}

std::string person_at(const duty_definition& what, const duty_roster& roster, const absl::TimeZone& zone, instant t) {
  if (auto person = override_at(roster, t); !person.empty()) return person;
  return or_cover(roster, regular_at(what, roster, zone, t), t);
}

/// Every instant within at which somebody else may be rostered.
std::set<instant> boundaries(const duty_roster& roster, const absl::TimeZone& zone, const time_span& within) {
  std::set<instant> result;
  const auto add = [&](const time_span& span) {
    for (const auto t : {span.start, span.end}) {
      if (within.contains(t)) result.insert(t);
    }
  };
  for (const auto& [id, shift] : roster.shifts) add(shift.when);
  for (const auto& [id, one] : roster.rotations) {
    for (const auto& shift : occurrences(one, zone, within)) add(shift.when);
  }
  for (const auto& [id, leave] : roster.leaves) {
    add(leave.when);
    for (const auto& cover : leave.covers) add(cover.when);
  }
  return result;
}

/// Stretches by any rule that says who has an instant.
template <class Who>
std::vector<rostered> stretches_by(const std::set<instant>& edges, const time_span& within, Who&& who) {
  std::vector<rostered> result;
  const auto add = [&](instant from) {
    auto person = who(from);
    if (!result.empty() && result.back().person == person) return;
    if (!result.empty()) result.back().when.end = from;
    result.push_back({std::move(person), {from, within.end}});
  };
  if (within.start >= within.end) return result;
  add(within.start);
  for (const auto edge : edges) {
    if (edge > within.start) add(edge);
  }
  return result;
}

std::optional<absl::CivilDay> day_of(const std::string& text) {
  const auto number = [&](std::size_t at, std::size_t size) {
    int value = -1;
    const auto [end, failed] = std::from_chars(text.data() + at, text.data() + at + size, value);
    return failed == std::errc() && end == text.data() + at + size ? value : -1;
  };
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
  const int year = number(0, 4), month = number(5, 2), day = number(8, 2);
  if (year < 1900 || year >= 2200 || month < 1 || day < 1) return std::nullopt;
  const absl::CivilDay found(year, month, day);
  if (found.month() != month || found.day() != day) return std::nullopt;
  return found;
}

std::string text_of(absl::CivilDay day) {
  return absl::FormatCivilTime(day);
}

/// Minutes of the week in which the rotation's shifts lie: [from, to), to may lie in the next week.
std::vector<std::pair<int, int>> weekly(const rotation& what) {
  std::vector<std::pair<int, int>> result;
  for (const auto weekday : what.weekdays) {
    const int day = static_cast<int>(weekday - 1) * minutes_of_day;
    const int over = what.end_minute <= what.start_minute ? minutes_of_day : 0;
    result.emplace_back(day + what.start_minute, day + what.end_minute + over);
  }
  return result;
}

/// Whether two rotations are at one local time ever. On paper: the zone keeps the order of local times.
bool overlap_on_paper(const rotation& one, const rotation& other) {
  const auto first = std::max(one.first, other.first) - 1;
  auto last = first + 15;  // The pattern of a week is the same in all weeks; one begins it, one ends it.
  if (one.last) last = std::min(last, *one.last);
  if (other.last) last = std::min(last, *other.last);
  const auto shifts = [](const rotation& of, absl::CivilDay from, absl::CivilDay to) {
    std::vector<std::pair<absl::CivilMinute, absl::CivilMinute>> result;
    for (auto day = std::max(from, of.first); day <= to + 1 && (!of.last || day <= *of.last); ++day) {
      if (std::find(of.weekdays.begin(), of.weekdays.end(), weekday_of(day)) == of.weekdays.end()) continue;
      const int over = of.end_minute <= of.start_minute ? minutes_of_day : 0;
      result.emplace_back(absl::CivilMinute(day) + of.start_minute, absl::CivilMinute(day) + of.end_minute + over);
    }
    return result;
  };
  const auto ones = shifts(one, first, last), others = shifts(other, first, last);
  return std::any_of(ones.begin(), ones.end(), [&](const auto& a) {
    return std::any_of(others.begin(), others.end(), [&](const auto& b) { return a.first < b.second && b.first < a.second; });
  });
}

}  // namespace

const duty_member* duty_definition::member(std::string_view person) const {
  const auto at = std::find_if(members.begin(), members.end(), [&](const auto& one) { return one.person == person; });
  return at == members.end() ? nullptr : &*at;
}

bool duty_definition::eligible(std::string_view person) const {
  const auto* one = member(person);
  return one && (roles.empty() || std::find(roles.begin(), roles.end(), one->role) != roles.end());
}

const leave_cover* duty_leave::cover_at(instant t) const {
  const auto at = std::find_if(covers.begin(), covers.end(), [&](const auto& one) { return one.when.contains(t); });
  return at == covers.end() ? nullptr : &*at;
}

const duty_leave* duty_roster::leave_of(std::string_view person, instant t) const {
  for (const auto& [id, leave] : leaves) {
    if (leave.person == person && leave.when.contains(t)) return &leave;
  }
  return nullptr;
}

std::optional<absl::TimeZone> zone_named(const std::string& name) {
  absl::TimeZone zone;
  if (!is_zone_name(name) || !absl::LoadTimeZone(name, &zone)) return std::nullopt;
  return zone;
}

std::optional<rostered> rotation_on(const rotation& what, absl::CivilDay day, const absl::TimeZone& zone) {
  if (day < what.first || (what.last && day > *what.last)) return std::nullopt;
  if (std::find(what.weekdays.begin(), what.weekdays.end(), weekday_of(day)) == what.weekdays.end()) return std::nullopt;
  const auto end_day = what.end_minute <= what.start_minute ? day + 1 : day;
  const time_span when{local(zone, day, what.start_minute), local(zone, end_day, what.end_minute)};
  if (when.start >= when.end) return std::nullopt;
  const auto week = static_cast<std::size_t>((monday_of(day) - monday_of(what.first)) / 7);
  return rostered{what.people[week % what.people.size()], when};
}

std::string rostered_at(const duty_definition& what, const duty_roster& roster, instant t) {
  return person_at(what, roster, zone_of(what), t);
}

std::string rostered_without_leave(const duty_definition& what, const duty_roster& roster, instant t) {
  if (auto person = override_at(roster, t); !person.empty()) return person;
  return regular_at(what, roster, zone_of(what), t);
}

std::vector<rostered> stretches(const duty_definition& what, const duty_roster& roster, time_span within) {
  const auto zone = zone_of(what);
  return stretches_by(boundaries(roster, zone, within), within, [&](instant t) { return person_at(what, roster, zone, t); });
}

std::vector<time_span> roster_gaps(const duty_definition& what, const duty_roster& roster, time_span within) {
  std::vector<time_span> gaps;
  for (const auto& one : stretches(what, roster, within)) {
    if (one.person.empty() && gaps.size() < max_gaps) gaps.push_back(one.when);
  }
  return gaps;
}

std::vector<time_span> leave_gaps(const duty_definition& what, const duty_roster& roster, const duty_leave& leave) {
  const auto zone = zone_of(what);
  auto edges = boundaries(roster, zone, leave.when);
  for (const auto& cover : leave.covers) edges.insert({cover.when.start, cover.when.end});
  std::erase_if(edges, [&](instant t) { return !leave.when.contains(t); });
  const auto open = stretches_by(edges, leave.when, [&](instant t) -> std::string {
    const bool theirs = override_at(roster, t).empty() && regular_at(what, roster, zone, t) == leave.person;
    return theirs && !leave.cover_at(t) ? "open" : "";
  });
  std::vector<time_span> gaps;
  for (const auto& one : open) {
    if (!one.person.empty() && gaps.size() < max_gaps) gaps.push_back(one.when);
  }
  return gaps;
}

instant next_roster_change(const duty_definition& what, const duty_roster& roster, instant t, instant horizon) {
  const auto edges = boundaries(roster, zone_of(what), {t, horizon});
  const auto next = edges.upper_bound(t);
  return next == edges.end() ? horizon : *next;
}

std::optional<std::string> overlapping(const duty_definition& what, const duty_roster& roster, const roster_shift& shift) {
  for (const auto& [id, one] : roster.shifts) {
    if (one.overrides == shift.overrides && one.when.overlaps(shift.when)) return id;
  }
  if (shift.overrides) return std::nullopt;
  const auto zone = zone_of(what);
  for (const auto& [id, one] : roster.rotations) {
    if (!occurrences(one, zone, shift.when).empty()) return id;
  }
  return std::nullopt;
}

std::optional<std::string> overlapping(const duty_definition& what, const duty_roster& roster, std::string_view id, const rotation& added) {
  constexpr int week = 7 * minutes_of_day;
  const auto own = weekly(added);
  for (std::size_t i = 0; i < own.size(); ++i) {
    for (std::size_t j = 0; j < own.size(); ++j) {
      const int later = j > i ? own[j].first : own[j].first + week;
      if (own[i].second > later) return std::string(id);
    }
  }
  for (const auto& [other_id, other] : roster.rotations) {
    if (overlap_on_paper(added, other)) return other_id;
  }
  const auto zone = zone_of(what);
  for (const auto& [shift_id, shift] : roster.shifts) {
    if (!shift.overrides && !occurrences(added, zone, shift.when).empty()) return shift_id;
  }
  return std::nullopt;
}

void forget_past(duty_roster& roster, instant t, std::string_view holder) {
  std::erase_if(roster.shifts, [&](const auto& one) { return one.second.when.end <= t; });
  std::erase_if(roster.leaves, [&](const auto& one) {
    const auto& leave = one.second;
    const bool held = std::any_of(leave.covers.begin(), leave.covers.end(), [&](const auto& cover) { return cover.person == holder; });
    return leave.when.end <= t && !held;
  });
}

std::optional<time_span> span_of(const v1::Period& period) {
  if (!period.has_start() || !period.has_end()) return std::nullopt;
  const auto start = to_instant(period.start()), end = to_instant(period.end());
  if (!start || !end) return std::nullopt;
  return time_span{*start, *end};
}

void put_span(v1::Period& to, const time_span& span) {
  set_timestamp(*to.mutable_start(), span.start);
  set_timestamp(*to.mutable_end(), span.end);
}

std::optional<rotation> rotation_of(const v1::Rotation& from) {
  rotation made;
  made.people.assign(from.person_id().begin(), from.person_id().end());
  std::set<unsigned> days(from.weekday().begin(), from.weekday().end());
  const bool days_good = !days.empty() && *days.begin() >= 1 && *days.rbegin() <= 7;
  const auto first = day_of(from.first_day()), last = day_of(from.last_day());
  const bool minutes_good = from.start_minute() < minutes_of_day && from.end_minute() < minutes_of_day;
  if (made.people.empty() || !days_good || !minutes_good || !first || (!from.last_day().empty() && !last)) return std::nullopt;
  made.weekdays.assign(days.begin(), days.end());
  made.start_minute = static_cast<int>(from.start_minute());
  made.end_minute = static_cast<int>(from.end_minute());
  made.first = *first;
  made.last = last;
  return made;
}

void put_rotation(v1::Rotation& to, std::string_view id, const rotation& from) {
  to.set_rotation_id(std::string(id));
  for (const auto& person : from.people) to.add_person_id(person);
  for (const auto day : from.weekdays) to.add_weekday(day);
  to.set_start_minute(static_cast<std::uint32_t>(from.start_minute));
  to.set_end_minute(static_cast<std::uint32_t>(from.end_minute));
  to.set_first_day(text_of(from.first));
  if (from.last) to.set_last_day(text_of(*from.last));
}

duty_definition definition_of(const v1::Duty& from) {
  duty_definition made;
  made.name = from.name();
  made.time_zone = from.time_zone();
  for (const int role : from.roles()) made.roles.push_back(static_cast<v1::Role>(role));
  for (const auto& member : from.members()) made.members.push_back({member.person_id(), member.role()});
  made.lead = from.lead_person_id();
  made.manager = from.manager_person_id();
  made.fallback.assign(from.fallback_duty_id().begin(), from.fallback_duty_id().end());
  made.personal_of = from.personal_of();
  return made;
}

void put_definition(v1::Duty& to, const duty_definition& from) {
  to.set_name(from.name);
  to.set_time_zone(from.time_zone);
  for (const auto role : from.roles) to.add_roles(role);
  for (const auto& member : from.members) {
    auto& row = *to.add_members();
    row.set_person_id(member.person);
    row.set_role(member.role);
  }
  to.set_lead_person_id(from.lead);
  to.set_manager_person_id(from.manager);
  for (const auto& duty : from.fallback) to.add_fallback_duty_id(duty);
  to.set_personal_of(from.personal_of);
}

}  // namespace careteam::care

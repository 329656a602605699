#include "care/duty_messages.hpp"

#include <algorithm>
#include <charconv>

namespace careteam::care {
namespace {

/// Whether it is a time zone's name, and nothing that leads elsewhere in the file system.
bool is_zone_name(const std::string& name) {
  if (name.empty() || name.size() > 64 || name.front() == '/' || name.find("..") != std::string::npos) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' || c == '_' || c == '-' || c == '+';
  });
}

/// Days as FHIR and ISO 8601 count them: 1 Monday … 7 Sunday. Abseil counts from Monday too, from 0.
std::optional<std::set<absl::Weekday>> days_of(const v1::Rotation& from) {
  std::set<absl::Weekday> days;
  for (const auto day : from.weekday()) {
    if (day < 1 || day > 7) return std::nullopt;
    days.insert(static_cast<absl::Weekday>(day - 1));
  }
  return days;
}

}  // namespace

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

std::optional<absl::TimeZone> zone_named(const std::string& name) {
  absl::TimeZone zone;
  if (!is_zone_name(name) || !absl::LoadTimeZone(name, &zone)) return std::nullopt;
  return zone;
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

std::optional<roster_rotation> rotation_of(const v1::Rotation& from) {
  constexpr std::uint32_t longest = 8 * 24 * 60;  // Beyond every end that is allowed.
  const auto days = days_of(from);
  const auto first = day_of(from.first_day()), last = day_of(from.last_day());
  if (!days || !first || (!from.last_day().empty() && !last) || from.start_minute() > longest || from.end_minute() > longest) {
    return std::nullopt;
  }
  return roster_rotation{from.rotation_id(),
                         *days,
                         static_cast<int>(from.start_minute()),
                         static_cast<int>(from.end_minute()),
                         {from.person_id().begin(), from.person_id().end()},
                         *first,
                         last};
}

void put_rotation(v1::Rotation& to, const roster_rotation& from) {
  to.set_rotation_id(from.id);
  for (const auto& person : from.people) to.add_person_id(person);
  for (const auto day : from.days) to.add_weekday(static_cast<std::uint32_t>(day) + 1);
  to.set_start_minute(static_cast<std::uint32_t>(from.from));
  to.set_end_minute(static_cast<std::uint32_t>(from.until));
  to.set_first_day(text_of(from.first));
  if (from.last) to.set_last_day(text_of(*from.last));
}

std::optional<roster_turn> turn_of(const v1::RosterTurn& from) {
  if (from.week().empty()) return roster_turn{from.item_id(), std::nullopt};
  const auto day = day_of(from.week());
  if (!day) return std::nullopt;
  return roster_turn{from.item_id(), monday_of(*day)};
}

void put_turn(v1::RosterTurn& to, const roster_turn& from) {
  to.set_item_id(from.id);
  if (from.week) to.set_week(text_of(*from.week));
}

roster_leave leave_of(const v1::LeaveEntered& from) {
  const auto uncovered = from.accepts_gaps() ? uncovered_turns::accepted : uncovered_turns::refused;
  roster_leave leave{from.leave_id(), from.person_id(), span_of(from.period()).value_or(time_span{}), {}, uncovered};
  for (const auto& row : from.covers()) {
    if (const auto at = span_of(row.period())) leave.covers.push_back({row.person_id(), *at});
  }
  return leave;
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

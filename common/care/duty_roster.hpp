// Who is rostered for a duty: one-off shifts, weekly rotations in local time, overrides that win, leaves with cover (B4, B6); and when
// nobody is (B5). Pure: the roster and an instant give the person.
//
// Local times: one that the clock skips is the first instant after it, one that it shows twice is the first of the two. Both keep the order
// of local times, so that shifts which do not overlap on paper never do, and leave no hole between them; the shift that has the long hour
// is the one that begins before it. A shift that lies within a skipped hour altogether is not there on that day.
#pragma once

#include <absl/time/civil_time.h>
#include <absl/time/time.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "care/time.hpp"
#include "careteam/v1/duties.pb.h"

namespace careteam::care {

inline constexpr std::size_t max_duty_members = 200;
inline constexpr std::size_t max_duty_roles = 16;
inline constexpr std::size_t max_fallback_duties = 8;
inline constexpr std::size_t max_rotations = 32;
inline constexpr std::size_t max_shifts = 500;  ///< Shifts and overrides that are not over.
inline constexpr std::size_t max_leaves = 200;
inline constexpr std::size_t max_leave_covers = 32;
inline constexpr std::size_t max_rotation_people = 52;
inline constexpr std::size_t max_gaps = 100;  ///< Told of one look.
inline constexpr std::chrono::days longest_shift{31};
inline constexpr std::chrono::days longest_leave{93};
inline constexpr std::chrono::days forecast_horizon{14};  ///< How far ahead gaps are looked for (B5).

/// A half-open stretch of time [start, end).
struct time_span {
  instant start{}, end{};
  bool contains(instant t) const { return start <= t && t < end; }
  bool overlaps(const time_span& other) const { return start < other.end && other.start < end; }
  auto operator<=>(const time_span&) const = default;
};

struct duty_member {
  std::string person;
  v1::Role role = v1::ROLE_UNSPECIFIED;
  bool operator==(const duty_member&) const = default;
};

/// What a duty is.
struct duty_definition {
  std::string name, time_zone;
  std::vector<v1::Role> roles;  ///< In which it may be held; empty: any.
  std::vector<duty_member> members;
  std::string lead, manager;
  std::vector<std::string> fallback;
  std::string personal_of;  ///< Whose own duty it is; empty: nobody's.

  const duty_member* member(std::string_view person) const;
  /// A member in one of the duty's roles.
  bool eligible(std::string_view person) const;
  bool operator==(const duty_definition&) const = default;
};

struct roster_shift {
  std::string person;
  time_span when;
  bool overrides = false;
  bool operator==(const roster_shift&) const = default;
};

/// A weekly shift in local time.
struct rotation {
  std::vector<std::string> people;  ///< Week after week in turn, from the week of `first`.
  std::vector<unsigned> weekdays;   ///< 1 Monday … 7 Sunday, in order.
  int start_minute = 0, end_minute = 0;
  absl::CivilDay first;
  std::optional<absl::CivilDay> last;
  bool operator==(const rotation&) const = default;
};

struct leave_cover {
  std::string person;
  time_span when;
  bool operator==(const leave_cover&) const = default;
};

struct duty_leave {
  std::string person;
  time_span when;
  std::vector<leave_cover> covers;
  /// Who covers it then; nullptr: nobody.
  const leave_cover* cover_at(instant t) const;
  bool operator==(const duty_leave&) const = default;
};

struct duty_roster {
  std::map<std::string, roster_shift, std::less<>> shifts;
  std::map<std::string, rotation, std::less<>> rotations;
  std::map<std::string, duty_leave, std::less<>> leaves;

  /// The leave that a person is on then; nullptr: none.
  const duty_leave* leave_of(std::string_view person, instant t) const;
  bool operator==(const duty_roster&) const = default;
};

/// A stretch of time with one person, or nobody.
struct rostered {
  std::string person;
  time_span when;
  bool operator==(const rostered&) const = default;
};

/// The zone of this name, as the machine's tzdata has it; nothing: there is none, or it is no name of a zone.
std::optional<absl::TimeZone> zone_named(const std::string& name);

/// The instants at which the shift that begins on this local day starts and ends; nothing where it does not begin on that day, or where the
/// clock skips all of it.
std::optional<rostered> rotation_on(const rotation& what, absl::CivilDay day, const absl::TimeZone& zone);

/// Who is rostered at an instant; empty: nobody. Overrides, then shifts, then rotations, then the person whose own duty it is; of these
/// last three, whoever covers the leave of whom they name.
std::string rostered_at(const duty_definition& what, const duty_roster& roster, instant t);
/// The same, as if nobody were on leave.
std::string rostered_without_leave(const duty_definition& what, const duty_roster& roster, instant t);

/// The whole of [from, to) as stretches of one person each, in order; neighbours differ.
std::vector<rostered> stretches(const duty_definition& what, const duty_roster& roster, time_span within);
/// When nobody is rostered, in order; at most `max_gaps`.
std::vector<time_span> roster_gaps(const duty_definition& what, const duty_roster& roster, time_span within);
/// What of the person's shifts within a leave its covers leave open, in order; at most `max_gaps`.
std::vector<time_span> leave_gaps(const duty_definition& what, const duty_roster& roster, const duty_leave& leave);
/// The first instant after t at which somebody else may be rostered, or a leave begins or ends; not after `horizon`.
instant next_roster_change(const duty_definition& what, const duty_roster& roster, instant t, instant horizon);

/// The id of a shift or rotation that overlaps a shift, or nothing. Overrides are compared with overrides only.
std::optional<std::string> overlapping(const duty_definition& what, const duty_roster& roster, const roster_shift& shift);
/// The same of a rotation, itself included: "itself" where its own days overlap.
std::optional<std::string> overlapping(const duty_definition& what, const duty_roster& roster, std::string_view id, const rotation& added);

/// Drops what is over and concerns nobody any more. `holder` may still have to give a leave back.
void forget_past(duty_roster& roster, instant t, std::string_view holder);

// To and from the messages.
std::optional<time_span> span_of(const v1::Period& period);
void put_span(v1::Period& to, const time_span& span);
/// What is malformed is nothing.
std::optional<rotation> rotation_of(const v1::Rotation& from);
void put_rotation(v1::Rotation& to, std::string_view id, const rotation& from);
duty_definition definition_of(const v1::Duty& from);
void put_definition(v1::Duty& to, const duty_definition& from);

}  // namespace careteam::care

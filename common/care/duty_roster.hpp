// Who holds a duty at an instant (`domain.md` B4, B5, B6, G7): shifts, weekly rotations, overrides, swaps and leave, as plain data, and
// what follows from them. Pure: the zone comes in loaded, time and people come in as arguments. `duty_roster_change` says what may be
// added.
//
// By rule, the first that names somebody:
//   1. an override wins over everything, leave included: somebody was called in;
//   2. a one-off shift stands in the place of a rotation;
//   3. a rotation, whose people take turns by calendar weeks;
//   4. the person whose own duty it is.
// A swap exchanges the people of two turns of 2 or 3. Whoever 2, 3 or 4 names and who is on leave is replaced by who covers for them.
//
// Rotations are in the clock's time of the roster's zone. A time that the clock skips is the first instant after it; of one that it shows
// twice the first counts, for starts and ends alike. So a night 22-06 has 7 or 9 hours when the clock is changed, whoever is on through the
// repeated hour is on for both, shifts that meet by the clock meet in time, and a shift within the skipped hour is nobody's.
#pragma once

#include <absl/time/civil_time.h>
#include <absl/time/time.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "care/time.hpp"

namespace careteam::care {

/// [start, end).
struct time_span {
  instant start{};
  instant end{};
  bool contains(instant t) const { return start <= t && t < end; }
  bool overlaps(const time_span& other) const { return start < other.end && other.start < end; }
  bool operator==(const time_span&) const = default;
};

/// One person, once.
struct roster_shift {
  std::string id;
  std::string person;
  time_span at;
  bool operator==(const roster_shift&) const = default;
};

/// The same times every week; its people take turns, a calendar week (from Monday) each. A shift belongs to the week in which it starts.
struct roster_rotation {
  std::string id;
  std::set<absl::Weekday> days;  ///< On which it starts.
  int from = 0;                  ///< When it starts, as the clock shows it: minutes after midnight, 0 to 1439.
  int until = 0;  ///< When it ends: minutes after that same midnight. Past 1440: on a later day; at most a week after `from`.
  std::vector<std::string> people;     ///< The first has the calendar week of `first`.
  absl::CivilDay first;                ///< No shift starts before.
  std::optional<absl::CivilDay> last;  ///< None starts after; none: for good.
  bool operator==(const roster_rotation&) const = default;
};

/// This person, whatever else is planned.
struct roster_override {
  std::string id;
  std::string person;
  time_span at;
  bool operator==(const roster_override&) const = default;
};

/// A shift, or a rotation's calendar week.
struct roster_turn {
  std::string id;                      ///< Of the shift or rotation.
  std::optional<absl::CivilDay> week;  ///< Of a rotation: any day of the week; kept as its Monday.
  bool operator==(const roster_turn&) const = default;
};

/// The person of each turn takes the other.
struct roster_swap {
  std::string id;
  roster_turn one;
  roster_turn other;
  bool operator==(const roster_swap&) const = default;
};

/// Who stands in for somebody on leave.
struct leave_cover {
  std::string person;
  time_span at;
  bool operator==(const leave_cover&) const = default;
};

/// Whether a leave may leave turns of its person without cover. Accepting that is an administrator's decision (B6); the host checks it and
/// logs it.
enum class uncovered_turns : std::uint8_t { refused, accepted };

struct roster_leave {
  std::string id;
  std::string person;
  time_span at;
  std::vector<leave_cover> covers;
  uncovered_turns uncovered = uncovered_turns::refused;
  bool operator==(const roster_leave&) const = default;
};

/// Who may hold the duty: these people, and whoever has one of these roles.
struct duty_eligibility {
  std::set<std::string, std::less<>> people;
  std::set<std::string, std::less<>> roles;  ///< Codes of the vocabulary; the host knows who has them.
  bool admits(std::string_view person, std::span<const std::string> roles_of_person) const;
  bool operator==(const duty_eligibility&) const = default;
};

struct duty_roster {
  std::string duty_id;
  absl::TimeZone zone;
  duty_eligibility eligible;
  std::string lead;                    ///< Who has to find somebody for it, and answers while there is nobody. Need not be eligible.
  std::vector<std::string> fallbacks;  ///< Duties that answer for it, in order.
  std::string own_of;                  ///< Whose personal duty it is; empty: nobody's.
  std::vector<roster_shift> shifts;
  std::vector<roster_rotation> rotations;
  std::vector<roster_override> overrides;
  std::vector<roster_swap> swaps;
  std::vector<roster_leave> leaves;
  bool operator==(const duty_roster&) const = default;
};

/// What the host knows about people now, and a roster does not.
struct roster_people {
  /// Has an account that is not suspended.
  std::function<bool(std::string_view person)> active;
  /// Is active and may hold this duty, as its `eligible` says.
  std::function<bool(const duty_roster& roster, std::string_view person)> eligible;
};

enum class roster_rule : std::uint8_t { nobody, rotation, shift, leave_cover, swap, override, own };

/// Whom a roster names at an instant, and why.
struct roster_holder {
  roster_rule rule = roster_rule::nobody;
  std::string person;  ///< Empty: nobody.
  std::string source;  ///< The id of the override, swap, leave, shift or rotation that decided; empty: none of these did.
  std::string absent;  ///< Who is on leave: in whose place `person` is, or who has no cover.
  bool operator==(const roster_holder&) const = default;
};

/// Total and deterministic. Says nothing of whether that person is eligible today: `gaps` and `resolve_with_fallback` do.
roster_holder resolve(const duty_roster& roster, instant t);

/// The same, as if nobody were on leave.
roster_holder resolve_without_leave(const duty_roster& roster, instant t);

/// The next instant at which `resolve` may differ from t's: it is the same in [t, next). None: never again.
std::optional<instant> next_change(const duty_roster& roster, instant t);

struct roster_stretch {
  time_span at;
  roster_holder holder;
  bool operator==(const roster_stretch&) const = default;
};

/// The whole of a time, in order, without holes; neighbours differ.
std::vector<roster_stretch> timeline(const duty_roster& roster, time_span during);

/// Where the roster names nobody, or somebody who is not eligible now (B5). The holder says which.
std::vector<roster_stretch> gaps(const duty_roster& roster, time_span during, const roster_people& people);

/// Who is there for the person: they themselves, or whoever covers their leave; empty: nobody does.
std::string standing_in(const duty_roster& roster, std::string_view person, instant t);

/// The leave from this duty that the person is on; nullptr: none.
const roster_leave* leave_of(const duty_roster& roster, std::string_view person, instant t);

/// Whether the person is on leave from this duty.
bool on_leave(const duty_roster& roster, std::string_view person, instant t);

/// Who has the turn by the plan, before swaps and leave; empty: there is no such turn.
std::string planned_person(const duty_roster& roster, const roster_turn& turn);

/// From the first start of a turn to its last end; none: there is no such turn.
std::optional<time_span> time_of(const duty_roster& roster, const roster_turn& turn);

/// The Monday of a day's calendar week.
absl::CivilDay monday_of(absl::CivilDay day);

}  // namespace careteam::care

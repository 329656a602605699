// What may be added to a duty's roster or taken from it (`domain.md` B4, B6). A refused change leaves the roster as it is. Pure.
//
// Who may ask for a change, and whether it may still change the past, is the host's to decide.
#pragma once

#include <variant>

#include "care/duty_roster.hpp"
#include "care/refusal.hpp"

namespace careteam::care {

// A roster is read as a whole at every lookup: a few years of a ward fit, what is over has to be removed in time.
inline constexpr std::size_t max_roster_rotations = 64;
inline constexpr std::size_t max_roster_parts = 1'000;  ///< Shifts, overrides, swaps: of each.
inline constexpr std::size_t max_roster_leaves = 200;
inline constexpr std::size_t max_rotation_people = 64;
inline constexpr std::size_t max_leave_covers = 32;
inline constexpr std::size_t max_roster_fallbacks = 8;
inline constexpr std::chrono::days max_roster_time{366};  ///< Of one shift, override, leave: what is longer is a slip of the pen.

/// Replaces what the roster says besides its times.
struct roster_terms {
  duty_eligibility eligible;
  std::string lead;  ///< Empty: none.
  std::vector<std::string> fallbacks;
  std::string own_of{};  ///< Empty: nobody's own duty.
  bool operator==(const roster_terms&) const = default;
};

/// Takes away the shift, rotation, override, swap or leave of this id.
struct roster_removal {
  std::string id;
  bool operator==(const roster_removal&) const = default;
};

using duty_change = std::variant<roster_terms, roster_shift, roster_rotation, roster_override, roster_swap, roster_leave, roster_removal>;

/// Why the change may not be made; nothing: it may. The field is the JSON path within the change ("shift.at.end").
///
/// invalid_argument: wrong by itself (ends before it starts, a malformed id). already_exists: the id is taken, by whatever it may be.
/// not_found: no such part, or nobody who may hold this duty. resource_exhausted: too many. failed_precondition: does not go with what the
/// roster holds: it overlaps with its kind, a turn is swapped already, somebody is on leave, or turns of somebody on leave would be left
/// without cover; then the message lists their times.
std::optional<refusal> refused(const duty_roster& roster, const duty_change& change, const roster_people& people);

/// Makes a change that is not refused.
void apply(duty_roster& roster, const duty_change& change);

/// Drops what is over: overrides and leaves, swaps both of whose turns are over, and then the shifts and rotations that no swap names. Days
/// are counted without the zone, so that a rotation goes up to two days late and never early. A leave stays while `holder` covers it: they
/// may still have to give it back.
void forget_past(duty_roster& roster, instant t, std::string_view holder);

/// The times for which the leave, were it added, would leave its person's turns without cover.
std::vector<time_span> uncovered_by(const duty_roster& roster, const roster_leave& leave);

}  // namespace careteam::care

// Who answers for a duty when its roster names nobody who can (`domain.md` G7): the duties that answer for it, then their leads, then the
// organisation's safety person. Pure.
#pragma once

#include "care/duty_roster.hpp"

namespace careteam::care {

enum class ladder_rung : std::uint8_t {
  duty,   ///< Whom the duty's roster names.
  lead,   ///< The duty's lead: finds somebody, and need not be able to do the work.
  safety  ///< The organisation's safety person.
};

enum class rung_result : std::uint8_t {
  taken,         ///< Answers for it.
  no_such_duty,  ///< A fallback names a duty that there is not.
  nobody,        ///< The roster names nobody, or there is no lead.
  not_able       ///< Not eligible; of a lead: suspended, or on leave.
};

/// One rung that was looked at.
struct ladder_step {
  ladder_rung rung = ladder_rung::duty;
  rung_result result = rung_result::nobody;
  std::string duty_id;   ///< Empty: the safety person.
  roster_holder holder;  ///< Of a duty, what its roster says; else only the person.
  bool operator==(const ladder_step&) const = default;
};

/// Who answers: the last step's holder, always a person. `path` holds what was tried, in order, ending with the step that was taken.
struct duty_answer {
  std::string person;
  std::vector<ladder_step> path;
  bool covered() const { return path.size() == 1; }  ///< The duty itself is held: nothing is uncovered.
  bool operator==(const duty_answer&) const = default;
};

/// The duty, then its fallbacks in order, each followed by its own (a duty is looked at once, so circles end); then the leads of those
/// duties in the same order; then `safety_person`, who must be named and answers whatever their own state, so that no lookup fails.
duty_answer resolve_with_fallback(const duty_rosters& rosters, std::string_view duty_id, instant t, const roster_people& people,
                                  std::string_view safety_person);

}  // namespace careteam::care

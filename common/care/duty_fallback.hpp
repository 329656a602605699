// Who answers for a duty (`domain.md` B4, G7): whoever holds it; where nobody does, whom its roster names; then the same of the duties that
// answer for it; then their leads and managers; then the organisation's safety duty, and in the end its safety person. Pure.
#pragma once

#include <map>

#include "care/duty_roster.hpp"

namespace careteam::care {

/// The duty to which everything falls that no other answers for. Administrators define it like any other; it need not exist.
inline constexpr std::string_view safety_duty = "safety";

/// A duty as it stands: its holder by the last entry about it, which only an entry changes, and what its roster says.
struct duty_standing {
  std::string holder;   ///< Empty: nobody.
  std::string manager;  ///< Answers where its lead does not; empty: nobody.
  duty_roster roster;
  std::map<std::string, std::string, std::less<>> apart = {};  ///< By patient: who answers for what the duty owes for them alone (HO4).
  bool operator==(const duty_standing&) const = default;
};

/// By the duty's id.
using duty_standings = std::map<std::string, duty_standing, std::less<>>;

enum class ladder_rung : std::uint8_t {
  holder,   ///< Who holds the duty, by the last entry about it.
  duty,     ///< Whom the duty's roster names.
  lead,     ///< The duty's lead: finds somebody, and need not be able to do the work.
  manager,  ///< The same, after the lead.
  safety,   ///< The organisation's safety person.
  apart     ///< Who answers for one patient of the duty, before its holder.
};

enum class rung_result : std::uint8_t {
  taken,         ///< Answers for it.
  no_such_duty,  ///< A fallback names a duty that there is not.
  nobody,        ///< The roster names nobody, or there is no lead or manager.
  not_able       ///< Not eligible; of a holder, lead or manager: suspended; of the latter two also: on leave.
};

/// One rung that was looked at.
struct ladder_step {
  ladder_rung rung = ladder_rung::duty;
  rung_result result = rung_result::nobody;
  std::string duty_id;   ///< Empty: the safety person.
  roster_holder holder;  ///< Of a roster, what it says; else only the person.
  bool operator==(const ladder_step&) const = default;
};

/// Who answers: the last step's holder, always a person. `path` holds what was tried, in order, ending with the step that was taken. A duty
/// that nobody holds has no step for its holder, one without a manager none for them, one that has no such patient none for whoever answers
/// for them alone.
struct duty_answer {
  std::string person;
  std::vector<ladder_step> path;
  /// The duty itself is held, or its roster names somebody: nothing is uncovered.
  bool covered() const {
    const auto& last = path.back();
    const bool has_it = last.rung == ladder_rung::holder || last.rung == ladder_rung::duty || last.rung == ladder_rung::apart;
    return has_it && last.duty_id == path.front().duty_id;
  }
  bool operator==(const duty_answer&) const = default;
};

/// The duty, then its fallbacks in order, each followed by its own (a duty is looked at once, so circles end); then the leads and managers
/// of those duties in the same order; then the same of the safety duty, where there is one; then `safety_person`, who must be named and
/// answers whatever their own state, so that no lookup fails. Of each duty first whoever answers for this patient alone; empty: no patient
/// in particular.
duty_answer resolve_with_fallback(const duty_standings& duties, std::string_view duty_id, instant t, const roster_people& people,
                                  std::string_view safety_person, std::string_view patient_id = {});

/// Whom silence about a duty's obligations reaches: the same ladder from the leads on.
duty_answer resolve_supervisor(const duty_standings& duties, std::string_view duty_id, instant t, const roster_people& people,
                               std::string_view safety_person);

}  // namespace careteam::care

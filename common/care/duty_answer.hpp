// Who answers for a duty at an instant: pure, total, deterministic (B4, G7). Whoever holds it; else whoever the roster names; else the same
// of its fallback duties, in their order; else their leads and managers; else the organisation's safety duty; else an administrator.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "care/duty.hpp"

namespace careteam::care {

/// The duty to which everything falls that nobody else answers for. Administrators define it like any other.
inline constexpr std::string_view safety_duty = "safety";

/// Looks a duty up; nullptr: there is none.
using duty_lookup = std::function<const duty_state*(std::string_view duty_id)>;

/// Why somebody answers.
enum class answers_as { holder, rostered, fallback, lead, safety, administrator, nobody };

struct duty_answer {
  std::string person;  ///< Empty only where the organisation has no administrator either.
  answers_as why = answers_as::nobody;
  std::string duty;  ///< Through which duty; empty: through none.
  bool operator==(const duty_answer&) const = default;
};

/// Whoever has no account that works is passed over. A ladder that goes in a circle ends.
duty_answer resolve(std::string_view duty_id, const duty_lookup& duties, const organization_state& people, instant t);

}  // namespace careteam::care

// Who is to be reached outside the product, and until when (G1 to G4, A8): from an entry that was just applied follow the people who are
// called now, and the calls that are over. What is sent is nobody's concern here: a call names a place and a person, never a text.
//
// A call goes on until it is called off: by whoever it was about being done, by anybody, on any device. One person has at most one call
// about the same thing.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "care/quiet_hours.hpp"
#include "care/record.hpp"

namespace careteam::care {

/// What somebody is called for.
enum class called_for : std::uint8_t {
  accept = 1,       ///< To take a task, or decline it.
  act = 2,          ///< To begin a task, go on with it or end it: a deadline has passed, or it was given to them.
  stop = 3,         ///< To say that they stopped doing a cancelled task.
  take_over = 4,    ///< To take a task over from its owner.
  acknowledge = 5,  ///< To acknowledge an asap or stat message.
  hand_over = 6,    ///< To go on with a handoff that is late, or to see to it that somebody does.
  find_cover = 7    ///< To find somebody for a duty that nobody is going to have.
};

/// The name of what a call is about, for example "2/17/accept": one in a record; at most 100 bytes.
std::string obligation_name(place about, called_for what);
/// The place and the purpose of such a name; nothing when it is none.
struct obligation_key {
  place about;
  called_for what{};
  bool operator==(const obligation_key&) const = default;
};
std::optional<obligation_key> parse_obligation(std::string_view name);

/// Somebody is to be reached.
struct call {
  obligation_key about;
  std::string person;
  v1::Priority priority = v1::PRIORITY_ROUTINE;
  place cause;            ///< The entry that led to it. With `about` and `person` it is the call's identity.
  bool again = false;     ///< They were just called about the same, and are again after the usual pause.
  std::string duty = {};  ///< For which they are called: once somebody else has it, they are in their place. Empty: for none.
  bool operator==(const call&) const = default;
};

/// What an entry changes: first the calls of `over` end, then those of `calls` begin.
struct call_changes {
  std::vector<obligation_key> over;
  std::vector<call> calls;
  bool operator==(const call_changes&) const = default;
};

/// What follows from an entry of a patient's or a duty's record that was just applied to the state. Whoever wrote it is not called for it.
call_changes calls_after(const record_state& state, const v1::Entry& entry, const context& with);

/// Who is to be called in place of somebody who was called for a duty; empty: nobody. Nothing: they still are. A handoff is no entry of the
/// patient's record, so that this is asked before each further time.
std::optional<std::string> called_instead(const record_state& state, const obligation_key& about, std::string_view person,
                                          std::string_view duty, const context& with);

/// How long the devices of somebody may have received nothing of what they are called about until the next of their channels is taken
/// (G3); nothing: as long as it takes.
std::optional<std::chrono::seconds> fallback_after(v1::Priority priority);

/// How long after the nth time (from 1) somebody is called again (G4, table 3.1); nothing: not again.
std::optional<std::chrono::seconds> pause_after(v1::Priority priority, std::uint32_t times);

/// The floor under the quiet hours (G6): stat always rings; asap does for the staff, not for patients and caregivers.
bool rings_in_quiet_hours(v1::Priority priority, bool staff);

}  // namespace careteam::care

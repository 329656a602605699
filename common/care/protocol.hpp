// Protocols (C8): tasks by cycle day. "CBC on days 1 and 15 of cycles 1 and 2", "call on day 7", "refill 5 days before the next cycle".
//
// The server asks for each task by a timer, some days before it is due. A task's identity is (stream, protocol, item, cycle, day): it is
// made once, whatever is replayed, moved or caught up. When a cycle moves, what is to come moves with it, and what is open and not begun
// is due accordingly; what was begun or has ended stays. When the protocol stops, its open tasks are cancelled. It stops by
// itself when the patient has died.
//
// Dates become instants when something is decided, in the patient's time zone, and the next instant stands in the entry: what is folded
// later asks no zone. Ids, limits and versions count per stream, since whoever does not read a stream must not feel what is in it.
#pragma once

#include <absl/time/civil_time.h>

#include <compare>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "care/task.hpp"
#include "careteam/v1/protocols.pb.h"

namespace careteam::care {

inline constexpr std::size_t max_protocols = 16;          ///< Of one stream, those that go on.
inline constexpr std::size_t max_ended_protocols = 1000;  ///< Of one stream: their ids stay taken.
inline constexpr int max_protocol_items = 16;
inline constexpr int max_protocol_days = 31;  ///< Of one item.
inline constexpr std::uint32_t max_cycle_days = 365;
inline constexpr std::uint32_t max_cycles = 60;
inline constexpr std::uint32_t max_lead_days = 60;
inline constexpr std::size_t max_protocol_tasks = 400;
/// Why the system stops a protocol whose patient has died.
inline constexpr std::string_view deceased_reason = "the patient is deceased";

/// An id is a protocol's in its stream only.
struct protocol_key {
  v1::Stream stream = v1::STREAM_UNSPECIFIED;
  std::string id;
  auto operator<=>(const protocol_key&) const = default;
};

struct protocol_item {
  std::string id;
  task_order order;  ///< Without a due time.
  std::vector<std::int32_t> days;
  std::vector<std::uint32_t> cycles;  ///< Empty: all.
  std::uint32_t at = 0;               ///< Minutes after midnight.
  std::uint32_t lead_days = 0;
  bool operator==(const protocol_item&) const = default;
};

/// One task that a protocol asks for.
struct protocol_occasion {
  std::uint32_t item = 0;  ///< Its place in the plan.
  std::uint32_t cycle = 0;
  std::int32_t day = 0;
  auto operator<=>(const protocol_occasion&) const = default;
};

struct protocol_state {
  std::string name, zone;
  std::uint32_t cycle_days = 0;
  std::vector<absl::CivilDay> day1;  ///< Of each cycle.
  std::vector<protocol_item> items;
  std::string starter;                                 ///< The requester of its tasks. Empty: the system.
  std::uint64_t version = 0;                           ///< How often people have changed it.
  std::uint32_t turn = 0;                              ///< How often it has asked for tasks.
  std::map<protocol_occasion, std::uint64_t> settled;  ///< The task of each that is not to come any more; 0: none was made.
  std::optional<instant> next;                         ///< When it asks for tasks next; none: it has asked for all.
  bool operator==(const protocol_state&) const = default;
};

struct protocols_state {
  /// Those that still ask for tasks, or have open ones.
  std::map<protocol_key, protocol_state> running;
  std::set<protocol_key> ended;
  bool operator==(const protocols_state&) const = default;
};

/// Whether the action is a command on protocols.
bool on_protocols(v1::Command::ActionCase action);
/// StartProtocol, MoveCycle, StopProtocol, FireProtocolTimer.
outcome<facts> decide_protocol(const protocols_state& state, const tasks_state& tasks, const v1::Command& command, const actor& who,
                               const task_context& context);
/// Any entry, after the tasks have it: a protocol that has asked for all ends with the last of its tasks.
void apply_protocols(protocols_state& state, const tasks_state& tasks, const v1::Entry& entry);

/// The protocol whose timer an entry may have set, moved or ended; an empty id: none.
protocol_key timed_protocol(const v1::Entry& entry);
/// Puts the timer of one protocol on the record's board, or takes it off (G5).
void keep_timer(timer_board& board, const protocols_state& state, const protocol_key& protocol, std::string_view patient_id,
                std::uint64_t record_version);

}  // namespace careteam::care

// The days and instants of a protocol, in the patient's time zone (D8), and its shape in commands, entries and snapshots.
#pragma once

#include <absl/time/time.h>

#include <optional>
#include <vector>

#include "care/protocol.hpp"

namespace careteam::care {

/// The protocol of a plan before anything is made of it. What is malformed is left out: `check_plan` refuses it before.
protocol_state protocol_of(const v1::ProtocolPlan& plan);
void put_plan(v1::ProtocolPlan& to, const protocol_state& protocol, const std::string& id, const std::string& patient_id);
/// The plan's shape, not yet whom its orders name. `path`: the JSON path of the plan in its command.
outcome<void> check_plan(const v1::ProtocolPlan& plan, const std::string& path);

void put_occasion(v1::ProtocolDay& to, const protocol_state& protocol, const protocol_occasion& one);
/// Nothing: the protocol has no such item.
std::optional<protocol_occasion> occasion_of(const protocol_state& protocol, const v1::ProtocolDay& day);

/// Everything that a protocol asks for, by item, cycle and day.
std::vector<protocol_occasion> occasions(const protocol_state& protocol);
/// On which day; days before the next cycle move with that one.
absl::CivilDay date_of(const protocol_state& protocol, const protocol_occasion& one);
/// When it is to be due.
instant scheduled_at(const protocol_state& protocol, const protocol_occasion& one, const absl::TimeZone& zone);
/// When it is asked for.
instant asked_at(const protocol_state& protocol, const protocol_occasion& one, const absl::TimeZone& zone);
/// When a task that is asked for now is due: as scheduled; where that has come, at the end of its day; where that is over, as by priority.
instant due_from(const protocol_state& protocol, const protocol_occasion& one, const absl::TimeZone& zone, instant now,
                 const task_policy& policy);
/// Whether its day is over.
bool is_over(const protocol_state& protocol, const protocol_occasion& one, const absl::TimeZone& zone, instant now);

/// Cycle `cycle` begins on `day1`, and all later ones are moved by as many days. What moves and was not asked for because its day was over
/// is open again.
void move_cycle(protocol_state& protocol, std::uint32_t cycle, absl::CivilDay day1);
/// Whether it moves with that cycle.
bool moves_with(std::uint32_t cycle, const protocol_occasion& one);
/// When the next of what is not settled is asked for.
std::optional<instant> next_of(const protocol_state& protocol, const absl::TimeZone& zone);

}  // namespace careteam::care

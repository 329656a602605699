// Between the messages about a duty's roster and the plain structs of it. What is malformed is nothing.
#pragma once

#include <optional>
#include <string>

#include "care/duty.hpp"
#include "careteam/v1/duties.pb.h"

namespace careteam::care {

/// The zone of this name, as the machine's tzdata has it; nothing: there is none, or it is no name of a zone.
std::optional<absl::TimeZone> zone_named(const std::string& name);

/// The day of a date such as "2026-12-01"; nothing: there is none such between 1900 and 2200.
std::optional<absl::CivilDay> day_of(const std::string& text);
std::string text_of(absl::CivilDay day);

std::optional<time_span> span_of(const v1::Period& period);
void put_span(v1::Period& to, const time_span& span);

/// Whether its times, days and people go with a roster is `refused`'s to say.
std::optional<roster_rotation> rotation_of(const v1::Rotation& from);
void put_rotation(v1::Rotation& to, const roster_rotation& from);

std::optional<roster_turn> turn_of(const v1::RosterTurn& from);
void put_turn(v1::RosterTurn& to, const roster_turn& from);

/// A leave as its entry tells it.
roster_leave leave_of(const v1::LeaveEntered& from);

duty_definition definition_of(const v1::Duty& from);
void put_definition(v1::Duty& to, const duty_definition& from);

}  // namespace careteam::care

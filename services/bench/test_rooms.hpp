// The rooms that are put under load: patients room-000 …, each with ten or so nurses u-000-0 …, of their own.
// The generator posts to these and to no other patient: what is posted stays, and must not end in the record of somebody real.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>

namespace careteam::bench {

std::string room_name(std::uint32_t room);
std::string person_name(std::uint32_t room, std::uint32_t member);

/// Writes the rooms as FHIR R4 NDJSON for `careteam import`, and the ids of the nurses, one a line, for `careteam token --subjects-file`.
/// Each nurse is in one room only, so that nobody moves from one patient to another within the time that the wrong-patient guard watches.
void write_test_rooms(std::uint32_t rooms, std::uint32_t members, std::ostream& resources, std::ostream& people);

}  // namespace careteam::bench

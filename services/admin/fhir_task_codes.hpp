// How our tasks are written in FHIR R4 Task where FHIR has no field or code of its own: read by the import, written by the export.
#pragma once

#include <string>
#include <string_view>

#include "careteam/v1/model.pb.h"

namespace careteam::admin::task_codes {

// Coding systems.
inline constexpr std::string_view kind_system = "urn:careteam:task-kind";               ///< Task.code: care, call, review …
inline constexpr std::string_view business_status_system = "urn:careteam:task-status";  ///< Task.businessStatus: escalated-L1, no-response.
inline constexpr std::string_view role_system = "urn:careteam:role";                    ///< Task.performerType: a role of the roles' table.
inline constexpr std::string_view handoff_kind = "handoff";  ///< Task.code of a handoff (domain 3.2), beside the kinds.

// Identifier systems.
inline constexpr std::string_view task_system = "urn:careteam:task";    ///< Task.identifier: where it began, "<patient>/clinical/17".
inline constexpr std::string_view entry_system = "urn:careteam:entry";  ///< An entry of the task's record: "clinical/17".
inline constexpr std::string_view duty_system = "urn:careteam:duty";    ///< PractitionerRole.identifier: a duty's id.
inline constexpr std::string_view protocol_system =
    "urn:careteam:protocol";  ///< CarePlan.identifier, Task.groupIdentifier: "<patient>/clinical/capecitabine".

// Extensions of Task.
inline constexpr std::string_view stream_extension = "urn:careteam:stream";  ///< valueCode: who reads it: shared, clinical, support.
inline constexpr std::string_view duty_extension = "urn:careteam:duty";      ///< valueId: the duty that is asked.
inline constexpr std::string_view ladder_extension =
    "urn:careteam:ladder";  ///< One step: valueReference, valueCode (role), valueId (duty).
inline constexpr std::string_view read_back_extension = "urn:careteam:read-back";              ///< valueBoolean.
inline constexpr std::string_view two_person_extension = "urn:careteam:two-person";            ///< valueBoolean.
inline constexpr std::string_view required_output_extension = "urn:careteam:required-output";  ///< valueString: an output's name.
inline constexpr std::string_view resume_at_extension = "urn:careteam:resume-at";              ///< valueDateTime: when a pause is over.
inline constexpr std::string_view follows_extension = "urn:careteam:follows";    ///< valueCode: why it follows the task in partOf.
inline constexpr std::string_view stopping_extension = "urn:careteam:stopping";  ///< valueBoolean: cancelled, its owner has not stopped.
// Extension of Task.input.
inline constexpr std::string_view unit_extension = "urn:careteam:unit";  ///< valueString: the unit of a fact.

/// "call"; empty for what is none.
std::string kind_code(v1::TaskKind kind);
/// Unspecified: there is no such kind.
v1::TaskKind kind_of(std::string_view code);
/// "urgent", FHIR's request-priority; empty for what is none.
std::string priority_code(v1::Priority priority);
/// Unspecified: there is no such priority.
v1::Priority priority_of(std::string_view code);
/// "clinical"; empty for what is no stream that holds tasks.
std::string stream_code(v1::Stream stream);
/// Unspecified: no tasks are in such a stream.
v1::Stream stream_of(std::string_view code);
/// "no-response"; empty for what is no rule.
std::string rule_code(v1::TaskRule rule);

}  // namespace careteam::admin::task_codes

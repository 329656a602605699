// People as FHIR describes them: the ids that they get here, their names, how to reach them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/fhir_resources.hpp"
#include "care/organization.hpp"
#include "careteam/v1/model.pb.h"

namespace careteam::admin {

/// The kinds of people that FHIR has resources for: Patient, Practitioner, RelatedPerson.
[[nodiscard]] std::optional<careteam::v1::PersonKind> person_kind_of(std::string_view resource_type);

/// The person id of Type/id. Injective, and needs no memory of other files: "p.<id>" for a Patient, "s." for a Practitioner, "r." for a
/// RelatedPerson; an id that would be too long is cut and carries its SHA-256 ("sh.…"). `kind` is one of person_kind_of.
[[nodiscard]] std::string person_id_of(careteam::v1::PersonKind kind, std::string_view id);

/// The person id of a contained resource, whose id means something inside its container only: "sc.<id>.<SHA-256 of container and id>".
[[nodiscard]] std::string contained_person_id_of(careteam::v1::PersonKind kind, std::string_view id, std::string_view key);

/// Whether an id looks like one that person_id_of or contained_person_id_of gives: nobody may choose those.
[[nodiscard]] bool is_derived_person_id(std::string_view id);

/// The value of the identifier in person_id_system; empty if there is none. Fails the unit if it is not an id, reserved, or two different
/// ones.
[[nodiscard]] std::string chosen_person_id(const fhir_node& body);

/// The name as a patient should read it, from FHIR HumanNames: official, then usual, then one without a use, then the others; its text, or
/// else prefix, given, family, suffix. Empty if there is none.
[[nodiscard]] std::string name_of(const fhir_node& names);

/// The first current phone number, or else the first e-mail address. Empty if there is none.
[[nodiscard]] std::string reach_of(const fhir_node& telecoms);

/// How the person is called outside: the telecoms that have a rank, in its order. One without a rank is for the roster only: nobody is
/// called by the way. What no channel takes (a fax, a number with letters) is left out.
[[nodiscard]] std::vector<care::contact_point> contacts_of(const fhir_node& telecoms);

/// PractitionerRole.availableTime in words: "mon tue wed 09:00-16:30; thu all day". Empty if there is none.
[[nodiscard]] std::string hours_of(const fhir_node& available_times);

}  // namespace careteam::admin

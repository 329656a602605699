// What every message that enters must satisfy before anybody looks at its meaning: no unknown fields, no unknown enum values.
#pragma once

#include <google/protobuf/message.h>

#include <optional>
#include <string>

namespace careteam::care {

/// The path (JSON names) of the first unknown field or enum value in `message`; nothing when it is closed under the contract.
std::optional<std::string> first_unknown(const google::protobuf::Message& message);

/// The path of the first text with a zero character: it would end there in some of the systems behind us.
std::optional<std::string> first_zero(const google::protobuf::Message& message);

/// How many elements all lists in `message` have together, those within elements included.
std::size_t element_count(const google::protobuf::Message& message);

/// A FHIR id: [A-Za-z0-9-.]{1,64}.
bool is_fhir_id(std::string_view text);

}  // namespace careteam::care

// Names that stand twice in a JSON object. Protobuf's own reader takes the last of them; another reader takes the first, and then the two
// disagree on what was said. So such a frame is refused, and so is what is no JSON: protobuf's reader takes more than that.
#pragma once

#include <string_view>

namespace careteam::gateway {

inline constexpr std::size_t max_json_depth = 100;

/// Of one object: several times the fields of our largest message. It keeps the comparing of names cheap.
inline constexpr std::size_t max_json_names = 100;

enum class json_verdict { good, repeated_key, too_many_names, not_json };

/// Reads a JSON text for its shape alone. Two spellings of one protobuf field ("patientId", "patient_id") are the same name.
json_verdict check_json_keys(std::string_view text);

}  // namespace careteam::gateway

// A message of any type out of an input's bytes: every field that the type knows, and none that it does not.
#pragma once

#include <google/protobuf/message.h>

#include "fuzz.hpp"

namespace careteam::fuzz {

/// Sets fields of `message` until the source says "enough" or is empty. Strings are valid UTF-8, zero characters included; enum values
/// may be unknown ones; times are mostly such as the JSON mapping can write.
void make_message(byte_source& from, google::protobuf::Message& message);

}  // namespace careteam::fuzz

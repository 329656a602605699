// What tells one command's body, or one fact of an import, from another (F3).
#pragma once

#include <string_view>

#include "careteam/v1/commands.pb.h"
#include "store/store.hpp"

namespace careteam::coordination {

/// The first half of the SHA-256 of these bytes. Throws std::runtime_error where OpenSSL has no SHA-256.
store::uuid_bytes digest_of(std::string_view bytes);

/// Of the command's encoding, which is the same whether it came as JSON or as protobuf.
store::uuid_bytes digest_of(const v1::Command& command);

}  // namespace careteam::coordination

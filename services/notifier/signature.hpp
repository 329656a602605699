// How what goes to a gateway and comes from one is signed: HMAC-SHA256 over "<timestamp>.<body>", in hexadecimal digits after "v1=".
//
//   CareTeam-Timestamp: 1772348400
//   CareTeam-Signature: v1=5257a869…
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace careteam::notifier {

inline constexpr std::string_view timestamp_header = "CareTeam-Timestamp";
inline constexpr std::string_view signature_header = "CareTeam-Signature";
/// A message whose timestamp is further away than this is a replay, or of a clock that is wrong.
inline constexpr std::chrono::minutes replay_window{5};
inline constexpr std::size_t least_secret_bytes = 16;

/// The value of the signature's header. `timestamp`: seconds since 1970, in decimal digits, exactly as the other header says it.
std::string signature_of(std::string_view secret, std::string_view timestamp, std::string_view body);

/// Whether the body was signed with the secret at about this time. The time that it takes tells nothing of the signature.
bool is_authentic(std::string_view secret, std::string_view timestamp, std::string_view signature, std::string_view body,
                  std::chrono::system_clock::time_point now);

}  // namespace careteam::notifier

// What gateways tell each other about presence, as bytes. Person ids only; internal to this folder.
//
//   u8 format (1) · u8 kind · u8 length, gateway · u64 sequence · u32 count · count × { u8 online · u16 length, person }   (big endian)
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace careteam::redis {

constexpr std::size_t max_person_bytes = 128;
constexpr std::size_t max_gateway_bytes = 64;
/// In one message; what is left goes with the next tick.
constexpr std::size_t max_changes_per_message = 2048;

enum class presence_kind : std::uint8_t {
  changes = 1,    ///< Some people came or went. Moves the sequence by one.
  heartbeat = 2,  ///< The gateway lives; the sequence is that of its last changes.
  announced = 3,  ///< The gateway has written its people anew: read them.
  gone = 4        ///< The gateway has stopped in order.
};

struct presence_change {
  std::string person;
  bool online = false;
};

struct presence_message {
  presence_kind kind = presence_kind::heartbeat;
  std::string gateway;
  std::uint64_t sequence = 0;
  std::vector<presence_change> changes;
};

std::string encode(const presence_message& message);
/// Nothing when the bytes are not exactly one well-formed message.
std::optional<presence_message> decode_presence(std::string_view bytes);

}  // namespace careteam::redis

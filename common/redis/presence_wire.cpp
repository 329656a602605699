#include "redis/presence_wire.hpp"

#include "redis/big_endian.hpp"

namespace careteam::redis {

namespace {
constexpr std::uint8_t format = 1;
}

std::string encode(const presence_message& message) {
  std::string out;
  out.reserve(16 + message.gateway.size() + message.changes.size() * 40);
  append_number(out, format);
  append_number(out, static_cast<std::uint8_t>(message.kind));
  append_number(out, static_cast<std::uint8_t>(message.gateway.size()));
  out += message.gateway;
  append_number(out, message.sequence);
  append_number(out, static_cast<std::uint32_t>(message.changes.size()));
  for (const auto& change : message.changes) {
    append_number(out, static_cast<std::uint8_t>(change.online ? 1 : 0));
    append_number(out, static_cast<std::uint16_t>(change.person.size()));
    out += change.person;
  }
  return out;
}

std::optional<presence_message> decode_presence(std::string_view bytes) {
  byte_cursor cursor(bytes);
  if (cursor.number<std::uint8_t>() != format) return {};
  const auto kind = cursor.number<std::uint8_t>();
  if (kind < static_cast<std::uint8_t>(presence_kind::changes) || kind > static_cast<std::uint8_t>(presence_kind::gone)) return {};
  presence_message message;
  message.kind = static_cast<presence_kind>(kind);
  message.gateway = cursor.text(cursor.number<std::uint8_t>());
  message.sequence = cursor.number<std::uint64_t>();
  const auto count = cursor.number<std::uint32_t>();
  if (cursor.failed() || message.gateway.empty() || message.gateway.size() > max_gateway_bytes) return {};
  if (count > max_changes_per_message) return {};
  message.changes.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto online = cursor.number<std::uint8_t>();
    const auto person = cursor.text(cursor.number<std::uint16_t>());
    if (cursor.failed() || online > 1 || person.empty() || person.size() > max_person_bytes) return {};
    message.changes.push_back({std::string(person), online == 1});
  }
  if (!cursor.rest().empty()) return {};
  return message;
}

}  // namespace careteam::redis

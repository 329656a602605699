// Reads just what a load generator needs out of encoded ServerFrames, without building messages: at 400,000 entries a second the
// generated classes would make the generator the bottleneck. The field numbers are those of proto/careteam/v1; tests/unit/bench
// holds them against the generated code.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace careteam::bench {

using byte_view = std::span<const std::uint8_t>;

/// Every text of a message or title of a task starts with the nanoseconds of CLOCK_MONOTONIC at which it was to be sent, in this many
/// lower-case hexadecimal digits.
inline constexpr std::size_t stamp_digits = 16;
/// UUID in canonical text form (RFC 9562 §4).
inline constexpr std::size_t command_id_digits = 36;

inline std::string_view as_text(byte_view bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Calls on_field(number, varint, bytes) for each field in order; `bytes` is set for length-delimited fields only. False: malformed.
template <class OnField>
bool scan_fields(byte_view message, OnField&& on_field) {
  const std::uint8_t* at = message.data();
  const std::uint8_t* const end = at + message.size();
  const auto varint = [&at, end](std::uint64_t& value) noexcept {
    value = 0;
    for (unsigned shift = 0; at != end && shift < 64; shift += 7) {
      const std::uint8_t byte = *at++;
      value |= static_cast<std::uint64_t>(byte & 0x7fU) << shift;
      if (byte < 0x80) return true;
    }
    return false;
  };
  while (at != end) {
    std::uint64_t tag = 0;
    std::uint64_t value = 0;
    if (!varint(tag)) return false;
    byte_view bytes;
    switch (tag & 7U) {
      case 0:
        if (!varint(value)) return false;
        break;
      case 1:
        if (end - at < 8) return false;
        at += 8;
        break;
      case 2:
        if (!varint(value) || value > static_cast<std::uint64_t>(end - at)) return false;
        bytes = {at, static_cast<std::size_t>(value)};
        at += value;
        break;
      case 5:
        if (end - at < 4) return false;
        at += 4;
        break;
      default:
        return false;
    }
    on_field(static_cast<std::uint32_t>(tag >> 3U), value, bytes);
  }
  return true;
}

/// Digits to a number; false when one of them is not a lower-case hexadecimal digit.
inline bool read_hex(std::string_view digits, std::uint64_t& value) noexcept {
  value = 0;
  for (const char c : digits) {
    unsigned digit = 0;
    if (c >= '0' && c <= '9') {
      digit = static_cast<unsigned>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digit = static_cast<unsigned>(c - 'a') + 10U;
    } else {
      return false;
    }
    value = value << 4U | digit;
  }
  return true;
}

inline void write_hex(char* to, std::size_t digits, std::uint64_t value) noexcept {
  for (std::size_t i = digits; i-- > 0; value >>= 4U) to[i] = "0123456789abcdef"[value & 0xfU];
}

/// The numbers of Entry's facts that carry a stamp.
namespace entry_field {
inline constexpr std::uint32_t message_posted = 20;
inline constexpr std::uint32_t task_requested = 61;
}  // namespace entry_field

/// What is read of an Entry.
struct scanned_entry {
  std::string_view patient_id;
  std::uint32_t stream = 0;
  std::uint64_t seq = 0;
  std::uint64_t stamp_ns = 0;  ///< 0: neither a message nor a task that a load generator asked for.
};

inline bool scan_entry(byte_view bytes, scanned_entry& entry) {
  byte_view fact;
  // Field 1 in field 1 of a message is its text; field 2 in field 2 of a task its title.
  std::uint32_t path_field = 0;
  if (!scan_fields(bytes, [&](std::uint32_t field, std::uint64_t value, byte_view inner) {
        if (field == 1) entry.patient_id = as_text(inner);
        if (field == 2) entry.stream = static_cast<std::uint32_t>(value);
        if (field == 3) entry.seq = value;
        if (field != entry_field::message_posted && field != entry_field::task_requested) return;
        fact = inner;
        path_field = field == entry_field::message_posted ? 1 : 2;
      })) {
    return false;
  }
  if (fact.empty()) return true;
  byte_view content;
  byte_view text;
  if (!scan_fields(fact, [&](std::uint32_t field, std::uint64_t, byte_view inner) {
        if (field == path_field) content = inner;
      })) {
    return false;
  }
  if (!scan_fields(content, [&](std::uint32_t field, std::uint64_t, byte_view inner) {
        if (field == path_field) text = inner;
      })) {
    return false;
  }
  if (text.size() >= stamp_digits && !read_hex(as_text(text.first(stamp_digits)), entry.stamp_ns)) entry.stamp_ns = 0;
  return true;
}

/// What is read of a Committed.
struct scanned_committed {
  std::string_view command_id;
  std::string_view patient_id;
  std::uint32_t stream = 0;
  std::uint64_t seq = 0;
};

inline bool scan_committed(byte_view bytes, scanned_committed& committed) {
  return scan_fields(bytes, [&](std::uint32_t field, std::uint64_t value, byte_view inner) {
    if (field == 1) committed.command_id = as_text(inner);
    if (field == 2) committed.patient_id = as_text(inner);
    if (field == 3) committed.stream = static_cast<std::uint32_t>(value);
    if (field == 4) committed.seq = value;
  });
}

/// What is read of a Refused.
struct scanned_refused {
  std::string_view command_id;
  std::int32_t code = 0;
  std::string_view field;
  std::uint32_t retry_after_ms = 0;
};

inline bool scan_refused(byte_view bytes, scanned_refused& refused) {
  return scan_fields(bytes, [&](std::uint32_t number, std::uint64_t value, byte_view inner) {
    if (number == 1) refused.command_id = as_text(inner);
    if (number == 2) refused.code = static_cast<std::int32_t>(value);
    if (number == 3) refused.field = as_text(inner);
    if (number == 6) refused.retry_after_ms = static_cast<std::uint32_t>(value);
  });
}

/// The numbers of ServerFrame's fields that matter here.
namespace frame_field {
inline constexpr std::uint32_t entries = 1;
inline constexpr std::uint32_t committed = 2;
inline constexpr std::uint32_t refused = 3;
inline constexpr std::uint32_t welcome = 4;
inline constexpr std::uint32_t resets = 5;
inline constexpr std::uint32_t gained = 7;
inline constexpr std::uint32_t revoked = 8;
inline constexpr std::uint32_t drain = 14;
}  // namespace frame_field

}  // namespace careteam::bench

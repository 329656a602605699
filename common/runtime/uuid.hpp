// UUIDs of version 7 (RFC 9562 §5.7): the ids of commands and of everything that clients create.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace careteam::runtime {

/// In network order, as stored and sent.
using uuid_bytes = std::array<std::uint8_t, 16>;

inline constexpr std::size_t uuid_text_size = 36;

/// Reads the canonical text (8-4-4-4-12 hexadecimal digits, either case). Nothing else is accepted: no braces, no prefix, no spaces, no
/// other version than 7, no other variant than 10x. Does not allocate.
[[nodiscard]] std::optional<uuid_bytes> parse_uuid7(std::string_view text) noexcept;

/// The canonical lower-case text of any UUID. Does not allocate.
[[nodiscard]] std::array<char, uuid_text_size> format_uuid(const uuid_bytes& id) noexcept;
[[nodiscard]] std::string uuid_text(const uuid_bytes& id);

/// A new UUID of the given time with 74 random bits from the kernel. Ids of the same millisecond are in no order.
/// Times before 1970 count as 1970.
[[nodiscard]] uuid_bytes generate_uuid7(std::chrono::system_clock::time_point now);

/// The time that a version 7 UUID carries: its creator's claim, not a fact. It reaches to the year 10889, past what
/// system_clock::time_point can hold.
[[nodiscard]] std::chrono::sys_time<std::chrono::milliseconds> time_of(const uuid_bytes& id) noexcept;

}  // namespace careteam::runtime

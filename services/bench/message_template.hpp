// A PostMessage command, encoded once; for each message only the command id and the time stamp are written into it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace careteam::bench {

/// Fits into the last 12 digits of a UUID.
inline constexpr std::uint64_t max_command_number = (1ULL << 48U) - 1;

/// Makes UUIDv7s (RFC 9562 §5.7) that carry the number of their command in the last 12 digits.
class command_ids {
 public:
  /// `random`: tells this run's ids from any other's.
  explicit command_ids(std::uint64_t random) noexcept : random_{random} {}

  /// Writes command_id_digits characters. `unix_ms`: the time part.
  void write(char* to, std::uint64_t unix_ms, std::uint64_t number) const noexcept;

 private:
  std::uint64_t random_;
};

class message_template {
 public:
  /// `text_bytes` at least stamp_digits; `stream` a number of careteam.v1.Stream.
  message_template(std::string_view patient_id, int stream, std::size_t text_bytes);

  /// The encoded ClientFrame with this id and stamp; valid until the next call.
  std::string_view fill(const command_ids& ids, std::uint64_t unix_ms, std::uint64_t number, std::uint64_t stamp_ns) noexcept;

 private:
  std::string bytes_;
  std::size_t id_at_ = 0;
  std::size_t stamp_at_ = 0;
};

}  // namespace careteam::bench

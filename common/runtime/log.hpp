// The log: one JSON object per line on stderr, written by one write(2), so that lines of several threads never mix.
//
//   log_info("listening", {{"address", address}, {"port", port}});
//   {"time":"2026-03-01T07:00:00.042Z","level":"info","event":"listening","address":"127.0.0.1","port":8080}
//
// Events and field names are literals that are checked when compiling; values are ids, numbers, durations, truth values and error codes.
// A patient's text (phi_text), a secret and a protobuf message are no values: logging one does not compile. Any thread.
#pragma once

#include <boost/system/error_code.hpp>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <system_error>
#include <variant>

#include "runtime/phi_text.hpp"
#include "runtime/secret_text.hpp"

namespace careteam::runtime {

enum class log_level { debug, info, warning, error };

/// "debug", "info", "warning" or "error".
std::string_view name_of(log_level level) noexcept;

/// A longer string value is cut: a log holds ids, not texts.
inline constexpr std::size_t max_log_value_bytes = 512;
/// Fields past this are dropped.
inline constexpr std::size_t max_log_fields = 24;

/// Whether the text may name an event or a field: snake_case, at most 64 characters, and none of the names that every line has.
constexpr bool is_log_name(std::string_view text) noexcept {
  if (text.empty() || text.size() > 64 || text == "time" || text == "level" || text == "event") return false;
  if (text.front() < 'a' || text.front() > 'z') return false;
  for (const char c : text) {
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_')) return false;
  }
  return true;
}

/// The name of an event or a field. Only literals are accepted, so a name never carries a value.
class log_name {
 public:
  template <std::size_t N>
  consteval log_name(const char (&literal)[N]) : text_(literal, N - 1) {  // NOLINT: implicit, so that calls stay readable.
    if (!is_log_name(text_)) throw "an event or field name is snake_case and not time, level or event";
  }
  [[nodiscard]] constexpr std::string_view text() const noexcept { return text_; }

 private:
  std::string_view text_;
};

/// A protobuf message: it may hold a patient's text.
template <class T>
concept protobuf_message = requires(const T& message) {
  message.ByteSizeLong();
};

/// One field of a line. It views its value: use it only as an argument of the log functions.
class log_field {
 public:
  /// An id, a name of ours, a path or an address.
  log_field(log_name name, std::string_view value) noexcept : name_(name), value_(value) {}
  log_field(log_name name, const std::string& value) noexcept : name_(name), value_(std::string_view(value)) {}
  log_field(log_name name, const char* value) noexcept : name_(name), value_(std::string_view(value)) {}
  log_field(log_name name, std::same_as<bool> auto value) noexcept : name_(name), value_(value) {}
  template <std::integral T>
  requires(!std::same_as<T, bool> && !std::same_as<T, char>) log_field(log_name name, T value)
  noexcept : name_(name), value_(widened(value)) {}
  /// A duration is logged in milliseconds with three decimals, under the name with "_ms" appended.
  template <class Rep, class Period>
  log_field(log_name name, std::chrono::duration<Rep, Period> value) noexcept
      : name_(name), value_(std::chrono::duration_cast<std::chrono::microseconds>(value)) {}
  log_field(log_name name, const boost::system::error_code& value) noexcept : name_(name), value_(value) {}
  log_field(log_name name, const std::error_code& value) noexcept : name_(name), value_(value) {}

  log_field(log_name name, const phi_text& value) = delete;
  log_field(log_name name, const secret_text& value) = delete;
  template <protobuf_message T>
  log_field(log_name name, const T& value) = delete;

 private:
  friend class log_line;
  using value_type = std::variant<std::string_view, bool, std::int64_t, std::uint64_t, std::chrono::microseconds, boost::system::error_code,
                                  std::error_code>;

  template <class T>
  static auto widened(T value) noexcept {
    if constexpr (std::is_signed_v<T>) {
      return static_cast<std::int64_t>(value);
    } else {
      return static_cast<std::uint64_t>(value);
    }
  }

  log_name name_;
  value_type value_;
};

using log_fields = std::initializer_list<log_field>;

void log_debug(log_name event, log_fields fields = {});
void log_info(log_name event, log_fields fields = {});
void log_warning(log_name event, log_fields fields = {});
void log_error(log_name event, log_fields fields = {});

/// Lines below this level are not written. Default: info.
void set_log_level(log_level least) noexcept;
[[nodiscard]] log_level current_log_level() noexcept;

/// Where lines go. Default: 2 (stderr). The descriptor stays the caller's.
void set_log_descriptor(int descriptor) noexcept;

/// Lines that could not be written, in whole or in part, since the start (for a metric). A log that cannot be written never stops the
/// process.
[[nodiscard]] std::uint64_t lost_log_lines() noexcept;

}  // namespace careteam::runtime

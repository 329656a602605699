#include "runtime/log.hpp"

#include <unistd.h>

#include <atomic>
#include <boost/json/serialize.hpp>
#include <cerrno>
#include <cstdio>
#include <string>

#include "runtime/printable_text.hpp"
#include "runtime/time_text.hpp"

namespace careteam::runtime {
namespace {

std::atomic<log_level> least_level{log_level::info};
std::atomic<int> descriptor_in_use{STDERR_FILENO};
std::atomic<std::uint64_t> lost_lines{0};

void write_line(std::string_view line) noexcept {
  const int descriptor = descriptor_in_use.load(std::memory_order_relaxed);
  ssize_t written = 0;
  do {
    written = ::write(descriptor, line.data(), line.size());
  } while (written < 0 && errno == EINTR);
  // A full pipe or disk: waiting would stop the event loop, and a second write could mix with another thread's line.
  if (written != static_cast<ssize_t>(line.size())) lost_lines.fetch_add(1, std::memory_order_relaxed);
}

std::string in_quotes(std::string_view text) {
  const std::string safe = printable(text, max_log_value_bytes);
  return boost::json::serialize(boost::json::string_view(safe.data(), safe.size()));
}

std::string milliseconds_text(std::chrono::microseconds value) {
  const bool negative = value.count() < 0;
  // Unsigned, because the least count has no positive counterpart.
  const auto count = static_cast<std::uint64_t>(value.count());
  const std::uint64_t magnitude = negative ? ~count + 1 : count;
  char text[40];
  const int length = std::snprintf(text, sizeof text, "%s%llu.%03u", negative ? "-" : "", static_cast<unsigned long long>(magnitude / 1000),
                                   static_cast<unsigned>(magnitude % 1000));
  return std::string(text, static_cast<std::size_t>(length));
}

}  // namespace

/// Builds one line.
class log_line {
 public:
  log_line(log_level level, log_name event) {
    text_.reserve(256);
    text_.append("{\"time\":\"").append(rfc3339(std::chrono::system_clock::now()));
    text_.append("\",\"level\":\"").append(name_of(level));
    text_.append("\",\"event\":\"").append(event.text()).append("\"");
  }

  void add(const log_field& field) {
    text_.append(",\"").append(field.name_.text());
    std::visit([this](const auto& value) { append_value(value); }, field.value_);
  }

  std::string_view finished() {
    text_.append("}\n");
    return text_;
  }

 private:
  void append_value(std::string_view value) { text_.append("\":").append(in_quotes(value)); }
  void append_value(bool value) { text_.append(value ? "\":true" : "\":false"); }
  void append_value(std::int64_t value) { text_.append("\":").append(std::to_string(value)); }
  void append_value(std::uint64_t value) { text_.append("\":").append(std::to_string(value)); }
  void append_value(std::chrono::microseconds value) { text_.append("_ms\":").append(milliseconds_text(value)); }
  void append_value(const boost::system::error_code& value) { append_error(value); }
  void append_value(const std::error_code& value) { append_error(value); }

  template <class ErrorCode>
  void append_error(const ErrorCode& value) {
    std::string text = value.category().name();
    text.append(":").append(std::to_string(value.value())).append(" ").append(value.message());
    text_.append("\":").append(in_quotes(text));
  }

  std::string text_;
};

namespace {

void log_at(log_level level, log_name event, log_fields fields) {
  if (level < least_level.load(std::memory_order_relaxed)) return;
  log_line line(level, event);
  std::size_t count = 0;
  for (const log_field& field : fields) {
    if (++count > max_log_fields) break;
    line.add(field);
  }
  write_line(line.finished());
}

}  // namespace

std::string_view name_of(log_level level) noexcept {
  switch (level) {
    case log_level::debug:
      return "debug";
    case log_level::info:
      return "info";
    case log_level::warning:
      return "warning";
    case log_level::error:
      return "error";
  }
  return "error";
}

void log_debug(log_name event, log_fields fields) {
  log_at(log_level::debug, event, fields);
}
void log_info(log_name event, log_fields fields) {
  log_at(log_level::info, event, fields);
}
void log_warning(log_name event, log_fields fields) {
  log_at(log_level::warning, event, fields);
}
void log_error(log_name event, log_fields fields) {
  log_at(log_level::error, event, fields);
}

void set_log_level(log_level least) noexcept {
  least_level.store(least, std::memory_order_relaxed);
}
log_level current_log_level() noexcept {
  return least_level.load(std::memory_order_relaxed);
}
void set_log_descriptor(int descriptor) noexcept {
  descriptor_in_use.store(descriptor, std::memory_order_relaxed);
}
std::uint64_t lost_log_lines() noexcept {
  return lost_lines.load(std::memory_order_relaxed);
}

}  // namespace careteam::runtime

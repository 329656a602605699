// Numbers as big-endian bytes, written and read with bounds. Internal to this folder.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace careteam::redis {

template <std::unsigned_integral Number>
void append_number(std::string& out, Number value) {
  for (int shift = (static_cast<int>(sizeof(Number)) - 1) * 8; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>((static_cast<std::uint64_t>(value) >> shift) & 0xffU));
  }
}

/// Takes bytes from the front; once something is missing it stays failed and answers zeros and "".
class byte_cursor {
 public:
  explicit byte_cursor(std::string_view bytes) : rest_(bytes) {}

  template <std::unsigned_integral Number>
  Number number() {
    std::uint64_t value = 0;
    for (const char byte : text(sizeof(Number))) value = (value << 8U) | static_cast<unsigned char>(byte);
    return static_cast<Number>(value);
  }
  std::string_view text(std::size_t count) {
    if (failed_ || count > rest_.size()) {
      failed_ = true;
      return {};
    }
    const auto taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }
  std::string_view rest() const noexcept { return rest_; }
  bool failed() const noexcept { return failed_; }

 private:
  std::string_view rest_;
  bool failed_ = false;
};

}  // namespace careteam::redis

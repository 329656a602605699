// Bytes as text: two lower-case hexadecimal digits for each.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace careteam::runtime {

inline constexpr std::string_view hex_digits = "0123456789abcdef";

inline std::string to_hex(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const char byte : bytes) {
    text.push_back(hex_digits[static_cast<unsigned char>(byte) >> 4U]);
    text.push_back(hex_digits[static_cast<unsigned char>(byte) & 15U]);
  }
  return text;
}
/// Of the first `size` bytes.
inline std::string to_hex(const unsigned char* bytes, std::size_t size) {
  return to_hex(std::string_view(reinterpret_cast<const char*>(bytes), size));
}

}  // namespace careteam::runtime

// Bytes as lower-case hex. Internal to this folder.
#pragma once

#include <string>
#include <string_view>

namespace careteam::redis {

inline std::string to_hex(std::string_view bytes) {
  static constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char byte : bytes) {
    out.push_back(digits[static_cast<unsigned char>(byte) >> 4U]);
    out.push_back(digits[static_cast<unsigned char>(byte) & 15U]);
  }
  return out;
}

}  // namespace careteam::redis

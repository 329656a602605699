#include "runtime/printable_text.hpp"

#include <cstdint>

namespace careteam::runtime {
namespace {

struct character {
  std::size_t bytes;
  bool shown;
};

constexpr std::string_view replacement = "\xEF\xBF\xBD";
constexpr std::string_view ellipsis = "\xE2\x80\xA6";

bool obeyed_by_viewers(std::uint32_t code) {
  return (code >= 0x7F && code <= 0x9F) || code == 0x061C || code == 0x200E || code == 0x200F || (code >= 0x2028 && code <= 0x202E) ||
         (code >= 0x2066 && code <= 0x2069) || code == 0xFEFF;
}

/// The character at the front of a non-empty text. A byte that starts no valid UTF-8 sequence (RFC 3629) counts as one hidden character.
character front(std::string_view text) {
  const auto byte = [&](std::size_t at) { return static_cast<std::uint32_t>(static_cast<unsigned char>(text[at])); };
  const std::uint32_t first = byte(0);
  if (first < 0x80) return {1, !obeyed_by_viewers(first)};
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return {1, false};
  std::uint32_t code = first & (0xFFU >> (length + 1));
  for (std::size_t at = 1; at < length; ++at) {
    if ((byte(at) & 0xC0) != 0x80) return {1, false};
    code = (code << 6) | (byte(at) & 0x3F);
  }
  const bool overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
  const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  if (overlong || surrogate || code > 0x10FFFF) return {1, false};
  return {length, !obeyed_by_viewers(code)};
}

}  // namespace

std::string printable(std::string_view text, std::size_t max_bytes) {
  std::string shown;
  std::size_t cut = 0;  // Where the ellipsis goes, should the rest not fit.
  while (!text.empty()) {
    const character next = front(text);
    const std::string_view as = next.shown ? text.substr(0, next.bytes) : replacement;
    if (shown.size() + as.size() > max_bytes) {
      shown.resize(cut);
      return shown.append(ellipsis);
    }
    shown.append(as);
    if (shown.size() + ellipsis.size() <= max_bytes) cut = shown.size();
    text.remove_prefix(next.bytes);
  }
  return shown;
}

}  // namespace careteam::runtime

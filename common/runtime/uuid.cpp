#include "runtime/uuid.hpp"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "runtime/hex.hpp"

namespace careteam::runtime {
namespace {

constexpr std::uint8_t no_digit = 0xFF;

constexpr std::array<std::uint8_t, 256> make_digit_values() {
  std::array<std::uint8_t, 256> values{};
  values.fill(no_digit);
  for (std::uint8_t digit = 0; digit < 10; ++digit) values[static_cast<std::size_t>('0' + digit)] = digit;
  for (std::uint8_t digit = 0; digit < 6; ++digit) {
    values[static_cast<std::size_t>('a' + digit)] = static_cast<std::uint8_t>(10 + digit);
    values[static_cast<std::size_t>('A' + digit)] = static_cast<std::uint8_t>(10 + digit);
  }
  return values;
}

constexpr std::array<std::uint8_t, 256> digit_values = make_digit_values();
/// Where the two digits of each byte stand in the canonical text.
constexpr std::array<std::uint8_t, 16> byte_places = {0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34};
constexpr std::array<std::uint8_t, 4> dash_places = {8, 13, 18, 23};

}  // namespace

std::optional<uuid_bytes> parse_uuid7(std::string_view text) noexcept {
  if (text.size() != uuid_text_size) return std::nullopt;
  for (const std::uint8_t at : dash_places) {
    if (text[at] != '-') return std::nullopt;
  }
  uuid_bytes id{};
  std::uint8_t seen = 0;  // Collects the high bits: a digit's value never has one, no_digit does.
  for (std::size_t i = 0; i < id.size(); ++i) {
    const std::uint8_t high = digit_values[static_cast<unsigned char>(text[byte_places[i]])];
    const std::uint8_t low = digit_values[static_cast<unsigned char>(text[byte_places[i] + 1U])];
    seen = static_cast<std::uint8_t>(seen | high | low);
    id[i] = static_cast<std::uint8_t>((high << 4) | (low & 0x0F));
  }
  const bool version_7 = (id[6] >> 4) == 7;
  const bool variant_10 = (id[8] >> 6) == 2;
  if (seen > 0x0F || !version_7 || !variant_10) return std::nullopt;
  return id;
}

std::array<char, uuid_text_size> format_uuid(const uuid_bytes& id) noexcept {
  std::array<char, uuid_text_size> text{};
  text.fill('-');
  for (std::size_t i = 0; i < id.size(); ++i) {
    text[byte_places[i]] = hex_digits[id[i] >> 4];
    text[byte_places[i] + 1U] = hex_digits[id[i] & 0x0F];
  }
  return text;
}

std::string uuid_text(const uuid_bytes& id) {
  const auto text = format_uuid(id);
  return std::string(text.data(), text.size());
}

uuid_bytes generate_uuid7(std::chrono::system_clock::time_point now) {
  uuid_bytes id{};
  // Up to 256 bytes come whole once the kernel's generator is ready; before that, a signal can interrupt the wait.
  while (::getrandom(id.data(), id.size(), 0) != static_cast<ssize_t>(id.size())) {
    if (errno != EINTR) throw std::system_error(errno, std::system_category(), "getrandom");
  }
  const auto since_epoch = std::chrono::floor<std::chrono::milliseconds>(now.time_since_epoch()).count();
  const auto milliseconds = static_cast<std::uint64_t>(std::max<std::int64_t>(since_epoch, 0));
  for (std::size_t i = 0; i < 6; ++i) id[i] = static_cast<std::uint8_t>(milliseconds >> (8 * (5 - i)));
  id[6] = static_cast<std::uint8_t>(0x70 | (id[6] & 0x0F));
  id[8] = static_cast<std::uint8_t>(0x80 | (id[8] & 0x3F));
  return id;
}

std::chrono::sys_time<std::chrono::milliseconds> time_of(const uuid_bytes& id) noexcept {
  std::int64_t milliseconds = 0;
  for (std::size_t i = 0; i < 6; ++i) milliseconds = (milliseconds << 8) | id[i];
  return std::chrono::sys_time<std::chrono::milliseconds>(std::chrono::milliseconds(milliseconds));
}

}  // namespace careteam::runtime

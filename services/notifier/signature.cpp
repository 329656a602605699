#include "notifier/signature.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <charconv>

#include "identity/constant_time.hpp"

namespace careteam::notifier {
namespace {

std::string hex(const unsigned char* bytes, std::size_t size) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  text.reserve(2 * size);
  for (std::size_t i = 0; i < size; ++i) {
    text += digits[bytes[i] >> 4];
    text += digits[bytes[i] & 15];
  }
  return text;
}

}  // namespace

std::string signature_of(std::string_view secret, std::string_view timestamp, std::string_view body) {
  std::string told;
  told.reserve(timestamp.size() + 1 + body.size());
  told.append(timestamp).append(".").append(body);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), reinterpret_cast<const unsigned char*>(told.data()), told.size(),
       digest.data(), &size);
  return "v1=" + hex(digest.data(), size);
}

bool is_authentic(std::string_view secret, std::string_view timestamp, std::string_view signature, std::string_view body,
                  std::chrono::system_clock::time_point now) {
  std::int64_t seconds = 0;
  const char* const end = timestamp.data() + timestamp.size();
  const auto [stopped, failed] = std::from_chars(timestamp.data(), end, seconds);
  if (failed != std::errc() || stopped != end) return false;
  const auto here = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
  const auto window = std::chrono::seconds(replay_window).count();
  if (seconds < here - window || seconds > here + window) return false;
  return identity::equal_in_constant_time(signature_of(secret, timestamp, body), signature);
}

}  // namespace careteam::notifier

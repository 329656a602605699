#include "bench/websocket_client.hpp"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>

namespace careteam::bench {
namespace {

constexpr std::size_t max_answer_bytes = 16 * 1024;
constexpr std::uint64_t max_payload_bytes = 64ULL * 1024 * 1024;

std::string base64(const unsigned char* bytes, std::size_t size) {
  std::string text(4 * ((size + 2) / 3) + 1, '\0');
  const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes, static_cast<int>(size));
  text.resize(static_cast<std::size_t>(length));
  return text;
}

std::string accept_value(std::string_view key) {
  std::string text{key};
  text += "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest{};
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return base64(digest.data(), digest.size());
}

std::string lower(std::string_view text) {
  std::string result{text};
  std::transform(result.begin(), result.end(), result.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

/// The value of a header in an answer's head; empty when it is not there.
std::string_view header(std::string_view head, std::string_view name) {
  while (!head.empty()) {
    const auto end = head.find("\r\n");
    const auto line = head.substr(0, end);
    const auto colon = line.find(':');
    if (colon != std::string_view::npos && lower(line.substr(0, colon)) == name) {
      auto value = line.substr(colon + 1);
      while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
      while (!value.empty() && value.back() == ' ') value.remove_suffix(1);
      return value;
    }
    if (end == std::string_view::npos) break;
    head.remove_prefix(end + 2);
  }
  return {};
}

}  // namespace

taken take_frame(byte_view& bytes, server_frame_view& frame) noexcept {
  if (bytes.size() < 2) return taken::incomplete;
  const std::uint8_t first = bytes[0];
  const std::uint8_t second = bytes[1];
  if ((first & 0x70U) != 0 || (second & 0x80U) != 0) return taken::malformed;
  std::size_t at = 2;
  std::uint64_t length = second;
  const std::size_t extended = length == 126 ? 2 : length == 127 ? 8 : 0;
  if (extended != 0) {
    if (bytes.size() < at + extended) return taken::incomplete;
    length = 0;
    for (std::size_t i = 0; i < extended; ++i) length = length << 8U | bytes[at + i];
    at += extended;
  }
  if (length > max_payload_bytes) return taken::malformed;
  if (bytes.size() - at < length) return taken::incomplete;
  frame.op = static_cast<opcode>(first & 0x0fU);
  frame.fin = (first & 0x80U) != 0;
  frame.payload = bytes.subspan(at, static_cast<std::size_t>(length));
  bytes = bytes.subspan(at + static_cast<std::size_t>(length));
  return taken::frame;
}

void append_frame(std::string& out, opcode op, std::string_view payload, std::uint32_t mask) {
  std::array<char, 14> head{};
  std::size_t size = 0;
  head[size++] = static_cast<char>(0x80U | static_cast<unsigned>(op));
  if (payload.size() < 126) {
    head[size++] = static_cast<char>(0x80U | payload.size());
  } else if (payload.size() <= 0xffff) {
    head[size++] = static_cast<char>(0x80U | 126U);
    head[size++] = static_cast<char>(payload.size() >> 8U);
    head[size++] = static_cast<char>(payload.size() & 0xffU);
  } else {
    head[size++] = static_cast<char>(0x80U | 127U);
    for (unsigned shift = 64; shift != 0;) {
      shift -= 8;
      head[size++] = static_cast<char>(payload.size() >> shift & 0xffU);
    }
  }
  std::memcpy(head.data() + size, &mask, sizeof mask);
  size += sizeof mask;
  out.append(head.data(), size);
  const std::size_t start = out.size();
  out.append(payload);
  // The mask repeats every four bytes, so eight bytes at once see it twice.
  const std::uint64_t wide = static_cast<std::uint64_t>(mask) << 32U | mask;
  char* at = out.data() + start;
  std::size_t left = payload.size();
  for (; left >= sizeof wide; left -= sizeof wide, at += sizeof wide) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, sizeof word);
    word ^= wide;
    std::memcpy(at, &word, sizeof word);
  }
  std::array<char, sizeof mask> mask_bytes{};
  std::memcpy(mask_bytes.data(), &mask, sizeof mask);
  for (std::size_t i = 0; i < left; ++i) at[i] = static_cast<char>(at[i] ^ mask_bytes[i % 4]);
}

std::string new_websocket_key() {
  std::array<unsigned char, 16> random{};
  RAND_bytes(random.data(), static_cast<int>(random.size()));
  return base64(random.data(), random.size());
}

std::string upgrade_request(std::string_view host, std::string_view path, std::string_view key, std::string_view subprotocol) {
  std::string request;
  request.append("GET ").append(path).append(" HTTP/1.1\r\nHost: ").append(host);
  request.append("\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ").append(key);
  request.append("\r\nSec-WebSocket-Protocol: ").append(subprotocol).append("\r\n\r\n");
  return request;
}

upgrade_answer take_upgrade_answer(byte_view& bytes, std::string_view key, std::string_view subprotocol) {
  const auto text = as_text(bytes);
  const auto end = text.find("\r\n\r\n");
  if (end == std::string_view::npos) return text.size() > max_answer_bytes ? upgrade_answer::refused : upgrade_answer::incomplete;
  const auto head = text.substr(0, end);
  if (head.substr(0, 12) != "HTTP/1.1 101") return upgrade_answer::refused;
  if (header(head, "sec-websocket-accept") != accept_value(key)) return upgrade_answer::refused;
  if (header(head, "sec-websocket-protocol") != subprotocol) return upgrade_answer::refused;
  bytes = bytes.subspan(end + 4);
  return upgrade_answer::accepted;
}

}  // namespace careteam::bench

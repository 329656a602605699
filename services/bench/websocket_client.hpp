// The client's side of RFC 6455 as plain functions over bytes: no sockets, no extensions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "bench/wire_scan.hpp"

namespace careteam::bench {

enum class opcode : std::uint8_t { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

struct server_frame_view {
  opcode op = opcode::continuation;
  bool fin = false;
  byte_view payload;
};

enum class taken { frame, incomplete, malformed };

/// Takes one frame of a server (never masked, §5.1) off the front of `bytes`.
taken take_frame(byte_view& bytes, server_frame_view& frame) noexcept;

/// Appends one masked, final frame (§5.3).
void append_frame(std::string& out, opcode op, std::string_view payload, std::uint32_t mask);

/// 16 random bytes as base64 (§4.1).
std::string new_websocket_key();

/// The request of the opening handshake.
std::string upgrade_request(std::string_view host, std::string_view path, std::string_view key, std::string_view subprotocol);

enum class upgrade_answer { accepted, incomplete, refused };

/// Judges the answer to the opening handshake (§4.1: status, accept value, subprotocol) and takes it off the front of `bytes`.
upgrade_answer take_upgrade_answer(byte_view& bytes, std::string_view key, std::string_view subprotocol);

}  // namespace careteam::bench

#include "bench/connection.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "bench/clock.hpp"

namespace careteam::bench {
namespace {

constexpr std::string_view subprotocol = "careteam.v1.proto";
constexpr std::string_view path = "/v1/ws";
// One read takes this much at most, so that one busy connection does not keep the others waiting.
constexpr std::size_t read_bytes = 256 * 1024;
// What the kernel takes for somebody who does not read: the less, the sooner the server notices.
constexpr int little_bytes = 4096;
constexpr std::size_t max_message_bytes = 64 * 1024 * 1024;

/// The kernel copies into this one buffer for all connections, so that it stays in the cache.
std::vector<std::uint8_t>& read_buffer() {
  static std::vector<std::uint8_t> buffer(read_bytes);
  return buffer;
}

std::uint32_t next_mask() noexcept {
  // RFC 6455 §10.3 wants unpredictable masks against proxies; there is none between us, so that a cheap generator does.
  static std::uint64_t state = monotonic_ns() | 1U;
  state ^= state << 13U;
  state ^= state >> 7U;
  state ^= state << 17U;
  return static_cast<std::uint32_t>(state >> 16U);
}

}  // namespace

bool connection::open(const socket_address& address, std::string host) {
  host_ = std::move(host);
  opened_ns = monotonic_ns();
  fd_ = socket(address.bytes.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return false;
  const int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (behaves == conduct::never_reads) setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &little_bytes, sizeof little_bytes);
  if (connect(fd_, reinterpret_cast<const sockaddr*>(&address.bytes), address.length) != 0 && errno != EINPROGRESS) {
    close();
    return false;
  }
  phase_ = phase::connecting;
  waiting_to_write_ = true;
  return true;
}

void connection::close() noexcept {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
  phase_ = phase::closed;
}

void connection::fail(connection_listener& listener, const std::string& reason) {
  if (phase_ == phase::closed) return;
  close();
  listener.on_closed(*this, reason);
}

void connection::on_writable(connection_listener& listener) {
  if (phase_ == phase::connecting) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return fail(listener, "connect: " + std::generic_category().message(error));
    phase_ = phase::upgrading;
    key_ = new_websocket_key();
    out_ += upgrade_request(host_, path, key_, subprotocol);
  }
  flush(listener);
}

void connection::flush(connection_listener& listener) {
  while (out_sent_ != out_.size()) {
    const auto sent = ::send(fd_, out_.data() + out_sent_, out_.size() - out_sent_, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) return fail(listener, "send: " + std::generic_category().message(errno));
      if (!std::exchange(waiting_to_write_, true)) listener.on_want_write(*this, true);
      return;
    }
    out_sent_ += static_cast<std::size_t>(sent);
  }
  out_.clear();
  out_sent_ = 0;
  if (std::exchange(waiting_to_write_, false)) listener.on_want_write(*this, false);
}

void connection::send(opcode op, std::string_view payload, connection_listener& listener) {
  if (phase_ == phase::closed) return;
  append_frame(out_, op, payload, next_mask());
  if (!waiting_to_write_) flush(listener);
}

void connection::on_readable(connection_listener& listener) {
  auto& buffer = read_buffer();
  const std::size_t kept = rest_.size();
  if (buffer.size() < kept + read_bytes) buffer.resize(kept + read_bytes);
  if (kept != 0) std::memcpy(buffer.data(), rest_.data(), kept);
  const auto got = recv(fd_, buffer.data() + kept, read_bytes, 0);
  if (got < 0) {
    if (errno == EAGAIN || errno == EINTR) return;
    return fail(listener, "recv: " + std::generic_category().message(errno));
  }
  if (got == 0) return fail(listener, "the server ended the connection without a close frame");
  const auto read_ns = monotonic_ns();
  byte_view bytes{buffer.data(), kept + static_cast<std::size_t>(got)};
  if (phase_ == phase::upgrading) {
    switch (take_upgrade_answer(bytes, key_, subprotocol)) {
      case upgrade_answer::incomplete:
        break;
      case upgrade_answer::refused:
        return fail(listener, "upgrade refused: " + std::string{as_text(bytes).substr(0, 80)});
      case upgrade_answer::accepted:
        phase_ = phase::greeting;
        listener.on_upgraded(*this);
        break;
    }
  }
  if (phase_ == phase::greeting || phase_ == phase::live) take(bytes, listener, read_ns);
  if (phase_ != phase::closed) rest_.assign(bytes.begin(), bytes.end());
}

void connection::take(byte_view& bytes, connection_listener& listener, std::uint64_t read_ns) {
  server_frame_view frame;
  while (phase_ != phase::closed) {
    switch (take_frame(bytes, frame)) {
      case taken::incomplete:
        return;
      case taken::malformed:
        return fail(listener, "malformed frame");
      case taken::frame:
        take_one(frame, listener, read_ns);
        break;
    }
  }
}

void connection::take_one(const server_frame_view& frame, connection_listener& listener, std::uint64_t read_ns) {
  switch (frame.op) {
    case opcode::binary:
      if (fragmented_) return fail(listener, "a message began inside another one");
      if (frame.fin) return listener.on_message(*this, frame.payload, read_ns);
      fragmented_ = true;
      message_.assign(frame.payload.begin(), frame.payload.end());
      return;
    case opcode::continuation:
      if (!fragmented_ || message_.size() + frame.payload.size() > max_message_bytes) return fail(listener, "misplaced continuation");
      message_.insert(message_.end(), frame.payload.begin(), frame.payload.end());
      if (!frame.fin) return;
      fragmented_ = false;
      return listener.on_message(*this, message_, read_ns);
    case opcode::ping:
      return send(opcode::pong, as_text(frame.payload), listener);
    case opcode::pong:
      return;
    case opcode::close: {
      const auto& body = frame.payload;
      const int code = body.size() >= 2 ? body[0] << 8 | body[1] : 1005;
      return fail(listener, "closed by the server with code " + std::to_string(code));
    }
    case opcode::text:
      return fail(listener, "a text message in the binary subprotocol");
  }
  fail(listener, "unknown opcode");
}

}  // namespace careteam::bench

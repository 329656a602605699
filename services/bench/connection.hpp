// One member's connection: opening handshake, Hello, framing, and what is waiting to be sent. Non-blocking; the caller polls.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bench/server_url.hpp"
#include "bench/websocket_client.hpp"

namespace careteam::bench {

class connection;

/// Where a member stands in one stream.
struct stream_position {
  std::string patient_id;
  std::uint32_t stream = 0;
  std::uint64_t next = 1;   ///< The seq that must come next.
  std::uint64_t head = 0;   ///< The head when the stream was opened.
  std::uint64_t first = 1;  ///< The seq that came next when sending began.
};

/// How a member behaves.
enum class conduct : std::uint8_t { regular, never_reads, floods };

/// What a connection tells. `read_ns`: CLOCK_MONOTONIC right after the bytes were read.
class connection_listener {
 public:
  virtual ~connection_listener() = default;
  virtual void on_upgraded(connection& from) = 0;
  virtual void on_message(connection& from, byte_view message, std::uint64_t read_ns) = 0;
  /// The connection is over; called once. `reason` says how, for the operator.
  virtual void on_closed(connection& from, const std::string& reason) = 0;
  /// Bytes began or ceased to wait for room in the socket.
  virtual void on_want_write(connection& from, bool waiting) = 0;
};

class connection {
 public:
  enum class phase : std::uint8_t { idle, connecting, upgrading, greeting, live, closed };

  connection(std::uint32_t room, std::uint32_t member) : room_{room}, member_{member} {}
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;
  ~connection() { close(); }

  /// Begins to connect. False: it cannot even begin.
  bool open(const socket_address& address, std::string host);
  void on_writable(connection_listener& listener);
  void on_readable(connection_listener& listener);
  /// Sends a frame, or queues it when the socket is full.
  void send(opcode op, std::string_view payload, connection_listener& listener);
  void close() noexcept;
  void set_live() noexcept { phase_ = phase::live; }
  /// Bytes wait for room in the socket.
  bool congested() const noexcept { return waiting_to_write_; }

  int fd() const noexcept { return fd_; }
  phase state() const noexcept { return phase_; }
  std::uint32_t room() const noexcept { return room_; }
  std::uint32_t member() const noexcept { return member_; }

  std::size_t index = 0;              ///< Among the regular members.
  std::vector<stream_position> held;  ///< What it has of each stream when it connects.
  std::vector<stream_position> streams;
  std::size_t target = 0;  ///< Index in `streams` of where it posts.
  std::size_t behind = 0;  ///< Of `streams`, how many have not reached the head that Welcome named.
  std::uint64_t opened_ns = 0;
  conduct behaves = conduct::regular;

 private:
  void fail(connection_listener& listener, const std::string& reason);
  void flush(connection_listener& listener);
  /// Consumes whole frames; what is left is the start of the next one.
  void take(byte_view& bytes, connection_listener& listener, std::uint64_t read_ns);
  void take_one(const server_frame_view& frame, connection_listener& listener, std::uint64_t read_ns);

  int fd_ = -1;
  phase phase_ = phase::idle;
  bool waiting_to_write_ = false;
  std::uint32_t room_;
  std::uint32_t member_;
  std::string host_;
  std::string key_;
  std::vector<std::uint8_t> rest_;     // The start of a frame that was not whole yet.
  std::vector<std::uint8_t> message_;  // A fragmented message so far.
  bool fragmented_ = false;
  std::string out_;
  std::size_t out_sent_ = 0;
};

}  // namespace careteam::bench

// How `careteam serve` and `careteam notifier` talk: frames (runtime/unix_socket.hpp), each a message of
// proto/careteam/internal/worker.proto.
#pragma once

#include <google/protobuf/message_lite.h>

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <optional>
#include <string>

#include "careteam/internal/worker.pb.h"
#include "notifier/channel.hpp"
#include "runtime/unix_socket.hpp"

namespace careteam::notifier {

/// An attempt takes some 400 bytes at most.
inline constexpr std::size_t max_worker_frame_bytes = 4 * 1024;
/// At the same time, of one worker.
inline constexpr std::size_t max_worker_attempts = 1'000;

/// One end of a connection. On the socket's executor.
class worker_connection : public std::enable_shared_from_this<worker_connection> {
 public:
  explicit worker_connection(runtime::unix_socket socket) : socket_(std::move(socket)) {}

  /// One frame; an error: the connection is of no more use.
  boost::asio::awaitable<boost::system::result<std::string>> read();
  /// What gathers during a write is the next one. A write that fails closes.
  void write(const google::protobuf::MessageLite& frame);
  void close();

 private:
  boost::asio::awaitable<void> flush(std::shared_ptr<worker_connection> self);

  runtime::unix_socket socket_;
  std::string waiting_;
  bool writing_ = false;
};

internal::Attempt to_wire(std::uint64_t number, const message& what, std::chrono::milliseconds timeout);
/// Nothing: it is no message that could be sent.
std::optional<message> from_wire(const internal::Attempt& attempt);
/// Not of verdict::unknown, which no worker says.
internal::AttemptVerdict to_wire(std::uint64_t number, const attempt& how);
/// Nothing: it says nothing that is known.
std::optional<attempt> from_wire(const internal::AttemptVerdict& verdict);

}  // namespace careteam::notifier

// A client's byte stream: a socket, with TLS or without. One type for both, so that what stands on it is compiled once. Used on the event
// loop: at most one read and one write at a time.
#pragma once

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/compose.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/websocket/teardown.hpp>
#include <utility>

#include "gateway/timed_socket.hpp"
#include "gateway/tls.hpp"
#include "runtime/token_bucket.hpp"

namespace careteam::gateway {

class client_stream {
 public:
  using executor_type = loop_socket::executor_type;

  /// With an empty session the socket's bytes are the stream's.
  client_stream(loop_socket socket, tls_session tls) : socket_(std::move(socket)), tls_(std::move(tls)) {
    boost::system::error_code ignored;
    socket_.non_blocking(true, ignored);
  }

  executor_type get_executor() { return socket_.get_executor(); }
  bool secure() const { return static_cast<bool>(tls_); }

  /// The TLS handshake. Not for a stream without TLS.
  template <typename Token>
  auto async_handshake(Token&& token) {
    return run([](tls_session& tls) { return tls.accept(); }, std::forward<Token>(token));
  }

  /// How many reads a message may take; beyond that they are rare. Frames without end that make no message then end the stream.
  void limit_reads(std::size_t for_one_message) { reads_for_one_message_ = static_cast<double>(for_one_message); }
  void message_complete() { reads_ = {}; }
  /// Counts the reads that were begun: when it moves, something has come. Wraps around.
  std::uint32_t reads() const { return reads_begun_; }

  template <typename Buffers, typename Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    ++reads_begun_;
    if (reads_.take(std::chrono::steady_clock::now(), reads_per_second, reads_for_one_message_) != std::chrono::milliseconds::zero()) {
      boost::system::error_code ignored;
      close(ignored);
    }
    if (!tls_) return socket_.async_read_some(buffers, std::forward<Token>(token));
    return run([into = first_of(buffers)](tls_session& tls) { return into.size() == 0 ? tls_step{} : tls.read(into.data(), into.size()); },
               std::forward<Token>(token));
  }

  template <typename Buffers, typename Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    if (!tls_) return socket_.async_write_some(buffers, std::forward<Token>(token));
    return run(
        [buffers](tls_session& tls) {
          const auto first = first_of(buffers);
          if (first.size() == boost::asio::buffer_size(buffers))
            return first.size() == 0 ? tls_step{} : tls.write(first.data(), first.size());
          // One record for a frame's head and its content.
          std::array<char, gathered_bytes> gathered;  // NOLINT(cppcoreguidelines-pro-type-member-init): filled at once.
          return tls.write(gathered.data(), boost::asio::buffer_copy(boost::asio::buffer(gathered), buffers));
        },
        std::forward<Token>(token));
  }

  /// Nothing more is sent; the peer may go on.
  void finish() {
    boost::system::error_code ignored;
    if (tls_ && socket_.is_open()) tls_.finish();
    socket_.shutdown(loop_socket::shutdown_send, ignored);
  }

  void close(boost::system::error_code& failed) { socket_.close(failed); }

  // What Beast's WebSocket asks of a stream by name: the end after a timeout, and the end in good order.
  friend void beast_close_socket(client_stream& stream) {
    boost::system::error_code ignored;
    stream.close(ignored);
  }
  template <typename Handler>
  friend void async_teardown(boost::beast::role_type, client_stream& stream, Handler&& handler) {
    boost::asio::async_compose<Handler, void(boost::system::error_code)>(reading_away{stream}, handler, stream.socket_);
  }

 private:
  static constexpr std::size_t gathered_bytes = 16 * 1024;     ///< The content of one TLS record.
  static constexpr std::size_t read_away_bytes = 1024 * 1024;  ///< What a peer may still send behind the end.
  static constexpr double reads_per_second = 8;                ///< For answers to pings while there are no messages.

  /// The first buffer of a sequence that holds anything.
  template <typename Buffers>
  static auto first_of(const Buffers& buffers) {
    using buffer =
        std::conditional_t<boost::asio::is_mutable_buffer_sequence<Buffers>::value, boost::asio::mutable_buffer, boost::asio::const_buffer>;
    for (auto at = boost::asio::buffer_sequence_begin(buffers); at != boost::asio::buffer_sequence_end(buffers); ++at) {
      if (buffer one(*at); one.size() > 0) return one;
    }
    return buffer();
  }

  /// Ends the sending, then reads until the peer ends it too: closed before, the kernel would void what the peer was told last. (Beast's
  /// own way of doing it stops at the first bytes that come.)
  struct reading_away {
    client_stream& stream;
    std::size_t left = read_away_bytes;
    bool begun = false;

    template <typename Self>
    void operator()(Self& self, boost::system::error_code failed = {}) {
      if (!std::exchange(begun, true)) {
        stream.finish();
      } else if (!failed) {
        std::array<char, 4096> away{};
        left -= std::min(left, stream.socket_.receive(boost::asio::buffer(away), 0, failed));
        if (failed == boost::asio::error::would_block) failed = {};
      }
      if (failed || left == 0) {
        stream.close(failed);
        self.complete({});
      } else {
        stream.socket_.async_wait(loop_socket::wait_read, std::move(self));
      }
    }
  };

  /// One step of TLS, tried as often as the socket has to be waited for.
  template <typename Step>
  struct stepping {
    client_stream& stream;
    Step step;
    enum class place { begun, waited, done } at = place::begun;
    tls_step result = {};

    template <typename Self>
    void operator()(Self& self, boost::system::error_code failed = {}) {
      if (at != place::done) {
        // The session knows the socket by its number, which may be another connection's once it is closed.
        if (!failed && !stream.socket_.is_open()) failed = boost::asio::error::operation_aborted;
        result = failed ? tls_step{tls_wait::none, failed, 0} : step(stream.tls_);
        if (result.wait != tls_wait::none) {
          at = place::waited;
          stream.socket_.async_wait(result.wait == tls_wait::readable ? loop_socket::wait_read : loop_socket::wait_write, std::move(self));
          return;
        }
        if (at == place::begun) {  // Never completes inside the call that began it.
          at = place::done;
          boost::asio::post(stream.get_executor(), std::move(self));
          return;
        }
      }
      self.complete(result.failed, result.bytes);
    }
  };

  template <typename Step, typename Token>
  auto run(Step step, Token&& token) {
    return boost::asio::async_compose<Token, void(boost::system::error_code, std::size_t)>(stepping<Step>{*this, std::move(step)}, token,
                                                                                           socket_);
  }

  loop_socket socket_;
  tls_session tls_;
  runtime::token_bucket reads_;
  std::uint32_t reads_begun_ = 0;
  double reads_for_one_message_ = 1'000;  ///< Until limit_reads: for the request.
};

}  // namespace careteam::gateway

// Accepts connections. Runs on the event loop.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <functional>

#include "gateway/connection.hpp"
#include "runtime/config.hpp"

namespace careteam::gateway {

using loop_acceptor = boost::asio::basic_socket_acceptor<boost::asio::ip::tcp, boost::asio::io_context::executor_type>;

/// A listening socket that hands every connection to a coroutine.
class listener {
 public:
  using handler = std::function<boost::asio::awaitable<void>(loop_socket)>;

  /// Binds and listens; throws std::runtime_error that names the address when that fails (start-up).
  listener(boost::asio::io_context& loop, const runtime::tcp_address& address, handler serve);

  std::uint16_t port() const { return port_; }
  void start();
  /// No new connections from now on.
  void stop();

 private:
  boost::asio::awaitable<void> accept();
  boost::asio::io_context& loop_;
  loop_acceptor acceptor_;
  handler serve_;
  std::uint16_t port_ = 0;
};

}  // namespace careteam::gateway

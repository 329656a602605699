// One WebSocket: reads frames for its session and writes what the session is owed. Runs on the event loop.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <memory>

#include "gateway/hub.hpp"

namespace careteam::gateway {

/// The event loop's own executor type: a socket on it needs no virtual calls.
using loop_socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, boost::asio::io_context::executor_type>;

/// Reads the HTTP request, upgrades it where it is one of ours, and serves the session until it ends. Errors of one connection stay here.
boost::asio::awaitable<void> serve_connection(loop_socket socket, hub& the_hub);

}  // namespace careteam::gateway

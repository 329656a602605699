// One WebSocket: reads frames for its session and writes what the session is owed. Runs on the event loop.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>

#include "gateway/hub.hpp"
#include "gateway/timed_socket.hpp"

namespace careteam::gateway {

/// Reads the HTTP request, upgrades it where it is one of ours, and serves the session until it ends. Errors of one connection stay here.
boost::asio::awaitable<void> serve_connection(loop_socket socket, hub& the_hub);

}  // namespace careteam::gateway

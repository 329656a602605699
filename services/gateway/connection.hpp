// One WebSocket: reads frames for its session and writes what the session is owed. Runs on the event loop.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>

#include "gateway/hub.hpp"
#include "gateway/timed_socket.hpp"
#include "gateway/tls.hpp"

namespace careteam::gateway {

/// Reads the HTTP request, upgrades it where it is one of ours, and serves the session until it ends. With TLS only where there is a
/// certificate. Errors of one connection stay here.
boost::asio::awaitable<void> serve_connection(loop_socket socket, const server_certificate* certificate, hub& the_hub);

}  // namespace careteam::gateway

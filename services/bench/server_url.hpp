// Where the server is that is put under load.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace careteam::bench {

/// A WebSocket URL's parts (RFC 6455 §3).
struct server_url {
  std::string host;  ///< A name or an address; an IPv6 address without its brackets.
  std::uint16_t port = 80;

  /// host:port as the Host header wants it.
  std::string authority() const;
};

/// Reads ws://HOST[:PORT][/v1/ws]. False: `url` is something else; `why` then says what.
bool parse_server_url(std::string_view text, server_url& url, std::string& why);

struct socket_address {
  sockaddr_storage bytes{};
  socklen_t length = 0;
};

/// The first address of the host. Throws std::runtime_error when it has none. Blocks while the name is looked up.
socket_address resolve(const server_url& url);

}  // namespace careteam::bench

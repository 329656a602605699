#include "bench/server_url.hpp"

#include <netdb.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <stdexcept>

namespace careteam::bench {
namespace {

constexpr std::string_view scheme = "ws://";
constexpr std::string_view path = "/v1/ws";

bool read_port(std::string_view digits, std::uint16_t& port) {
  const auto* const end = digits.data() + digits.size();
  const auto [at, failed] = std::from_chars(digits.data(), end, port);
  return failed == std::errc{} && at == end && port != 0;
}

}  // namespace

std::string server_url::authority() const {
  const bool is_ipv6 = host.find(':') != std::string::npos;
  return (is_ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

bool parse_server_url(std::string_view text, server_url& url, std::string& why) {
  if (text.starts_with("wss://")) {
    why = "this generator does not speak TLS: name a port without it (ws://), for example the one that the proxy forwards to";
    return false;
  }
  if (!text.starts_with(scheme)) {
    why = "must start with ws://";
    return false;
  }
  text.remove_prefix(scheme.size());
  const auto slash = std::min(text.find('/'), text.size());
  if (const auto rest = text.substr(slash); !rest.empty() && rest != "/" && rest != path) {
    why = "the path must be " + std::string{path} + " or left out";
    return false;
  }
  const auto authority = text.substr(0, slash);
  const auto bracket = authority.starts_with('[') ? authority.find(']') : std::string_view::npos;
  const auto colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
  const auto host = authority.substr(0, colon);
  url.host = bracket == std::string_view::npos ? host : host.substr(1, bracket - 1);
  url.port = 80;
  if (colon != std::string_view::npos && !read_port(authority.substr(colon + 1), url.port)) {
    why = "the port must be a number from 1 to 65535";
    return false;
  }
  const bool is_host = !url.host.empty() && (bracket == std::string_view::npos || host.size() == bracket + 1) &&
                       url.host.find_first_of("@?#[] \t\r\n") == std::string::npos;
  if (!is_host) why = "names no host; credentials and queries do not belong into it";
  return is_host;
}

socket_address resolve(const server_url& url) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int failed = getaddrinfo(url.host.c_str(), std::to_string(url.port).c_str(), &hints, &found);
  if (failed != 0) throw std::runtime_error("cannot resolve " + url.host + ": " + gai_strerror(failed));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned{found, freeaddrinfo};
  socket_address address;
  address.length = found->ai_addrlen;
  std::copy_n(reinterpret_cast<const char*>(found->ai_addr), address.length, reinterpret_cast<char*>(&address.bytes));
  return address;
}

}  // namespace careteam::bench

#include "gateway/upgrade.hpp"

#include <algorithm>
#include <boost/beast/http/rfc7230.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <random>

namespace careteam::gateway {
namespace {

namespace http = boost::beast::http;

http_answer answer(http::status status, std::string_view text) {
  http_answer made(status, 11);
  made.body() = std::string(text) + "\n";
  return made;
}

bool header_fits(const http_request& request) {
  const auto long_line = [](const auto& field) { return field.name_string().size() + field.value().size() > max_header_line_bytes; };
  return std::distance(request.begin(), request.end()) <= static_cast<std::ptrdiff_t>(max_header_fields) &&
         std::none_of(request.begin(), request.end(), long_line) && request.target().size() <= max_header_line_bytes;
}

boost::asio::ip::address plain(const boost::asio::ip::address& one) {
  namespace ip = boost::asio::ip;
  return one.is_v6() && one.to_v6().is_v4_mapped() ? ip::make_address_v4(ip::v4_mapped, one.to_v6()) : one;
}

std::string_view trimmed(std::string_view text) {
  const auto from = std::min(text.find_first_not_of(" \t"), text.size());
  const auto to = text.find_last_not_of(" \t");
  return to == std::string_view::npos ? std::string_view() : text.substr(from, to + 1 - from);
}

// Different for each, so that those who are sent away do not come back together.
std::string some_seconds() {
  static std::minstd_rand random(std::random_device{}());
  return std::to_string(std::uniform_int_distribution<int>(2, 10)(random));
}

}  // namespace

bool is_among(const std::vector<boost::asio::ip::address>& addresses, const boost::asio::ip::address& peer) {
  return std::any_of(addresses.begin(), addresses.end(), [&](const auto& one) { return plain(one) == plain(peer); });
}

boost::asio::ip::address client_address(const boost::asio::ip::address& peer, const http_request& request,
                                        const std::vector<boost::asio::ip::address>& trusted_proxies) {
  std::string hops;
  const auto [first, end] = request.equal_range("X-Forwarded-For");
  for (auto field = first; field != end; ++field) hops.append(hops.empty() ? "" : ",").append(field->value());
  auto client = plain(peer);
  for (std::string_view left = hops; !left.empty() && is_among(trusted_proxies, client);) {
    const auto comma = left.rfind(',');
    const auto hop = trimmed(left.substr(comma == std::string_view::npos ? 0 : comma + 1));
    left = left.substr(0, comma == std::string_view::npos ? 0 : comma);
    boost::system::error_code unreadable;
    const auto told = boost::asio::ip::make_address(hop, unreadable);
    if (unreadable) break;  // The proxy that passed it on is the last one known.
    client = plain(told);
  }
  return client;
}

std::optional<http_answer> check_upgrade(const http_request& request, const std::vector<std::string>& allowed_origins, bool more_follows,
                                         subprotocol& form) {
  if (!header_fits(request)) return bad_request_answer(true);
  if (request.target() != "/v1/ws") {
    if (request.target().starts_with("/v1/ws?")) {
      return answer(http::status::bad_request, "/v1/ws takes no query: the token goes into the first frame, Hello.token");
    }
    return answer(http::status::not_found, "nothing here: the WebSocket is at /v1/ws");
  }
  if (request.method() != http::verb::get) {
    auto made = answer(http::status::method_not_allowed, "use GET with a WebSocket upgrade");
    made.set(http::field::allow, "GET");
    return made;
  }
  // A second request, or a body, behind an upgrade is never read as one.
  if (more_follows || request.count(http::field::transfer_encoding) > 0 || request.count(http::field::content_length) > 0) {
    return answer(http::status::bad_request, "an upgrade has no body and nothing behind it");
  }
  if (request.count(http::field::origin) > 1) return answer(http::status::forbidden, "several origins");
  if (const auto origin = request.find(http::field::origin); origin != request.end()) {
    if (std::find(allowed_origins.begin(), allowed_origins.end(), origin->value()) == allowed_origins.end()) {
      return answer(http::status::forbidden, "this origin is not allowed: see server.allowed_origins");
    }
  }
  if (!boost::beast::websocket::is_upgrade(request) || request[http::field::sec_websocket_version] != "13") {
    auto made = answer(http::status::upgrade_required, "use a WebSocket upgrade of version 13 (RFC 6455)");
    made.set(http::field::upgrade, "websocket");
    made.set(http::field::connection, "Upgrade");
    made.set(http::field::sec_websocket_version, "13");
    return made;
  }
  for (const auto offered : http::token_list(request[http::field::sec_websocket_protocol])) {
    if (offered == proto_name || offered == json_name) {
      form = offered == proto_name ? subprotocol::proto : subprotocol::json;
      return std::nullopt;
    }
  }
  return answer(http::status::bad_request, "offer the subprotocol careteam.v1.proto or careteam.v1.json (Sec-WebSocket-Protocol)");
}

http_answer bad_request_answer(bool too_large) {
  if (too_large) return answer(http::status::request_header_fields_too_large, "the request header is too large");
  return answer(http::status::bad_request, "not a good HTTP request");
}

http_answer too_many_from_there_answer() {
  auto made = answer(http::status::too_many_requests, "as many connections from this address as this server takes; try again later");
  made.set(http::field::retry_after, some_seconds());
  return made;
}

http_answer too_many_refused_tokens_answer(std::chrono::milliseconds wait) {
  auto made = answer(http::status::too_many_requests, "too many refused tokens from this address; try again later");
  made.set(http::field::retry_after, std::to_string(std::chrono::ceil<std::chrono::seconds>(wait).count()));
  return made;
}

http_answer too_many_answer() {
  auto made = answer(http::status::service_unavailable, "as many connections as this server takes; try again later");
  made.set(http::field::retry_after, some_seconds());
  return made;
}

}  // namespace careteam::gateway

// Which HTTP requests become a WebSocket of ours. Pure.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "gateway/frame_codec.hpp"

namespace careteam::gateway {

inline constexpr std::uint32_t max_header_bytes = 16 * 1024;    ///< Of the whole request header.
inline constexpr std::size_t max_header_line_bytes = 8 * 1024;  ///< Of the target, and of one field's name and value.
inline constexpr std::size_t max_header_fields = 100;

using http_request = boost::beast::http::request<boost::beast::http::empty_body>;
using http_answer = boost::beast::http::response<boost::beast::http::string_body>;

/// Nothing, and `form` set, where the request is a good upgrade; otherwise the answer that says why not.
std::optional<http_answer> check_upgrade(const http_request& request, const std::vector<std::string>& allowed_origins, bool more_follows,
                                         subprotocol& form);
/// Whether a peer is one of the addresses, also as IPv4 in the clothes of IPv6.
bool is_among(const std::vector<boost::asio::ip::address>& addresses, const boost::asio::ip::address& peer);
/// Who is connected: the peer; or, by a trusted proxy, the last address in X-Forwarded-For that is no trusted proxy. What a client wrote
/// there itself stands further left and is not believed.
boost::asio::ip::address client_address(const boost::asio::ip::address& peer, const http_request& request,
                                        const std::vector<boost::asio::ip::address>& trusted_proxies);

http_answer bad_request_answer(bool too_large);
http_answer too_many_answer();
http_answer too_many_from_there_answer();
/// No token from that address is looked at for this long.
http_answer too_many_refused_tokens_answer(std::chrono::milliseconds wait);

}  // namespace careteam::gateway

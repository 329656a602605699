// An HTTP request, read as a connection reads it, and the check that lets it become a WebSocket.
//
//   input: the request's bytes
//
// What is let through is a GET of /v1/ws with nothing behind it, from an allowed origin, in a subprotocol of ours.
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/serializer.hpp>

#include "fuzz.hpp"
#include "gateway/upgrade.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace careteam;
  namespace http = boost::beast::http;
  const std::string allowed = "https://app.example.org";
  http::request_parser<http::empty_body> parser;
  parser.header_limit(gateway::max_header_bytes);
  parser.body_limit(0);
  boost::system::error_code failed;
  const auto used = parser.put(boost::asio::buffer(bytes, size), failed);
  if (failed || !parser.is_header_done()) return 0;
  const auto& request = parser.get();
  gateway::subprotocol form{};
  const auto refusal = gateway::check_upgrade(request, {allowed}, used < size, form);
  if (refusal) {
    fuzz::require(refusal->result_int() >= 400 && refusal->result_int() < 500, "a refusal is the client's fault");
    fuzz::require(refusal->body().size() < 200, "a refusal repeats nothing of the request");
    return 0;
  }
  fuzz::require(request.method() == http::verb::get && request.target() == "/v1/ws", "only the WebSocket's place is let through");
  fuzz::require(used == size, "nothing stands behind the request");
  fuzz::require(request.count(http::field::content_length) == 0 && request.count(http::field::transfer_encoding) == 0, "it has no body");
  fuzz::require(request.count(http::field::origin) == 0 || request[http::field::origin] == allowed, "the origin is allowed");
  fuzz::require(std::distance(request.begin(), request.end()) <= 100, "the fields are bounded");
  const auto name = form == gateway::subprotocol::proto ? gateway::proto_name : gateway::json_name;
  fuzz::require(request[http::field::sec_websocket_protocol].find(name) != boost::beast::string_view::npos, "the subprotocol was offered");
  return 0;
}

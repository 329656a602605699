#include "gateway/upgrade.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace careteam::gateway {
namespace {

namespace http = boost::beast::http;
using testing::HasSubstr;

http_request good_request() {
  http_request request(http::verb::get, "/v1/ws", 11);
  request.set(http::field::host, "care.example.org");
  request.set(http::field::upgrade, "websocket");
  request.set(http::field::connection, "Upgrade");
  request.set(http::field::sec_websocket_key, "dGhlIHNhbXBsZSBub25jZQ==");
  request.set(http::field::sec_websocket_version, "13");
  request.set(http::field::sec_websocket_protocol, "careteam.v1.json");
  return request;
}

/// The answer's status; 101 where the upgrade may go on.
unsigned status_of(const http_request& request, bool more_follows = false) {
  subprotocol form{};
  const auto refused = check_upgrade(request, {"https://app.example.org"}, more_follows, form);
  return refused ? refused->result_int() : 101;
}

TEST(upgrade, takes_the_first_subprotocol_that_it_knows) {
  for (const auto& [offered, expected] :
       {std::pair{"careteam.v1.json", subprotocol::json}, std::pair{"careteam.v1.proto", subprotocol::proto},
        std::pair{"chat, careteam.v1.proto, careteam.v1.json", subprotocol::proto}}) {
    auto request = good_request();
    request.set(http::field::sec_websocket_protocol, offered);
    subprotocol form{};
    EXPECT_FALSE(check_upgrade(request, {}, false, form));
    EXPECT_EQ(form, expected) << offered;
  }
}

TEST(upgrade, names_the_subprotocols_to_whoever_offers_none) {
  auto request = good_request();
  request.erase(http::field::sec_websocket_protocol);
  subprotocol form{};
  const auto refused = check_upgrade(request, {}, false, form);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->result_int(), 400U);
  EXPECT_THAT(refused->body(), HasSubstr("careteam.v1.proto or careteam.v1.json"));
}

TEST(upgrade, attack_01_compares_origins_exactly) {
  EXPECT_EQ(status_of(good_request()), 101U);
  for (const auto& [origin, expected] : {std::pair{"https://app.example.org", 101U}, std::pair{"http://app.example.org", 403U},
                                         std::pair{"https://app.example.org.evil", 403U}, std::pair{"https://APP.example.org", 403U},
                                         std::pair{"https://app.example.org:443", 403U}, std::pair{"null", 403U}, std::pair{"", 403U}}) {
    auto request = good_request();
    request.set(http::field::origin, origin);
    EXPECT_EQ(status_of(request), expected) << origin;
  }
  auto twice = good_request();
  twice.insert(http::field::origin, "https://app.example.org");
  twice.insert(http::field::origin, "https://evil.example");
  EXPECT_EQ(status_of(twice), 403U);
}

TEST(upgrade, attack_06_limits_lines_and_fields) {
  auto many = good_request();
  for (std::size_t i = 0; i < max_header_fields; ++i) many.insert("X-Field", "a");
  EXPECT_EQ(status_of(many), 431U);
  auto as_many_as_allowed = good_request();
  while (std::distance(as_many_as_allowed.begin(), as_many_as_allowed.end()) < static_cast<std::ptrdiff_t>(max_header_fields)) {
    as_many_as_allowed.insert("X-Field", "a");
  }
  EXPECT_EQ(status_of(as_many_as_allowed), 101U);
  auto long_line = good_request();
  long_line.set("X-Long", std::string(max_header_line_bytes, 'a'));
  EXPECT_EQ(status_of(long_line), 431U);
  auto long_target = good_request();
  long_target.target("/" + std::string(max_header_line_bytes, 'a'));
  EXPECT_EQ(status_of(long_target), 431U);
}

TEST(upgrade, attack_07_never_reads_a_second_request) {
  EXPECT_EQ(status_of(good_request(), true), 400U);
  auto with_body = good_request();
  with_body.set(http::field::content_length, "5");
  EXPECT_EQ(status_of(with_body), 400U);
  auto chunked = good_request();
  chunked.set(http::field::transfer_encoding, "chunked");
  EXPECT_EQ(status_of(chunked), 400U);
}

boost::asio::ip::address address(std::string_view text) {
  return boost::asio::ip::make_address(text);
}

/// Who is connected, by X-Forwarded-For fields in their order, to a server that trusts 10.0.0.1, 10.0.0.2 and 2001:db8::1.
std::string client_behind(std::string_view peer, const std::vector<std::string>& fields) {
  auto request = good_request();
  for (const auto& one : fields) request.insert("X-Forwarded-For", one);
  return client_address(address(peer), request, {address("10.0.0.1"), address("10.0.0.2"), address("2001:db8::1")}).to_string();
}

TEST(upgrade, attack_08_believes_only_proxies_about_who_is_connected) {
  EXPECT_EQ(client_behind("192.0.2.7", {"198.51.100.1"}), "192.0.2.7");
  EXPECT_EQ(client_behind("192.0.2.7", {"10.0.0.1"}), "192.0.2.7");
  EXPECT_EQ(client_behind("10.0.0.1", {}), "10.0.0.1");
  EXPECT_EQ(client_behind("10.0.0.1", {"198.51.100.1"}), "198.51.100.1");
  EXPECT_EQ(client_behind("::ffff:10.0.0.1", {"198.51.100.1"}), "198.51.100.1");
  EXPECT_EQ(client_behind("2001:db8::1", {"2001:db8::77"}), "2001:db8::77");
}

TEST(upgrade, attack_08_takes_the_last_hop_that_is_no_proxy) {
  EXPECT_EQ(client_behind("10.0.0.1", {"203.0.113.9, 198.51.100.1"}), "198.51.100.1");
  EXPECT_EQ(client_behind("10.0.0.1", {"203.0.113.9", "198.51.100.1"}), "198.51.100.1");
  EXPECT_EQ(client_behind("10.0.0.1", {"203.0.113.9,198.51.100.1 , 10.0.0.2"}), "198.51.100.1");
  EXPECT_EQ(client_behind("10.0.0.1", {"::ffff:198.51.100.1,\t::ffff:10.0.0.2"}), "198.51.100.1");
  EXPECT_EQ(client_behind("10.0.0.1", {"10.0.0.2, 10.0.0.2"}), "10.0.0.2");
}

TEST(upgrade, attack_08_stops_at_what_is_no_address) {
  for (const auto* const nonsense :
       {"", " ", "unknown", "_hidden", "198.51.100.1:443", "[2001:db8::9]:1", "1.2.3", "0x7f.1", "198.51.100.1 x"}) {
    EXPECT_EQ(client_behind("10.0.0.1", {nonsense}), "10.0.0.1") << nonsense;
    EXPECT_EQ(client_behind("10.0.0.1", {"203.0.113.9", nonsense, "10.0.0.2"}), "10.0.0.2") << nonsense;
  }
}

TEST(upgrade, keeps_tokens_out_of_the_url) {
  auto request = good_request();
  request.target("/v1/ws?access_token=abc");
  subprotocol form{};
  const auto refused = check_upgrade(request, {}, false, form);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->result_int(), 400U);
  EXPECT_EQ(refused->body().find("abc"), std::string::npos);
}

}  // namespace
}  // namespace careteam::gateway

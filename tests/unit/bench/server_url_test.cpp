#include "bench/server_url.hpp"

#include <gtest/gtest.h>

namespace careteam::bench {
namespace {

TEST(server_url, reads_what_an_operator_writes) {
  struct example {
    const char* text;
    const char* host;
    std::uint16_t port;
    const char* authority;
  };
  for (const auto& [text, host, port, authority] :
       {example{"ws://127.0.0.1:8080", "127.0.0.1", 8080, "127.0.0.1:8080"}, example{"ws://localhost", "localhost", 80, "localhost:80"},
        example{"ws://care.example:1/", "care.example", 1, "care.example:1"},
        example{"ws://care.example:65535/v1/ws", "care.example", 65535, "care.example:65535"},
        example{"ws://[::1]:8080/v1/ws", "::1", 8080, "[::1]:8080"}, example{"ws://[::1]", "::1", 80, "[::1]:80"}}) {
    server_url url;
    std::string why;
    ASSERT_TRUE(parse_server_url(text, url, why)) << text << ": " << why;
    EXPECT_EQ(url.host, host);
    EXPECT_EQ(url.port, port);
    EXPECT_EQ(url.authority(), authority);
  }
}

TEST(server_url, says_what_is_wrong_with_anything_else) {
  for (const char* text : {"",          "127.0.0.1:8080", "http://a:1", "ws:/a",         "ws://",
                           "ws://:80",  "ws://a:",        "ws://a:0",   "ws://a:65536",  "ws://a:8x",
                           "ws://a:-1", "ws://a/v1/wsx",  "ws://a/v2",  "ws://user@a:1", "ws://a?token=x",
                           "ws://[::1", "ws://[::1]x:1",  "ws://a b",   "ws://::1:80",   "wss://a"}) {
    server_url url;
    std::string why;
    EXPECT_FALSE(parse_server_url(text, url, why)) << text;
    EXPECT_FALSE(why.empty()) << text;
  }
}

TEST(server_url, finds_addresses_and_says_when_there_are_none) {
  EXPECT_EQ(resolve({"127.0.0.1", 1}).bytes.ss_family, AF_INET);
  EXPECT_EQ(resolve({"::1", 1}).bytes.ss_family, AF_INET6);
  EXPECT_THROW(resolve({"no.such.host.invalid", 1}), std::runtime_error);
}

}  // namespace
}  // namespace careteam::bench

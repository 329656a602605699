// The reply reader: what is well-formed arrives unchanged however it is cut; what is hostile is refused before it costs memory.
#include "redis/reply.hpp"

#include <gtest/gtest.h>

#include <random>

namespace careteam::redis {
namespace {

using boost::system::error_code;

/// The error that these bytes lead to, fed in pieces; none when they are (the beginning of) proper replies.
error_code feed_all(const std::string& bytes, std::size_t piece = 16 << 10, reply_limits limits = {}) {
  reply_reader reader(limits);
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    if (const auto failed = reader.feed(std::string_view(bytes).substr(at, piece))) return failed;
    while (true) {
      auto next = reader.next();
      if (next.has_error()) return next.error();
      if (!next->has_value()) break;
    }
  }
  return {};
}

TEST(reply_reader, reads_every_kind_byte_by_byte) {
  using namespace std::string_literals;
  const auto bytes = "+OK\r\n-ERR no\r\n:-42\r\n$5\r\na\0\r\nb\r\n$-1\r\n*2\r\n*1\r\n$0\r\n\r\n:7\r\n*-1\r\n*0\r\n"s;
  reply_reader reader;
  std::vector<reply> got;
  for (const char byte : bytes) {
    ASSERT_FALSE(reader.feed({&byte, 1}));
    while (true) {
      auto next = reader.next();
      ASSERT_FALSE(next.has_error());
      if (!next->has_value()) break;
      got.push_back(std::move(**next));
    }
  }
  ASSERT_EQ(got.size(), 8U);
  EXPECT_EQ(got[0].kind(), reply_kind::status);
  EXPECT_EQ(got[0].text(), "OK");
  EXPECT_TRUE(got[1].is_error());
  EXPECT_EQ(got[2].integer(), -42);
  EXPECT_EQ(got[3].text(), std::string("a\0\r\nb", 5));
  EXPECT_TRUE(got[4].is_nil());
  ASSERT_EQ(got[5].elements().size(), 2U);
  EXPECT_EQ(got[5].elements()[0].elements()[0].kind(), reply_kind::text);
  EXPECT_EQ(got[5].elements()[1].integer(), 7);
  EXPECT_TRUE(got[6].is_nil());
  EXPECT_EQ(got[7].kind(), reply_kind::array);
}

TEST(reply_reader, attack_37_the_longest_line_is_read_and_a_longer_one_is_not_however_they_are_cut) {
  const reply_limits limits{4096, 256, 512};
  for (std::size_t piece = 1; piece <= 600; ++piece) {
    EXPECT_FALSE(feed_all("+" + std::string(512, 'a') + "\r\n", piece, limits)) << piece;
    EXPECT_EQ(feed_all("+" + std::string(513, 'a') + "\r\n", piece, limits), errc::reply_too_large) << piece;
  }
}

TEST(reply_reader, accessors_of_another_kind_answer_nothing) {
  const reply number(std::int64_t{5});
  EXPECT_EQ(number.text(), "");
  EXPECT_TRUE(number.elements().empty());
  EXPECT_EQ(reply(reply_kind::text, "5").integer(), 0);
}

TEST(reply_reader, refuses_announced_sizes_before_they_cost_memory) {
  EXPECT_EQ(feed_all("*2147483647\r\n"), errc::reply_too_large);
  EXPECT_EQ(feed_all("*1000001\r\n"), errc::reply_too_large);
  EXPECT_EQ(feed_all("*1000000\r\n"), error_code{});
  EXPECT_EQ(feed_all("$2147483647\r\n"), errc::reply_too_large);
  EXPECT_EQ(feed_all("$9223372036854775807\r\n"), errc::reply_too_large);
  EXPECT_EQ(feed_all("$16777217\r\n"), errc::reply_too_large);
  EXPECT_EQ(feed_all("$16777216\r\n"), error_code{});
}

TEST(reply_reader, counts_nested_elements_and_bytes_together) {
  EXPECT_EQ(feed_all("*2\r\n*600000\r\n" + std::string()), error_code{});
  std::string halves = "*2\r\n*10\r\n";
  for (int i = 0; i < 10; ++i) halves += "$-1\r\n";
  reply_limits limits;
  limits.elements = 21;
  EXPECT_EQ(feed_all(halves + "*9\r\n", 7, limits), error_code{});
  EXPECT_EQ(feed_all(halves + "*10\r\n", 7, limits), errc::reply_too_large);
  limits.bytes = 10;
  EXPECT_EQ(feed_all("*2\r\n$6\r\nabcdef\r\n$4\r\nabcd\r\n", 3, limits), error_code{});
  EXPECT_EQ(feed_all("*2\r\n$6\r\nabcdef\r\n$5\r\n", 3, limits), errc::reply_too_large);
  // The count starts again with each reply.
  EXPECT_EQ(feed_all("$9\r\nabcdefghi\r\n$9\r\nabcdefghi\r\n", 3, limits), error_code{});
}

TEST(reply_reader, refuses_depth_beyond_seven) {
  std::string seven;
  for (int i = 0; i < 7; ++i) seven += "*1\r\n";
  EXPECT_EQ(feed_all(seven + ":1\r\n"), error_code{});
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "*1\r\n";
  EXPECT_EQ(feed_all(deep), errc::reply_too_large);
}

TEST(reply_reader, refuses_garbage) {
  for (const char* bytes : {"HTTP/1.1 400 Bad Request\r\n", "*-5\r\n", "$-2\r\n", "$abc\r\n", ":12x\r\n", "*\r\n",
                            "$99999999999999999999\r\n", "*99999999999999999999\r\n", "%1\r\n", "\r\n"}) {
    EXPECT_EQ(feed_all(bytes), errc::protocol_violation) << bytes;
  }
}

TEST(reply_reader, stops_waiting_for_lines_that_do_not_end) {
  EXPECT_EQ(feed_all("+" + std::string(1 << 20, 'a')), errc::reply_too_large);
  EXPECT_EQ(feed_all("-" + std::string(1 << 20, 'a')), errc::reply_too_large);
  EXPECT_EQ(feed_all("+" + std::string((64 << 10) + 1, 'a') + "\r\n", 1 << 20), errc::reply_too_large);
  EXPECT_EQ(feed_all("$" + std::string(100, '1')), errc::protocol_violation);
  EXPECT_EQ(feed_all("*" + std::string(100, '1')), errc::protocol_violation);
}

TEST(reply_reader, stays_in_error) {
  reply_reader reader;
  ASSERT_FALSE(reader.feed("?"));
  EXPECT_TRUE(reader.next().has_error());
  EXPECT_EQ(reader.feed("+OK\r\n"), errc::protocol_violation);
  EXPECT_TRUE(reader.next().has_error());
}

TEST(reply_reader, survives_random_bytes) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  static constexpr std::string_view alphabet = "*$+-:0123456789\r\n\r\n\r\nab";
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes;
    const auto length = random() % 60;
    for (std::size_t i = 0; i < length; ++i) bytes += alphabet[random() % alphabet.size()];
    feed_all(bytes, 1 + random() % 7);
  }
}

}  // namespace
}  // namespace careteam::redis

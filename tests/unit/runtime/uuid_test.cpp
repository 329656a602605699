#include "runtime/uuid.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <set>
#include <string>

namespace careteam::runtime {
namespace {

using namespace std::chrono_literals;
using std::chrono::system_clock;

// The example of RFC 9562, appendix A.6.
constexpr std::string_view example = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f";

TEST(uuid, reads_the_canonical_text_in_either_case) {
  const uuid_bytes expected = {0x01, 0x7f, 0x22, 0xe2, 0x79, 0xb0, 0x7c, 0xc3, 0x98, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f};
  EXPECT_EQ(parse_uuid7(example), expected);
  EXPECT_EQ(parse_uuid7("017F22E2-79B0-7CC3-98C4-DC0C0C07398F"), expected);
  EXPECT_EQ(parse_uuid7("017F22e2-79b0-7Cc3-98c4-dc0c0C07398f"), expected);
  EXPECT_EQ(uuid_text(expected), example);
  EXPECT_EQ(time_of(expected), system_clock::time_point(1'645'557'742'000ms));
}

TEST(uuid, refuses_everything_else) {
  for (const char* bad : {
           "",
           "017f22e2-79b0-7cc3-98c4-dc0c0c07398",     // Short.
           "017f22e2-79b0-7cc3-98c4-dc0c0c07398f0",   // Long.
           "017f22e279b07cc398c4dc0c0c07398f",        // No dashes.
           "{017f22e2-79b0-7cc3-98c4-dc0c0c07398}",   // Braces.
           " 017f22e2-79b0-7cc3-98c4-dc0c0c07398",    // Space.
           "017f22e2-79b0-4cc3-98c4-dc0c0c07398f",    // Version 4.
           "017f22e2-79b0-8cc3-98c4-dc0c0c07398f",    // Version 8.
           "017f22e2-79b0-7cc3-18c4-dc0c0c07398f",    // Variant 0.
           "017f22e2-79b0-7cc3-c8c4-dc0c0c07398f",    // Variant 110.
           "017f22e2-79b0-7cc3-f8c4-dc0c0c07398f",    // Variant 111.
           "00000000-0000-0000-0000-000000000000",    // Nil.
           "ffffffff-ffff-ffff-ffff-ffffffffffff",    // Max.
           "017f22e2079b0-7cc3-98c4-dc0c0c07398f",    // A digit for a dash.
           "017f22e-279b0-7cc3-98c4-dc0c0c07398f",    // A dash out of place.
           "017f22e2-79b0-7cc3-98c4-dc0c0c07398\xff"  // No character at all.
       }) {
    EXPECT_FALSE(parse_uuid7(bad)) << bad;
  }
}

TEST(uuid, every_byte_at_every_place_is_read_right_or_refused) {
  for (std::size_t at = 0; at < example.size(); ++at) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string text(example);
      text[at] = static_cast<char>(byte);
      const auto read = parse_uuid7(text);
      const bool is_digit = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F');
      if (example[at] == '-') {
        EXPECT_EQ(read.has_value(), byte == '-') << at << " " << byte;
      } else if (!is_digit) {
        EXPECT_FALSE(read) << at << " " << byte;
      } else if (at != 14 && at != 19) {
        ASSERT_TRUE(read) << at << " " << byte;
        text[at] = static_cast<char>(std::tolower(byte));
        EXPECT_EQ(uuid_text(*read), text);
      }
    }
  }
}

TEST(uuid, generated_ones_carry_the_time_and_differ) {
  const auto now = system_clock::time_point(1'772'348'400'042ms);
  std::set<uuid_bytes> seen;
  for (int i = 0; i < 1000; ++i) {
    const uuid_bytes id = generate_uuid7(now + 900us);
    EXPECT_EQ(parse_uuid7(uuid_text(id)), id);
    EXPECT_EQ(time_of(id), now);
    EXPECT_TRUE(seen.insert(id).second);
  }
  EXPECT_LT(generate_uuid7(now), generate_uuid7(now + 1ms));
  EXPECT_EQ(time_of(generate_uuid7(system_clock::time_point(-5s))), system_clock::time_point(0s));
}

TEST(uuid, the_farthest_time_is_read_without_overflow) {
  const auto id = parse_uuid7("ffffffff-ffff-7fff-bfff-ffffffffffff");
  ASSERT_TRUE(id);
  EXPECT_EQ(time_of(*id).time_since_epoch().count(), 281'474'976'710'655);
}

TEST(uuid, round_trips_random_ids) {
  std::mt19937 random(7);
  for (int i = 0; i < 10'000; ++i) {
    uuid_bytes id{};
    for (auto& byte : id) byte = static_cast<std::uint8_t>(random());
    id[6] = static_cast<std::uint8_t>(0x70 | (id[6] & 0x0F));
    id[8] = static_cast<std::uint8_t>(0x80 | (id[8] & 0x3F));
    EXPECT_EQ(parse_uuid7(uuid_text(id)), id);
  }
}

}  // namespace
}  // namespace careteam::runtime

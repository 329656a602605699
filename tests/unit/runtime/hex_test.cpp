#include "runtime/hex.hpp"

#include <gtest/gtest.h>

#include <array>

namespace careteam::runtime {
namespace {

TEST(hex, writes_two_lower_case_digits_for_each_byte) {
  EXPECT_EQ(to_hex(""), "");
  EXPECT_EQ(to_hex(std::string_view("\0\x01\x7f\x80\xfa\xff", 6)), "00017f80faff");
}

TEST(hex, writes_the_first_bytes_of_more) {
  constexpr std::array<unsigned char, 3> bytes{0xab, 0x0c, 0xff};
  EXPECT_EQ(to_hex(bytes.data(), 2), "ab0c");
  EXPECT_EQ(to_hex(bytes.data(), 0), "");
}

}  // namespace
}  // namespace careteam::runtime

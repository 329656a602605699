// The strict readers under the tokens: base64url, JSON, and comparing secrets.
#include <gtest/gtest.h>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <random>
#include <string>

#include "identity/base64url.hpp"
#include "identity/constant_time.hpp"
#include "identity/strict_json.hpp"

namespace careteam::identity {
namespace {

TEST(base64url, has_the_known_texts) {
  // RFC 4648 §10, without padding, and RFC 7515 appendix C.
  const std::pair<std::string, std::string> known[] = {
      {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
      {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\x03\xEC\xFF\xE0\xC1", "A-z_4ME"}};
  for (const auto& [bytes, text] : known) {
    EXPECT_EQ(encode_base64url(bytes), text);
    EXPECT_EQ(decode_base64url(text), bytes);
  }
}

TEST(base64url, has_one_text_for_each_sequence_of_bytes) {
  for (const char* bad : {"A", "Zg==", "Zm8=", "Zh", "Zm9", "A+z/4ME", "Zm 9v", "Zm9v\n", "Z", "Zm9vY", "\xC3\xA9", "Zm.v"}) {
    EXPECT_FALSE(decode_base64url(bad)) << bad;
  }
  std::mt19937 random(4);
  for (int round = 0; round < 5'000; ++round) {
    std::string text(random() % 12, '\0');
    for (char& c : text) c = static_cast<char>(random() % 128);
    if (const auto bytes = decode_base64url(text)) {
      EXPECT_EQ(encode_base64url(*bytes), text);
    }
    std::string bytes(random() % 40, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    EXPECT_EQ(decode_base64url(encode_base64url(bytes)), bytes);
  }
}

constexpr json_limits limits{1'000, 4, 5};

TEST(strict_json, reads_an_object) {
  const auto read = parse_strict_object(R"( {"a":{"a":1},"b":[{"c":2},{"c":3}]} )", limits);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->at("a").at("a").as_int64(), 1);
}

TEST(strict_json, refuses_with_the_reason) {
  const std::pair<std::string, json_fault> bad[] = {{"", json_fault::malformed},
                                                    {"{", json_fault::malformed},
                                                    {"{}{}", json_fault::malformed},
                                                    {"{\"a\":1 /* c */}", json_fault::malformed},
                                                    {"{\"a\":1,}", json_fault::malformed},
                                                    {"{\"a\":\"\xC0\xAF\"}", json_fault::malformed},
                                                    {std::string("{\"a\":\"\0\"}", 9), json_fault::malformed},
                                                    {R"({"a":1e999})", json_fault::malformed},
                                                    {R"({"a":0e999})", json_fault::malformed},
                                                    {"[]", json_fault::not_an_object},
                                                    {"1", json_fault::not_an_object},
                                                    {R"({"a":1,"a":1})", json_fault::repeated_name},
                                                    {R"({"a":1,"\u0061":1})", json_fault::repeated_name},
                                                    {R"({"":1,"":1})", json_fault::repeated_name},
                                                    {R"({"x":[{"a":1,"b":2,"a":3}]})", json_fault::repeated_name},
                                                    {R"({"a":[[[[]]]]})", json_fault::too_deep},
                                                    {"{\"a\":" + std::string(900, '['), json_fault::too_deep},
                                                    {R"({"a":1,"b":1,"c":1,"d":1,"e":1,"f":1})", json_fault::too_large},
                                                    {"{\"a\":\"" + std::string(1'000, 'x') + "\"}", json_fault::too_large}};
  for (const auto& [text, fault] : bad) {
    const auto read = parse_strict_object(text, limits);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error(), fault) << text;
  }
}

TEST(strict_json, long_names_with_escapes_are_compared_whole) {
  const std::string name(200, 'n');
  EXPECT_TRUE(parse_strict_object("{\"" + name + "1\\n\":1,\"" + name + "2\\n\":1}", limits));
  EXPECT_FALSE(parse_strict_object("{\"" + name + "\\u00e9\":1,\"" + name + "\xC3\xA9\":1}", limits));
}

TEST(constant_time, compares_whole_secrets) {
  EXPECT_TRUE(equal_in_constant_time("", ""));
  EXPECT_TRUE(equal_in_constant_time("secret", "secret"));
  EXPECT_TRUE(equal_in_constant_time(std::string_view("a\0b", 3), std::string_view("a\0b", 3)));
  EXPECT_FALSE(equal_in_constant_time(std::string_view("a\0b", 3), std::string_view("a\0c", 3)));
  EXPECT_FALSE(equal_in_constant_time("secret", "secreT"));
  EXPECT_FALSE(equal_in_constant_time("secret", "secre"));
  EXPECT_FALSE(equal_in_constant_time("secret", ""));
}

}  // namespace
}  // namespace careteam::identity

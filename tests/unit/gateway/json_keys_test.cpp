#include "gateway/json_keys.hpp"

#include <gtest/gtest.h>

#include <string>

namespace careteam::gateway {
namespace {

TEST(json_keys, attack_26_a_name_stands_once_in_an_object) {
  for (const auto* text :
       {R"({"a":1,"a":2})", R"({"a":{"b":1,"c":[],"b":2}})", R"([{"a":1,"b":{},"a":1}])", R"({"patientId":"x","patient_id":"y"})",
        R"({"a":1,"\u0061":2})", R"({"a":{},"b":[{"c":1}],"a":{}})", R"({"":1,"":2})"}) {
    EXPECT_EQ(check_json_keys(text), json_verdict::repeated_key) << text;
  }
  for (const auto* text : {R"({"a":1,"b":2})", R"({"a":{"a":{"a":1}},"b":{"a":1}})", R"([{"a":1},{"a":1}])", "{}", "[]", "1", R"("a")",
                           R"({"a":"a","b":"a"})"}) {
    EXPECT_EQ(check_json_keys(text), json_verdict::good) << text;
  }
}

TEST(json_keys, what_is_no_json_is_none) {
  for (const auto* text : {"", "{", "{\"a\":1", "{\"a\" 1}", "nul", "{}{}", "{'a':1}", "\xff"}) {
    EXPECT_EQ(check_json_keys(text), json_verdict::not_json) << text;
  }
  EXPECT_EQ(check_json_keys(std::string(1'000'000, '[')), json_verdict::not_json) << "deeper than max_json_depth";
  std::string long_key = "{\"" + std::string(100'000, 'k') + "\":1,\"" + std::string(100'000, 'k') + "\":2}";
  EXPECT_EQ(check_json_keys(long_key), json_verdict::repeated_key);
}

}  // namespace
}  // namespace careteam::gateway

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
  for (const auto* text : {"", "{", "{\"a\":1", "{\"a\" 1}", "nul", "{}{}", "{'a':1}", "{a:1}", "\xff", "{\"a\":1e400}", "{\"a\":0e999}",
                           "{\"a\":\"\\ud800\"}", "{\"a\":\"\\udc00\\ud800\"}"}) {
    EXPECT_EQ(check_json_keys(text), json_verdict::not_json) << text;
  }
  EXPECT_EQ(check_json_keys(std::string(1'000'000, '[')), json_verdict::not_json) << "deeper than max_json_depth";
  std::string long_key = "{\"" + std::string(100'000, 'k') + "\":1,\"" + std::string(100'000, 'k') + "\":2}";
  EXPECT_EQ(check_json_keys(long_key), json_verdict::repeated_key);
}

TEST(json_keys, attack_26_an_object_of_very_many_names_is_refused_before_it_costs_time) {
  const auto with_names = [](std::size_t count) {
    std::string text = "{";
    for (std::size_t i = 0; i < count; ++i) text += (i == 0 ? "\"n" : ",\"n") + std::to_string(i) + "\":1";
    return text + "}";
  };
  EXPECT_EQ(check_json_keys(with_names(max_json_names)), json_verdict::good);
  EXPECT_EQ(check_json_keys(with_names(max_json_names + 1)), json_verdict::too_many_names);
  const auto many = with_names(max_json_names);
  EXPECT_EQ(check_json_keys("[" + many + "," + many + "]"), json_verdict::good) << "each object counts for itself";
}

}  // namespace
}  // namespace careteam::gateway

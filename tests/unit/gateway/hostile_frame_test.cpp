// Lines 25 to 27 of the attack list, against the decoder. Each frame is refused, with a reason that repeats nothing of it, in little time.
#include <gmock/gmock.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <chrono>

#include "gateway/frame_codec.hpp"

namespace careteam::gateway {
namespace {

using testing::AllOf;
using testing::HasSubstr;

struct verdict {
  bool accepted = false;
  std::string why;  ///< Id, code, field and message.
  std::string message;
};

verdict judge(subprotocol form, std::string_view bytes) {
  v1::ClientFrame frame;
  bad_frame bad;
  verdict found;
  found.accepted = decode(form, bytes, frame, bad);
  if (found.accepted) {
    found.message = frame.SerializeAsString();
  } else {
    EXPECT_EQ(bad.why.code, care::code::invalid_argument);
    found.why = bad.id + "|" + bad.why.field + "|" + bad.why.message;
  }
  return found;
}

std::string repeated(std::string_view part, std::size_t times) {
  std::string all;
  for (std::size_t i = 0; i < times; ++i) all += part;
  return all;
}

/// A length-delimited field.
std::string field(int number, const std::string& bytes) {
  std::string head(1, static_cast<char>(number << 3 | 2));
  for (auto size = bytes.size();; size >>= 7) {
    head += static_cast<char>((size & 0x7F) | (size > 0x7F ? 0x80 : 0));
    if (size <= 0x7F) return head + bytes;
  }
}

struct hostile {
  const char* name;
  std::string bytes;
};
void PrintTo(const hostile& one, std::ostream* out) {
  *out << one.name;
}

class attack_25_bytes : public testing::TestWithParam<hostile> {};
TEST_P(attack_25_bytes, are_refused) {
  EXPECT_FALSE(judge(subprotocol::proto, GetParam().bytes).accepted);
}
constexpr std::size_t very_many = 100'000;
INSTANTIATE_TEST_SUITE_P(
    frames, attack_25_bytes,
    testing::Values(hostile{"groups, 10^5 deep, never closed", repeated("\x0b", very_many)},
                    hostile{"groups, 10^5 deep, closed", repeated("\x0b", very_many) + repeated("\x0c", very_many)},
                    hostile{"groups of an unknown field, 101 deep", repeated("\x7b", 101) + repeated("\x7c", 101)},
                    hostile{"one group of an unknown field", "\x7b\x7c"},
                    hostile{"groups within a command", field(2, repeated("\x0b", very_many) + repeated("\x0c", very_many))},
                    hostile{"a group that is closed by another number", "\x0b\x14"}, hostile{"a group that was not opened", "\x0c"},
                    hostile{"a length beyond the message", std::string("\x12\x7f\x0a\x01x", 5)},
                    hostile{"a length beyond its parent", field(2, "\x0a\x7fx")},
                    hostile{"a length of 2^32 - 1", std::string("\x12\xff\xff\xff\xff\x0f", 6)},
                    hostile{"a length of 2^63", std::string("\x12\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 11)},
                    hostile{"a varint of 11 bytes", field(3, "\x18" + repeated("\xff", 10) + "\x01")},
                    hostile{"a tag of 11 bytes", repeated("\xff", 10) + "\x01"}, hostile{"field number 0", std::string("\x02\x00", 2)},
                    hostile{"wire type 6", "\x0e"}, hostile{"wire type 7", "\x0f"},
                    hostile{"a varint where a message belongs", std::string("\x10\x01", 2)},
                    hostile{"10^6 empty positions in a Hello", field(1, repeated(std::string_view("\x22\x00", 2), 1'000'000))},
                    hostile{"10^6 empty frames", repeated(std::string_view("\x7a\x00", 2), 1'000'000)},
                    hostile{"10^6 roles, packed, of an account",
                            field(2, std::string("\xca\x02", 2) + field(4, std::string(1'000'000, '\x14')))},
                    hostile{"a MessageSet", std::string("\x0b\x10\x02\x1a\x02\x08\x01\x0c", 8)},
                    hostile{"a MessageSet within a command", field(2, std::string("\x0b\x10\x02\x1a\x02\x08\x01\x0c", 8))}));

TEST(attack_25, positions_of_as_many_streams_as_a_frame_can_hold_are_taken) {
  v1::ClientFrame frame;
  for (std::size_t i = 0; i < max_frame_elements; ++i) frame.mutable_hello()->add_resume()->set_seq(1);
  EXPECT_TRUE(judge(subprotocol::proto, frame.SerializeAsString()).accepted);
  frame.mutable_hello()->add_resume();
  EXPECT_THAT(judge(subprotocol::proto, frame.SerializeAsString()).why, HasSubstr("10,000 elements"));
}

class attack_26_texts : public testing::TestWithParam<hostile> {};
TEST_P(attack_26_texts, are_refused) {
  const auto [accepted, why, message] = judge(subprotocol::json, GetParam().bytes);
  EXPECT_FALSE(accepted);
  EXPECT_THAT(why, Not(HasSubstr("secret")));
}
INSTANTIATE_TEST_SUITE_P(
    frames, attack_26_texts,
    testing::Values(hostile{"arrays, 10^5 deep", repeated("[", very_many)},
                    hostile{"arrays, 10^5 deep, closed", repeated("[", very_many) + repeated("]", very_many)},
                    hostile{"objects, 10^5 deep", repeated(R"({"command":)", very_many)},
                    hostile{"objects, 101 deep, closed", repeated(R"({"command":)", 101) + "{}" + repeated("}", 101)},
                    hostile{"1e400", R"({"cursor":{"read":1e400}})"}, hostile{"-1e400", R"({"cursor":{"read":-1e400}})"},
                    hostile{"0e400", R"({"cursor":{"read":0e400}})"},
                    hostile{"a number of 10^5 digits", R"({"cursor":{"read":)" + repeated("9", very_many) + "}}"},
                    hostile{"NaN", R"({"cursor":{"read":NaN}})"}, hostile{"a name twice", R"({"cursor":{"read":1,"read":2}})"},
                    hostile{"a name in both spellings", R"({"fetch":{"requestId":"secret","request_id":"b"}})"},
                    hostile{"a name twice, once escaped", R"({"cursor":{"read":1,"\u0072ead":2}})"},
                    hostile{"a name twice, where the first has no quotes", R"({cursor:{read:1,read:2}})"},
                    hostile{"a name twice, once in other quotes", R"({"cursor":{'read':1,"read":2}})"},
                    hostile{"names without quotes", R"({cursor:{read:1}})"}, hostile{"other quotes", R"({'cursor':{'read':1}})"},
                    hostile{"a comma at the end", R"({"cursor":{"read":1,}})"}, hostile{"a comment", R"({"cursor":{"read":1/*secret*/}})"},
                    hostile{"two values", R"({"cursor":{"read":1}}{})"},
                    hostile{"NUL, escaped", R"({"fetch":{"requestId":"a\u0000","patientId":"secret"}})"},
                    hostile{"NUL in a text", std::string(R"({"fetch":{"requestId":"a)") + '\0' + "\"}}"},
                    hostile{"NUL behind the frame", std::string(R"({"cursor":{"read":1}})") + '\0'},
                    hostile{"a lone high surrogate", R"({"fetch":{"requestId":"\ud800"}})"},
                    hostile{"a lone low surrogate", R"({"fetch":{"requestId":"\udc00"}})"},
                    hostile{"surrogates in the wrong order", R"({"fetch":{"requestId":"\udc00\ud800"}})"},
                    hostile{"a surrogate in UTF-8", "{\"fetch\":{\"requestId\":\"\xed\xa0\x80\"}}"},
                    hostile{"overlong UTF-8", "{\"fetch\":{\"requestId\":\"\xc0\xaf\"}}"},
                    hostile{"a byte order mark", "\xef\xbb\xbf{\"cursor\":{\"read\":1}}"}));

TEST(attack_26, a_pair_of_surrogates_is_a_character) {
  const auto read = judge(subprotocol::json, R"({"fetch":{"requestId":"\ud83d\ude00"}})");
  EXPECT_THAT(read.message, HasSubstr("\xf0\x9f\x98\x80"));
}

TEST(attack_26, many_names_cost_little_time) {
  // As large as a frame may be. The names are all different, and in one object.
  std::string text = "{";
  for (int i = 0; text.size() < 64 * 1024 - 20; ++i) text += "\"" + std::to_string(i) + "\":1,";
  text += "\"x\":1}";
  const auto before = std::chrono::steady_clock::now();
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(judge(subprotocol::json, text).accepted);
  // Comparing each name with each took 10 s. It takes 6 ms now; the rest is for slow machines and sanitizers.
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(2));
}

// tests/fuzz/json_mapping.cpp compares random frames; here are those at the borders.
TEST(attack_27, both_forms_get_the_same_verdict) {
  struct pair {
    const char* json;
    v1::ClientFrame frame;
  };
  std::vector<pair> pairs;
  const auto add = [&](const char* json) -> v1::ClientFrame& { return pairs.emplace_back(pair{json, {}}).frame; };
  add(R"({"cursor":{"patientId":"rosa","stream":"STREAM_SHARED","read":"18446744073709551615"}})").mutable_cursor()->set_patient_id("rosa");
  pairs.back().frame.mutable_cursor()->set_stream(v1::STREAM_SHARED);
  pairs.back().frame.mutable_cursor()->set_read(std::numeric_limits<std::uint64_t>::max());
  add(R"({"hello":{}})").mutable_hello();
  add(R"({"hello":null})");
  add(R"({})");
  add(R"({"hello":{"resume":[{},{}]}})").mutable_hello()->add_resume();
  pairs.back().frame.mutable_hello()->add_resume();
  add(R"({"hello":{"actingRole":77}})").mutable_hello()->set_acting_role(static_cast<v1::Role>(77));
  add(R"({"hello":{"actingRole":-1}})").mutable_hello()->set_acting_role(static_cast<v1::Role>(-1));
  add(R"({"cursor":{"stream":99,"read":1}})").mutable_cursor()->set_stream(static_cast<v1::Stream>(99));
  pairs.back().frame.mutable_cursor()->set_read(1);
  add(R"({"fetch":{"requestId":"r","patientId":"a\u0000b"}})").mutable_fetch()->set_request_id("r");
  pairs.back().frame.mutable_fetch()->set_patient_id(std::string("a\0b", 3));
  add(R"({"command":{"commandId":"c","viewRoster":{}}})").mutable_command()->set_command_id("c");
  pairs.back().frame.mutable_command()->mutable_view_roster();
  for (const auto& [json, frame] : pairs) {
    const auto by_json = judge(subprotocol::json, json);
    const auto by_proto = judge(subprotocol::proto, frame.SerializeAsString());
    EXPECT_EQ(by_json.accepted, by_proto.accepted) << json;
    EXPECT_EQ(by_json.why, by_proto.why) << json;
    EXPECT_EQ(by_json.message, by_proto.message) << json;
  }
}

}  // namespace
}  // namespace careteam::gateway

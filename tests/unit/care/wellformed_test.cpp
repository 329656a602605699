// What enters is closed under the contract, and times lie where times can lie.
#include "care/wellformed.hpp"

#include "careteam/v1/wire.pb.h"
#include "record_fixture.hpp"

namespace careteam::care::fixture {
namespace {

/// `inner` as a length-delimited field.
std::string field(int number, const std::string& inner) {
  const auto tag = static_cast<char>(number << 3 | 2);
  EXPECT_LT(number, 16);
  EXPECT_LT(inner.size(), 128U);
  return std::string{tag, static_cast<char>(inner.size())} + inner;
}

/// `value` as a varint field.
std::string varint(int number, int value) {
  std::string bytes;
  auto tag = static_cast<unsigned>(number << 3);
  while (tag > 127) {
    bytes += static_cast<char>(tag | 128);
    tag >>= 7;
  }
  bytes += static_cast<char>(tag);
  EXPECT_LT(value, 128);
  return bytes + static_cast<char>(value);
}

v1::ClientFrame parsed(const std::string& bytes) {
  v1::ClientFrame frame;
  EXPECT_TRUE(frame.ParseFromString(bytes));
  return frame;
}

TEST(wellformed, a_command_of_the_contract_is_closed) {
  v1::ClientFrame frame;
  *frame.mutable_command() = post(clinical, "words").stat().to(v1::ROLE_PHARMACIST).to("rao").passing_on(shared, 1);
  EXPECT_EQ(first_unknown(frame), std::nullopt);
  EXPECT_EQ(first_unknown(v1::ClientFrame{}), std::nullopt);
}

TEST(wellformed, an_unknown_field_is_found_with_its_path_at_any_depth) {
  EXPECT_EQ(first_unknown(parsed(varint(90, 1))), "#90");
  EXPECT_EQ(first_unknown(parsed(field(2, varint(99, 1)))), "command.#99");
  EXPECT_EQ(first_unknown(parsed(field(2, field(10, varint(77, 1))))), "command.postMessage.#77");
  EXPECT_EQ(first_unknown(parsed(field(2, field(10, field(2, field(2, varint(50, 1))))))), "command.postMessage.content.sbar.#50");
  EXPECT_EQ(first_unknown(parsed(field(2, field(10, field(4, varint(50, 1)))))), "command.postMessage.mentions.#50")
      << "in a repeated field";
}

TEST(wellformed, an_unknown_enum_value_is_found_with_its_path_at_any_depth) {
  EXPECT_EQ(first_unknown(parsed(field(1, varint(5, 99)))), "hello.actingRole");
  EXPECT_EQ(first_unknown(parsed(field(2, field(10, varint(1, 7))))), "command.postMessage.stream");
  EXPECT_EQ(first_unknown(parsed(field(2, field(10, varint(3, 5))))), "command.postMessage.priority");
  EXPECT_EQ(first_unknown(parsed(field(2, field(10, field(4, varint(2, 23)))))), "command.postMessage.mentions.role") << "inside a oneof";
  EXPECT_EQ(first_unknown(parsed(field(2, field(10, field(2, field(7, varint(2, 6))))))),
            "command.postMessage.content.substanceReport.kind");
}

TEST(wellformed, an_unknown_kind_or_role_in_a_task_is_found) {
  v1::Command command;
  auto& order = *command.mutable_request_task()->mutable_order();
  order.set_kind(static_cast<v1::TaskKind>(99));
  EXPECT_EQ(first_unknown(command), "requestTask.order.kind");
  order.set_kind(v1::TASK_KIND_CARE);
  order.add_ladder()->set_role(static_cast<v1::Role>(99));
  EXPECT_EQ(first_unknown(command), "requestTask.order.ladder.role");
}

TEST(wellformed, repeated_enums_are_looked_at_one_by_one) {
  v1::Command command = add_member(0, "weiss", v1::ROLE_RADIOLOGIST, {v1::SCOPE_READ_CLINICAL, static_cast<v1::Scope>(42)});
  EXPECT_EQ(first_unknown(command), "addMember.scopes");
}

TEST(wellformed, unspecified_is_a_known_value) {
  v1::Command command;
  command.mutable_post_message()->set_stream(v1::STREAM_UNSPECIFIED);
  EXPECT_EQ(first_unknown(command), std::nullopt);
}

TEST(wellformed, negative_enum_values_are_unknown) {
  v1::Command command;
  command.mutable_post_message()->set_stream(static_cast<v1::Stream>(-1));
  EXPECT_EQ(first_unknown(command), "postMessage.stream");
}

TEST(fhir_id, is_short_and_plain) {
  EXPECT_TRUE(is_fhir_id("a"));
  EXPECT_TRUE(is_fhir_id("Rosa-1.b"));
  EXPECT_TRUE(is_fhir_id(std::string(64, 'x')));
  EXPECT_FALSE(is_fhir_id(""));
  EXPECT_FALSE(is_fhir_id(std::string(65, 'x')));
  for (const char* bad : {"a b", "a/b", "a_b", "a\n", "a\0b", "\xC3\xA9", "a:b", "a'b"}) {
    EXPECT_FALSE(is_fhir_id(std::string_view(bad, bad[1] == '\0' ? 3 : std::char_traits<char>::length(bad)))) << bad;
  }
}

google::protobuf::Timestamp stamp_of(std::int64_t seconds, std::int32_t nanos) {
  google::protobuf::Timestamp t;
  t.set_seconds(seconds);
  t.set_nanos(nanos);
  return t;
}

constexpr std::int64_t year_1900 = -2'208'988'800;
constexpr std::int64_t year_2200 = 7'258'118'400;

TEST(times, lie_between_1900_and_2200) {
  EXPECT_EQ(to_instant(stamp_of(0, 0)), instant{});
  EXPECT_EQ(to_instant(stamp_of(year_1900, 0)), earliest_time);
  EXPECT_EQ(to_instant(stamp_of(year_1900 - 1, 999'999'999)), std::nullopt);
  EXPECT_EQ(to_instant(stamp_of(year_2200 - 1, 999'999'999)), latest_time - 1us);
  EXPECT_EQ(to_instant(stamp_of(year_2200, 0)), std::nullopt);
}

TEST(times, that_are_huge_or_malformed_are_none) {
  for (const auto seconds : {INT64_MAX, INT64_MIN, INT64_MAX / 1'000'000, std::int64_t{253'402'300'800}}) {
    EXPECT_EQ(to_instant(stamp_of(seconds, 0)), std::nullopt) << seconds;
  }
  for (const auto nanos : {-1, 1'000'000'000, INT32_MAX, INT32_MIN}) EXPECT_EQ(to_instant(stamp_of(0, nanos)), std::nullopt) << nanos;
}

TEST(times, survive_a_round_trip_to_the_microsecond_before_and_after_1970) {
  for (const instant t : {instant{}, instant{-1us}, instant{-1s}, monday, monday + 1us, earliest_time, latest_time - 1us}) {
    google::protobuf::Timestamp stamp;
    set_timestamp(stamp, t);
    EXPECT_GE(stamp.nanos(), 0) << "a timestamp's nanos count forward, also before 1970";
    EXPECT_EQ(to_instant(stamp), t);
  }
}

TEST(times, finer_than_a_microsecond_are_cut) {
  EXPECT_EQ(to_instant(stamp_of(1, 1'999)), instant{1s + 1us});
}

TEST(zero_characters, are_found_in_every_text) {
  v1::ClientFrame frame;
  frame.mutable_command()->mutable_post_message()->mutable_content()->set_text("good");
  EXPECT_EQ(first_zero(frame), std::nullopt);
  frame.mutable_command()->mutable_post_message()->mutable_content()->set_text(std::string("cut\0here", 8));
  EXPECT_EQ(first_zero(frame), "command.postMessage.content.text");
  frame.mutable_command()->mutable_post_message()->mutable_content()->set_text("good");
  frame.mutable_command()->mutable_post_message()->add_mentions()->set_person_id("rao");
  frame.mutable_command()->mutable_post_message()->add_mentions()->set_person_id(std::string(1, '\0'));
  EXPECT_EQ(first_zero(frame), "command.postMessage.mentions.personId");
}

}  // namespace
}  // namespace careteam::care::fixture

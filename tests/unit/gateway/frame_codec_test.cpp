#include "gateway/frame_codec.hpp"

#include <gmock/gmock.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <random>

namespace careteam::gateway {
namespace {

using coordination::stream_batch;
using testing::HasSubstr;
using testing::Not;

std::string binary(const v1::ClientFrame& frame) {
  return frame.SerializeAsString();
}

v1::ClientFrame cursor_frame() {
  v1::ClientFrame frame;
  frame.mutable_cursor()->set_patient_id("rosa");
  frame.mutable_cursor()->set_stream(v1::STREAM_SHARED);
  frame.mutable_cursor()->set_read(7);
  return frame;
}

/// Whether the frame is read, and what the refusal says otherwise.
std::pair<bool, bad_frame> read(subprotocol form, std::string_view bytes) {
  v1::ClientFrame frame;
  bad_frame bad;
  const bool good = decode(form, bytes, frame, bad);
  return {good, bad};
}

v1::Entry entry_with(std::uint64_t seq, const std::string& text) {
  v1::Entry entry;
  entry.set_patient_id("rosa");
  entry.set_stream(v1::STREAM_SHARED);
  entry.set_seq(seq);
  entry.mutable_message_posted()->set_text(text);
  return entry;
}

TEST(decoding, both_forms_mean_the_same) {
  std::string json;
  ASSERT_TRUE(google::protobuf::util::MessageToJsonString(cursor_frame(), &json).ok());
  v1::ClientFrame from_json, from_proto;
  bad_frame bad;
  ASSERT_TRUE(decode(subprotocol::json, json, from_json, bad));
  ASSERT_TRUE(decode(subprotocol::proto, binary(cursor_frame()), from_proto, bad));
  EXPECT_EQ(from_json.SerializeAsString(), from_proto.SerializeAsString());
}

TEST(decoding, what_is_no_frame_is_refused_without_repeating_it) {
  const std::vector<std::string> texts = {"",
                                          " ",
                                          "null",
                                          "[]",
                                          "{",
                                          "{\"cursor\":",
                                          "secret words",
                                          R"({"cursor":"secret words"})",
                                          R"({"secretField":1})",
                                          R"({"cursor":{"read":"-1"}})",
                                          R"({"cursor":{"read":1e400}})",
                                          R"({"command":{"postMessage":{"stream":"STREAM_SECRET"}}})",
                                          std::string("\0", 1),
                                          "{}",
                                          "\xff\xfe",
                                          R"({"cursor":{"stream":99}})",
                                          R"({"cursor":{},"hello":{}})",
                                          std::string(100'000, '[')};
  for (const auto& text : texts) {
    const auto [good, bad] = read(subprotocol::json, text);
    EXPECT_FALSE(good) << text.substr(0, 40);
    EXPECT_EQ(bad.why.code, care::code::invalid_argument);
    EXPECT_THAT(bad.why.message, Not(HasSubstr("secret"))) << text;
  }
  const std::vector<std::string> octets = {"",
                                           std::string("\xff", 1),
                                           std::string("\x0a\x7f", 2),
                                           "\x0a\xff\xff\xff\xff\x0f",
                                           std::string(11, '\xff'),
                                           std::string("\xfa\x07\x00", 3),
                                           std::string(100'000, '\x0b')};
  for (const auto& one : octets) EXPECT_FALSE(read(subprotocol::proto, one).first);
}

TEST(decoding, an_unknown_field_or_enum_value_names_its_place_and_the_command) {
  v1::ClientFrame frame;
  frame.mutable_command()->set_command_id("0190d2a0-0000-7000-8000-000000000000");
  frame.mutable_command()->mutable_post_message()->set_stream(static_cast<v1::Stream>(77));
  const auto [good, bad] = read(subprotocol::proto, binary(frame));
  EXPECT_FALSE(good);
  EXPECT_EQ(bad.id, frame.command().command_id());
  EXPECT_EQ(bad.why.field, "command.postMessage.stream");
  auto extended = binary(cursor_frame());
  extended += std::string("\xa0\x06\x01", 3);  // Field 100 of ClientFrame.
  EXPECT_FALSE(read(subprotocol::proto, extended).first);
}

TEST(decoding, no_bytes_do_harm) {
  quiet_protobuf();
  std::mt19937_64 random(20261123);
  const auto good = binary(cursor_frame());
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = good;
    for (int changes = 0; changes < 3; ++changes) bytes[random() % bytes.size()] = static_cast<char>(random());
    bytes.resize(random() % (bytes.size() + 4));
    v1::ClientFrame frame;
    bad_frame bad;
    if (!decode(i % 2 == 0 ? subprotocol::proto : subprotocol::json, bytes, frame, bad)) continue;
    EXPECT_NE(frame.frame_case(), v1::ClientFrame::FRAME_NOT_SET);
  }
}

class what_is_owed : public testing::TestWithParam<subprotocol> {
 protected:
  v1::ServerFrame parsed(const std::string& message) {
    v1::ServerFrame frame;
    if (GetParam() == subprotocol::proto) {
      EXPECT_TRUE(frame.ParseFromString(message));
    } else {
      const auto read = google::protobuf::util::JsonStringToMessage(message, &frame);
      EXPECT_TRUE(read.ok()) << message;
    }
    return frame;
  }
  void add_entries(std::uint64_t first, int count, const std::string& text) {
    stream_batch batch(v1::STREAM_SHARED, first);
    for (int i = 0; i < count; ++i) batch.add(entry_with(first + static_cast<std::uint64_t>(i), text));
    out_.add(batch);
  }
  outbox out_{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(forms, what_is_owed, testing::Values(subprotocol::proto, subprotocol::json),
                         [](const auto& form) { return form.param == subprotocol::proto ? "proto" : "json"; });

TEST_P(what_is_owed, is_one_message_in_the_order_in_which_it_came) {
  v1::Committed committed;
  committed.set_command_id("c");
  committed.set_seq(3);
  add_entries(1, 2, "hello");
  out_.add(v1::ServerFrame::kCommittedFieldNumber, committed);
  add_entries(3, 1, "again");
  std::string message;
  ASSERT_TRUE(out_.take(message));
  const auto frame = parsed(message);
  ASSERT_EQ(frame.entries_size(), 3);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(frame.entries(i).seq(), static_cast<std::uint64_t>(i + 1));
  ASSERT_EQ(frame.committed_size(), 1);
  EXPECT_FALSE(out_.take(message));
  EXPECT_TRUE(out_.empty());
  EXPECT_EQ(out_.bytes(), 0U);
}

TEST_P(what_is_owed, starts_a_new_message_after_a_cut) {
  add_entries(1, 1, "before");
  out_.cut();
  out_.cut();
  add_entries(2, 1, "after");
  std::string first, second;
  ASSERT_TRUE(out_.take(first));
  ASSERT_TRUE(out_.take(second));
  EXPECT_EQ(parsed(first).entries(0).seq(), 1U);
  EXPECT_EQ(parsed(second).entries(0).seq(), 2U);
  EXPECT_FALSE(out_.take(first));
}

TEST_P(what_is_owed, comes_in_messages_that_a_client_can_take) {
  for (std::uint64_t seq = 1; seq <= 200; ++seq) add_entries(seq, 1, std::string(4'000, 'x'));
  EXPECT_GT(out_.bytes(), 800'000U);
  std::uint64_t next = 1;
  std::string message;
  int messages = 0;
  while (out_.take(message)) {
    ++messages;
    EXPECT_LE(message.size(), outbox::max_message_bytes + 8'192);
    const auto frame = parsed(message);
    for (const auto& entry : frame.entries()) EXPECT_EQ(entry.seq(), next++);
  }
  EXPECT_EQ(next, 201U);
  EXPECT_GT(messages, 2);
  EXPECT_EQ(out_.bytes(), 0U);
}

TEST_P(what_is_owed, is_forgotten_when_it_is_cleared) {
  add_entries(1, 1, "gone");
  out_.cut();
  add_entries(2, 1, "gone");
  out_.clear();
  std::string message;
  EXPECT_FALSE(out_.take(message));
  add_entries(3, 1, "new");
  ASSERT_TRUE(out_.take(message));
  EXPECT_EQ(parsed(message).entries(0).seq(), 3U);
}

}  // namespace
}  // namespace careteam::gateway

// What the load generator scans by hand must be what the generated code encodes, at any cut of the bytes.
#include <careteam/v1/wire.pb.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "bench/latency_histogram.hpp"
#include "bench/message_template.hpp"
#include "bench/server_probe.hpp"
#include "bench/websocket_client.hpp"
#include "bench/wire_scan.hpp"

namespace careteam::bench {
namespace {

byte_view view(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

v1::Entry message_entry(const std::string& text) {
  v1::Entry entry;
  entry.set_patient_id("room-007");
  entry.set_stream(v1::STREAM_CLINICAL);
  entry.set_seq(300);
  entry.mutable_time()->set_seconds(1'800'000'000);
  entry.mutable_author()->set_person_id("u-007-3");
  entry.mutable_message_posted()->mutable_content()->set_text(text);
  entry.mutable_message_posted()->set_priority(v1::PRIORITY_ROUTINE);
  return entry;
}

std::string server_frame(opcode op, bool fin, const std::string& payload) {
  std::string frame(1, static_cast<char>((fin ? 0x80U : 0U) | static_cast<unsigned>(op)));
  if (payload.size() < 126) {
    frame += static_cast<char>(payload.size());
  } else if (payload.size() <= 0xffff) {
    frame += static_cast<char>(126);
    frame += static_cast<char>(payload.size() >> 8U);
    frame += static_cast<char>(payload.size() & 0xffU);
  } else {
    frame += static_cast<char>(127);
    for (int shift = 56; shift >= 0; shift -= 8) frame += static_cast<char>(payload.size() >> static_cast<unsigned>(shift) & 0xffU);
  }
  return frame + payload;
}

TEST(wire_scan, reads_entries_answers_and_refusals_of_one_frame) {
  v1::ServerFrame frame;
  *frame.add_entries() = message_entry("00000000000000ffand the rest");
  frame.add_entries()->set_patient_id("room-008");
  auto& committed = *frame.add_committed();
  committed.set_command_id("an id");
  committed.set_patient_id("room-007");
  committed.set_stream(v1::STREAM_CLINICAL);
  committed.set_seq(301);
  auto& refused = *frame.add_refused();
  refused.set_command_id("another");
  refused.set_code(8);
  refused.set_field("postMessage");
  refused.set_retry_after_ms(250);
  frame.mutable_welcome()->set_person_id("u-007-3");
  frame.add_resets();
  frame.add_gained();
  frame.add_revoked();
  frame.mutable_drain()->set_reconnect_after_ms(1);
  const auto bytes = frame.SerializeAsString();

  std::vector<std::uint32_t> fields;
  std::vector<scanned_entry> entries;
  scanned_committed answer;
  scanned_refused refusal;
  ASSERT_TRUE(scan_fields(view(bytes), [&](std::uint32_t field, std::uint64_t, byte_view inner) {
    fields.push_back(field);
    bool read = true;
    if (field == frame_field::entries) read = scan_entry(inner, entries.emplace_back());
    if (field == frame_field::committed) read = scan_committed(inner, answer);
    if (field == frame_field::refused) read = scan_refused(inner, refusal);
    EXPECT_TRUE(read) << field;
  }));
  using namespace frame_field;
  EXPECT_EQ(fields, (std::vector<std::uint32_t>{frame_field::entries, frame_field::entries, frame_field::committed, frame_field::refused,
                                                welcome, resets, gained, revoked, drain}));
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_EQ(entries[0].patient_id, "room-007");
  EXPECT_EQ(entries[0].stream, 2U);
  EXPECT_EQ(entries[0].seq, 300U);
  EXPECT_EQ(entries[0].stamp_ns, 255U);
  EXPECT_EQ(entries[1].stamp_ns, 0U);
  EXPECT_EQ(answer.command_id, "an id");
  EXPECT_EQ(answer.patient_id, "room-007");
  EXPECT_EQ(answer.stream, 2U);
  EXPECT_EQ(answer.seq, 301U);
  EXPECT_EQ(refusal.command_id, "another");
  EXPECT_EQ(refusal.code, 8);
  EXPECT_EQ(refusal.field, "postMessage");
  EXPECT_EQ(refusal.retry_after_ms, 250U);
}

TEST(wire_scan, a_text_without_a_stamp_has_none) {
  for (const std::string text : {"short", "sixteen letters!", "00000000000000FFx"}) {
    scanned_entry entry;
    ASSERT_TRUE(scan_entry(view(message_entry(text).SerializeAsString()), entry));
    EXPECT_EQ(entry.stamp_ns, 0U) << text;
  }
}

TEST(wire_scan, reads_the_stamp_of_a_task_that_is_asked_for) {
  v1::Entry entry;
  entry.set_stream(v1::STREAM_CLINICAL);
  entry.set_seq(9);
  auto& order = *entry.mutable_task_requested()->mutable_order();
  order.set_title("00000000000000ff look");
  order.set_description("0000000000000fff");
  scanned_entry found;
  ASSERT_TRUE(scan_entry(view(entry.SerializeAsString()), found));
  EXPECT_EQ(found.seq, 9U);
  EXPECT_EQ(found.stamp_ns, 255U);
  entry.mutable_task_claimed()->set_seq(9);
  scanned_entry claim;
  ASSERT_TRUE(scan_entry(view(entry.SerializeAsString()), claim));
  EXPECT_EQ(claim.stamp_ns, 0U);
}

TEST(wire_scan, a_cut_entry_is_malformed_or_shorter_but_never_read_beyond_its_end) {
  const auto whole = message_entry("00000000000000ffand the rest").SerializeAsString();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::vector<std::uint8_t> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    scanned_entry entry;
    EXPECT_TRUE(!scan_entry(cut, entry) || entry.stamp_ns == 0) << size;
  }
}

TEST(wire_scan, refuses_wrong_wire_types_and_endless_varints) {
  const auto accepts = [](const std::string& bytes) { return scan_fields(view(bytes), [](std::uint32_t, std::uint64_t, byte_view) {}); };
  EXPECT_TRUE(accepts(""));
  EXPECT_FALSE(accepts("\x0b"));
  EXPECT_FALSE(accepts(std::string(11, '\xff')));
  EXPECT_FALSE(
      accepts("\x0a\x05"
              "ab"));
  EXPECT_FALSE(accepts("\x0d\x01"));
}

TEST(message_template, fills_what_the_generated_code_reads) {
  message_template posts{"room-012", v1::STREAM_SHARED, 200};
  const command_ids ids{0x123456789abcdefULL};
  for (const std::uint64_t number : {std::uint64_t{1}, max_command_number}) {
    v1::ClientFrame frame;
    ASSERT_TRUE(frame.ParseFromString(std::string{posts.fill(ids, 0x0190'1234'5678ULL, number, 0xabcdefULL)}));
    const auto& command = frame.command();
    EXPECT_EQ(command.patient_id(), "room-012");
    EXPECT_EQ(command.command_id().substr(0, 15), "01901234-5678-7");
    EXPECT_EQ(command.command_id().size(), command_id_digits);
    EXPECT_NE(std::string{"89ab"}.find(command.command_id()[19]), std::string::npos);
    std::uint64_t read = 0;
    ASSERT_TRUE(read_hex(std::string_view{command.command_id()}.substr(24), read));
    EXPECT_EQ(read, number);
    EXPECT_EQ(command.post_message().stream(), v1::STREAM_SHARED);
    EXPECT_EQ(command.post_message().content().text().size(), 200U);
    EXPECT_EQ(command.post_message().content().text().substr(0, 16), "0000000000abcdef");
  }
}

TEST(websocket_client, takes_frames_only_when_they_are_whole) {
  for (const std::size_t size : {0U, 125U, 126U, 65535U, 65536U}) {
    const std::string payload(size, 'p');
    const auto bytes = server_frame(opcode::binary, true, payload);
    server_frame_view frame;
    for (std::size_t cut = 0; cut < bytes.size(); cut += cut < 16 ? 1 : 8191) {
      auto part = view(bytes).first(cut);
      EXPECT_EQ(take_frame(part, frame), taken::incomplete);
      EXPECT_EQ(part.size(), cut);
    }
    auto rest = view(bytes);
    ASSERT_EQ(take_frame(rest, frame), taken::frame);
    EXPECT_TRUE(rest.empty());
    EXPECT_TRUE(frame.fin);
    EXPECT_EQ(as_text(frame.payload), payload);
  }
}

TEST(websocket_client, refuses_masked_and_extended_server_frames) {
  server_frame_view frame;
  for (const auto& bytes : {std::string{"\x82\x81\x01\x02\x03\x04\x05"}, std::string{"\xc2\x01x"}}) {
    auto rest = view(bytes);
    EXPECT_EQ(take_frame(rest, frame), taken::malformed);
  }
}

TEST(websocket_client, masks_every_byte_and_names_the_length) {
  for (const std::size_t size : {0U, 7U, 125U, 126U, 70000U}) {
    std::string payload(size, '\0');
    for (std::size_t i = 0; i < size; ++i) payload[i] = static_cast<char>(i);
    std::string out;
    append_frame(out, opcode::binary, payload, 0x04030201U);
    const std::size_t header = size < 126 ? 2U : size <= 0xffff ? 4U : 10U;
    ASSERT_EQ(out.size(), header + 4 + size);
    EXPECT_NE(static_cast<unsigned char>(out[1]) & 0x80U, 0U);
    for (std::size_t i = 0; i < size; ++i) {
      ASSERT_EQ(static_cast<char>(out[header + 4 + i] ^ out[header + i % 4]), payload[i]) << i;
    }
  }
}

TEST(websocket_client, accepts_only_the_right_answer_to_its_key) {
  // The key and accept value of RFC 6455 §1.3.
  const std::string key = "dGhlIHNhbXBsZSBub25jZQ==";
  const auto answer = [](const std::string& status, const std::string& accept, const std::string& protocol) {
    return "HTTP/1.1 " + status + "\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: " + accept + "\r\nsec-websocket-protocol: " + protocol +
           "\r\n\r\n\x82";
  };
  const std::string right = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
  const auto judge = [&key](const std::string& text) {
    auto bytes = view(text);
    return take_upgrade_answer(bytes, key, "careteam.v1.proto");
  };
  EXPECT_EQ(judge(answer("101 Switching Protocols", right, "careteam.v1.proto")), upgrade_answer::accepted);
  EXPECT_EQ(judge(answer("101 Switching Protocols", "wrong", "careteam.v1.proto")), upgrade_answer::refused);
  EXPECT_EQ(judge(answer("101 Switching Protocols", right, "careteam.v1.json")), upgrade_answer::refused);
  EXPECT_EQ(judge(answer("503 Service Unavailable", right, "careteam.v1.proto")), upgrade_answer::refused);
  EXPECT_EQ(judge("HTTP/1.1 101 Switching"), upgrade_answer::incomplete);
}

TEST(latency_histogram, quantiles_are_within_their_step) {
  latency_histogram histogram;
  EXPECT_EQ(histogram.quantile_ns(0.5), 0U);
  for (std::uint64_t i = 1; i <= 100'000; ++i) histogram.record(i * 100);
  for (const double fraction : {0.001, 0.5, 0.9, 0.99, 0.999}) {
    EXPECT_NEAR(static_cast<double>(histogram.quantile_ns(fraction)), fraction * 1e7, fraction * 1e7 * 0.016 + 1);
  }
  EXPECT_EQ(histogram.quantile_ns(1), 10'000'000U);
  EXPECT_EQ(histogram.max_ns(), 10'000'000U);
  histogram.record(std::uint64_t{1} << 63U);
  EXPECT_EQ(histogram.quantile_ns(1), std::uint64_t{1} << 63U);
}

TEST(server_probe, adds_up_the_series_of_a_metric) {
  const auto values = read_metrics("# TYPE a_total counter\na_total{kind=\"x\"} 3\na_total{kind=\"y\"} 4.5\na_total_more 100\nb 2e3\n",
                                   {"a_total", "b", "c"});
  EXPECT_EQ(values, (std::map<std::string, double>{{"a_total", 7.5}, {"b", 2000}}));
}

}  // namespace
}  // namespace careteam::bench

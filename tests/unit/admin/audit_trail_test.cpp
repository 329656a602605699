// Who was given what, from the facts of a record's audit stream.
#include "admin/audit_trail.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace careteam::admin {
namespace {

using namespace std::chrono_literals;
using positions = std::vector<std::pair<v1::Stream, std::uint64_t>>;
constexpr care::instant start{std::chrono::sys_days{std::chrono::year{2026} / 3 / 1}};

/// A record as it grows; every entry is a minute later than the one before.
class audit_trail_test : public ::testing::Test {
 protected:
  v1::Entry& add(v1::Stream stream, const std::string& person, v1::Role role = v1::ROLE_ONCOLOGY_NURSE) {
    auto& entry = entries_.emplace_back();
    entry.set_stream(stream);
    entry.set_seq(++heads_[static_cast<std::size_t>(stream)]);
    care::set_timestamp(*entry.mutable_time(), start + std::chrono::minutes(entries_.size() - 1));
    entry.mutable_author()->set_person_id(person);
    entry.mutable_author()->set_role(role);
    return entry;
  }
  void say(v1::Stream stream, int times = 1) {
    for (int i = 0; i < times; ++i) add(stream, "rao").mutable_message_posted();
  }
  void open(const std::string& person, const std::string& session, const positions& after, const std::string& server = "server-1") {
    auto& opened = *add(v1::STREAM_AUDIT, person).mutable_session_opened();
    opened.set_session_id(session);
    opened.set_device_id(person + "-phone");
    opened.set_server_id(server);
    for (const auto& [stream, seq] : after) {
      auto& one = *opened.add_after();
      one.set_stream(stream);
      one.set_seq(seq);
    }
  }
  void close(const std::string& person, const std::string& session, const positions& delivered, v1::Role role = v1::ROLE_ONCOLOGY_NURSE) {
    auto& closed = *add(v1::STREAM_AUDIT, person, role).mutable_session_closed();
    closed.set_session_id(session);
    closed.set_device_id(person + "-phone");
    for (const auto& [stream, seq] : delivered) {
      auto& one = *closed.add_delivered();
      one.set_stream(stream);
      one.set_seq(seq);
    }
  }
  std::vector<audit_finding> findings() const {
    std::vector<audit_finding> found;
    audit_trail trail(heads_, [&](const audit_finding& one) { found.push_back(one); });
    for (const auto& entry : entries_) trail.take(entry);
    trail.finish();
    EXPECT_EQ(trail.open_sessions(), 0U);
    return found;
  }
  /// "nina shared 1-20 exact" for each disclosure.
  std::vector<std::string> given() const {
    std::vector<std::string> found;
    for (const auto& one : findings()) {
      const auto* part = std::get_if<disclosure>(&one);
      if (!part) continue;
      const std::string end = part->end == extent::exact ? "exact" : part->end == extent::lost ? "lost" : "open";
      const std::string stream = part->stream == v1::STREAM_SHARED ? "shared" : part->stream == v1::STREAM_CLINICAL ? "clinical" : "other";
      found.push_back(part->who.person + " " + stream + " " + std::to_string(part->from_seq) + "-" + std::to_string(part->to_seq) + " " +
                      end);
    }
    return found;
  }
  using texts = std::vector<std::string>;

  std::array<std::uint64_t, care::stream_count> heads_{};
  std::vector<v1::Entry> entries_;
};

TEST_F(audit_trail_test, a_session_that_was_closed_tells_exactly_what_was_handed_over) {
  say(v1::STREAM_SHARED, 5);
  open("nina", "s1", {{v1::STREAM_SHARED, 2}, {v1::STREAM_CLINICAL, 0}});
  say(v1::STREAM_SHARED, 3);
  close("nina", "s1", {{v1::STREAM_SHARED, 7}, {v1::STREAM_CLINICAL, 0}});
  say(v1::STREAM_SHARED, 4);
  ASSERT_EQ(given(), (texts{"nina shared 3-7 exact"}));
  const auto one = std::get<disclosure>(findings().front());
  EXPECT_EQ(one.who.device, "nina-phone");
  EXPECT_EQ(one.who.session, "s1");
  EXPECT_EQ(one.who.role, v1::ROLE_ONCOLOGY_NURSE);
  EXPECT_EQ(one.opened, start + 5min);
  EXPECT_EQ(one.closed, start + 9min);
}

TEST_F(audit_trail_test, a_session_that_was_given_nothing_is_not_told) {
  say(v1::STREAM_SHARED, 5);
  open("nina", "s1", {{v1::STREAM_SHARED, 5}});
  close("nina", "s1", {{v1::STREAM_SHARED, 5}});
  EXPECT_TRUE(given().empty());
}

TEST_F(audit_trail_test, a_session_that_goes_on_may_have_everything_until_now) {
  open("nina", "s1", {{v1::STREAM_SHARED, 0}});
  say(v1::STREAM_SHARED, 3);
  ASSERT_EQ(given(), (texts{"nina shared 1-3 open"}));
  EXPECT_FALSE(std::get<disclosure>(findings().front()).closed);
}

TEST_F(audit_trail_test, a_session_that_a_crash_ended_had_at_most_what_there_was_when_the_next_server_began) {
  open("nina", "s1", {{v1::STREAM_SHARED, 0}, {v1::STREAM_CLINICAL, 0}});
  say(v1::STREAM_SHARED, 3);
  open("rao", "s2", {{v1::STREAM_SHARED, 3}}, "server-2");
  say(v1::STREAM_SHARED, 4);
  close("rao", "s2", {{v1::STREAM_SHARED, 7}});
  ASSERT_EQ(given(), (texts{"nina shared 1-3 lost", "rao shared 4-7 exact"}));
  EXPECT_EQ(std::get<disclosure>(findings().front()).closed, start + 4min) << "no later than the next server's first session";
}

TEST_F(audit_trail_test, another_session_of_the_same_server_ends_nothing) {
  open("nina", "s1", {{v1::STREAM_SHARED, 0}});
  open("rao", "s2", {{v1::STREAM_SHARED, 0}});
  say(v1::STREAM_SHARED, 2);
  close("rao", "s2", {{v1::STREAM_SHARED, 2}});
  say(v1::STREAM_SHARED, 2);
  EXPECT_EQ(given(), (texts{"rao shared 1-2 exact", "nina shared 1-4 open"}));
}

TEST_F(audit_trail_test, a_session_without_a_server_is_of_an_earlier_one) {
  open("nina", "s1", {{v1::STREAM_SHARED, 0}}, "");
  say(v1::STREAM_SHARED, 2);
  open("nina", "s2", {{v1::STREAM_SHARED, 2}}, "");
  say(v1::STREAM_SHARED, 1);
  open("nina", "s3", {{v1::STREAM_SHARED, 3}});
  EXPECT_EQ(given(), (texts{"nina shared 1-3 lost", "nina shared 3-3 lost"}));
}

TEST_F(audit_trail_test, a_stream_that_is_lost_ends_and_the_others_go_on) {
  open("nina", "s1", {{v1::STREAM_SHARED, 0}, {v1::STREAM_CLINICAL, 0}});
  say(v1::STREAM_SHARED, 2);
  say(v1::STREAM_CLINICAL, 2);
  close("nina", "s1", {{v1::STREAM_SHARED, 2}, {v1::STREAM_CLINICAL, 2}});
  open("nina", "s1", {{v1::STREAM_SHARED, 2}});
  say(v1::STREAM_SHARED, 1);
  say(v1::STREAM_CLINICAL, 1);
  close("nina", "s1", {{v1::STREAM_SHARED, 3}});
  EXPECT_EQ(given(), (texts{"nina shared 1-2 exact", "nina clinical 1-2 exact", "nina shared 3-3 exact"}));
}

TEST_F(audit_trail_test, a_stream_that_is_gained_begins_later) {
  open("nina", "s1", {{v1::STREAM_SHARED, 0}});
  say(v1::STREAM_SHARED, 1);
  say(v1::STREAM_CLINICAL, 3);
  open("nina", "s1", {{v1::STREAM_CLINICAL, 0}});
  say(v1::STREAM_CLINICAL, 1);
  close("nina", "s1", {{v1::STREAM_SHARED, 1}, {v1::STREAM_CLINICAL, 4}});
  EXPECT_EQ(given(), (texts{"nina shared 1-1 exact", "nina clinical 1-4 exact"}));
  EXPECT_EQ(std::get<disclosure>(findings().back()).opened, start + 5min);
}

TEST_F(audit_trail_test, who_left_is_told_in_the_role_that_they_had) {
  open("nina", "s1", {{v1::STREAM_SHARED, 0}});
  say(v1::STREAM_SHARED, 1);
  close("nina", "s1", {{v1::STREAM_SHARED, 1}}, v1::ROLE_UNSPECIFIED);
  EXPECT_EQ(std::get<disclosure>(findings().front()).who.role, v1::ROLE_ONCOLOGY_NURSE);
}

TEST_F(audit_trail_test, an_end_without_a_beginning_counts_from_the_first_entry) {
  say(v1::STREAM_SHARED, 3);
  close("nina", "s1", {{v1::STREAM_SHARED, 3}});
  EXPECT_EQ(given(), (texts{"nina shared 1-3 exact"}));
}

TEST_F(audit_trail_test, the_rest_of_the_audit) {
  say(v1::STREAM_SHARED, 5);
  open("nina", "s1", {{v1::STREAM_SHARED, 5}});
  auto& read = *add(v1::STREAM_AUDIT, "nina").mutable_history_read();
  read.set_session_id("s1");
  read.set_stream(v1::STREAM_SHARED);
  read.set_from_seq(2);
  read.set_to_seq(900);
  add(v1::STREAM_AUDIT, "nina").mutable_roster_viewed()->set_roster_version(7);
  auto& refused = *add(v1::STREAM_AUDIT, "rosa", v1::ROLE_UNSPECIFIED).mutable_access_refused();
  refused.set_session_id("s9");
  refused.set_action("postMessage");
  refused.set_stream(v1::STREAM_CLINICAL);
  refused.set_code(5);
  refused.set_times(3);
  auto& audited = *add(v1::STREAM_AUDIT, "").mutable_audit_read();
  audited.set_operator_uid(1000);
  audited.set_person_id("nina");
  const auto found = findings();
  ASSERT_EQ(found.size(), 4U);
  const auto& again = std::get<history_reading>(found[0]);
  EXPECT_EQ(again.who.device, "nina-phone") << "known by its session";
  EXPECT_EQ(again.from_seq, 2U);
  EXPECT_EQ(again.to_seq, 5U) << "there are no more";
  EXPECT_EQ(std::get<roster_reading>(found[1]).roster_version, 7U);
  const auto& denied = std::get<refused_access>(found[2]);
  EXPECT_EQ(denied.who.person, "rosa");
  EXPECT_EQ(denied.action, "postMessage");
  EXPECT_EQ(denied.times, 3U);
  EXPECT_EQ(std::get<audit_reading>(found[3]).operator_uid, 1000U);
  EXPECT_EQ(std::get<audit_reading>(found[3]).person, "nina");
}

TEST_F(audit_trail_test, what_is_held_does_not_grow_with_the_record) {
  audit_trail trail(heads_, [](const audit_finding&) {});
  for (int session = 0; session < 1000; ++session) {
    entries_.clear();
    const auto name = "s" + std::to_string(session);
    open("nina", name, {{v1::STREAM_SHARED, 0}}, "server-" + std::to_string(session / 10));
    if (session % 2 == 0) close("nina", name, {{v1::STREAM_SHARED, 0}});
    for (const auto& entry : entries_) trail.take(entry);
    EXPECT_LE(trail.open_sessions(), 10U);
  }
}

}  // namespace
}  // namespace careteam::admin

// A record's state as bytes: the same state, the same bytes, and back.
#include "careteam/internal/snapshot.pb.h"
#include "task_fixture.hpp"

namespace careteam::care::fixture {
namespace {

/// A record with something in every part of its state.
rosas_record busy() {
  rosas_record ward;
  ward.usual_team();
  ward.join_until("weiss2", v1::ROLE_RADIOLOGIST, monday + 168h, {v1::SCOPE_READ_CLINICAL, v1::SCOPE_POST_CLINICAL});
  ward.says("rosa", view_roster());
  const auto thread = ward.says("nina", open_thread(clinical, "Neutropenia", "rao"));
  const auto owed = ward.says("nina", post(clinical).stat().to(v1::ROLE_MEDICAL_ONCOLOGIST).to("omar").in_thread(thread));
  ward.says("omar", acknowledge(clinical, owed));
  ward.says("nina", correct(clinical, owed));
  ward.says("omar", acknowledge(clinical, owed, owed + 2));
  ward.says("sam", open_thread(support));
  ward.says("sam", resolve_thread(support, 1));
  ward.says("rosa", post(shared));
  const auto message = ward.says("nina", post(clinical, "ANC 0.72"));
  const auto order = task("ANC 0.72").asap().to(v1::ROLE_ONCOLOGY_NURSE).then("claire").fact("ANC", "0.72").output("call");
  const place claimed{clinical, ward.says("rao", request(clinical, task(order).read_back().from_message(clinical, message)))};
  ward.says("nina", claim(claimed));
  ward.says("rao", mark_in_error(claimed));
  const place stopping{clinical, ward.says("rao", request(clinical, task(order).two_person()))};
  for (const auto& command : {accept(stopping), start(stopping), offer(stopping, "claire")}) ward.says("nina", command);
  ward.says("rao", cancel(stopping));
  ward.says("sam", draft(support, task("Taxi")));
  return ward;
}

TEST(snapshot, comes_back_as_the_same_state) {
  const auto ward = busy();
  const auto back = from_snapshot(to_snapshot(ward.record.state()));
  ASSERT_TRUE(back);
  EXPECT_TRUE(*back == ward.record.state());
  EXPECT_EQ(to_snapshot(*back), to_snapshot(ward.record.state()));
  EXPECT_FALSE(back->chat.open_messages.empty());
  EXPECT_FALSE(back->chat.open_threads.empty());
  EXPECT_EQ(back->tasks.open.size(), 3U);
}

TEST(snapshot, of_the_organisation_comes_back_too) {
  auto ward = busy();
  ASSERT_THAT(ward.organization_does("alex", suspend("dana")), accepted());
  const auto back = from_snapshot(to_snapshot(ward.people.state()));
  ASSERT_TRUE(back);
  EXPECT_TRUE(*back == ward.people.state());
  EXPECT_TRUE(back->organization.find("dana")->suspended);
  EXPECT_TRUE(back->organization.find("alex")->administrator);
}

TEST(snapshot, is_the_same_for_a_state_that_was_folded_from_the_log) {
  const auto ward = busy();
  const auto again = folded("rosa", ward.record.log());
  EXPECT_TRUE(again == ward.record.state());
  EXPECT_EQ(to_snapshot(again), to_snapshot(ward.record.state()));
}

TEST(snapshot, of_a_record_without_entries_is_folded_instead) {
  EXPECT_FALSE(from_snapshot(to_snapshot(record_state("rosa"))));
}

TEST(snapshot, does_not_hold_what_was_only_paged_in) {
  const auto ward = busy();
  record_state state = ward.record.state();
  state.chat.paged_messages[{shared, 1}].author = "rosa";
  state.chat.paged_threads[{shared, 2}].title = "Fever";
  state.tasks.paged[{shared, 3}].requester = "rosa";
  EXPECT_EQ(to_snapshot(state), to_snapshot(ward.record.state()));
}

TEST(snapshot, differs_when_the_state_differs) {
  auto ward = busy();
  const auto before = to_snapshot(ward.record.state());
  ward.says("rosa", post(shared));
  EXPECT_NE(to_snapshot(ward.record.state()), before);
}

TEST(snapshot, of_an_unknown_format_is_not_read) {
  internal::RecordSnapshot snapshot;
  ASSERT_TRUE(snapshot.ParseFromString(to_snapshot(busy().record.state())));
  for (const auto format : {0U, snapshot.format() + 1, 99U}) {
    snapshot.set_format(format);
    EXPECT_FALSE(from_snapshot(snapshot.SerializeAsString())) << format;
  }
}

TEST(snapshot, that_is_cut_anywhere_is_not_read) {
  const auto bytes = to_snapshot(busy().record.state());
  for (std::size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(from_snapshot(std::string_view(bytes).substr(0, size))) << size;
  EXPECT_FALSE(from_snapshot("not a snapshot"));
}

TEST(snapshot, that_names_an_unknown_stream_is_not_read) {
  internal::RecordSnapshot snapshot;
  ASSERT_TRUE(snapshot.ParseFromString(to_snapshot(busy().record.state())));
  snapshot.mutable_streams(0)->set_stream(static_cast<v1::Stream>(77));
  EXPECT_FALSE(from_snapshot(snapshot.SerializeAsString()));
}

}  // namespace
}  // namespace careteam::care::fixture

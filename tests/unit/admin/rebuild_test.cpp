// `careteam rebuild` compares what is derived with what the entries say: here timers and obligations.
#include "admin/rebuild.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../store/new_store.hpp"
#include "care/record.hpp"
#include "coordination/obligation_rows.hpp"

namespace careteam::admin {
namespace {

using store::test::event_loop;
using store::test::request;
using store::test::scratch_folder;
using testing::ElementsAre;
using testing::IsEmpty;

class rebuilding : public testing::Test {
 protected:
  rebuilding() {
    store_ = store::test::new_store(loop_, folder_);
    v1::Entry opened;
    opened.set_patient_id("rosa");
    opened.set_stream(v1::STREAM_SHARED);
    opened.set_seq(1);
    opened.mutable_record_opened();
    EXPECT_TRUE(loop_.run(store_->append(request("patient/rosa").entry(v1::STREAM_SHARED, 1, opened.SerializeAsString()))));
  }
  ~rebuilding() override { loop_.run(store_->close()); }

  std::vector<std::string> differences() { return loop_.run(rebuild(*store_)).value().differences; }

  /// Rosa's record has a stat task with its timers and obligations; answers what was appended.
  store::record_append commit_task() {
    v1::Entry asked;
    asked.set_patient_id("rosa");
    asked.set_stream(v1::STREAM_CLINICAL);
    asked.set_seq(1);
    asked.mutable_author()->set_person_id("omar");
    asked.mutable_task_requested()->set_requester_person_id("omar");
    auto& order = *asked.mutable_task_requested()->mutable_order();
    order.set_kind(v1::TASK_KIND_CARE);
    order.set_priority(v1::PRIORITY_STAT);
    order.mutable_target()->set_person_id("nina");
    care::record_state state("rosa");
    v1::Entry opened;
    opened.set_patient_id("rosa");
    opened.set_stream(v1::STREAM_SHARED);
    opened.set_seq(1);
    opened.mutable_record_opened();
    care::apply(state, opened);
    care::apply(state, asked);
    auto append = request("patient/rosa", 1).entry(v1::STREAM_CLINICAL, 1, asked.SerializeAsString(), "omar").part();
    append.put_obligations = coordination::stored_rows(state);
    EXPECT_EQ(append.put_obligations.size(), 2u) << "nina's and omar's";
    for (const auto& [id, timer] : state.timers.pending()) append.set_timers.push_back({{id, timer.due}, {}});
    EXPECT_TRUE(loop_.run(store_->append({append})));
    EXPECT_THAT(differences(), IsEmpty());
    return append;
  }

  scratch_folder folder_;
  event_loop loop_;
  std::unique_ptr<store::record_store> store_;
};

TEST_F(rebuilding, finds_nothing_where_everything_follows_from_the_entries) {
  EXPECT_THAT(differences(), IsEmpty());
}

TEST_F(rebuilding, finds_timers_that_no_entry_has_set) {
  ASSERT_TRUE(loop_.run(store_->append(request("patient/rosa", 1).sets("a", 5).sets("b", 6))));
  EXPECT_THAT(differences(), ElementsAre("patient/rosa: its timers are not what the entries say (2 too many)"));
  ASSERT_TRUE(loop_.run(store_->append(request("patient/rosa", 1).cancels("a", 5).cancels("b", 6))));
  EXPECT_THAT(differences(), IsEmpty());
}

TEST_F(rebuilding, finds_a_timer_that_is_missing_or_is_due_at_another_time) {
  const auto append = commit_task();
  ASSERT_FALSE(append.set_timers.empty());
  const auto key = append.set_timers.front().key;
  store::record_append tamper;
  tamper.record = "patient/rosa";
  tamper.expected_version = 2;
  tamper.cancel_timers = {key};
  ASSERT_TRUE(loop_.run(store_->append({tamper})));
  EXPECT_THAT(differences(), ElementsAre("patient/rosa: its timers are not what the entries say (1 missing)"));
  tamper.cancel_timers.clear();
  tamper.set_timers = {{{key.id, key.due + std::chrono::seconds(1)}, {}}};
  ASSERT_TRUE(loop_.run(store_->append({tamper})));
  EXPECT_THAT(differences(), ElementsAre("patient/rosa: its timers are not what the entries say"));
}

TEST_F(rebuilding, names_an_obligation_that_was_tampered_with) {
  const auto append = commit_task();
  auto forged = append.put_obligations.front();
  store::record_append tamper;
  tamper.record = "patient/rosa";
  tamper.expected_version = 2;
  forged.priority = v1::PRIORITY_ROUTINE;
  tamper.put_obligations = {forged};
  ASSERT_TRUE(loop_.run(store_->append({tamper})));
  EXPECT_THAT(differences(), ElementsAre("patient/rosa: the obligation of entry 1 of stream 2 is not what the entries say"));
  tamper.put_obligations.clear();
  tamper.drop_obligations = {forged.key};
  ASSERT_TRUE(loop_.run(store_->append({tamper})));
  EXPECT_THAT(differences(), ElementsAre("patient/rosa: the obligation of entry 1 of stream 2 is not what the entries say (1 missing)"));
  tamper.drop_obligations.clear();
  tamper.put_obligations = {append.put_obligations.front(), forged};
  tamper.put_obligations.back().key.owner = "person/mallory";
  ASSERT_TRUE(loop_.run(store_->append({tamper})));
  EXPECT_THAT(differences(), ElementsAre("patient/rosa: the obligation of entry 1 of stream 2 is not what the entries say (1 too many)"));
}

TEST_F(rebuilding, finds_timers_of_records_without_entries) {
  ASSERT_TRUE(loop_.run(store_->append(request("patient/nobody").sets("a", 5))));
  EXPECT_THAT(differences(), ElementsAre("patient/nobody: its timers are not what the entries say (1 too many)"));
}

}  // namespace
}  // namespace careteam::admin

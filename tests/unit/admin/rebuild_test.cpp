// `careteam rebuild` compares what is derived with what the entries say: here the timers.
#include "admin/rebuild.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../store/fixture.hpp"
#include "care/record.hpp"
#include "store/sqlite_store.hpp"

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
    store::sqlite_options options;
    options.path = folder_.file("store.db");
    options.missing = store::when_missing::create;
    store_ = store::open_sqlite(loop_.context().get_executor(), options);
    v1::Entry opened;
    opened.set_patient_id("rosa");
    opened.set_stream(v1::STREAM_SHARED);
    opened.set_seq(1);
    opened.mutable_record_opened();
    EXPECT_TRUE(loop_.run(store_->append(request("patient/rosa").entry(v1::STREAM_SHARED, 1, opened.SerializeAsString()))));
  }
  ~rebuilding() override { loop_.run(store_->close()); }

  std::vector<std::string> differences() { return loop_.run(rebuild(*store_)).value().differences; }

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

TEST_F(rebuilding, finds_timers_of_records_without_entries) {
  ASSERT_TRUE(loop_.run(store_->append(request("patient/nobody").sets("a", 5))));
  EXPECT_THAT(differences(), ElementsAre("patient/nobody: its timers are not what the entries say (1 too many)"));
}

}  // namespace
}  // namespace careteam::admin

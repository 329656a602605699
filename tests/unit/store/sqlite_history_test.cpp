// The store's file as the operator's commands read it, beside whoever writes it.
#include "store/sqlite_history.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "new_store.hpp"

namespace careteam::store::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class history_of_a_store : public testing::Test {
 protected:
  history_of_a_store() : store_(new_store(loop_, folder_)) {}
  ~history_of_a_store() override { loop_.run(store_->close()); }

  void write(const std::string& record, std::uint64_t version, const std::string& bytes) {
    ASSERT_TRUE(loop_.run(store_->append(request(record, version).entry(1, version + 1, bytes))));
  }
  record_history history() const { return record_history(folder_.file("store.db")); }

  scratch_folder folder_;
  event_loop loop_;
  std::unique_ptr<record_store> store_;
};

TEST_F(history_of_a_store, finds_the_records_of_a_kind_in_order) {
  for (const auto* key : {"patient/rosa", "duty/onc-rn", "dutz", "organization", "duty/onc-md", "dut"}) write(key, 0, "entry");
  auto read = history();
  EXPECT_THAT(read.keys("duty/"), ElementsAre("duty/onc-md", "duty/onc-rn"));
  EXPECT_THAT(read.keys("room/"), IsEmpty());
}

TEST_F(history_of_a_store, reads_a_record_in_pages_until_there_is_no_more) {
  constexpr std::uint64_t entries = 50;
  for (std::uint64_t version = 0; version < entries; ++version) write("duty/onc-rn", version, std::string(5000, 'x'));
  auto read = history();
  std::uint64_t after = 0;
  std::size_t pages = 0;
  for (auto page = read.page("duty/onc-rn", 0); !page.empty(); page = read.page("duty/onc-rn", after)) {
    for (const auto& entry : page) EXPECT_EQ(entry.version, ++after) << "a gap or a repetition";
    ++pages;
  }
  EXPECT_EQ(after, entries);
  EXPECT_GT(pages, 1u);
  EXPECT_THAT(read.page("duty/no-such", 0), IsEmpty());
}

}  // namespace
}  // namespace careteam::store::test

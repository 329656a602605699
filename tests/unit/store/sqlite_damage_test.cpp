// One damaged row: nothing altered is handed out, the record says that it is damaged, and the others go on.
#include <gtest/gtest.h>

#include "sqlite_fixture.hpp"

namespace careteam::store::test {
namespace {

constexpr stream_kind shared = 1;
constexpr std::uint64_t entries = 20;

class damage : public testing::Test {
 protected:
  damage() {
    open();
    for (const auto* key : {"patient/rosa", "patient/ben"}) {
      request all(key);
      for (std::uint64_t seq = 1; seq <= entries; ++seq) all.entry(shared, seq, std::string(key) + std::to_string(seq), "ana", seq / 2);
      all.snapshot("the state");
      EXPECT_TRUE(loop_.run(store_->append(all)));
    }
  }
  ~damage() override { close(); }
  void open() { store_ = open_sqlite(loop_.context().get_executor(), options_for(path_)); }
  void close() {
    if (store_) loop_.run(store_->close());
    store_.reset();
  }
  /// Rosa's stream is the first one, Ben's the second.
  void alter(const std::string& sql) {
    close();
    tamper(path_, sql);
    open();
  }
  errc error_of(const auto& answer) {
    EXPECT_TRUE(answer.has_error());
    return answer ? errc{} : static_cast<errc>(answer.error().value());
  }
  void expect_ben_is_well() {
    EXPECT_EQ(loop_.run(store_->read_record("patient/ben", 0, unlimited)).value().size(), entries);
    EXPECT_EQ(loop_.run(store_->read_stream("patient/ben", shared, 1, entries, unlimited)).value().size(), entries);
    EXPECT_EQ(loop_.run(store_->head("patient/ben")).value().snapshot, "the state");
  }

  scratch_folder folder_;
  std::string path_ = folder_.file("care.db");
  event_loop loop_;
  std::unique_ptr<record_store> store_;
};

TEST_F(damage, an_altered_entry_is_never_handed_out) {
  alter("UPDATE entries SET bytes = CAST('patient/rosa-7' AS BLOB) WHERE position = (1 << 32 | 7)");
  EXPECT_EQ(error_of(loop_.run(store_->read_record("patient/rosa", 0, unlimited))), errc::corrupt);
  EXPECT_EQ(error_of(loop_.run(store_->read_stream("patient/rosa", shared, 7, 7, unlimited))), errc::corrupt);
  EXPECT_EQ(error_of(loop_.run(store_->read_stream("patient/rosa", shared, 1, entries, unlimited))), errc::corrupt);
  EXPECT_EQ(error_of(loop_.run(store_->read_about("patient/rosa", shared, 7))), errc::corrupt);
  EXPECT_EQ(error_of(loop_.run(store_->read_about("patient/rosa", shared, 3))), errc::corrupt) << "what amends it is altered";
  // What lies before and behind is what was written.
  EXPECT_EQ(loop_.run(store_->read_stream("patient/rosa", shared, 1, 6, unlimited)).value().size(), 6u);
  EXPECT_EQ(loop_.run(store_->read_stream("patient/rosa", shared, 8, entries, unlimited)).value().size(), entries - 7);
  expect_ben_is_well();
}

TEST_F(damage, an_entry_of_another_stream_is_never_handed_out) {
  alter("UPDATE positions SET row = row + 20 WHERE position = (1 << 32 | 7)");
  EXPECT_EQ(error_of(loop_.run(store_->read_stream("patient/rosa", shared, 7, 7, unlimited))), errc::corrupt);
}

TEST_F(damage, an_altered_head_is_noticed_when_the_record_is_loaded) {
  alter("UPDATE streams SET chain = zeroblob(32) WHERE id = 1");
  EXPECT_EQ(error_of(loop_.run(store_->head("patient/rosa"))), errc::corrupt);
  alter("UPDATE streams SET head = 21 WHERE id = 1");
  EXPECT_EQ(error_of(loop_.run(store_->head("patient/rosa"))), errc::corrupt);
  expect_ben_is_well();
}

TEST_F(damage, an_altered_snapshot_is_left_out) {
  alter("UPDATE snapshots SET bytes = CAST('the stAte' AS BLOB) WHERE record = 1");
  const auto head = loop_.run(store_->head("patient/rosa")).value();
  EXPECT_TRUE(head.snapshot_damaged);
  EXPECT_EQ(head.snapshot_version, 0u);
  EXPECT_EQ(head.version, entries);
  EXPECT_EQ(loop_.run(store_->read_record("patient/rosa", 0, unlimited)).value().size(), entries) << "its entries take its place";
  expect_ben_is_well();
}

TEST_F(damage, of_one_record_does_not_fail_the_others_of_its_transaction) {
  alter("UPDATE streams SET chain = x'00' WHERE id = 1");
  std::vector<boost::asio::awaitable<result<append_result>>> work;
  work.push_back(store_->append(request("patient/ben", entries).entry(shared, entries + 1, "before").command("ana", 1, shared, 21)));
  work.push_back(store_->append(request("patient/rosa", entries).entry(shared, entries + 1, "damaged").command("ana", 2, shared, 21)));
  work.push_back(store_->append(request("patient/tom").entry(shared, 1, "behind").command("ana", 3, shared, 1)));
  const auto answers = loop_.run_together(std::move(work));
  EXPECT_EQ(error_of(answers[1]), errc::corrupt);
  for (const auto i : {0U, 2U}) {
    ASSERT_TRUE(answers[i]);
    EXPECT_TRUE(std::holds_alternative<committed>(*answers[i]));
  }
  EXPECT_TRUE(loop_.run(store_->find_command("ana", request::uuid(1))).value());
  EXPECT_FALSE(loop_.run(store_->find_command("ana", request::uuid(2))).value());
}

}  // namespace
}  // namespace careteam::store::test

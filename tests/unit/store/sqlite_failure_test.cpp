// A disk that is full or broken: nothing of what is refused has happened, and the store goes on when the disk does.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include "sqlite_fixture.hpp"
#include "store/verify.hpp"

namespace careteam::store::test {
namespace {

constexpr stream_kind shared = 1;

class sqlite_failure : public testing::Test {
 protected:
  void open(sqlite_options options) {
    options.on_failure = [this](errc reason, std::string_view text) {
      ++reports_;
      EXPECT_EQ(reason, errc::unavailable);
      EXPECT_EQ(text.find("secret"), std::string_view::npos) << "no stored value";
    };
    store_ = open_sqlite(loop_.context().get_executor(), std::move(options));
  }
  result<append_result> append(std::vector<record_append> records) { return loop_.run(store_->append(std::move(records))); }
  void finish() {
    loop_.run(store_->close());
    const auto report = verify_sqlite(path_, {});
    EXPECT_TRUE(report.sound()) << (report.findings.empty() ? "" : report.findings[0].what);
  }

  scratch_folder folder_;
  std::string path_ = folder_.file("care.db");
  event_loop loop_;
  std::unique_ptr<record_store> store_;
  int reports_ = 0;
};

TEST_F(sqlite_failure, a_full_disk_refuses_everything_of_the_transaction_and_then_goes_on) {
  auto options = options_for(path_);
  options.max_file_bytes = 400 * 1024;
  open(options);
  const std::string large(600 * 1024, 's');
  ASSERT_TRUE(append(request("patient/rosa").entry(shared, 1, "a").command("ana", 1, shared, 1)));

  // One that does not fit, and two that are in the same transaction.
  std::vector<boost::asio::awaitable<result<append_result>>> work;
  work.push_back(store_->append(request("patient/eva").entry(shared, 1, "x").command("eva", 1, shared, 1)));
  work.push_back(store_->append(request("patient/rosa", 1).entry(shared, 2, "secret" + large).command("ana", 2, shared, 2)));
  work.push_back(store_->append(request("patient/tom").entry(shared, 1, "y")));
  for (const auto& answer : loop_.run_together(std::move(work))) {
    ASSERT_TRUE(answer.has_error());
    EXPECT_EQ(answer.error(), errc::unavailable);
  }
  EXPECT_EQ(reports_, 1);
  EXPECT_EQ(loop_.run(store_->head("patient/rosa")).value().version, 1u);
  EXPECT_EQ(loop_.run(store_->head("patient/eva")).value().version, 0u);
  EXPECT_FALSE(loop_.run(store_->find_command("ana", request::uuid(2))).value());

  EXPECT_TRUE(append(request("patient/eva").entry(shared, 1, "x").command("eva", 1, shared, 1)));
  const auto again = append(request("patient/rosa", 1).entry(shared, 2, "b").command("ana", 2, shared, 2));
  ASSERT_TRUE(again);
  EXPECT_TRUE(std::holds_alternative<committed>(*again));
  finish();
}

TEST_F(sqlite_failure, fills_up_to_the_brim_and_still_reads) {
  auto options = options_for(path_);
  options.max_file_bytes = 300 * 1024;
  open(options);
  std::uint64_t version = 0;
  for (;;) {
    const auto answer = append(request("patient/rosa", version).entry(shared, version + 1, std::string(5000, 'x')));
    if (!answer) break;
    ASSERT_TRUE(std::holds_alternative<committed>(*answer));
    ++version;
    ASSERT_LT(version, 100u);
  }
  EXPECT_GT(version, 20u);
  EXPECT_EQ(loop_.run(store_->read_record("patient/rosa", 0, unlimited)).value().size(), version);
  loop_.run(store_->close());
  // The disk has grown.
  open(options_for(path_));
  EXPECT_TRUE(append(request("patient/rosa", version).entry(shared, version + 1, "fits now")));
  finish();
}

/// No file of this process may grow: what an I/O error looks like, without a broken disk.
class frozen_files {
 public:
  explicit frozen_files(std::uintmax_t bytes) : ignored_(signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~frozen_files() {
    setrlimit(RLIMIT_FSIZE, &before_);
    signal(SIGXFSZ, ignored_);
  }

 private:
  rlimit before_{};
  void (*ignored_)(int);
};

TEST_F(sqlite_failure, an_io_error_is_answered_and_overcome) {
  open(options_for(path_));
  std::uint64_t version = 0;
  for (; version < 10; ++version) ASSERT_TRUE(append(request("patient/rosa", version).entry(shared, version + 1, "entry")));
  for (int round = 0; round < 3; ++round) {
    {
      const frozen_files frozen(std::filesystem::file_size(path_ + "-wal"));
      for (int attempt = 0; attempt < 3; ++attempt) {
        const auto answer = append(request("patient/rosa", version).entry(shared, version + 1, "entry").command("ana", 1, shared, 1));
        ASSERT_TRUE(answer.has_error());
        EXPECT_EQ(answer.error(), errc::unavailable);
      }
      EXPECT_EQ(loop_.run(store_->head("patient/rosa")).value().version, version) << "reads go on";
    }
    const auto answer = append(request("patient/rosa", version).entry(shared, version + 1, "entry"));
    ASSERT_TRUE(answer);
    ASSERT_TRUE(std::holds_alternative<committed>(*answer));
    ++version;
  }
  EXPECT_EQ(reports_, 9);
  EXPECT_FALSE(loop_.run(store_->find_command("ana", request::uuid(1))).value());
  finish();
}

TEST_F(sqlite_failure, the_wal_is_copied_back_and_does_not_grow_for_ever) {
  auto options = options_for(path_);
  options.checkpoint_bytes = 1 << 16;
  open(options);
  for (std::uint64_t version = 0; version < 300; ++version) {
    ASSERT_TRUE(append(request("patient/rosa", version).entry(shared, version + 1, std::string(2000, 'x'))));
  }
  EXPECT_LT(std::filesystem::file_size(path_ + "-wal"), 6u << 16);
  loop_.run(store_->close());
  EXPECT_FALSE(std::filesystem::exists(path_ + "-wal")) << "close leaves one file";
  EXPECT_TRUE(verify_sqlite(path_, {}).sound());
}

}  // namespace
}  // namespace careteam::store::test

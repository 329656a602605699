// What keeps a store from being opened is said before anything is served.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "sqlite_fixture.hpp"
#include "store/verify.hpp"

namespace careteam::store::test {
namespace {

using testing::HasSubstr;

class sqlite_open : public testing::Test {
 protected:
  void create() {
    auto store = open_sqlite(loop_.context().get_executor(), options_for(path_));
    loop_.run(store->close());
  }
  std::optional<open_failure> failure(sqlite_options options) {
    try {
      auto store = open_sqlite(loop_.context().get_executor(), std::move(options));
      loop_.run(store->close());
      return std::nullopt;
    } catch (const open_error& error) {
      message_ = error.what();
      return error.kind();
    }
  }
  sqlite_options existing() const {
    auto options = options_for(path_);
    options.missing = when_missing::fail;
    return options;
  }

  scratch_folder folder_;
  std::string path_ = folder_.file("care.db");
  event_loop loop_;
  std::string message_;
};

TEST_F(sqlite_open, a_missing_file_is_not_created_unless_asked_for) {
  EXPECT_EQ(failure(existing()), open_failure::missing);
  EXPECT_THAT(message_, HasSubstr(path_));
  EXPECT_FALSE(std::filesystem::exists(path_));
  EXPECT_EQ(failure(options_for(path_)), std::nullopt);
  EXPECT_EQ(failure(existing()), std::nullopt);
}

TEST_F(sqlite_open, a_missing_folder) {
  EXPECT_EQ(failure(options_for(folder_.file("nowhere/care.db"))), open_failure::missing);
  EXPECT_THAT(message_, HasSubstr("folder"));
}

TEST_F(sqlite_open, a_file_that_is_no_database_is_left_alone) {
  const std::string text = std::string(9000, 'x');
  std::ofstream(path_) << text;
  EXPECT_EQ(failure(existing()), open_failure::not_a_store);
  EXPECT_EQ(failure(options_for(path_)), open_failure::not_a_store);
  std::ifstream in(path_);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), text);
}

TEST_F(sqlite_open, a_folder_is_no_store) {
  std::filesystem::create_directory(path_);
  EXPECT_EQ(failure(existing()), open_failure::not_a_store);
}

TEST_F(sqlite_open, an_empty_file_becomes_a_store_only_when_asked_for) {
  std::ofstream(path_).flush();
  EXPECT_EQ(failure(existing()), open_failure::not_a_store);
  EXPECT_EQ(failure(options_for(path_)), std::nullopt);
}

TEST_F(sqlite_open, somebody_elses_database_is_left_alone) {
  std::ofstream(path_).flush();
  tamper(path_, "CREATE TABLE theirs(x); INSERT INTO theirs VALUES(1)");
  EXPECT_EQ(failure(options_for(path_)), open_failure::not_a_store);
  tamper(path_, "UPDATE theirs SET x = 2");
}

TEST_F(sqlite_open, another_schema) {
  create();
  tamper(path_, "PRAGMA user_version = 99");
  EXPECT_EQ(failure(existing()), open_failure::newer_schema);
  EXPECT_THAT(message_, HasSubstr("99"));
  EXPECT_THAT(message_, HasSubstr("newer"));
  EXPECT_THROW(verify_sqlite(path_, {}), open_error);
}

TEST_F(sqlite_open, a_truncated_file_is_damaged) {
  create();
  std::filesystem::resize_file(path_, 4096);
  EXPECT_EQ(failure(existing()), open_failure::corrupt);
}

TEST_F(sqlite_open, two_stores_in_one_process) {
  auto store = open_sqlite(loop_.context().get_executor(), options_for(path_));
  EXPECT_EQ(failure(existing()), open_failure::locked);
  EXPECT_THAT(message_, HasSubstr("process " + std::to_string(getpid())));
  std::filesystem::create_symlink(path_, folder_.file("alias.db"));
  EXPECT_EQ(failure(options_for(folder_.file("alias.db"))), open_failure::locked) << "by another name";
  loop_.run(store->close());
  EXPECT_EQ(failure(existing()), std::nullopt) << "close gives the lock back";
}

/// Does something in a child process and answers its exit code.
template <class Work>
int in_child(Work work) {
  const pid_t child = fork();
  if (child == 0) _exit(work());
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(sqlite_open, locked_by_another_process) {
  create();
  int ready[2];
  int done[2];
  ASSERT_EQ(pipe(ready), 0);
  ASSERT_EQ(pipe(done), 0);
  const pid_t child = fork();
  if (child == 0) {
    close(done[1]);
    const store_lock lock(path_);
    char byte = 0;
    if (write(ready[1], &byte, 1) != 1 || read(done[0], &byte, 1) != 0) _exit(1);
    _exit(0);
  }
  close(done[0]);
  char byte = 0;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  EXPECT_EQ(failure(existing()), open_failure::locked);
  EXPECT_THAT(message_, HasSubstr("process " + std::to_string(child)));
  close(done[1]);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(failure(existing()), std::nullopt) << "the lock ends with its process";
  close(ready[0]);
  close(ready[1]);
}

TEST_F(sqlite_open, a_file_that_may_not_be_written) {
  create();
  const auto folder = std::filesystem::path(path_).parent_path();
  // Root may write everything: a child that is nobody tries.
  const auto try_as_nobody = [&] {
    if (geteuid() == 0 && seteuid(65534) != 0) return 100;
    const auto kind = failure(existing());
    return kind ? static_cast<int>(*kind) : 101;
  };
  chmod(path_.c_str(), 0444);
  chmod((path_ + ".lock").c_str(), 0666);
  chmod(folder.c_str(), 0777);
  EXPECT_EQ(in_child(try_as_nobody), static_cast<int>(open_failure::read_only)) << "the file";
  chmod((path_ + ".lock").c_str(), 0444);
  EXPECT_EQ(in_child(try_as_nobody), static_cast<int>(open_failure::read_only)) << "the lock";
  chmod(folder.c_str(), 0700);
}

TEST_F(sqlite_open, a_renewed_incarnation_has_another_epoch) {
  create();
  auto store = open_sqlite(loop_.context().get_executor(), existing());
  const std::string before = store->epoch();
  EXPECT_EQ(before.size(), 32u);
  loop_.run(store->close());
  auto options = existing();
  options.epoch = incarnation::renew;
  store = open_sqlite(loop_.context().get_executor(), options);
  const std::string renewed = store->epoch();
  EXPECT_NE(renewed, before);
  loop_.run(store->close());
  store = open_sqlite(loop_.context().get_executor(), existing());
  EXPECT_EQ(store->epoch(), renewed);
  loop_.run(store->close());
}

}  // namespace
}  // namespace careteam::store::test

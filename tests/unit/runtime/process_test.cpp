// What a process needs around its work: secrets, a clock, the signal to stop.
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <csignal>
#include <optional>
#include <string>
#include <utility>

#include "runtime/clock.hpp"
#include "runtime/phi_text.hpp"
#include "runtime/secret_text.hpp"
#include "runtime/shutdown.hpp"
#include "scratch_folder.hpp"

namespace careteam::runtime {
namespace {

using namespace std::chrono_literals;
using testing::scratch_folder;

TEST(phi_text, gives_its_characters_only_by_name) {
  const phi_text text(std::string("numbness in both hands"));
  EXPECT_EQ(text.reveal(), "numbness in both hands");
  EXPECT_EQ(text.size_bytes(), 22U);
  EXPECT_TRUE(phi_text().empty());
  EXPECT_TRUE(text == phi_text("numbness in both hands"));
  EXPECT_FALSE(text == phi_text("numbness"));
}

TEST(secret_text, a_move_leaves_nothing_behind) {
  for (const std::string& value : {std::string("short"), std::string(100, 's')}) {
    secret_text first(value);
    secret_text second(std::move(first));
    EXPECT_EQ(second.reveal(), value);
    EXPECT_TRUE(first.empty());  // NOLINT: what is left is what the test is about.
    secret_text third;
    third = std::move(second);
    EXPECT_EQ(third.reveal(), value);
    EXPECT_TRUE(second.empty());  // NOLINT
  }
}

TEST(secret_file, one_newline_at_the_end_is_not_part_of_the_secret) {
  const scratch_folder folder;
  EXPECT_EQ(read_secret_file(folder.write("a", "pass word\n"))->reveal(), "pass word");
  EXPECT_EQ(read_secret_file(folder.write("b", "pass\r\n"))->reveal(), "pass");
  EXPECT_EQ(read_secret_file(folder.write("c", "pass\n\n"))->reveal(), "pass\n");
  EXPECT_EQ(read_secret_file(folder.write("d", " pass"))->reveal(), " pass");
  EXPECT_EQ(read_secret_file(folder.write("e", std::string(max_secret_file_bytes, 'x')))->reveal().size(), max_secret_file_bytes);
}

TEST(secret_file, what_cannot_be_a_secret_is_refused) {
  namespace errc = boost::system::errc;
  const scratch_folder folder;
  EXPECT_EQ(read_secret_file(folder.path() / "none").error(), errc::no_such_file_or_directory);
  EXPECT_EQ(read_secret_file(folder.path()).error(), errc::invalid_argument);
  EXPECT_EQ(read_secret_file(folder.write("empty", "")).error(), errc::invalid_argument);
  EXPECT_EQ(read_secret_file(folder.write("newline", "\n")).error(), errc::invalid_argument);
  EXPECT_EQ(read_secret_file(folder.write("huge", std::string(max_secret_file_bytes + 1, 'x'))).error(), errc::file_too_large);
  const auto open = folder.write("open", "pass");
  ASSERT_EQ(::chmod(open.c_str(), 0666), 0);
  EXPECT_EQ(read_secret_file(open).error(), errc::permission_denied);
  const auto fifo = folder.path() / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_EQ(read_secret_file(fifo).error(), errc::invalid_argument);
}

TEST(manual_clock, moves_when_told) {
  const auto start = std::chrono::system_clock::time_point(100s);
  manual_clock time(start);
  const clock& seen = time;
  EXPECT_EQ(seen.now(), start);
  time.advance(5s);
  EXPECT_EQ(seen.now(), start + 5s);
  time.set(start - 1s);
  EXPECT_EQ(seen.now(), start - 1s);
  EXPECT_GT(system_clock().now(), start);
}

class shutdown_test : public ::testing::TestWithParam<int> {};

TEST_P(shutdown_test, the_first_signal_is_told_once_and_the_next_has_its_default_effect) {
  boost::asio::io_context loop;
  std::optional<int> told;
  shutdown_signals signals(loop.get_executor(), [&](int signal) { told = signal; });
  loop.poll();
  EXPECT_FALSE(told);
  ASSERT_EQ(std::raise(GetParam()), 0);
  loop.run();
  EXPECT_EQ(told, GetParam());
  struct sigaction now {};
  ASSERT_EQ(::sigaction(GetParam(), nullptr, &now), 0);
  EXPECT_EQ(now.sa_handler, SIG_DFL);
}

INSTANTIATE_TEST_SUITE_P(both, shutdown_test, ::testing::Values(SIGTERM, SIGINT));

TEST(shutdown, cancelling_or_destroying_lets_the_loop_end_untold) {
  boost::asio::io_context loop;
  bool told = false;
  shutdown_signals cancelled(loop.get_executor(), [&](int) { told = true; });
  cancelled.cancel();
  loop.run();
  loop.restart();
  {
    const shutdown_signals destroyed(loop.get_executor(), [&](int) { told = true; });
  }
  loop.run();
  EXPECT_FALSE(told);
  loop.restart();
  {
    // The signal is already delivered, but its handler has not run.
    const shutdown_signals late(loop.get_executor(), [&](int) { told = true; });
    ASSERT_EQ(std::raise(SIGTERM), 0);
    loop.poll_one();
  }
  loop.run();  // It ends, and what was destroyed is not touched.
}

TEST(shutdown, a_broken_pipe_is_an_error_of_the_write) {
  ignore_broken_pipes();
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ::close(ends[0]);
  EXPECT_EQ(::write(ends[1], "x", 1), -1);
  EXPECT_EQ(errno, EPIPE);
  ::close(ends[1]);
}

bool leaves_no_core_dump() {
  forbid_core_dumps();
  rlimit limit{1, 1};
  return getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_cur == 0 && limit.rlim_max == 0 && prctl(PR_GET_DUMPABLE) == 0;
}

TEST(process, attack_39_leaves_no_core_dump) {
  // In a child: it cannot be taken back.
  EXPECT_EXIT(_exit(leaves_no_core_dump() ? 0 : 1), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace careteam::runtime

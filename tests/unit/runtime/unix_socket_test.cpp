// Frames over a Unix socket, and who may listen where.
#include "runtime/unix_socket.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/write.hpp>

#include "scratch_folder.hpp"

namespace careteam::runtime {
namespace {

namespace asio = boost::asio;
namespace errc = boost::system::errc;
using testing::scratch_folder;

/// What read_frame makes of these bytes and the end after them, frame by frame, with the error at the end.
std::pair<std::vector<std::string>, boost::system::error_code> frames_in(const std::string& bytes, std::size_t most) {
  asio::io_context loop;
  unix_socket here(loop), there(loop);
  asio::local::connect_pair(here, there);
  asio::write(there, asio::buffer(bytes));
  there.close();
  std::pair<std::vector<std::string>, boost::system::error_code> read;
  for (;;) {
    std::optional<boost::system::result<std::string>> one;
    asio::co_spawn(loop, read_frame(here, most), [&](std::exception_ptr, boost::system::result<std::string> got) { one = std::move(got); });
    loop.restart();
    loop.run();
    if (!*one) {
      read.second = one->error();
      return read;
    }
    read.first.push_back(std::move(**one));
  }
}

TEST(frame, comes_out_as_it_went_in) {
  std::string bytes;
  const std::vector<std::string> contents{"", "one", std::string(70'000, '\0'), "two"};
  for (const auto& content : contents) append_frame(bytes, content);
  const auto [frames, ended] = frames_in(bytes, 70'000);
  EXPECT_EQ(frames, contents);
  EXPECT_EQ(ended, asio::error::eof);
}

TEST(frame, that_is_too_long_is_refused_before_it_is_read) {
  std::string bytes;
  append_frame(bytes, "1234");
  append_frame(bytes, "12345");
  const auto [frames, ended] = frames_in(bytes, 4);
  EXPECT_EQ(frames.size(), 1U);
  EXPECT_EQ(ended, errc::message_size);
  EXPECT_EQ(frames_in("\xff\xff\xff\xff", 1'000'000).second, errc::message_size);
}

TEST(frame, that_is_cut_short_is_an_end) {
  std::string bytes;
  append_frame(bytes, "12345");
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto [frames, ended] = frames_in(bytes.substr(0, size), 100);
    EXPECT_TRUE(frames.empty());
    EXPECT_EQ(ended, asio::error::eof) << size;
  }
}

TEST(unix_socket, tells_who_is_at_the_other_end) {
  asio::io_context loop;
  unix_socket here(loop), there(loop);
  asio::local::connect_pair(here, there);
  EXPECT_EQ(user_of(here), geteuid());
  here.close();
  EXPECT_FALSE(user_of(here));
}

TEST(unix_socket, is_listened_at_in_its_mode_by_one_alone) {
  const scratch_folder folder;
  const auto path = folder.path() / "a.sock";
  asio::io_context loop;
  unix_acceptor second(loop);
  {
    unix_acceptor first(loop);
    ASSERT_FALSE(listen_at(first, path, 0600, 1));
    struct stat now {};
    ASSERT_EQ(stat(path.c_str(), &now), 0);
    EXPECT_EQ(now.st_mode & 0777, 0600U);
    EXPECT_EQ(listen_at(second, path, 0600, 1), errc::address_in_use);
    EXPECT_FALSE(second.is_open());
  }
  // A process that is killed leaves its file behind.
  EXPECT_TRUE(std::filesystem::exists(path));
  EXPECT_FALSE(listen_at(second, path, 0600, 1));
}

TEST(unix_socket, replaces_nothing_but_a_socket_and_takes_no_path_that_is_too_long) {
  const scratch_folder folder;
  asio::io_context loop;
  unix_acceptor acceptor(loop);
  const auto file = folder.write("a.txt", "precious");
  EXPECT_EQ(listen_at(acceptor, file, 0600, 1), errc::address_in_use);
  EXPECT_EQ(std::filesystem::file_size(file), 8U);
  EXPECT_EQ(listen_at(acceptor, folder.path() / std::string(longest_socket_path(), 'x'), 0600, 1), errc::filename_too_long);
  EXPECT_EQ(listen_at(acceptor, folder.path() / "no" / "a.sock", 0600, 1), errc::no_such_file_or_directory);
}

}  // namespace
}  // namespace careteam::runtime

// A folder with a socket's path, an event loop that runs until something has come about, and the other end of a connection.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <boost/asio/io_context.hpp>
#include <boost/endian/conversion.hpp>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>

#include "notifier/worker_wire.hpp"

namespace careteam::notifier::testing {

class socket_room {
 public:
  socket_room() {
    std::string pattern = (std::filesystem::temp_directory_path() / "careteam-test-XXXXXX").string();
    if (!::mkdtemp(pattern.data())) throw std::runtime_error("no scratch folder");
    folder_ = pattern;
  }
  socket_room(const socket_room&) = delete;
  socket_room& operator=(const socket_room&) = delete;
  ~socket_room() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  std::filesystem::path path() const { return folder_ / "calls.sock"; }
  boost::asio::io_context& loop() { return loop_; }

  /// Runs the loop until it is so. False: it did not come about in time.
  bool until(const std::function<bool()>& is_so) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!is_so()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      loop_.restart();
      loop_.run_one_for(std::chrono::milliseconds(5));
    }
    return true;
  }

 private:
  std::filesystem::path folder_;
  boost::asio::io_context loop_;
};

/// The other end: what it says is written at once, and what it hears is read while the loop runs.
class peer {
 public:
  peer(socket_room& room, runtime::unix_socket socket) : room_(room), socket_(std::move(socket)) { socket_.native_non_blocking(true); }
  explicit peer(socket_room& room) : peer(room, connected(room)) {}

  void say(const std::string& bytes) {
    // A connection that was closed meanwhile says so where it is read from.
    (void)::send(socket_.native_handle(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  void say(const google::protobuf::MessageLite& frame) {
    std::string bytes;
    runtime::append_frame(bytes, frame.SerializeAsString());
    say(bytes);
  }

  /// The next frame; nothing: the other side has closed.
  template <class Frame>
  std::optional<Frame> hear() {
    const bool came = room_.until([&] {
      read();
      return closed_ || frame_size() > 0;
    });
    EXPECT_TRUE(came) << "nothing was said";
    const auto size = frame_size();
    if (size == 0) return std::nullopt;
    Frame frame;
    EXPECT_TRUE(frame.ParseFromString(heard_.substr(4, size - 4)));
    heard_.erase(0, size);
    return frame;
  }

  bool has_frame() {
    read();
    return frame_size() > 0;
  }

  bool is_closed() {
    return room_.until([&] {
      read();
      return closed_;
    });
  }

  void close() { socket_.close(); }

 private:
  static runtime::unix_socket connected(socket_room& room) {
    runtime::unix_socket socket(room.loop());
    socket.connect(room.path().string());
    return socket;
  }

  void read() {
    char some[4096];
    for (;;) {
      const auto size = ::recv(socket_.native_handle(), some, sizeof some, 0);
      if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
      if (size <= 0) {
        closed_ = true;
        return;
      }
      heard_.append(some, static_cast<std::size_t>(size));
    }
  }

  /// Of the first frame with its length; 0: it has not come as a whole.
  std::size_t frame_size() const {
    if (heard_.size() < 4) return 0;
    const std::size_t size = 4 + boost::endian::load_big_u32(reinterpret_cast<const unsigned char*>(heard_.data()));
    return heard_.size() < size ? 0 : size;
  }

  socket_room& room_;
  runtime::unix_socket socket_;
  std::string heard_;
  bool closed_ = false;
};

}  // namespace careteam::notifier::testing

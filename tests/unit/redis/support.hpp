// What the tests of this room share: an event loop that runs until something is true, a Redis of their own, a server that lies, and a
// second process to talk to.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "redis/client.hpp"
#include "redis/cluster_key.hpp"
#include "redis/fan_out.hpp"
#include "redis/presence.hpp"
#include "redis/subscriber.hpp"

namespace careteam::redis::test {

using namespace std::chrono_literals;

/// Runs the loop until the condition holds; false after the deadline.
bool run_until(boost::asio::io_context& loop, const std::function<bool()>& condition, std::chrono::milliseconds deadline = 20s);
/// Runs the loop for that long: for "nothing happens".
void run_for(boost::asio::io_context& loop, std::chrono::milliseconds duration);

class temporary_directory {
 public:
  temporary_directory();
  ~temporary_directory();
  const std::string& path() const noexcept { return path_; }
  std::string write(const std::string& name, const std::string& content) const;

 private:
  std::string path_;
};

/// A child that never outlives the test.
class child_process {
 public:
  child_process() = default;
  ~child_process() { kill_now(); }
  child_process(const child_process&) = delete;
  child_process& operator=(const child_process&) = delete;

  /// `input` and `output`: what becomes the child's standard input and output; -1: /dev/null.
  void start(const std::vector<std::string>& arguments, int input = -1, int output = -1);
  void send_signal(int signal) const;
  void kill_now();
  bool running() const noexcept { return pid_ > 0; }
  pid_t pid() const noexcept { return pid_; }

 private:
  pid_t pid_ = -1;
};

/// redis-server on a Unix socket in the directory, without persistence.
class redis_server {
 public:
  explicit redis_server(const temporary_directory& directory, std::vector<std::string> arguments = {});
  void start();
  void kill_now() { process_.kill_now(); }
  void freeze() const;
  void thaw() const;
  unix_address where() const { return {socket_}; }

 private:
  std::string directory_;
  std::string socket_;
  std::vector<std::string> arguments_;
  child_process process_;
};

/// Options that make failures quick.
client_options quick_options(address where);
presence_options quick_presence();

/// A client with run() started, stopped in order at the end.
class running_client {
 public:
  running_client(boost::asio::io_context& loop, client_options options);
  ~running_client();
  client* operator->() noexcept { return &client_; }
  client& operator*() noexcept { return client_; }
  bool wait_connected() {
    return run_until(loop_, [this] { return client_.connected(); });
  }
  /// One command, to its end.
  result<reply> execute(command words);
  outcomes execute_many(std::vector<command> commands);

 private:
  boost::asio::io_context& loop_;
  client client_;
  bool ended_ = false;
};

/// Client, subscriber, presence and fan-out of one gateway, and what it heard.
struct gateway {
  gateway(boost::asio::io_context& loop, client_options options, const secret_key& key,
          presence_options presence_settings = quick_presence(), fan_out_options fan_out_settings = {});
  ~gateway();

  struct heard_entries {
    std::string record;
    std::uint64_t from;
    std::uint64_t to;
    std::string payload;
  };
  std::size_t count_missed(const std::string& record) const;
  std::size_t count_changes(const std::string& person, presence_state state) const;

  boost::asio::io_context& loop;
  client commands;
  subscriber channels;
  std::vector<std::string> logged;
  std::vector<std::pair<std::string, presence_state>> changes;
  int all_unknown = 0;
  int all_known = 0;
  std::vector<heard_entries> entries;
  std::vector<std::pair<std::string, std::uint64_t>> missed;
  std::unique_ptr<presence> people;
  std::unique_ptr<fan_out> records;
  int running = 3;
};

/// A gateway in a process of its own, driven line by line (peer.cpp says which).
class peer_process {
 public:
  peer_process(boost::asio::io_context& loop, const unix_address& where, const std::string& key_file);
  ~peer_process();
  void tell(const std::string& line);
  /// Waits until it has said this line, in whatever order with others.
  bool wait_for(const std::string& line, std::chrono::milliseconds deadline = 20s);
  /// What it said until now does not count.
  void forget();
  void kill_now() { process_.kill_now(); }

 private:
  /// Outlives the object as long as a read is pending.
  struct ear;
  static void read(const std::shared_ptr<ear>& listening);
  boost::asio::io_context& loop_;
  boost::asio::posix::stream_descriptor input_;
  std::shared_ptr<ear> ear_;
  child_process process_;
};

/// Accepts connections and answers what the test says.
class lying_server {
 public:
  /// Called for each arriving piece of bytes; what it returns is sent. Greets with +PONG by itself.
  using script = std::function<std::string(const std::string& received)>;
  lying_server(boost::asio::io_context& loop, script script);
  tcp_address where() const;
  std::size_t accepted() const noexcept { return accepted_; }
  /// Pushes bytes to everybody connected.
  void push(const std::string& bytes);

 private:
  struct session;
  void accept();
  boost::asio::io_context& loop_;
  boost::asio::ip::tcp::acceptor acceptor_;
  script script_;
  std::vector<std::weak_ptr<session>> sessions_;
  std::size_t accepted_ = 0;
};

/// The peer's main, called by the test binary when it is started with "peer".
int run_peer(const std::string& socket, const std::string& key_file);

}  // namespace careteam::redis::test

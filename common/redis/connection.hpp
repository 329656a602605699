// One connection to Redis, from connecting to its end. Internal to this folder: client.hpp gives it a life that goes on.
//
// Everything runs on the executor; completions are always posted, so nobody is called back inside his own call.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <memory>

#include "redis/options.hpp"

namespace careteam::redis {

class connection : public std::enable_shared_from_this<connection> {
 public:
  struct hooks {
    std::function<bool(reply&)> push;                       ///< True: this was no answer, and it has been dealt with.
    std::function<void(boost::system::error_code)> closed;  ///< Once, also after close().
  };

  connection(boost::asio::any_io_executor executor, std::shared_ptr<const client_options> options, hooks callbacks);

  /// Connects and authenticates; then the connection serves. Keeps itself alive meanwhile.
  static boost::asio::awaitable<boost::system::error_code> open(std::shared_ptr<connection> self);
  /// Sends the commands in one piece; one outcome each, together. All are refused when they do not fit.
  void submit(const std::vector<command>& commands, completion done);
  /// Ends the connection: everybody who waits gets the reason.
  void close(boost::system::error_code reason);
  bool closed() const noexcept { return closed_; }

 private:
  using stream = boost::asio::generic::stream_protocol;
  using clock = std::chrono::steady_clock;

  struct call {
    outcomes answers;
    std::size_t missing = 0;
    completion done;
  };
  struct pending {
    std::shared_ptr<call> owner;
    clock::time_point since;
    std::size_t bytes = 0;
  };

  static boost::asio::awaitable<boost::system::error_code> connect(std::shared_ptr<connection> self);
  static boost::asio::awaitable<boost::system::error_code> greet(std::shared_ptr<connection> self);
  void refuse(const std::vector<command>& commands, errc reason, const completion& done);
  void answer(pending&& request, result<reply> outcome);
  void read();
  void on_read(boost::system::error_code error, std::size_t count);
  void flush_later();
  void flush();
  void watch();
  void check_health();

  boost::asio::any_io_executor executor_;
  std::shared_ptr<const client_options> shared_options_;
  const client_options& options_;
  hooks hooks_;
  stream::socket socket_;
  boost::asio::ip::tcp::resolver resolver_;
  boost::asio::steady_timer opening_timer_;
  boost::asio::steady_timer health_timer_;
  reply_reader reader_;
  std::vector<char> received_;
  std::string outgoing_;  ///< Encoded, waits for the write that is under way.
  std::string writing_;
  std::deque<pending> pending_;
  std::size_t pending_bytes_ = 0;
  clock::time_point last_heard_;
  bool flush_posted_ = false;
  bool late_ = false;  ///< The oldest request is overdue, but bytes were there to read: one more round.
  bool closed_ = false;
};

}  // namespace careteam::redis

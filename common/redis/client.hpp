// A client of one Redis: many waiters on one pipelined connection that comes back by itself.
//
//   redis::client redis(executor, options);
//   co_spawn(executor, redis.run(), …);                       // connects, and connects again, until stop()
//   auto answer = co_await redis.execute({"GET", key});       // result<reply>
//
// While there is no connection every request is refused at once (errc::not_connected): nothing queues up for a server that is away.
// When the connection ends, every waiter gets an error, and no command is sent a second time: only the caller knows whether that is safe.
// Everything runs on the executor, which is single-threaded. The client must outlive run().
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <random>
#include <vector>

#include "redis/error.hpp"
#include "redis/options.hpp"

namespace careteam::redis {

class connection;

struct connection_change {
  bool connected = false;
  boost::system::error_code reason;  ///< Why it was lost, or why it could not be established.
};

struct client_counters {
  std::uint64_t connects = 0;
  std::uint64_t connect_failures = 0;
  std::uint64_t connections_lost = 0;
};

/// Removes the observer when it goes. May outlive what it observes.
using observation = std::shared_ptr<void>;

class client {
 public:
  client(boost::asio::any_io_executor executor, client_options options);
  ~client();
  client(const client&) = delete;
  client& operator=(const client&) = delete;

  /// Connects, serves and reconnects until stop(). Once per client. Throws operation_aborted when its coroutine is cancelled.
  boost::asio::awaitable<void> run();
  /// Ends the connection and run(). Waiters get errc::stopped.
  void stop();
  bool connected() const noexcept { return connected_; }
  const client_counters& counters() const noexcept { return counters_; }

  /// One command. A cancelled wait throws operation_aborted; its command is not recalled.
  boost::asio::awaitable<result<reply>> execute(command words);
  /// Several commands in one piece, in order, on one connection.
  boost::asio::awaitable<outcomes> execute_many(std::vector<command> commands);
  /// The commands between MULTI and EXEC: all or nothing. The elements of EXEC's answer; an error if any of them is one.
  boost::asio::awaitable<result<std::vector<reply>>> execute_transaction(std::vector<command> commands);
  /// As execute_many, without a coroutine. `done` may be empty; it is called later on the executor, never inside submit.
  void submit(std::vector<command> commands, completion done);

  /// Called on every change, on the executor: connected, lost, could not connect.
  [[nodiscard]] observation observe(std::function<void(const connection_change&)> observer);

  /// Takes replies that answer nothing (messages of subscriptions): true when it was one. Set before run(); used by subscriber.
  void set_push_handler(std::function<bool(reply&)> handler) { push_ = std::move(handler); }

 private:
  using observer_list = std::vector<std::weak_ptr<std::function<void(const connection_change&)>>>;

  static boost::asio::awaitable<void> pause(client* self, std::chrono::milliseconds delay);
  void on_closed(boost::system::error_code reason);
  void announce(const connection_change& change);
  std::chrono::milliseconds next_backoff();
  void log(severity level, std::string_view text) const;

  boost::asio::any_io_executor executor_;
  std::shared_ptr<const client_options> options_;
  std::shared_ptr<client*> self_;  ///< Callbacks hold it weakly: they may come after the client has gone.
  std::shared_ptr<connection> connection_;
  boost::asio::steady_timer wake_;
  std::function<bool(reply&)> push_;
  observer_list observers_;
  client_counters counters_;
  std::minstd_rand random_;
  unsigned failures_ = 0;  ///< In a row; the exponent of the backoff.
  boost::system::error_code last_reason_;
  bool connected_ = false;
  bool open_ = false;  ///< There is a connection whose end has not been reported yet.
  bool stopping_ = false;
};

}  // namespace careteam::redis

// Subscriptions to Redis channels over a connection of their own. They come back after a reconnect; what was published meanwhile does not.
//
// Each channel has one handler. `confirmed` says: from here on messages arrive, and anything before may have been missed. It comes after
// the first subscription and after each reconnect, so a reader that re-reads then misses nothing. Runs on the executor.
#pragma once

#include <string>
#include <unordered_map>
#include <unordered_set>

#include "redis/client.hpp"

namespace careteam::redis {

struct channel_handler {
  std::function<void(std::string_view payload)> message;
  std::function<void()> confirmed;  ///< The gap: read again whatever the channel tells about.
};

struct subscriber_counters {
  std::uint64_t messages = 0;
  std::uint64_t gaps = 0;     ///< Connections lost while subscribed.
  std::uint64_t refused = 0;  ///< Subscriptions that Redis refused (ACL); they are tried again.
};

class subscriber {
 public:
  static constexpr std::size_t max_channels = 100'000;

  /// `retry_refused`: how long after a refused subscription it is tried again.
  subscriber(boost::asio::any_io_executor executor, client_options options,
             std::chrono::milliseconds retry_refused = std::chrono::seconds(5));
  ~subscriber();

  /// As client::run and client::stop.
  boost::asio::awaitable<void> run() { return client_.run(); }
  void stop();
  bool connected() const noexcept { return client_.connected(); }

  /// Subscribes now, or as soon as there is a connection. Replaces the channel's handler. False: too many channels.
  bool subscribe(const std::string& channel, channel_handler handler);
  void unsubscribe(const std::string& channel);
  /// Messages of the channel arrive now.
  bool confirmed(const std::string& channel) const;

  [[nodiscard]] observation observe(std::function<void(const connection_change&)> observer) { return client_.observe(std::move(observer)); }
  const subscriber_counters& counters() const noexcept { return counters_; }

 private:
  struct wanted {
    std::shared_ptr<const channel_handler> handler;
    bool told = false;  ///< `confirmed` has been called on this connection.
  };
  enum class phase : std::uint8_t { asked, active, refused };

  bool on_push(reply& value);
  void on_change(const connection_change& change);
  void mark(const std::string& channel);
  void pump();
  void on_batch(const std::vector<std::pair<std::string, bool>>& batch, const outcomes& answers);
  void retry_later();

  boost::asio::any_io_executor executor_;
  std::chrono::milliseconds retry_refused_;
  log_sink log_;
  client client_;
  std::shared_ptr<subscriber*> self_;
  observation watching_;
  boost::asio::steady_timer retry_timer_;
  std::unordered_map<std::string, wanted> wanted_;
  std::unordered_map<std::string, phase> at_server_;  ///< What this connection has asked for.
  std::unordered_set<std::string> changed_;           ///< Channels to compare: wanted against at_server.
  subscriber_counters counters_;
  std::uint64_t connection_number_ = 0;
  bool batch_under_way_ = false;
  bool pump_posted_ = false;
  bool retry_planned_ = false;
};

}  // namespace careteam::redis

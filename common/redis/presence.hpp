// Presence of people over all gateways: "online" iff some live gateway has a connection of theirs. It never claims more than it knows:
// without Redis everybody reads "unknown", also the people who are connected here.
//
// Keys (prefix "ct:" by default; person ids only):
//   ct:gw:<id>          the lease of a gateway: its sequence number; expires unless refreshed. Written last, so that it vouches for …
//   ct:gw:<id>:people   … the set of people connected there
//   ct:gateways         gateway ids by the time (Redis' clock) at which their lease ends
//   ct:presence:born    when this Redis was seen empty for the first time
//   ct:presence         the channel: changes, heartbeats, announcements (presence_wire.hpp)
//
// A gateway hears the others by their heartbeats, so FLUSHALL takes nobody offline; each gateway notices that its own lease is gone at its
// next refresh and writes itself anew. A gateway that falls silent is dead after one lease.
#pragma once

#include <deque>
#include <set>

#include "redis/client.hpp"
#include "redis/presence_view.hpp"
#include "redis/subscriber.hpp"

namespace careteam::redis {

struct presence_options {
  std::string key_prefix = "ct:";
  std::chrono::milliseconds lease{28'000};    ///< Below 30 s, so that noticing a dead gateway is within 30 s.
  std::chrono::milliseconds refresh{10'000};  ///< Of the lease; also the heartbeat.
  std::chrono::milliseconds coalesce{250};    ///< At most one message of changes in this time.
  std::chrono::milliseconds linger{2000};     ///< Somebody who comes back within this time never went offline.
  std::chrono::milliseconds retry{1000};      ///< After an error that did not end the connection.
  std::chrono::milliseconds settle{12'000};   ///< After a wipe of Redis: how long unheard gateways may need to announce themselves.
  log_sink log;
};

struct presence_observer {
  /// The person's state is another one now. Not called while everything is unknown.
  std::function<void(const std::string& person, presence_state state)> changed;
  /// From now on everybody reads unknown.
  std::function<void()> all_unknown;
  /// Ask again for everybody you show: after all_unknown, and when the last unknown ones became offline.
  std::function<void()> all_known;
};

struct presence_counters {
  std::uint64_t announcements = 0;
  std::uint64_t messages_sent = 0;
  std::uint64_t messages_received = 0;
  std::uint64_t messages_malformed = 0;
  std::uint64_t gateways_read = 0;
};

class presence {
 public:
  /// The client and the subscriber are shared with others; they, and the executor, must outlive this object.
  presence(boost::asio::any_io_executor executor, client& redis, subscriber& channels, presence_options options,
           presence_observer observer);
  ~presence();

  /// Announces, listens and refreshes until stop(); then takes this gateway out of Redis (within the client's response timeout).
  boost::asio::awaitable<void> run();
  /// Ends run(). Stop the client only after run() has ended.
  void stop();

  /// One call per connection. False: not a person id (1 to 128 bytes), or too many people.
  bool arrived(const std::string& person);
  void left(const std::string& person);

  presence_state state(std::string_view person) const;
  bool known() const noexcept { return known_; }
  const std::string& gateway_id() const noexcept { return id_; }
  const presence_counters& counters() const noexcept { return counters_; }
  /// People online anywhere, as far as known.
  std::size_t online_count() const noexcept { return view_.online_count(); }

 private:
  using clock = std::chrono::steady_clock;
  using step = boost::asio::awaitable<boost::system::error_code>;
  struct local_person {
    std::uint32_t connections = 0;
    clock::time_point offline_at;  ///< With no connection: until then a return goes unnoticed.
  };

  bool reachable() const;
  step synchronise();
  step announce();
  step announce_after_wipe();
  step read_all();
  step read_gateway(std::string id, clock::time_point alive_until);
  step refresh();
  step publish_changes();
  step read_redis_time();
  boost::asio::awaitable<void> serve(std::uint64_t round);
  boost::asio::awaitable<void> deregister();
  boost::asio::awaitable<void> wait_until(clock::time_point when);

  void on_message(std::string_view payload);
  void on_link_change();
  void become_unknown();
  void become_known();
  void finish_lingering(clock::time_point now);
  void note_unpublished(const std::string& person);
  void changed(const std::string& person);
  std::string message(presence_kind kind, std::vector<presence_change> changes = {}) const;
  std::string lease_ms() const { return std::to_string(options_.lease.count()); }
  void log(severity level, std::string_view text) const;

  client& redis_;
  subscriber& channels_;
  presence_options options_;
  presence_observer observer_;
  std::string id_;
  std::string channel_;
  std::string gateways_key_;
  std::string lease_key_;
  std::string people_key_;
  presence_view view_;
  boost::asio::steady_timer wake_;
  std::shared_ptr<presence*> self_;
  std::vector<observation> watching_;

  std::unordered_map<std::string, local_person> local_;
  std::deque<std::pair<clock::time_point, std::string>> lingering_;
  std::unordered_set<std::string> unpublished_;  ///< May differ from what Redis has of us.
  std::unordered_set<std::string> published_;    ///< What Redis has of us.
  std::set<std::string> to_read_;
  std::uint64_t sequence_ = 0;
  std::uint64_t round_ = 0;  ///< Moves when a connection is lost: whatever was under way is void.
  std::int64_t redis_time_ms_ = 0;
  clock::time_point next_refresh_{};
  clock::time_point next_publish_{};
  presence_counters counters_;
  bool known_ = false;
  bool stopping_ = false;
  bool complained_ = false;
};

}  // namespace careteam::redis

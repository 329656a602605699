// Committed entries to the other processes, and theirs to us: one channel per record, sealed (sealed_envelope.hpp).
//
// Pub/sub may lose messages. So a reader hears `missed` wherever something may be lacking: when a subscription begins to work (first, and
// after every reconnect), when versions skip, when the entries were too large to send, when another process could not publish for a while.
// It then reads from the store. What is delivered is in version order and never twice, as far as this object was told the position.
//
// A channel's name is an HMAC of the record's key; payloads are encrypted: Redis learns neither patients nor text, and what was not sealed
// by this cluster is dropped and counted. Runs on the executor.
#pragma once

#include <map>

#include "redis/client.hpp"
#include "redis/sealed_envelope.hpp"
#include "redis/subscriber.hpp"

namespace careteam::redis {

struct fan_out_options {
  std::string key_prefix = "ct:";
  std::size_t max_payload_bytes = 256 << 10;     ///< Larger ones are announced as a notice.
  std::size_t max_unpublished_records = 10'000;  ///< Commits that Redis could not take, remembered by record; beyond: one "missed" for all.
  std::chrono::milliseconds retry{1000};         ///< After a failed publication on a connection that stands.
  log_sink log;
};

struct fan_out_observer {
  /// Entries of the versions from … to (inclusive), in order. The payload is what publish() was given.
  std::function<void(const std::string& record, std::uint64_t from, std::uint64_t to, std::string_view payload)> entries;
  /// Read the record again from the store. `at_least`: a version that exists; 0 when unknown.
  std::function<void(const std::string& record, std::uint64_t at_least)> missed;
};

struct fan_out_counters {
  std::uint64_t published = 0;
  std::uint64_t publish_failures = 0;
  std::uint64_t delivered = 0;
  std::uint64_t missed = 0;
  std::uint64_t own = 0;
  std::uint64_t stale = 0;  ///< Versions that were known already.
  std::uint64_t malformed = 0;
  std::uint64_t forged = 0;
  std::uint64_t replayed = 0;
};

class fan_out {
 public:
  /// The client and the subscriber are shared with others and must outlive this object, as must the executor.
  fan_out(boost::asio::any_io_executor executor, client& redis, subscriber& channels, const secret_key& cluster, fan_out_options options,
          fan_out_observer observer);
  ~fan_out();

  /// Tells the other processes what was committed here. Never waits and never fails: what Redis does not take is made up for by a notice
  /// as soon as it can. Throws std::invalid_argument unless 0 < from <= to.
  void publish(const std::string& record, std::uint64_t from, std::uint64_t to, std::string_view payload);

  /// Hears the record from here on. `known_version`: what the caller already has. False: too many subscriptions.
  bool subscribe(const std::string& record, std::uint64_t known_version);
  void unsubscribe(const std::string& record);
  /// The caller has read the record up to this version.
  void advance(const std::string& record, std::uint64_t version);

  const fan_out_counters& counters() const noexcept { return counters_; }
  /// Records whose last commits wait for Redis.
  std::size_t unpublished_count() const noexcept { return unpublished_.size(); }
  std::string channel_of(const std::string& record) const;

 private:
  struct watched {
    std::string record;
    std::uint64_t version = 0;
  };
  struct unpublished {
    std::uint64_t from = 0;
    std::uint64_t to = 0;
  };

  void send(std::string channel, std::string record, const sealed_letter& letter);
  void on_published(const std::string& record, std::uint64_t from, std::uint64_t to, boost::system::error_code failed);
  void remember(const std::string& record, std::uint64_t from, std::uint64_t to);
  void make_up();
  void make_up_later();
  void on_message(const std::string& channel, std::string_view payload);
  void on_letter(watched& record, const sealed_letter& letter);
  void tell_missed(const std::string& record, std::uint64_t at_least);
  void everything_missed();
  channel_handler handler_of(const std::string& channel);

  client& redis_;
  subscriber& channels_;
  fan_out_options options_;
  fan_out_observer observer_;
  secret_key channel_key_;
  sealer sealer_;
  opener opener_;
  std::string common_channel_;  ///< Heard by every process: "missed" for all records.
  std::shared_ptr<fan_out*> self_;
  observation watching_;
  boost::asio::steady_timer retry_timer_;
  std::unordered_map<std::string, watched> watched_;  ///< By channel.
  std::map<std::string, unpublished> unpublished_;
  bool unpublished_overflowed_ = false;
  bool retry_planned_ = false;
  fan_out_counters counters_;
};

}  // namespace careteam::redis

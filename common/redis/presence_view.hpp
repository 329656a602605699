// Who is online, as one gateway knows it: its own people and those of the gateways it hears. Sans-I/O; time is an input.
//
// It never says "offline" while a gateway that may hold the person is alive but not read yet: then it says "unknown".
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "redis/presence_wire.hpp"

namespace careteam::redis {

enum class presence_state : std::uint8_t { unknown, offline, online };

class presence_view {
 public:
  using time_point = std::chrono::steady_clock::time_point;
  using duration = std::chrono::steady_clock::duration;
  using people = std::unordered_set<std::string>;

  static constexpr std::size_t max_gateways = 1024;
  static constexpr std::size_t max_people_per_gateway = 100'000;  ///< With the longest ids still one reply of at most 16 MiB.
  static constexpr std::size_t max_held_messages = 256;           ///< Per gateway, while it is being read.

  /// `changed` hears each person who appears anywhere or disappears everywhere. `lease`: how long a silent gateway counts as alive.
  presence_view(duration lease, std::function<void(const std::string& person)> changed);

  presence_state state(std::string_view person, time_point now) const;
  /// False: somebody who is not online may be on a gateway that we have not read.
  bool settled(time_point now) const;

  void set_local(const std::string& person, bool online);
  bool is_local(const std::string& person) const { return local_.contains(person); }
  const people& local() const noexcept { return local_; }

  /// A message of another gateway. True: its people have to be read.
  bool apply(presence_message message, time_point now);
  /// Its people are being read: messages are held until `loaded` or `not_found`.
  void reading(const std::string& gateway);
  /// What was read: the people as of `sequence`. True: a message was missed meanwhile, read again.
  bool loaded(const std::string& gateway, std::uint64_t sequence, people found, time_point expires);
  /// It has no lease. It may be writing its people just now; until `expires` it counts as alive.
  void not_found(const std::string& gateway, time_point expires);
  /// Redis was wiped not long ago: gateways that we have never heard of may still be about to announce themselves.
  void unsettled_until(time_point until);

  /// Redis is away: nothing that others said holds any more, except that they were alive.
  void lose_others();
  /// Lets gateways go whose time is over. True: the view became settled, so that all "unknown" are "offline" now.
  bool expire(time_point now);
  /// When `expire` has something to do; time_point::max() if never.
  time_point next_expiry() const;

  std::size_t online_count() const noexcept { return online_.size(); }
  std::size_t gateway_count() const noexcept { return gateways_.size(); }

 private:
  struct gateway_entry {
    people online;
    std::uint64_t sequence = 0;
    time_point expires;
    bool known = false;  ///< Read at least once.
    bool being_read = false;
    bool overflowed = false;
    std::vector<presence_message> held;
  };
  struct text_hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>{}(text); }
  };

  void add(const std::string& person);
  void remove(const std::string& person);
  void set_on(gateway_entry& gateway, const presence_change& change);
  bool apply_to(gateway_entry& gateway, const presence_message& message);
  void forget(const std::string& gateway);

  duration lease_;
  std::function<void(const std::string&)> changed_;
  std::unordered_map<std::string, std::uint32_t, text_hash, std::equal_to<>> online_;  ///< On how many gateways.
  people local_;
  std::unordered_map<std::string, gateway_entry> gateways_;
  std::unordered_map<std::string, time_point> unread_;  ///< Alive until then for all we know, people unknown.
  time_point unsettled_until_{};
  bool overflowed_ = false;
  bool was_settled_ = true;
};

}  // namespace careteam::redis

// The records at work in this process: found by key, loaded when first asked for, unloaded when nobody looks at them.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>

#include "coordination/record_host.hpp"

namespace careteam::coordination {

inline constexpr std::size_t max_unread_hosts = 1'000;  ///< Records kept loaded that no session looks at.

class record_hosts {
 public:
  explicit record_hosts(host_environment environment);
  record_hosts(const record_hosts&) = delete;
  record_hosts& operator=(const record_hosts&) = delete;

  /// The record's host; makes one when there is none. `key`: of a record of any kind (care::new_record).
  std::shared_ptr<record_host> find_or_make(const store::record_key& key);
  /// The record's host when it is at work.
  std::shared_ptr<record_host> find(const store::record_key& key) const;
  /// Another writer committed to the record: whoever looks at it here, or is on its team now, hears of it.
  void refresh(const store::record_key& key);
  /// A timer is due: the record's host decides its command.
  void fire(store::stored_timer timer, timer_done done);
  void set_listener(commit_listener* listener) { environment_.listener = listener; }
  host_environment& environment() { return environment_; }
  std::size_t size() const { return hosts_.size(); }
  /// How many of them are closed because they are damaged in the store.
  std::size_t quarantined() const;
  /// From now on looks each second whether the wall clock was set: memberships begin and end by it (B2).
  void watch_clock();
  /// Nothing waits and nothing is in flight anywhere.
  bool idle() const;

 private:
  void unload_some();
  void appoint_anew(const std::string& duty_id);
  boost::asio::awaitable<void> offer(std::string duty_id);
  void look_for_deaths(const care::organization_state& accounts);
  void stop_protocols(const std::string& patient);
  void tell_audience(const std::shared_ptr<record_host>& host);
  host_environment environment_;
  std::optional<std::set<std::string, std::less<>>> deceased_;  ///< As they were told of before; nothing: the accounts were not read yet.
  boost::asio::steady_timer clock_watch_;
  std::chrono::nanoseconds clock_offset_{};  ///< Of the wall clock from the steady one.
  std::unordered_map<std::string, std::shared_ptr<record_host>> hosts_;
};

}  // namespace careteam::coordination

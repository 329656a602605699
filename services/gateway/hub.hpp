// The delivery hub: which sessions look at which record, and what they are told. Runs on the event loop.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <unordered_map>
#include <vector>

#include "coordination/cursor_desk.hpp"
#include "coordination/people.hpp"
#include "coordination/record_hosts.hpp"
#include "gateway/catch_up_pages.hpp"
#include "gateway/heartbeats.hpp"
#include "gateway/limits.hpp"
#include "gateway/session.hpp"
#include "runtime/config.hpp"

namespace careteam::gateway {

/// Where the hub learns who is connected anywhere, and tells who is connected here.
struct presence_port {
  std::function<void(const std::string& person)> arrived = [](const std::string&) {};
  std::function<void(const std::string& person)> left = [](const std::string&) {};
  std::function<v1::PresenceState::State(const std::string& person)> state = [](const std::string&) {
    return v1::PresenceState::STATE_UNKNOWN;
  };
};

struct gateway_metrics {
  runtime::gauge& sessions;
  runtime::counter& frames_in;
  runtime::counter& messages_out;
  runtime::counter& deliveries;
  runtime::counter& bad_frames;
  runtime::counter& slow_consumers;
  runtime::counter& refused_tokens;
  runtime::counter& refused_upgrades;
  runtime::counter& refused_handshakes;
  runtime::counter& limited_commands;
  runtime::counter& floods;
  static gateway_metrics in(runtime::metrics_registry& registry);
};

class hub : public coordination::commit_listener, public coordination::cursor_listener {
 public:
  hub(coordination::record_hosts& hosts, const identity::token_verifier& tokens, const runtime::config& settings, gateway_metrics metrics);

  // From the record hosts.
  void committed(coordination::record_host& host, const std::vector<coordination::shared_batch>& batches) override;
  void audience_changed(coordination::record_host& host) override;
  void obligations_changed(coordination::record_host& host, const std::vector<care::place>& places) override;
  void answering_changed(const std::set<std::string>& people) override;
  bool listens(const std::string& person) const override { return by_person_.contains(person); }
  // From the cursor desk.
  void cursors_moved(const std::vector<store::cursor>& cursors, const std::vector<store::cursor_move>& moves) override;
  // From presence.
  void set_presence(presence_port port) { presence_ = std::move(port); }
  void presence_changed(const std::string& person, v1::PresenceState::State state);
  /// Everything that was told about presence is void: tell it anew.
  void presence_reset();

  // From the sessions.
  /// False: the person has as many connections as allowed.
  bool enter(session& one);
  void leave(session& one);
  traffic_limits& limits() { return limits_; }
  void join(attachment& at);
  void part(attachment& at);
  void tell_presence(session& one, const attachment& at);
  void tell_receipts(session& one, const attachment& at);
  /// Receipts are at hand for the record; otherwise load them with `know_receipts` before Welcome.
  bool receipts_known(const coordination::record_host& host) const;
  void know_receipts(const coordination::record_host& host, const std::vector<store::receipt>& receipts);
  void watch(std::chrono::steady_clock::time_point when, std::weak_ptr<session> one);
  /// Where connections are looked at three times in the time after which a silent peer is given up.
  heartbeats& beats() { return beats_; }
  /// Writes what sessions are owed, once per turn of the event loop.
  void flush_later(std::weak_ptr<session> one);

  coordination::record_hosts& hosts() { return hosts_; }
  coordination::people& directory() { return hosts_.environment().directory; }
  /// The keys of all duties: administrators read the rosters of each.
  std::vector<store::record_key> duty_keys();
  /// The duties by which a person reads: what their teams read, they do.
  std::vector<std::string> duties_read_by(const std::string& person);
  /// Whether the person is among a duty's people, its lead and manager included.
  bool is_of_duty(const std::string& person, const std::string& duty_id);
  /// The organisation around tasks: the same by which the records decide.
  const care::task_setting& task_setting() { return *hosts_.environment().tasks; }
  coordination::cursor_desk& cursors() { return cursor_desk_; }
  /// What devices missed, read once for all that missed the same.
  catch_up_pages& pages() { return pages_; }
  store::record_store& store() { return hosts_.environment().store; }
  const boost::asio::any_io_executor& executor() { return hosts_.environment().executor; }
  const identity::token_verifier& tokens() const { return tokens_; }
  /// This process, for the audit: new at each start.
  const std::string& server_id() const { return server_id_; }
  const runtime::config& settings() const { return settings_; }
  gateway_metrics& metrics() { return metrics_; }
  const std::vector<boost::asio::ip::address>& trusted_proxies() const { return trusted_proxies_; }
  std::chrono::system_clock::time_point now() const { return hosts_.environment().clock.now(); }
  care::instant instant() const { return std::chrono::floor<std::chrono::microseconds>(now()); }

  std::size_t session_count() const { return session_count_; }
  /// The open sessions of a person, or of everybody where the person is empty.
  std::vector<const session*> sessions_of(const std::string& person) const;
  /// Tells every session to come back later, each at another time.
  void drain(std::chrono::milliseconds within);

 private:
  struct receipt_row {
    std::uint64_t received = 0, displayed = 0;
    bool changed = false;
  };
  struct record_room {
    std::vector<attachment*> attachments;
    std::map<std::pair<v1::Stream, std::string>, receipt_row> receipts;
    bool receipts_known = false;
    std::vector<std::size_t> people;  ///< Hashes of those on the team, as they stand in rooms_by_person_.
  };
  void organization_changed();
  void list_people(const coordination::record_host& host, record_room& room);
  void unlist_people(const coordination::record_host& host, record_room& room);
  void post_flush();
  void flush();
  void arm_watch();
  void flush_receipts();

  coordination::record_hosts& hosts_;
  const identity::token_verifier& tokens_;
  const runtime::config& settings_;
  gateway_metrics metrics_;
  std::string server_id_;
  std::vector<boost::asio::ip::address> trusted_proxies_;
  coordination::cursor_desk cursor_desk_;
  catch_up_pages pages_;
  presence_port presence_;
  std::unordered_map<const coordination::record_host*, record_room> rooms_;
  /// By the hash of a person's id: the rooms where the person may be on the team. A presence change looks there, not everywhere.
  std::unordered_multimap<std::size_t, const coordination::record_host*> rooms_by_person_;
  std::unordered_map<std::string, std::vector<session*>> by_person_;
  std::size_t session_count_ = 0;
  std::size_t suspended_ = 0;  ///< A digest of those whose account is suspended, to see whether they are others now.
  traffic_limits limits_;
  std::vector<std::weak_ptr<session>> to_flush_, flushing_;
  bool flush_posted_ = false;
  std::uint64_t frames_before_flush_ = 0;
  std::chrono::steady_clock::time_point flush_wanted_{};
  std::multimap<std::chrono::steady_clock::time_point, std::weak_ptr<session>> deadlines_;
  boost::asio::steady_timer deadline_timer_;
  heartbeats beats_;
  boost::asio::steady_timer receipt_timer_;
  std::set<const coordination::record_host*> receipt_rooms_;
};

}  // namespace careteam::gateway

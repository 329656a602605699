// The host of one record: takes everything that is asked of it, decides it against the evolving state, appends what came out as one batch,
// and only then answers and hands the entries on. The same for a patient's record, a duty's and the organisation's.
//
// Runs on the event loop. One append is in flight per record, so there are no locks; when an append fails the state is read from the store
// again.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <unordered_map>
#include <variant>

#include "care/record.hpp"
#include "coordination/stream_batch.hpp"
#include "runtime/clock.hpp"
#include "runtime/metrics.hpp"
#include "store/store.hpp"

namespace careteam::coordination {

class duties;
class record_host;
class people;

/// The answer to a command: where its first entry is, or why there is none.
struct command_answer {
  care::outcome<care::place> result;
  /// The command's own entries; empty when it had nothing to change or was carried out before.
  std::vector<v1::Entry> entries;
};

/// A command on its way.
struct submission {
  v1::Command command;
  care::actor who;
  store::uuid_bytes id{};
  store::uuid_bytes digest{};
  /// Called once, on the event loop, after the commit or the refusal. Must not throw.
  std::function<void(const submission&, command_answer)> answer;
};

/// Hears whether a fired timer is done with: then nobody has to fire it again.
using timer_done = std::function<void(boost::system::error_code)>;

/// Who is told what was committed: the gateway's hub.
class commit_listener {
 public:
  virtual ~commit_listener() = default;
  /// Entries that are on disk, in order, each stream's as one batch.
  virtual void committed(record_host& host, const std::vector<shared_batch>& batches) = 0;
  /// Where something came to be owed, is owed otherwise, or no more. After `audience_changed`, where both are so.
  virtual void obligations_changed(record_host&, const std::vector<care::place>&) {}
  /// These people answer for other duties than before.
  virtual void answering_changed(const std::set<std::string>&) {}
  /// Whether the person is to hear at once of records that they may read from now on.
  virtual bool listens(const std::string&) const { return false; }
  /// Who may read what may have changed: the roster, a period's boundary, or an account.
  virtual void audience_changed(record_host& host) = 0;
};

/// What is on disk of a stream, for the people who read it.
struct durable_stream {
  std::uint64_t head = 0;
  store::chain_value chain{};
  std::unordered_map<std::string, std::uint64_t> authored;
};

struct host_metrics {
  runtime::counter& committed;
  runtime::counter& refused;
  runtime::counter& conflicts;
  runtime::counter& store_failures;
  runtime::counter& entries;
  runtime::histogram& commit_seconds;
  static host_metrics in(runtime::metrics_registry& registry);
};

/// What all hosts share.
struct host_environment {
  boost::asio::any_io_executor executor;
  store::record_store& store;
  const runtime::clock& clock;
  people& directory;
  host_metrics metrics;
  std::uint64_t snapshot_every = 256;
  std::uint32_t stat_per_hour = 5;
  std::chrono::milliseconds wrong_patient_window{60'000};
  commit_listener* listener = nullptr;
  /// Told, after the commit, that timers were set, and when the first of them is due.
  std::function<void(care::instant)> timer_set = {};
  const care::task_setting* tasks = &care::usual_task_setting();  ///< The deadlines of tasks. Must outlive the hosts.
  duties* all_duties = nullptr;  ///< Hears of every duty as it is on disk. Nullptr: nobody asks for duties.
  /// Told that somebody else reads by a duty what the teams read that have it among their members, or does no more.
  std::function<void(const std::string& duty_id)> duty_readers_changed = {};
  /// Told that the organisation's accounts may be others now.
  std::function<void(const care::organization_state&)> accounts_changed = {};
  /// Told, after the commit, that these people are to be reached outside. Empty: nobody ever is.
  std::function<void(const std::vector<store::new_delivery>&)> deliveries_added = {};
  /// These people have come to answer for a duty, or do no longer.
  std::function<void(const std::set<std::string>&)> answering_changed = {};
};

inline constexpr std::size_t max_waiting_per_record = 20'000;  ///< Commands waiting on one record; more are refused with "try later".
inline constexpr std::size_t max_batch_commands = 4'096;       ///< Commands decided in one commit: bounds the memory and time of a batch.
inline constexpr std::chrono::seconds longest_hold{10};        ///< Whoever keeps a record still for longer loses it.
inline constexpr std::size_t remembered_answers = 512;         ///< Answers at hand for commands that are sent twice; the store knows all.

class record_host : public std::enable_shared_from_this<record_host> {
 public:
  /// `key`: of a record of any kind (care::new_record).
  record_host(host_environment& environment, store::record_key key);

  const store::record_key& key() const { return key_; }

  /// Takes a command; its answer comes later.
  void submit(submission what);
  /// Appends entries of the server's own (sessions, refusals) to the record; `done` hears whether they are on disk. Entries to a record
  /// that does not exist are dropped with an error.
  void note(care::facts entries, v1::Author author, std::function<void(boost::system::error_code)> done);
  /// A timer is due: the command that the record's state has for it is decided as the system's. It is taken off in the same commit, also
  /// when nothing comes of it.
  void fire(store::stored_timer timer, timer_done done);
  /// Calls `what` when the record is loaded and nothing is in flight: what it then sees is on disk.
  void when_settled(std::function<void(boost::system::error_code)> what);
  /// Keeps the record still for another writer of this process: answers when nothing is in flight, and nothing is decided until what it
  /// gave is destroyed, or `longest_hold` is over. The writer then calls refresh().
  boost::asio::awaitable<std::shared_ptr<void>> hold();
  /// Another writer committed (an import, another gateway): read on and hand over what is new.
  void refresh();

  /// The state. Only inside when_settled or a commit_listener's call is all of it on disk.
  const care::record_state& state() const { return state_; }
  const durable_stream& durable(v1::Stream stream) const { return durable_[static_cast<std::size_t>(stream)]; }
  bool exists() const { return state_.exists(); }
  /// What is stored of this record is damaged: it takes and gives nothing more until it is loaded anew, by another process or after it was
  /// unloaded. Everything else goes on.
  bool quarantined() const { return quarantined_; }
  /// Somebody who read of the record found it damaged.
  void quarantine();
  bool idle() const { return !running_ && mailbox_.empty(); }
  /// Who acts by the duties that are on the team may have changed: decisions from now on stand on who holds them now. Answers whether it
  /// has.
  bool appoint();
  /// Tells the listener when a membership has begun or ended since it was told last, and looks again when the next one does. To be called
  /// when the wall clock was set.
  void look_at_boundary();

  /// How many sessions look at this record; a record that nobody looks at may be unloaded.
  std::size_t readers = 0;

 private:
  struct noted {
    care::facts entries;
    v1::Author author;
    std::function<void(boost::system::error_code)> done;
  };
  struct fired {
    store::stored_timer timer;
    std::optional<v1::Command> command;  ///< None: the state has no such timer, as far as it was read.
    timer_done done;
    care::facts entries;
  };
  struct visit {
    std::function<void(boost::system::error_code)> what;
  };
  struct reread {};
  /// Both are events: a timer that is set to the past has happened.
  struct held {
    std::shared_ptr<boost::asio::steady_timer> granted, released;
  };
  using item = std::variant<submission, noted, fired, visit, reread, held>;
  /// One batch between decision and commit.
  struct batch;

  void wake();
  void turn_away(boost::system::error_code failed);
  boost::asio::awaitable<void> run();
  boost::asio::awaitable<boost::system::error_code> load();
  boost::asio::awaitable<boost::system::error_code> catch_up_listeners();
  boost::asio::awaitable<void> take_batch();
  boost::asio::awaitable<boost::system::error_code> page_in(batch& work);
  boost::asio::awaitable<bool> commit(batch& work);
  boost::asio::awaitable<void> answer_refused(batch& work);
  boost::asio::awaitable<boost::system::error_code> page_in_at(care::place at);
  boost::asio::awaitable<boost::system::error_code> read_owed(batch& work);
  void find_fired(batch& work);
  void decide_all(batch& work);
  void decide_fired(batch& work);
  void forget_stale(batch& work, const store::stale_timers& stale);
  std::string confirmation_needed(const submission& what, care::instant now);
  void add_entries(batch& work, care::facts& entries);
  void touch_people(batch& work);
  void finish(batch& work, const store::committed& done);
  void remember(const submission& what, care::place where);
  void arm_boundary();
  void publish();

  host_environment& environment_;
  store::record_key key_;
  care::record_state state_;
  std::array<durable_stream, care::stream_count> durable_;
  std::uint64_t snapshot_version_ = 0;
  bool loaded_ = false;
  bool quarantined_ = false;
  bool running_ = false;
  std::deque<item> mailbox_;
  struct command_key {
    store::uuid_bytes id{};
    std::string actor;
    bool operator==(const command_key&) const = default;
  };
  struct command_key_hash {
    std::size_t operator()(const command_key& key) const noexcept {
      std::size_t random_part = 0;  // The second half of a UUIDv7 is random.
      std::memcpy(&random_part, key.id.data() + 8, sizeof random_part);
      return random_part;
    }
  };
  struct remembered {
    store::uuid_bytes digest{};
    care::place where;
  };
  std::unordered_map<command_key, remembered, command_key_hash> answers_;
  std::deque<command_key> answer_order_;
  boost::asio::steady_timer boundary_;
  std::optional<care::instant> boundary_at_;  ///< When the next membership begins or ends, as the listener knows it.
};

}  // namespace careteam::coordination

// One run of the load generator: connects every member of every room, sends as the options say, checks and measures.
// One thread, one epoll; nothing on the path of an entry allocates.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include "bench/connection.hpp"
#include "bench/latency_histogram.hpp"
#include "bench/load_options.hpp"
#include "bench/message_template.hpp"
#include "bench/server_probe.hpp"
#include "bench/task_round.hpp"

namespace careteam::bench {

/// What must never happen. Everything above zero fails the run.
struct load_faults {
  std::uint64_t gaps = 0;             ///< An entry came with a seq beyond the next one.
  std::uint64_t duplicates = 0;       ///< An entry came again.
  std::uint64_t strangers = 0;        ///< An entry of a stream that Welcome did not name.
  std::uint64_t unknown_answers = 0;  ///< An answer to a command that is not outstanding.
  std::uint64_t unanswered = 0;       ///< Commands without an answer at the end.
  std::uint64_t missing = 0;          ///< Committed messages that a member did not receive by the end.
  std::uint64_t uncommanded = 0;      ///< Messages that a member received beyond those that were committed: a second effect.
  std::uint64_t wrong_seqs = 0;       ///< Rooms in which the answers did not name each message's seq once.
  std::uint64_t malformed = 0;        ///< Frames that could not be read.
  std::uint64_t closed = 0;           ///< Connections that ended early.
  std::uint64_t overrun = 0;          ///< Messages that were due and not sent, because too many were without an answer.

  bool any() const noexcept {
    return (gaps | duplicates | strangers | unknown_answers | unanswered | missing | uncommanded | wrong_seqs | malformed | closed |
            overrun) != 0;
  }
};

/// What was counted within the measured time.
struct load_counts {
  double seconds = 0;
  std::uint64_t committed = 0;
  std::uint64_t deliveries = 0;    ///< Messages, or entries about tasks, received; one for each member.
  std::uint64_t frames = 0;        ///< WebSocket messages received.
  std::uint64_t entry_frames = 0;  ///< Of these, with at least one entry.
  std::uint64_t bytes = 0;         ///< Their payloads.
  double generator_cpu_seconds = 0;
  double server_cpu_seconds = 0;
};

struct load_result {
  load_counts counts;
  load_faults faults;
  std::map<std::string, std::uint64_t> refusals;  ///< By "code field".
  latency_histogram answer;                       ///< From the scheduled time to Committed.
  latency_histogram receipt;       ///< From the scheduled time to a member's receipt, for every member, the sender included; of
                                   ///< tasks: of what was asked for.
  latency_histogram schedule_lag;  ///< How late messages left (`open` only).
  latency_histogram pass;          ///< How long one pass over the ready sockets took: the longest that a received byte waited here.
  process_usage server_before;     ///< Before the first connection.
  process_usage server_after;      ///< After the last message.
  std::map<std::string, double> metrics;
  double connect_seconds = 0;
  double total_seconds = 0;
  double welcome_ms = 0;
  std::uint64_t connections = 0;     ///< Regular members.
  latency_histogram caught_up;       ///< From a member's attempt to connect until it has everything (`idle` with changes, `reconnect`).
  double all_caught_up_seconds = 0;  ///< `reconnect`: from the server's being back until the last one has everything.
  std::uint64_t retries = 0;         ///< `reconnect`: attempts that failed after the server was back.
  std::uint64_t changes = 0;         ///< `idle`: people who left or came back.
  std::uint64_t flood_committed = 0;
  std::uint64_t flood_refused = 0;
  std::uint64_t rogues_closed = 0;  ///< Connections of those who flood that the server ended.
  std::uint64_t committed_in_all = 0;
  std::string first_fault;
};

// Few at a time, so that a burst of receipts delays the sending of what is due by little.
inline constexpr int events_at_once = 64;
inline constexpr std::uint64_t longest_poll_ns = 100'000'000;

class load_run final : private connection_listener {
 public:
  /// Throws std::runtime_error when the tokens cannot be read or sockets cannot be made.
  explicit load_run(load_options options);
  ~load_run() override;
  load_run(const load_run&) = delete;
  load_run& operator=(const load_run&) = delete;

  /// Throws std::runtime_error when the members cannot all connect.
  load_result run();

 private:
  struct room_state {
    std::string patient_id;
    std::unique_ptr<message_template> message;
    std::unique_ptr<task_round> tasks;  // Instead of messages.
    std::uint64_t committed_seq = 0;    // The highest seq that was answered.
    std::uint64_t committed = 0;        // How many were, and the sum of their seqs:
    std::uint64_t seq_sum = 0;          // each seq must have been answered once.
    std::string epoch;
  };
  struct outstanding_command {
    std::uint64_t number = 0;  // 0: free.
    std::uint64_t scheduled_ns = 0;
    connection* sender = nullptr;
  };
  struct retry {
    std::uint64_t at_ns = 0;
    connection* sender = nullptr;
    bool operator>(const retry& other) const noexcept { return at_ns > other.at_ns; }
  };
  enum class sending : std::uint8_t { not_yet, on, over };
  // What the end of a connection means.
  enum class ending : std::uint8_t { is_a_fault, is_awaited, leads_to_a_retry };

  void on_upgraded(connection& from) override;
  void on_message(connection& from, byte_view message, std::uint64_t read_ns) override;
  void on_closed(connection& from, const std::string& reason) override;
  void on_want_write(connection& from, bool waiting) override;

  void read_tokens();
  const std::string& token_of(const connection& member) const;
  void start_connecting(connection& member);
  void start_again(std::size_t member);
  void probe_heads();
  void connect_all();
  void connect_rogues();
  void connect_one();
  void exchange();
  void drain();
  void stay_idle();
  void change_one();
  void await_the_end();
  void await_the_listener();
  void reconnect_all();
  void poll(std::uint64_t until_ns);
  void begin_measuring();
  void end_measuring();

  void take_rare_fields(connection& from, byte_view message);
  void take_entry(connection& from, byte_view bytes, std::uint64_t read_ns);
  void take_committed(connection& from, byte_view bytes, std::uint64_t read_ns);
  void take_refused(connection& from, byte_view bytes, std::uint64_t read_ns);
  outstanding_command* find_outstanding(const connection& from, std::string_view command_id);
  void pick_target(connection& member);
  void catch_up(connection& member, std::uint64_t now_ns);
  bool all_received() const noexcept;
  void settle();

  std::string_view next_command(const connection& sender, std::uint64_t unix_ms, std::uint64_t number, std::uint64_t stamp_ns);
  void send_command(connection& sender, std::uint64_t scheduled_ns);
  void go_on(connection& sender, std::uint64_t seq);
  void send_due(std::uint64_t now_ns);
  void flood(std::uint64_t now_ns);
  std::uint64_t due_ns(std::uint64_t index) const noexcept;
  void fault(std::uint64_t& counter, const connection& from, const std::string& what);

  load_options options_;
  load_result result_;
  std::unordered_map<std::string, std::string> tokens_;
  std::vector<room_state> rooms_;
  std::vector<std::unique_ptr<connection>> members_;
  std::vector<std::unique_ptr<connection>> rogues_;  // Those who flood or do not read.
  std::vector<connection*> senders_;
  std::deque<std::size_t> away_;                                  // Members who left, longest first.
  std::deque<std::pair<std::uint64_t, std::size_t>> to_connect_;  // Members to try again, and when.
  std::vector<outstanding_command> outstanding_;
  std::priority_queue<retry, std::vector<retry>, std::greater<>> retries_;
  command_ids ids_;
  socket_address address_;
  int epoll_ = -1;
  sending sending_ = sending::not_yet;
  bool measuring_ = false;
  std::uint64_t window_begin_ns_ = 0;
  std::uint64_t window_end_ns_ = 0;
  std::uint64_t schedule_begin_ns_ = 0;
  std::uint64_t schedule_index_ = 0;
  std::uint64_t next_number_ = 1;
  std::uint64_t unanswered_ = 0;
  std::uint64_t wall_offset_ns_ = 0;  // What turns the monotonic clock into the time of day.
  ending ending_ = ending::is_a_fault;
  std::size_t next_to_leave_ = 0;
  std::uint64_t flood_begin_ns_ = 0;
  std::uint64_t flooded_ = 0;
  std::uint32_t live_ = 0;
  std::uint32_t caught_up_ = 0;
  std::uint32_t failed_to_connect_ = 0;
  std::map<std::string, double> metrics_before_;
};

}  // namespace careteam::bench

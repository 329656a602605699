// One device of one person: from Hello to the end. Knows nothing of sockets: frames come in, messages go out through the outbox, and a
// transport is told when to write and when to close. Runs on the event loop.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "coordination/record_hosts.hpp"
#include "gateway/frame_codec.hpp"
#include "gateway/worklist_feed.hpp"
#include "identity/token.hpp"

namespace careteam::gateway {

class hub;
class session;

/// What a session needs of its connection.
class transport {
 public:
  virtual ~transport() = default;
  /// The outbox has something. May be called often; the transport writes when it can.
  virtual void output_ready() = 0;
  /// Write what is owed, then close with this code. Nothing is read any more.
  virtual void close(v1::CloseCode code) = 0;
  /// Give up at once: the peer does not read.
  virtual void abandon(v1::CloseCode code) = 0;
  /// Where the peer is, for what is limited per address.
  virtual const boost::asio::ip::address& peer() const = 0;
};

inline constexpr std::size_t max_records_per_person = 2'000;  ///< Records that one person's session follows.
inline constexpr std::size_t max_resume_positions = 8'000;
inline constexpr int max_bad_frames = 16;                  ///< Unreadable frames before the connection is closed.
inline constexpr std::uint32_t limited_without_rest = 64;  ///< Commands refused for a limit, beyond those taken; then reading slows down.
inline constexpr std::chrono::milliseconds rest_of_a_flood{50};
inline constexpr int max_fetches = 4;  ///< FetchEntries of one session at a time.
inline constexpr std::uint64_t max_fetch_entries = 1'001;

/// In the order in which they are told.
inline constexpr std::array all_streams{v1::STREAM_SHARED, v1::STREAM_CLINICAL,     v1::STREAM_SUPPORT,
                                        v1::STREAM_AUDIT,  v1::STREAM_ORGANIZATION, v1::STREAM_DUTY};

/// A stream that a session follows.
struct subscription {
  bool readable = false;
  bool live = false;            ///< Everything up to next - 1 was handed over, and new entries are handed over at once.
  std::uint64_t first = 1;      ///< What came before is not this person's (B8).
  std::uint64_t next = 1;       ///< The next seq that this device is owed.
  std::uint64_t told_head = 0;  ///< The head that Welcome or `gained` named: CaughtUp is due there.
  bool caught_up_told = false;
};

/// How far the person has come in a stream.
struct person_position {
  std::uint64_t displayed = 0, read = 0;
  std::uint64_t read_own = 0;  ///< As in store::cursor.

  person_position() = default;
  explicit person_position(const store::cursor& at) : displayed(at.displayed), read(at.read), read_own(at.read_own) {}
};

using person_positions = std::map<std::pair<store::record_key, store::stream_kind>, person_position>;

/// A record that a session looks at.
struct attachment {
  std::shared_ptr<coordination::record_host> host;
  session* owner = nullptr;
  std::array<subscription, care::stream_count> streams;
  std::array<person_position, care::stream_count> positions;
  bool staff = false;
  bool audited = false;         ///< SessionOpened was written: SessionClosed will follow.
  std::uint64_t audit_due = 0;  ///< Which SessionOpened must be on disk before anything is read; 0: none, read on.

  subscription& stream(v1::Stream s) { return streams[static_cast<std::size_t>(s)]; }
  const subscription& stream(v1::Stream s) const { return streams[static_cast<std::size_t>(s)]; }
};

class session : public std::enable_shared_from_this<session> {
 public:
  session(hub& the_hub, transport& to, subprotocol form);
  ~session();

  /// A WebSocket message arrived.
  void on_message(std::string_view bytes);
  /// The transport is gone. Called once, last.
  void on_disconnected();
  /// The transport's queue has room again: a catch-up may go on.
  void on_written();
  /// How long the transport should read nothing now: the peer sends commands far beyond its limits.
  std::chrono::milliseconds take_rest() { return std::exchange(rest_, {}); }
  /// No Hello in time, or the token expired.
  void on_deadline();
  /// The server goes away; come back after this long.
  void drain(std::chrono::milliseconds reconnect_after);

  outbox& out() { return outbox_; }
  /// What the device has not taken yet.
  std::size_t waiting_bytes() const { return outbox_.bytes(); }
  const std::string& person() const { return person_; }
  const std::string& id() const { return id_; }
  const std::string& device() const { return device_; }
  v1::Role acting_role() const { return acting_role_; }
  std::chrono::system_clock::time_point opened_at() const { return opened_at_; }
  std::chrono::system_clock::time_point token_issued_at() const { return issued_; }
  std::chrono::system_clock::time_point token_expires_at() const { return expires_; }
  bool opened() const { return phase_ == phase::open; }

  // What the hub calls.
  /// Once per turn of the event loop: the transport may write what came together.
  void flush();
  void deliver(attachment& at, const coordination::shared_batch& batch);
  /// Access may have changed: streams are gained, lost, or neither.
  void reconsider(attachment& at);
  /// The person joined a record that this session does not follow yet. Runs where the record is settled.
  void follow(const std::shared_ptr<coordination::record_host>& host);
  void end(v1::CloseCode code);
  /// Obligations of a record changed. Inside a commit_listener's call.
  void worklists_touched(const attachment& at, const std::vector<care::place>& places);
  /// Everything on the worklists may have changed: accounts, duties.
  void refresh_worklists();
  /// Who may look at what a duty owes, or who answers for it, may have changed.
  void refresh_duty_list();
  /// Something is owed to the device: it is written once per turn of the event loop.
  void mark();
  void refuse(const std::string& id, care::refusal why);
  /// Adds a field of ServerFrame.
  void send(int field, const google::protobuf::Message& value);
  std::vector<std::unique_ptr<attachment>>& attachments() { return attachments_; }
  attachment* find_attachment(std::string_view key);
  /// A stream as this session may see it now.
  v1::StreamAccess access(const attachment& at, v1::Stream stream) const;

 private:
  enum class phase { waiting_for_hello, opening, open, ended };

  void on_hello(v1::Hello hello);
  void refuse_token(std::string_view reason);
  void renew(const v1::Hello& hello, const identity::principal& who);
  void watch_expiry();
  boost::asio::awaitable<void> open(std::shared_ptr<session> self, v1::Hello hello);
  boost::asio::awaitable<store::result<std::vector<store::record_key>>> records_offered();
  boost::asio::awaitable<void> finish_opening(std::shared_ptr<session> self);
  boost::asio::awaitable<void> prepare_following(std::shared_ptr<session> self, std::shared_ptr<coordination::record_host> host);
  void start_following(const std::shared_ptr<coordination::record_host>& host, const std::vector<store::cursor>& cursors);
  void attach(std::shared_ptr<coordination::record_host> host);
  void attached(const std::shared_ptr<coordination::record_host>& host, boost::system::error_code failed);
  attachment* make_attachment(const std::shared_ptr<coordination::record_host>& host, const person_positions& positions);
  /// The first entry of a stream that this person may read now.
  std::uint64_t first_of(const attachment& at, v1::Stream stream) const;
  void gain(attachment& at, const std::vector<v1::Stream>& streams);
  void read_when_audited(attachment& at, const std::vector<v1::Stream>& streams, care::facts ended);
  void release(attachment& at);
  void forget(std::string_view key);
  void tell_damage();
  void opened_one(boost::system::error_code failed);
  void welcome();
  void add_closed(care::facts& to, attachment& at);
  void audit_closed(attachment& at, care::facts ended);
  void write_refusals();

  void on_command(v1::Command command);
  void answer(const coordination::submission& what, coordination::command_answer answer);
  void send_roster(const std::string& command_id, const store::record_key& record, std::uint64_t since);
  void on_cursor(const v1::CursorUpdate& cursor);
  void on_fetch(const v1::FetchEntries& fetch);
  boost::asio::awaitable<void> fetch(std::shared_ptr<session> self, std::shared_ptr<coordination::record_host> host,
                                     v1::FetchEntries asked);
  void on_watch(v1::WatchWorklist asked);
  void reconsider_worklists(const attachment& at);
  void stop_worklists();
  void audit_refusal(const store::record_key& record, std::string action, v1::Stream stream, care::code code);

  void start_catch_up();
  boost::asio::awaitable<void> catch_up(std::shared_ptr<session> self);
  void settle_live(attachment& at, v1::Stream stream);
  bool next_behind(attachment*& at, v1::Stream& stream);
  void check_queue();
  v1::Author author_on(const attachment& at) const;

  hub& hub_;
  transport* transport_;  ///< Null after on_disconnected: a coroutine of the session may outlive the connection.
  subprotocol form_;
  outbox outbox_;
  phase phase_ = phase::waiting_for_hello;
  std::string id_, person_, device_;
  v1::Role acting_role_ = v1::ROLE_UNSPECIFIED;
  std::chrono::system_clock::time_point opened_at_{}, issued_{}, expires_{};
  std::chrono::steady_clock::time_point deadline_{};  ///< When the token's time is over.
  std::vector<std::unique_ptr<attachment>> attachments_;
  /// What is only needed until Welcome.
  struct opening_state {
    std::map<std::pair<store::record_key, v1::Stream>, std::uint64_t> resume;
    bool epoch_matches = true;
    person_positions positions;
    std::vector<std::shared_ptr<coordination::record_host>> joined_meanwhile;
    std::size_t left = 0;  ///< Records that are not settled yet, and audits that are not on disk.
    bool failed = false;
  };
  std::unique_ptr<opening_state> opening_;
  bool damage_untold_ = false;
  int bad_frames_ = 0;
  int fetches_ = 0;
  std::uint32_t limited_ = 0;  ///< Commands refused for a limit, less those that were taken.
  std::chrono::milliseconds rest_{0};
  bool catching_up_ = false;
  std::uint64_t audits_ = 0;
  bool marked_ = false;
  std::array<std::shared_ptr<worklist_feed>, v1::WatchWorklist::What_ARRAYSIZE> worklists_;
  boost::asio::steady_timer room_;
  struct refused_access {
    std::uint32_t unwritten = 0;
    v1::Stream stream = v1::STREAM_UNSPECIFIED;
  };
  std::map<std::tuple<store::record_key, std::string, int>, refused_access> refusals_;
};

}  // namespace careteam::gateway

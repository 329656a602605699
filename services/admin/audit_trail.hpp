// Who was given which entries of a record, as its audit stream tells it. Pure: entries in, what they disclose out.
//
// A record's entries come in the order of their commits. SessionOpened{after} is on disk before the first entry is handed out, and
// SessionClosed{delivered} names the last one. A session that a crash ended has no SessionClosed: it was given at most what the streams
// held when another server process first opened a session here. So what is told is never too little.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "care/record.hpp"
#include "care/time.hpp"

namespace careteam::admin {

/// Who did it, by what.
struct reader {
  std::string person;
  v1::Role role = v1::ROLE_UNSPECIFIED;
  std::string device;  ///< Empty where the audit does not tell it (HistoryRead of a session that is not known).
  std::string session;
};

/// How sure the end of what was given is.
enum class extent {
  exact,  ///< These were handed to the connection; the device may have received fewer.
  lost,   ///< At most these: the server crashed, and what it had handed over was not written down.
  open    ///< At most these: the session goes on, or ended without a word and no other server process came since.
};

/// Entries of a stream that were handed out while a session was open.
struct disclosure {
  reader who;
  v1::Stream stream = v1::STREAM_UNSPECIFIED;
  std::uint64_t from_seq = 0, to_seq = 0;
  care::instant opened{};               ///< Not before this.
  std::optional<care::instant> closed;  ///< Not after this; nothing: not known.
  extent end = extent::exact;
};

/// Entries that were read again. At most these: a range ends at the stream's head, and at a page.
struct history_reading {
  reader who;
  v1::Stream stream = v1::STREAM_UNSPECIFIED;
  std::uint64_t from_seq = 0, to_seq = 0;
  care::instant time{};
};

struct roster_reading {
  reader who;
  std::uint64_t roster_version = 0;
  care::instant time{};
};

struct refused_access {
  reader who;
  std::string action;
  v1::Stream stream = v1::STREAM_UNSPECIFIED;
  int code = 0;
  std::uint32_t times = 0;
  care::instant time{};
};

/// The operator looked into the audit.
struct audit_reading {
  std::uint32_t operator_uid = 0;
  std::string person;  ///< Whom it was about; empty: everybody.
  v1::Stream stream = v1::STREAM_UNSPECIFIED;
  std::uint64_t seq = 0;
  care::instant time{};
};

using audit_finding = std::variant<disclosure, history_reading, roster_reading, refused_access, audit_reading>;

class audit_trail {
 public:
  using listener = std::function<void(const audit_finding&)>;

  /// `heads`: where the record's streams stand after all entries, by number of the stream.
  audit_trail(std::array<std::uint64_t, care::stream_count> heads, listener tell) : heads_(heads), tell_(std::move(tell)) {}

  /// The next entry of the record; of all streams, since they tell how far a stream had come.
  void take(const v1::Entry& entry);
  /// The same for an entry of another stream than `audit`, of which nothing but its place counts.
  void pass(v1::Stream stream, std::uint64_t seq) { reached_[static_cast<std::size_t>(stream)] = seq; }
  /// After the last entry: tells the sessions that are not closed.
  void finish();

  /// Sessions that are held in memory: those that were not closed by then.
  std::size_t open_sessions() const { return sessions_.size(); }

 private:
  struct reading {
    std::uint64_t after = 0;
    care::instant opened{};
  };
  struct open_session {
    reader who;
    std::string server;
    std::map<v1::Stream, reading> streams;
  };
  void open(const v1::Entry& entry, care::instant time);
  void close(const v1::Entry& entry, care::instant time);
  void end_lost(const std::string& server_now, care::instant time);
  void tell_unclosed(const open_session& one, extent end, std::optional<care::instant> ended);
  reader reader_of(const v1::Entry& entry, const std::string& session) const;

  std::array<std::uint64_t, care::stream_count> heads_;
  std::array<std::uint64_t, care::stream_count> reached_{};
  listener tell_;
  std::map<std::string, open_session> sessions_;
};

}  // namespace careteam::admin

// Messages around a patient: typed, addressed, corrected but never silently edited (A2–A8).
//
// The state keeps only what somebody still owes: messages that wait for an acknowledgement, and open threads. Everything else is read
// from the store when a command refers to it (`references`, `page_in`), so that memory does not grow with the history.
#pragma once

#include <compare>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "care/command.hpp"
#include "care/task_policy.hpp"
#include "care/team.hpp"

namespace careteam::care {

inline constexpr int max_mentions = 16;
inline constexpr std::size_t max_title_bytes = 200;
inline constexpr std::size_t max_open_threads = 1000;    ///< Of one stream.
inline constexpr std::size_t max_open_messages = 10000;  ///< Unanswered messages of one stream.

/// The place of an entry inside a record.
struct place {
  v1::Stream stream = v1::STREAM_UNSPECIFIED;
  std::uint64_t seq = 0;
  auto operator<=>(const place&) const = default;
};

/// The streams in which people write: shared, clinical, support.
bool is_chat_stream(v1::Stream stream);
/// Whether the actor may speak in a stream, in the role in which they act. One that they cannot read does not exist for them; one that they
/// read but may not post to is refused as that.
outcome<void> check_post(v1::Stream stream, const actor& who, const team_state& team, instant t, const std::string& field);

/// Who may answer for one mention: any one of them.
struct addressee {
  v1::Role role = v1::ROLE_UNSPECIFIED;  ///< The role that was addressed; unspecified: a person by name, or a duty.
  std::vector<std::string> people;       ///< Of a duty: who had it when it was addressed, and who has acknowledged for it.
  std::string duty{};                    ///< The duty that was addressed: whoever has it now answers.
  bool stand_ins = false;                ///< Those who were told in addition may answer, too.
  bool operator==(const addressee&) const = default;
};

/// How far the silence about a message that must be acknowledged has come (A8, G2).
struct message_ladder {
  std::uint64_t asked_seq = 0;    ///< The entry that asked: the message, or its latest correction.
  std::uint32_t level = 0;        ///< `escalated-Ln`.
  bool no_response = false;       ///< It has ended: a supervisor has a task.
  std::optional<instant> due;     ///< When the level ends, or the last one ended. None: nobody is asked, or by an entry without a deadline.
  std::vector<std::string> told;  ///< Who was asked in addition, in the order in which they were.

  bool running() const { return due && !no_response; }
  bool operator==(const message_ladder&) const = default;
};

struct message_state {
  std::string author;
  v1::Priority priority = v1::PRIORITY_ROUTINE;
  std::uint64_t thread_seq = 0;
  std::uint64_t revision_seq = 0;  ///< The latest edit or correction; 0: the original.
  bool retracted = false;
  bool must_acknowledge = false;  ///< asap, stat, or corrected after an acknowledgement.
  std::vector<addressee> addressees;
  bool correction_only = false;             ///< Somebody acknowledged once: from then on only corrections are legal (A7).
  std::set<std::string> acknowledged;       ///< This revision.
  std::set<std::string> ever_acknowledged;  ///< Whom a correction asks again.
  message_ladder ladder;

  bool answered(const addressee& slot) const;
  /// Was asked in addition, and has not acknowledged this revision.
  bool awaits_told(std::string_view person) const;
  /// Somebody still owes an acknowledgement.
  bool open() const;
  bool operator==(const message_state&) const = default;
};

struct thread_state {
  std::string title, owner;
  std::string owner_duty;  ///< Whoever holds it answers for the thread; empty: the owner.
  bool resolved = false;
  bool operator==(const thread_state&) const = default;
};

struct chat_state {
  std::map<place, message_state> open_messages;
  std::map<place, thread_state> open_threads;
  /// Read from the store for the commands at hand; forgotten after them. Not part of the record's state.
  std::map<place, message_state> paged_messages;
  std::map<place, thread_state> paged_threads;

  const message_state* message(place at) const;
  const thread_state* thread(place at) const;
  bool operator==(const chat_state& other) const { return open_messages == other.open_messages && open_threads == other.open_threads; }
};

/// The entries that must be paged in before the command can be decided.
std::vector<place> references(const chat_state& state, const v1::Command& command);
/// Rebuilds one message or thread from its first entry and the entries about it.
void page_in(chat_state& state, place at, std::span<const v1::Entry> entries);
/// Forgets what was paged in and what nobody owes any more.
void forget_settled(chat_state& state);

struct chat_context {
  instant now;
  const team_state& team;
  std::span<const std::uint64_t> heads;                ///< Each stream's head, indexed by v1::Stream.
  std::uint32_t stat_in_last_hour = 0;                 ///< STAT messages of this sender in the last hour, over all patients.
  std::uint32_t stat_per_hour = 5;                     ///< The limit (A8).
  const organization_state* people = nullptr;          ///< Who has an account that works; absent: everybody.
  const task_setting& setting = usual_task_setting();  ///< The duties; its timer table says how long an acknowledgement may take.
};

/// Who is there to be written to, and to answer.
struct chat_audience {
  instant now;
  const team_state& team;
  const organization_state* people = nullptr;  ///< As in `chat_context`.
  const duty_directory* duties = nullptr;
};
inline chat_audience audience_of(const chat_context& context) {
  return {context.now, context.team, context.people, context.setting.duties};
}

/// PostMessage … ReopenThread. `who.chosen_role` is the role in which the actor acts.
outcome<facts> decide_chat(const chat_state& state, const v1::Command& command, const actor& who, const chat_context& context);
void apply_chat(chat_state& state, const v1::Entry& entry);

/// The message or thread of the same stream that this entry amends; 0: none.
std::uint64_t about_chat(const v1::Entry& entry);

}  // namespace careteam::care

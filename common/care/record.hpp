// A record: everything coordinated around one patient, one duty, or the organisation. The unit of consistency.
//
// `decide` and `apply` are pure: the same state, command, actor and time give the same entries; the same entries give the same state.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <unordered_map>

#include "care/chat.hpp"
#include "care/duty.hpp"
#include "care/organization.hpp"
#include "care/protocol.hpp"
#include "care/task.hpp"
#include "care/team.hpp"
#include "care/timer_board.hpp"
#include "careteam/v1/commands.pb.h"

namespace careteam::care {

/// The organisation's record has no patient; a patient's record is "patient/<id>".
std::string record_key(std::string_view patient_id);
/// The patient of a record's key; empty: the organisation. Nothing: no key of such a record.
std::optional<std::string> patient_of_key(std::string_view key);
/// A duty's record is "duty/<id>".
std::string duty_record_key(std::string_view duty_id);
/// The duty of a record's key. Nothing: no key of a duty's record.
std::optional<std::string> duty_of_key(std::string_view key);
/// The record that a message names by its patient_id and duty_id: a patient's, a duty's, or, where both are empty, the organisation's.
/// Empty: it names two.
template <class Message>
std::string record_named_by(const Message& message) {
  if (message.duty_id().empty()) return record_key(message.patient_id());
  return message.patient_id().empty() ? duty_record_key(message.duty_id()) : std::string();
}

inline constexpr std::size_t stream_count = v1::Stream_ARRAYSIZE;

struct stream_state {
  std::uint64_t head = 0;
  /// How many entries each person wrote: what "minus one's own" of an unread count needs (F5).
  std::unordered_map<std::string, std::uint64_t> authored;
  bool operator==(const stream_state&) const = default;
};

struct record_state {
  std::string patient_id;     ///< Empty: a duty, or the organisation.
  std::uint64_t version = 0;  ///< Counts the entries of all streams.
  std::array<stream_state, stream_count> streams;
  team_state team;
  chat_state chat;
  tasks_state tasks;
  protocols_state protocols;
  organization_state organization;  ///< Only in the organisation's record.
  duty_state duty;                  ///< Only in a duty's record, whose id is there.
  timer_board timers;

  explicit record_state(std::string patient = {}) : patient_id(std::move(patient)) { team.patient_id = patient_id; }
  const stream_state& stream(v1::Stream s) const { return streams[static_cast<std::size_t>(s)]; }
  stream_state& stream(v1::Stream s) { return streams[static_cast<std::size_t>(s)]; }
  bool exists() const { return version > 0; }
  bool is_duty() const { return !duty.id.empty(); }
  bool is_organization() const { return patient_id.empty() && !is_duty(); }
  bool operator==(const record_state&) const = default;
};

/// Whether it is the key of a record of any kind, with a FHIR id where it has one.
bool is_record_key(std::string_view key);
/// The state of a record of any kind before its first entry. Nothing: no record has such a key.
std::optional<record_state> new_record(std::string_view key);
/// Who is offered the record now: the team's people, the duty's, or nobody in particular.
std::vector<std::string> people_of(const record_state& state, instant t);
bool among_people_of(const record_state& state, std::string_view person, instant t);
/// A member in the index of who is offered which records: a person's id, or the key of the duty's record.
std::string member_key(std::string_view person, std::string_view duty);
/// Whether the record is to be among those that a member's sessions look at (`member_key`): also of who is there only later.
bool is_offered(const record_state& state, std::string_view member, instant t);
/// In which role somebody is there: what is stored with what the server notes of them.
v1::Role role_there(const record_state& state, const organization_state& people, std::string_view person, instant t);
/// Whether a reader is staff in the record's eyes: then they learn what patients do not (presence, receipts of staff).
bool staff_there(const record_state& state, std::string_view person, instant t);
/// The state's key.
std::string key_of(const record_state& state);
/// Whether a message names this record, by its patient_id and duty_id.
template <class Message>
bool names_record(const Message& message, const record_state& state) {
  return message.patient_id() == state.patient_id && message.duty_id() == state.duty.id;
}
/// Says in a message which record it is about.
template <class Message>
void name_record(Message& message, const record_state& state) {
  message.set_patient_id(state.patient_id);
  message.set_duty_id(state.duty.id);
}

struct context {
  instant now;
  const organization_state& people;
  std::uint32_t stat_in_last_hour = 0;
  std::uint32_t stat_per_hour = 5;
  const task_setting& tasks = usual_task_setting();
  std::span<const owed_item> owed = {};  ///< For a duty's record: everything that the duty owes; more than max_owed_items: not all.
};

/// The entries that must be paged in before the command can be decided.
std::vector<place> references(const record_state& state, const v1::Command& command);
/// Rebuilds what began at this place from its first entry and the entries about it.
void page_in(record_state& state, place at, std::span<const v1::Entry> entries);
/// Forgets what was paged in and what nobody owes any more.
void forget_settled(record_state& state);
/// The entry of the same stream that this one is about: the message, thread or task; 0: none.
std::uint64_t about(const v1::Entry& entry);

/// What the command leads to, ready to be stored: patient, seq, time and author are set. An empty result means "nothing to change".
/// Refusals that would tell somebody outside an audience that something exists are the ones for things that do not.
outcome<facts> decide(const record_state& state, const v1::Command& command, const actor& who, const context& with);

/// Stamps entries that the server itself adds (sessions, refusals): patient, seq, time, author.
void stamp(const record_state& state, facts& entries, const v1::Author& author, instant now);

/// Adds one entry to the state. The entry must be the next one of its stream; anything else is a bug and stops the process.
void apply(record_state& state, const v1::Entry& entry);

/// Gives back what grew while many entries were applied: a record stays in memory for as long as somebody looks at it.
void release_spare_memory(record_state& state);

/// The key of the record that a command is for; refused where it names none, two, or one of another kind.
outcome<std::string> record_for(const v1::Command& command);
/// Whether the action is on the organisation's record (true) or on another (false).
bool on_organization(v1::Command::ActionCase action);
/// The action's name in the protocol, for example "postMessage".
std::string_view action_name(v1::Command::ActionCase action);

/// The state as bytes, and back. Nothing when the bytes are of another format, damaged, or of a record without entries:
/// fold the entries instead.
std::string to_snapshot(const record_state& state);
std::optional<record_state> from_snapshot(std::string_view bytes);

/// The streams that a person may read now.
std::vector<v1::Stream> readable_streams(const record_state& state, const organization_state& people, std::string_view person, instant t);

}  // namespace careteam::care

// Clinical tasks (`domain.md` section 3.1): asked for, claimed, accepted with read-back, done with evidence; or handed on until a person
// has them. A task lives in one stream, whose audience is the task's; its id is the place of the entry with which it began.
//
// The state keeps only what somebody still owes. A task that has ended is read from the store when a command names it (`task_references`,
// `page_in_task`). Every deadline is a fact of the entry that sets it: a change of owner moves none.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "care/chat.hpp"
#include "care/command.hpp"
#include "care/task_policy.hpp"
#include "care/task_rights.hpp"
#include "care/team.hpp"
#include "care/timer_board.hpp"
#include "careteam/v1/commands.pb.h"

namespace careteam::care {

inline constexpr std::size_t max_open_tasks = 1000;  ///< Of one stream; what the server makes itself is never refused.
inline constexpr int max_task_facts = 16;
inline constexpr int max_task_outputs = 16;
inline constexpr int max_task_ladder = 2;  ///< L1 and L2.
inline constexpr std::size_t max_description_bytes = 4000;

/// Who is asked: exactly one of the three is set; none in a draft that names nobody yet.
struct task_target {
  std::string person;
  v1::Role role = v1::ROLE_UNSPECIFIED;
  std::string duty;
  bool operator==(const task_target&) const = default;
};

struct task_fact {
  std::string name, value, unit;
  bool operator==(const task_fact&) const = default;
};

/// What is asked for.
struct task_order {
  v1::TaskKind kind = v1::TASK_KIND_UNSPECIFIED;
  std::string title, description;
  v1::Priority priority = v1::PRIORITY_ROUTINE;
  task_target target;
  std::vector<task_target> ladder;
  std::optional<instant> due;  ///< None only in drafts.
  std::vector<task_fact> facts;
  bool read_back = false;
  std::vector<std::string> required_outputs;
  bool two_person = false;
  place message;  ///< The message that became this task (A13); seq 0: none.
  bool operator==(const task_order&) const = default;
};

/// A timer that runs: it fires `at`, unless the task has been acted on until then.
struct task_deadline {
  instant at{};
  std::uint32_t level = 0;
  std::uint64_t version = 0;  ///< The task's version that it was set at.
  bool operator==(const task_deadline&) const = default;
};

/// The task that a successor follows. With rule and ordinal it is the successor's identity (C7).
struct task_origin {
  std::uint64_t seq = 0;  ///< In the same stream; 0: none.
  v1::TaskRule rule = v1::TASK_RULE_UNSPECIFIED;
  std::uint32_t ordinal = 0;
  bool operator==(const task_origin&) const = default;
};

struct task_state {
  task_order order;
  v1::TaskStatus status = v1::TASK_STATUS_UNSPECIFIED;
  std::uint64_t version = 0;  ///< How many entries are about it.
  std::string requester;      ///< Empty: the system.
  task_origin origin;
  std::string owner;       ///< Who acted as owner; in `received` the claimer. With a duty, its holder of now owns the task.
  std::string owner_duty;  ///< The duty that owns it; empty: the person.
  instant since{};         ///< When the owner took it.
  std::set<std::string> declined;
  std::uint32_t level = 0;  ///< How many further steps of the ladder are asked: `escalated-Ln`.
  bool no_response = false;
  std::uint32_t no_responses = 0;  ///< How many successors the silence about it has made.
  std::uint32_t nudges = 0;        ///< How many pauses were over before the owner went on.
  std::map<v1::TaskTimer, task_deadline> timers;
  std::string offered_to;         ///< Who was asked to take it over.
  std::string error_proposed_by;  ///< Who first marked it as an error; a second person confirms.
  bool error_proposed = false;
  std::optional<instant> confirm_until;  ///< Completed: until when it may be reopened.
  bool reopened = false;
  bool stopping = false;  ///< Cancelled while it was done: the owner has not yet said that they stopped.

  /// Somebody still owes something for it.
  bool open() const;
  bool operator==(const task_state&) const = default;
};

/// Completed, failed, rejected, cancelled, entered in error: no command but T16 changes it any more (I2).
bool is_terminal(v1::TaskStatus status);

/// FHIR's code of a status, for example "in-progress"; empty for what is none.
std::string_view fhir_code(v1::TaskStatus status);

struct tasks_state {
  std::map<place, task_state> open;
  /// Read from the store for the commands at hand, or ended by them; forgotten after them. Not part of the record's state.
  std::map<place, task_state> paged;

  const task_state* find(place at) const;
  bool operator==(const tasks_state& other) const { return open == other.open; }
};

/// The task that a command names, or the message or task that a call was about; seq 0: none.
place task_named(const v1::Command& command);
/// The message that a task command links; seq 0: none.
place message_named(const v1::Command& command);

/// The entries that must be paged in before the command can be decided.
std::vector<place> task_references(const tasks_state& state, const v1::Command& command);
/// Rebuilds one task from its first entry and the entries about it.
void page_in_task(tasks_state& state, place at, std::span<const v1::Entry> entries);
/// Forgets what was paged in and what nobody owes any more.
void forget_ended_tasks(tasks_state& state);

struct task_context {
  instant now;
  const team_state& team;
  const organization_state& people;
  const chat_state& chat;                ///< Where the message is that becomes a task.
  std::span<const std::uint64_t> heads;  ///< Each stream's head, indexed by v1::Stream.
  const task_setting& setting;
};

/// Whether the action is a command on tasks.
bool on_tasks(v1::Command::ActionCase action);
/// DraftTask … FireTaskTimer, ReportUndelivered. `who.chosen_role` is the role in which the actor acts.
outcome<facts> decide_task(const tasks_state& state, const v1::Command& command, const actor& who, const task_context& context);
void apply_task(tasks_state& state, const v1::Entry& entry);

/// The entry of the same stream that this one is about, when it is about a task, or about a call that could not be delivered; 0: none.
std::uint64_t about_task(const v1::Entry& entry);

/// Puts the timers of one task on the record's board, and takes those from it that run no more (G5).
void keep_timers(timer_board& board, const tasks_state& state, place task, std::string_view patient_id, std::uint64_t record_version);

/// What an open task stands on: the team, the accounts, the duties, at an instant.
struct task_world {
  const team_state& team;
  const organization_state& people;
  const task_setting& setting;
  instant t;
  std::uint64_t began = yet_to_come;  ///< The entry with which the task began: who was invited later does not see it.
};

/// The one person who answers for an open task (I1): its owner, else the holder of the duty that is asked, else whoever else is asked, in
/// the ladder's order, else the duties' leads, else the attending, else the organisation's safety person, else the requester. Everybody but
/// the last two reads the stream, has an account that works, and may own the task.
std::string accountable(const task_state& task, place at, const task_world& world);
/// Who acts as its owner: the person, or whoever holds the owning duty now. Empty: nobody.
std::string owner_of(const task_state& task, const task_world& world);

/// One open task of a person's worklist.
struct owed_task {
  place task;
  std::optional<instant> next;  ///< Its nearest deadline.
  bool operator==(const owed_task&) const = default;
};
/// The open tasks for which this person answers, by their nearest deadline, those without one last.
std::vector<owed_task> worklist(const tasks_state& state, std::string_view person, const task_world& world);
/// The open tasks that this message has become, for whoever reads their streams.
std::vector<place> tasks_from(const tasks_state& state, place message);

}  // namespace careteam::care

// The care team of a patient (B2, B3, B9): memberships with periods, who reads and posts what, and the roster that the patient reads.
#pragma once

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "care/command.hpp"
#include "care/organization.hpp"
#include "care/roles.hpp"
#include "care/task_policy.hpp"
#include "careteam/v1/wire.pb.h"

namespace careteam::care {

inline constexpr std::size_t max_members = 200;          ///< Memberships that have not ended; a large team has 40.
inline constexpr std::size_t max_roster_changes = 1000;  ///< Changes that "since your last look" can tell; older ones are in the log.

/// What an invited person reads (B8).
struct invitation {
  struct part {
    v1::Stream stream = v1::STREAM_UNSPECIFIED;
    std::uint64_t first = 1;  ///< The first entry that they may read.
    bool operator==(const part&) const = default;
  };
  v1::History history = v1::HISTORY_UNSPECIFIED;
  std::vector<part> parts;  ///< No other stream.

  const part* find(v1::Stream stream) const;
  bool operator==(const invitation&) const = default;
};

/// One person in one role for a period [start, end); or one duty, that is whoever holds it in that role.
struct membership {
  std::string duty_id;    ///< Empty: a person of their own.
  std::string person_id;  ///< Of a duty: whom `appoint` found; follows from the duty's record, and is not part of this one's state.
  std::string former_id;  ///< Of a duty, the same: who handed it over or is on leave from it, and reads by it without acting.
  std::string name;
  v1::Role role = v1::ROLE_UNSPECIFIED;
  instant start{};
  std::optional<instant> end;
  std::vector<v1::Scope> scopes;
  std::string reach, hours;
  std::optional<invitation> invited;  ///< None: reads whatever the role and the scopes give.

  bool runs_at(instant t) const { return start <= t && (!end || t < *end); }
  /// Somebody acts by it at t.
  bool active_at(instant t) const { return !person_id.empty() && runs_at(t); }
  /// Whether the person reads by it at t, what the membership reads.
  bool lets_read(std::string_view person, instant t) const {
    return !person.empty() && (person_id == person || former_id == person) && runs_at(t);
  }
  /// Has ended by t, or was cancelled before it began.
  bool over_at(instant t) const { return end && *end <= std::max(t, start); }
  bool has(v1::Scope scope) const;
  /// Whether it is this person's own, or, where `duty` is named, that duty's.
  bool is_of(std::string_view person, std::string_view duty = {}) const {
    return duty_id == duty && (!duty.empty() || person_id == person);
  }
  bool operator==(const membership& other) const;
};

struct roster_change {
  std::uint64_t version = 0;
  v1::RosterChange::Kind kind = v1::RosterChange::KIND_UNSPECIFIED;
  std::string duty_id, person_id, name;
  v1::Role role = v1::ROLE_UNSPECIFIED;
  instant time{};
  bool operator==(const roster_change&) const = default;
};

struct team_state {
  std::string patient_id, patient_name;
  bool opened = false;
  std::uint64_t version = 0;  ///< The roster's, which commands name.
  std::vector<membership> members;
  std::string attending;
  std::vector<roster_change> changes;
  std::map<std::string, std::uint64_t> seen;  ///< The roster version that a person last looked at.
  bool operator==(const team_state&) const = default;

  /// The team at a time (B2).
  std::vector<const membership*> at(instant t) const;
  /// Acts or reads by some membership.
  bool on_team(std::string_view person, instant t) const;
  bool holds(std::string_view person, v1::Role role, instant t) const;
  /// The next instant after t at which a membership begins or ends; nothing when there is none.
  std::optional<instant> next_boundary(instant t) const;
};

/// Gives each membership of a duty to whoever holds the duty now in the membership's role, and takes it from whoever did before; the same
/// of who is on leave from it. Answers whether anything changed. To be called for a state that was read, after an entry that adds a member,
/// and when a duty changes.
bool appoint(team_state& team, const duty_directory& duties);

/// Whether this membership (not looking at its period) gives the right to read a stream.
bool reads(const membership& m, v1::Stream stream);
bool posts(const membership& m, v1::Stream stream);

/// The audience of a stream. Administrators of the organisation read nothing here.
bool may_read(const team_state& team, std::string_view person, v1::Stream stream, instant t);
/// The first entry of a stream that the person may read now; nothing when they read none.
std::optional<std::uint64_t> readable_from(const team_state& team, std::string_view person, v1::Stream stream, instant t);
/// Whether the person reads an entry: what came before an invitation is not theirs.
bool may_see(const team_state& team, std::string_view person, v1::Stream stream, std::uint64_t seq, instant t);
/// Of an entry that is still to come: whoever reads the stream will see it.
inline constexpr std::uint64_t yet_to_come = std::numeric_limits<std::uint64_t>::max();
/// Everybody in the audience, without repetition, in roster order.
std::vector<std::string> audience(const team_state& team, v1::Stream stream, instant t);
/// Whether everybody who reads `inner` also reads `outer`: only then may something go from `outer` into `inner`.
bool audience_within(const team_state& team, v1::Stream inner, v1::Stream outer, instant t);
/// Whether the person works for the organisation on this team.
bool is_staff(const team_state& team, std::string_view person, instant t);

/// The role in which a person acts (A3): their only one, or the one they chose. Somebody outside the team gets the answer that an absent
/// record gives.
outcome<v1::Role> acting_role(const team_state& team, const actor& who, instant t);
/// In that role, not in another one that they also hold.
bool may_post(const team_state& team, const actor& who, v1::Stream stream, instant t);

/// The answer for a record that does not exist, or not for this person (invariant 4).
refusal no_such_record();
/// The same for a stream.
refusal no_such_stream(std::string_view field);

/// Nobody asks anything of a patient who has died. `person` may be anybody; what is told is told of this record's patient only.
outcome<void> check_alive(std::string_view person, const team_state& team, const organization_state& people, std::string_view field);

struct team_context {
  instant now;
  const organization_state& people;
  std::span<const std::uint64_t> heads = {};  ///< Each stream's head, indexed by v1::Stream: what "from now" begins behind.
  const duty_directory* duties = nullptr;     ///< Nullptr: there are none.
};
/// Whether the actor may make this roster change in the role in which they act (A3). `about` is the role of the membership that changes.
outcome<void> check_manager(const team_state& state, const actor& who, v1::Role about, const team_context& context);
/// Whether the roster is as the client saw it.
outcome<void> check_version(const team_state& state, std::uint64_t expected, std::string_view field);
/// The person's own membership in this role that runs at t, or else the next one to begin; null: none.
const membership* open_membership(const team_state& state, std::string_view person, v1::Role role, instant t);
/// OpenRecord, AddMember, EndMember, ChangeRole, AssignAttending, ViewRoster, InviteConsultant, RenewInvitation. `who.chosen_role` is the
/// role in which the actor acts.
outcome<facts> decide_team(const team_state& state, const v1::Command& command, const actor& who, const team_context& context);
void apply_team(team_state& state, const v1::Entry& entry);

enum class roster_reader : std::uint8_t { staff, guest };
/// The roster as staff, or a patient or caregiver, reads it, with the changes after `since`. Guests do not learn who holds a duty.
v1::Roster roster_view(const team_state& state, std::uint64_t since, instant t, roster_reader reader);

}  // namespace careteam::care

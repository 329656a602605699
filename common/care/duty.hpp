// Duties (`domain.md` B4–B6, 3.2): a named responsibility that one person holds at every moment, who is rostered for it, and how it is
// handed over. A record of its own. Every obligation of a duty is answered for by its holder of now, so that one commit here moves them
// all.
//
// The holder does not change because the clock passed: whoever holds the duty stays accountable until it is handed over, the lead takes it,
// or a leave begins for which somebody was named. Only where nobody holds it does the roster name one.
//
// In the duty's stream: roster, leaves, holder. In its clinical stream: what is said of patients when it is handed over.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "care/command.hpp"
#include "care/duty_fallback.hpp"
#include "care/duty_roster_change.hpp"
#include "care/handoff.hpp"
#include "care/organization.hpp"
#include "care/timer_board.hpp"
#include "careteam/v1/commands.pb.h"

namespace careteam::care {

inline constexpr std::size_t max_duty_members = 200;
inline constexpr std::size_t max_duty_roles = 16;
inline constexpr std::size_t max_gaps = 100;                        ///< Told of one look.
inline constexpr std::chrono::days forecast_horizon{14};            ///< How far ahead gaps are looked for (B5).
inline constexpr std::chrono::minutes handoff_prepared_before{45};  ///< The shift's end.
inline constexpr std::chrono::minutes handoff_offered_before{15};   ///< The shift's end.
inline constexpr std::chrono::minutes handoff_received_within{10};
inline constexpr std::chrono::minutes handoff_synthesized_within{15};
inline constexpr std::chrono::minutes handoff_witness_after{15};  ///< From when the lead may confirm in place of who hands over.
inline constexpr std::chrono::minutes lead_told_after{15};        ///< The shift's end.
inline constexpr std::chrono::minutes manager_told_after{30};     ///< The shift's end.

struct duty_member {
  std::string person;
  v1::Role role = v1::ROLE_UNSPECIFIED;
  bool operator==(const duty_member&) const = default;
};

/// What a duty is.
struct duty_definition {
  std::string name, time_zone;
  std::vector<v1::Role> roles;  ///< In which it may be held; empty: any.
  std::vector<duty_member> members;
  std::string lead, manager;
  std::vector<std::string> fallback;
  std::string personal_of;  ///< Whose own duty it is; empty: nobody's.

  const duty_member* member(std::string_view person) const;
  /// A member in one of the duty's roles.
  bool eligible(std::string_view person) const;
  bool operator==(const duty_definition&) const = default;
};

/// A deadline of the duty, with the record's version that it was set at.
struct duty_deadline {
  instant at{};
  std::uint64_t version = 0;
  bool operator==(const duty_deadline&) const = default;
};

/// A patient for whom the lead answers in the holder's place: they were declined in the handoff to the holder (HO4).
struct apart_patient {
  std::string person;                       ///< Who answers for them: the lead of then.
  std::optional<handoff_patient> returned;  ///< As they were offered to the holder; nothing: they were not.
  bool operator==(const apart_patient&) const = default;
};

/// Who had the duty before and reads on by it without acting.
struct former_holder {
  std::string person;  ///< Empty: nobody.
  bool on_leave =
      false;  ///< Until somebody has the duty who does not stand in for them (B6); else they handed it over: until the next does (T15).
  bool operator==(const former_holder&) const = default;
};

struct duty_state {
  std::string id;  ///< A FHIR id; empty: no duty's record.
  duty_definition what;
  duty_roster roster;                ///< Its terms follow from `what`, and its zone is the one named there.
  std::uint64_t roster_version = 0;  ///< 0: it was not defined yet.
  std::string holder;                ///< Empty: nobody; the fallback answers.
  former_holder former;
  std::optional<handoff_state> handoff;
  std::map<std::string, apart_patient, std::less<>> apart;  ///< By patient.
  std::optional<instant> shift_end;                         ///< Of the latest handoff: the server prepares one for each end of a shift.
  std::optional<instant> handed_over;                       ///< Until when whoever gave the duty away is rostered for it.
  std::map<instant, unsigned> gap_told;                     ///< By the start of a gap that was warned of: how many hours were left then.
  std::vector<time_span> gaps;                              ///< As they were forecast last.
  std::map<v1::DutyTimer, duty_deadline> timers;

  bool defined() const { return roster_version > 0; }
  bool operator==(const duty_state&) const = default;
};

/// What a decision on a duty stands on.
struct duty_context {
  instant now;
  const organization_state& people;
  std::uint64_t clinical_head = 0;  ///< A handoff's id is the seq of its first entry.
  std::span<const owed_item> owed;  ///< Everything that the duty owes, as the server knows it; more than max_owed_items: not all.
  std::string_view safety_person;   ///< Is called when neither lead nor manager can be reached. Empty: nobody is.
};

/// What the duty's definition says to its roster.
roster_terms terms_of(const duty_definition& what);
/// Who works, and may hold a duty by its roster's terms.
roster_people working_people(const organization_state& people);
/// The duty as others see it, to ask who answers for it.
duty_standing standing_of(const duty_state& state);

/// Whether the action is a command on a duty.
bool on_duties(v1::Command::ActionCase action);
/// DefineDuty … FireDutyTimer, ReportDutyCall … TakePatientBack. `who.chosen_role` is the role in which the actor acts.
outcome<facts> decide_duty(const duty_state& state, const v1::Command& command, const actor& who, const duty_context& context);
/// `version`: the record's, this entry included. Throws where a DutyDefined names a time zone that this machine does not know: a roster
/// that is read in another zone would silently name other people.
void apply_duty(duty_state& state, const v1::Entry& entry, std::uint64_t version);
/// Puts the duty's timers on the record's board (G5).
void keep_duty_timers(timer_board& board, const duty_state& state, std::uint64_t version);
/// The entry of the same stream that this one is about, when it is about a handoff; 0: none.
std::uint64_t about_handoff(const v1::Entry& entry);

/// The role in which a person acts on the duty: administrators as such, its members as what they are there. Nothing: for them there is no
/// such duty.
std::optional<v1::Role> duty_role(const duty_state& state, const organization_state& people, const actor& who);
/// Whether the person is one of the duty's, with an account that works: reads both of its streams. Administrators read the roster's only.
bool of_duty(const duty_state& state, const organization_state& people, std::string_view person);
/// What somebody outside hears, whether there is such a duty or not.
refusal no_such_duty();

}  // namespace careteam::care

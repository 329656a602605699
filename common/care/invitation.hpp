// Consult invitations (B7, B8): somebody joins for a time, reads a part, and is out again by themselves.
//
// An invitation is a membership with an end and with the streams that it reads, each from one entry on. Whatever came before that entry
// does not exist for the person: no command that names it hears anything else than of what is not there.
#pragma once

#include "care/team.hpp"

namespace careteam::care {

inline constexpr std::chrono::days usual_invitation{7};     ///< B8.
inline constexpr std::chrono::days longest_invitation{30};  ///< From now; whoever is needed for longer is a member.

outcome<facts> invite_consultant(const team_state& state, const actor& who, const v1::InviteConsultant& asked, const team_context& context);
outcome<facts> renew_invitation(const team_state& state, const actor& who, const v1::RenewInvitation& asked, const team_context& context);

/// An invitation as its entry tells it, and back.
invitation invitation_of(const v1::Invitation& told);
v1::Invitation on_wire(const invitation& what);

/// The command as it is for this person: a number that stands for what came before their invitation becomes one that stands for nothing.
v1::Command without_hidden(const v1::Command& command, const team_state& team, std::string_view person, instant t);

}  // namespace careteam::care

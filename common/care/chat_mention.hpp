// Whom a message addresses (`domain.md` A6, G7): people, roles and duties, as they are resolved when it is sent; and who answers for what a
// mention owes now. Only chat includes it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "care/chat.hpp"

namespace careteam::care {

/// A message of this priority waits for an acknowledgement (A8).
bool must_acknowledge(v1::Priority priority);

/// Reads the stream, and has an account that works: a message to anybody else would be a message to nobody.
bool reachable(const chat_audience& audience, std::string_view person, v1::Stream stream);
/// A caregiver acknowledges only with the patient's grant; anybody else who reads the stream may.
bool may_acknowledge(const team_state& team, std::string_view person, instant t);
/// Both.
bool can_answer(const chat_audience& audience, std::string_view person, v1::Stream stream);

/// Puts whom the mention stands for into `to`.
///
/// A role is whoever has it on this team; a duty whoever holds it, and where nobody does, whoever answers for it, marked as uncovered. A
/// person who is on leave is not written to by name: staff are told which duty to address, and what cannot wait (stat), or comes from the
/// patient's side, goes to whoever covers for them.
outcome<void> resolve_mention(const v1::Mention& mention, const v1::PostMessage& asked, const actor& who, const chat_context& context,
                              v1::ResolvedMention& to);

/// Who is asked now for what `slot` owes: the role's or the duty's holders of today, the same person, or the attending for whoever is gone.
/// May be nobody.
v1::ResolvedMention asked_now(const addressee& slot, v1::Stream stream, const actor& author, const chat_context& context);

std::vector<addressee> addressees_of(const google::protobuf::RepeatedPtrField<v1::ResolvedMention>& mentions);

/// Whoever can answer for the duty now, from the stream's audience: its holder, else its fallback; empty: neither can.
std::string answers_for_duty(std::string_view duty_id, v1::Stream stream, const chat_audience& audience);

}  // namespace careteam::care

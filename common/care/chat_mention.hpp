// Whom a message addresses (`domain.md` A6, G7): people, roles and duties, as they are resolved when it is sent. Only chat
// includes it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "care/chat.hpp"

namespace careteam::care {

/// Puts whom the mention stands for into `to`.
///
/// A role is whoever has it on this team; a duty whoever holds it, and where nobody does, whoever answers for it, marked as uncovered. A
/// person who is on leave is not written to by name: staff are told which duty to address, and what cannot wait (stat), or comes from the
/// patient's side, goes to whoever covers for them.
outcome<void> resolve_mention(const v1::Mention& mention, const v1::PostMessage& asked, const actor& who, const chat_context& context,
                              v1::ResolvedMention& to);

/// Who is asked now for what `slot` owes: the role's or the duty's holders of today, the same person, or the attending for whoever is gone.
/// May be nobody.
v1::ResolvedMention asked_now(const addressee& slot, place message, const actor& author, const chat_context& context);

std::vector<addressee> addressees_of(const google::protobuf::RepeatedPtrField<v1::ResolvedMention>& mentions);

}  // namespace careteam::care

// Who may acknowledge a message, who owes it, and who answers for it (A8, F4, invariant 5).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "care/chat.hpp"

namespace careteam::care {

/// Whether a message of this priority asks whomever it addresses to acknowledge it (A8).
bool must_acknowledge(v1::Priority priority);

/// A caregiver acknowledges only with the patient's grant; anybody else who reads the stream may.
bool may_acknowledge(const team_state& team, std::string_view person, instant t);
/// Reads the stream, and has an account that works: a message to anybody else would be a message to nobody.
bool reachable(const chat_audience& audience, std::string_view person, v1::Stream stream);
/// Sees the message, has an account that works, and may acknowledge. With seq `yet_to_come`: a message that is being written.
bool can_answer(const chat_audience& audience, std::string_view person, place message);

/// The duty as it is now; nothing: there is none, or no id.
std::optional<duty_view> duty_now(std::string_view duty_id, const chat_audience& audience);
/// Whoever can answer for the duty now, of those who see the message: its holder, else its fallback; empty: neither can.
std::string answers_for_duty(std::string_view duty_id, place message, const chat_audience& audience);

/// One acknowledgement that is owed, and the one person who answers for it now (invariant 5): of a duty, whoever has it now, else its
/// fallback; the first of the addressed people who can still acknowledge it, else the first of those who were told in addition and may
/// answer in their place, else the attending, else the message's author.
struct obligation {
  place message;
  addressee slot;
  std::string accountable;
};
std::vector<obligation> obligations(const chat_state& state, const chat_audience& audience);
/// Those of one message; none when nobody owes anything for it.
std::vector<obligation> obligations_of(const message_state& message, place at, const chat_audience& audience);

}  // namespace careteam::care

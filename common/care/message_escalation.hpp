// Silence about a message that must be acknowledged climbs until a person has it (A8, G2, G9).
//
// The ladder is the one on which a task of the same priority waits to be accepted: at its first and its second end others are asked, too,
// at the third a supervisor has a task. Who is asked is decided when it fires: first the leads of the duties that are silent, then the
// colleagues of those who are, then the attending, then the organisation's safety person; always those only who read the stream and whom
// nobody has asked yet. Whoever was asked before stays asked. Whoever is asked in addition may acknowledge in place of the staff who were
// addressed, never in place of a patient or a caregiver.
//
// What patients read tells them who is asked, too, and nothing of levels, deadlines to come, or the task: that is in `audit` and
// `clinical`.
#pragma once

#include <string_view>

#include "care/chat.hpp"
#include "care/task.hpp"
#include "care/timer_board.hpp"

namespace careteam::care {

/// Until when a message of this priority, which asks at t, is to be acknowledged before others are asked, too.
instant acknowledge_by(v1::Priority priority, instant t, const task_setting& setting);

/// FireMessageTimer: a deadline has passed. Nothing where somebody was faster, or the message has changed since.
outcome<facts> fire_message_timer(const chat_state& state, const v1::FireMessageTimer& asked, const actor& who,
                                  const task_context& context);

/// The ladder that a MessagePosted or MessageCorrected begins.
message_ladder ladder_from(const v1::Entry& entry);
void apply_escalation(message_state& message, const v1::MessageEscalated& escalated);
void apply_step(message_ladder& ladder, const v1::EscalationStep& step);

/// The message whose timer an entry may have set, moved or ended; seq 0: none.
place timed_message(const v1::Entry& entry);
/// The command of a message's timer as it runs now; nothing when none runs.
std::optional<v1::FireMessageTimer> running_timer_of(const chat_state& state, place message);
/// Puts the timer of one message on the record's board, or takes it off (G5).
void keep_timer(timer_board& board, const chat_state& state, place message, std::string_view patient_id, std::uint64_t record_version);

}  // namespace careteam::care

#include "care/chat.hpp"

#include <algorithm>
#include <iterator>
#include <limits>

#include "care/acknowledgement.hpp"
#include "care/chat_mention.hpp"
#include "care/content.hpp"
#include "care/message_escalation.hpp"

namespace careteam::care {
namespace {

/// Of ThreadOpened and ThreadReopened.
template <class Fact>
thread_state thread_of(const Fact& fact) {
  return {fact.title(), fact.owner_person_id(), fact.owner_duty_id(), false};
}

/// Limits count what is in one stream: what somebody cannot see must not limit them (F12).
template <class Things>
bool full(const Things& open, v1::Stream stream, std::size_t limit) {
  if (open.size() < limit) return false;
  const auto begin = open.lower_bound(place{stream, 0});
  const auto end = open.upper_bound(place{stream, std::numeric_limits<std::uint64_t>::max()});
  return static_cast<std::size_t>(std::distance(begin, end)) >= limit;
}

outcome<facts> post(const chat_state& state, const v1::PostMessage& asked, const actor& who, const chat_context& context) {
  if (auto may = check_post(asked.stream(), who, context.team, context.now, "postMessage.stream"); !may) return may.error();
  if (auto content = check_content(asked.content(), "postMessage.content"); !content) return content.error();
  const auto priority = asked.priority() == v1::PRIORITY_UNSPECIFIED ? v1::PRIORITY_ROUTINE : asked.priority();
  if (asked.mentions_size() > max_mentions) return refuse(code::invalid_argument, "postMessage.mentions", "too many");
  if (must_acknowledge(priority)) {
    if (asked.mentions().empty()) {
      return refuse(code::invalid_argument, "postMessage.mentions", "an asap or stat message names who must answer");
    }
    if (who.system) return refuse(code::invalid_argument, "postMessage.priority", "imported messages are routine or urgent");
    if (full(state.open_messages, asked.stream(), max_open_messages)) {
      return refuse(code::resource_exhausted, "postMessage.priority", "too many unanswered asap and stat messages in this stream");
    }
  }
  if (priority == v1::PRIORITY_STAT && context.stat_in_last_hour >= context.stat_per_hour) {
    auto why = refuse(code::resource_exhausted, "postMessage.priority", "too many stat messages of this sender in the last hour");
    why.retry_after_ms = 60'000;
    return why;
  }
  if (asked.has_imported() && !who.system) {
    return refuse(code::invalid_argument, "postMessage.imported", "is for imports only");
  }
  if (asked.imported().source().size() > max_reason_bytes)
    return refuse(code::invalid_argument, "postMessage.imported.source", "is too long");
  if (asked.imported().has_sent() && !to_instant(asked.imported().sent())) {
    return refuse(code::invalid_argument, "postMessage.imported.sent", "must lie between 1900 and 2200");
  }
  if (asked.thread_seq() != 0) {
    const thread_state* thread = state.thread({asked.stream(), asked.thread_seq()});
    if (!thread) return refuse(code::not_found, "postMessage.threadSeq", "no such thread in this stream");
    if (thread->resolved) return refuse(code::failed_precondition, "postMessage.threadSeq", "the thread is resolved: reopen it first");
  }
  if (asked.reply_to_seq() != 0 && !state.message({asked.stream(), asked.reply_to_seq()})) {
    return refuse(code::not_found, "postMessage.replyToSeq", "no such message in this stream");
  }
  if (asked.has_forwarded_from()) {
    const auto& origin = asked.forwarded_from();
    // Another patient's entry is never passed on: it would carry one person's care into another's record.
    if (origin.patient_id() != context.team.patient_id || !origin.duty_id().empty() || !is_chat_stream(origin.stream()) ||
        !(who.system || may_read(context.team, who.person_id, origin.stream(), context.now))) {
      return refuse(code::not_found, "postMessage.forwardedFrom", "no such entry");
    }
    if (!audience_within(context.team, asked.stream(), origin.stream(), context.now)) {
      return refuse(code::failed_precondition, "postMessage.forwardedFrom", "would reach people who cannot read the origin: write it anew");
    }
    if (origin.seq() == 0 || origin.seq() > context.heads[static_cast<std::size_t>(origin.stream())]) {
      return refuse(code::not_found, "postMessage.forwardedFrom", "no such entry");
    }
  }
  facts result;
  auto& posted = *add_fact(result, asked.stream()).mutable_message_posted();
  for (const auto& mention : asked.mentions()) {
    if (auto resolved = resolve_mention(mention, asked, who, context, *posted.add_mentions()); !resolved) return resolved.error();
  }
  *posted.mutable_content() = asked.content();
  posted.set_text(plain_text(asked.content()));
  posted.set_priority(priority);
  posted.set_thread_seq(asked.thread_seq());
  posted.set_reply_to_seq(asked.reply_to_seq());
  if (must_acknowledge(priority)) set_timestamp(*posted.mutable_acknowledge_by(), acknowledge_by(priority, context.now, context.setting));
  if (asked.has_forwarded_from()) *posted.mutable_forwarded_from() = asked.forwarded_from();
  if (asked.has_imported()) *posted.mutable_imported() = asked.imported();
  return result;
}

/// The message that its author wants to change.
outcome<const message_state*> own_message(const chat_state& state, v1::Stream stream, std::uint64_t seq, const actor& who,
                                          const chat_context& context, const std::string& action) {
  if (auto may = check_post(stream, who, context.team, context.now, action + ".stream"); !may) return may.error();
  const message_state* message = state.message({stream, seq});
  if (!message) return refuse(code::not_found, action + ".seq", "no such message in this stream");
  if (message->author != who.person_id) return refuse(code::permission_denied, action + ".seq", "is somebody else's message");
  if (message->retracted) return refuse(code::failed_precondition, action + ".seq", "is retracted");
  return message;
}

outcome<facts> edit(const chat_state& state, const v1::EditMessage& asked, const actor& who, const chat_context& context) {
  auto message = own_message(state, asked.stream(), asked.seq(), who, context, "editMessage");
  if (!message) return message.error();
  if ((*message)->correction_only) {
    return refuse(code::failed_precondition, "editMessage.seq", "was acknowledged: send correctMessage, which asks for it again");
  }
  if (auto content = check_content(asked.content(), "editMessage.content"); !content) return content.error();
  facts result;
  auto& edited = *add_fact(result, asked.stream()).mutable_message_edited();
  edited.set_seq(asked.seq());
  *edited.mutable_content() = asked.content();
  edited.set_text(plain_text(asked.content()));
  return result;
}

outcome<facts> correct(const chat_state& state, const v1::CorrectMessage& asked, const actor& who, const chat_context& context) {
  auto found = own_message(state, asked.stream(), asked.seq(), who, context, "correctMessage");
  if (!found) return found.error();
  const message_state& message = **found;
  if (!message.correction_only) {
    return refuse(code::failed_precondition, "correctMessage.seq", "nobody acknowledged it yet: send editMessage");
  }
  if (auto content = check_content(asked.content(), "correctMessage.content"); !content) return content.error();
  if (auto reason = check_text(asked.reason(), "correctMessage.reason", max_reason_bytes); !reason) return reason.error();
  facts result;
  auto& corrected = *add_fact(result, asked.stream()).mutable_message_corrected();
  corrected.set_seq(asked.seq());
  *corrected.mutable_content() = asked.content();
  corrected.set_text(plain_text(asked.content()));
  corrected.set_reason(asked.reason());
  corrected.set_priority(message.priority);
  corrected.set_thread_seq(message.thread_seq);
  // Whoever was addressed answers again where an answer was owed; and whoever acknowledged the wrong content sees the right one.
  std::set<std::string> asked_again;
  if (message.must_acknowledge) {
    for (const auto& slot : message.addressees) {
      auto mention = asked_now(slot, {asked.stream(), asked.seq()}, who, context);
      if (mention.person_id().empty()) continue;
      if (mention.person_id_size() == 1) asked_again.insert(mention.person_id(0));
      *corrected.add_mentions() = std::move(mention);
    }
  }
  for (const auto& person : message.ever_acknowledged) {
    if (!asked_again.contains(person) && can_answer(audience_of(context), person, {asked.stream(), asked.seq()})) {
      corrected.add_mentions()->add_person_id(person);
    }
  }
  if (!corrected.mentions().empty()) {
    set_timestamp(*corrected.mutable_acknowledge_by(), acknowledge_by(message.priority, context.now, context.setting));
  }
  return result;
}

outcome<facts> retract(const chat_state& state, const v1::RetractMessage& asked, const actor& who, const chat_context& context) {
  auto message = own_message(state, asked.stream(), asked.seq(), who, context, "retractMessage");
  if (!message) return message.error();
  if ((*message)->correction_only) {
    return refuse(code::failed_precondition, "retractMessage.seq", "was acknowledged: send correctMessage, which asks for it again");
  }
  if (auto reason = check_text(asked.reason(), "retractMessage.reason", max_reason_bytes); !reason) return reason.error();
  facts result;
  auto& retracted = *add_fact(result, asked.stream()).mutable_message_retracted();
  retracted.set_seq(asked.seq());
  retracted.set_reason(asked.reason());
  return result;
}

/// The duties that the message addressed and for which this person answers now, though they did not when it was sent.
std::set<std::string> duties_acknowledged(const message_state& message, place at, const actor& who, const chat_context& context) {
  std::set<std::string> duties;
  for (const auto& slot : message.addressees) {
    const bool addressed = std::find(slot.people.begin(), slot.people.end(), who.person_id) != slot.people.end();
    if (slot.duty.empty() || addressed || message.answered(slot)) continue;
    if (answers_for_duty(slot.duty, at, audience_of(context)) == who.person_id) duties.insert(slot.duty);
  }
  return duties;
}

outcome<facts> acknowledge(const chat_state& state, const v1::AcknowledgeMessage& asked, const actor& who, const chat_context& context) {
  static const std::string field = "acknowledgeMessage.seq";
  if (!is_chat_stream(asked.stream()) || !may_read(context.team, who.person_id, asked.stream(), context.now)) {
    return no_such_stream("acknowledgeMessage.stream");
  }
  const message_state* message = state.message({asked.stream(), asked.seq()});
  if (!message) return refuse(code::not_found, field, "no such message in this stream");
  if (message->author == who.person_id) return refuse(code::failed_precondition, field, "is one's own message");
  if (message->retracted) return refuse(code::failed_precondition, field, "is retracted");
  if (!may_acknowledge(context.team, who.person_id, context.now)) {
    return refuse(code::permission_denied, field, "the patient did not grant this caregiver to acknowledge");
  }
  if (asked.revision_seq() != message->revision_seq) {
    return refuse(code::failed_precondition, "acknowledgeMessage.revisionSeq",
                  "superseded: the latest revision is " + std::to_string(message->revision_seq));
  }
  if (message->acknowledged.contains(who.person_id)) return refuse(code::already_exists, field, "is acknowledged already");
  facts result;
  auto& acknowledged = *add_fact(result, asked.stream()).mutable_message_acknowledged();
  acknowledged.set_seq(asked.seq());
  acknowledged.set_revision_seq(asked.revision_seq());
  for (const auto& duty : duties_acknowledged(*message, {asked.stream(), asked.seq()}, who, context)) acknowledged.add_duty_id(duty);
  return result;
}

/// Who answers for a new thread: the person who was named, whoever has the duty, or the author.
outcome<std::string> owner_of_thread(const v1::OpenThread& asked, const actor& who, const chat_context& context) {
  const auto audience = audience_of(context);
  const auto& person = asked.owner_person_id();
  if (asked.owner_duty_id().empty()) {
    if (reachable(audience, person.empty() ? who.person_id : person, asked.stream())) return person.empty() ? who.person_id : person;
    return refuse(code::not_found, "openThread.ownerPersonId", "no such person in this stream's audience");
  }
  if (!person.empty()) return refuse(code::invalid_argument, "openThread.ownerDutyId", "name a person or a duty, not both");
  if (!who.system && !is_staff(context.team, who.person_id, context.now)) {
    return refuse(code::permission_denied, "openThread.ownerDutyId", "patients and caregivers address people, not duties");
  }
  if (!duty_now(asked.owner_duty_id(), audience)) return refuse(code::not_found, "openThread.ownerDutyId", "no such duty");
  auto holder = answers_for_duty(asked.owner_duty_id(), {asked.stream(), yet_to_come}, audience);
  if (holder.empty()) {
    return refuse(code::failed_precondition, "openThread.ownerDutyId", "nobody who answers for this duty now reads this stream");
  }
  return holder;
}

outcome<facts> open_thread(const chat_state& state, const v1::OpenThread& asked, const actor& who, const chat_context& context) {
  if (auto may = check_post(asked.stream(), who, context.team, context.now, "openThread.stream"); !may) return may.error();
  if (auto title = check_text(asked.title(), "openThread.title", max_title_bytes); !title) return title.error();
  const auto owner = owner_of_thread(asked, who, context);
  if (!owner) return owner.error();
  if (full(state.open_threads, asked.stream(), max_open_threads)) {
    return refuse(code::resource_exhausted, "openThread", "too many open threads in this stream");
  }
  facts result;
  auto& opened = *add_fact(result, asked.stream()).mutable_thread_opened();
  opened.set_title(asked.title());
  opened.set_owner_person_id(*owner);
  opened.set_owner_duty_id(asked.owner_duty_id());
  return result;
}

outcome<facts> resolve_thread(const chat_state& state, const v1::ResolveThread& asked, const actor& who, const chat_context& context) {
  if (auto may = check_post(asked.stream(), who, context.team, context.now, "resolveThread.stream"); !may) return may.error();
  const thread_state* thread = state.thread({asked.stream(), asked.seq()});
  if (!thread) return refuse(code::not_found, "resolveThread.seq", "no such thread in this stream");
  if (thread->resolved) return refuse(code::failed_precondition, "resolveThread.seq", "is resolved already");
  for (const auto& [at, message] : state.open_messages) {
    if (at.stream == asked.stream() && message.thread_seq == asked.seq() && message.open()) {
      return refuse(code::failed_precondition, "resolveThread.seq", "a message in it waits for an acknowledgement");
    }
  }
  facts result;
  add_fact(result, asked.stream()).mutable_thread_resolved()->set_seq(asked.seq());
  return result;
}

outcome<facts> reopen_thread(const chat_state& state, const v1::ReopenThread& asked, const actor& who, const chat_context& context) {
  if (auto may = check_post(asked.stream(), who, context.team, context.now, "reopenThread.stream"); !may) return may.error();
  const thread_state* thread = state.thread({asked.stream(), asked.seq()});
  if (!thread) return refuse(code::not_found, "reopenThread.seq", "no such thread in this stream");
  if (!thread->resolved) return refuse(code::failed_precondition, "reopenThread.seq", "is open");
  if (auto reason = check_text(asked.reason(), "reopenThread.reason", max_reason_bytes); !reason) return reason.error();
  if (full(state.open_threads, asked.stream(), max_open_threads)) {
    return refuse(code::resource_exhausted, "reopenThread", "too many open threads in this stream");
  }
  facts result;
  auto& reopened = *add_fact(result, asked.stream()).mutable_thread_reopened();
  reopened.set_seq(asked.seq());
  reopened.set_reason(asked.reason());
  reopened.set_title(thread->title);
  reopened.set_owner_person_id(thread->owner);
  reopened.set_owner_duty_id(thread->owner_duty);
  return result;
}

/// The tracked or paged message that an entry changes; nothing when nobody owes anything for it and no command refers to it.
message_state* to_change(chat_state& state, place at) {
  if (const auto open = state.open_messages.find(at); open != state.open_messages.end()) return &open->second;
  if (const auto paged = state.paged_messages.find(at); paged != state.paged_messages.end()) return &paged->second;
  return nullptr;
}

/// What nobody owes any more stays at hand for the commands of the same batch, but is no longer part of the state.
void move_when_settled(chat_state& state, place at) {
  const auto open = state.open_messages.find(at);
  if (open == state.open_messages.end() || open->second.open()) return;
  state.paged_messages.insert_or_assign(at, std::move(open->second));
  state.open_messages.erase(open);
}

void acknowledge_by(message_state& message, const v1::Entry& entry) {
  const auto& person = entry.author().person_id();
  message.acknowledged.insert(person);
  for (const auto& duty : entry.message_acknowledged().duty_id()) {
    for (auto& slot : message.addressees) {
      if (slot.duty == duty && !message.answered(slot)) slot.people.push_back(person);
    }
  }
}

void apply_message(message_state& message, const v1::Entry& entry) {
  switch (entry.fact_case()) {
    case v1::Entry::kMessagePosted:
      message.author = entry.author().person_id();
      message.priority = entry.message_posted().priority();
      message.thread_seq = entry.message_posted().thread_seq();
      message.must_acknowledge = must_acknowledge(message.priority);
      message.addressees = addressees_of(entry.message_posted().mentions());
      message.ladder = ladder_from(entry);
      break;
    case v1::Entry::kMessageEdited:
      message.revision_seq = entry.seq();
      break;
    case v1::Entry::kMessageCorrected:
      message.author = entry.author().person_id();
      message.priority = entry.message_corrected().priority();
      message.thread_seq = entry.message_corrected().thread_seq();
      message.revision_seq = entry.seq();
      message.must_acknowledge = true;
      message.addressees = addressees_of(entry.message_corrected().mentions());
      message.ladder = ladder_from(entry);
      message.correction_only = true;
      message.acknowledged.clear();
      // From the entry alone, so that a rebuilt state is the same: whoever is asked again by name.
      message.ever_acknowledged.clear();
      for (const auto& slot : message.addressees) {
        if (slot.role == v1::ROLE_UNSPECIFIED && slot.duty.empty())
          message.ever_acknowledged.insert(slot.people.begin(), slot.people.end());
      }
      break;
    case v1::Entry::kMessageRetracted:
      message.retracted = true;
      break;
    case v1::Entry::kMessageAcknowledged:
      if (entry.message_acknowledged().revision_seq() == message.revision_seq) acknowledge_by(message, entry);
      message.ever_acknowledged.insert(entry.author().person_id());
      message.correction_only = true;
      break;
    case v1::Entry::kMessageEscalated:
      apply_escalation(message, entry.message_escalated());
      break;
    default:
      break;
  }
}

}  // namespace

outcome<void> check_post(v1::Stream stream, const actor& who, const team_state& team, instant t, const std::string& field) {
  if (!is_chat_stream(stream)) return no_such_stream(field);
  if (who.system) return {};
  if (!may_read(team, who.person_id, stream, t)) return no_such_stream(field);
  if (!may_post(team, who, stream, t)) return refuse(code::permission_denied, field, "may not post to this stream in this role");
  return {};
}

bool is_chat_stream(v1::Stream stream) {
  return stream == v1::STREAM_SHARED || stream == v1::STREAM_CLINICAL || stream == v1::STREAM_SUPPORT;
}

const message_state* chat_state::message(place at) const {
  if (const auto open = open_messages.find(at); open != open_messages.end()) return &open->second;
  const auto paged = paged_messages.find(at);
  return paged == paged_messages.end() ? nullptr : &paged->second;
}

const thread_state* chat_state::thread(place at) const {
  if (const auto open = open_threads.find(at); open != open_threads.end()) return &open->second;
  const auto paged = paged_threads.find(at);
  return paged == paged_threads.end() ? nullptr : &paged->second;
}

std::vector<place> references(const chat_state& state, const v1::Command& command) {
  std::vector<place> wanted;
  const auto message = [&](v1::Stream stream, std::uint64_t seq) {
    if (seq != 0 && is_chat_stream(stream) && !state.message({stream, seq})) wanted.push_back({stream, seq});
  };
  const auto thread = [&](v1::Stream stream, std::uint64_t seq) {
    if (seq != 0 && is_chat_stream(stream) && !state.thread({stream, seq})) wanted.push_back({stream, seq});
  };
  switch (command.action_case()) {
    case v1::Command::kPostMessage:
      thread(command.post_message().stream(), command.post_message().thread_seq());
      message(command.post_message().stream(), command.post_message().reply_to_seq());
      break;
    case v1::Command::kEditMessage:
      message(command.edit_message().stream(), command.edit_message().seq());
      break;
    case v1::Command::kCorrectMessage:
      message(command.correct_message().stream(), command.correct_message().seq());
      break;
    case v1::Command::kRetractMessage:
      message(command.retract_message().stream(), command.retract_message().seq());
      break;
    case v1::Command::kAcknowledgeMessage:
      message(command.acknowledge_message().stream(), command.acknowledge_message().seq());
      break;
    case v1::Command::kResolveThread:
      thread(command.resolve_thread().stream(), command.resolve_thread().seq());
      break;
    case v1::Command::kReopenThread:
      thread(command.reopen_thread().stream(), command.reopen_thread().seq());
      break;
    default:
      break;
  }
  return wanted;
}

void page_in(chat_state& state, place at, std::span<const v1::Entry> entries) {
  if (entries.empty()) return;
  if (entries.front().has_message_posted()) {
    message_state message;
    for (const auto& entry : entries) apply_message(message, entry);
    state.paged_messages.insert_or_assign(at, std::move(message));
  } else if (entries.front().has_thread_opened()) {
    thread_state thread;
    for (const auto& entry : entries) {
      if (entry.has_thread_opened()) thread = thread_of(entry.thread_opened());
      if (entry.has_thread_resolved()) thread.resolved = true;
      if (entry.has_thread_reopened()) thread.resolved = false;
    }
    state.paged_threads.insert_or_assign(at, std::move(thread));
  }
}

void forget_settled(chat_state& state) {
  state.paged_messages.clear();
  state.paged_threads.clear();
}

outcome<facts> decide_chat(const chat_state& state, const v1::Command& command, const actor& who, const chat_context& context) {
  switch (command.action_case()) {
    case v1::Command::kPostMessage:
      return post(state, command.post_message(), who, context);
    case v1::Command::kEditMessage:
      return edit(state, command.edit_message(), who, context);
    case v1::Command::kCorrectMessage:
      return correct(state, command.correct_message(), who, context);
    case v1::Command::kRetractMessage:
      return retract(state, command.retract_message(), who, context);
    case v1::Command::kAcknowledgeMessage:
      return acknowledge(state, command.acknowledge_message(), who, context);
    case v1::Command::kOpenThread:
      return open_thread(state, command.open_thread(), who, context);
    case v1::Command::kResolveThread:
      return resolve_thread(state, command.resolve_thread(), who, context);
    case v1::Command::kReopenThread:
      return reopen_thread(state, command.reopen_thread(), who, context);
    default:
      return refuse(code::invalid_argument, "action", "is not a chat command");
  }
}

void apply_chat(chat_state& state, const v1::Entry& entry) {
  const place here{entry.stream(), entry.seq()};
  const place target{entry.stream(), about_chat(entry)};
  switch (entry.fact_case()) {
    case v1::Entry::kMessagePosted:
      if (must_acknowledge(entry.message_posted().priority())) apply_message(state.open_messages[here], entry);
      break;
    case v1::Entry::kMessageCorrected: {
      // A correction tells by itself who owes an acknowledgement: the message becomes part of the state even when it was not before.
      if (const auto paged = state.paged_messages.find(target); paged != state.paged_messages.end()) {
        state.open_messages.insert_or_assign(target, std::move(paged->second));
        state.paged_messages.erase(paged);
      }
      apply_message(state.open_messages[target], entry);
      move_when_settled(state, target);
      break;
    }
    case v1::Entry::kMessageEdited:
    case v1::Entry::kMessageRetracted:
    case v1::Entry::kMessageAcknowledged:
    case v1::Entry::kMessageEscalated:
      if (message_state* message = to_change(state, target)) apply_message(*message, entry);
      move_when_settled(state, target);
      break;
    case v1::Entry::kMessageEscalationDetailed: {
      const auto& detailed = entry.message_escalation_detailed();
      const auto open = state.open_messages.find({detailed.stream(), detailed.seq()});
      if (open != state.open_messages.end()) apply_step(open->second.ladder, detailed.step());
      break;
    }
    case v1::Entry::kThreadOpened:
      state.open_threads[here] = thread_of(entry.thread_opened());
      break;
    case v1::Entry::kThreadResolved: {
      const auto open = state.open_threads.find(target);
      if (open != state.open_threads.end()) {
        open->second.resolved = true;
        state.paged_threads.insert_or_assign(target, std::move(open->second));
        state.open_threads.erase(open);
      }
      break;
    }
    case v1::Entry::kThreadReopened:
      state.paged_threads.erase(target);
      state.open_threads[target] = thread_of(entry.thread_reopened());
      break;
    default:
      break;
  }
}

std::uint64_t about_chat(const v1::Entry& entry) {
  switch (entry.fact_case()) {
    case v1::Entry::kMessageEdited:
      return entry.message_edited().seq();
    case v1::Entry::kMessageCorrected:
      return entry.message_corrected().seq();
    case v1::Entry::kMessageRetracted:
      return entry.message_retracted().seq();
    case v1::Entry::kMessageAcknowledged:
      return entry.message_acknowledged().seq();
    case v1::Entry::kMessageEscalated:
      return entry.message_escalated().seq();
    case v1::Entry::kThreadResolved:
      return entry.thread_resolved().seq();
    case v1::Entry::kThreadReopened:
      return entry.thread_reopened().seq();
    default:
      return 0;
  }
}

}  // namespace careteam::care

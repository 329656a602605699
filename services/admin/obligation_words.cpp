#include "admin/obligation_words.hpp"

#include <algorithm>
#include <cctype>
#include <vector>

#include "care/roles.hpp"
#include "care/time.hpp"
#include "runtime/printable_text.hpp"
#include "runtime/time_text.hpp"

namespace careteam::admin {
namespace {

constexpr std::size_t longest_text = 200;

std::string code_of(v1::Role role) {
  const auto* row = care::find_role(role);
  return row ? std::string(row->code) : std::string("unknown role");
}

/// PRIORITY_STAT: "stat". TASK_KIND_FOLLOW_UP: "follow-up".
std::string word(std::string_view name, std::string_view prefix) {
  std::string result(name.starts_with(prefix) ? name.substr(prefix.size()) : name);
  std::ranges::transform(result, result.begin(), [](unsigned char c) { return c == '_' ? '-' : static_cast<char>(std::tolower(c)); });
  return result;
}

std::string time_of(const google::protobuf::Timestamp& stamp) {
  const auto t = care::to_instant(stamp);
  return t ? runtime::rfc3339(*t) : std::string("an unknown time");
}

std::string author_of(const v1::Entry& entry) {
  if (entry.author().person_id().empty()) return "the server";
  return entry.author().person_id() + " (" + code_of(entry.author().role()) + ")";
}

std::string name_of(const v1::TaskTarget& target) {
  if (!target.person_id().empty()) return target.person_id();
  if (!target.duty_id().empty()) return "the duty " + target.duty_id();
  return target.role() == v1::ROLE_UNSPECIFIED ? std::string("nobody yet") : "the role " + code_of(target.role());
}

template <class Names>
std::string joined(const Names& names) {
  std::string result;
  for (const auto& name : names) result += (result.empty() ? "" : ", ") + std::string(name);
  return result.empty() ? std::string("nobody") : result;
}

std::string deadline_name(v1::TaskTimer timer) {
  switch (timer) {
    case v1::TASK_TIMER_ACCEPT:
      return "nobody accepted in time";
    case v1::TASK_TIMER_START:
      return "it was not started in time";
    case v1::TASK_TIMER_DUE:
      return "it was not begun when it was due";
    case v1::TASK_TIMER_ACKNOWLEDGE:
      return "nobody said that they stopped";
    default:
      return "a deadline passed";
  }
}

std::string rule_name(v1::TaskRule rule) {
  switch (rule) {
    case v1::TASK_RULE_REROUTE:
      return "nobody is left who could take it";
    case v1::TASK_RULE_FAILED:
      return "it failed";
    case v1::TASK_RULE_NO_RESPONSE:
      return "nobody responded";
    case v1::TASK_RULE_REOPENED:
      return "it was reopened";
    case v1::TASK_RULE_UNACKNOWLEDGED:
      return "nobody acknowledged it";
    case v1::TASK_RULE_UNDELIVERED:
      return "somebody could not be called about it";
    default:
      return "it follows";
  }
}

std::string ladder_end(bool is_set, const google::protobuf::Timestamp& next) {
  return is_set ? "; they have until " + time_of(next) : std::string();
}

std::string escalated(const v1::TaskEscalated& fact) {
  if (fact.no_response()) return deadline_name(fact.timer()) + ": nobody on the ladder responded, a supervisor is asked";
  return deadline_name(fact.timer()) + ": escalated to L" + std::to_string(fact.level()) + ladder_end(fact.has_next_by(), fact.next_by());
}

std::string undelivered(const v1::CallUndelivered& fact) {
  return fact.person_id() + " could not be called over any channel";
}

/// A day before the next cycle is counted backwards from it.
std::string occasion(const v1::ProtocolOccasion& of) {
  const auto& one = of.day();
  const std::string cycle = "cycle " + std::to_string(one.cycle());
  const std::string day = one.day() > 0 ? "day " + std::to_string(one.day()) + " of " + cycle
                                        : std::to_string(-static_cast<std::int64_t>(one.day())) + " days before the cycle after " + cycle;
  return "made by the protocol " + of.protocol_id() + ": its " + one.item_id() + " for " + day + ", scheduled for " +
         time_of(of.scheduled());
}

std::string climbed(const v1::EscalationStep& step) {
  if (step.no_response()) return "nobody acknowledged it in time: nobody on the ladder responded, a supervisor is asked";
  return "nobody acknowledged it in time: escalated to L" + std::to_string(step.level()) + ladder_end(step.has_next_by(), step.next_by());
}

std::string escalated(const v1::MessageEscalated& fact) {
  const std::string told = fact.person_id().empty() ? std::string() : joined(fact.person_id());
  if (!fact.has_step()) return "nobody acknowledged it in time; asked too: " + (told.empty() ? "nobody" : told);
  return climbed(fact.step()) + (told.empty() ? std::string() : "; asked too: " + told);
}

std::string escalated(const v1::MessageEscalationDetailed& fact) {
  std::string result = climbed(fact.step());
  if (fact.has_follow_up()) {
    const auto& task = fact.follow_up();
    result += "; task " + word(v1::Stream_Name(task.stream()), "STREAM_") + "/" + std::to_string(task.seq()) + " follows";
  }
  return result;
}

/// Whom a message addresses: as they were addressed, and who that was.
std::string addressed(const google::protobuf::RepeatedPtrField<v1::ResolvedMention>& mentions) {
  std::vector<std::string> names;
  for (const auto& one : mentions) {
    const auto people = joined(one.person_id());
    if (!one.duty_id().empty()) {
      names.push_back("the duty " + one.duty_id() + (one.uncovered() ? " (held by nobody, so " + people + ")" : " (" + people + ")"));
    } else if (one.role() != v1::ROLE_UNSPECIFIED) {
      names.push_back("the role " + code_of(one.role()) + " (" + people + ")");
    } else if (!one.instead_of_person_id().empty()) {
      names.push_back(people + " instead of " + one.instead_of_person_id() + ", who is on leave");
    } else {
      names.push_back(people);
    }
  }
  return joined(names);
}

}  // namespace

std::string obligation_words::successor(const v1::Entry& entry) const {
  const auto& asked = entry.task_requested();
  return "task " + std::to_string(entry.seq()) + " of this stream follows, because " + rule_name(asked.origin().rule()) + ": " +
         details(asked);
}

std::string obligation_words::about_task(const v1::Entry& entry) const {
  const auto who = author_of(entry);
  switch (entry.fact_case()) {
    case v1::Entry::kTaskDrafted:
      return "drafted by " + who + ": " + order(entry.task_drafted().order());
    case v1::Entry::kTaskRequested:
      return requested(entry);
    case v1::Entry::kTaskInstantiated:
      return "begun for " + entry.task_instantiated().owner_person_id() + " by " + who + ": " + order(entry.task_instantiated().order());
    case v1::Entry::kTaskClaimed:
      return "claimed by " + who + ", who decides until " + time_of(entry.task_claimed().decide_by());
    case v1::Entry::kTaskReleased:
      return entry.task_released().expired() ? "given back: the claimer did not decide in time" : "given back by " + who;
    case v1::Entry::kTaskAccepted:
      return "accepted by " + who +
             (entry.task_accepted().has_start_by() ? ", to be started by " + time_of(entry.task_accepted().start_by()) : std::string());
    case v1::Entry::kTaskReadBackMismatched:
      return "read back wrong by " + who + ": " + std::to_string(entry.task_read_back_mismatched().differs_size()) +
             " of the facts differ" + quoted(joined(entry.task_read_back_mismatched().differs()));
    case v1::Entry::kTaskDeclined:
      return declined(entry.task_declined(), who);
    case v1::Entry::kTaskTransferOffered:
      return "offered to " + entry.task_transfer_offered().person_id() + " by " + who + quoted(entry.task_transfer_offered().reason());
    case v1::Entry::kTaskTransferred:
      return "taken over from " + entry.task_transferred().from_person_id() + " by " + who;
    case v1::Entry::kTaskEscalated:
      return escalated(entry.task_escalated());
    default:
      return course(entry, who);
  }
}

std::string obligation_words::about_message(const v1::Entry& entry) const {
  const auto who = author_of(entry);
  switch (entry.fact_case()) {
    case v1::Entry::kMessagePosted:
      return posted(entry);
    case v1::Entry::kMessageEdited:
      return "edited by " + who + quoted(entry.message_edited().text());
    case v1::Entry::kMessageCorrected:
      return corrected(entry);
    case v1::Entry::kMessageRetracted:
      return "taken back by " + who + quoted(entry.message_retracted().reason());
    case v1::Entry::kMessageAcknowledged: {
      const auto& duties = entry.message_acknowledged().duty_id();
      return "acknowledged by " + who + (duties.empty() ? std::string() : " for the duty " + joined(duties));
    }
    case v1::Entry::kMessageEscalated:
      return escalated(entry.message_escalated());
    case v1::Entry::kMessageEscalationDetailed:
      return escalated(entry.message_escalation_detailed());
    case v1::Entry::kCallUndelivered:
      return undelivered(entry.call_undelivered());
    default:
      return "changed by " + who;
  }
}

std::string obligation_words::posted(const v1::Entry& entry) const {
  const auto& said = entry.message_posted();
  std::string result = "said by " + author_of(entry) + ": " + word(v1::Priority_Name(said.priority()), "PRIORITY_") + " message to " +
                       addressed(said.mentions());
  if (said.has_acknowledge_by()) result += "; to be acknowledged by " + time_of(said.acknowledge_by());
  return result + quoted(said.text().empty() ? said.content().text() : said.text());
}

std::string obligation_words::corrected(const v1::Entry& entry) const {
  const auto& fact = entry.message_corrected();
  std::string result = "corrected by " + author_of(entry) + "; asked: " + addressed(fact.mentions());
  if (fact.has_acknowledge_by()) result += "; to be acknowledged by " + time_of(fact.acknowledge_by());
  return result + quoted(fact.reason());
}

std::string obligation_words::about_duty(const v1::Entry& entry) const {
  const auto duty = "the duty " + entry.duty_id();
  switch (entry.fact_case()) {
    case v1::Entry::kDutyHolderChanged:
      return holder_changed(entry);
    case v1::Entry::kDutyDefined:
      return author_of(entry) + " changed what " + duty + " is";
    case v1::Entry::kShiftScheduled:
    case v1::Entry::kRotationSet:
    case v1::Entry::kTurnsSwapped:
    case v1::Entry::kRosterItemRemoved:
      return author_of(entry) + " changed the roster of " + duty;
    case v1::Entry::kPatientSetApart:
      return "a patient was declined when " + duty + " was handed over: " + entry.patient_set_apart().person_id() + " answers for them";
    case v1::Entry::kPatientTakenBack:
      return author_of(entry) + " took a patient back who was declined when " + duty + " was handed over";
    case v1::Entry::kLeaveEntered:
      return author_of(entry) + " entered a leave of " + entry.leave_entered().person_id() + " on the roster of " + duty;
    case v1::Entry::kLeaveEnded:
      return author_of(entry) + " ended a leave on the roster of " + duty;
    default:
      return duty + " changed";
  }
}

std::string obligation_words::holder_changed(const v1::Entry& entry) const {
  const auto& fact = entry.duty_holder_changed();
  const auto duty = "the duty " + entry.duty_id();
  const auto now = fact.person_id().empty() ? std::string("nobody") : fact.person_id();
  const auto before = fact.previous_person_id().empty() ? std::string("nobody") : fact.previous_person_id();
  switch (fact.reason()) {
    case v1::HOLDER_REASON_ROSTER:
      return "the roster gave " + duty + " to " + now + ": " + before + " held it";
    case v1::HOLDER_REASON_HANDOFF:
      return before + " handed " + duty + " over to " + now +
             (fact.unwitnessed_by_sender() ? ", confirmed by " + author_of(entry) + " as witness" : std::string());
    case v1::HOLDER_REASON_FORCED:
      return now + " took " + duty + " as its lead: " + before + " held it" + quoted(fact.text());
    case v1::HOLDER_REASON_LEAVE:
      return before + " is on leave: " + now + " covers " + duty;
    case v1::HOLDER_REASON_COVER_ENDED:
      return "nobody covers a leave: nobody holds " + duty + ", which " + before + " held";
    case v1::HOLDER_REASON_HANDED_BACK:
      return before + " gave " + duty + " back to " + now + ", whose leave is over";
    default:
      return duty + " went from " + before + " to " + now;
  }
}

std::string obligation_words::course(const v1::Entry& entry, const std::string& who) const {
  switch (entry.fact_case()) {
    case v1::Entry::kTaskStarted:
      return "started by " + who;
    case v1::Entry::kTaskPaused:
      return "paused by " + who + " until " + time_of(entry.task_paused().resume_at()) + quoted(entry.task_paused().reason());
    case v1::Entry::kTaskResumed:
      return entry.task_resumed().expired() ? "the pause is over: whoever does it was told" : "resumed by " + who;
    case v1::Entry::kTaskCompleted:
      return "completed by " + who + " with " + std::to_string(entry.task_completed().outputs_size()) + " outputs; may be reopened until " +
             time_of(entry.task_completed().confirm_until());
    case v1::Entry::kTaskReopened:
      return "reopened by " + who + quoted(entry.task_reopened().reason());
    case v1::Entry::kTaskFailed:
      return "failed, says " + who + quoted(entry.task_failed().reason());
    case v1::Entry::kTaskCancelled:
      return "cancelled by " + who + quoted(entry.task_cancelled().reason());
    case v1::Entry::kTaskCancelAcknowledged:
      return who + " has stopped";
    case v1::Entry::kTaskRescheduled: {
      const auto& moved = entry.task_rescheduled();
      return "due " + time_of(moved.due()) + " instead of " + time_of(moved.was_due()) + ": " + who + " moved a cycle of the protocol " +
             moved.protocol_id() + quoted(moved.reason());
    }
    case v1::Entry::kCallUndelivered:
      return undelivered(entry.call_undelivered());
    case v1::Entry::kTaskMarkedInError:
      return std::string(entry.task_marked_in_error().proposed() ? "said to be an error by " : "entered in error, says ") + who +
             quoted(entry.task_marked_in_error().reason());
    default:
      return "changed by " + who;
  }
}

std::string obligation_words::requested(const v1::Entry& entry) const {
  const auto& asked = entry.task_requested();
  std::string result = "asked for by " + author_of(entry) + ": " + details(asked);
  const auto rule = asked.origin().rule();
  const std::string what = rule == v1::TASK_RULE_UNACKNOWLEDGED ? "message" : "task";
  if (asked.origin().seq() != 0) {
    result += "; follows " + what + " " + std::to_string(asked.origin().seq()) + " of this stream, because " + rule_name(rule);
  } else if (rule == v1::TASK_RULE_UNACKNOWLEDGED) {
    result += "; follows a message of another stream, because " + rule_name(rule);
  }
  if (asked.has_protocol()) result += "; " + occasion(asked.protocol());
  return result;
}

std::string obligation_words::details(const v1::TaskRequested& asked) const {
  std::string result = order(asked.order()) + "; asked: " + joined(asked.candidate_person_id());
  if (asked.has_accept_by()) result += "; to be accepted by " + time_of(asked.accept_by());
  return result;
}

std::string obligation_words::declined(const v1::TaskDeclined& fact, const std::string& who) const {
  std::string result = "declined by " + who + quoted(fact.reason());
  if (fact.rejected()) return result + "; nobody is left who could take it";
  return result + ladder_end(fact.has_next_by(), fact.next_by());
}

std::string obligation_words::order(const v1::TaskOrder& what) const {
  std::string result = word(v1::Priority_Name(what.priority()), "PRIORITY_") + " " + word(v1::TaskKind_Name(what.kind()), "TASK_KIND_") +
                       " task for " + name_of(what.target()) + quoted(what.title());
  if (what.has_due()) result += ", due " + time_of(what.due());
  return result;
}

std::string obligation_words::quoted(const std::string& text) const {
  return texts_ == told_texts::none || text.empty() ? std::string() : ": \"" + runtime::printable(text, longest_text) + "\"";
}

}  // namespace careteam::admin

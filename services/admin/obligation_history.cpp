#include "admin/obligation_history.hpp"

#include <algorithm>
#include <cctype>

#include "care/roles.hpp"
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

/// Words for the entries about a task.
class narrator {
 public:
  explicit narrator(told_texts texts) : texts_(texts) {}

  /// Of the task that follows the one that is told.
  std::string successor(const v1::Entry& entry) const {
    const auto& asked = entry.task_requested();
    return "task " + std::to_string(entry.seq()) + " of this stream follows, because " + rule_name(asked.origin().rule()) + ": " +
           details(asked);
  }

  std::string words(const v1::Entry& entry) const {
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

 private:
  std::string course(const v1::Entry& entry, const std::string& who) const {
    switch (entry.fact_case()) {
      case v1::Entry::kTaskStarted:
        return "started by " + who;
      case v1::Entry::kTaskPaused:
        return "paused by " + who + " until " + time_of(entry.task_paused().resume_at()) + quoted(entry.task_paused().reason());
      case v1::Entry::kTaskResumed:
        return entry.task_resumed().expired() ? "the pause is over: whoever does it was told" : "resumed by " + who;
      case v1::Entry::kTaskCompleted:
        return "completed by " + who + " with " + std::to_string(entry.task_completed().outputs_size()) +
               " outputs; may be reopened until " + time_of(entry.task_completed().confirm_until());
      case v1::Entry::kTaskReopened:
        return "reopened by " + who + quoted(entry.task_reopened().reason());
      case v1::Entry::kTaskFailed:
        return "failed, says " + who + quoted(entry.task_failed().reason());
      case v1::Entry::kTaskCancelled:
        return "cancelled by " + who + quoted(entry.task_cancelled().reason());
      case v1::Entry::kTaskCancelAcknowledged:
        return who + " has stopped";
      case v1::Entry::kCallUndelivered:
        return entry.call_undelivered().person_id() + " could not be called over any channel";
      case v1::Entry::kTaskMarkedInError:
        return std::string(entry.task_marked_in_error().proposed() ? "said to be an error by " : "entered in error, says ") + who +
               quoted(entry.task_marked_in_error().reason());
      default:
        return "changed by " + who;
    }
  }

  std::string requested(const v1::Entry& entry) const {
    const auto& asked = entry.task_requested();
    std::string result = "asked for by " + author_of(entry) + ": " + details(asked);
    const auto rule = asked.origin().rule();
    const std::string what = rule == v1::TASK_RULE_UNACKNOWLEDGED ? "message" : "task";
    if (asked.origin().seq() != 0) {
      result += "; follows " + what + " " + std::to_string(asked.origin().seq()) + " of this stream, because " + rule_name(rule);
    } else if (rule == v1::TASK_RULE_UNACKNOWLEDGED) {
      result += "; follows a message of another stream, because " + rule_name(rule);
    }
    return result;
  }

  std::string details(const v1::TaskRequested& asked) const {
    std::string result = order(asked.order()) + "; asked: " + joined(asked.candidate_person_id());
    if (asked.has_accept_by()) result += "; to be accepted by " + time_of(asked.accept_by());
    return result;
  }

  static std::string ladder_end(bool is_set, const google::protobuf::Timestamp& next) {
    return is_set ? "; they have until " + time_of(next) : std::string();
  }

  std::string declined(const v1::TaskDeclined& fact, const std::string& who) const {
    std::string result = "declined by " + who + quoted(fact.reason());
    if (fact.rejected()) return result + "; nobody is left who could take it";
    return result + ladder_end(fact.has_next_by(), fact.next_by());
  }

  static std::string escalated(const v1::TaskEscalated& fact) {
    if (fact.no_response()) return deadline_name(fact.timer()) + ": nobody on the ladder responded, a supervisor is asked";
    return deadline_name(fact.timer()) + ": escalated to L" + std::to_string(fact.level()) + ladder_end(fact.has_next_by(), fact.next_by());
  }

  std::string order(const v1::TaskOrder& what) const {
    std::string result = word(v1::Priority_Name(what.priority()), "PRIORITY_") + " " + word(v1::TaskKind_Name(what.kind()), "TASK_KIND_") +
                         " task for " + name_of(what.target()) + quoted(what.title());
    if (what.has_due()) result += ", due " + time_of(what.due());
    return result;
  }

  std::string quoted(const std::string& text) const {
    return texts_ == told_texts::none || text.empty() ? std::string() : ": \"" + runtime::printable(text, longest_text) + "\"";
  }

  told_texts texts_;
};

}  // namespace

obligation_history::obligation_history(std::string patient_id, care::place task, told_texts texts, listener tell)
    : task_(task), texts_(texts), tell_(std::move(tell)), record_(std::move(patient_id)) {}

void obligation_history::take_organization(const v1::Entry& entry) {
  care::apply(organization_, entry);
  tell_if_moved(care::to_instant(entry.time()).value_or(care::instant{}), "an account changed");
}

void obligation_history::take(const v1::Entry& entry) {
  care::apply(record_, entry);
  const auto time = care::to_instant(entry.time()).value_or(care::instant{});
  const bool same_stream = entry.stream() == task_.stream;
  const bool begins =
      same_stream && entry.seq() == task_.seq && (entry.has_task_requested() || entry.has_task_instantiated() || entry.has_task_drafted());
  found_ |= begins;
  if (begins || (same_stream && found_ && care::about_task(entry) == task_.seq)) {
    accountable_ = accountable_at(time);
    tell(time, narrator(texts_).words(entry));
  } else if (same_stream && found_ && entry.has_task_requested() && entry.task_requested().origin().seq() == task_.seq) {
    accountable_ = accountable_at(time);
    tell(time, narrator(texts_).successor(entry));
  } else if (entry.stream() != v1::STREAM_AUDIT) {
    tell_if_moved(time, "the team changed");
  }
  care::forget_settled(record_);
}

std::string obligation_history::accountable_at(care::instant t) const {
  const auto open = record_.tasks.open.find(task_);
  if (open == record_.tasks.open.end() || !open->second.open()) return {};
  return care::accountable(open->second, task_, {record_.team, organization_.organization, care::usual_task_setting(), t});
}

void obligation_history::tell(care::instant time, std::string what) {
  tell_({time, std::move(what), accountable_});
}

void obligation_history::tell_if_moved(care::instant time, std::string_view why) {
  if (!found_) return;
  auto now = accountable_at(time);
  if (now == accountable_) return;
  accountable_ = std::move(now);
  tell(time, std::string(why));
}

}  // namespace careteam::admin

#include "admin/obligation_history.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "care/acknowledgement.hpp"
#include "care/message_escalation.hpp"

namespace careteam::admin {
namespace {

/// A membership that ends, a leave, a roster of a duty that nobody holds: they move what is owed when their time comes, without an entry.
constexpr std::string_view by_time = "a membership, a shift or a leave has begun or ended";

care::instant time_of(const v1::Entry& entry) {
  return care::to_instant(entry.time()).value_or(care::instant{});
}

std::string each_once(const std::vector<care::obligation>& owed) {
  std::vector<std::string_view> people;
  std::string result;
  for (const auto& one : owed) {
    if (std::ranges::find(people, one.accountable) != people.end()) continue;
    people.push_back(one.accountable);
    result += (result.empty() ? "" : ", ") + one.accountable;
  }
  return result;
}

}  // namespace

obligation_history::obligation_history(std::string patient_id, care::place at, told_texts texts, care::task_setting setting, listener tell)
    : at_(at), words_(texts), tell_(std::move(tell)), record_(std::move(patient_id)), organization_(std::move(setting)) {}

void obligation_history::take_organization(const v1::Entry& entry) {
  const auto time = time_of(entry);
  // The roster of a duty that nobody holds names somebody from a time on; the entry that says so comes a moment later and says it better.
  if (!entry.has_duty_holder_changed()) tell_what_time_moved(time);
  organization_.take(entry);
  care::appoint(record_.team, *organization_.setting().duties);
  if (found_) tell_if_moved(time, entry.duty_id().empty() ? "an account changed" : words_.about_duty(entry));
}

void obligation_history::take(const v1::Entry& entry) {
  const auto time = time_of(entry);
  tell_what_time_moved(time);
  care::apply(record_, entry);
  if (entry.has_member_added()) care::appoint(record_.team, *organization_.setting().duties);
  if (begins(entry)) {
    found_ = true;
    is_message_ = entry.has_message_posted();
    asked_by_.insert(entry.seq());
    tell(time, words(entry));
  } else if (found_ && is_about(entry)) {
    if (entry.has_message_corrected()) asked_by_.insert(entry.seq());
    tell(time, words(entry));
  } else if (found_ && follows(entry)) {
    tell(time, words_.successor(entry));
  } else if (entry.stream() != v1::STREAM_AUDIT) {
    tell_if_moved(time, "the team changed");
  }
  care::forget_settled(record_);
  (void)record_.timers.take_changes();
}

obligation_step obligation_history::standing(care::instant t) const {
  auto now = accountable_at(t);
  if (now == accountable_) return last_move_;
  return {t, std::string(by_time), std::move(now)};
}

bool obligation_history::begins(const v1::Entry& entry) const {
  if (entry.stream() != at_.stream || entry.seq() != at_.seq) return false;
  return entry.has_task_requested() || entry.has_task_instantiated() || entry.has_task_drafted() || entry.has_message_posted();
}

bool obligation_history::is_about(const v1::Entry& entry) const {
  if (entry.has_duty_uncovered()) {
    return entry.duty_uncovered().entry().stream() == at_.stream && entry.duty_uncovered().entry().seq() == at_.seq;
  }
  if (entry.has_message_escalation_detailed()) return care::timed_message(entry) == at_;
  return entry.stream() == at_.stream && (care::about_task(entry) == at_.seq || care::about_chat(entry) == at_.seq);
}

bool obligation_history::follows(const v1::Entry& entry) const {
  return entry.stream() == at_.stream && entry.has_task_requested() && asked_by_.contains(entry.task_requested().origin().seq());
}

std::string obligation_history::words(const v1::Entry& entry) const {
  if (entry.has_duty_uncovered()) return "nobody held the duty " + entry.duty_uncovered().duty_id() + " when it was addressed";
  return is_message_ ? words_.about_message(entry) : words_.about_task(entry);
}

std::string obligation_history::accountable_at(care::instant t) const {
  const auto& people = organization_.people();
  const auto& setting = organization_.setting();
  if (is_message_) {
    const auto open = record_.chat.open_messages.find(at_);
    if (open == record_.chat.open_messages.end()) return {};
    return each_once(care::obligations_of(open->second, at_, {t, record_.team, &people, setting.duties}));
  }
  const auto open = record_.tasks.open.find(at_);
  if (open == record_.tasks.open.end() || !open->second.open()) return {};
  return care::accountable(open->second, at_, {record_.team, people, setting, t});
}

void obligation_history::tell(care::instant time, std::string what) {
  accountable_ = accountable_at(time);
  obligation_step step{time, std::move(what), accountable_};
  tell_(step);
  if (last_move_.what.empty() || last_move_.accountable != step.accountable) last_move_ = std::move(step);
}

void obligation_history::tell_if_moved(care::instant time, std::string_view why) {
  if (!found_) return;
  if (accountable_at(time) != accountable_) tell(time, std::string(why));
}

void obligation_history::tell_what_time_moved(care::instant now) {
  tell_if_moved(now, by_time);
}

}  // namespace careteam::admin

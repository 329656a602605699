#include "property/task_book.hpp"

#include <optional>

namespace careteam::care::fixture {
namespace {

/// From which states an entry may come, and where it leads; empty: nowhere else.
struct way {
  std::string_view from, to;
};

std::optional<way> way_of(const v1::Entry& entry) {
  switch (entry.fact_case()) {
    case v1::Entry::kTaskRequested:
      return way{"draft", "requested"};
    case v1::Entry::kTaskClaimed:
      return way{"requested", "received"};
    case v1::Entry::kTaskReleased:
      return way{"received", "requested"};
    case v1::Entry::kTaskAccepted:
      return way{"requested received", "accepted"};
    case v1::Entry::kTaskReadBackMismatched:
      return way{"received", ""};
    case v1::Entry::kTaskDeclined:
      return entry.task_declined().rejected() ? way{"requested received", "rejected"} : way{"requested", ""};
    case v1::Entry::kTaskTransferOffered:
    case v1::Entry::kTaskTransferred:
      return way{"received accepted ready in-progress on-hold", ""};
    case v1::Entry::kTaskStarted:
      return way{"accepted ready", "in-progress"};
    case v1::Entry::kTaskPaused:
      return way{"in-progress", "on-hold"};
    case v1::Entry::kTaskResumed:
      return way{"on-hold", "in-progress"};
    case v1::Entry::kTaskCompleted:
      return way{"accepted in-progress", "completed"};
    case v1::Entry::kTaskReopened:
      return way{"completed", ""};
    case v1::Entry::kTaskFailed:
      return way{"in-progress", "failed"};
    case v1::Entry::kTaskCancelled:
      return way{"draft requested received accepted ready in-progress on-hold", "cancelled"};
    case v1::Entry::kTaskCancelAcknowledged:
      return way{"cancelled", ""};
    case v1::Entry::kTaskEscalated:
      return way{"requested received accepted ready cancelled", ""};
    case v1::Entry::kTaskMarkedInError:
      return way{"draft requested received accepted ready in-progress on-hold completed failed rejected cancelled",
                 entry.task_marked_in_error().proposed() ? "" : "entered-in-error"};
    default:
      return std::nullopt;
  }
}

bool terminal(std::string_view status) {
  return status == "completed" || status == "failed" || status == "rejected" || status == "cancelled" || status == "entered-in-error";
}

bool for_patients(v1::TaskKind kind) {
  return kind == v1::TASK_KIND_REPORT || kind == v1::TASK_KIND_UPLOAD || kind == v1::TASK_KIND_READ || kind == v1::TASK_KIND_ATTEND;
}

}  // namespace

void task_book::begin(place at, const v1::TaskOrder& order, const char* status) {
  EXPECT_FALSE(tasks_.contains(at));
  tasks_[at] = {status, order.kind(), false, false};
}

void task_book::add(const v1::Entry& entry) {
  const place here{entry.stream(), entry.seq()};
  if (entry.has_task_drafted()) return begin(here, entry.task_drafted().order(), "draft");
  if (entry.has_task_instantiated()) return begin(here, entry.task_instantiated().order(), "ready");
  if (entry.has_task_requested()) {
    EXPECT_TRUE(entry.task_requested().has_accept_by() && entry.task_requested().order().has_due()) << "a deadline is a fact";
    const auto& origin = entry.task_requested().origin();
    if (origin.rule() == v1::TASK_RULE_UNACKNOWLEDGED) {
      EXPECT_FALSE(tasks_.contains({entry.stream(), origin.seq()})) << "a message is its origin";
      const bool fresh = origin.seq() == 0 || unacknowledged_.emplace(entry.stream(), origin.seq()).second;
      EXPECT_TRUE(fresh) << "a follow-up twice (I4)";
    } else if (origin.seq() != 0) {
      const bool of_message = origin.rule() == v1::TASK_RULE_UNDELIVERED;  // Then the origin may be one.
      EXPECT_TRUE(of_message || tasks_.contains({entry.stream(), origin.seq()})) << "a successor of nothing";
      EXPECT_TRUE(successors_.emplace(entry.stream(), origin.seq(), origin.rule(), origin.ordinal()).second) << "a successor twice (I4)";
    }
    if (entry.task_requested().seq() == 0) return begin(here, entry.task_requested().order(), "requested");
  }
  const auto one = tasks_.find({entry.stream(), about(entry)});
  if (one != tasks_.end() && way_of(entry)) add_about(one->second, entry);
  if (one != tasks_.end() && entry.has_task_transferred()) handed_over_.insert(one->first);
}

void task_book::add_about(line& one, const v1::Entry& entry) {
  const auto way = *way_of(entry);
  EXPECT_NE(way.from.find(one.status), std::string_view::npos) << "no way from " << one.status << ": " << entry.DebugString();
  if (entry.has_task_cancel_acknowledged() || (entry.has_task_escalated() && one.status == "cancelled")) {
    EXPECT_TRUE(one.stopping);
  }
  if (entry.has_task_reopened()) {
    EXPECT_FALSE(one.reopened) << "reopened twice";
    one.reopened = true;
  }
  const bool takes = entry.has_task_claimed() || entry.has_task_accepted() || entry.has_task_transferred();
  const bool guest = entry.author().role() == v1::ROLE_PATIENT || entry.author().role() == v1::ROLE_CAREGIVER;
  if (takes && guest) {
    EXPECT_TRUE(for_patients(one.kind)) << "a patient owns this (I5)";
  }
  if (entry.has_task_requested()) one.kind = entry.task_requested().order().kind();
  if (!way.to.empty()) one.status = way.to;
  one.stopping = entry.has_task_cancelled() ? entry.task_cancelled().has_acknowledge_by()
                                            : one.stopping && one.status == "cancelled" && !entry.has_task_cancel_acknowledged();
}

void task_book::look(const tasks_state& tasks) {
  timers_before_.clear();
  handed_over_.clear();
  for (const auto& [at, task] : tasks.open) timers_before_[at] = task.timers;
}

void task_book::check(const tasks_state& tasks, const task_world& world) {
  std::size_t open = 0;
  for (const auto& [at, one] : tasks_) {
    if (terminal(one.status) && !one.stopping) {
      EXPECT_FALSE(tasks.open.contains(at)) << "memory holds a task that has ended";
      continue;
    }
    ++open;
    const auto state = tasks.open.find(at);
    ASSERT_NE(state, tasks.open.end()) << "an open task was lost";
    EXPECT_EQ(fhir_code(state->second.status), one.status);
    const auto person = accountable(state->second, at, world);
    EXPECT_FALSE(person.empty()) << "ownerless (I1)";
    EXPECT_TRUE(world.people.find(person)) << "owned by nobody who exists";
  }
  EXPECT_EQ(tasks.open.size(), open);
  for (const auto& at : handed_over_) {
    if (const auto task = tasks.open.find(at); task != tasks.open.end()) {
      EXPECT_EQ(task->second.timers, timers_before_[at]) << "a change of owner moved a deadline";
    }
  }
  most_open_ = std::max(most_open_, open);
}

}  // namespace careteam::care::fixture

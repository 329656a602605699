#include "property/clinic_record_keeper.hpp"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <optional>

#include "care/message_escalation.hpp"
#include "care/task_owner.hpp"

namespace careteam::care::fixture {
namespace {

/// The clocks of Chicago go back, from 02:00 to 01:00.
constexpr instant clocks_go_back{std::chrono::sys_days{std::chrono::year{2026} / 11 / 1} + std::chrono::hours{7}};

/// At which of the three local times at which shifts end it is; nothing: at none of them.
std::optional<std::chrono::hours> shift_end_hour(instant end) {
  const auto local = end - (end < clocks_go_back ? 5h : 6h);
  const auto time = local - std::chrono::floor<std::chrono::days>(local);
  for (const auto hour : {7h, 15h, 23h}) {
    if (time == hour) return hour;
  }
  return std::nullopt;
}

std::string deterministic_bytes(const v1::Entry& entry) {
  std::string bytes;
  google::protobuf::io::StringOutputStream out(&bytes);
  google::protobuf::io::CodedOutputStream coded(&out);
  coded.SetSerializationDeterministic(true);
  entry.SerializeWithCachedSizes(&coded);
  return bytes;
}

/// The tasks and messages of which the entries speak.
std::set<place> touched_by(const facts& entries) {
  std::set<place> touched;
  for (const auto& entry : entries) {
    touched.insert({entry.stream(), entry.seq()});
    touched.insert({entry.stream(), about(entry)});
    touched.insert(timed_message(entry));
  }
  return touched;
}

std::optional<instant> deadline_of(const std::map<v1::TaskTimer, task_deadline>& timers, v1::TaskTimer timer) {
  const auto found = timers.find(timer);
  return found == timers.end() ? std::nullopt : std::make_optional(found->second.at);
}

/// A further step of a ladder.
struct next_step {
  place at;
  std::uint32_t level = 0;
  std::optional<instant> ends;
};
/// Nothing: the entry begins none.
std::optional<next_step> step_begun_by(const v1::Entry& entry) {
  if (const auto& of_task = entry.task_escalated(); of_task.has_next_by()) {
    return next_step{{entry.stream(), of_task.seq()}, of_task.level(), to_instant(of_task.next_by())};
  }
  const auto& step = entry.has_message_escalated() ? entry.message_escalated().step() : entry.message_escalation_detailed().step();
  return step.has_next_by() ? std::make_optional(next_step{timed_message(entry), step.level(), to_instant(step.next_by())}) : std::nullopt;
}

/// Whether the entry changes who owns a task, and nothing else about it.
bool changes_owner(const v1::Entry& entry) {
  return entry.has_task_claimed() || entry.has_task_released() || entry.has_task_transferred() || entry.has_task_transfer_offered();
}

}  // namespace

entries_hash::entries_hash() : context_(EVP_MD_CTX_new()) {
  EXPECT_EQ(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr), 1);
}

void entries_hash::freed::operator()(evp_md_ctx_st* context) const {
  EVP_MD_CTX_free(context);
}

void entries_hash::add(const std::string& record, const v1::Entry& entry) {
  const auto bytes = deterministic_bytes(entry);
  const auto head = record + " " + std::to_string(bytes.size()) + "\n";
  EXPECT_EQ(EVP_DigestUpdate(context_.get(), head.data(), head.size()), 1);
  EXPECT_EQ(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()), 1);
}

std::string entries_hash::finished() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  EXPECT_EQ(EVP_DigestFinal_ex(context_.get(), digest.data(), &size), 1);
  std::string text;
  for (unsigned int i = 0; i < size; ++i) {
    text += "0123456789abcdef"[digest[i] >> 4];
    text += "0123456789abcdef"[digest[i] & 15];
  }
  return text;
}

clinic_record_keeper::clinic_record_keeper(const clinic_world& in) : world_(in) {
  for (const auto& entry : in.organization().log()) hash_.add(record_key(""), entry);
  for (const auto& [key, one] : in.records()) {
    for (const auto& entry : one.log()) hash_.add(key, entry);
  }
}

void clinic_record_keeper::keep(const std::string& record, const facts& entries) {
  for (const auto& entry : entries) {
    hash_.add(record, entry);
    count("entries");
  }
  const auto patient = patient_of_key(record);
  if (const auto duty = duty_of_key(record)) {
    keep_duty(*duty, entries);
  } else if (patient && !patient->empty()) {
    keep_patient(*patient, entries);
  } else {
    check_everybody();
  }
}

void clinic_record_keeper::keep_firing(const due_timer& due) {
  count("timers fired");
  EXPECT_TRUE(fired_.emplace(due.record, due.timer.id, due.timer.version).second) << due.timer.id << " fires twice";
  EXPECT_LE(due.timer.due, world_.now) << "a timer fires early";
  firing_ = due.timer.due;
}

void clinic_record_keeper::count(std::string_view what) {
  const auto found = counts_.find(what);
  found == counts_.end() ? counts_.emplace(what, 1U).first->second : ++found->second;
}

void clinic_record_keeper::keep_patient(const std::string& patient, const facts& entries) {
  auto& book = patients_[patient];
  for (const auto& entry : entries) {
    book.tasks.add(entry);
    count_task(entry);
    count_message(entry);
    check_ladder(patient, entry);
  }
  book.tasks.check(world_.patient(patient).tasks, world_.around(patient));
  check_owners(patient);
  check_deadlines(patient, entries);
  book.tasks.look(world_.patient(patient).tasks);
  look_at_deadlines(patient);
}

void clinic_record_keeper::keep_duty(const std::string& duty, const facts& entries) {
  bool others = false;
  for (const auto& entry : entries) {
    count_handoff(duty, entry);
    others = others || entry.stream() == v1::STREAM_DUTY || entry.has_patient_taken_back();
    if (!entry.has_duty_holder_changed()) continue;
    EXPECT_EQ(entry.duty_holder_changed().previous_person_id(), holders_[duty]) << "a duty has two holders";
    keep_former(duty, entry);
    holders_[duty] = entry.duty_holder_changed().person_id();
  }
  EXPECT_EQ(holders_[duty], world_.duty(duty).holder);
  if (others) check_everybody();
}

/// I1, invariant 5: every open obligation has a person.
void clinic_record_keeper::check_owners(const std::string& patient) {
  const auto& state = world_.patient(patient);
  for (const auto at : open_obligations(state)) {
    const auto person = world_.accountable_for(patient, at);
    EXPECT_TRUE(world_.people().find(person)) << patient << " " << at.seq << " is '" << person << "' to answer for";
    const auto task = state.tasks.open.find(at);
    const bool last_resort = person == world_.setting.safety_person && task != state.tasks.open.end() &&
                             candidates(task->second.order.target, at.stream, task->second.order, world_.around(patient)).empty();
    if (last_resort) count("looks at tasks of the safety person, who was not asked");
  }
}

/// A task of a duty is answered for by its holder of now, or by whoever has this patient alone, where they may.
void clinic_record_keeper::check_holders(const std::string& patient) const {
  const auto& state = world_.patient(patient);
  const auto around = world_.around(patient);
  for (const auto& [at, task] : state.tasks.open) {
    if (task.owner_duty.empty() || !task.open()) continue;
    const auto holder = holders_.find(task.owner_duty);
    if (holder == holders_.end()) continue;
    const auto& duty = world_.duty(task.owner_duty);
    const auto apart = duty.apart.find(patient);
    const bool alone = apart != duty.apart.end() && world_.people().active(apart->second.person) &&
                       !on_leave(duty.roster, apart->second.person, world_.now);
    const auto& answers = alone ? apart->second.person : holder->second;
    if (!able(answers, at.stream, task.order, around)) continue;
    EXPECT_EQ(accountable(task, at, around), answers) << patient << " " << at.seq;
  }
}

/// By the log: whoever handed the duty over, until it changes hands again, but for whoever stands in for somebody on leave.
void clinic_record_keeper::keep_former(const std::string& duty, const v1::Entry& changed) {
  auto& former = formers_[duty];
  const auto reason = changed.duty_holder_changed().reason();
  const auto& previous = changed.duty_holder_changed().previous_person_id();
  if (reason == v1::HOLDER_REASON_HANDOFF) {
    former = {previous, false};
    count("people who read on after a handoff");
  } else if (reason != v1::HOLDER_REASON_LEAVE && reason != v1::HOLDER_REASON_COVER_ENDED) {
    former = {};
  } else if (!former.on_leave && on_leave(world_.duty(duty).roster, previous, *to_instant(changed.time()))) {
    former = {previous, true};
    count("people who read on while on leave");
  }
}

/// Whoever is on a team by a duty alone reads it while they have the duty, until the next handoff after theirs, or while they are on leave
/// from it, and nobody else does.
void clinic_record_keeper::check_readers(const std::string& patient) {
  const auto& team = world_.patient(patient).team;
  std::set<std::string> reading;
  bool any = false;
  for (const auto& m : team.members) {
    if (m.duty_id.empty()) {
      reading.insert(m.person_id);
      continue;
    }
    any = true;
    const auto& duty = world_.duty(m.duty_id);
    const auto apart = duty.apart.find(patient);
    const auto& has_it = apart != duty.apart.end() ? apart->second.person : holders_[m.duty_id];
    const auto member = std::ranges::find(duty.what.members, has_it, &duty_member::person);
    const bool in_role = member != duty.what.members.end() && member->role == m.role;
    EXPECT_EQ(m.person_id, in_role ? has_it : "") << patient << " " << m.duty_id;
    count(in_role ? "looks at readers by a duty" : "looks at duties held in another role");
    reading.insert(m.person_id);
    const auto& former = formers_[m.duty_id].person;
    const auto was = std::ranges::find(duty.what.members, former, &duty_member::person);
    EXPECT_EQ(m.former_id, was != duty.what.members.end() && was->role == m.role ? former : "") << patient << " " << m.duty_id;
    reading.insert(m.former_id);
  }
  if (!any) return;
  for (const auto& id : world_.staff) {
    EXPECT_TRUE(reading.contains(id) || !may_read(team, id, v1::STREAM_CLINICAL, world_.now)) << id << " reads " << patient;
  }
}

/// Nothing was said of these patients: whoever has their duties now, their deadlines stand.
void clinic_record_keeper::check_everybody() {
  for (const auto& [patient, book] : patients_) {
    check_owners(patient);
    check_holders(patient);
    check_readers(patient);
    const auto& open = world_.patient(patient).tasks.open;
    EXPECT_EQ(open.size(), book.timers.size());
    for (const auto& [at, timers] : book.timers) {
      const auto task = open.find(at);
      EXPECT_TRUE(task != open.end() && task->second.timers == timers) << "a deadline was moved by a change of owner";
    }
  }
}

void clinic_record_keeper::check_deadlines(const std::string& patient, const facts& entries) {
  auto& book = patients_[patient];
  const auto touched = touched_by(entries);
  const auto& state = world_.patient(patient);
  std::map<place, std::optional<instant>> moved;
  for (const auto& entry : entries) {
    if (!entry.has_task_rescheduled()) continue;
    const auto& task = entry.task_rescheduled();
    moved[{entry.stream(), task.seq()}] = to_instant(task.due());
    EXPECT_EQ(to_instant(task.was_due()), (book.due[{entry.stream(), task.seq()}])) << "was due another time";
  }
  for (const auto& [at, task] : state.tasks.open) {
    const auto before = book.timers.find(at);
    if (before == book.timers.end()) continue;
    EXPECT_TRUE(touched.contains(at) || task.timers == before->second) << "a deadline of another task has moved";
    EXPECT_EQ(task.order.due, moved.contains(at) ? moved[at] : book.due[at]) << "a task is due another time";
  }
  for (const auto& entry : entries) {
    const place at{entry.stream(), about(entry)};
    const auto task = state.tasks.open.find(at);
    if (!changes_owner(entry) || task == state.tasks.open.end() || entries.size() != 1) continue;
    for (auto timer : {v1::TASK_TIMER_ACCEPT, v1::TASK_TIMER_START, v1::TASK_TIMER_DUE}) {
      EXPECT_EQ(deadline_of(task->second.timers, timer), deadline_of(book.timers[at], timer)) << "a change of owner moved a deadline";
    }
  }
  for (const auto& [at, message] : state.chat.open_messages) {
    const auto before = book.messages.find(at);
    const bool still = before == book.messages.end() || touched.contains(at) || message.ladder.due == before->second;
    EXPECT_TRUE(still) << "a deadline of another message has moved";
  }
}

/// From deadline to deadline, however late it was noticed (G5).
void clinic_record_keeper::check_ladder(const std::string& patient, const v1::Entry& entry) const {
  const auto next = firing_ ? step_begun_by(entry) : std::nullopt;
  if (!next) return;
  const auto& state = world_.patient(patient);
  const auto task = state.tasks.open.find(next->at);
  const auto priority = task != state.tasks.open.end() ? task->second.order.priority : state.chat.open_messages.at(next->at).priority;
  const auto& policy = world_.setting.policy;
  EXPECT_EQ(next->ends, policy.after(priority, *firing_, policy.times(priority).accept[next->level])) << "an outage stretches the ladder";
}

void clinic_record_keeper::look_at_deadlines(const std::string& patient) {
  auto& book = patients_[patient];
  const auto& state = world_.patient(patient);
  book.timers.clear();
  book.due.clear();
  book.messages.clear();
  for (const auto& [at, task] : state.tasks.open) {
    book.timers[at] = task.timers;
    book.due[at] = task.order.due;
  }
  for (const auto& [at, message] : state.chat.open_messages) book.messages[at] = message.ladder.due;
}

void clinic_record_keeper::check_worklists() {
  for (const auto& patient : world_.patients) {
    const auto& state = world_.patient(patient);
    for (const auto at : open_obligations(state)) {
      const auto expected = world_.accountable_for(patient, at);
      std::size_t answering = 0;
      for (const auto& [id, account] : world_.people().people) {
        const auto item = owed_by(state, at, {id, world_.people(), world_.setting, world_.now});
        if (!item || item->how != standing::answers) continue;
        ++answering;
        // A message to several has one for each of its mentions.
        EXPECT_TRUE(id == expected || item->kind != obligation_kind::task)
            << patient << " " << at.seq << " is " << expected << "'s, not " << id;
        const auto keys = owner_keys(id, world_.setting, world_.now);
        const auto rows = obligation_rows(state, at);
        const bool found = std::ranges::any_of(rows, [&](const auto& row) { return std::ranges::find(keys, row.owner) != keys.end(); });
        EXPECT_TRUE(found || answers_for_the_rest(state, id, world_.setting)) << id << " would not find what they owe";
      }
      const auto& team = state.team;
      const bool reads = world_.people().active(expected) && may_read(team, expected, at.stream, world_.now);
      const auto* message = state.chat.message(at);
      const bool several = message != nullptr && message->addressees.size() > 1;
      EXPECT_TRUE(several || answering == (reads ? 1U : 0U)) << patient << " " << at.seq << " is " << expected << "'s";
      count("obligations on worklists");
    }
  }
}

void clinic_record_keeper::check_replay() const {
  for (const auto& [key, one] : world_.records()) {
    auto anew = new_record(key), resumed = new_record(key);
    ASSERT_TRUE(anew && resumed);
    const auto half = one.log().size() / 2;
    for (std::size_t i = 0; i < one.log().size(); ++i) {
      apply(*anew, one.log()[i]);
      if (i + 1 == half) resumed = from_snapshot(to_snapshot(*anew));
      ASSERT_TRUE(resumed);
      if (i + 1 > half) apply(*resumed, one.log()[i]);
    }
    EXPECT_TRUE(*anew == one.state()) << key << " is another one when it is folded from nothing";
    EXPECT_TRUE(*resumed == one.state()) << key << " is another one when it goes on from a snapshot";
    EXPECT_EQ(to_snapshot(*anew), to_snapshot(*resumed)) << key;
  }
}

std::size_t clinic_record_keeper::counted(std::string_view what) const {
  const auto found = counts_.find(what);
  return found == counts_.end() ? 0 : found->second;
}

void clinic_record_keeper::tell(std::ostream& out) const {
  for (const auto& [what, times] : counts_) out << "  " << what << ": " << times << "\n";
}

void clinic_record_keeper::count_task(const v1::Entry& entry) {
  switch (entry.fact_case()) {
    case v1::Entry::kTaskRequested:
      if (entry.task_requested().has_protocol()) return count("tasks of protocols");
      return count(entry.task_requested().has_origin() ? "tasks that follow others" : "tasks");
    case v1::Entry::kTaskRescheduled:
      return count("tasks moved with their cycle");
    case v1::Entry::kProtocolStarted:
      return count("protocols");
    case v1::Entry::kProtocolCycleMoved:
      return count("cycles moved");
    case v1::Entry::kProtocolStopped:
      return count(entry.author().person_id().empty() ? "protocols of the dead that were stopped" : "protocols stopped");
    case v1::Entry::kTaskClaimed:
      return count("claims");
    case v1::Entry::kTaskReleased:
      return count(entry.task_released().expired() ? "claims that expired" : "claims given back");
    case v1::Entry::kTaskAccepted:
      return count("tasks accepted");
    case v1::Entry::kTaskReadBackMismatched:
      return count("read-backs that differ");
    case v1::Entry::kTaskDeclined:
      return count(entry.task_declined().rejected() ? "tasks rejected by the last" : "tasks declined");
    case v1::Entry::kTaskResumed:
      return count(entry.task_resumed().expired() ? "pauses that were over" : "tasks resumed");
    case v1::Entry::kTaskCompleted:
      return count("tasks completed");
    case v1::Entry::kTaskReopened:
      return count("tasks reopened");
    case v1::Entry::kTaskFailed:
      return count("tasks failed");
    case v1::Entry::kTaskCancelled:
      return count("tasks cancelled");
    case v1::Entry::kTaskCancelAcknowledged:
      return count("stops acknowledged");
    case v1::Entry::kTaskTransferred:
      return count("tasks taken over");
    case v1::Entry::kTaskEscalated:
      return count(entry.task_escalated().no_response() ? "tasks without response" : "task escalations");
    default:
      return;
  }
}

void clinic_record_keeper::count_message(const v1::Entry& entry) {
  switch (entry.fact_case()) {
    case v1::Entry::kMessagePosted:
      return count("messages");
    case v1::Entry::kMessageAcknowledged:
      return count("acknowledgements");
    case v1::Entry::kMessageRetracted:
      return count("messages retracted");
    case v1::Entry::kMessageEscalated:
      if (!entry.message_escalated().has_step()) return;
      return count(entry.message_escalated().step().no_response() ? "messages without response" : "message escalations");
    case v1::Entry::kMessageEscalationDetailed:
      return count("escalations out of the patient's sight");
    case v1::Entry::kDutyUncovered:
      return count("calls to uncovered duties");
    default:
      return;
  }
}

void clinic_record_keeper::count_handoff(const std::string& duty, const v1::Entry& entry) {
  switch (entry.fact_case()) {
    case v1::Entry::kHandoffPrepared: {
      count("handoffs");
      const auto end = *to_instant(entry.handoff_prepared().shift_end());
      const auto hour = shift_end_hour(end);
      if (!hour || !shifts_.emplace(duty, end).second) return;
      count("shift ends");
      if (*hour == 7h) count(end < clocks_go_back ? "nights that end in summer time" : "nights that end in winter time");
      return;
    }
    case v1::Entry::kHandoffDeltaShown:
      return count("handoffs with a delta");
    case v1::Entry::kHandoffCompleted:
      return count(entry.handoff_completed().unwitnessed_by_sender() ? "handoffs confirmed by the lead" : "handoffs confirmed");
    case v1::Entry::kHandoffEnded:
      return count("handoffs that came to nothing");
    case v1::Entry::kHandoffDelayed:
      return count("handoffs into another shift");
    case v1::Entry::kPatientSetApart:
      return count("patients who were declined");
    case v1::Entry::kPatientTakenBack:
      return count("patients who were taken back");
    case v1::Entry::kDutyHolderChanged:
      return count("holders by " + v1::HolderReason_Name(entry.duty_holder_changed().reason()));
    case v1::Entry::kDutyReminded:
      return count("reminders of " + v1::DutyTimer_Name(entry.duty_reminded().timer()));
    case v1::Entry::kTurnsSwapped:
      return count("turns swapped");
    case v1::Entry::kLeaveEntered:
      return count("leaves");
    case v1::Entry::kLeaveEnded:
      return count("leaves that ended early");
    case v1::Entry::kCoverageGapNear:
      return count("gaps that came near");
    default:
      return;
  }
}

}  // namespace careteam::care::fixture

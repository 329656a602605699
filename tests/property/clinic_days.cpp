#include "property/clinic_days.hpp"

#include <algorithm>

#include "care/business_calendar.hpp"

namespace careteam::care::fixture {
namespace {

/// How soon somebody who does not forget it looks at something.
struct patience {
  std::chrono::minutes least, most, forgotten;
};
patience patience_for(v1::Priority priority) {
  switch (priority) {
    case v1::PRIORITY_STAT:
      return {1min, 6min, 40min};
    case v1::PRIORITY_ASAP:
      return {2min, 20min, 2h};
    case v1::PRIORITY_URGENT:
      return {10min, 90min, 6h};
    default:
      return {1h, 25h, 90h};
  }
}

std::vector<std::string> may_be_asked(const clinic_world& in, const std::string& patient, place at) {
  std::vector<std::string> result;
  for (const auto& id : in.staff) {
    if (owed_by(in.patient(patient), at, {id, in.people(), in.setting, in.now})) result.push_back(id);
  }
  return result;
}

bool is_open(const record_state& state, place at) {
  const auto message = state.chat.open_messages.find(at);
  return state.tasks.open.contains(at) || (message != state.chat.open_messages.end() && message->second.open());
}

v1::Priority priority_of(const record_state& state, place at) {
  const auto task = state.tasks.open.find(at);
  return task != state.tasks.open.end() ? task->second.order.priority : state.chat.open_messages.at(at).priority;
}

std::string requester_of(const driven_record& record, place task) {
  const auto begins = [&](const v1::Entry& entry) { return entry.stream() == task.stream && entry.seq() == task.seq; };
  const auto found = std::ranges::find_if(record.log(), begins);
  return found == record.log().end() ? std::string() : found->task_requested().requester_person_id();
}

}  // namespace

clinic_days::clinic_days(std::uint64_t seed) : world_(forty_patients(seed), seed), keeper_(world_), roll_(world_.roll) {
  absl::TimeZone zone;
  EXPECT_TRUE(absl::LoadTimeZone("America/Chicago", &zone));
  const auto calendar = business_calendar::read(zone, {"mon-fri 08:00-17:00"}, {}).value();
  world_.setting.policy.business = [calendar](instant t, std::chrono::microseconds time) { return calendar.add(t, time); };
  world_.committed = [this](const std::string& record, const facts& entries) { notice(record, entries); };
  make_rosters();
  for (const auto& patient : world_.patients) later(0min, 6h, [=, this] { is_asked(patient); });
  again_and_again(4h, 14h, &clinic_days::goes_on_leave);
  again_and_again(30h, 120h, &clinic_days::swaps_turns);
  again_and_again(8h, 30h, &clinic_days::falls_ill);
  again_and_again(2h, 8h, &clinic_days::leaves_a_team);
  again_and_again(30h, 90h, &clinic_days::is_suspended);
  again_and_again(20h, 60h, &clinic_days::nobody_is_left);
  again_and_again(40h, 120h, &clinic_days::outage);
  again_and_again(3h, 9h, &clinic_days::leads_look);
  again_and_again(2h, 12h, &clinic_days::starts_protocol);
  again_and_again(6h, 20h, &clinic_days::moves_cycle);
  again_and_again(20h, 60h, &clinic_days::stops_protocol);
  again_and_again(60h, 200h, &clinic_days::dies);
  again_and_again(8h, 8h, &clinic_days::looks_around);
}

void clinic_days::later(std::chrono::seconds from, std::chrono::seconds to, happening what) {
  const auto some = roll_.below(static_cast<std::size_t>((to - from).count()) + 1);
  ahead_.emplace(world_.now + from + std::chrono::seconds(some), std::move(what));
}

void clinic_days::again_and_again(std::chrono::seconds from, std::chrono::seconds to, void (clinic_days::*what)()) {
  later(from, to, [=, this] {
    (this->*what)();
    again_and_again(from, to, what);
  });
}

void clinic_days::run(std::chrono::hours length) {
  const auto end = world_.now + length;
  while (!ahead_.empty() && !::testing::Test::HasFailure()) {
    const auto next = std::max(world_.now, ahead_.begin()->first);
    const auto due = world_.next_due();
    if (std::min(next, due ? due->timer.due : next) > end) return;
    // Whatever is due comes first: after an outage all of it.
    if (due && due->timer.due <= next) {
      fires(*due);
    } else {
      happens();
    }
  }
  if (::testing::Test::HasFailure()) ADD_FAILURE() << "at " << utc_text(world_.now);
}

void clinic_days::fires(const due_timer& due) {
  if (were_due_.erase({due.record, due.timer.id, due.timer.version}) > 0) {
    EXPECT_GE(due.timer.due, last_due_) << "not in the order of the deadlines";
    last_due_ = due.timer.due;
    keeper_.count("timers fired after an outage");
  }
  world_.now = std::max(world_.now, due.timer.due);
  keeper_.keep_firing(due);
  world_.fire(due);
  keeper_.keep_fired();
}

void clinic_days::happens() {
  auto next = ahead_.extract(ahead_.begin());
  world_.now = std::max(world_.now, next.key());
  next.mapped()();
}

/// Nothing fires and nobody acts; the process then comes back with what is stored. People go on one after the other.
void clinic_days::outage() {
  world_.now += std::chrono::minutes(10 + roll_.below(471));
  keeper_.count("outages");
  world_.crash();
  were_due_.clear();
  last_due_ = instant::min();
  for (const auto& [key, one] : world_.records()) {
    for (const auto& [id, timer] : one.state().timers.pending()) {
      if (timer.due <= world_.now) were_due_.emplace(key, id, timer.version);
    }
  }
  while (!ahead_.empty() && ahead_.begin()->first < world_.now) {
    auto missed = ahead_.extract(ahead_.begin());
    missed.key() = world_.now + std::chrono::seconds(1 + roll_.below(1'200));
    ahead_.insert(std::move(missed));
  }
}

void clinic_days::looks_around() {
  keeper_.check_worklists();
}

void clinic_days::is_asked(const std::string& patient) {
  later(1h, 9h, [=, this] { is_asked(patient); });
  const auto who = roll_.percent(40) ? world_.patient(patient).team.attending : roll_.of(world_.staff);
  if (away(who)) return;
  const auto stream = roll_.percent(85) ? clinical : support;
  const auto done = world_.patient_does(patient, person(who), roll_.percent(50) ? new_message(patient) : new_task(stream));
  if (!done) keeper_.count("requests refused");
}

v1::Command clinic_days::new_message(const std::string& patient) {
  const auto priority = static_cast<v1::Priority>(1 + roll_.below(4));
  if (roll_.percent(10)) return post(shared).priority(priority).to(roll_.percent(50) ? patient : roll_.of(world_.staff));
  auto said = post(clinical).priority(priority);
  const auto chance = roll_.below(100);
  if (chance < 60) return said.to_duty(roll_.of(world_.duties));
  if (chance < 75) return said.to(v1::ROLE_ONCOLOGY_NURSE);
  said.to(roll_.of(world_.staff));
  if (chance >= 90) said.to_duty(roll_.of(world_.duties));
  return said;
}

v1::Command clinic_days::new_task(v1::Stream stream) {
  task asked;
  asked.priority(static_cast<v1::Priority>(1 + roll_.below(4)));
  const auto chance = roll_.below(100);
  if (chance < 65) {
    asked.to_duty(roll_.of(world_.duties));
  } else if (chance < 80) {
    asked.to(v1::ROLE_ONCOLOGY_NURSE);
  } else {
    asked.to(roll_.of(world_.staff));
  }
  if (roll_.percent(40)) asked.then_duty(roll_.of(world_.duties));
  if (roll_.percent(20)) asked.then(roll_.of(world_.staff));
  if (roll_.percent(25)) asked.fact("dose", "75", "mg").read_back();
  if (roll_.percent(20)) asked.output("call");
  return request(stream, asked);
}

void clinic_days::notice(const std::string& record, const facts& entries) {
  keeper_.keep(record, entries);
  const auto duty = duty_of_key(record);
  const auto patient = patient_of_key(record);
  for (const auto& entry : entries) {
    if (duty) notice_in_duty(*duty, entry);
    if (patient && !patient->empty()) notice_in_patient(*patient, entry);
  }
}

void clinic_days::notice_in_patient(const std::string& patient, const v1::Entry& entry) {
  const place at{entry.stream(), entry.seq()};
  if (entry.has_task_requested() || entry.has_message_posted()) {
    if (is_open(world_.patient(patient), at)) expect(patient, at, priority_of(world_.patient(patient), at));
    return;
  }
  if (!entry.has_task_completed()) return;
  const place ended{entry.stream(), entry.task_completed().seq()};
  if (roll_.percent(10)) later(1min, 40h, [=, this] { tries_what_is_over(patient, ended); });
  if (!roll_.percent(4)) return;
  const auto requester = requester_of(world_.record(record_key(patient)), ended);
  later(1h, 30h, [=, this] { (void)world_.patient_does(patient, person(requester), reopen(ended)); });
}

void clinic_days::expect(const std::string& patient, place at, v1::Priority priority) {
  const auto how = patience_for(priority);
  const auto from = roll_.percent(7) ? how.forgotten : how.least;
  later(from, from + how.most, [=, this] { look(patient, at); });
}

void clinic_days::look(const std::string& patient, place at) {
  if (!is_open(world_.patient(patient), at)) return;
  const auto how = patience_for(priority_of(world_.patient(patient), at));
  auto who = world_.accountable_for(patient, at);
  if (roll_.percent(15)) {
    const auto asked = may_be_asked(world_, patient, at);
    if (!asked.empty()) who = roll_.of(asked);
  }
  if (away(who) || roll_.percent(12)) {
    keeper_.count("looks in vain");
  } else if (!roll_.percent(4) || !gives_up(patient, at)) {
    acts(patient, at, who);
  }
  // Whoever has claimed it, or does it, has it before their eyes.
  const auto task = world_.patient(patient).tasks.open.find(at);
  const bool at_it = task != world_.patient(patient).tasks.open.end() && !task->second.owner.empty() && roll_.percent(85);
  later(at_it ? 20s : std::chrono::seconds(how.least), std::chrono::seconds(at_it ? 2min : how.most), [=, this] { look(patient, at); });
}

/// Whoever asked, or the attending, needs it no more.
bool clinic_days::gives_up(const std::string& patient, place at) {
  const auto& state = world_.patient(patient);
  const auto task = state.tasks.open.find(at);
  const auto done =
      task == state.tasks.open.end()
          ? world_.patient_does(patient, person(state.chat.message(at)->author), retract(at.stream, at.seq))
          : world_.patient_does(patient, person(roll_.percent(50) ? task->second.requester : state.team.attending), cancel(at));
  return static_cast<bool>(done);
}

void clinic_days::acts(const std::string& patient, place at, const std::string& who) {
  const auto& state = world_.patient(patient);
  const auto task = state.tasks.open.find(at);
  if (task == state.tasks.open.end()) {
    const auto done = world_.patient_does(patient, person(who), acknowledge(at.stream, at.seq, state.chat.message(at)->revision_seq));
    return keeper_.count(done ? "steps done" : "steps refused");
  }
  const auto& offered = task->second.offered_to;
  const bool takes = !offered.empty() && !away(offered) && roll_.percent(60);
  const auto command = takes ? take_over(at) : next_step(at, task->second);
  if (!command) return keeper_.count("steps left undone");
  const auto done = world_.patient_does(patient, person(takes ? offered : who), *command);
  keeper_.count(done ? "steps done" : "steps refused");
}

std::optional<v1::Command> clinic_days::next_step(place at, const task_state& task) {
  const auto chance = roll_.below(100);
  const auto done = [&] { return task.order.required_outputs.empty() ? complete(at) : with_output(complete(at), "call"); };
  switch (task.status) {
    case v1::TASK_STATUS_REQUESTED:
      return chance < 45 ? claim(at) : chance < 85 ? accepts(at, task.order) : decline(at);
    case v1::TASK_STATUS_RECEIVED:
      if (chance < 20) return std::nullopt;
      return chance < 35 ? release(at) : chance < 42 ? decline(at) : accepts(at, task.order);
    case v1::TASK_STATUS_ACCEPTED:
    case v1::TASK_STATUS_READY:
      return chance < 10 ? offer(at, roll_.of(world_.staff)) : chance < 20 ? done() : start(at);
    case v1::TASK_STATUS_IN_PROGRESS:
      if (chance < 10) return fail(at);
      if (chance < 25) return pause(at, world_.now + std::chrono::minutes(5 + roll_.below(90)));
      return chance < 32 ? offer(at, roll_.of(world_.staff)) : done();
    case v1::TASK_STATUS_ON_HOLD:
      if (chance < 60) return std::nullopt;
      return resume(at);
    default:
      return acknowledge_cancel(at);
  }
}

v1::Command clinic_days::accepts(place at, const task_order& order) {
  auto command = accept(at);
  if (order.read_back) command = reading_back(std::move(command), "dose", roll_.percent(15) ? "57" : "75", "mg");
  return command;
}

/// I2: what has ended stays so.
void clinic_days::tries_what_is_over(const std::string& patient, place at) {
  for (const auto& command : {claim(at), accept(at), start(at), complete(at), fail(at), cancel(at)}) {
    EXPECT_FALSE(world_.patient_does(patient, person(world_.patient(patient).team.attending), command)) << command.DebugString();
  }
  keeper_.count("tries at what is over");
}

}  // namespace careteam::care::fixture

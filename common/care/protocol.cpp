#include "care/protocol.hpp"

#include <algorithm>
#include <utility>

#include "care/duty_messages.hpp"
#include "care/protocol_schedule.hpp"
#include "care/task_decisions.hpp"
#include "care/task_owner.hpp"

namespace careteam::care {
namespace {

using settled_days = google::protobuf::RepeatedPtrField<v1::ProtocolDay>;

/// One command on one protocol that goes on, by whoever may change it.
struct protocol_case {
  protocol_key key;
  const protocol_state& protocol;
  absl::TimeZone zone;
  const tasks_state& tasks;
  const task_context& context;
};

/// A protocol is speaking in its stream, and a matter of all of it: whoever sees only a part of it changes none. So no answer tells of one
/// that they do not see.
outcome<void> check_place(v1::Stream stream, const actor& who, const task_context& context, const std::string& field) {
  if (auto may = check_post(stream, who, context.team, context.now, field); !may) return may;
  if (stream == v1::STREAM_SHARED) return refuse(code::invalid_argument, field, "must be CLINICAL or SUPPORT: a protocol is the staff's");
  if (who.system) return {};
  if (!is_staff(context.team, who.person_id, context.now) || readable_from(context.team, who.person_id, stream, context.now) != 1) {
    return refuse(code::permission_denied, field, "is for the team's staff who read the whole stream");
  }
  return {};
}

bool may_ask_for(const protocol_state& protocol, const actor& who) {
  return who.system || std::ranges::all_of(protocol.items, [&](const protocol_item& item) {
           return may_create(who.chosen_role, item.order.kind, item.order.priority);
         });
}

outcome<protocol_case> find_protocol(const protocols_state& state, const v1::ProtocolRef& ref, const tasks_state& tasks, const actor& who,
                                     const task_context& context, const std::string& action) {
  if (auto may = check_place(ref.stream(), who, context, action + ".protocol.stream"); !may) return may.error();
  const std::string field = action + ".protocol.protocolId";
  protocol_key key{ref.stream(), ref.protocol_id()};
  const auto running = state.running.find(key);
  if (running == state.running.end()) {
    if (state.ended.contains(key)) return refuse(code::failed_precondition, field, "has ended");
    return refuse(code::not_found, field, "no such protocol in this stream");
  }
  if (!may_ask_for(running->second, who)) return refuse(code::permission_denied, field, "this role may not ask for such tasks");
  if (ref.expected_version() != 0 && ref.expected_version() != running->second.version) {
    return refuse(code::aborted, action + ".protocol.expectedVersion",
                  "the protocol has changed; it is at version " + std::to_string(running->second.version));
  }
  const auto zone = zone_named(running->second.zone);
  if (!zone) return refuse(code::unavailable, field, "its time zone cannot be read on this machine");
  return protocol_case{std::move(key), running->second, *zone, tasks, context};
}

outcome<void> check_ids(const protocols_state& state, const protocol_key& key) {
  static constexpr std::string_view field = "startProtocol.plan.protocolId";
  if (state.running.contains(key) || state.ended.contains(key)) {
    return refuse(code::already_exists, field, "is a protocol's in this stream already");
  }
  const auto going_on = std::ranges::count_if(state.running, [&](const auto& one) { return one.first.stream == key.stream; });
  const auto ended = std::ranges::count_if(state.ended, [&](const protocol_key& one) { return one.stream == key.stream; });
  if (static_cast<std::size_t>(going_on) >= max_protocols) {
    return refuse(code::resource_exhausted, "startProtocol", "as many protocols as there can be go on in this stream");
  }
  if (static_cast<std::size_t>(ended) >= max_ended_protocols) {
    return refuse(code::resource_exhausted, "startProtocol", "this stream has had as many protocols as it can have");
  }
  return {};
}

/// Settles those of them whose day is over, and says so.
template <class Which>
void settle_passed(protocol_state& protocol, settled_days& to, const absl::TimeZone& zone, instant now, const Which& which) {
  for (const auto& one : occasions(protocol)) {
    if (!which(one) || protocol.settled.contains(one) || !is_over(protocol, one, zone, now)) continue;
    protocol.settled.emplace(one, 0);
    put_occasion(*to.Add(), protocol, one);
  }
}

template <class Fact>
void set_next(Fact& to, const protocol_state& protocol, const absl::TimeZone& zone) {
  if (const auto next = next_of(protocol, zone)) set_timestamp(*to.mutable_next_at(), *next);
}

outcome<facts> start_protocol(const protocols_state& state, const v1::StartProtocol& asked, const actor& who, const task_context& context) {
  const auto& plan = asked.plan();
  if (auto may = check_place(asked.stream(), who, context, "startProtocol.stream"); !may) return may.error();
  if (auto alive = check_alive(context.team.patient_id, context.team, context.people, "patientId"); !alive) return alive.error();
  if (auto shape = check_plan(plan, "startProtocol.plan"); !shape) return shape.error();
  for (int i = 0; i < plan.items_size(); ++i) {
    const auto path = "startProtocol.plan.items[" + std::to_string(i) + "].order";
    if (const auto order = check_asking(asked.stream(), plan.items(i).order(), who, context, path); !order) return order.error();
  }
  if (auto ids = check_ids(state, {asked.stream(), plan.protocol_id()}); !ids) return ids.error();
  auto protocol = protocol_of(plan);
  const auto zone = zone_named(protocol.zone);
  facts result;
  auto& started = *add_fact(result, asked.stream()).mutable_protocol_started();
  put_plan(*started.mutable_plan(), protocol, plan.protocol_id(), context.team.patient_id);
  settle_passed(protocol, *started.mutable_passed(), *zone, context.now, [](const protocol_occasion&) { return true; });
  if (!next_of(protocol, *zone)) return refuse(code::failed_precondition, "startProtocol.plan.day1", "all its days are over");
  set_next(started, protocol, *zone);
  return result;
}

/// Asked for, and begun by nobody yet: what a person does now is not moved under their hands.
bool can_move(const task_state& task) {
  return task.status == v1::TASK_STATUS_REQUESTED || task.status == v1::TASK_STATUS_RECEIVED || task.status == v1::TASK_STATUS_ACCEPTED;
}

void add_rescheduled(facts& to, const protocol_case& one, std::uint64_t seq, const task_state& task, instant due,
                     const std::string& reason) {
  auto& moved = *add_fact(to, one.key.stream).mutable_task_rescheduled();
  moved.set_seq(seq);
  moved.set_protocol_id(one.key.id);
  moved.set_reason(reason);
  set_timestamp(*moved.mutable_due(), due);
  set_timestamp(*moved.mutable_was_due(), *task.order.due);
  const auto start = task.timers.find(v1::TASK_TIMER_START);
  if (start == task.timers.end()) return;
  const bool later = due > *task.order.due;
  set_timestamp(*moved.mutable_start_by(), later ? start->second.at + (due - *task.order.due) : std::min(start->second.at, due));
}

outcome<facts> move(const protocol_case& one, const v1::MoveCycle& asked) {
  if (auto reason = check_text(asked.reason(), "moveCycle.reason", max_reason_bytes); !reason) return reason.error();
  const auto& before = one.protocol;
  if (asked.cycle() < 1 || asked.cycle() > before.day1.size()) {
    return refuse(code::invalid_argument, "moveCycle.cycle", "there is no such cycle");
  }
  const auto day1 = day_of(asked.day1());
  if (!day1) return refuse(code::invalid_argument, "moveCycle.day1", "is no date such as \"2026-12-25\"");
  if (asked.cycle() > 1 && *day1 <= before.day1[asked.cycle() - 2]) {
    return refuse(code::failed_precondition, "moveCycle.day1", "must come after day 1 of the cycle before");
  }
  const auto was = before.day1[asked.cycle() - 1];
  if (*day1 == was) return facts{};
  auto after = before;
  move_cycle(after, asked.cycle(), *day1);
  if ((after.day1.back() + after.cycle_days).year() >= 2200) {
    return refuse(code::invalid_argument, "moveCycle.day1", "the last cycle must end before 2200");
  }
  const auto moves = [&](const protocol_occasion& day) { return moves_with(asked.cycle(), day); };
  facts result;
  auto& moved = *add_fact(result, one.key.stream).mutable_protocol_cycle_moved();
  moved.set_protocol_id(one.key.id);
  moved.set_cycle(asked.cycle());
  moved.set_day1(asked.day1());
  moved.set_was_day1(text_of(was));
  moved.set_reason(asked.reason());
  settle_passed(after, *moved.mutable_passed(), one.zone, one.context.now, moves);
  set_next(moved, after, one.zone);
  for (const auto& [day, seq] : after.settled) {
    const auto open = one.tasks.open.find({one.key.stream, seq});
    if (!moves(day) || open == one.tasks.open.end() || !can_move(open->second)) continue;
    const auto due = due_from(after, day, one.zone, one.context.now, one.context.setting.policy);
    if (due != open->second.order.due) add_rescheduled(result, one, seq, open->second, due, asked.reason());
  }
  return result;
}

outcome<facts> stop(const protocol_case& one, const v1::StopProtocol& asked, const actor& who) {
  if (auto reason = check_text(asked.reason(), "stopProtocol.reason", max_reason_bytes); !reason) return reason.error();
  facts result;
  auto& stopped = *add_fact(result, one.key.stream).mutable_protocol_stopped();
  stopped.set_protocol_id(one.key.id);
  stopped.set_reason(asked.reason());
  // T14 by the system, for the person who stops the protocol: whoever is doing one of its tasks says that they stopped.
  const actor by{who.person_id, who.chosen_role, true};
  v1::CancelTask cancel;
  cancel.set_reason(asked.reason());
  for (const auto& [day, seq] : one.protocol.settled) {
    const auto open = one.tasks.open.find({one.key.stream, seq});
    if (open == one.tasks.open.end() || is_terminal(open->second.status)) continue;
    auto cancelled = cancel_task({open->first, open->second, by, one.context, "stopProtocol"}, cancel);
    if (!cancelled) return cancelled.error();
    result.insert(result.end(), std::make_move_iterator(cancelled->begin()), std::make_move_iterator(cancelled->end()));
  }
  return result;
}

/// What cannot be told to anybody who is on leave is asked of the duty to turn to, where somebody has it who may own the task (B6).
void turn_to_duty(task_order& order, v1::Stream stream, const task_context& context) {
  if (context.setting.duties == nullptr || order.target.person.empty()) return;
  const auto away = context.setting.duties->absence_of(order.target.person, context.now);
  if (!away) return;
  const task_target duty{{}, v1::ROLE_UNSPECIFIED, away->duty_id};
  if (!candidates(duty, stream, order, world_of(context)).empty()) order.target = duty;
}

void add_task_of(facts& to, const protocol_case& one, const protocol_occasion& day) {
  auto order = one.protocol.items[day.item].order;
  turn_to_duty(order, one.key.stream, one.context);
  order.due = due_from(one.protocol, day, one.zone, one.context.now, one.context.setting.policy);
  auto& occasion = *add_task(to, one.key.stream, one.protocol.starter, order, one.context).mutable_protocol();
  occasion.set_protocol_id(one.key.id);
  put_occasion(*occasion.mutable_day(), one.protocol, day);
  set_timestamp(*occasion.mutable_scheduled(), scheduled_at(one.protocol, day, one.zone));
}

outcome<facts> fire(const protocols_state& state, const v1::FireProtocolTimer& asked, const tasks_state& tasks, const actor& who,
                    const task_context& context) {
  if (!who.system) return refuse(code::permission_denied, "action", "is for the server only");
  const protocol_key key{asked.protocol().stream(), asked.protocol().protocol_id()};
  const auto running = state.running.find(key);
  // Whatever was stopped or moved meanwhile has no such timer any more: nothing to change.
  if (running == state.running.end()) return facts{};
  const auto& protocol = running->second;
  if (!protocol.next || protocol.version != asked.protocol().expected_version() || protocol.turn != asked.turn()) return facts{};
  if (context.people.deceased(context.team.patient_id)) {
    v1::StopProtocol end;
    end.set_reason(std::string(deceased_reason));
    return stop({key, protocol, {}, tasks, context}, end, who);
  }
  if (context.now < *protocol.next) return refuse(code::failed_precondition, "fireProtocolTimer", "is not due yet");
  const auto zone = zone_named(protocol.zone);
  if (!zone) return refuse(code::unavailable, "fireProtocolTimer", "the protocol's time zone cannot be read on this machine");
  // From turn to turn, not all that is due when it is noticed: a night without the server changes no order (G5).
  std::vector<std::pair<instant, protocol_occasion>> due;
  for (const auto& one : occasions(protocol)) {
    if (protocol.settled.contains(one)) continue;
    if (const auto at = asked_at(protocol, one, *zone); at <= *protocol.next) due.emplace_back(at, one);
  }
  std::ranges::sort(due);
  auto after = protocol;
  facts result;
  for (const auto& [at, one] : due) {
    add_task_of(result, {key, protocol, *zone, tasks, context}, one);
    after.settled.emplace(one, 0);
  }
  auto& advanced = *add_fact(result, key.stream).mutable_protocol_advanced();
  advanced.set_protocol_id(key.id);
  set_next(advanced, after, *zone);
  return result;
}

template <class Fact>
void apply_next(protocol_state& protocol, const Fact& fact) {
  protocol.next.reset();
  if (fact.has_next_at()) protocol.next = to_instant(fact.next_at());
}

void apply_passed(protocol_state& protocol, const settled_days& passed) {
  for (const auto& day : passed) {
    if (const auto one = occasion_of(protocol, day)) protocol.settled.emplace(*one, 0);
  }
}

void begin(protocols_state& state, const v1::Entry& entry) {
  const auto& started = entry.protocol_started();
  auto protocol = protocol_of(started.plan());
  protocol.starter = entry.author().person_id();
  protocol.version = 1;
  apply_passed(protocol, started.passed());
  apply_next(protocol, started);
  state.running.insert_or_assign({entry.stream(), started.plan().protocol_id()}, std::move(protocol));
}

void apply_to(protocol_state& protocol, const v1::Entry& entry) {
  if (entry.has_protocol_advanced()) {
    ++protocol.turn;
    apply_next(protocol, entry.protocol_advanced());
    return;
  }
  const auto& moved = entry.protocol_cycle_moved();
  const auto day1 = day_of(moved.day1());
  if (!day1 || moved.cycle() < 1 || moved.cycle() > protocol.day1.size()) return;
  ++protocol.version;
  move_cycle(protocol, moved.cycle(), *day1);
  apply_passed(protocol, moved.passed());
  apply_next(protocol, moved);
}

/// A task that a protocol asked for is its occasion's; one that was reopened goes on as another.
void note_task(protocols_state& state, const v1::Entry& entry) {
  const auto& requested = entry.task_requested();
  if (requested.has_protocol()) {
    const auto running = state.running.find({entry.stream(), requested.protocol().protocol_id()});
    if (running == state.running.end()) return;
    if (const auto one = occasion_of(running->second, requested.protocol().day())) running->second.settled[*one] = entry.seq();
    return;
  }
  if (requested.origin().rule() != v1::TASK_RULE_REOPENED) return;
  for (auto& [key, protocol] : state.running) {
    if (key.stream != entry.stream()) continue;
    for (auto& [day, seq] : protocol.settled) {
      if (seq == requested.origin().seq()) seq = entry.seq();
    }
  }
}

/// Those of this stream that have asked for all, and of which nothing is open.
void end_finished(protocols_state& state, const tasks_state& tasks, v1::Stream stream) {
  std::erase_if(state.running, [&](const auto& running) {
    const auto& [key, protocol] = running;
    if (key.stream != stream || protocol.next) return false;
    const bool open = std::ranges::any_of(protocol.settled, [&](const auto& one) { return tasks.open.contains({stream, one.second}); });
    if (!open) state.ended.insert(key);
    return !open;
  });
}

}  // namespace

bool on_protocols(v1::Command::ActionCase action) {
  return action >= v1::Command::kStartProtocol && action <= v1::Command::kFireProtocolTimer;
}

outcome<facts> decide_protocol(const protocols_state& state, const tasks_state& tasks, const v1::Command& command, const actor& who,
                               const task_context& context) {
  if (command.has_start_protocol()) return start_protocol(state, command.start_protocol(), who, context);
  if (command.has_fire_protocol_timer()) return fire(state, command.fire_protocol_timer(), tasks, who, context);
  const bool moving = command.has_move_cycle();
  const auto& ref = moving ? command.move_cycle().protocol() : command.stop_protocol().protocol();
  const auto one = find_protocol(state, ref, tasks, who, context, moving ? "moveCycle" : "stopProtocol");
  if (!one) return one.error();
  return moving ? move(*one, command.move_cycle()) : stop(*one, command.stop_protocol(), who);
}

void apply_protocols(protocols_state& state, const tasks_state& tasks, const v1::Entry& entry) {
  if (entry.has_protocol_started()) return begin(state, entry);
  if (state.running.empty()) return;
  if (entry.has_protocol_stopped()) {
    auto stopped = state.running.extract({entry.stream(), entry.protocol_stopped().protocol_id()});
    if (stopped) state.ended.insert(stopped.key());
    return;
  }
  if (entry.has_task_requested()) note_task(state, entry);
  const auto about = timed_protocol(entry);
  if (const auto running = state.running.find(about); running != state.running.end()) apply_to(running->second, entry);
  if (!about.id.empty() || about_task(entry) != 0) end_finished(state, tasks, entry.stream());
}

protocol_key timed_protocol(const v1::Entry& entry) {
  switch (entry.fact_case()) {
    case v1::Entry::kProtocolStarted:
      return {entry.stream(), entry.protocol_started().plan().protocol_id()};
    case v1::Entry::kProtocolCycleMoved:
      return {entry.stream(), entry.protocol_cycle_moved().protocol_id()};
    case v1::Entry::kProtocolAdvanced:
      return {entry.stream(), entry.protocol_advanced().protocol_id()};
    case v1::Entry::kProtocolStopped:
      return {entry.stream(), entry.protocol_stopped().protocol_id()};
    default:
      return {};
  }
}

void keep_timer(timer_board& board, const protocols_state& state, const protocol_key& protocol, std::string_view patient_id,
                std::uint64_t record_version) {
  const std::string id = "protocol/" + std::to_string(protocol.stream) + "/" + protocol.id;
  const auto running = state.running.find(protocol);
  if (running == state.running.end() || !running->second.next) {
    board.cancel(id);
    return;
  }
  v1::Command command;
  command.set_patient_id(std::string(patient_id));
  auto& fire = *command.mutable_fire_protocol_timer();
  fire.mutable_protocol()->set_stream(protocol.stream);
  fire.mutable_protocol()->set_protocol_id(protocol.id);
  fire.mutable_protocol()->set_expected_version(running->second.version);
  fire.set_turn(running->second.turn);
  board.set(id, *running->second.next, record_version, command);
}

}  // namespace careteam::care

// The generator's commands on tasks.
#include "care/task_owner.hpp"
#include "property/command_generator.hpp"

namespace careteam::care::fixture {

const std::vector<std::string>& command_generator::duty_names() {
  static const std::vector<std::string> names = {"onc-rn", "onc-md", "nights", "nobody's"};
  return names;
}

void command_generator::change_duties(clinic_duties& duties, instant now) {
  using namespace std::chrono_literals;
  auto& duty = duties.held[duty_names()[dice_.below(3)]];
  duty.holder = dice_.percent(15) ? "" : dice_.of(cast());
  duty.fallback = dice_.percent(15) ? "" : dice_.of(cast());
  duty.roles.clear();
  if (dice_.percent(30)) duty.roles = {v1::ROLE_ONCOLOGY_NURSE, v1::ROLE_NURSE_PRACTITIONER};
  duties.away.clear();
  if (dice_.percent(50)) duties.away[dice_.of(cast())] = {dice_.of(duty_names()), dice_.percent(30) ? "" : dice_.of(cast()), now + 10h};
}

task command_generator::order(const rosas_record& ward, v1::Stream stream) {
  using namespace std::chrono_literals;
  const auto kind = dice_.percent(50) ? v1::TASK_KIND_CARE : static_cast<v1::TaskKind>(dice_.below(v1::TaskKind_ARRAYSIZE));
  task asked(dice_.percent(97) ? words(stream) : "", kind);
  asked.priority(static_cast<v1::Priority>(dice_.below(v1::Priority_ARRAYSIZE)));
  const auto readers = audience(ward.team(), stream, ward.now);
  const auto team = ward.team().at(ward.now);
  const auto someone = [&] { return readers.empty() || dice_.percent(10) ? dice_.of(cast()) : dice_.of(readers); };
  const auto some_role = [&] { return team.empty() || dice_.percent(10) ? role() : dice_.of(team)->role; };
  switch (dice_.below(4)) {
    case 0:
      asked.to(some_role());
      break;
    case 1:
      asked.to_duty(dice_.of(duty_names()));
      break;
    default:
      asked.to(someone());
  }
  for (std::size_t steps = dice_.below(4); steps > 0 && dice_.percent(60); --steps) {
    dice_.percent(70) ? asked.then(someone()) : dice_.percent(50) ? asked.then(some_role()) : asked.then_duty(dice_.of(duty_names()));
  }
  if (dice_.percent(10)) asked.due(ward.now + 1min * static_cast<long>(dice_.below(600)) - 10min);
  if (dice_.percent(20)) asked.fact("ANC", "0.72", "10^9/L");
  if (dice_.percent(10)) asked.read_back();
  if (dice_.percent(15)) asked.output("call");
  if (dice_.percent(10)) asked.two_person();
  if (dice_.percent(10)) {
    const auto origin = dice_.of(std::vector{shared, stream});
    asked.from_message(origin, one_of(ward, origin, v1::Entry::kMessagePosted), dice_.percent(95) ? "rosa" : "mei");
  }
  return asked;
}

v1::Command command_generator::new_task(const rosas_record& ward, v1::Stream stream) {
  auto asked = order(ward, stream);
  switch (dice_.below(8)) {
    case 0:
      return draft(stream, asked);
    case 1:
    case 2:
      if (dice_.percent(70)) asked.raw().clear_target();
      return instantiate(stream, asked);
    default:
      return request(stream, asked, dice_.percent(3) ? guess(ward, stream) : 0);
  }
}

/// Somebody to whom the task is open now.
std::string command_generator::asked_one(const rosas_record& ward, place at, const task_state& one) {
  std::vector<std::string> asked;
  for (const auto* m : ward.team().at(ward.now)) {
    if (step_for(one, at, m->person_id, m->role, ward.world())) asked.push_back(m->person_id);
  }
  return asked.empty() ? dice_.of(cast()) : dice_.of(asked);
}

/// Any command on this task, whoever may send it.
v1::Command command_generator::on_task(const rosas_record& ward, place at) {
  using namespace std::chrono_literals;
  const std::string reason = dice_.percent(97) ? words(at.stream) : "";
  switch (dice_.below(15)) {
    case 0:
      return claim(at);
    case 1:
      return release(at);
    case 2:
      return accept(at);
    case 3:
      return decline(at, reason);
    case 4:
      return start(at);
    case 5:
      return pause(at, ward.now + 1min * static_cast<long>(dice_.below(300)) - 5min, reason);
    case 6:
      return resume(at);
    case 7:
      return complete(at);
    case 8:
      return reopen(at, reason);
    case 9:
      return fail(at, reason);
    case 10:
      return cancel(at, reason);
    case 11:
      return acknowledge_cancel(at);
    case 12:
      return offer(at, dice_.of(cast()), reason);
    case 13:
      return take_over(at);
    default:
      return mark_in_error(at, reason);
  }
}

/// Mostly what comes next in the life of a task, by whom it is up to.
attempt command_generator::on_open_task(const rosas_record& ward, place at, const task_state& one) {
  using namespace std::chrono_literals;
  const auto owner = owner_of(one, ward.world());
  const auto by = [&](const std::string& id, v1::Command command) { return attempt{acting(ward, id), std::move(command)}; };
  const auto reason = words(at.stream);
  if (dice_.percent(6)) return by(dice_.percent(60) ? one.requester : ward.team().attending, cancel(at, reason));
  if (dice_.percent(3)) return by(one.error_proposed ? dice_.of(cast()) : one.requester, mark_in_error(at, reason));
  if (!one.offered_to.empty() && dice_.percent(40)) return by(one.offered_to, take_over(at));
  if (!one.owner.empty() && dice_.percent(4)) return by(accountable(one, at, ward.world()), take_over(at));
  switch (one.status) {
    case v1::TASK_STATUS_DRAFT:
      return by(one.requester, request(at.stream, order(ward, at.stream), at.seq));
    case v1::TASK_STATUS_REQUESTED: {
      const auto asked = asked_one(ward, at, one);
      const auto roll = dice_.below(10);
      return by(asked, roll < 4 ? claim(at) : roll < 7 ? accept(at) : decline(at, reason));
    }
    case v1::TASK_STATUS_RECEIVED: {
      auto accepting = accept(at);
      for (const auto& fact : one.order.facts) {
        accepting = reading_back(std::move(accepting), fact.name, dice_.percent(70) ? fact.value : "0.92", fact.unit);
      }
      const auto roll = dice_.below(10);
      return by(owner, roll < 6 ? accepting : roll < 8 ? release(at) : decline(at, reason));
    }
    case v1::TASK_STATUS_ACCEPTED:
    case v1::TASK_STATUS_READY:
      if (dice_.percent(15)) return by(owner, offer(at, dice_.of(cast()), reason));
      return by(owner, start(at));
    case v1::TASK_STATUS_IN_PROGRESS:
      switch (dice_.below(7)) {
        case 0:
        case 3:
          return by(owner, pause(at, ward.now + 1min * static_cast<long>(1 + dice_.below(600)), reason));
        case 1:
          return by(owner, fail(at, reason));
        case 2:
          return by(owner, offer(at, dice_.of(cast()), reason));
        default:
          return by(owner, dice_.percent(80) ? with_output(complete(at), "call", reason) : complete(at));
      }
    case v1::TASK_STATUS_ON_HOLD:
      return by(owner, resume(at));
    default:
      return by(dice_.percent(70) ? accountable(one, at, ward.world()) : owner, acknowledge_cancel(at));
  }
}

/// Asking again for what was done, or marking what has ended as an error.
attempt command_generator::on_ended_task(const rosas_record& ward, v1::Stream stream) {
  place at{stream, one_of(ward, stream, v1::Entry::kTaskRequested)};
  std::string requester = dice_.of(cast());
  for (auto entry = ward.record.log().rbegin(); entry != ward.record.log().rend() && dice_.percent(99); ++entry) {
    if (entry->stream() == stream && entry->has_task_completed() && dice_.percent(70)) at.seq = about(*entry);
    if (entry->stream() != stream || entry->seq() != at.seq) continue;
    requester = entry->has_task_requested() ? entry->task_requested().requester_person_id() : entry->author().person_id();
    break;
  }
  const auto reason = words(stream);
  return {acting(ward, requester), dice_.percent(70) ? reopen(at, reason) : mark_in_error(at, reason)};
}

attempt command_generator::tasks(const rosas_record& ward, v1::Stream stream) {
  // Few tasks at a time, so that each of them comes to an end; the follow-ups of all the silence around do not count.
  auto asked_by_people = ward.tasks().open;
  std::erase_if(asked_by_people, [](const auto& one) { return one.second.order.kind == v1::TASK_KIND_FOLLOW_UP; });
  const bool few = asked_by_people.size() < 12;
  if (dice_.percent(few ? 25 : 4)) return {somebody(ward, stream), new_task(ward, stream)};
  if (dice_.percent(12)) return on_ended_task(ward, stream);
  const place at{stream, open_one(dice_.percent(60) ? asked_by_people : ward.tasks().open, ward, stream)};
  const auto open = ward.tasks().open.find(at);
  auto tried = open == ward.tasks().open.end() || dice_.percent(15) ? attempt{somebody(ward, stream), on_task(ward, at)}
                                                                    : on_open_task(ward, at, open->second);
  if (dice_.percent(2))
    tried.command = fire(at, static_cast<v1::TaskTimer>(dice_.below(v1::TaskTimer_ARRAYSIZE)), 0, dice_.below(4));
  else if (!tried.command.has_request_task() && dice_.percent(5))
    tried.command = seen_at(1 + dice_.below(6), std::move(tried.command));
  return tried;
}

}  // namespace careteam::care::fixture

// Random commands on protocols.
#include "property/command_generator.hpp"
#include "unit/care/protocol_fixture.hpp"

namespace careteam::care::fixture {

v1::Command command_generator::new_protocol(const rosas_record& ward, v1::Stream stream) {
  const auto today = std::chrono::floor<std::chrono::days>(ward.now);
  const std::chrono::year_month_day day(today + std::chrono::days(dice_.below(4)) - std::chrono::days(1));
  const auto date = absl::FormatCivilTime(absl::CivilDay(int(day.year()), int(unsigned(day.month())), int(unsigned(day.day()))));
  plan what("p" + std::to_string(dice_.percent(90) ? ++said_ : dice_.below(said_ + 1)), dice_.percent(97) ? date : "2026-02-30");
  what.cycles(static_cast<std::uint32_t>(dice_.percent(97) ? 2 + dice_.below(5) : dice_.below(2)),
              1 + static_cast<std::uint32_t>(dice_.below(3)));
  for (std::size_t items = 1 + dice_.below(3); items > 0; --items) {
    const std::string name = "item" + std::to_string(items);
    auto asked = order(ward, stream);
    asked.raw().clear_due();
    asked.raw().clear_message();
    const auto lead = static_cast<std::uint32_t>(dice_.below(3));
    const auto minute = static_cast<std::uint32_t>(dice_.below(1440));
    dice_.percent(80) ? what.item(name, asked, {1}, {}, minute, lead) : what.item(name, asked, {2, -1}, {1}, minute, lead);
  }
  what.raw().set_name(words(stream));
  return start(stream, what);
}

attempt command_generator::protocol(const rosas_record& ward, v1::Stream stream) {
  if (dice_.percent(40)) {
    for (const auto& [id, timer] : ward.record.state().timers.pending()) {
      if (!id.starts_with("protocol/" + std::to_string(stream) + "/") || timer.due > ward.now) continue;
      v1::Command command;
      if (command.ParseFromString(timer.command)) return {the_system(), command};
    }
  }
  auto who = somebody(ward, stream);
  std::vector<std::pair<std::string, const protocol_state*>> running;
  for (const auto& [key, state] : ward.record.state().protocols.running) {
    if (key.stream == stream) running.emplace_back(key.id, &state);
  }
  if (running.empty() || dice_.percent(50)) return {std::move(who), new_protocol(ward, stream)};
  const auto& [id, state] = dice_.of(running);
  const auto version = dice_.percent(90) ? state->version : dice_.below(3);
  if (dice_.percent(30)) {
    auto command = stop(id, version, stream);
    command.mutable_stop_protocol()->set_reason(words(stream));
    return {std::move(who), std::move(command)};
  }
  const auto cycle = dice_.below(state->day1.size());
  const auto day1 = state->day1[cycle] + static_cast<int>(dice_.below(6)) - 1;
  auto command = move(id, static_cast<std::uint32_t>(cycle + 1), absl::FormatCivilTime(day1), version, stream);
  command.mutable_move_cycle()->set_reason(words(stream));
  return {std::move(who), std::move(command)};
}

}  // namespace careteam::care::fixture

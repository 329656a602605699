// Protocols in a clinic's days: begun, moved, stopped, and ended by a death.
#include <algorithm>
#include <iomanip>
#include <sstream>

#include "property/clinic_days.hpp"
#include "unit/care/protocol_fixture.hpp"

namespace careteam::care::fixture {

std::string clinic_days::date_in(int days) const {
  const std::chrono::year_month_day day(std::chrono::floor<std::chrono::days>(world_.now) + std::chrono::days(days));
  std::ostringstream text;
  text << int(day.year()) << '-' << std::setfill('0') << std::setw(2) << unsigned(day.month()) << '-' << std::setw(2)
       << unsigned(day.day());
  return text.str();
}

void clinic_days::starts_protocol() {
  const auto patient = roll_.of(world_.patients);
  const auto attending = world_.patient(patient).team.attending;
  if (away(attending)) return;
  const auto length = static_cast<std::uint32_t>(4 + roll_.below(6));
  auto what = plan("protocol-" + std::to_string(++names_), date_in(static_cast<int>(roll_.below(4))));
  what.cycles(length, static_cast<std::uint32_t>(1 + roll_.below(3)))
      .item("cbc", task("CBC", v1::TASK_KIND_RESULT).to(v1::ROLE_ONCOLOGY_NURSE), {1, 3}, {}, 8 * 60, 1)
      .item("call", task("Call", v1::TASK_KIND_CALL).to_duty(roll_.of(world_.duties)), {2}, {1}, 10 * 60, 0)
      .item("refill", task("Refill").to(roll_.of(world_.staff)).then_duty("pharmacy"), {-1}, {}, 15 * 60, 2);
  what.raw().set_time_zone("America/Chicago");
  const bool dead = world_.people().deceased(patient);
  const auto done = world_.patient_does(patient, person(attending), start(clinical, what));
  EXPECT_FALSE(dead && done) << "a protocol for " << patient << ", who has died";
  if (!done) keeper_.count("protocols refused");
}

std::optional<std::pair<std::string, protocol_key>> clinic_days::some_protocol() {
  std::vector<std::pair<std::string, protocol_key>> all;
  for (const auto& patient : world_.patients) {
    for (const auto& [key, state] : world_.patient(patient).protocols.running) all.emplace_back(patient, key);
  }
  if (all.empty()) return std::nullopt;
  return all[roll_.below(all.size())];
}

void clinic_days::moves_cycle() {
  const auto one = some_protocol();
  if (!one) return;
  const auto& [patient, key] = *one;
  const auto& state = world_.patient(patient).protocols.running.at(key);
  const auto cycle = roll_.below(state.day1.size());
  const auto day1 = state.day1[cycle] + static_cast<int>(roll_.below(6)) - 1;
  const auto who = world_.patient(patient).team.attending;
  (void)world_.patient_does(patient, person(who),
                            move(key.id, static_cast<std::uint32_t>(cycle + 1), absl::FormatCivilTime(day1), state.version, key.stream));
}

void clinic_days::stops_protocol() {
  const auto one = some_protocol();
  if (!one) return;
  const auto& [patient, key] = *one;
  (void)world_.patient_does(patient, person(world_.patient(patient).team.attending), stop(key.id, 0, key.stream));
}

/// Mostly somebody with a protocol. Now and then it was a mistake.
void clinic_days::dies() {
  const auto treated = some_protocol();
  const auto patient = treated && roll_.percent(80) ? treated->first : roll_.of(world_.patients);
  if (world_.people().deceased(patient)) return;
  is_told_dead(patient, true);
  keeper_.count("patients who died");
  if (roll_.percent(20)) later(1h, 20h, [=, this] { is_told_dead(patient, false); });
}

/// As the server does, which stops the protocols at once, or dies itself and leaves that to their timers.
void clinic_days::is_told_dead(const std::string& patient, bool dead) {
  auto command = enroll(patient, patient, v1::PERSON_KIND_PATIENT);
  command.mutable_enroll_person()->set_deceased(dead);
  EXPECT_THAT(world_.organization_does(person(administrator), command), accepted());
  if (!dead || roll_.percent(50)) return;
  const auto running = world_.patient(patient).protocols.running;
  for (const auto& [key, state] : running) {
    EXPECT_THAT(world_.patient_does(patient, the_system(), stop(key.id, 0, key.stream)), accepted());
  }
}

}  // namespace careteam::care::fixture

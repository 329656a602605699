// Days of a clinic, from one seed: 40 patients, 25 people in three shifts, who do their work sooner, later or not at all; leaves, sickness,
// suspensions, and outages in which no timer fires and nobody acts. The clock jumps from event to event.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>

#include "property/clinic_record_keeper.hpp"
#include "property/clinic_world.hpp"

namespace careteam::care::fixture {

/// Five duties around the clock, their people, who leads them, and the teams of 40 patients.
clinic_plan forty_patients(std::uint64_t seed);

class clinic_days {
 public:
  explicit clinic_days(std::uint64_t seed);
  clinic_days(const clinic_days&) = delete;
  clinic_days& operator=(const clinic_days&) = delete;

  /// Until the length is over, or something is wrong.
  void run(std::chrono::hours length);
  clinic_record_keeper& keeper() { return keeper_; }

 private:
  using happening = std::function<void()>;

  /// Plans it for an instant of [now + from, now + to].
  void later(std::chrono::seconds from, std::chrono::seconds to, happening what);
  void again_and_again(std::chrono::seconds from, std::chrono::seconds to, void (clinic_days::*what)());
  void fires(const due_timer& due);
  void happens();
  void outage();
  void looks_around();

  // Duties and their people.
  void make_rosters();
  bool duty_good(const std::string& duty, const std::string& who, const v1::Command& command);
  std::string another_member(const std::string& duty, const std::string& than);
  bool away(const std::string& id) const;
  void goes_on_leave();
  void ends_leave(const std::string& duty, const std::string& leave, const std::string& who);
  void swaps_turns();
  void falls_ill();
  /// For some hours or days.
  bool off_the_team(const std::string& patient, const std::string& who);
  void suspended(const std::string& who);
  void leaves_a_team();
  void is_suspended();
  void nobody_is_left();
  void hands_over(const std::string& duty, std::uint64_t handoff, int tries);
  void confirms_for(const std::string& duty);
  std::string should_hold(const std::string& duty) const;
  void leads_look();
  void lead_takes(const std::string& duty);
  void lead_hands_on(const std::string& duty);
  void lead_returns(const std::string& duty, const std::string& patient);
  void takes_back(const std::string& duty, const std::string& patient);

  // Protocols, and what ends them.
  std::string date_in(int days) const;
  void starts_protocol();
  void moves_cycle();
  void stops_protocol();
  void dies();
  void is_told_dead(const std::string& patient, bool dead);
  /// Of a patient who has one; nothing: of the patient who was looked at it is not so.
  std::optional<std::pair<std::string, protocol_key>> some_protocol();

  // What is asked, and what becomes of it.
  void is_asked(const std::string& patient);
  v1::Command new_message(const std::string& patient);
  v1::Command new_task(v1::Stream stream);
  void notice(const std::string& record, const facts& entries);
  void notice_in_duty(const std::string& duty, const v1::Entry& entry);
  void notice_in_patient(const std::string& patient, const v1::Entry& entry);
  void expect(const std::string& patient, place at, v1::Priority priority);
  void look(const std::string& patient, place at);
  bool gives_up(const std::string& patient, place at);
  void acts(const std::string& patient, place at, const std::string& who);
  /// Nothing: they let it lie.
  std::optional<v1::Command> next_step(place at, const task_state& task);
  v1::Command accepts(place at, const task_order& order);
  void tries_what_is_over(const std::string& patient, place at);

  clinic_world world_;
  clinic_record_keeper keeper_;
  dice& roll_;
  std::multimap<instant, happening> ahead_;  ///< What happens at one instant does so in the order in which it was planned.
  std::map<std::string, instant> ill_until_;
  std::uint64_t names_ = 0;
  std::set<std::tuple<std::string, std::string, std::uint64_t>> were_due_;  ///< When an outage ended: record, timer, its version.
  instant last_due_{};
};

}  // namespace careteam::care::fixture

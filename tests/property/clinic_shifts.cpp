// Who is there, and who is not: the clinic's duties, shifts, handoffs, leaves, sickness and suspensions.
#include <algorithm>
#include <array>

#include "property/clinic_days.hpp"

namespace careteam::care::fixture {
namespace {

struct group {
  std::string_view name;
  int people;
  v1::Role role;
};
constexpr std::array groups{group{"doctor", 5, v1::ROLE_MEDICAL_ONCOLOGIST}, group{"nurse", 9, v1::ROLE_ONCOLOGY_NURSE},
                            group{"practitioner", 4, v1::ROLE_NURSE_PRACTITIONER}, group{"pharmacist", 4, v1::ROLE_PHARMACIST},
                            group{"assistant", 1, v1::ROLE_MEDICAL_ASSISTANT}};
constexpr int patient_count = 40;
constexpr int most_tries = 6;

/// Monday 19 October 2026, 08:00 in Chicago: its clocks go back after 13 days.
constexpr instant first_morning{std::chrono::sys_days{std::chrono::year{2026} / 10 / 19} + std::chrono::hours{13}};

/// Who leads a duty, and who has its days, evenings and nights in turns of a week.
struct duty_plan {
  std::string_view id, lead, manager;
  std::array<std::vector<std::string_view>, 3> shifts;
};
const std::vector<duty_plan>& duty_plans() {
  static const std::vector<duty_plan> plans{
      {"onc-md", "doctor-1", "doctor-2", {{{"doctor-2", "doctor-3"}, {"doctor-4", "doctor-2"}, {"doctor-5", "doctor-4"}}}},
      {"ward-rn", "practitioner-1", "practitioner-2", {{{"nurse-1", "nurse-2"}, {"nurse-3", "nurse-4"}, {"nurse-5", "nurse-6"}}}},
      {"infusion-rn", "practitioner-2", "practitioner-1", {{{"nurse-7", "nurse-8"}, {"nurse-9", "nurse-7"}, {"nurse-6", "nurse-9"}}}},
      {"triage", "practitioner-3", "doctor-1", {{{"practitioner-4", "practitioner-2"}, {"nurse-8", "nurse-1"}, {"nurse-2"}}}},
      {"pharmacy", "pharmacist-1", "", {{{"pharmacist-2", "pharmacist-3"}, {"pharmacist-3", "pharmacist-4"}, {"pharmacist-4"}}}}};
  return plans;
}

v1::Role role_of(std::string_view person) {
  for (const auto& one : groups) {
    if (person.starts_with(one.name)) return one.role;
  }
  return v1::ROLE_UNSPECIFIED;
}

v1::Duty defined(const duty_plan& plan) {
  v1::Duty duty;
  duty.set_name("Duty " + std::string(plan.id));
  duty.set_time_zone("America/Chicago");
  std::set<std::string_view> members{plan.lead};
  if (!plan.manager.empty()) members.insert(plan.manager);
  for (const auto& people : plan.shifts) members.insert(people.begin(), people.end());
  for (const auto member : members) {
    duty.add_members()->set_person_id(std::string(member));
    duty.mutable_members()->rbegin()->set_role(role_of(member));
  }
  duty.set_lead_person_id(std::string(plan.lead));
  duty.set_manager_person_id(std::string(plan.manager));
  if (plan.id != "onc-md") duty.add_fallback_duty_id("onc-md");
  return duty;
}

clinic_plan::patient patient_of(int number, const std::string& safety_person, dice& roll) {
  clinic_plan::patient one{"patient-" + std::to_string(number), {}, "doctor-" + std::to_string(1 + roll.below(5))};
  one.team.emplace_back(safety_person, v1::ROLE_NURSE_PRACTITIONER);
  for (const auto& some : groups) {
    for (int i = 1; i <= some.people; ++i) {
      const auto id = std::string(some.name) + "-" + std::to_string(i);
      // Not everybody knows every patient: whoever holds a duty may be unable to answer for some of its obligations.
      if (id == one.attending || roll.percent(94)) one.team.emplace_back(id, some.role);
    }
  }
  // Of every third patient the pharmacists are on the team by their duty alone, of every fifth the nurse practitioners.
  const auto by_duty = [&](std::string_view duty, v1::Role role) {
    std::erase_if(one.team, [&](const auto& member) { return member.second == role && member.first != safety_person; });
    one.duties.emplace_back(duty, role);
  };
  if (number % 3 == 0) by_duty("pharmacy", v1::ROLE_PHARMACIST);
  if (number % 5 == 0) by_duty("triage", v1::ROLE_NURSE_PRACTITIONER);
  return one;
}

}  // namespace

clinic_plan forty_patients(std::uint64_t seed) {
  dice roll(seed);
  clinic_plan plan{first_morning, {}, "ines", {}, {}};
  for (const auto& some : groups) {
    for (int i = 1; i <= some.people; ++i) plan.staff.push_back(std::string(some.name) + "-" + std::to_string(i));
  }
  for (const auto& one : duty_plans()) plan.duties.emplace_back(one.id, defined(one));
  for (int i = 1; i <= patient_count; ++i) plan.patients.push_back(patient_of(i, plan.safety_person, roll));
  return plan;
}

void clinic_days::make_rosters() {
  constexpr std::array<int, 4> hours{7, 15, 23, 7};
  constexpr std::array<std::string_view, 3> names{"days", "evenings", "nights"};
  for (const auto& plan : duty_plans()) {
    const std::string duty(plan.id);
    for (std::size_t i = 0; i < plan.shifts.size(); ++i) {
      auto command = rotation(world_.duty(duty).roster_version, names[i], {}, hours[i], hours[i + 1]);
      for (const auto one : plan.shifts[i]) command.mutable_set_rotation()->mutable_rotation()->add_person_id(std::string(one));
      EXPECT_THAT(world_.duty_does(duty, person(std::string(plan.lead)), command), accepted());
    }
  }
}

bool clinic_days::duty_good(const std::string& duty, const std::string& who, const v1::Command& command) {
  const auto done = world_.duty_does(duty, person(who), command);
  keeper_.count(done ? "duty commands carried out" : "duty commands refused");
  return static_cast<bool>(done);
}

std::string clinic_days::another_member(const std::string& duty, const std::string& than) {
  const auto& members = world_.duty(duty).what.members;
  for (int tries = 0; tries < 20; ++tries) {
    const auto& one = members[roll_.below(members.size())].person;
    if (one != than && one != world_.duty(duty).what.lead) return one;
  }
  return than;
}

bool clinic_days::away(const std::string& id) const {
  const auto ill = ill_until_.find(id);
  if (ill != ill_until_.end() && world_.now < ill->second) return true;
  return !world_.people().active(id);
}

void clinic_days::goes_on_leave() {
  const auto duty = roll_.of(world_.duties);
  const auto lead = world_.duty(duty).what.lead;
  const auto holder = world_.duty(duty).holder;
  const auto who = !holder.empty() && holder != lead && roll_.percent(40) ? holder : another_member(duty, lead);
  const auto cover = another_member(duty, who);
  const auto start = world_.now + std::chrono::minutes(roll_.below(who == holder ? 120 : 24 * 60));
  const auto end = start + std::chrono::minutes(6 * 60 + roll_.below(72 * 60));
  const bool gaps = roll_.percent(30);
  const auto id = "leave-" + std::to_string(++names_);
  auto asked =
      covered_by(leave(world_.duty(duty).roster_version, id, who, start, end), cover, start, gaps ? start + (end - start) / 2 : end);
  asked.mutable_enter_leave()->set_accept_gaps(gaps);
  asked.mutable_enter_leave()->set_reason("needs must");
  if (!duty_good(duty, administrator, asked) || roll_.percent(40)) return;
  const auto comes_back = who == holder ? start + 2h : world_.now + (end - world_.now) / 2;
  const auto until_then = std::chrono::duration_cast<std::chrono::seconds>(comes_back - world_.now);
  later(until_then, until_then + 1h, [=, this] { ends_leave(duty, id, who); });
}

void clinic_days::ends_leave(const std::string& duty, const std::string& leave, const std::string& who) {
  duty_good(duty, who, end_leave(world_.duty(duty).roster_version, leave));
}

/// Of next week: whoever has the days has the nights, and the other way round.
void clinic_days::swaps_turns() {
  const auto duty = roll_.of(world_.duties);
  const auto week = date_in(7);
  const auto id = "swap-" + std::to_string(++names_);
  const auto& state = world_.duty(duty);
  duty_good(duty, state.what.lead, swap_turns(state.roster_version, id, turn("days", week), turn("nights", week)));
}

/// Mostly somebody is called in for whatever they hold or should.
void clinic_days::falls_ill() {
  const auto holder = world_.duty(roll_.of(world_.duties)).holder;
  const auto who = holder.empty() || roll_.percent(70) ? roll_.of(world_.staff) : holder;
  ill_until_[who] = world_.now + std::chrono::hours(8 + roll_.below(64));
  keeper_.count("people taken ill");
  for (const auto& duty : world_.duties) {
    const auto& state = world_.duty(duty);
    if (state.holder != who && resolve(state.roster, world_.now).person != who) continue;
    const auto other = another_member(duty, who);
    const auto name = "called-in-" + std::to_string(++names_);
    if (roll_.percent(70) &&
        duty_good(duty, state.what.lead, override_shift(state.roster_version, name, other, world_.now, world_.now + 8h)))
      keeper_.count("people called in");
    later(30min, 2h, [=, this] { lead_takes(duty); });
  }
}

bool clinic_days::off_the_team(const std::string& patient, const std::string& who) {
  const auto does = [=, this](const v1::Command& command) {
    return static_cast<bool>(world_.patient_does(patient, person(administrator), command));
  };
  if (!does(end_member(world_.patient(patient).team.version, who, role_of(who)))) return false;
  keeper_.count("people off a team");
  later(5h, 60h, [=, this] { does(add_member(world_.patient(patient).team.version, who, role_of(who))); });
  return true;
}

void clinic_days::suspended(const std::string& who) {
  if (!world_.people().active(who)) return;
  world_.suspend_or_reinstate(who);
  keeper_.count("people suspended");
  later(3h, 50h, [=, this] { world_.suspend_or_reinstate(who); });
  for (const auto& duty : world_.duties) {
    if (world_.duty(duty).holder == who) later(20min, 3h, [=, this] { lead_takes(duty); });
  }
}

void clinic_days::leaves_a_team() {
  off_the_team(roll_.of(world_.patients), roll_.of(world_.staff));
}

void clinic_days::is_suspended() {
  suspended(roll_.of(world_.staff));
}

/// Whoever was asked is off the team, and the attending is suspended: the safety person has it.
void clinic_days::nobody_is_left() {
  const auto patient = roll_.of(world_.patients), who = roll_.of(world_.staff);
  const auto attending = world_.patient(patient).team.attending;
  if (who == attending || !world_.patient_does(patient, person(attending), request(clinical, task().to(who)))) return;
  if (off_the_team(patient, who)) suspended(attending);
}

void clinic_days::hands_over(const std::string& duty, std::uint64_t handoff, int tries) {
  const auto& state = world_.duty(duty);
  if (!state.handoff || state.handoff->seq != handoff || tries > most_tries) return;
  if (roll_.below(1'500) == 0) {
    duty_good(duty, roll_.percent(50) ? state.handoff->from : state.handoff->to, end_handoff(handoff));
    later(5min, 1h, [=, this] { lead_takes(duty); });
    return;
  }
  const auto next = next_handoff_step(world_, duty);
  if (!next) return;
  if (away(next->who.person_id)) {
    if (next->command.has_confirm_handoff()) later(15min, 25min, [=, this] { confirms_for(duty); });
    return later(10min, 25min, [=, this] { hands_over(duty, handoff, tries + 1); });
  }
  if (next->command.has_confirm_handoff() && roll_.percent(8)) {
    later(15min, 25min, [=, this] { confirms_for(duty); });
    return later(40min, 60min, [=, this] { hands_over(duty, handoff, tries + 1); });
  }
  const auto& said = next->command.synthesize_patient();
  const bool declines = next->command.has_synthesize_patient() && roll_.percent(2);
  const bool good = duty_good(duty, next->who.person_id, declines ? decline_patient(handoff, said.patient_id()) : next->command);
  const auto pause = good ? std::chrono::seconds(30) : std::chrono::seconds(600);
  later(pause / 6, pause, [=, this] { hands_over(duty, handoff, good ? tries : tries + 1); });
}

/// Whoever hands over has left: the lead witnesses that it was said.
void clinic_days::confirms_for(const std::string& duty) {
  const auto& state = world_.duty(duty);
  if (!state.handoff || away(state.what.lead)) return;
  if (const auto next = next_handoff_step(world_, duty); next && next->command.has_confirm_handoff()) {
    duty_good(duty, state.what.lead, next->command);
  }
}

std::string clinic_days::should_hold(const std::string& duty) const {
  const auto& state = world_.duty(duty);
  const auto rostered = resolve(state.roster, world_.now).person;
  if (!rostered.empty() && !away(rostered)) return rostered;
  if (state.holder != state.what.lead && !away(state.holder)) return state.holder;
  for (const auto& member : state.what.members) {
    if (member.person != state.what.lead && !away(member.person)) return member.person;
  }
  return state.what.lead;
}

/// Every now and then, a lead sees who has what.
void clinic_days::leads_look() {
  for (const auto& duty : world_.duties) lead_takes(duty);
}

/// Unless whoever should have it has it.
void clinic_days::lead_takes(const std::string& duty) {
  const auto& state = world_.duty(duty);
  const auto lead = state.what.lead;
  if (state.holder.empty() || state.holder == should_hold(duty)) return;
  if (away(lead)) return later(1h, 2h, [=, this] { lead_takes(duty); });
  if (state.holder != lead) duty_good(duty, lead, force_take("whoever had it was not there"));
  later(30min, 2h, [=, this] { lead_hands_on(duty); });
}

/// To whoever can take it: what was begun with somebody else ends.
void clinic_days::lead_hands_on(const std::string& duty) {
  const auto& state = world_.duty(duty);
  const auto to = should_hold(duty);
  if (state.holder != state.what.lead || to == state.holder || away(state.holder)) return;
  if (state.handoff && state.handoff->to == to) return hands_over(duty, state.handoff->seq, 0);
  if (state.handoff && !duty_good(duty, state.holder, end_handoff(state.handoff->seq))) return;
  duty_good(duty, state.holder, prepare_handoff(to));
}

/// Whom somebody declined, to whoever has the duty then.
void clinic_days::lead_returns(const std::string& duty, const std::string& patient) {
  const auto& state = world_.duty(duty);
  const auto apart = state.apart.find(patient);
  if (apart == state.apart.end()) return;
  if (away(apart->second.person)) return later(2h, 8h, [=, this] { lead_returns(duty, patient); });
  duty_good(duty, apart->second.person, return_patient(patient, v1::HandoffNote::SEVERITY_STABLE));
  later(10min, 3h, [=, this] { takes_back(duty, patient); });
}

void clinic_days::takes_back(const std::string& duty, const std::string& patient) {
  const auto& state = world_.duty(duty);
  if (!state.apart.contains(patient)) return;
  if (state.holder.empty() || away(state.holder)) return later(2h, 8h, [=, this] { takes_back(duty, patient); });
  duty_good(duty, state.holder, take_back(patient));
}

void clinic_days::notice_in_duty(const std::string& duty, const v1::Entry& entry) {
  if (entry.has_patient_set_apart()) {
    const auto patient = entry.patient_set_apart().patient_id();
    later(1h, 9h, [=, this] { lead_returns(duty, patient); });
  }
  if (entry.has_handoff_prepared()) {
    const auto seq = entry.seq();
    const auto chance = roll_.below(100);
    if (chance < 8) return keeper_.count("handoffs nobody begins");
    const auto begins = [=, this] { hands_over(duty, seq, 0); };
    if (chance < 18) return later(65min, 150min, begins);
    return later(2min, 15min, begins);
  }
  if (!entry.has_duty_reminded()) return;
  const auto timer = entry.duty_reminded().timer();
  const bool acts = timer == v1::DUTY_TIMER_MANAGER || (timer == v1::DUTY_TIMER_LEAD && roll_.percent(30));
  if (acts) later(5min, 60min, [=, this] { lead_takes(duty); });
}

}  // namespace careteam::care::fixture

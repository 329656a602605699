// Random commands on a duty, as its people, its lead, an administrator and strangers give them, and time that goes on: the invariants after
// each. CARETEAM_SEED=77 CARETEAM_STEPS=20000 replays or goes on longer.
#include <random>

#include "duty_fixture.hpp"

namespace careteam::care::fixture {
namespace {

unsigned long from_environment(const char* name, unsigned long usual) {
  const char* text = std::getenv(name);
  return text ? std::strtoul(text, nullptr, 10) : usual;
}

class dice {
 public:
  explicit dice(unsigned long seed) : random_(seed) {}
  std::size_t below(std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random_); }
  std::string of(std::initializer_list<const char*> names) { return *(names.begin() + below(names.size())); }

 private:
  std::mt19937_64 random_;
};

class duty_property : public duty_ward {
 protected:
  v1::Command anything(dice& roll) {
    const auto staff = [&] { return roll.of({"nina", "tom", "noah", "grace", "claire", "omar"}); };
    const auto patient = [&] { return roll.of({"rosa", "mei", "ito"}); };
    const auto soon = [&] { return now + std::chrono::minutes(30 * roll.below(200)); };
    const auto id = [&] { return "x" + std::to_string(roll.below(40)); };
    const auto seq = roll.below(20) == 0 ? handoff() + 1 : handoff();
    const auto start = soon();
    const auto end = start + std::chrono::minutes(30 * roll.below(40));
    switch (roll.below(23)) {
      case 0:
        return shift(version(), id(), staff(), start, end);
      case 1:
        return override_shift(version(), id(), staff(), start, end);
      case 2:
        return remove_item(version(), roll.below(3) == 0 ? roll.of({"days", "nights"}) : id());
      case 3: {
        auto asked = leave(version(), id(), staff(), start, end);
        if (roll.below(2) == 0) asked = covered_by(asked, staff(), start, end);
        if (roll.below(3) == 0) asked.mutable_enter_leave()->set_accept_gaps(true), asked.mutable_enter_leave()->set_reason("needs must");
        return asked;
      }
      case 4:
        return end_leave(version(), id());
      case 5:
        return swap_turns(version(), id(), some_turn(roll), some_turn(roll));
      case 6:
        return roll.below(4) == 0 ? force_take()
                                  : rotation(version(), roll.of({"days", "nights"}), {staff()}, static_cast<int>(roll.below(24)), 7);
      case 7:
        return prepare_handoff(roll.below(2) == 0 ? "" : staff());
      case 8:
      case 9:
      case 10:
        return describe(seq, patient(), static_cast<v1::HandoffNote::Severity>(roll.below(4)));
      case 11:
        return offer(seq);
      case 12:
        return open_handoff(seq);
      case 13:
        return take_handoff(seq);
      case 14:
        return show_delta(seq);
      case 15:
      case 16: {
        const auto whose = patient();
        return synthesize(seq, whose, roll.below(5) == 0 || !duty().handoff ? nullptr : top_action(duty().handoff->owed, whose));
      }
      case 17:
        return roll.below(3) == 0 ? correct_synthesis(seq, patient()) : confirm(seq);
      case 18:
        return roll.below(4) == 0 ? end_handoff(seq) : confirm(seq);
      case 19:
        return decline_patient(seq, patient());
      case 20:
        return return_patient(patient(), static_cast<v1::HandoffNote::Severity>(roll.below(4)));
      case 21: {
        const auto whose = patient();
        return take_back(whose, roll.below(3) == 0 ? nullptr : top_action(owed_by_place(owed), whose));
      }
      default: {
        auto what = nurses_duty();
        what.set_name("Name " + std::to_string(roll.below(3)));
        return define(version(), what);
      }
    }
  }

  v1::RosterTurn some_turn(dice& roll) {
    const auto week = [&] { return absl::FormatCivilTime(absl::CivilDay(2026, 11, 2) + static_cast<int>(roll.below(60))); };
    if (roll.below(2) == 0) return turn(roll.of({"days", "nights"}), week());
    return turn("x" + std::to_string(roll.below(40)));
  }

  actor somebody(dice& roll) {
    const auto& handoff = duty().handoff;
    if (handoff && roll.below(2) == 0) return person(roll.below(2) == 0 ? handoff->from : handoff->to);
    return person(roll.of({"nina", "tom", "noah", "grace", "grace", "claire", "alex", "omar", "rosa"}));
  }

  /// What the handoff waits for, by whom it is waited for; else a handoff is begun.
  std::pair<actor, v1::Command> next_step(dice& roll) {
    for (const auto& [id, apart] : duty().apart) {
      if (roll.below(3) != 0 || holder().empty()) continue;
      const auto all = owed_by_place(owed);
      if (apart.returned) return {person(holder()), take_back(id, top_action(all, id))};
      return {person(apart.person), return_patient(id, v1::HandoffNote::SEVERITY_WATCHER)};
    }
    if (!duty().handoff) return {person(holder()), prepare_handoff(roll.of({"nina", "tom", "noah"}))};
    const auto& now_at = *duty().handoff;
    const auto list = owed_by_place(owed_by_holder());
    const auto severity = static_cast<v1::HandoffNote::Severity>(1 + roll.below(3));
    const auto fresh = hash_of(list) == now_at.owed_hash;
    if (now_at.stage != handoff_stage::draft && now_at.stage != handoff_stage::requested && !fresh) {
      return {person(now_at.to), show_delta(now_at.seq)};
    }
    switch (now_at.stage) {
      case handoff_stage::draft:
        if (const auto missing = not_described(now_at, list); !missing.empty())
          return {person(now_at.from), describe(now_at.seq, missing[0], severity)};
        return {person(now_at.from), offer(now_at.seq)};
      case handoff_stage::requested:
        return {person(now_at.to), open_handoff(now_at.seq)};
      case handoff_stage::received:
        return {person(now_at.to), take_handoff(now_at.seq)};
      case handoff_stage::accepted:
        if (const auto missing = not_described(now_at, list); !missing.empty())
          return {person(now_at.from), describe(now_at.seq, missing[0], severity)};
        for (const auto& [id, patient] : now_at.patients) {
          if (patient.synthesized || patient.declined) continue;
          if (roll.below(4) == 0 && now_at.to != duty().what.lead) return {person(now_at.to), decline_patient(now_at.seq, id)};
          return {person(now_at.to), synthesize(now_at.seq, id, top_action(now_at.owed, id))};
        }
        break;
      case handoff_stage::in_progress:
        break;
    }
    return {person(now_at.from), confirm(now_at.seq)};
  }

  void change_what_is_owed(dice& roll) {
    if (!owed.empty() && roll.below(2) == 0) owed.erase(owed.begin() + static_cast<std::ptrdiff_t>(roll.below(owed.size())));
    if (owed.size() < 6) owes(roll.of({"rosa", "mei", "ito"}), 1 + roll.below(50), now + std::chrono::minutes(roll.below(600)));
  }

  /// What must hold at every version.
  void check(const std::string& holder_before, std::size_t log_before) {
    const auto answer = answers(now);
    ASSERT_FALSE(answer.person.empty()) << "never ownerless";
    if (!holder().empty()) {
      ASSERT_TRUE(duty().what.member(holder()));
      ASSERT_EQ(answer.person, holder());
    }
    for (const auto* patient : {"rosa", "mei", "ito"}) {
      const auto apart = duty().apart.find(patient);
      const auto theirs = answers(now, patient).person;
      if (apart == duty().apart.end()) {
        ASSERT_EQ(theirs, answer.person);
        continue;
      }
      ASSERT_NE(apart->second.person, holder()) << "nobody has a part of what is all theirs";
      const bool away = on_leave(duty().roster, apart->second.person, now);
      ASSERT_EQ(theirs, away ? answer.person : apart->second.person) << "one of the two, and never neither";
    }
    std::string told = holder_before;
    for (std::size_t i = log_before; i < record.log().size(); ++i) {
      const auto& entry = record.log()[i];
      if (!entry.has_duty_holder_changed()) continue;
      ASSERT_EQ(entry.duty_holder_changed().previous_person_id(), told);
      told = entry.duty_holder_changed().person_id();
    }
    ASSERT_EQ(told, holder()) << "the holder changes by its entry and by nothing else";
    if (duty().handoff) {
      ASSERT_EQ(duty().handoff->from, holder());
      ASSERT_NE(duty().handoff->to, holder());
    }
    ASSERT_LE(record.state().timers.pending().size(), 6u);
    ASSERT_TRUE(record.state().timers.pending().contains("duty/1")) << "the roster is always looked at again";
    for (const auto& one : timeline(duty().roster, {now, now + forecast_horizon})) {
      ASSERT_TRUE(one.holder.person.empty() || duty().what.eligible(one.holder.person));
      ASSERT_TRUE(one.at.start < one.at.end);
    }
  }
};

TEST_F(duty_property, whatever_is_asked_somebody_answers_and_the_log_tells_all) {
  const auto seed = from_environment("CARETEAM_SEED", std::random_device{}());
  const auto steps = from_environment("CARETEAM_STEPS", 3'000);
  SCOPED_TRACE("CARETEAM_SEED=" + std::to_string(seed));
  dice roll(seed);
  std::size_t carried_out = 0, handed_over = 0, apart = 0, taken_back = 0;
  for (unsigned long step = 0; step < steps; ++step) {
    const auto holder_before = holder();
    const auto log_before = record.log().size();
    if (roll.below(20) == 0) change_what_is_owed(roll);
    if (roll.below(12) == 0) {
      until(now + std::chrono::minutes(roll.below(roll.below(4) == 0 ? 900 : 30)));
    } else {
      const auto before = record.state();
      const auto [who, what] = roll.below(2) == 0 ? next_step(roll) : std::pair(somebody(roll), anything(roll));
      const auto done = does(who, what);
      ASSERT_TRUE(done || record.state() == before) << "a refusal has no effect";
      if (done) ++carried_out;
    }
    ASSERT_NO_FATAL_FAILURE(check(holder_before, log_before)) << "step " << step;
  }
  for (const auto& entry : record.log()) {
    handed_over += entry.has_handoff_completed() ? 1 : 0;
    apart += entry.has_patient_set_apart() ? 1 : 0;
    taken_back += entry.has_patient_taken_back() ? 1 : 0;
  }
  check_replay();
  EXPECT_GT(carried_out, steps / 10);
  EXPECT_GT(handed_over, steps / 1'000);
  std::cout << "CARETEAM_SEED=" << seed << ": " << carried_out << " of " << steps << " carried out, " << handed_over << " handed over, "
            << apart << " patients set apart, " << taken_back << " taken back\n";
}

}  // namespace
}  // namespace careteam::care::fixture

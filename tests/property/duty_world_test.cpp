// Several duties, patients and people: messages and tasks to duties, shifts, leaves with cover, handoffs, suspensions, timers, and crashes
// in between. After each step every open obligation has exactly one accountable person, and no deadline was moved by a change of owner.
#include <iostream>
#include <set>

#include "care/task_owner.hpp"
#include "property/clinic_world.hpp"

namespace careteam::care::fixture {
namespace {

constexpr std::size_t usual_steps = 100'000;
constexpr std::size_t steps_of_one_world = 2'500;
const std::string safety_person = "ines";
const std::vector<std::string> duties{"onc-rn", "onc-md", "safety"};
const std::vector<std::string> patients{"rosa", "mei", "ito"};
const std::vector<std::string> staff{"nina", "tom", "noah", "grace", "claire", "rao"};

v1::Duty made_duty(const std::string& id, dice& roll) {
  auto duty = nurses_duty();
  duty.set_name("Duty " + id);
  duty.clear_roles();
  duty.add_members()->set_person_id("rao");
  duty.mutable_members()->rbegin()->set_role(v1::ROLE_MEDICAL_ONCOLOGIST);
  duty.set_lead_person_id(roll.of(std::vector<std::string>{"grace", "claire"}));
  duty.clear_fallback_duty_id();
  if (id != "onc-md") duty.add_fallback_duty_id("onc-md");
  return duty;
}

clinic_plan small_clinic(std::uint64_t seed) {
  clinic_plan plan{chicago(23, 8), staff, safety_person, {}, {}};
  dice roll(seed);
  for (const auto& id : duties) plan.duties.emplace_back(id, made_duty(id, roll));
  for (const auto& id : patients) {
    clinic_plan::patient one{id, {{"rao", v1::ROLE_MEDICAL_ONCOLOGIST}}, "rao"};
    for (const auto* nurse : {"nina", "tom", "noah"}) one.team.emplace_back(nurse, v1::ROLE_ONCOLOGY_NURSE);
    one.team.emplace_back("grace", v1::ROLE_NURSE_PRACTITIONER);
    // Claire knows two of the three only: she may hold a duty of whose patients she does not read one.
    if (id != "ito") one.team.emplace_back("claire", v1::ROLE_NURSE_PRACTITIONER);
    plan.patients.push_back(std::move(one));
  }
  return plan;
}

/// Random commands, mostly such as are carried out.
class mind {
 public:
  explicit mind(clinic_world& in) : world_(in), roll_(in.roll) {}

  void acts() {
    const auto chance = roll_.below(100);
    if (chance < 45) return on_patient(roll_.of(patients));
    if (chance < 75) return on_handoff(roll_.of(duties));
    on_roster(roll_.of(duties));
  }

  std::size_t carried_out = 0;

 private:
  void done(const outcome<facts>& result) { carried_out += result ? 1 : 0; }

  v1::Priority priority() { return static_cast<v1::Priority>(1 + roll_.below(4)); }

  void on_patient(const std::string& patient) {
    auto who = person(roll_.of(staff));
    const auto& state = world_.record(record_key(patient)).state();
    const auto open = open_obligations(state);
    if (open.empty() || (open.size() < 15 && roll_.percent(35))) return done(world_.patient_does(patient, who, new_obligation()));
    const auto at = roll_.of(open);
    // Mostly whoever it is waiting for.
    for (const auto& id : staff) {
      const worklist_view view{id, world_.people(), world_.setting, world_.now};
      if (owed_by(state, at, view) && roll_.percent(80)) who = person(id);
    }
    if (roll_.percent(8)) return done(world_.patient_does(patient, person("rao"), cancel(at)));
    done(world_.patient_does(patient, who, next_step(state, at)));
  }

  v1::Command new_obligation() {
    if (roll_.percent(40)) {
      auto said = post(clinical).priority(priority());
      roll_.percent(70) ? said.to_duty(roll_.of(duties)) : said.to(roll_.of(staff));
      return said;
    }
    auto asked = task().priority(priority());
    roll_.percent(70) ? asked.to_duty(roll_.of(duties)) : asked.to(roll_.of(staff));
    if (roll_.percent(30)) asked.then_duty(roll_.of(duties));
    return request(clinical, asked);
  }

  v1::Command next_step(const record_state& state, place at) {
    const auto found = state.tasks.open.find(at);
    if (found == state.tasks.open.end()) return acknowledge(at.stream, at.seq, state.chat.message(at)->revision_seq);
    const auto chance = roll_.below(100);
    if (chance < 8) return decline(at);
    if (chance < 12) return cancel(at);
    if (chance < 16) return offer(at, roll_.of(staff));
    if (chance < 20) return take_over(at);
    switch (found->second.status) {
      case v1::TASK_STATUS_REQUESTED:
        return roll_.percent(50) ? claim(at) : accept(at);
      case v1::TASK_STATUS_RECEIVED:
        return accept(at);
      case v1::TASK_STATUS_IN_PROGRESS:
        return chance < 40 ? fail(at) : chance < 55 ? pause(at, world_.now + 1h) : complete(at);
      case v1::TASK_STATUS_ON_HOLD:
        return resume(at);
      default:
        return start(at);
    }
  }

  void on_roster(const std::string& id) {
    const auto version = world_.duty(id).roster_version;
    const auto lead = person(world_.duty(id).what.lead);
    const auto name = "x" + std::to_string(roll_.below(60));
    const auto start = world_.now + std::chrono::minutes(30 * roll_.below(60));
    const auto end = start + std::chrono::minutes(30 * (1 + roll_.below(40)));
    const auto someone = roll_.of(staff);
    switch (roll_.below(6)) {
      case 0:
        return done(world_.duty_does(id, lead, shift(version, name, someone, start, end)));
      case 1:
        return done(world_.duty_does(id, lead, override_shift(version, name, someone, start, end)));
      case 2:
        return done(world_.duty_does(id, lead, end_leave(version, name)));
      case 3:
        return roll_.percent(20) ? done(world_.duty_does(id, lead, force_take()))
                                 : done(world_.duty_does(id, lead, remove_item(version, name)));
      default: {
        auto asked = leave(version, name, someone, start, end);
        if (roll_.percent(60)) asked = covered_by(asked, roll_.of(staff), start, roll_.percent(70) ? end : start + (end - start) / 2);
        asked.mutable_enter_leave()->set_accept_gaps(roll_.percent(50));
        asked.mutable_enter_leave()->set_reason("needs must");
        return done(world_.duty_does(id, person(administrator), asked));
      }
    }
  }

  /// What the handoff waits for, by whom it is waited for; else one is begun.
  void on_handoff(const std::string& id) {
    const auto& duty = world_.duty(id);
    if (duty.holder.empty()) return;
    if (!duty.handoff) return done(world_.duty_does(id, person(duty.holder), prepare_handoff(roll_.of(staff))));
    if (roll_.percent(3)) return done(world_.duty_does(id, person(duty.handoff->from), end_handoff(duty.handoff->seq)));
    if (const auto next = next_handoff_step(world_, id)) done(world_.duty_does(id, next->who, next->command));
  }

  clinic_world& world_;
  dice& roll_;
};

using deadlines = std::map<std::pair<std::string, place>, std::map<v1::TaskTimer, task_deadline>>;

class duty_world : public ::testing::Test {
 protected:
  static deadlines deadlines_of(const clinic_world& in) {
    deadlines result;
    for (const auto& patient : patients) {
      for (const auto& [at, task] : in.record(record_key(patient)).state().tasks.open) result[{patient, at}] = task.timers;
    }
    return result;
  }

  static std::map<std::string, std::uint64_t> versions_of(const clinic_world& in) {
    std::map<std::string, std::uint64_t> result;
    for (const auto& patient : patients) result[patient] = in.record(record_key(patient)).state().version;
    return result;
  }

  /// I1 and invariant 5: every open obligation has a person.
  void check_owners(const clinic_world& in) {
    for (const auto& patient : patients) {
      for (const auto at : open_obligations(in.record(record_key(patient)).state())) {
        const auto person = in.accountable_for(patient, at);
        ASSERT_FALSE(person.empty()) << patient << " " << at.seq << ": ownerless";
        ASSERT_TRUE(in.people().find(person)) << person;
        ++obligations_;
      }
    }
  }

  /// Whoever is accountable, and nobody else, has it on their worklist as such, and finds it there by the index.
  void check_worklists(const clinic_world& in) {
    for (const auto& id : staff) {
      const auto keys = owner_keys(id, in.setting, in.now);
      const worklist_view view{id, in.people(), in.setting, in.now};
      for (const auto& patient : patients) {
        const auto& state = in.record(record_key(patient)).state();
        const bool reads = in.people().active(id) && may_read(state.team, id, clinical, in.now);
        for (const auto at : open_obligations(state)) {
          const auto item = owed_by(state, at, view);
          const bool answers = item && item->how == standing::answers;
          ASSERT_EQ(answers, reads && in.accountable_for(patient, at) == id) << patient << " " << at.seq << " " << id;
          if (!item) continue;
          const auto rows = obligation_rows(state, at);
          const bool found = std::ranges::any_of(rows, [&](const auto& row) { return std::ranges::find(keys, row.owner) != keys.end(); });
          ASSERT_TRUE(found || answers_for_the_rest(state, id, in.setting)) << id << " would not find what they owe";
        }
      }
    }
  }

  /// A task of a duty is answered for by its holder of now, where they may.
  void check_holders(const clinic_world& in) {
    for (const auto& patient : patients) {
      const auto& state = in.record(record_key(patient)).state();
      const auto around = in.around(patient);
      for (const auto& [at, task] : state.tasks.open) {
        if (task.owner_duty.empty() || !task.open()) continue;
        const auto& holder = in.duty(task.owner_duty).holder;
        if (holder.empty() || !able(holder, at.stream, task.order, around)) continue;
        ASSERT_EQ(accountable(task, at, around), holder);
        ++by_holders_;
      }
    }
  }

  void run(std::uint64_t seed, std::size_t steps) {
    clinic_world one(small_clinic(seed), seed);
    mind some(one);
    for (std::size_t step = 0; step < steps; ++step) {
      if (one.roll.percent(10)) one.now += std::chrono::minutes(one.roll.below(one.roll.percent(20) ? 900 : 40));
      if (one.roll.percent(50)) one.fire_due();
      if (one.roll.percent(1)) one.suspend_or_reinstate(one.roll.of(staff));
      if (one.roll.percent(1)) one.crash();
      const auto before = deadlines_of(one);
      const auto versions = versions_of(one);
      some.acts();
      const auto after = deadlines_of(one);
      for (const auto& patient : patients) {
        const auto now_at = one.record(record_key(patient)).state().version;
        if (now_at != versions.at(patient)) continue;
        // Nothing was said in this record: whoever has its duties now, its deadlines stand.
        for (const auto& [where, timers] : after) {
          if (where.first != patient) continue;
          ASSERT_EQ(timers, before.at(where)) << "a deadline was moved by a change of owner";
        }
      }
      check_owners(one);
      check_holders(one);
      if (step % 25 == 0) check_worklists(one);
      if (HasFailure()) {
        ADD_FAILURE() << "at step " << step << "; replay: CARETEAM_SEED=" << seed << " CARETEAM_STEPS=" << steps
                      << " property_care --gtest_filter=duty_world.*";
        return;
      }
    }
    check_log(one);
    carried_out_ += some.carried_out;
  }

  /// By the log alone: a holder changes by its entry, a task that has ended stays so, and no successor comes twice.
  void check_log(const clinic_world& in) {
    for (const auto& id : duties) {
      std::string holder;
      for (const auto& entry : in.record(duty_record_key(id)).log()) {
        handed_over_ += entry.has_handoff_completed() ? 1 : 0;
        left_ += entry.has_duty_holder_changed() && entry.duty_holder_changed().reason() == v1::HOLDER_REASON_LEAVE ? 1 : 0;
        if (!entry.has_duty_holder_changed()) continue;
        ASSERT_EQ(entry.duty_holder_changed().previous_person_id(), holder);
        holder = entry.duty_holder_changed().person_id();
      }
      ASSERT_EQ(holder, in.duty(id).holder);
    }
    for (const auto& patient : patients) {
      std::set<std::tuple<std::uint64_t, int, std::uint32_t>> successors;
      for (const auto& entry : in.record(record_key(patient)).log()) {
        if (!entry.has_task_requested() || !entry.task_requested().has_origin()) continue;
        const auto& origin = entry.task_requested().origin();
        ASSERT_TRUE(successors.emplace(origin.seq(), origin.rule(), origin.ordinal()).second) << "a successor came twice";
      }
    }
  }

  std::size_t carried_out_ = 0, obligations_ = 0, by_holders_ = 0, handed_over_ = 0, left_ = 0;
};

/// AT-4: fourteen obligations of three patients.
TEST_F(duty_world, a_shift_change_moves_every_obligation_at_one_index_and_no_deadline) {
  clinic_world in(small_clinic(4), 4);
  const auto good = [&](const std::string& who, const v1::Command& command) {
    const auto done = in.duty_does("onc-rn", person(who), command);
    EXPECT_THAT(done, accepted());
    return done ? *done : facts{};
  };
  const auto& duty = in.duty("onc-rn");
  good(duty.what.lead, shift(duty.roster_version, "day", "nina", in.now, in.now + 8h));
  good(duty.what.lead, shift(duty.roster_version, "night", "tom", in.now + 8h, in.now + 16h));
  ASSERT_EQ(duty.holder, "nina");
  for (std::size_t i = 0; i < 14; ++i) {
    const auto& patient = patients[i % patients.size()];
    const auto urgent = static_cast<v1::Priority>(1 + i % 4);
    const v1::Command asks =
        i % 3 == 0 ? v1::Command(post(clinical).asap().to_duty("onc-rn")) : request(clinical, task().priority(urgent).to_duty("onc-rn"));
    const auto asked = in.patient_does(patient, person("rao"), asks);
    ASSERT_THAT(asked, accepted());
    const place at{clinical, asked->front().seq()};
    if (i % 3 != 1) continue;
    ASSERT_THAT(in.patient_does(patient, person("nina"), accept(at)), accepted());
  }
  const auto all_answered_by = [&](const std::string& expected) {
    std::size_t count = 0;
    for (const auto& patient : patients) {
      for (const auto at : open_obligations(in.record(record_key(patient)).state())) {
        count += in.accountable_for(patient, at) == expected ? 1 : 0;
      }
    }
    return count;
  };
  EXPECT_EQ(in.owed_by_duty("onc-rn").size(), 14U);
  good("nina", prepare_handoff("tom"));
  const auto seq = duty.handoff->seq;
  for (const auto& patient : patients) good("nina", describe(seq, patient, v1::HandoffNote::SEVERITY_WATCHER));
  good("nina", offer(seq));
  good("tom", open_handoff(seq));
  good("tom", take_handoff(seq));
  for (const auto& patient : patients) good("tom", synthesize(seq, patient, top_action(duty.handoff->owed, patient)));
  ASSERT_EQ(all_answered_by("nina"), 14U) << "none before";
  in.crash();
  ASSERT_EQ(all_answered_by("nina"), 14U) << "and a restart between HO7 and HO8 leaves her accountable";
  const auto deadlines_before = deadlines_of(in);
  const auto versions_before = versions_of(in);
  const auto done = in.duty_does("onc-rn", person("nina"), confirm(seq));
  ASSERT_THAT(done, accepted());
  EXPECT_TRUE((*done)[0].has_handoff_completed());
  EXPECT_EQ(all_answered_by("tom"), 14U) << "one commit on the duty's record";
  EXPECT_EQ(deadlines_of(in), deadlines_before);
  EXPECT_EQ(versions_of(in), versions_before) << "and nothing in the patients' records";
}

TEST_F(duty_world, every_obligation_has_one_person_at_every_step) {
  const auto seed = chosen_seed();
  const auto steps = chosen_steps(usual_steps);
  std::size_t worlds = 0;
  for (std::size_t left = steps; left > 0 && !HasFailure(); ++worlds) {
    const auto here = std::min(left, steps_of_one_world);
    run(seed + worlds, here);
    left -= here;
  }
  std::cout << "CARETEAM_SEED=" << seed << ": " << steps << " steps, " << carried_out_ << " commands carried out, " << obligations_
            << " times an obligation was looked at, " << handed_over_ << " handoffs, " << left_ << " leaves that moved a duty\n";
  if (steps < usual_steps || HasFailure()) return;
  // A generator that reaches nothing proves nothing.
  EXPECT_GT(carried_out_, steps / 6);
  EXPECT_GT(by_holders_, steps);
  EXPECT_GT(handed_over_, steps / 1'000);
  EXPECT_GT(left_, steps / 5'000);
}

}  // namespace
}  // namespace careteam::care::fixture

// Several duties, patients and people: messages and tasks to duties, shifts, leaves with cover, handoffs, suspensions, timers, and crashes
// in between. After each step every open obligation has exactly one accountable person, and no deadline was moved by a change of owner.
#include <iostream>
#include <memory>
#include <set>

#include "care/duty_index.hpp"
#include "care/task_owner.hpp"
#include "care/worklist.hpp"
#include "property/command_generator.hpp"
#include "unit/care/duty_fixture.hpp"

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

/// Everything of an organisation that its hosts keep, driven as they drive it.
class world {
 public:
  explicit world(std::uint64_t seed) : roll(seed) {
    for (const auto& id : staff) enroll_one(id, v1::PERSON_KIND_STAFF, false);
    enroll_one(safety_person, v1::PERSON_KIND_STAFF, false);
    enroll_one("alex", v1::PERSON_KIND_STAFF, true);
    for (const auto& id : patients) enroll_one(id, v1::PERSON_KIND_PATIENT, false);
    for (const auto& id : patients) open(id);
    for (const auto& id : duties) {
      records_.emplace(duty_record_key(id), driven_record(*new_record(duty_record_key(id)), {}));
      EXPECT_THAT(duty_does(id, person("alex"), define(0, made_duty(id, roll))), accepted());
    }
    know_duties();
  }

  driven_record& record(const std::string& key) { return records_.at(key); }
  const driven_record& record(const std::string& key) const { return records_.at(key); }
  const duty_state& duty(const std::string& id) const { return record(duty_record_key(id)).state().duty; }
  const organization_state& people() const { return organization_.state().organization; }
  task_world around(const std::string& patient) const { return {record(record_key(patient)).state().team, people(), setting, now}; }

  outcome<facts> patient_does(const std::string& patient, const actor& who, const v1::Command& command) {
    return record(record_key(patient)).submit(command, who, context_of({}));
  }

  outcome<facts> duty_does(const std::string& id, const actor& who, v1::Command command) {
    command.set_duty_id(id);
    const auto owed = owed_by_duty(id);
    auto with = context_of(owed);
    auto done = record(duty_record_key(id)).submit(command, who, with);
    if (done) know_duties();
    return done;
  }

  void suspend_or_reinstate(const std::string& id) {
    const auto command = people().active(id) ? suspend(id) : reinstate(id);
    const auto before = people();
    EXPECT_THAT(organization_.submit(command, person("alex"), {now, before}), accepted());
  }

  /// What the rows of the worklist say that the duty owes (HO1): what the store gives to the duty's host.
  std::vector<owed_item> owed_by_duty(const std::string& id) const {
    std::vector<owed_item> owed;
    for (const auto& patient : patients) {
      if (!records_.contains(record_key(patient))) continue;
      for (const auto& row : obligation_rows(record(record_key(patient)).state())) {
        if (row.owner != duty_key(id) || (row.parts & row_part::answers) == 0) continue;
        owed.push_back({patient, row.at, row.priority, row.breach, row.version});
      }
    }
    return owed;
  }

  /// The process dies: what was in memory comes back from a snapshot, or from the log alone.
  void crash() {
    for (auto& [key, one] : records_) {
      auto state = roll.percent(50) ? from_snapshot(to_snapshot(one.state())) : new_record(key);
      ASSERT_TRUE(state);
      for (std::size_t i = state->version; i < one.log().size(); ++i) apply(*state, one.log()[i]);
      ASSERT_TRUE(*state == one.state()) << key << " is another one after a restart";
      one = driven_record(std::move(*state), one.log());
    }
    know_duties();
  }

  void fire_due() {
    for (auto& [key, one] : records_) {
      for (int limit = 0; limit < 2'000; ++limit) {
        const pending_timer* due = nullptr;
        for (const auto& [id, timer] : one.state().timers.pending()) {
          if (timer.due <= now && (due == nullptr || timer.due < due->due)) due = &timer;
        }
        if (due == nullptr) break;
        v1::Command command;
        ASSERT_TRUE(command.ParseFromString(due->command));
        const auto id = duty_of_key(key);
        const auto done = id ? duty_does(*id, the_system(), command) : one.submit(command, the_system(), context_of({}));
        ASSERT_THAT(done, accepted()) << command.DebugString();
        ASSERT_LT(limit, 1'999) << key << " fires without end";
      }
    }
  }

  dice roll;
  instant now = chicago(23, 8);
  task_setting setting;

 private:
  context context_of(const std::vector<owed_item>& owed) const {
    context with{now, people(), 0, 1'000'000, setting};
    with.owed = owed;
    return with;
  }

  void enroll_one(const std::string& id, v1::PersonKind kind, bool administrator) {
    const auto before = people();
    EXPECT_THAT(organization_.submit(enroll(id, id, kind, administrator), the_system(), {now, before}), accepted());
  }

  void open(const std::string& patient) {
    records_.emplace(record_key(patient), driven_record(patient));
    const auto does = [&](const v1::Command& command) { EXPECT_THAT(patient_does(patient, person("alex"), command), accepted()); };
    const auto version = [&] { return record(record_key(patient)).state().team.version; };
    does(open_record(patient));
    does(add_member(version(), patient, v1::ROLE_PATIENT));
    does(add_member(version(), "rao", v1::ROLE_MEDICAL_ONCOLOGIST));
    for (const auto* nurse : {"nina", "tom", "noah"}) does(add_member(version(), nurse, v1::ROLE_ONCOLOGY_NURSE));
    does(add_member(version(), "grace", v1::ROLE_NURSE_PRACTITIONER));
    // Claire knows two of the three only: she may hold a duty of whose patients she does not read one.
    if (patient != "ito") does(add_member(version(), "claire", v1::ROLE_NURSE_PRACTITIONER));
    does(assign_attending(version(), "rao"));
  }

  void know_duties() {
    index_ = std::make_unique<duty_index>(people(), safety_person);
    for (const auto& id : duties) {
      if (records_.contains(duty_record_key(id))) index_->put(duty(id));
    }
    setting.duties = index_.get();
    setting.safety_person = safety_person;
  }

  driven_record organization_;
  std::map<std::string, driven_record> records_;
  std::unique_ptr<duty_index> index_;
};

/// Random commands, mostly such as are carried out.
class mind {
 public:
  explicit mind(world& in) : world_(in), roll_(in.roll) {}

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
        return done(world_.duty_does(id, person("alex"), asked));
      }
    }
  }

  /// What the handoff waits for, by whom it is waited for; else one is begun.
  void on_handoff(const std::string& id) {
    const auto& duty = world_.duty(id);
    if (duty.holder.empty()) return;
    if (!duty.handoff) return done(world_.duty_does(id, person(duty.holder), prepare_handoff(roll_.of(staff))));
    const auto handoff = *duty.handoff;
    if (roll_.percent(3)) return done(world_.duty_does(id, person(handoff.from), end_handoff(handoff.seq)));
    const auto list = owed_by_place(world_.owed_by_duty(id));
    const auto missing = not_described(handoff, list);
    const bool begun = handoff.stage != handoff_stage::draft && handoff.stage != handoff_stage::requested;
    if (begun && hash_of(list) != handoff.owed_hash) return done(world_.duty_does(id, person(handoff.to), show_delta(handoff.seq)));
    if (!missing.empty() && (begun || handoff.stage == handoff_stage::draft)) {
      return done(world_.duty_does(id, person(handoff.from), describe(handoff.seq, missing[0], v1::HandoffNote::SEVERITY_WATCHER)));
    }
    switch (handoff.stage) {
      case handoff_stage::draft:
        return done(world_.duty_does(id, person(handoff.from), offer(handoff.seq)));
      case handoff_stage::requested:
        return done(world_.duty_does(id, person(handoff.to), open_handoff(handoff.seq)));
      case handoff_stage::received:
        return done(world_.duty_does(id, person(handoff.to), take_handoff(handoff.seq)));
      case handoff_stage::accepted:
        for (const auto& [patient, said] : handoff.patients) {
          if (said.synthesized) continue;
          return done(world_.duty_does(id, person(handoff.to), synthesize(handoff.seq, patient, top_action(handoff.owed, patient))));
        }
        return;
      case handoff_stage::in_progress:
        return done(world_.duty_does(id, person(handoff.from), confirm(handoff.seq)));
    }
  }

  world& world_;
  dice& roll_;
};

using deadlines = std::map<std::pair<std::string, place>, std::map<v1::TaskTimer, task_deadline>>;

class duty_world : public ::testing::Test {
 protected:
  static deadlines deadlines_of(const world& in) {
    deadlines result;
    for (const auto& patient : patients) {
      for (const auto& [at, task] : in.record(record_key(patient)).state().tasks.open) result[{patient, at}] = task.timers;
    }
    return result;
  }

  static std::map<std::string, std::uint64_t> versions_of(const world& in) {
    std::map<std::string, std::uint64_t> result;
    for (const auto& patient : patients) result[patient] = in.record(record_key(patient)).state().version;
    return result;
  }

  /// I1 and invariant 5: every open obligation has a person.
  void check_owners(const world& in) {
    for (const auto& patient : patients) {
      for (const auto at : open_obligations(in.record(record_key(patient)).state())) {
        const auto person = accountable_for(in, patient, at);
        ASSERT_FALSE(person.empty()) << patient << " " << at.seq << ": ownerless";
        ASSERT_TRUE(in.people().find(person)) << person;
        ++obligations_;
      }
    }
  }

  /// Whoever is accountable, and nobody else, has it on their worklist as such, and finds it there by the index.
  void check_worklists(const world& in) {
    for (const auto& id : staff) {
      const auto keys = owner_keys(id, in.setting, in.now);
      const worklist_view view{id, in.people(), in.setting, in.now};
      for (const auto& patient : patients) {
        const auto& state = in.record(record_key(patient)).state();
        const bool reads = in.people().active(id) && may_read(state.team, id, clinical, in.now);
        for (const auto at : open_obligations(state)) {
          const auto item = owed_by(state, at, view);
          const bool answers = item && item->how == standing::answers;
          ASSERT_EQ(answers, reads && accountable_for(in, patient, at) == id) << patient << " " << at.seq << " " << id;
          if (!item) continue;
          const auto rows = obligation_rows(state, at);
          const bool found = std::ranges::any_of(rows, [&](const auto& row) { return std::ranges::find(keys, row.owner) != keys.end(); });
          ASSERT_TRUE(found || answers_for_the_rest(state, id, in.setting)) << id << " would not find what they owe";
        }
      }
    }
  }

  /// The messages of this world address one person or duty each.
  static std::string accountable_for(const world& in, const std::string& patient, place at) {
    const auto& state = in.record(record_key(patient)).state();
    if (const auto* task = state.tasks.find(at)) return accountable(*task, at, in.around(patient));
    const auto owed = obligations_of(*state.chat.message(at), at, {in.now, state.team, &in.people(), in.setting.duties});
    return owed.empty() ? std::string() : owed.front().accountable;
  }

  /// A task of a duty is answered for by its holder of now, where they may.
  void check_holders(const world& in) {
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
    world one(seed);
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
  void check_log(const world& in) {
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
  world in(4);
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
        count += accountable_for(in, patient, at) == expected ? 1 : 0;
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

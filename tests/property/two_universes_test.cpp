// Nothing can be inferred (invariant 4, F12): what the patient does gives the same answers and the same shared entries, with and without
// anything happening in the streams that the patient cannot see.
#include <iostream>

#include "property/command_generator.hpp"

namespace careteam::care::fixture {
namespace {

constexpr std::size_t visible_steps = 1'500;
constexpr std::size_t usual_worlds = 6;

std::string shared_bytes(const rosas_record& ward) {
  std::string bytes;
  for (const auto& entry : ward.record.stream(shared)) bytes += entry.SerializeAsString() + "\n";
  return bytes;
}

/// Whatever happens out of the patient's sight: chat and tasks in the hidden streams, looks at the roster. No roster change, which is seen.
void happens_unseen(rosas_record& ward, command_generator& generate) {
  auto& random = generate.random();
  const auto stream = random.percent(60) ? clinical : support;
  const auto who = generate.somebody(ward, stream);
  const account* one = ward.people.state().organization.find(who.person_id);
  const bool staff = one && one->kind == v1::PERSON_KIND_STAFF;
  if (!staff) return;
  if (random.percent(5)) {
    (void)ward.does(who, view_roster());
    return;
  }
  if (random.percent(50)) {
    const auto tried = random.percent(90) ? generate.tasks(ward, stream) : generate.protocol(ward, stream);
    (void)ward.does(tried.who, tried.command);
    return;
  }
  (void)ward.does(who, generate.chat(ward, stream));
}

class two_universes : public ::testing::Test {
 protected:
  void run(std::uint64_t seed, std::size_t steps) {
    rosas_record quiet, busy;
    command_generator::prepare(quiet);
    command_generator::prepare(busy);
    command_generator seen(seed), unseen(seed ^ 0x9E3779B97F4A7C15ULL);
    for (std::size_t step = 0; step < steps && !HasFailure(); ++step) {
      for (std::size_t n = unseen.random().below(4); n > 0; --n) happens_unseen(busy, unseen);
      quiet.now = busy.now += std::chrono::seconds(seen.random().below(600));
      const auto tried = due_in_shared(quiet, seen).value_or(next(quiet, seen));
      const auto in_quiet = quiet.does(tried.who, tried.command);
      const auto in_busy = busy.does(tried.who, tried.command);
      EXPECT_EQ(told(in_quiet), told(in_busy)) << "at step " << step << " of the world " << seed << ", on:\n"
                                               << tried.who.person_id << " " << tried.command.DebugString();
      EXPECT_EQ(quiet.record.state().stream(shared).head, busy.record.state().stream(shared).head);
      EXPECT_EQ(quiet.readable("rosa"), busy.readable("rosa"));
    }
    EXPECT_EQ(shared_bytes(quiet), shared_bytes(busy));
    const auto roster = [](const rosas_record& ward) {
      return roster_view(ward.team(), 3, ward.now, roster_reader::guest).SerializeAsString();
    };
    EXPECT_EQ(roster(quiet), roster(busy));
    hidden_ += busy.record.log().size() - quiet.record.log().size();
    seen_ += quiet.record.stream(shared).size();
  }

  std::size_t hidden_ = 0, seen_ = 0;

 private:
  /// A message in `shared` was not acknowledged in time: what the patient reads of it must not depend on what is hidden.
  static std::optional<attempt> due_in_shared(const rosas_record& ward, command_generator& generate) {
    if (generate.random().percent(50)) return std::nullopt;
    for (const auto& [id, timer] : ward.record.state().timers.pending()) {
      if (!id.starts_with("message/1/") || timer.due > ward.now) continue;
      v1::Command command;
      if (command.ParseFromString(timer.command)) return attempt{the_system(), command};
    }
    return std::nullopt;
  }

  /// What the patient and the caregivers try, anywhere; and what the team does in `shared`.
  static attempt next(const rosas_record& ward, command_generator& generate) {
    auto& random = generate.random();
    auto tried = generate.any(ward);
    if (random.percent(60)) {
      tried.who = person(random.of(std::vector<std::string>{"rosa", "rosa", "luis", "eva"}));
      if (random.percent(20)) {
        // Seqs that exist in one universe only.
        const auto hidden = random.of(std::vector{clinical, support, audit});
        tried.command = random.percent(50) ? generate.chat(ward, hidden) : generate.tasks(ward, hidden).command;
      }
      return tried;
    }
    const bool roster = tried.command.has_add_member() || tried.command.has_end_member() || tried.command.has_change_role() ||
                        tried.command.has_assign_attending();
    if (!roster) {
      if (random.percent(40)) return generate.tasks(ward, shared);
      auto command = generate.chat(ward, shared);
      // Where it came from differs between the universes only for staff, who may read it.
      if (command.has_post_message()) command.mutable_post_message()->clear_forwarded_from();
      tried.command = command;
    }
    return tried;
  }
};

TEST_F(two_universes, the_patient_cannot_tell_them_apart) {
  const auto seed = chosen_seed();
  const auto steps = chosen_steps(visible_steps * usual_worlds);
  std::cout << "replay: CARETEAM_SEED=" << seed << " CARETEAM_STEPS=" << steps << " property_care --gtest_filter=two_universes.*\n";
  for (std::size_t done = 0; done < steps && !HasFailure(); done += visible_steps)
    run(seed + done / visible_steps, std::min(visible_steps, steps - done));
  std::cout << seen_ << " entries seen, " << hidden_ << " hidden entries between them\n";
  if (steps < visible_steps) return;
  EXPECT_GT(hidden_, seen_ / 10) << "nothing was hidden: the test proves nothing";
}

}  // namespace
}  // namespace careteam::care::fixture

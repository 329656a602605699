// Thirty simulated days of a clinic: each invariant after each commit, and one seed is one history, to the last byte.
#include <iostream>

#include "property/clinic_days.hpp"

namespace careteam::care::fixture {
namespace {

constexpr std::size_t usual_days = 30;

std::size_t chosen_days() {
  const char* text = std::getenv("CARETEAM_DAYS");
  return text == nullptr ? usual_days : std::strtoull(text, nullptr, 10);
}

/// What a month must have seen, or the test was of nothing.
const std::vector<std::pair<std::string_view, std::size_t>> seen_in_a_month{
    {"shift ends", 250},
    {"handoffs", 400},
    {"handoffs confirmed", 300},
    {"handoffs confirmed by the lead", 1},
    {"handoffs with a delta", 20},
    {"handoffs that came to nothing", 5},
    {"handoffs nobody begins", 10},
    {"nights that end in summer time", 20},
    {"nights that end in winter time", 30},
    {"holders by HOLDER_REASON_HANDOFF", 300},
    {"holders by HOLDER_REASON_FORCED", 10},
    {"holders by HOLDER_REASON_LEAVE", 1},
    {"holders by HOLDER_REASON_HANDED_BACK", 1},
    {"holders by HOLDER_REASON_ROSTER", 1},
    {"reminders of DUTY_TIMER_LEAD", 10},
    {"reminders of DUTY_TIMER_MANAGER", 10},
    {"leaves", 20},
    {"leaves that ended early", 1},
    {"turns swapped", 1},
    {"people taken ill", 10},
    {"people called in", 1},
    {"people suspended", 8},
    {"people off a team", 50},
    {"patients who were declined", 10},
    {"patients who were taken back", 5},
    {"handoffs into another shift", 3},
    {"looks at tasks of the safety person, who was not asked", 1},
    {"outages", 3},
    {"timers fired", 1'000},
    {"timers fired after an outage", 20},
    {"tasks", 1'000},
    {"tasks that follow others", 50},
    {"task escalations", 100},
    {"tasks without response", 10},
    {"tasks completed", 500},
    {"tasks reopened", 5},
    {"tasks failed", 20},
    {"tasks cancelled", 20},
    {"stops acknowledged", 1},
    {"tasks declined", 20},
    {"tasks rejected by the last", 1},
    {"tasks taken over", 10},
    {"people who read on after a handoff", 100},
    {"people who read on while on leave", 5},
    {"claims that expired", 20},
    {"pauses that were over", 10},
    {"read-backs that differ", 10},
    {"protocols", 20},
    {"tasks of protocols", 60},
    {"cycles moved", 10},
    {"tasks moved with their cycle", 2},
    {"protocols stopped", 5},
    {"protocols of the dead that were stopped", 1},
    {"patients who died", 2},
    {"looks at readers by a duty", 1'000},
    {"looks at duties held in another role", 10},
    {"messages", 1'000},
    {"acknowledgements", 300},
    {"message escalations", 50},
    {"messages without response", 5},
    {"escalations out of the patient's sight", 1},
    {"tries at what is over", 20},
    {"obligations on worklists", 1'000},
};

std::string history_of(std::uint64_t seed, std::size_t days) {
  clinic_days clinic(seed);
  clinic.run(std::chrono::days(days));
  auto& kept = clinic.keeper();
  kept.check_worklists();
  kept.check_replay();
  if (days >= usual_days && !::testing::Test::HasFailure()) {
    for (const auto& [what, least] : seen_in_a_month) EXPECT_GE(kept.counted(what), least) << what;
  }
  const auto hash = kept.hash();
  std::cout << "CARETEAM_SEED=" << seed << ": " << days << " days, " << kept.counted("entries") << " entries, " << hash << "\n";
  if (::testing::Test::HasFailure() || std::getenv("CARETEAM_ACCOUNT") != nullptr) kept.tell(std::cout);
  return hash;
}

TEST(clinic_days, one_seed_is_one_history_and_another_seed_another) {
  const auto seed = chosen_seed();
  const auto days = chosen_days();
  const auto first = history_of(seed, days);
  ASSERT_FALSE(HasFailure()) << "replay: CARETEAM_SEED=" << seed << " CARETEAM_DAYS=" << days
                             << " property_care --gtest_filter=clinic_days.*";
  EXPECT_EQ(history_of(seed, days), first) << "the same seed: CARETEAM_SEED=" << seed;
  EXPECT_NE(history_of(seed + 1, days), first) << "another seed";
}

}  // namespace
}  // namespace careteam::care::fixture

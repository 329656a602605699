// Silence escalates: the ladder, its times, and that nothing ever happens twice (T17; C7, G2, G5, G8).
#include "task_fixture.hpp"

namespace careteam::care::fixture {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class task_timers : public task_ward {
 protected:
  /// When each step of a silent ladder came, and its level.
  std::vector<std::pair<instant, std::uint32_t>> ladder(place of) const {
    std::vector<std::pair<instant, std::uint32_t>> result;
    for (const auto& entry : ward.record.log()) {
      if (!entry.has_task_escalated() || about(entry) != of.seq || entry.stream() != of.stream) continue;
      result.emplace_back(*to_instant(entry.time()), entry.task_escalated().no_response() ? 3 : entry.task_escalated().level());
    }
    return result;
  }
  std::size_t entries() const { return ward.record.log().size(); }
};

using step = std::pair<instant, std::uint32_t>;

TEST_F(task_timers, a_silent_ladder_climbs_at_the_times_of_the_table) {
  const auto stat = asks(clinical, task("a").stat().to("nina"));
  const auto asap = asks(clinical, task("b").asap().to("nina"));
  const auto urgent = asks(clinical, task("c").urgent().to("nina"));
  const auto routine = asks(clinical, task("d").to("nina"));
  passes_until(monday + 40h);
  EXPECT_THAT(ladder(stat), ElementsAre(step{monday + 5min, 1}, step{monday + 10min, 2}, step{monday + 15min, 3}));
  EXPECT_THAT(ladder(asap), ElementsAre(step{monday + 15min, 1}, step{monday + 30min, 2}, step{monday + 45min, 3}));
  EXPECT_THAT(ladder(urgent), ElementsAre(step{monday + 60min, 1}, step{monday + 90min, 2}, step{monday + 120min, 3}));
  EXPECT_THAT(ladder(routine), ElementsAre(step{monday + 24h, 1}, step{monday + 28h, 2}, step{monday + 32h, 3}));
}

TEST_F(task_timers, each_step_asks_further_people_and_those_before_stay_asked) {
  const auto anc = asks(clinical, task("ANC 0.72").stat().to("nina").then("claire").then("omar"));
  EXPECT_THAT(does("claire", claim(anc)), refused_with(code::permission_denied, "claimTask.task.seq"));
  passes_until(monday + 5min);
  EXPECT_THAT(does("omar", claim(anc)), refused_with(code::permission_denied, "claimTask.task.seq"));
  passes_until(monday + 10min);
  EXPECT_EQ(answers_for(anc), "nina") << "asking others takes nothing from whom was asked first";
  ASSERT_THAT(does("omar", claim(anc)), accepted());
  ward.says("omar", release(anc));
  EXPECT_THAT(does("nina", claim(anc)), accepted());
}

TEST_F(task_timers, no_response_asks_the_attending_at_once_and_the_task_stays_open) {
  const auto anc = asks("omar", clinical, task("ANC 0.72").asap().to("nina"));
  passes_until(monday + 45min);
  const auto next = successor(anc, v1::TASK_RULE_NO_RESPONSE);
  EXPECT_EQ(at(next).order.kind, v1::TASK_KIND_FOLLOW_UP);
  EXPECT_EQ(at(next).order.priority, v1::PRIORITY_STAT);
  EXPECT_EQ(answers_for(next), "rao");
  EXPECT_EQ(at(next).origin, (task_origin{anc.seq, v1::TASK_RULE_NO_RESPONSE, 1}));
  EXPECT_TRUE(at(anc).no_response);
  EXPECT_EQ(answers_for(anc), "nina");
  EXPECT_THAT(does("nina", claim(anc)), accepted());
}

TEST_F(task_timers, silence_of_a_duty_reaches_its_lead_first) {
  const auto anc = asks("omar", clinical, task("ANC 0.72").stat().to_duty("onc-rn"));
  passes_until(monday + 15min);
  EXPECT_EQ(answers_for(successor(anc, v1::TASK_RULE_NO_RESPONSE)), "claire");
}

TEST_F(task_timers, silence_about_a_follow_up_reaches_the_safety_person_and_ends_there) {
  const auto anc = asks("omar", clinical, task("ANC 0.72").stat().to("nina"));
  passes_until(monday + 24h);
  const auto first = successor(anc, v1::TASK_RULE_NO_RESPONSE);
  const auto second = successor(first, v1::TASK_RULE_NO_RESPONSE);
  EXPECT_EQ(at(second).order.target.person, "grace");
  EXPECT_EQ(successor(second, v1::TASK_RULE_NO_RESPONSE).seq, 0U);
  EXPECT_EQ(ward.tasks().open.size(), 3U) << "nothing was lost and nothing was doubled";
  EXPECT_THAT(running_timers(ward.tasks()), IsEmpty());
}

TEST_F(task_timers, what_is_accepted_but_not_begun_escalates_too) {
  const auto anc = asks("omar", clinical, task("ANC 0.72").asap().to("nina"));
  ward.says("nina", accept(anc));
  passes_until(monday + 29min);
  EXPECT_THAT(ladder(anc), IsEmpty());
  passes_until(monday + 30min);
  EXPECT_THAT(ladder(anc), ElementsAre(step{monday + 30min, 1}));
  EXPECT_EQ(last(clinical).task_escalated().timer(), v1::TASK_TIMER_START);
  passes_until(monday + 2h);
  EXPECT_EQ(last(clinical).task_escalated().timer(), v1::TASK_TIMER_DUE);
  EXPECT_EQ(answers_for(anc), "nina");
  ward.says("nina", start(anc));
  EXPECT_THAT(running_timers(ward.tasks(), anc), IsEmpty());
}

TEST_F(task_timers, two_silences_about_one_task_make_two_numbered_follow_ups) {
  const auto anc = asks("omar", clinical, task("ANC 0.72").asap().to("nina"));
  passes_until(monday + 46min);
  ward.says("nina", accept(anc));
  passes_until(monday + 6h);
  std::vector<std::uint32_t> ordinals;
  for (const auto& entry : ward.record.log()) {
    if (entry.task_requested().origin().seq() == anc.seq) ordinals.push_back(entry.task_requested().origin().ordinal());
  }
  EXPECT_THAT(ordinals, ElementsAre(1, 2, 3)) << "nobody accepted, nobody began, nobody was done in time";
}

TEST_F(task_timers, a_timer_that_fires_again_changes_nothing) {
  const auto anc = asks(clinical, task("ANC 0.72").stat().to("nina"));
  const auto armed = running_timers(ward.tasks(), anc).front();
  ward.now = armed.due;
  const auto firing = fire(anc, armed.kind, armed.level, armed.version);
  ASSERT_THAT(ward.does(the_system(), firing), accepted());
  const auto after = entries();
  for (int again = 0; again < 3; ++again) {
    const auto result = ward.does(the_system(), firing);
    ASSERT_THAT(result, accepted());
    EXPECT_THAT(*result, IsEmpty());
  }
  EXPECT_EQ(entries(), after);
}

TEST_F(task_timers, a_timer_of_what_was_acted_on_meanwhile_changes_nothing) {
  const auto anc = asks(clinical, task("ANC 0.72").stat().to("nina"));
  const auto armed = running_timers(ward.tasks(), anc).front();
  ward.says("nina", accept(anc));
  ward.now = armed.due;
  EXPECT_THAT(*ward.does(the_system(), fire(anc, armed.kind, armed.level, armed.version)), IsEmpty());
  EXPECT_THAT(*ward.does(the_system(), fire({clinical, 999}, armed.kind, armed.level, armed.version)), IsEmpty());
  EXPECT_THAT(*ward.does(the_system(), fire(anc, v1::TASK_TIMER_UNSPECIFIED, 0, 1)), IsEmpty());
}

TEST_F(task_timers, the_ladder_goes_on_while_somebody_thinks_and_a_claim_does_not_rearm_it) {
  const auto anc = asks(clinical, task("ANC 0.72").stat().to(v1::ROLE_ONCOLOGY_NURSE));
  const auto armed = running_timers(ward.tasks(), anc).front();
  ward.now += 4min;
  ward.says("nina", claim(anc));
  ward.now = armed.due;
  EXPECT_EQ(ward.does(the_system(), fire(anc, armed.kind, armed.level, armed.version))->size(), 1U)
      << "the timer was set before the claim, and still runs";
  EXPECT_EQ(status(anc), v1::TASK_STATUS_RECEIVED);
}

TEST_F(task_timers, fire_only_when_they_are_due_and_only_for_the_server) {
  const auto anc = asks(clinical, task("ANC 0.72").stat().to("nina"));
  const auto armed = running_timers(ward.tasks(), anc).front();
  const auto firing = fire(anc, armed.kind, armed.level, armed.version);
  ward.now = armed.due - 1us;
  EXPECT_THAT(ward.does(the_system(), firing), refused_with(code::failed_precondition, "fireTaskTimer")) << "a clock that jumped";
  ward.now = armed.due;
  for (const auto* who : {"nina", "rao", "rosa"}) {
    EXPECT_THAT(does(who, firing), refused_with(code::permission_denied, "action")) << who;
  }
  EXPECT_THAT(ward.does(the_system(), firing), accepted());
}

TEST_F(task_timers, after_a_long_outage_the_ladder_has_its_own_times) {
  const auto anc = asks(clinical, task("ANC 0.72").stat().to("nina"));
  ward.now += 2h;
  const auto late = running_timers(ward.tasks(), anc).front();
  ASSERT_THAT(ward.does(the_system(), fire(anc, late.kind, late.level, late.version)), accepted());
  EXPECT_EQ(to_instant(last(clinical).task_escalated().next_by()), monday + 10min);
}

TEST_F(task_timers, routine_runs_in_the_clinics_calendar_and_the_rest_day_and_night) {
  // Working days only: what would end on a weekend ends so much later.
  ward.setting.policy.business = [](instant t, std::chrono::microseconds for_) { return t + for_ + std::chrono::hours{48}; };
  const auto routine = asks(clinical, task("a").to("nina"));
  const auto urgent = asks(clinical, task("b").urgent().to("nina"));
  EXPECT_EQ(at(routine).timers.at(v1::TASK_TIMER_ACCEPT).at, monday + 24h + 48h);
  EXPECT_EQ(at(routine).order.due, monday + 72h + 48h);
  EXPECT_EQ(at(urgent).timers.at(v1::TASK_TIMER_ACCEPT).at, monday + 1h);
}

TEST_F(task_timers, the_clinics_own_times_count_for_what_is_asked_from_then_on) {
  const auto before = asks(clinical, task("a").stat().to("nina"));
  ward.setting.policy.stat.accept[0] = 3min;
  const auto after = asks(clinical, task("b").stat().to("nina"));
  EXPECT_EQ(at(before).timers.at(v1::TASK_TIMER_ACCEPT).at, monday + 5min) << "a deadline is a fact";
  EXPECT_EQ(at(after).timers.at(v1::TASK_TIMER_ACCEPT).at, monday + 3min);
}

}  // namespace
}  // namespace careteam::care::fixture

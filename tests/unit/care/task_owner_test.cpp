// Never ownerless: who answers for a task when duties change hands, people leave or lose their access (I1; A6, C5, T15).
#include "task_fixture.hpp"

namespace careteam::care::fixture {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class task_owner : public task_ward {};

TEST_F(task_owner, a_duty_owns_what_was_accepted_for_it_whoever_holds_it) {
  const auto anc = asks("omar", clinical, task("ANC 0.72").asap().to_duty("onc-rn"));
  ward.says("nina", accept(anc));
  const auto before = running_timers(ward.tasks(), anc);
  EXPECT_EQ(at(anc).owner, "nina") << "the person is recorded as the one who acted";
  duties.held["onc-rn"].holder = "tom";
  EXPECT_EQ(answers_for(anc), "tom");
  EXPECT_EQ(running_timers(ward.tasks(), anc), before);
  EXPECT_THAT(does("nina", start(anc)), refused_with(code::permission_denied, "startTask.task.seq"));
  EXPECT_THAT(does("tom", start(anc)), accepted());
}

TEST_F(task_owner, a_requested_task_of_a_duty_is_answered_for_by_its_holder_of_now) {
  const auto anc = asks("omar", clinical, task("ANC 0.72").to_duty("onc-rn"));
  EXPECT_EQ(answers_for(anc), "nina");
  duties.held["onc-rn"].holder = "tom";
  EXPECT_EQ(answers_for(anc), "tom");
  EXPECT_THAT(does("nina", claim(anc)), refused_with(code::permission_denied, "claimTask.task.seq"));
  EXPECT_THAT(does("tom", claim(anc)), accepted());
}

TEST_F(task_owner, a_duty_is_taken_in_its_own_roles_only) {
  duties.held["onc-rn"] = {"omar", "claire", {v1::ROLE_ONCOLOGY_NURSE}};
  const auto anc = asks("rao", clinical, task("ANC 0.72").to_duty("onc-rn"));
  EXPECT_THAT(does("omar", claim(anc)), refused_with(code::permission_denied, "claimTask.task.seq"))
      << "a pharmacist holds no nurse's duty";
  EXPECT_EQ(answers_for(anc), "claire");
}

TEST_F(task_owner, who_leaves_or_loses_access_leaves_nothing_behind) {
  const auto anc = asks("omar", clinical, task("ANC 0.72").to("tom"));
  ward.says("tom", accept(anc));
  ward.says("tom", start(anc));
  ASSERT_THAT(ward.organization_does("alex", suspend("tom")), accepted());
  EXPECT_EQ(answers_for(anc), "rao") << "the attending";
  ASSERT_THAT(ward.organization_does("alex", reinstate("tom")), accepted());
  EXPECT_EQ(answers_for(anc), "tom");
  ward.now += 1s;
  ward.leave("tom", v1::ROLE_ONCOLOGY_NURSE);
  EXPECT_EQ(answers_for(anc), "rao");
  EXPECT_THAT(does("claire", take_over(anc)), refused_with(code::permission_denied, "acceptTransfer.task.seq"));
  ASSERT_THAT(does("rao", take_over(anc)), accepted()) << "no offer is needed for what was left behind";
  EXPECT_EQ(status(anc), v1::TASK_STATUS_IN_PROGRESS);
  EXPECT_EQ(last(clinical).task_transferred().from_person_id(), "tom");
  EXPECT_THAT(does("rao", complete(anc)), accepted());
}

TEST_F(task_owner, of_a_pool_whoever_else_is_asked_takes_what_was_left_behind) {
  const auto anc = asks("omar", clinical, task("ANC 0.72").to(v1::ROLE_ONCOLOGY_NURSE));
  ward.says("tom", accept(anc));
  ASSERT_THAT(ward.organization_does("alex", suspend("tom")), accepted());
  EXPECT_EQ(answers_for(anc), "nina");
  EXPECT_THAT(does("nina", take_over(anc)), accepted());
}

TEST_F(task_owner, when_nobody_is_left_the_safety_person_answers) {
  const auto anc = asks("omar", clinical, task("ANC 0.72").to("tom"));
  ASSERT_THAT(ward.organization_does("alex", suspend("tom")), accepted());
  ASSERT_THAT(ward.organization_does("alex", suspend("rao")), accepted());
  EXPECT_EQ(answers_for(anc), "grace");
  ward.setting.safety_person.clear();
  EXPECT_EQ(answers_for(anc), "omar") << "without one, whoever asked";
}

TEST_F(task_owner, a_role_that_may_not_own_it_any_more_does_not) {
  const auto dose = asks("rao", clinical, task("Hold it", v1::TASK_KIND_MEDICATION).to("tom"));
  ward.says("tom", accept(dose));
  ASSERT_THAT(does("alex", change_role(ward.roster_version(), "tom", v1::ROLE_ONCOLOGY_NURSE, v1::ROLE_PALLIATIVE_CARE)), accepted());
  EXPECT_EQ(answers_for(dose), "rao");
  EXPECT_THAT(does("tom", start(dose)), refused_with(code::permission_denied, "startTask.task.seq"));
}

TEST_F(task_owner, the_worklist_is_what_one_answers_for_by_its_nearest_deadline) {
  const auto routine = asks("omar", clinical, task("a").to("nina"));
  const auto stat = asks("omar", clinical, task("b").stat().to("nina"));
  const auto elsewhere = asks("omar", shared, task("c").urgent().to_duty("onc-rn"));
  const auto toms = asks("omar", clinical, task("d").stat().to("tom"));
  const auto begun = asks("omar", clinical, task("e").stat().to("nina"));
  ward.says("nina", accept(begun));
  ward.says("nina", start(begun));
  const auto places = [&](std::string_view who) {
    std::vector<place> result;
    for (const auto& owed : worklist(ward.tasks(), who, ward.world())) result.push_back(owed.task);
    return result;
  };
  EXPECT_THAT(places("nina"), ElementsAre(stat, elsewhere, routine, begun)) << "what has no deadline comes last";
  EXPECT_THAT(places("tom"), ElementsAre(toms));
  EXPECT_EQ(worklist(ward.tasks(), "tom", ward.world()).front().next, monday + 5min);
  EXPECT_THAT(places("rosa"), IsEmpty());
  duties.held["onc-rn"].holder = "tom";
  EXPECT_THAT(places("tom"), ElementsAre(toms, elsewhere)) << "one handoff, no entry";
}

}  // namespace
}  // namespace careteam::care::fixture

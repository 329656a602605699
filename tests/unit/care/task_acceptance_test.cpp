// Asking, claiming, accepting with read-back, declining (T2, T4-T7; C2, C3, C5).
#include "task_fixture.hpp"

namespace careteam::care::fixture {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class task_acceptance : public task_ward {};

TEST_F(task_acceptance, a_request_records_whom_it_asks_and_until_when) {
  const auto anc = asks(clinical, task("ANC 0.72").stat().to(v1::ROLE_ONCOLOGY_NURSE));
  const auto& requested = last(clinical).task_requested();
  EXPECT_THAT(requested.candidate_person_id(), ElementsAre("nina", "tom"));
  EXPECT_EQ(requested.requester_person_id(), "rao");
  EXPECT_EQ(to_instant(requested.accept_by()), monday + 5min);
  EXPECT_EQ(to_instant(requested.order().due()), monday + 30min);
  EXPECT_EQ(status(anc), v1::TASK_STATUS_REQUESTED);
}

TEST_F(task_acceptance, a_claim_takes_it_tentatively_and_only_one_wins) {
  const auto anc = asks(clinical, task("ANC 0.72").asap().to(v1::ROLE_ONCOLOGY_NURSE));
  ward.now += 2min;
  ASSERT_THAT(does("nina", claim(anc)), accepted());
  EXPECT_EQ(to_instant(last(clinical).task_claimed().decide_by()), monday + 7min);
  EXPECT_EQ(status(anc), v1::TASK_STATUS_RECEIVED);
  EXPECT_EQ(at(anc).owner, "nina");
  ward.now += 1s;
  const auto late = does("tom", claim(anc));
  EXPECT_THAT(late, refused_with(code::aborted, "claimTask.task.seq"));
  EXPECT_EQ(late.error().message, "is taken by nina since 2026-11-23 10:44:00 UTC") << "the loser is told who, and since when";
  EXPECT_THAT(does("tom", accept(anc)), refused_with(code::aborted, "acceptTask.task.seq"));
  ASSERT_THAT(does("nina", accept(anc)), accepted());
  EXPECT_THAT(does("tom", accept(anc)).error().message, HasSubstr("nina"));
}

TEST_F(task_acceptance, somebody_whom_nobody_asked_cannot_claim) {
  const auto anc = asks(clinical, task("ANC 0.72").to("nina"));
  EXPECT_THAT(does("tom", claim(anc)), refused_with(code::permission_denied, "claimTask.task.seq"));
  EXPECT_THAT(does("tom", accept(anc)), refused_with(code::permission_denied, "acceptTask.task.seq"));
  EXPECT_THAT(does("tom", decline(anc)), refused_with(code::permission_denied, "declineTask.task.seq"));
}

TEST_F(task_acceptance, release_gives_it_back_and_the_ladder_goes_on_from_the_same_deadline) {
  const auto anc = asks(clinical, task("ANC 0.72").asap().to(v1::ROLE_ONCOLOGY_NURSE));
  const auto before = running_timers(ward.tasks(), anc);
  ward.says("nina", claim(anc));
  EXPECT_THAT(does("tom", release(anc)), refused_with(code::permission_denied, "releaseTask.task.seq"));
  ASSERT_THAT(does("nina", release(anc)), accepted());
  EXPECT_EQ(status(anc), v1::TASK_STATUS_REQUESTED);
  EXPECT_EQ(running_timers(ward.tasks(), anc), before);
  EXPECT_THAT(does("tom", claim(anc)), accepted());
}

TEST_F(task_acceptance, a_claimer_who_does_not_decide_loses_it) {
  const auto anc = asks(clinical, task("ANC 0.72").asap().to(v1::ROLE_ONCOLOGY_NURSE));
  ward.says("nina", claim(anc));
  ASSERT_THAT(fires(anc, v1::TASK_TIMER_DECIDE), accepted());
  EXPECT_EQ(ward.now, monday + 5min);
  EXPECT_TRUE(last(clinical).task_released().expired());
  EXPECT_EQ(status(anc), v1::TASK_STATUS_REQUESTED);
  EXPECT_EQ(at(anc).owner, "");
}

TEST_F(task_acceptance, accepting_fixes_the_owner_and_sets_start_and_due) {
  const auto anc = asks(clinical, task("ANC 0.72").asap().to("nina"));
  ward.now += 3min;
  ASSERT_THAT(does("nina", accept(anc)), accepted());
  EXPECT_EQ(to_instant(last(clinical).task_accepted().start_by()), monday + 33min);
  EXPECT_EQ(status(anc), v1::TASK_STATUS_ACCEPTED);
  const auto& timers = at(anc).timers;
  ASSERT_EQ(timers.size(), 2U) << "nobody waits for an acceptance any more";
  EXPECT_EQ(timers.at(v1::TASK_TIMER_START).at, monday + 33min);
  EXPECT_EQ(timers.at(v1::TASK_TIMER_DUE).at, monday + 2h) << "due was set when it was asked for";
}

TEST_F(task_acceptance, what_is_due_earlier_is_also_to_be_started_earlier) {
  const auto anc = asks(clinical, task("ANC 0.72").urgent().due(monday + 1h).to("nina"));
  ward.says("nina", accept(anc));
  EXPECT_EQ(at(anc).timers.at(v1::TASK_TIMER_START).at, monday + 1h);
}

class task_read_back : public task_ward {
 protected:
  task_read_back() {
    anc = asks("claire", clinical,
               task("ANC 0.72, C2D1 due 20:00", v1::TASK_KIND_RESULT)
                   .asap()
                   .to_duty("onc-rn")
                   .fact("ANC", "0.72", "10^9/L")
                   .fact("drug", "palbociclib")
                   .fact("when", "tonight 20:00")
                   .read_back());
  }
  static v1::Command reads(place at, std::string_view value, std::string_view unit) {
    return reading_back(reading_back(reading_back(accept(at), "ANC", value, unit), "drug", "palbociclib"), "when", "tonight 20:00");
  }
  place anc;
};

TEST_F(task_read_back, a_mismatch_keeps_it_received_and_tells_the_sender) {
  ward.says("nina", claim(anc));
  ASSERT_THAT(does("nina", reads(anc, "0.92", "10^9/L")), accepted());
  EXPECT_EQ(status(anc), v1::TASK_STATUS_RECEIVED);
  const auto& told = last(clinical).task_read_back_mismatched();
  EXPECT_THAT(told.differs(), ElementsAre("ANC"));
  EXPECT_EQ(told.read_back(0).value(), "0.92");
  EXPECT_EQ(at(anc).timers.at(v1::TASK_TIMER_DECIDE).at, monday + 5min) << "a wrong try buys no time";
  ASSERT_THAT(does("nina", reads(anc, "0.72", "10^9/L")), accepted());
  EXPECT_EQ(status(anc), v1::TASK_STATUS_ACCEPTED);
}

TEST_F(task_read_back, without_a_claim_a_mismatch_claims) {
  ASSERT_THAT(does("nina", reads(anc, "0.92", "10^9/L")), accepted());
  EXPECT_EQ(status(anc), v1::TASK_STATUS_RECEIVED);
  EXPECT_EQ(at(anc).owner, "nina");
}

TEST_F(task_read_back, another_unit_is_another_fact) {
  ward.says("nina", reads(anc, "0.72", "10^9/mL"));
  EXPECT_EQ(status(anc), v1::TASK_STATUS_RECEIVED);
  EXPECT_THAT(last(clinical).task_read_back_mismatched().differs(), ElementsAre("ANC"));
}

TEST_F(task_read_back, letter_case_and_spaces_do_not_count) {
  ward.says("nina", reading_back(reading_back(reading_back(accept(anc), "anc", " 0.72 ", "10^9/l"), "Drug", "PALBOCICLIB"), "when",
                                 "tonight \t 20:00"));
  EXPECT_EQ(status(anc), v1::TASK_STATUS_ACCEPTED);
}

TEST_F(task_read_back, missing_and_foreign_facts_are_mismatches) {
  ward.says("nina", reading_back(reading_back(reading_back(accept(anc), "ANC", "0.72", "10^9/L"), "when", "tonight 20:00"), "dose", "125"));
  EXPECT_THAT(last(clinical).task_read_back_mismatched().differs(), ElementsAre("drug", "dose"));
}

TEST_F(task_read_back, cannot_be_left_out) {
  EXPECT_THAT(does("nina", accept(anc)), refused_with(code::invalid_argument, "acceptTask.readBack"));
  EXPECT_THAT(does("nina", reading_back(reading_back(accept(anc), "ANC", "0.72"), "anc", "0.72")),
              refused_with(code::invalid_argument, "acceptTask.readBack"))
      << "a fact that is entered twice is not a fact";
  EXPECT_EQ(status(anc), v1::TASK_STATUS_REQUESTED);
}

class task_declining : public task_ward {};

TEST_F(task_declining, one_of_several_escalates_now_and_is_not_asked_again) {
  const auto anc = asks(clinical, task("ANC 0.72").asap().to(v1::ROLE_ONCOLOGY_NURSE).then("claire"));
  ward.now += 4min;
  EXPECT_THAT(does("claire", claim(anc)), refused_with(code::permission_denied, "claimTask.task.seq")) << "L1 is not asked yet";
  ASSERT_THAT(does("nina", decline(anc)), accepted());
  EXPECT_EQ(last(clinical).task_declined().level(), 1U);
  EXPECT_EQ(to_instant(last(clinical).task_declined().next_by()), monday + 19min) << "sooner than the ladder alone: 30";
  EXPECT_EQ(status(anc), v1::TASK_STATUS_REQUESTED);
  EXPECT_THAT(does("nina", claim(anc)), refused_with(code::permission_denied, "claimTask.task.seq"));
  EXPECT_THAT(does("claire", claim(anc)), accepted()) << "L1 is asked now";
}

TEST_F(task_declining, never_moves_a_deadline_back) {
  const auto anc = asks(clinical, task("ANC 0.72").asap().to(v1::ROLE_ONCOLOGY_NURSE).then("claire"));
  ward.now += 1h;  // The host was away: the timer has not fired yet.
  ward.says("nina", decline(anc));
  EXPECT_EQ(at(anc).timers.at(v1::TASK_TIMER_ACCEPT).at, monday + 30min);
}

TEST_F(task_declining, at_the_ladders_end_leaves_the_deadline) {
  const auto anc = asks(clinical, task("ANC 0.72").asap().to(v1::ROLE_ONCOLOGY_NURSE));
  passes_until(monday + 30min);
  EXPECT_EQ(at(anc).level, last_level);
  const auto before = running_timers(ward.tasks(), anc);
  ward.says("nina", decline(anc));
  EXPECT_EQ(running_timers(ward.tasks(), anc), before);
}

TEST_F(task_declining, by_the_last_rejects_it_and_asks_its_requester_by_the_same_deadline) {
  const auto anc = asks("omar", clinical, task("ANC 0.72").asap().to("nina"));
  ward.now += 3min;
  const auto result = does("nina", decline(anc, "in clinic"));
  ASSERT_THAT(result, accepted());
  ASSERT_EQ(result->size(), 2U) << "one commit";
  EXPECT_TRUE(result->front().task_declined().rejected());
  const auto rerouted = successor(anc, v1::TASK_RULE_REROUTE);
  EXPECT_EQ(status(anc), v1::TASK_STATUS_REJECTED);
  EXPECT_EQ(at(rerouted).order.target.person, "omar");
  EXPECT_EQ(at(rerouted).order.due, monday + 2h);
  EXPECT_EQ(at(rerouted).order.priority, v1::PRIORITY_ASAP);
  EXPECT_EQ(at(rerouted).origin, (task_origin{anc.seq, v1::TASK_RULE_REROUTE, 1}));
  EXPECT_EQ(answers_for(rerouted), "omar");
}

TEST_F(task_declining, a_claimer_releases_where_others_are_asked_too) {
  const auto anc = asks(clinical, task("ANC 0.72").to(v1::ROLE_ONCOLOGY_NURSE));
  ward.says("nina", claim(anc));
  EXPECT_THAT(does("nina", decline(anc)), refused_with(code::failed_precondition, "declineTask.task.seq"));
  EXPECT_THAT(does("tom", decline(anc)), refused_with(code::aborted, "declineTask.task.seq"));
}

TEST_F(task_declining, a_claimer_who_was_asked_alone_may_decline) {
  const auto anc = asks("omar", clinical, task("ANC 0.72").to("nina"));
  ward.says("nina", claim(anc));
  ASSERT_THAT(does("nina", decline(anc)), accepted());
  EXPECT_EQ(status(anc), v1::TASK_STATUS_REJECTED);
}

TEST_F(task_declining, needs_a_reason) {
  const auto anc = asks(clinical, task("ANC 0.72").to("nina"));
  EXPECT_THAT(does("nina", decline(anc, " ")), refused_with(code::invalid_argument, "declineTask.reason"));
}

TEST_F(task_declining, by_a_requester_of_their_own_follow_up_reaches_the_safety_person) {
  ward.join("grace", v1::ROLE_MEDICAL_ONCOLOGIST);
  const auto anc = asks("rao", clinical, task("ANC 0.72").to("nina"));
  ward.says("nina", decline(anc));
  const auto again = successor(anc, v1::TASK_RULE_REROUTE);
  ASSERT_EQ(answers_for(again), "rao");
  ward.says("rao", decline(again));
  const auto third = successor(again, v1::TASK_RULE_REROUTE);
  EXPECT_EQ(answers_for(third), "grace");
  EXPECT_THAT(does("grace", decline(third)), refused_with(code::failed_precondition, "declineTask.task.seq"))
      << "somebody has to have it in the end";
  EXPECT_EQ(answers_for(third), "grace");
}

TEST_F(task_declining, of_a_patients_task_asks_whoever_may_follow_up) {
  const auto question = asks("rosa", shared, task("May I swim?", v1::TASK_KIND_ANSWER).to("nina"));
  ward.says("nina", decline(question));
  EXPECT_EQ(answers_for(successor(question, v1::TASK_RULE_REROUTE)), "rao") << "patients own no follow-ups (I5)";
}

}  // namespace
}  // namespace careteam::care::fixture

// From starting to the end: evidence, pauses, failures, cancelling, handing over, errors (T8-T16; C4, C5, C7).
#include "task_fixture.hpp"

namespace careteam::care::fixture {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

class task_course : public task_ward {
 protected:
  /// Asked by rao, accepted by nina.
  place accepted_task(const task& order) {
    const auto where = asks("rao", clinical, order);
    ward.says("nina", accept(where));
    return where;
  }
  place running_task(const task& order) {
    const auto where = accepted_task(order);
    ward.says("nina", start(where));
    return where;
  }
  task usual() { return task("Call the patient").asap().to("nina"); }
};

TEST_F(task_course, only_the_owner_starts_it) {
  const auto call = accepted_task(usual());
  for (const auto* other : {"rao", "tom", "claire"}) {
    EXPECT_THAT(does(other, start(call)), refused_with(code::permission_denied, "startTask.task.seq")) << other;
  }
  ASSERT_THAT(does("nina", start(call)), accepted());
  EXPECT_EQ(status(call), v1::TASK_STATUS_IN_PROGRESS);
  EXPECT_THAT(running_timers(ward.tasks(), call), IsEmpty());
}

TEST_F(task_course, a_pause_of_a_pressing_task_ends_before_it_is_due) {
  const auto call = running_task(usual());
  EXPECT_THAT(does("nina", pause(call, monday + 2h + 1us)), refused_with(code::failed_precondition, "pauseTask.resumeAt"));
  EXPECT_THAT(does("nina", pause(call, monday)), refused_with(code::invalid_argument, "pauseTask.resumeAt"));
  EXPECT_THAT(does("nina", pause(call, monday + 1h, "")), refused_with(code::invalid_argument, "pauseTask.reason"));
  auto endless = pause(call, monday + 1h);
  endless.mutable_pause_task()->clear_resume_at();
  EXPECT_THAT(does("nina", endless), refused_with(code::invalid_argument, "pauseTask.resumeAt"));
  ASSERT_THAT(does("nina", pause(call, monday + 2h)), accepted());
  EXPECT_EQ(status(call), v1::TASK_STATUS_ON_HOLD);
}

TEST_F(task_course, a_pause_of_a_routine_task_may_end_after_it_was_due) {
  const auto call = running_task(task("Prior authorisation").to("nina"));
  EXPECT_THAT(does("nina", pause(call, monday + 24h * 30)), accepted());
}

TEST_F(task_course, the_owner_resumes_or_the_timer_does_and_counts) {
  const auto call = running_task(usual());
  ward.says("nina", pause(call, monday + 30min));
  ASSERT_THAT(does("nina", resume(call)), accepted());
  EXPECT_EQ(last(clinical).task_resumed().level(), 0U);
  EXPECT_EQ(status(call), v1::TASK_STATUS_IN_PROGRESS);
  ward.says("nina", pause(call, monday + 30min));
  ASSERT_THAT(fires(call, v1::TASK_TIMER_RESUME), accepted());
  EXPECT_TRUE(last(clinical).task_resumed().expired());
  EXPECT_EQ(last(clinical).task_resumed().level(), 1U);
  EXPECT_EQ(status(call), v1::TASK_STATUS_IN_PROGRESS);
  EXPECT_EQ(answers_for(call), "nina");
}

TEST_F(task_course, completion_needs_the_declared_outputs) {
  const auto call = running_task(usual().output("outcome").output("callback"));
  EXPECT_THAT(does("nina", with_output(complete(call), "outcome")), refused_with(code::failed_precondition, "completeTask.outputs"));
  EXPECT_THAT(does("nina", with_output(with_output(complete(call), "outcome"), "callback", " ")),
              refused_with(code::invalid_argument, "completeTask.outputs"))
      << "an empty output is no evidence";
  ASSERT_THAT(does("nina", with_output(with_output(complete(call), "outcome"), "callback")), accepted());
  EXPECT_EQ(to_instant(last(clinical).task_completed().confirm_until()), monday + 24h);
  EXPECT_EQ(status(call), v1::TASK_STATUS_COMPLETED);
  EXPECT_THAT(ward.tasks().open, IsEmpty()) << "memory holds open tasks only";
}

TEST_F(task_course, evidence_may_be_an_entry_that_everybody_who_reads_the_task_can_read) {
  const auto message = ward.says("nina", post(shared, "Zero tonight"));
  const auto note = ward.says("sam", post(support, "Pays herself"));
  const auto call = running_task(usual().output("message"));
  auto done = complete(call);
  auto& output = *done.mutable_complete_task()->add_outputs();
  output.set_name("message");
  const auto points_at = [&](const char* patient, v1::Stream stream, std::uint64_t seq) {
    output.mutable_entry()->set_patient_id(patient);
    output.mutable_entry()->set_stream(stream);
    output.mutable_entry()->set_seq(seq);
    return done;
  };
  EXPECT_THAT(does("nina", points_at("mei", shared, message)), refused_with(code::not_found, "completeTask.outputs"));
  EXPECT_THAT(does("nina", points_at("rosa", shared, 99)), refused_with(code::not_found, "completeTask.outputs"));
  EXPECT_THAT(does("nina", points_at("rosa", audit, 1)), refused_with(code::not_found, "completeTask.outputs"));
  ward.join("lang", v1::ROLE_SURGEON);  // Reads `clinical`, not `support`.
  EXPECT_THAT(does("nina", points_at("rosa", support, note)), refused_with(code::failed_precondition, "completeTask.outputs"));
  EXPECT_THAT(does("nina", points_at("rosa", shared, message)), accepted());
}

TEST_F(task_course, a_two_person_task_is_not_completed_by_who_asked_for_it) {
  const auto check =
      asks("nina", clinical, task("Double check the dose", v1::TASK_KIND_MEDICATION).two_person().to(v1::ROLE_ONCOLOGY_NURSE));
  ward.says("nina", accept(check));
  EXPECT_THAT(does("nina", complete(check)), refused_with(code::permission_denied, "completeTask.task.seq"));
  ward.says("nina", offer(check, "tom"));
  ward.says("tom", take_over(check));
  EXPECT_THAT(does("tom", complete(check)), accepted());
}

TEST_F(task_course, the_requester_reopens_within_a_day_as_a_new_task) {
  const auto call = running_task(usual());
  ward.says("nina", complete(call));
  ward.now = monday + 24h;
  EXPECT_THAT(does("nina", reopen(call)), refused_with(code::permission_denied, "reopenTask.task.seq"));
  EXPECT_THAT(does("rao", reopen(call, "")), refused_with(code::invalid_argument, "reopenTask.reason"));
  ASSERT_THAT(does("rao", reopen(call)), accepted());
  const auto again = successor(call, v1::TASK_RULE_REOPENED);
  EXPECT_EQ(status(call), v1::TASK_STATUS_COMPLETED) << "what has ended does not change";
  EXPECT_EQ(status(again), v1::TASK_STATUS_REQUESTED);
  EXPECT_EQ(at(again).order.title, at(call).order.title);
  EXPECT_EQ(at(again).order.due, ward.now + 2h);
  EXPECT_THAT(does("rao", reopen(call)), refused_with(code::failed_precondition, "reopenTask.task.seq")) << "one successor";
}

TEST_F(task_course, after_a_day_nobody_reopens) {
  const auto call = running_task(usual());
  ward.says("nina", complete(call));
  ward.now = monday + 24h + 1us;
  EXPECT_THAT(does("rao", reopen(call)), refused_with(code::failed_precondition, "reopenTask.task.seq"));
}

TEST_F(task_course, a_failure_asks_the_requester_and_a_supervisor_at_once) {
  const auto draw = asks("omar", clinical, task("Draw blood").to_duty("onc-rn"));
  ward.says("nina", accept(draw));
  ward.says("nina", start(draw));
  ASSERT_THAT(does("nina", fail(draw)), accepted());
  const auto next = successor(draw, v1::TASK_RULE_FAILED);
  EXPECT_EQ(status(draw), v1::TASK_STATUS_FAILED);
  EXPECT_EQ(at(next).order.priority, v1::PRIORITY_STAT);
  EXPECT_EQ(at(next).order.target.person, "omar");
  ASSERT_THAT(at(next).order.ladder, SizeIs(2));
  EXPECT_EQ(at(next).order.ladder[0].person, "claire") << "the duty's lead";
  EXPECT_EQ(at(next).order.ladder[1].person, "rao") << "the attending";
}

TEST_F(task_course, cancelling_is_for_the_requester_the_attending_and_the_system) {
  const auto call = asks("omar", clinical, task().to("nina"));
  EXPECT_THAT(does("nina", cancel(call)), refused_with(code::permission_denied, "cancelTask.task.seq"));
  EXPECT_THAT(does("claire", cancel(call)), refused_with(code::permission_denied, "cancelTask.task.seq"));
  EXPECT_THAT(does("omar", cancel(call, "")), refused_with(code::invalid_argument, "cancelTask.reason"));
  ASSERT_THAT(does("omar", cancel(call)), accepted());
  EXPECT_THAT(ward.tasks().open, IsEmpty());
  const auto second = asks("omar", clinical, task().to("nina"));
  EXPECT_THAT(does("rao", cancel(second)), accepted());
  const auto third = asks("omar", clinical, task().to("nina"));
  EXPECT_THAT(ward.does(the_system(), cancel(third)), accepted());
}

TEST_F(task_course, whoever_is_doing_a_cancelled_task_says_that_they_stopped) {
  const auto call = running_task(usual());
  ASSERT_THAT(does("rao", cancel(call)), accepted());
  EXPECT_EQ(status(call), v1::TASK_STATUS_CANCELLED);
  EXPECT_EQ(answers_for(call), "nina") << "she still owes a word";
  EXPECT_EQ(running_timers(ward.tasks(), call).at(0).kind, v1::TASK_TIMER_ACKNOWLEDGE);
  EXPECT_THAT(does("nina", complete(call)), refused_with(code::failed_precondition, "completeTask.task.seq"));
  EXPECT_THAT(does("tom", acknowledge_cancel(call)), refused_with(code::permission_denied, "acknowledgeCancel.task.seq"));
  ASSERT_THAT(does("nina", acknowledge_cancel(call)), accepted());
  EXPECT_THAT(ward.tasks().open, IsEmpty());
  EXPECT_THAT(does("nina", acknowledge_cancel(call)), refused_with(code::failed_precondition, "acknowledgeCancel.task.seq"));
}

TEST_F(task_course, silence_about_a_cancelled_task_escalates_too) {
  const auto call = running_task(usual());
  ward.says("rao", cancel(call));
  passes_until(monday + 24h);
  EXPECT_TRUE(at(call).no_response);
  EXPECT_EQ(answers_for(successor(call, v1::TASK_RULE_NO_RESPONSE)), "rao");
  EXPECT_THAT(does("nina", acknowledge_cancel(call)), accepted());
}

TEST_F(task_course, who_cancels_what_they_do_themselves_owes_no_word) {
  const auto own = place{clinical, ward.says("nina", instantiate(clinical, task("Call back")))};
  ward.says("nina", start(own));
  ASSERT_THAT(does("nina", cancel(own)), accepted());
  EXPECT_THAT(ward.tasks().open, IsEmpty());
}

TEST_F(task_course, the_new_owner_takes_it_over_and_no_deadline_moves) {
  const auto call = accepted_task(usual());
  const auto before = running_timers(ward.tasks(), call);
  ward.now += 20min;
  EXPECT_THAT(does("tom", take_over(call)), refused_with(code::permission_denied, "acceptTransfer.task.seq"));
  EXPECT_THAT(does("tom", offer(call, "tom")), refused_with(code::permission_denied, "offerTransfer.task.seq"));
  EXPECT_THAT(does("nina", offer(call, "sam")), refused_with(code::not_found, "offerTransfer.personId"));
  EXPECT_THAT(does("nina", offer(call, "nina")), refused_with(code::failed_precondition, "offerTransfer.personId"));
  ASSERT_THAT(does("nina", offer(call, "tom")), accepted());
  EXPECT_EQ(answers_for(call), "nina") << "until he accepts it, it stays hers";
  ASSERT_THAT(does("tom", take_over(call)), accepted());
  EXPECT_EQ(last(clinical).task_transferred().from_person_id(), "nina");
  EXPECT_EQ(status(call), v1::TASK_STATUS_ACCEPTED);
  EXPECT_EQ(answers_for(call), "tom");
  EXPECT_EQ(running_timers(ward.tasks(), call), before);
  EXPECT_THAT(does("nina", start(call)), refused_with(code::permission_denied, "startTask.task.seq"));
  EXPECT_THAT(does("tom", start(call)), accepted());
}

TEST_F(task_course, a_task_is_not_offered_to_somebody_who_may_not_own_it) {
  ward.join("kim", v1::ROLE_PALLIATIVE_CARE);
  const auto dose = accepted_task(task("Hold palbociclib", v1::TASK_KIND_MEDICATION).to("nina"));
  EXPECT_THAT(does("nina", offer(dose, "kim")), refused_with(code::failed_precondition, "offerTransfer.personId"));
}

TEST_F(task_course, an_error_in_clinical_takes_two_people) {
  const auto call = accepted_task(usual());
  EXPECT_THAT(does("nina", mark_in_error(call)), refused_with(code::permission_denied, "markTaskInError.task.seq"));
  EXPECT_THAT(does("rao", mark_in_error(call, "")), refused_with(code::invalid_argument, "markTaskInError.reason"));
  ASSERT_THAT(does("rao", mark_in_error(call)), accepted());
  EXPECT_EQ(status(call), v1::TASK_STATUS_ACCEPTED) << "nothing has changed yet";
  EXPECT_THAT(does("rao", mark_in_error(call)), refused_with(code::failed_precondition, "markTaskInError.task.seq"));
  ASSERT_THAT(does("nina", mark_in_error(call)), accepted());
  EXPECT_EQ(status(call), v1::TASK_STATUS_ENTERED_IN_ERROR);
  EXPECT_THAT(does("nina", mark_in_error(call)), refused_with(code::failed_precondition, "markTaskInError.task.seq"));
}

TEST_F(task_course, an_error_elsewhere_is_marked_by_its_author_alone) {
  const auto read = asks("nina", shared, task("Read the leaflet", v1::TASK_KIND_READ).to("rosa"));
  EXPECT_THAT(does("rosa", mark_in_error(read)), refused_with(code::permission_denied, "markTaskInError.task.seq"));
  ASSERT_THAT(does("nina", mark_in_error(read)), accepted());
  EXPECT_EQ(status(read), v1::TASK_STATUS_ENTERED_IN_ERROR);
}

TEST_F(task_course, the_privacy_officer_marks_errors_without_reading_the_stream) {
  ward.join("irene", v1::ROLE_PRIVACY_OFFICER);
  const auto call = asks(clinical, usual());
  EXPECT_THAT(does("irene", claim(call)), refused_with(code::not_found, "claimTask.task.stream"));
  ASSERT_THAT(does("irene", mark_in_error(call)), accepted());
  ASSERT_THAT(does("rao", mark_in_error(call)), accepted());
  EXPECT_EQ(status(call), v1::TASK_STATUS_ENTERED_IN_ERROR);
}

TEST_F(task_course, what_has_ended_can_still_be_marked_in_error) {
  const auto call = running_task(usual());
  ward.says("nina", complete(call));
  ward.says("rao", mark_in_error(call));
  ASSERT_THAT(does("claire", mark_in_error(call)), accepted());
  EXPECT_EQ(status(call), v1::TASK_STATUS_ENTERED_IN_ERROR);
}

TEST_F(task_course, a_stale_version_is_refused) {
  const auto call = accepted_task(usual());
  EXPECT_EQ(at(call).version, 2U);
  EXPECT_THAT(does("nina", seen_at(1, start(call))), refused_with(code::aborted, "startTask.task.expectedVersion"));
  EXPECT_THAT(does("nina", seen_at(3, start(call))), refused_with(code::aborted, "startTask.task.expectedVersion"));
  EXPECT_THAT(does("nina", seen_at(2, start(call))), accepted());
}

}  // namespace
}  // namespace careteam::care::fixture

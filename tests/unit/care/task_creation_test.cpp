// Writing tasks down, asking for them, beginning one's own, and making one of a message (T1-T3; A2, A13, invariant 4).
#include "task_fixture.hpp"

namespace careteam::care::fixture {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class task_creation : public task_ward {};

TEST_F(task_creation, a_draft_asks_nobody_and_becomes_a_request_under_its_own_id) {
  const auto seq = ward.says("nina", draft(clinical, task("Call the patient")));
  const place call{clinical, seq};
  EXPECT_EQ(status(call), v1::TASK_STATUS_DRAFT);
  EXPECT_THAT(running_timers(ward.tasks(), call), IsEmpty());
  EXPECT_EQ(answers_for(call), "nina");
  EXPECT_THAT(does("rao", claim(call)), refused_with(code::failed_precondition, "claimTask.task.seq"));
  ASSERT_THAT(does("nina", request(clinical, task("Call the patient").urgent().to("omar"), seq)), accepted());
  EXPECT_EQ(status(call), v1::TASK_STATUS_REQUESTED);
  EXPECT_EQ(at(call).version, 2U);
  EXPECT_EQ(ward.tasks().open.size(), 1U) << "the draft and the task are one";
  EXPECT_THAT(does("omar", claim(call)), accepted());
}

TEST_F(task_creation, only_its_author_submits_a_draft_and_only_once) {
  const auto seq = ward.says("nina", draft(clinical, task()));
  EXPECT_THAT(does("claire", request(clinical, task().to("omar"), seq)), refused_with(code::permission_denied, "requestTask.draftSeq"));
  EXPECT_THAT(does("nina", request(clinical, task().to("omar"), 99)), refused_with(code::not_found, "requestTask.draftSeq"));
  EXPECT_THAT(does("nina", request(support, task().to("omar"), seq)), refused_with(code::not_found, "requestTask.draftSeq"));
  ward.says("nina", request(clinical, task().to("omar"), seq));
  EXPECT_THAT(does("nina", request(clinical, task().to("omar"), seq)), refused_with(code::failed_precondition, "requestTask.draftSeq"));
}

TEST_F(task_creation, one_begins_ones_own_task_and_asks_others) {
  const place own{clinical, ward.says("nina", instantiate(clinical, task("Count the tablets").urgent()))};
  EXPECT_EQ(status(own), v1::TASK_STATUS_READY);
  EXPECT_EQ(answers_for(own), "nina");
  EXPECT_EQ(at(own).timers.at(v1::TASK_TIMER_START).at, monday + 4h);
  EXPECT_EQ(at(own).timers.at(v1::TASK_TIMER_DUE).at, monday + 8h);
  EXPECT_THAT(does("nina", instantiate(clinical, task().to("tom"))), refused_with(code::permission_denied, "instantiateTask.order.target"));
  EXPECT_THAT(does("nina", instantiate(clinical, task().to_duty("onc-rn"))),
              refused_with(code::permission_denied, "instantiateTask.order.target"));
  EXPECT_THAT(does("nina", instantiate(clinical, task().to(v1::ROLE_ONCOLOGY_NURSE))),
              refused_with(code::invalid_argument, "instantiateTask.order.target"));
}

TEST_F(task_creation, the_system_and_service_accounts_begin_protocol_tasks_of_people_and_duties) {
  ward.join("hub", v1::ROLE_INTEGRATION, {v1::SCOPE_READ_CLINICAL, v1::SCOPE_POST_CLINICAL});
  const place cbc{clinical, ward.says("hub", instantiate(clinical, task("CBC day 15").to_duty("onc-rn")))};
  EXPECT_EQ(at(cbc).owner_duty, "onc-rn");
  EXPECT_EQ(answers_for(cbc), "nina");
  EXPECT_THAT(does("hub", request(clinical, task().to("nina"))), refused_with(code::permission_denied, "requestTask.order.kind"));
  ASSERT_THAT(ward.does(the_system(), instantiate(clinical, task("Oral drug call, day 7").to("tom"))), accepted());
  EXPECT_THAT(ward.does(the_system(), instantiate(clinical, task())), refused_with(code::not_found, "instantiateTask.order.target"))
      << "a task of nobody";
}

TEST_F(task_creation, nobody_is_asked_for_what_they_may_not_own) {
  EXPECT_THAT(does("nina", request(shared, task().to("rosa"))), refused_with(code::failed_precondition, "requestTask.order.target"));
  EXPECT_THAT(does("nina", request(shared, task("Read it", v1::TASK_KIND_READ).to("rosa"))), accepted());
  EXPECT_THAT(does("nina", request(support, task("Hold the drug", v1::TASK_KIND_MEDICATION).to("sam"))),
              refused_with(code::failed_precondition, "requestTask.order.target"));
  EXPECT_THAT(does("nina", request(support, task("Hold the drug", v1::TASK_KIND_MEDICATION).to(v1::ROLE_SOCIAL_WORKER))),
              refused_with(code::failed_precondition, "requestTask.order.target"));
}

TEST_F(task_creation, a_target_that_is_gone_is_refused_unless_the_ladder_has_somebody) {
  EXPECT_THAT(does("rao", request(clinical, task().to(v1::ROLE_SURGEON))), refused_with(code::not_found, "requestTask.order.target"));
  EXPECT_THAT(does("rao", request(clinical, task().to_duty("nights"))), refused_with(code::not_found, "requestTask.order.target"));
  EXPECT_THAT(does("rao", request(clinical, task().to("ghost"))), refused_with(code::not_found, "requestTask.order.target"));
  EXPECT_THAT(does("rao", request(clinical, task().to("ghost").then("nina"))), refused_with(code::not_found, "requestTask.order.target"))
      << "a name that is nobody's is a mistake";
  const auto later = asks(clinical, task().to(v1::ROLE_SURGEON).then("nina"));
  EXPECT_EQ(answers_for(later), "nina");
}

TEST_F(task_creation, somebody_who_is_suspended_is_not_asked) {
  ASSERT_THAT(ward.organization_does("alex", suspend("nina")), accepted());
  EXPECT_THAT(does("rao", request(clinical, task().to("nina"))), refused_with(code::not_found, "requestTask.order.target"));
  asks(clinical, task().to(v1::ROLE_ONCOLOGY_NURSE));
  EXPECT_THAT(last(clinical).task_requested().candidate_person_id(), ElementsAre("tom"));
}

TEST_F(task_creation, an_uncovered_duty_is_answered_for_by_its_fallback) {
  duties.held["onc-rn"].holder.clear();
  const auto anc = asks("omar", clinical, task().to_duty("onc-rn"));
  EXPECT_THAT(last(clinical).task_requested().candidate_person_id(), ElementsAre("claire")) << "the sender sees who (G7)";
  EXPECT_THAT(does("claire", claim(anc)), accepted());
}

TEST_F(task_creation, a_malformed_order_is_refused_by_its_field) {
  const std::string path = "requestTask.order.";
  EXPECT_THAT(does("rao", request(clinical, task("Call", v1::TASK_KIND_UNSPECIFIED).to("nina"))),
              refused_with(code::invalid_argument, path + "kind"));
  EXPECT_THAT(does("rao", request(clinical, task("Call", v1::TASK_KIND_FOLLOW_UP).to("nina"))),
              refused_with(code::invalid_argument, path + "kind"));
  EXPECT_THAT(does("rao", request(clinical, task(" ").to("nina"))), refused_with(code::invalid_argument, path + "title"));
  EXPECT_THAT(does("rao", request(clinical, task(std::string(max_title_bytes + 1, 'x')).to("nina"))),
              refused_with(code::invalid_argument, path + "title"));
  auto wordy = task().to("nina");
  wordy.raw().set_description(std::string(max_description_bytes + 1, 'x'));
  EXPECT_THAT(does("rao", request(clinical, wordy)), refused_with(code::invalid_argument, path + "description"));
  EXPECT_THAT(does("rao", request(clinical, task())), refused_with(code::invalid_argument, path + "target"));
  auto nobody = task();
  nobody.raw().mutable_target();
  EXPECT_THAT(does("rao", request(clinical, nobody)), refused_with(code::invalid_argument, path + "target"));
  for (const int unknown : {0, 23, -1}) {
    EXPECT_THAT(does("rao", draft(clinical, task().to(static_cast<v1::Role>(unknown)))),
                refused_with(code::invalid_argument, "draftTask.order.target"));
  }
  EXPECT_THAT(does("rao", request(clinical, task().to("nina").then("tom").then("omar").then("claire"))),
              refused_with(code::invalid_argument, path + "ladder"));
  EXPECT_THAT(does("rao", request(clinical, task().to("nina").due(monday))), refused_with(code::invalid_argument, path + "due"));
  EXPECT_THAT(does("rao", request(clinical, task().to("nina").read_back())), refused_with(code::invalid_argument, path + "readBack"));
  EXPECT_THAT(does("rao", request(clinical, task().to("nina").fact("ANC", ""))), refused_with(code::invalid_argument, path + "facts"));
  EXPECT_THAT(does("rao", request(clinical, task().to("nina").fact("ANC", "1").fact(" anc", "2"))),
              refused_with(code::invalid_argument, path + "facts"));
  auto many = task().to("nina");
  for (int i = 0; i <= max_task_facts; ++i) many.fact("fact " + std::to_string(i), "1");
  EXPECT_THAT(does("rao", request(clinical, many)), refused_with(code::invalid_argument, path + "facts"));
  EXPECT_THAT(does("rao", request(clinical, task().to("nina").output("a").output("a"))),
              refused_with(code::invalid_argument, path + "requiredOutputs"));
}

TEST_F(task_creation, open_tasks_are_limited_per_stream) {
  const auto drafted = ward.says("rao", draft(clinical, task()));
  for (std::size_t i = 1; i < max_open_tasks; ++i) ASSERT_THAT(does("rao", request(clinical, task().to("nina"))), accepted());
  EXPECT_THAT(does("rao", request(clinical, task().to("nina"))), refused_with(code::resource_exhausted, "requestTask"));
  EXPECT_THAT(does("rao", draft(clinical, task())), refused_with(code::resource_exhausted, "draftTask"));
  EXPECT_THAT(does("rao", instantiate(clinical, task())), refused_with(code::resource_exhausted, "instantiateTask"));
  EXPECT_THAT(does("rao", request(clinical, task().to("nina"), drafted)), accepted()) << "a draft has its place already";
  EXPECT_THAT(does("rosa", request(shared, task("May I swim?", v1::TASK_KIND_ANSWER).to("nina"))), accepted())
      << "a stream that Rosa cannot see does not limit her";
  const place first{clinical, ward.tasks().open.lower_bound(place{clinical, 0})->first.seq};
  ASSERT_THAT(does("nina", decline(first)), accepted()) << "what the server makes itself is never refused";
}

class task_of_a_message : public task_ward {};

TEST_F(task_of_a_message, is_linked_both_ways) {
  const auto seq = ward.says("nina", post(clinical, "ANC 0.72"));
  const auto anc = asks(clinical, task("ANC 0.72").to("nina").from_message(clinical, seq));
  EXPECT_EQ(at(anc).order.message, (place{clinical, seq}));
  EXPECT_THAT(tasks_from(ward.tasks(), {clinical, seq}), ElementsAre(anc));
  EXPECT_THAT(tasks_from(ward.tasks(), {clinical, seq + 50}), IsEmpty());
  EXPECT_THAT(tasks_from(ward.tasks(), {}), IsEmpty());
}

TEST_F(task_of_a_message, may_have_a_narrower_audience_but_no_wider_one) {
  const auto open = ward.says("rosa", post(shared, "I feel hot"));
  EXPECT_THAT(does("nina", request(clinical, task("Call her").to("tom").from_message(shared, open))), accepted());
  const auto hidden = ward.says("nina", post(clinical, "ANC 0.72"));
  EXPECT_THAT(does("nina", request(shared, task("Call her").to("tom").from_message(clinical, hidden))),
              refused_with(code::failed_precondition, "requestTask.order.message"));
}

TEST_F(task_of_a_message, needs_a_message_of_this_patient) {
  const auto thread = ward.says("nina", open_thread(clinical));
  EXPECT_THAT(does("nina", request(clinical, task().to("tom").from_message(clinical, thread))),
              refused_with(code::not_found, "requestTask.order.message"));
  EXPECT_THAT(does("nina", request(clinical, task().to("tom").from_message(clinical, 99))),
              refused_with(code::not_found, "requestTask.order.message"));
  const auto seq = ward.says("nina", post(clinical));
  EXPECT_THAT(does("nina", request(clinical, task().to("tom").from_message(clinical, seq, "mei"))),
              refused_with(code::not_found, "requestTask.order.message"));
}

class task_denials : public task_ward {
 protected:
  static std::vector<v1::Command> aimed_at(place at) {
    return {claim(at),         release(at),
            accept(at),        decline(at),
            start(at),         pause(at, monday + 1h),
            resume(at),        complete(at),
            reopen(at),        fail(at),
            cancel(at),        acknowledge_cancel(at),
            offer(at, "tom"),  take_over(at),
            mark_in_error(at), fire(at, v1::TASK_TIMER_ACCEPT, 0, 1)};
  }
};

TEST_F(task_denials, for_the_patient_a_hidden_task_and_an_absent_one_are_the_same_to_the_byte) {
  asks(clinical, task().to("nina"));
  asks("sam", support, task().to("nina"));
  for (const auto hidden : {clinical, support, audit}) {
    for (std::uint64_t seq = 0; seq <= ward.record.state().stream(hidden).head + 2; ++seq) {
      const auto there = aimed_at({hidden, seq});
      const auto absent = aimed_at({v1::STREAM_ORGANIZATION, 999'999});
      for (std::size_t i = 0; i < there.size(); ++i) {
        const auto result = does("rosa", there[i]);
        EXPECT_THAT(result, ::testing::Not(accepted()));
        EXPECT_EQ(told(result), told(does("rosa", absent[i]))) << action_name(there[i].action_case()) << " " << seq;
      }
    }
    for (const auto& make :
         {draft(hidden, task()), request(hidden, task("?", v1::TASK_KIND_ANSWER).to("nina")), instantiate(hidden, task())}) {
      const auto field = std::string(action_name(make.action_case())) + ".stream";
      EXPECT_EQ(told(does("rosa", make)), told(no_such_stream(field)));
    }
  }
}

TEST_F(task_denials, for_the_patient_a_hidden_message_and_an_absent_one_are_the_same) {
  const auto hidden = ward.says("nina", post(clinical));
  const auto question = [](v1::Stream stream, std::uint64_t seq) {
    return request(shared, task("May I swim?", v1::TASK_KIND_ANSWER).to("nina").from_message(stream, seq));
  };
  EXPECT_EQ(told(does("rosa", question(clinical, hidden))), told(does("rosa", question(clinical, 999))));
  EXPECT_EQ(told(does("rosa", question(clinical, hidden))), told(does("rosa", question(audit, 1))));
}

TEST_F(task_denials, for_the_patient_a_colleague_who_does_not_read_shared_and_nobody_are_the_same) {
  const auto asking = [](std::string_view who) { return request(shared, task("May I swim?", v1::TASK_KIND_ANSWER).to(who)); };
  EXPECT_EQ(told(does("rosa", asking("weiss"))), told(does("rosa", asking("ghost"))));
  duties.held["radiology"] = {"weiss", "", {}};
  const auto duty = [](std::string_view id) { return request(shared, task("May I swim?", v1::TASK_KIND_ANSWER).to_duty(id)); };
  EXPECT_EQ(told(does("rosa", duty("radiology"))), told(does("rosa", duty("no such"))));
}

TEST_F(task_denials, an_administrator_and_a_stranger_find_no_record) {
  const auto call = asks(shared, task().to("nina"));
  for (const auto& command : aimed_at(call)) EXPECT_EQ(told(does("alex", command)), told(no_such_record()));
  EXPECT_EQ(told(does("alex", request(shared, task().to("nina")))), told(no_such_record()));
}

TEST_F(task_denials, a_medical_assistant_owns_nothing_pressing) {
  ward.join("lang", v1::ROLE_MEDICAL_ASSISTANT, {v1::SCOPE_READ_CLINICAL});
  EXPECT_THAT(does("rao", request(clinical, task().stat().to("lang"))),
              refused_with(code::failed_precondition, "requestTask.order.target"));
  const auto call = asks(clinical, task().to("lang"));
  EXPECT_THAT(does("lang", accept(call)), accepted());
}

TEST_F(task_denials, patients_and_caregivers_address_people_and_own_only_their_kinds) {
  EXPECT_THAT(does("rosa", request(shared, task("May I swim?", v1::TASK_KIND_ANSWER).to(v1::ROLE_ONCOLOGY_NURSE))),
              refused_with(code::permission_denied, "requestTask.order.target"));
  EXPECT_THAT(does("rosa", request(shared, task().to("nina"))), refused_with(code::permission_denied, "requestTask.order.kind"));
  EXPECT_THAT(does("rosa", instantiate(shared, task())), refused_with(code::permission_denied, "instantiateTask.order.kind"));
  EXPECT_THAT(does("rosa", instantiate(shared, task("Symptoms", v1::TASK_KIND_REPORT))), accepted());
  ward.join("luis", v1::ROLE_CAREGIVER, {v1::SCOPE_READ_SHARED});
  EXPECT_THAT(does("nina", request(shared, task("Read it", v1::TASK_KIND_READ).to("luis"))),
              refused_with(code::failed_precondition, "requestTask.order.target"))
      << "Rosa did not let Luis take anything on";
  ward.join("eva", v1::ROLE_CAREGIVER, {v1::SCOPE_READ_SHARED, v1::SCOPE_ACKNOWLEDGE});
  const auto read = asks("nina", shared, task("Read it", v1::TASK_KIND_READ).to("eva"));
  ASSERT_THAT(does("eva", accept(read)), accepted());
  EXPECT_EQ(last(shared).author().on_behalf_of(), "rosa");
}

TEST_F(task_denials, refusals_hold_no_words_of_the_patient) {
  const auto call = asks(clinical, task("secretword").to("nina").fact("secretword", "secretword"));
  ward.says("nina", claim(call));
  for (const auto* who : {"rosa", "sam", "rao", "nina", "tom", "weiss"}) {
    for (const auto& command : aimed_at(call)) {
      const auto result = ward.record.ask(command, person(who), ward.now_context());
      EXPECT_EQ(told(result).find("secretword"), std::string::npos);
      EXPECT_EQ(told(result).find("Name of"), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace careteam::care::fixture

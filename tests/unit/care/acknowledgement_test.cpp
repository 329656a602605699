// Acknowledgements, and what may still be changed before and after one (A7, F4, invariant 5).
#include "record_fixture.hpp"

namespace careteam::care::fixture {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class acknowledgements : public ::testing::Test {
 protected:
  acknowledgements() { ward.usual_team(); }
  std::vector<std::string> accountable() const {
    std::vector<std::string> people;
    for (const auto& one : ward.owed()) people.push_back(one.accountable);
    return people;
  }
  rosas_record ward;
};

TEST_F(acknowledgements, an_asap_message_is_owed_until_the_addressed_person_acknowledges_it) {
  const auto seq = ward.says("nina", post(clinical).asap().to("rao"));
  EXPECT_THAT(accountable(), ElementsAre("rao"));
  ward.says("claire", acknowledge(clinical, seq));
  EXPECT_THAT(accountable(), ElementsAre("rao")) << "somebody else's acknowledgement does not answer for him";
  ward.says("rao", acknowledge(clinical, seq));
  EXPECT_THAT(ward.owed(), IsEmpty());
  EXPECT_THAT(ward.chat().open_messages, IsEmpty()) << "what nobody owes is not kept in memory";
}

TEST_F(acknowledgements, any_one_holder_of_a_role_answers_for_it) {
  ward.join("tom", v1::ROLE_ONCOLOGY_NURSE);
  const auto seq = ward.says("rao", post(clinical).stat().to(v1::ROLE_ONCOLOGY_NURSE).to("omar"));
  EXPECT_THAT(accountable(), ElementsAre("nina", "omar"));
  ward.says("tom", acknowledge(clinical, seq));
  EXPECT_THAT(accountable(), ElementsAre("omar"));
  ward.says("omar", acknowledge(clinical, seq));
  EXPECT_THAT(ward.owed(), IsEmpty());
}

TEST_F(acknowledgements, when_the_addressed_person_leaves_somebody_still_answers) {
  ward.join("tom", v1::ROLE_ONCOLOGY_NURSE);
  ward.says("claire", post(clinical).asap().to(v1::ROLE_ONCOLOGY_NURSE));
  EXPECT_THAT(accountable(), ElementsAre("nina"));
  ward.now += 1h;
  ward.leave("nina", v1::ROLE_ONCOLOGY_NURSE);
  EXPECT_THAT(accountable(), ElementsAre("tom"));
  ward.now += 1h;
  ward.leave("tom", v1::ROLE_ONCOLOGY_NURSE);
  EXPECT_THAT(accountable(), ElementsAre("rao")) << "the attending";
}

TEST_F(acknowledgements, a_suspended_person_does_not_answer) {
  ward.says("claire", post(clinical).asap().to("nina"));
  ASSERT_THAT(ward.organization_does("alex", suspend("nina")), accepted());
  EXPECT_THAT(accountable(), ElementsAre("rao"));
}

TEST_F(acknowledgements, without_an_attending_the_author_answers) {
  rosas_record small;
  small.join("nina", v1::ROLE_ONCOLOGY_NURSE);
  small.join_until("tom", v1::ROLE_ONCOLOGY_NURSE, monday + 1h);
  small.says("nina", post(clinical).asap().to("tom"));
  small.now = monday + 1h;
  ASSERT_EQ(small.owed().size(), 1U);
  EXPECT_EQ(small.owed().front().accountable, "nina");
}

TEST_F(acknowledgements, routine_messages_owe_nothing_but_may_be_acknowledged) {
  const auto seq = ward.says("nina", post(clinical).to("rao"));
  EXPECT_THAT(ward.owed(), IsEmpty());
  EXPECT_THAT(ward.does("rao", acknowledge(clinical, seq)), accepted());
}

TEST_F(acknowledgements, are_given_once_by_somebody_else_for_something_that_is_there) {
  const auto seq = ward.says("nina", post(clinical).asap().to("rao"));
  EXPECT_THAT(ward.does("nina", acknowledge(clinical, seq)), refused_with(code::failed_precondition, "acknowledgeMessage.seq"))
      << "one's own";
  ward.says("rao", acknowledge(clinical, seq));
  EXPECT_THAT(ward.does("rao", acknowledge(clinical, seq)), refused_with(code::already_exists, "acknowledgeMessage.seq"));
  EXPECT_THAT(ward.does("rao", acknowledge(clinical, 99)), refused_with(code::not_found, "acknowledgeMessage.seq"));
  EXPECT_THAT(ward.does("rao", acknowledge(clinical, 0)), refused_with(code::not_found, "acknowledgeMessage.seq"));
  const auto thread = ward.says("nina", open_thread(clinical));
  EXPECT_THAT(ward.does("rao", acknowledge(clinical, thread)), refused_with(code::not_found, "acknowledgeMessage.seq")) << "not a message";
}

TEST_F(acknowledgements, name_the_revision_that_was_seen) {
  const auto seq = ward.says("nina", post(clinical, "0.72").asap().to("rao"));
  const auto revision = ward.says("nina", edit(clinical, seq, "0.92"));
  const auto result = ward.does("rao", acknowledge(clinical, seq));
  EXPECT_THAT(result, refused_with(code::failed_precondition, "acknowledgeMessage.revisionSeq"));
  EXPECT_THAT(result.error().message, ::testing::HasSubstr(std::to_string(revision)));
  EXPECT_THAT(ward.does("rao", acknowledge(clinical, seq, revision + 1)),
              refused_with(code::failed_precondition, "acknowledgeMessage.revisionSeq"));
  ASSERT_THAT(ward.does("rao", acknowledge(clinical, seq, revision)), accepted());
  EXPECT_EQ(ward.record.last(clinical).message_acknowledged().revision_seq(), revision);
  EXPECT_THAT(ward.owed(), IsEmpty());
}

TEST_F(acknowledgements, a_caregiver_gives_them_only_with_the_patients_grant) {
  ward.join("luis", v1::ROLE_CAREGIVER, {v1::SCOPE_READ_SHARED});
  ward.join("eva", v1::ROLE_CAREGIVER, {v1::SCOPE_READ_SHARED, v1::SCOPE_ACKNOWLEDGE});
  const auto seq = ward.says("nina", post(shared).asap().to("rosa"));
  EXPECT_THAT(ward.does("luis", acknowledge(shared, seq)), refused_with(code::permission_denied, "acknowledgeMessage.seq"));
  ASSERT_THAT(ward.does("eva", acknowledge(shared, seq)), accepted());
  EXPECT_EQ(ward.record.last(shared).author().on_behalf_of(), "rosa");
  EXPECT_THAT(accountable(), ElementsAre("rosa")) << "her own row stays open";
}

TEST_F(acknowledgements, before_the_first_one_an_author_edits_and_retracts) {
  const auto seq = ward.says("nina", post(clinical, "0.72"));
  EXPECT_THAT(ward.does("nina", correct(clinical, seq)), refused_with(code::failed_precondition, "correctMessage.seq"));
  ASSERT_THAT(ward.does("nina", edit(clinical, seq, "0.92")), accepted());
  EXPECT_EQ(ward.record.last(clinical).message_edited().seq(), seq);
  EXPECT_EQ(ward.record.stream(clinical).front().message_posted().content().text(), "0.72") << "the original is kept";
  ASSERT_THAT(ward.does("nina", retract(clinical, seq)), accepted());
  for (const auto& again : {edit(clinical, seq), retract(clinical, seq), correct(clinical, seq)}) {
    EXPECT_EQ(ward.does("nina", again).error().code, code::failed_precondition) << "retracted is the end";
  }
  EXPECT_THAT(ward.does("rao", acknowledge(clinical, seq, 2)), refused_with(code::failed_precondition, "acknowledgeMessage.seq"));
}

TEST_F(acknowledgements, a_retracted_message_is_owed_by_nobody) {
  const auto seq = ward.says("nina", post(clinical).asap().to("rao"));
  ward.says("nina", retract(clinical, seq));
  EXPECT_THAT(ward.owed(), IsEmpty());
  EXPECT_THAT(ward.does("rao", acknowledge(clinical, seq)), refused_with(code::failed_precondition, "acknowledgeMessage.seq"));
}

TEST_F(acknowledgements, after_the_first_one_only_a_correction_is_legal) {
  for (const auto priority : {v1::PRIORITY_ROUTINE, v1::PRIORITY_ASAP}) {
    const auto seq = ward.says("nina", post(clinical).priority(priority).to("rao"));
    ward.says("claire", acknowledge(clinical, seq));
    EXPECT_THAT(ward.does("nina", edit(clinical, seq)), refused_with(code::failed_precondition, "editMessage.seq"));
    EXPECT_THAT(ward.does("nina", retract(clinical, seq)), refused_with(code::failed_precondition, "retractMessage.seq"));
    EXPECT_THAT(ward.does("nina", correct(clinical, seq)), accepted());
  }
}

TEST_F(acknowledgements, a_correction_asks_everybody_again) {
  const auto seq = ward.says("nina", post(clinical).asap().to("rao").to("omar"));
  ward.says("rao", acknowledge(clinical, seq));
  ward.says("claire", acknowledge(clinical, seq));
  const auto revision = ward.says("nina", correct(clinical, seq, "0.92", "typed 0.72"));
  const auto& corrected = ward.record.last(clinical).message_corrected();
  EXPECT_EQ(corrected.reason(), "typed 0.72");
  EXPECT_EQ(corrected.priority(), v1::PRIORITY_ASAP);
  EXPECT_THAT(accountable(), ElementsAre("rao", "omar", "claire")) << "whom it addressed, and who had acknowledged what was wrong";
  EXPECT_THAT(ward.does("rao", acknowledge(clinical, seq)), refused_with(code::failed_precondition, "acknowledgeMessage.revisionSeq"));
  for (const auto* who : {"rao", "omar", "claire"}) ward.says(who, acknowledge(clinical, seq, revision));
  EXPECT_THAT(ward.owed(), IsEmpty());
}

TEST_F(acknowledgements, a_corrected_routine_message_asks_those_who_had_acknowledged) {
  const auto seq = ward.says("nina", post(clinical).to("rao"));
  ward.says("claire", acknowledge(clinical, seq));
  const auto revision = ward.says("nina", correct(clinical, seq));
  EXPECT_THAT(accountable(), ElementsAre("claire"));
  ward.says("claire", acknowledge(clinical, seq, revision));
  EXPECT_THAT(ward.owed(), IsEmpty());
  EXPECT_THAT(ward.does("nina", edit(clinical, seq)), refused_with(code::failed_precondition, "editMessage.seq"));
  ward.says("nina", correct(clinical, seq, "again"));
  EXPECT_THAT(accountable(), ElementsAre("claire")) << "and again, after it was settled and forgotten";
}

TEST_F(acknowledgements, a_correction_does_not_ask_who_left_but_who_answers_now) {
  const auto seq = ward.says("claire", post(clinical).asap().to(v1::ROLE_ONCOLOGY_NURSE).to("omar"));
  ward.says("omar", acknowledge(clinical, seq));
  ward.now += 1h;
  ward.join("tom", v1::ROLE_ONCOLOGY_NURSE);
  ward.leave("nina", v1::ROLE_ONCOLOGY_NURSE);
  ward.leave("omar", v1::ROLE_PHARMACIST);
  const auto revision = ward.says("claire", correct(clinical, seq));
  EXPECT_THAT(accountable(), ElementsAre("tom", "rao")) << "the role's holder now; and the attending for the pharmacist who left";
  ward.says("tom", acknowledge(clinical, seq, revision));
  ward.says("rao", acknowledge(clinical, seq, revision));
  EXPECT_THAT(ward.owed(), IsEmpty());
}

TEST_F(acknowledgements, only_the_author_changes_a_message) {
  const auto seq = ward.says("nina", post(clinical));
  EXPECT_THAT(ward.does("rao", edit(clinical, seq)), refused_with(code::permission_denied, "editMessage.seq"));
  EXPECT_THAT(ward.does("rao", retract(clinical, seq)), refused_with(code::permission_denied, "retractMessage.seq"));
  ward.says("claire", acknowledge(clinical, seq));
  EXPECT_THAT(ward.does("rao", correct(clinical, seq)), refused_with(code::permission_denied, "correctMessage.seq"));
}

TEST_F(acknowledgements, changes_need_content_and_a_reason) {
  const auto seq = ward.says("nina", post(clinical));
  EXPECT_THAT(ward.does("nina", edit(clinical, seq, " ")), refused_with(code::invalid_argument, "editMessage.content.text"));
  EXPECT_THAT(ward.does("nina", retract(clinical, seq, "\n")), refused_with(code::invalid_argument, "retractMessage.reason"));
  EXPECT_THAT(ward.does("nina", retract(clinical, seq, std::string(max_reason_bytes + 1, 'x'))),
              refused_with(code::invalid_argument, "retractMessage.reason"));
  ward.says("claire", acknowledge(clinical, seq));
  EXPECT_THAT(ward.does("nina", correct(clinical, seq, "", "why")), refused_with(code::invalid_argument, "correctMessage.content.text"));
  EXPECT_THAT(ward.does("nina", correct(clinical, seq, "words", "")), refused_with(code::invalid_argument, "correctMessage.reason"));
}

TEST_F(acknowledgements, an_author_who_left_changes_nothing_any_more) {
  const auto seq = ward.says("sam", post(support));
  ward.now += 1h;
  ward.leave("sam", v1::ROLE_SOCIAL_WORKER);
  EXPECT_EQ(told(ward.does("sam", edit(support, seq))), told(no_such_record()));
}

// The commands of one batch see each other although nothing was stored in between.
TEST_F(acknowledgements, commands_of_one_batch_see_each_other) {
  const auto seq = ward.says("nina", post(clinical).asap().to("rao"));
  record_state state = ward.record.state();
  const auto step = [&](const char* who, const v1::Command& command) {
    auto decided = decide(state, command, person(who), ward.now_context());
    if (decided) {
      for (const auto& entry : *decided) apply(state, entry);
    }
    return decided;
  };
  EXPECT_THAT(step("rao", acknowledge(clinical, seq)), accepted());
  EXPECT_THAT(step("rao", acknowledge(clinical, seq)), refused_with(code::already_exists, "acknowledgeMessage.seq"));
  EXPECT_THAT(step("nina", edit(clinical, seq)), refused_with(code::failed_precondition, "editMessage.seq"));
  EXPECT_THAT(step("nina", correct(clinical, seq)), accepted());
  EXPECT_EQ(obligations(state.chat, {ward.now, state.team}).size(), 1U);
}

}  // namespace
}  // namespace careteam::care::fixture

// Messages and tasks to duties, and to people who are on leave (A6, G7, B6, AT-8).
#include "care/duty_index.hpp"
#include "care/worklist.hpp"
#include "duty_fixture.hpp"
#include "task_fixture.hpp"

namespace careteam::care::fixture {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// The duties are made by hand: whatever their records would have decided.
class duty_mentions : public task_ward {
 protected:
  duty_mentions() : index_(ward.people.state().organization, "grace") {
    ward.join("yuki", v1::ROLE_PHARMACIST);
    pharmacy_.id = "onc-pharm";
    pharmacy_.roster_version = 1;
    pharmacy_.what.name = "Oncology pharmacist";
    pharmacy_.what.roles = {v1::ROLE_PHARMACIST};
    pharmacy_.what.lead = "claire";
    pharmacy_.roster.lead = "claire";
    pharmacy_.roster.eligible.people = {"omar", "yuki"};
    pharmacy_.holder = "omar";
    ward.setting.duties = &index_;
    known();
  }
  void known() { index_.put(pharmacy_); }
  void held_by(const std::string& person) {
    pharmacy_.holder = person;
    known();
  }
  void omar_is_away(const std::string& cover) {
    pharmacy_.roster.leaves = {{"l", "omar", {ward.now, ward.now + 63h}, {}, uncovered_turns::accepted}};
    if (!cover.empty()) pharmacy_.roster.leaves[0].covers = {{cover, {ward.now, ward.now + 63h}}};
    held_by(cover);
  }
  v1::ResolvedMention mentioned() const { return last(clinical).message_posted().mentions(0); }
  std::vector<std::string> accountable_for_messages() const {
    std::vector<std::string> people;
    for (const auto& one : ward.owed()) people.push_back(one.accountable);
    return people;
  }
  bool owes(const std::string& person, place at) const {
    const worklist_view view{person, ward.people.state().organization, ward.setting, ward.now};
    const auto item = owed_by(ward.record.state(), at, view);
    return item && item->how == standing::answers;
  }
  std::vector<v1::DutyUncovered> gaps() const {
    std::vector<v1::DutyUncovered> found;
    for (const auto& entry : ward.record.stream(audit)) {
      if (entry.has_duty_uncovered()) found.push_back(entry.duty_uncovered());
    }
    return found;
  }

  duty_state pharmacy_;
  duty_index index_;
};

TEST_F(duty_mentions, a_message_to_a_duty_goes_to_its_holder_and_to_whoever_has_it_later) {
  const auto seq = ward.says("rao", post(clinical, "Stop the capecitabine").asap().to_duty("onc-pharm"));
  EXPECT_EQ(mentioned().duty_id(), "onc-pharm");
  EXPECT_THAT(mentioned().person_id(), ElementsAre("omar"));
  EXPECT_FALSE(mentioned().uncovered());
  EXPECT_THAT(gaps(), IsEmpty());
  EXPECT_THAT(accountable_for_messages(), ElementsAre("omar"));
  held_by("yuki");
  EXPECT_THAT(accountable_for_messages(), ElementsAre("yuki")) << "it moved with the duty, without an entry here";
  EXPECT_TRUE(owes("yuki", {clinical, seq}));
  EXPECT_FALSE(owes("omar", {clinical, seq}));
  ward.says("yuki", acknowledge(clinical, seq));
  EXPECT_THAT(last(clinical).message_acknowledged().duty_id(), ElementsAre("onc-pharm"));
  EXPECT_THAT(ward.owed(), IsEmpty());
}

TEST_F(duty_mentions, who_answers_for_this_patient_alone_is_asked_in_place_of_the_holder) {
  pharmacy_.apart["rosa"] = {"claire", std::nullopt};
  pharmacy_.apart["mei"] = {"yuki", std::nullopt};
  known();
  const auto task_of_duty = asks("rao", clinical, task().to_duty("onc-pharm"));
  const auto seq = ward.says("rao", post(clinical).asap().to_duty("onc-pharm"));
  EXPECT_THAT(mentioned().person_id(), ElementsAre("claire"));
  EXPECT_FALSE(mentioned().uncovered());
  EXPECT_THAT(gaps(), IsEmpty());
  EXPECT_THAT(accountable_for_messages(), ElementsAre("claire"));
  EXPECT_EQ(answers_for(task_of_duty), "claire");
  EXPECT_TRUE(owes("claire", {clinical, seq}) && owes("claire", task_of_duty));
  EXPECT_FALSE(owes("omar", {clinical, seq}) || owes("omar", task_of_duty));
  pharmacy_.apart.erase("rosa");
  known();
  EXPECT_THAT(accountable_for_messages(), ElementsAre("omar"));
  EXPECT_EQ(answers_for(task_of_duty), "omar");
}

TEST_F(duty_mentions, an_acknowledgement_by_whoever_was_addressed_needs_no_duty) {
  const auto seq = ward.says("rao", post(clinical).asap().to_duty("onc-pharm"));
  ward.says("omar", acknowledge(clinical, seq));
  EXPECT_THAT(last(clinical).message_acknowledged().duty_id(), IsEmpty());
  EXPECT_THAT(ward.owed(), IsEmpty());
}

TEST_F(duty_mentions, somebody_who_does_not_have_the_duty_does_not_answer_for_it) {
  const auto seq = ward.says("rao", post(clinical).asap().to_duty("onc-pharm"));
  ward.says("nina", acknowledge(clinical, seq));
  EXPECT_THAT(last(clinical).message_acknowledged().duty_id(), IsEmpty());
  EXPECT_THAT(accountable_for_messages(), ElementsAre("omar"));
}

TEST_F(duty_mentions, g7_a_duty_that_nobody_holds_its_fallback_answers_and_it_is_noted) {
  held_by("");
  const auto seq = ward.says("rao", post(clinical).stat().to_duty("onc-pharm"));
  EXPECT_THAT(mentioned().person_id(), ElementsAre("claire")) << "the sender sees who";
  EXPECT_TRUE(mentioned().uncovered());
  EXPECT_THAT(accountable_for_messages(), ElementsAre("claire"));
  ASSERT_EQ(gaps().size(), 1U);
  EXPECT_EQ(gaps()[0].duty_id(), "onc-pharm");
  EXPECT_EQ(gaps()[0].person_id(), "claire");
  EXPECT_EQ(gaps()[0].entry().stream(), clinical);
  EXPECT_EQ(gaps()[0].entry().seq(), seq);
  held_by("yuki");
  EXPECT_THAT(accountable_for_messages(), ElementsAre("yuki"));
  held_by("");
  asks("rao", clinical, task().to_duty("onc-pharm"));
  EXPECT_EQ(gaps().size(), 2U) << "a task likewise";
}

TEST_F(duty_mentions, whoever_does_not_read_the_stream_is_not_written_to_there) {
  pharmacy_.roster.lead = "dana";  // Reads no clinical stream.
  held_by("");
  ward.says("nina", post(clinical).asap().to_duty("onc-pharm"));
  EXPECT_THAT(mentioned().person_id(), ElementsAre("rao")) << "the attending";
  EXPECT_TRUE(mentioned().uncovered());
  EXPECT_THAT(ward.does("rao", post(clinical).asap().to_duty("onc-pharm")), refused_with(code::invalid_argument, "postMessage.mentions"));
}

TEST_F(duty_mentions, duties_are_addressed_by_staff_and_must_exist) {
  EXPECT_THAT(ward.does("rosa", post(shared).to_duty("onc-pharm")), refused_with(code::permission_denied, "postMessage.mentions"));
  EXPECT_THAT(ward.does("rao", post(clinical).to_duty("nowhere")), refused_with(code::not_found, "postMessage.mentions"));
  EXPECT_THAT(ward.does("rao", post(clinical).to_duty("")), refused_with(code::not_found, "postMessage.mentions"));
  EXPECT_THAT(ward.does("omar", post(clinical).asap().to_duty("onc-pharm")), refused_with(code::invalid_argument, "postMessage.mentions"))
      << "nobody answers their own message";
  EXPECT_THAT(ward.does("omar", post(clinical).to_duty("onc-pharm")), accepted());
}

TEST_F(duty_mentions, a_correction_asks_whoever_has_the_duty_now) {
  const auto seq = ward.says("rao", post(clinical).asap().to_duty("onc-pharm"));
  ward.says("omar", acknowledge(clinical, seq));
  held_by("yuki");
  ward.says("rao", correct(clinical, seq));
  const auto& corrected = last(clinical).message_corrected();
  ASSERT_EQ(corrected.mentions_size(), 2);
  EXPECT_EQ(corrected.mentions(0).duty_id(), "onc-pharm");
  EXPECT_THAT(corrected.mentions(0).person_id(), ElementsAre("yuki"));
  EXPECT_THAT(corrected.mentions(1).person_id(), ElementsAre("omar")) << "who acknowledged the wrong content sees the right one";
  EXPECT_THAT(accountable_for_messages(), ElementsAre("yuki", "omar"));
}

TEST_F(duty_mentions, at_8_somebody_on_leave_is_not_written_to_by_name) {
  omar_is_away("yuki");
  const auto refused = ward.does("rao", post(clinical).asap().to("omar"));
  ASSERT_THAT(refused, refused_with(code::failed_precondition, "postMessage.mentions"));
  EXPECT_THAT(refused.error().message, HasSubstr("yuki covers: address the duty onc-pharm"));
  EXPECT_THAT(ward.does("rao", post(clinical).to("omar")), refused_with(code::failed_precondition, "postMessage.mentions"));
  ward.says("rao", post(clinical).stat().to("omar"));
  EXPECT_THAT(mentioned().person_id(), ElementsAre("yuki")) << "what cannot wait is routed";
  EXPECT_EQ(mentioned().instead_of_person_id(), "omar");
  ward.says("rosa", post(shared).to("omar"));
  EXPECT_THAT(last(shared).message_posted().mentions(0).person_id(), ElementsAre("yuki")) << "a patient is not asked to know of rosters";
  ward.now += 64h;
  EXPECT_THAT(ward.does("rao", post(clinical).asap().to("omar")), accepted());
}

TEST_F(duty_mentions, where_nobody_covers_the_leave_a_stat_message_reaches_the_fallback) {
  omar_is_away("");
  ward.says("rao", post(clinical).stat().to("omar"));
  EXPECT_THAT(mentioned().person_id(), ElementsAre("claire"));
  const auto refused = ward.does("rao", post(clinical).asap().to("omar"));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, testing::Not(HasSubstr("covers")));
}

TEST_F(duty_mentions, hidden_and_absent_are_one_answer_for_who_is_away_too) {
  ward.leave("omar", v1::ROLE_PHARMACIST);
  const auto before = told(ward.does("rao", post(clinical).asap().to("omar")));
  omar_is_away("yuki");
  EXPECT_EQ(told(ward.does("rao", post(clinical).asap().to("omar"))), before);
  EXPECT_THAT(ward.does("rao", request(clinical, task().to("omar"))), refused_with(code::not_found, "requestTask.order.target"));
}

TEST_F(duty_mentions, a_task_to_somebody_on_leave_is_asked_of_the_duty) {
  omar_is_away("yuki");
  const auto refused = ward.does("rao", request(clinical, task().asap().to("omar")));
  ASSERT_THAT(refused, refused_with(code::failed_precondition, "requestTask.order.target"));
  EXPECT_THAT(refused.error().message, HasSubstr("address the duty onc-pharm"));
  const auto at = asks("rao", clinical, task().stat().to("omar"));
  EXPECT_EQ(last(clinical).task_requested().order().target().duty_id(), "onc-pharm");
  EXPECT_EQ(answers_for(at), "yuki");
  held_by("omar");
  EXPECT_EQ(answers_for(at), "omar") << "and goes back with the duty";
}

TEST_F(duty_mentions, a_change_of_the_holder_moves_no_deadline_of_a_task) {
  const auto taken = asks("rao", clinical, task().urgent().to_duty("onc-pharm"));
  ward.says("omar", accept(taken));
  const auto waits = asks("rao", clinical, task().asap().to_duty("onc-pharm"));
  const auto before = ward.record.state().timers;
  for (const auto* holder : {"yuki", "", "omar"}) {
    held_by(holder);
    for (const auto at : {taken, waits}) EXPECT_EQ(answers_for(at), *holder ? holder : "claire");
    EXPECT_EQ(ward.record.state().timers, before);
  }
}

}  // namespace
}  // namespace careteam::care::fixture

// A call that no channel takes ends at a human (G1 to G4): the supervisor, whoever asked, the safety person; once, and it comes to an end.
#include "care/notification.hpp"
#include "task_fixture.hpp"

namespace careteam::care::fixture {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

v1::Command undelivered(place about, const std::string& person) {
  v1::Command command;
  auto& report = *command.mutable_report_undelivered();
  report.set_stream(about.stream);
  report.set_seq(about.seq);
  report.set_person_id(person);
  return command;
}

class undelivered_calls : public task_ward {
 protected:
  outcome<facts> reports(place about, const std::string& person) { return ward.does(the_system(), undelivered(about, person)); }
};

TEST_F(undelivered_calls, about_a_task_ask_its_supervisor_to_see_to_it) {
  const auto anc = asks("omar", clinical, task("ANC 0.72").asap().to("nina"));
  ASSERT_THAT(reports(anc, "nina"), accepted());
  const auto next = successor(anc, v1::TASK_RULE_UNDELIVERED);
  EXPECT_EQ(at(next).order.kind, v1::TASK_KIND_FOLLOW_UP);
  EXPECT_EQ(at(next).order.priority, v1::PRIORITY_STAT);
  EXPECT_EQ(answers_for(next), "rao");
  EXPECT_EQ(answers_for(anc), "nina") << "it takes nothing from whom was asked";
  EXPECT_EQ(at(next).origin.ordinal, next.seq - 1) << "the entry that says so comes just before it";
}

TEST_F(undelivered_calls, about_the_same_make_no_second_task_while_the_first_is_open) {
  const auto anc = asks("omar", clinical, task("ANC 0.72").asap().to("nina"));
  ASSERT_THAT(reports(anc, "nina"), accepted());
  const auto again = reports(anc, "tom");
  ASSERT_THAT(again, accepted());
  ASSERT_EQ(again->size(), 1U);
  EXPECT_EQ(again->front().call_undelivered().person_id(), "tom");
}

TEST_F(undelivered_calls, of_the_supervisor_go_to_somebody_else) {
  const auto anc = asks("omar", clinical, task("ANC 0.72").asap().to("nina"));
  ASSERT_THAT(reports(anc, "rao"), accepted());
  EXPECT_EQ(answers_for(successor(anc, v1::TASK_RULE_UNDELIVERED)), "omar") << "whoever asked";
}

TEST_F(undelivered_calls, end_at_the_safety_person_and_there) {
  const auto anc = asks("rao", clinical, task("ANC 0.72").asap().to("nina"));
  ASSERT_THAT(reports(anc, "nina"), accepted());
  const auto first = successor(anc, v1::TASK_RULE_UNDELIVERED);
  ASSERT_THAT(reports(first, "rao"), accepted());
  const auto second = successor(first, v1::TASK_RULE_UNDELIVERED);
  EXPECT_EQ(at(second).order.target.person, "grace");
  const auto third = reports(second, "grace");
  ASSERT_THAT(third, accepted());
  EXPECT_EQ(third->size(), 1U) << "it is said, and nobody is left to ask";
}

TEST_F(undelivered_calls, about_a_message_ask_a_supervisor_where_it_was_said) {
  const place at{clinical, ward.says("omar", post(clinical).stat().to("nina"))};
  const auto reported = reports(at, "nina");
  ASSERT_THAT(reported, accepted());
  ASSERT_EQ(reported->size(), 2U);
  EXPECT_EQ(reported->front().call_undelivered().seq(), at.seq);
  EXPECT_EQ(reported->back().task_requested().order().message().seq(), at.seq);
}

TEST_F(undelivered_calls, about_a_message_in_shared_are_the_staff_s_own) {
  const place at{shared, ward.says("omar", post(shared).stat().to("nina"))};
  const auto reported = reports(at, "nina");
  ASSERT_THAT(reported, accepted());
  ASSERT_EQ(reported->size(), 1U) << "patients read of no call";
  EXPECT_EQ(reported->front().stream(), clinical);
  EXPECT_EQ(reported->front().task_requested().order().message().seq(), at.seq) << "who reads clinical reads shared here";
  const auto again = reports(at, "tom");
  ASSERT_THAT(again, accepted());
  EXPECT_THAT(*again, IsEmpty()) << "it is seen to";
}

TEST_F(undelivered_calls, about_a_message_in_shared_tell_those_who_read_clinical_only_nothing_of_it) {
  ward.join("lang", v1::ROLE_PATHOLOGIST, {v1::SCOPE_READ_CLINICAL});
  const place at{shared, ward.says("omar", post(shared).stat().to("nina"))};
  const auto reported = reports(at, "nina");
  ASSERT_THAT(reported, accepted());
  ASSERT_EQ(reported->size(), 1U);
  EXPECT_FALSE(reported->front().task_requested().order().has_message());
  EXPECT_EQ(reported->front().task_requested().origin().seq(), 0U);
}

TEST_F(undelivered_calls, about_what_is_over_change_nothing) {
  const auto anc = asks(clinical, task("ANC 0.72").asap().to("nina"));
  ward.says("rao", cancel(anc));
  const auto late = reports(anc, "nina");
  ASSERT_THAT(late, accepted());
  EXPECT_THAT(*late, IsEmpty());
}

TEST_F(undelivered_calls, are_reported_by_the_server_alone) {
  const auto anc = asks(clinical, task("ANC 0.72").asap().to("nina"));
  EXPECT_THAT(does("nina", undelivered(anc, "tom")), refused_with(code::permission_denied, "action"));
  EXPECT_THAT(reports({clinical, 9999}, "nina"), refused_with(code::not_found, "reportUndelivered.seq"));
  EXPECT_THAT(reports({v1::STREAM_AUDIT, 1}, "nina"), refused_with(code::not_found, "reportUndelivered.stream"));
}

}  // namespace
}  // namespace careteam::care::fixture

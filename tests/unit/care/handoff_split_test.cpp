// The split of a handoff (`domain.md` HO4): a patient who is declined is the lead's from the confirmation on, until the holder takes them.
#include "care/duty_index.hpp"
#include "duty_fixture.hpp"

namespace careteam::care::fixture {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Key;

class split_handoffs : public duty_ward {
 protected:
  split_handoffs() {
    until(chicago(23, 18, 20));
    owes("mei", 4, chicago(24, 9));
    owes("rosa", 17, chicago(23, 19, 30));
    good("nina", describe(handoff(), "mei", v1::HandoffNote::SEVERITY_WATCHER));
    good("nina", describe(handoff(), "rosa", v1::HandoffNote::SEVERITY_WATCHER));
    good("nina", offer(handoff()));
    good("tom", open_handoff(handoff()));
  }
  const owed_item& rosas() const { return owed[1]; }
  const owed_item& meis() const { return owed[0]; }
  /// Tom takes everything but Rosa.
  facts hands_over_without_rosa() {
    good("tom", decline_patient(handoff(), "rosa"));
    good("tom", take_handoff(handoff()));
    good("tom", synthesize(handoff(), "mei", &meis()));
    return good("nina", confirm(handoff()));
  }
};

TEST_F(split_handoffs, in_one_commit_the_lead_answers_for_the_declined_patient_and_the_new_holder_for_the_others) {
  good("tom", decline_patient(handoff(), "rosa"));
  EXPECT_EQ(of_kind(v1::Entry::kHandoffPatientDeclined).back().handoff_patient_declined().person_id(), "grace");
  EXPECT_EQ(answers(now, "rosa").person, "nina") << "nothing moves before it is confirmed";
  good("tom", take_handoff(handoff()));
  EXPECT_THAT(does("tom", synthesize(handoff(), "rosa", &rosas())), refused_with(code::failed_precondition, "synthesizePatient.patientId"));
  good("tom", synthesize(handoff(), "mei", &meis()));
  EXPECT_EQ(duty().handoff->stage, handoff_stage::in_progress) << "what was declined needs no words";
  const auto done = good("nina", confirm(handoff()));
  EXPECT_EQ(done[1].patient_set_apart().patient_id(), "rosa");
  EXPECT_EQ(done[2].duty_holder_changed().person_id(), "tom");
  EXPECT_EQ(answers(now).person, "tom");
  EXPECT_EQ(answers(now, "mei").person, "tom");
  EXPECT_EQ(answers(now, "rosa").person, "grace");
  EXPECT_TRUE(answers(now, "rosa").covered());
  check_replay();
}

TEST_F(split_handoffs, a_confirmation_alone_leaves_nobody_apart) {
  good("tom", take_handoff(handoff()));
  good("tom", synthesize(handoff(), "mei", &meis()));
  good("tom", synthesize(handoff(), "rosa", &rosas()));
  good("nina", confirm(handoff()));
  EXPECT_THAT(duty().apart, IsEmpty());
}

TEST_F(split_handoffs, where_the_lead_could_not_have_the_patient_none_is_declined_or_confirmed) {
  EXPECT_THAT(does("tom", decline_patient(handoff(), "ito")), refused_with(code::not_found, "declineHandoffPatient.patientId"));
  auto wordless = decline_patient(handoff(), "rosa");
  wordless.mutable_decline_handoff_patient()->clear_reason();
  EXPECT_THAT(does("tom", wordless), refused_with(code::invalid_argument, "declineHandoffPatient.reason"));
  ASSERT_THAT(organization_does("alex", suspend("grace")), accepted());
  EXPECT_THAT(does("tom", decline_patient(handoff(), "rosa")),
              refused_with(code::failed_precondition, "declineHandoffPatient.handoff.seq"));
  ASSERT_THAT(organization_does("alex", reinstate("grace")), accepted());
  good("tom", decline_patient(handoff(), "rosa"));
  good("tom", take_handoff(handoff()));
  good("tom", synthesize(handoff(), "mei", &meis()));
  ASSERT_THAT(organization_does("alex", suspend("grace")), accepted());
  EXPECT_THAT(does("nina", confirm(handoff())), refused_with(code::failed_precondition, "confirmHandoff.handoff.seq"));
  EXPECT_EQ(holder(), "nina");
  auto led_by_tom = nurses_duty();
  led_by_tom.set_lead_person_id("tom");
  good("alex", define(version(), led_by_tom));
  EXPECT_THAT(does("nina", confirm(handoff())), refused_with(code::failed_precondition, "confirmHandoff.handoff.seq"))
      << "what he declined would be his";
}

TEST_F(split_handoffs, the_lead_returns_the_patient_and_the_holder_takes_them_with_a_read_back) {
  hands_over_without_rosa();
  EXPECT_THAT(does("tom", take_back("rosa", &rosas())), refused_with(code::not_found, "takePatientBack.patientId")) << "not offered yet";
  EXPECT_THAT(does("tom", return_patient("rosa", v1::HandoffNote::SEVERITY_WATCHER)), refused_with(code::permission_denied, "action"));
  EXPECT_THAT(does("grace", return_patient("mei", v1::HandoffNote::SEVERITY_WATCHER)),
              refused_with(code::not_found, "returnPatient.patient.patientId"));
  EXPECT_THAT(does("grace", return_patient("rosa", v1::HandoffNote::SEVERITY_UNSPECIFIED)),
              refused_with(code::invalid_argument, "returnPatient.patient.severity"));
  good("grace", return_patient("rosa", v1::HandoffNote::SEVERITY_WATCHER));
  EXPECT_EQ(answers(now, "rosa").person, "grace") << "offered is not taken";
  check_replay();
  EXPECT_THAT(does("nina", take_back("rosa", &rosas())), refused_with(code::permission_denied, "action"));
  EXPECT_THAT(does("tom", take_back("rosa", &meis())), refused_with(code::invalid_argument, "takePatientBack.topAction"));
  auto late = rosas();
  late.deadline = *late.deadline + 15min;
  EXPECT_THAT(does("tom", take_back("rosa", &late)), refused_with(code::failed_precondition, "takePatientBack.topAction"));
  EXPECT_THAT(does("tom", take_back("rosa")), refused_with(code::failed_precondition, "takePatientBack.topAction"));
  good("tom", take_back("rosa", &rosas()));
  EXPECT_EQ(answers(now, "rosa").person, "tom");
  EXPECT_THAT(duty().apart, IsEmpty());
  check_replay();
}

TEST_F(split_handoffs, the_next_handoff_is_without_the_patient_who_is_the_leads) {
  hands_over_without_rosa();
  until(chicago(24, 6, 20));
  ASSERT_NE(handoff(), 0u);
  good("tom", describe(handoff(), "mei", v1::HandoffNote::SEVERITY_STABLE));
  const auto offered = good("tom", offer(handoff()));
  ASSERT_EQ(offered.front().handoff_offered().owed_size(), 1);
  EXPECT_EQ(offered.front().handoff_offered().owed(0).entry().patient_id(), "mei");
  good("nina", open_handoff(handoff()));
  good("nina", take_handoff(handoff()));
  good("nina", synthesize(handoff(), "mei"));
  good("tom", confirm(handoff()));
  EXPECT_EQ(answers(now, "rosa").person, "grace") << "whoever holds the duty";
  good("grace", return_patient("rosa", v1::HandoffNote::SEVERITY_STABLE));
  good("nina", take_back("rosa", &rosas()));
  EXPECT_EQ(answers(now, "rosa").person, "nina");
}

TEST_F(split_handoffs, a_lead_who_has_all_of_the_duty_has_no_part_of_it) {
  hands_over_without_rosa();
  good("grace", force_take());
  EXPECT_THAT(duty().apart, IsEmpty());
  EXPECT_EQ(answers(now, "rosa").person, "grace");
  check_replay();
}

TEST_F(split_handoffs, a_lead_who_leaves_the_duty_leaves_the_patient_to_the_holder) {
  hands_over_without_rosa();
  auto led_by_claire = nurses_duty();
  led_by_claire.set_lead_person_id("claire");
  good("alex", define(version(), led_by_claire));
  EXPECT_EQ(answers(now, "rosa").person, "grace") << "it was hers, and she is still there";
  led_by_claire.mutable_members()->DeleteSubrange(3, 1);
  good("alex", define(version(), led_by_claire));
  EXPECT_EQ(answers(now, "rosa").person, "tom");
  check_replay();
}

TEST_F(split_handoffs, without_the_lead_the_holder_answers) {
  hands_over_without_rosa();
  ASSERT_THAT(organization_does("alex", suspend("grace")), accepted());
  EXPECT_EQ(answers(now, "rosa").person, "tom");
}

TEST_F(split_handoffs, other_records_see_the_lead_for_that_patient_only) {
  hands_over_without_rosa();
  duty_index index(people.state().organization, "omar");
  index.put(duty());
  EXPECT_EQ(index.find("onc-rn", "rosa", now)->holder, "grace");
  EXPECT_EQ(index.find("onc-rn", "mei", now)->holder, "tom");
  EXPECT_EQ(index.find("onc-rn", {}, now)->holder, "tom");
  EXPECT_THAT(index.apart("onc-rn"), ElementsAre(Key("rosa")));
  EXPECT_THAT(index.answered_by("grace", now), ElementsAre("onc-rn"));
}

TEST_F(split_handoffs, a_handoff_that_comes_to_nothing_declines_nothing) {
  good("tom", decline_patient(handoff(), "rosa"));
  good("tom", end_handoff(handoff()));
  EXPECT_THAT(duty().apart, IsEmpty());
  EXPECT_EQ(answers(now, "rosa").person, "nina");
}

}  // namespace
}  // namespace careteam::care::fixture

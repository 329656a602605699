// A patient who has died has no access, is asked for nothing and called for nothing, and their protocols stop.
#include "care/notification.hpp"
#include "protocol_fixture.hpp"

namespace careteam::care::fixture {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

class deceased : public protocol_ward {
 protected:
  static v1::Command enrolled(std::optional<bool> says, std::string_view id = "rosa", v1::PersonKind kind = v1::PERSON_KIND_PATIENT) {
    auto command = enroll(id, "Rosa", kind);
    if (says) command.mutable_enroll_person()->set_deceased(*says);
    return command;
  }
  void dies() { ASSERT_THAT(ward.organization_does("alex", enrolled(true)), accepted()); }
  const organization_state& people() const { return ward.people.state().organization; }
  static task question() { return task("How was the week?", v1::TASK_KIND_REPORT).to("rosa"); }
};

TEST_F(deceased, it_is_told_of_patients_only_and_stays_until_it_is_taken_back) {
  ward.enrolled("tim", v1::PERSON_KIND_STAFF);
  EXPECT_THAT(ward.organization_does("alex", enrolled(true, "tim", v1::PERSON_KIND_STAFF)),
              refused_with(code::invalid_argument, "enrollPerson.deceased"));
  EXPECT_THAT(ward.organization_does("alex", enrolled(false, "tim", v1::PERSON_KIND_STAFF)), accepted());
  dies();
  EXPECT_TRUE(people().deceased("rosa"));
  ASSERT_THAT(ward.organization_does("alex", enrolled(std::nullopt)), accepted());
  EXPECT_TRUE(people().deceased("rosa")) << "whoever says nothing of it changes nothing of it";
  EXPECT_TRUE(ward.people.last(v1::STREAM_ORGANIZATION).person_enrolled().deceased());
  const auto entries = ward.people.log().size();
  EXPECT_THAT(ward.organization_does("alex", enrolled(true)), accepted());
  EXPECT_EQ(ward.people.log().size(), entries) << "is known";
  ASSERT_THAT(ward.organization_does("alex", enrolled(false)), accepted());
  EXPECT_TRUE(people().active("rosa")) << "it was a mistake";
}

TEST_F(deceased, the_account_has_no_access) {
  ASSERT_THAT(does("rosa", post(shared)), accepted());
  dies();
  EXPECT_FALSE(people().active("rosa"));
  EXPECT_THAT(does("rosa", post(shared)), refused_with(code::unauthenticated, ""));
  EXPECT_THAT(ward.readable("rosa"), IsEmpty());
  EXPECT_THAT(does("rao", post(shared)), accepted()) << "the team goes on";
}

TEST_F(deceased, nothing_is_asked_of_the_patient_by_task_mention_or_transfer) {
  const auto before = asks(shared, question());
  const auto hers = asks(shared, task("How was the week?", v1::TASK_KIND_REPORT).to("nina"));
  ASSERT_THAT(does("nina", accept(hers)), accepted());
  dies();
  EXPECT_THAT(does("rao", request(shared, question())), refused_with(code::failed_precondition, "requestTask.order.target"));
  const auto why = does("rao", request(shared, question())).error();
  EXPECT_EQ(why.message, "is deceased");
  EXPECT_THAT(does("rao", request(shared, task("Report", v1::TASK_KIND_REPORT).to("nina").then("rosa"))),
              refused_with(code::failed_precondition, "requestTask.order.ladder"));
  EXPECT_THAT(does("rao", post(shared).to("rosa")), refused_with(code::failed_precondition, "postMessage.mentions"));
  EXPECT_THAT(does("rao", post(shared).asap().to("rosa")), refused_with(code::failed_precondition, "postMessage.mentions"));
  EXPECT_THAT(does("rao", offer(hers, "rosa")), refused_with(code::failed_precondition, "offerTransfer.personId"));
  EXPECT_NE(answers_for(before), "rosa") << "what was asked before is somebody else's";
  EXPECT_NE(answers_for(before), "");
  EXPECT_THAT(does("nina", request(clinical, task("Call the family", v1::TASK_KIND_CALL).to("nina"))), accepted());
}

TEST_F(deceased, of_another_patient_nothing_is_told) {
  ward.enrolled("mei", v1::PERSON_KIND_PATIENT);
  ASSERT_THAT(ward.organization_does("alex", enrolled(true, "mei")), accepted());
  for (const auto* id : {"mei", "ghost"}) {
    EXPECT_THAT(does("rao", request(shared, task("Report", v1::TASK_KIND_REPORT).to(id))),
                refused_with(code::not_found, "requestTask.order.target"));
    EXPECT_THAT(does("rao", post(shared).to(id)), refused_with(code::not_found, "postMessage.mentions"));
  }
}

TEST_F(deceased, the_patient_is_not_called) {
  dies();
  ASSERT_THAT(does("rao", post(shared).asap().to("nina")), accepted());
  const auto changed = calls_after(ward.record.state(), last(shared), ward.now_context());
  ASSERT_THAT(changed.calls, SizeIs(1));
  EXPECT_EQ(changed.calls[0].person, "nina");
}

TEST_F(deceased, a_protocol_does_not_begin_and_one_that_runs_ends_with_its_next_timer_and_its_open_tasks) {
  ASSERT_THAT(does("nina", start(clinical, plan("p1").item("cbc", cbc, {1, 15}))), accepted());
  asks_until(utc(2026, 12, 1, 0));
  ASSERT_THAT(made(), SizeIs(1));
  const auto open = task_of("cbc 1/1");
  dies();
  EXPECT_THAT(does("nina", start(clinical, plan("p2").item("cbc", cbc, {1}))), refused_with(code::failed_precondition, "patientId"));
  asks_until(utc(2027, 3, 1, 0));
  EXPECT_THAT(made(), SizeIs(1)) << "nothing more is asked for";
  EXPECT_FALSE(ward.record.state().tasks.open.contains(open));
  const auto log = ward.record.stream(clinical);
  const auto stopped = std::ranges::find_if(log, [](const v1::Entry& one) { return one.has_protocol_stopped(); });
  ASSERT_NE(stopped, log.end());
  EXPECT_EQ(stopped->protocol_stopped().reason(), deceased_reason);
  EXPECT_TRUE(stopped->author().person_id().empty()) << "the server stopped it";
  EXPECT_THAT(protocol_timers(), IsEmpty());
}

TEST_F(deceased, is_in_the_snapshot_and_the_log) {
  dies();
  EXPECT_EQ(folded({}, ward.people.log()).organization, people());
  const auto restored = from_snapshot(to_snapshot(ward.people.state()));
  ASSERT_TRUE(restored);
  EXPECT_EQ(restored->organization, people());
}

}  // namespace
}  // namespace careteam::care::fixture

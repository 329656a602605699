// A duty among the members of a team: whoever holds it reads and acts by it, for as long as they hold it (S1, B6, section 4 "while on
// duty", AT-8).
#include "care/duty_index.hpp"
#include "care/worklist.hpp"
#include "duty_fixture.hpp"
#include "task_fixture.hpp"

namespace careteam::care::fixture {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

/// Yuki and tom are on nobody's team. The duty is made by hand: whatever its record would have decided.
class team_duty : public task_ward {
 protected:
  team_duty() : index_(ward.people.state().organization, "grace") {
    for (const auto* person : {"yuki", "jun"}) ward.enrolled(person, v1::PERSON_KIND_STAFF);
    pharmacy_.id = "onc-pharm";
    pharmacy_.roster_version = 1;
    pharmacy_.what.name = "Oncology pharmacist";
    pharmacy_.what.roles = {v1::ROLE_PHARMACIST, v1::ROLE_ONCOLOGY_NURSE};
    pharmacy_.what.members = {{"omar", v1::ROLE_PHARMACIST}, {"yuki", v1::ROLE_PHARMACIST}, {"jun", v1::ROLE_ONCOLOGY_NURSE}};
    pharmacy_.roster.eligible.people = {"omar", "yuki", "jun"};
    ward.setting.duties = &index_;
    held_by("yuki");
    if (!ward.does("alex", add_duty(ward.roster_version(), "onc-pharm", v1::ROLE_PHARMACIST))) ADD_FAILURE() << "the duty was not added";
    ward.record.appoint(index_);
  }
  void held_by(const std::string& person, const std::string& former = {}) {
    pharmacy_.holder = person;
    pharmacy_.former = {former, false};
    index_.put(pharmacy_);
    ward.record.appoint(index_);
  }
  bool owes(const std::string& person, place at) const {
    const auto item = owed_by(ward.record.state(), at, {person, ward.people.state().organization, ward.setting, ward.now});
    return item && item->how == standing::answers;
  }
  v1::RosterMember row_of_the_duty(roster_reader reader) const {
    const auto roster = roster_view(ward.team(), 0, ward.now, reader);
    for (const auto& row : roster.members()) {
      if (!row.duty_id().empty()) return row;
    }
    return {};
  }
  std::vector<std::string> row_owners(place at) const {
    std::vector<std::string> owners;
    for (const auto& row : obligation_rows(ward.record.state(), at)) owners.push_back(row.owner);
    return owners;
  }

  duty_state pharmacy_;
  duty_index index_;
};

TEST_F(team_duty, whoever_holds_it_reads_and_posts_and_nobody_else_does) {
  EXPECT_THAT(ward.readable("yuki"), ElementsAre(shared, clinical, support));
  EXPECT_THAT(does("yuki", post(clinical)), accepted());
  EXPECT_EQ(last(clinical).author().role(), v1::ROLE_PHARMACIST);
  held_by("jun");
  EXPECT_THAT(ward.readable("yuki"), IsEmpty()) << "it is over with the duty";
  EXPECT_EQ(told(does("yuki", post(clinical))), told(no_such_record()));
  EXPECT_THAT(ward.readable("jun"), IsEmpty()) << "a nurse who holds it is no pharmacist on the team";
  held_by("");
  EXPECT_THAT(ward.readable(""), IsEmpty());
  EXPECT_FALSE(ward.team().on_team("", ward.now));
  EXPECT_THAT(audience(ward.team(), clinical, ward.now), Not(Contains("")));
}

TEST_F(team_duty, a_duty_gives_no_more_than_its_membership) {
  ASSERT_THAT(does("alex", until(add_duty(ward.roster_version(), "onc-pharm", v1::ROLE_ONCOLOGY_NURSE), ward.now + 1h)), accepted());
  held_by("jun");
  EXPECT_THAT(ward.readable("jun"), ElementsAre(shared, clinical, support));
  ward.now += 1h;
  EXPECT_THAT(ward.readable("jun"), IsEmpty()) << "the membership's period is over";
  held_by("yuki");
  ASSERT_THAT(ward.organization_does("alex", suspend("yuki")), accepted());
  EXPECT_THAT(ward.readable("yuki"), IsEmpty());
}

TEST_F(team_duty, one_s_own_membership_stays_when_the_duty_goes) {
  held_by("omar");
  EXPECT_THAT(does("omar", post(clinical)), accepted()) << "the same role twice is one role";
  held_by("yuki");
  EXPECT_THAT(ward.readable("omar"), ElementsAre(shared, clinical, support));
}

TEST_F(team_duty, it_is_told_as_a_duty_and_guests_do_not_learn_who_holds_it) {
  const auto& added = last(shared).member_added();
  EXPECT_EQ(added.duty_id(), "onc-pharm");
  EXPECT_EQ(added.name(), "Oncology pharmacist");
  EXPECT_EQ(added.person_id(), "");
  EXPECT_EQ(row_of_the_duty(roster_reader::staff).person_id(), "yuki");
  EXPECT_EQ(row_of_the_duty(roster_reader::guest).person_id(), "");
  EXPECT_EQ(row_of_the_duty(roster_reader::guest).name(), "Oncology pharmacist");
  const auto change = roster_view(ward.team(), ward.roster_version() - 1, ward.now, roster_reader::guest).changes(0);
  EXPECT_EQ(change.kind(), v1::RosterChange::KIND_JOINED);
  EXPECT_EQ(change.duty_id(), "onc-pharm");
  EXPECT_EQ(change.name(), "Oncology pharmacist");
}

TEST_F(team_duty, its_tasks_answer_to_its_holder_whoever_that_becomes) {
  const auto task_at = asks("rao", clinical, task("Check the interaction").to_duty("onc-pharm"));
  EXPECT_EQ(answers_for(task_at), "yuki");
  EXPECT_THAT(does("yuki", claim(task_at)), accepted());
  EXPECT_THAT(does("yuki", accept(task_at)), accepted());
  const auto rows = row_owners(task_at);
  held_by("omar");
  EXPECT_EQ(answers_for(task_at), "omar") << "at one index, with the duty";
  EXPECT_EQ(told(does("yuki", start(task_at))), told(no_such_record()));
  EXPECT_THAT(does("omar", start(task_at)), accepted());
  held_by("");
  EXPECT_EQ(answers_for(task_at), "rao") << "nobody who reads it: the attending";
  EXPECT_EQ(row_owners(task_at), rows) << "what is stored follows from the record's entries alone";
}

TEST_F(team_duty, whoever_is_asked_by_their_role_is_asked_by_the_duty_that_gives_it) {
  const auto by_role = asks("rao", clinical, task("Check the dose").to(v1::ROLE_PHARMACIST));
  EXPECT_THAT(row_owners(by_role), Contains("duty/onc-pharm"));
  EXPECT_THAT(does("yuki", claim(by_role)), accepted());
  ward.leave("omar", v1::ROLE_PHARMACIST);
  ward.says("rao", post(clinical, "Which dose").stat().to(v1::ROLE_PHARMACIST));
  const auto& mention = last(clinical).message_posted().mentions(0);
  EXPECT_EQ(mention.duty_id(), "onc-pharm");
  EXPECT_THAT(mention.person_id(), ElementsAre("yuki"));
  const place message{clinical, last(clinical).seq()};
  EXPECT_TRUE(owes("yuki", message));
  ward.join("mia", v1::ROLE_PHARMACIST);
  ward.says("rao", post(clinical, "Which dose then").stat().to(v1::ROLE_PHARMACIST));
  EXPECT_EQ(last(clinical).message_posted().mentions(0).duty_id(), "") << "several are asked, not the duty";
  ward.leave("mia", v1::ROLE_PHARMACIST);
  ward.join("omar", v1::ROLE_PHARMACIST);
  held_by("omar");
  EXPECT_TRUE(owes("omar", message));
  EXPECT_FALSE(owes("yuki", message));
}

TEST_F(team_duty, whoever_is_on_leave_from_it_reads_and_does_nothing) {
  ward.leave("omar", v1::ROLE_PHARMACIST);
  held_by("yuki", "omar");
  EXPECT_THAT(ward.readable("omar"), ElementsAre(shared, clinical, support));
  EXPECT_THAT(audience(ward.team(), clinical, ward.now), Contains("omar"));
  EXPECT_TRUE(among_people_of(ward.record.state(), "omar", ward.now));
  EXPECT_THAT(does("omar", post(clinical)), refused_with(code::permission_denied, "action"));
  EXPECT_THAT(does("omar", view_roster()), refused_with(code::permission_denied, "action"));
  EXPECT_FALSE(may_acknowledge(ward.team(), "omar", ward.now));
  const auto task_at = asks("rao", clinical, task("Check the dose").to(v1::ROLE_PHARMACIST));
  EXPECT_THAT(does("omar", claim(task_at)), refused_with(code::permission_denied, "action"));
  EXPECT_EQ(answers_for(task_at), "yuki");
  held_by("", "omar");
  EXPECT_THAT(ward.readable("omar"), ElementsAre(shared, clinical, support)) << "also while nobody covers";
  held_by("jun");
  EXPECT_THAT(ward.readable("omar"), IsEmpty());
}

TEST_F(team_duty, a_thread_of_the_duty_is_its_holder_s) {
  auto open = open_thread(clinical, "Interactions");
  open.mutable_open_thread()->set_owner_duty_id("onc-pharm");
  EXPECT_THAT(does("rosa", open), refused_with(code::not_found, "openThread.stream"));
  ASSERT_THAT(does("rao", open), accepted());
  EXPECT_EQ(last(clinical).thread_opened().owner_person_id(), "yuki");
  EXPECT_EQ(last(clinical).thread_opened().owner_duty_id(), "onc-pharm");
  const auto seq = last(clinical).seq();
  EXPECT_EQ(ward.chat().thread({clinical, seq})->owner_duty, "onc-pharm");
  ASSERT_THAT(does("rao", resolve_thread(clinical, seq)), accepted());
  ASSERT_THAT(does("rao", reopen_thread(clinical, seq)), accepted());
  EXPECT_EQ(last(clinical).thread_reopened().owner_duty_id(), "onc-pharm");
  auto in_shared = open_thread(shared, "Interactions");
  in_shared.mutable_open_thread()->set_owner_duty_id("onc-pharm");
  EXPECT_THAT(does("rosa", in_shared), refused_with(code::permission_denied, "openThread.ownerDutyId"));
  open.mutable_open_thread()->set_owner_person_id("rao");
  EXPECT_THAT(does("rao", open), refused_with(code::invalid_argument, "openThread.ownerDutyId"));
  open.mutable_open_thread()->clear_owner_person_id();
  open.mutable_open_thread()->set_owner_duty_id("no-such");
  EXPECT_THAT(does("rao", open), refused_with(code::not_found, "openThread.ownerDutyId"));
}

// AT-8: omar is on leave, and on the team by the duty only.
TEST_F(team_duty, whoever_is_away_from_it_is_still_known_by_name) {
  ward.leave("omar", v1::ROLE_PHARMACIST);
  pharmacy_.roster.leaves = {{"l", "omar", {ward.now, ward.now + 63h}, {{"yuki", {ward.now, ward.now + 63h}}}, uncovered_turns::accepted}};
  held_by("yuki");
  const auto refused = does("rao", post(clinical).to("omar"));
  ASSERT_THAT(refused, refused_with(code::failed_precondition, "postMessage.mentions"));
  EXPECT_THAT(refused.error().message, ::testing::HasSubstr("yuki covers"));
  ASSERT_THAT(does("rao", post(clinical).stat().to("omar")), accepted());
  EXPECT_THAT(last(clinical).message_posted().mentions(0).person_id(), ElementsAre("yuki"));
  EXPECT_EQ(last(clinical).message_posted().mentions(0).instead_of_person_id(), "omar");
  ward.leave("claire", v1::ROLE_NURSE_PRACTITIONER);
  held_by("");
  EXPECT_THAT(does("rao", post(clinical).stat().to("omar")), refused_with(code::failed_precondition, "postMessage.mentions"))
      << "nobody here stands in";
  ASSERT_THAT(does("alex", end_duty(ward.roster_version(), "onc-pharm", v1::ROLE_PHARMACIST)), accepted());
  EXPECT_THAT(does("rao", post(clinical).to("omar")), refused_with(code::not_found, "postMessage.mentions"))
      << "of whom the team has nothing, nothing is told";
}

TEST_F(team_duty, nobody_who_reads_less_may_come_to_hear_by_a_duty) {
  // Nobody holds it now, and whoever does next reads `clinical`: a text may go there, and not from there to where it reads less.
  held_by("");
  EXPECT_TRUE(audience_within(ward.team(), support, support, ward.now));
  ASSERT_THAT(does("alex", end_duty(ward.roster_version(), "onc-pharm", v1::ROLE_PHARMACIST)), accepted());
  pharmacy_.what.roles = {v1::ROLE_SOCIAL_WORKER};
  held_by("");
  for (const auto* person : {"sam", "dana"}) {
    ward.leave(person, person == std::string("sam") ? v1::ROLE_SOCIAL_WORKER : v1::ROLE_FINANCIAL_ADVISER);
  }
  EXPECT_TRUE(audience_within(ward.team(), support, clinical, ward.now)) << "everybody who reads support reads clinical";
  ASSERT_THAT(does("alex", add_duty(ward.roster_version(), "onc-pharm", v1::ROLE_SOCIAL_WORKER)), accepted());
  EXPECT_FALSE(audience_within(ward.team(), support, clinical, ward.now)) << "a social worker may come to hold it";
}

TEST_F(team_duty, what_makes_no_sense_is_refused) {
  const auto version = ward.roster_version();
  const auto again = add_duty(version, "onc-pharm", v1::ROLE_PHARMACIST);
  EXPECT_THAT(does("alex", again), refused_with(code::already_exists, "addMember.dutyId"));
  EXPECT_THAT(does("alex", add_duty(version, "no-such", v1::ROLE_PHARMACIST)), refused_with(code::failed_precondition, "addMember.dutyId"));
  EXPECT_THAT(does("alex", add_duty(version, "onc-pharm", v1::ROLE_SURGEON)), refused_with(code::invalid_argument, "addMember.role"));
  for (const auto role : {v1::ROLE_PATIENT, v1::ROLE_CAREGIVER, v1::ROLE_INTEGRATION}) {
    EXPECT_THAT(does("alex", add_duty(version, "onc-pharm", role)), refused_with(code::invalid_argument, "addMember.role"));
  }
  auto both = add_duty(version, "onc-pharm", v1::ROLE_ONCOLOGY_NURSE);
  both.mutable_add_member()->set_person_id("omar");
  EXPECT_THAT(does("alex", both), refused_with(code::invalid_argument, "addMember.dutyId"));
  EXPECT_THAT(does("alex", add_duty(version, "onc-pharm", v1::ROLE_ONCOLOGY_NURSE, {v1::SCOPE_ACKNOWLEDGE})),
              refused_with(code::invalid_argument, "addMember.scopes"));
  EXPECT_THAT(does("rosa", add_duty(version, "onc-pharm", v1::ROLE_ONCOLOGY_NURSE)), refused_with(code::permission_denied, "action"));
  EXPECT_THAT(does("rosa", add_duty(version, "no-such", v1::ROLE_CAREGIVER)), refused_with(code::invalid_argument, "addMember.role"))
      << "patients do not learn which duties there are";
  EXPECT_THAT(does("alex", end_duty(version, "onc-pharm", v1::ROLE_ONCOLOGY_NURSE)),
              refused_with(code::failed_precondition, "endMember.dutyId"));
  auto end_both = end_duty(version, "onc-pharm", v1::ROLE_PHARMACIST);
  end_both.mutable_end_member()->set_person_id("yuki");
  EXPECT_THAT(does("alex", end_both), refused_with(code::invalid_argument, "endMember.dutyId"));
  EXPECT_THAT(does("alex", end_member(version, "yuki", v1::ROLE_PHARMACIST)), refused_with(code::failed_precondition, "endMember.personId"))
      << "it is the duty's, not hers";
  EXPECT_THAT(does("alex", change_role(version, "yuki", v1::ROLE_PHARMACIST, v1::ROLE_SURGEON)),
              refused_with(code::failed_precondition, "changeRole.fromRole"));
  ASSERT_THAT(does("alex", end_duty(version, "onc-pharm", v1::ROLE_PHARMACIST)), accepted());
  EXPECT_THAT(ward.readable("yuki"), IsEmpty());
}

TEST_F(team_duty, its_holder_is_no_attending) {
  ASSERT_THAT(does("alex", end_duty(ward.roster_version(), "onc-pharm", v1::ROLE_PHARMACIST)), accepted());
  pharmacy_.what.roles = {v1::ROLE_MEDICAL_ONCOLOGIST};
  pharmacy_.what.members = {{"yuki", v1::ROLE_MEDICAL_ONCOLOGIST}};
  held_by("yuki");
  ASSERT_THAT(does("alex", add_duty(ward.roster_version(), "onc-pharm", v1::ROLE_MEDICAL_ONCOLOGIST)), accepted());
  ward.record.appoint(index_);
  EXPECT_THAT(does("yuki", post(clinical)), accepted());
  EXPECT_THAT(does("alex", assign_attending(ward.roster_version(), "yuki")),
              refused_with(code::failed_precondition, "assignAttending.personId"));
}

}  // namespace
}  // namespace careteam::care::fixture

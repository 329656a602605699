// The care team: periods, roster versions, who changes what, and the roster that the patient reads (B2, B3, B8, B9, S4).
#include "record_fixture.hpp"

namespace careteam::care::fixture {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

std::vector<std::string> names_at(const team_state& team, instant t) {
  std::vector<std::string> names;
  for (const auto* m : team.at(t)) names.push_back(m->person_id);
  return names;
}

TEST(record_opening, only_an_administrator_opens_it_and_only_for_an_enrolled_patient) {
  rosas_record ward;
  driven_record meis("mei");
  EXPECT_EQ(told(meis.submit(open_record("mei"), person("rosa"), ward.now_context())), told(no_such_record()));
  EXPECT_EQ(told(meis.submit(open_record("mei"), person("nobody"), ward.now_context())), "16||this account has no access||0");
  EXPECT_THAT(meis.submit(open_record("mei"), person("alex"), ward.now_context()), refused_with(code::failed_precondition, "patientId"));
  ward.enrolled("mei", v1::PERSON_KIND_PATIENT);
  EXPECT_THAT(meis.submit(open_record("mei"), person("alex"), ward.now_context()), accepted());
  EXPECT_EQ(meis.last(shared).record_opened().name(), "Name of mei");
  EXPECT_THAT(meis.submit(open_record("mei"), person("alex"), ward.now_context()), refused_with(code::already_exists, "patientId"));
}

TEST(record_opening, staff_do_not_become_patients) {
  rosas_record ward;
  ward.enrolled("nina", v1::PERSON_KIND_STAFF);
  driven_record ninas("nina");
  EXPECT_THAT(ninas.submit(open_record("nina"), person("alex"), ward.now_context()), refused_with(code::failed_precondition, "patientId"));
}

TEST(record_opening, an_import_that_opens_it_again_changes_nothing) {
  rosas_record ward;
  const auto again = ward.does(the_system(), open_record("rosa"));
  ASSERT_THAT(again, accepted());
  EXPECT_THAT(*again, IsEmpty());
}

TEST(membership_period, the_team_at_a_time_is_who_was_on_it_then) {
  rosas_record ward;
  ward.join_until("tom", v1::ROLE_ONCOLOGY_NURSE, monday + 8h);
  ward.enrolled("nina", v1::PERSON_KIND_STAFF);
  ASSERT_THAT(ward.does("alex", from(add_member(ward.roster_version(), "nina", v1::ROLE_ONCOLOGY_NURSE), monday + 8h)), accepted());
  EXPECT_THAT(names_at(ward.team(), monday - 1us), IsEmpty());
  EXPECT_THAT(names_at(ward.team(), monday), ElementsAre("rosa", "tom"));
  EXPECT_THAT(names_at(ward.team(), monday + 8h - 1us), ElementsAre("rosa", "tom"));
  EXPECT_THAT(names_at(ward.team(), monday + 8h), ElementsAre("rosa", "nina")) << "an end is the first instant outside";
}

TEST(membership_period, rights_begin_and_end_with_it) {
  rosas_record ward;
  ward.enrolled("nina", v1::PERSON_KIND_STAFF);
  ASSERT_THAT(ward.does("alex", until(from(add_member(ward.roster_version(), "nina", v1::ROLE_ONCOLOGY_NURSE), monday + 1h), monday + 2h)),
              accepted());
  EXPECT_EQ(told(ward.does("nina", post(clinical))), told(no_such_record())) << "before it begins";
  EXPECT_THAT(ward.readable("nina"), IsEmpty());
  ward.now = monday + 1h;
  EXPECT_THAT(ward.does("nina", post(clinical)), accepted());
  EXPECT_THAT(ward.readable("nina"), ElementsAre(shared, clinical, support));
  ward.now = monday + 2h;
  EXPECT_EQ(told(ward.does("nina", post(clinical))), told(no_such_record())) << "off duty";
  EXPECT_THAT(ward.readable("nina"), IsEmpty());
}

TEST(membership_period, the_next_boundary_is_the_next_begin_or_end) {
  rosas_record ward;
  EXPECT_EQ(ward.team().next_boundary(monday), std::nullopt);
  ward.enrolled("nina", v1::PERSON_KIND_STAFF);
  ASSERT_THAT(ward.does("alex", until(from(add_member(ward.roster_version(), "nina", v1::ROLE_ONCOLOGY_NURSE), monday + 1h), monday + 3h)),
              accepted());
  ward.join_until("tom", v1::ROLE_ONCOLOGY_NURSE, monday + 2h);
  EXPECT_EQ(ward.team().next_boundary(monday), monday + 1h);
  EXPECT_EQ(ward.team().next_boundary(monday + 1h), monday + 2h) << "strictly after";
  EXPECT_EQ(ward.team().next_boundary(monday + 2h), monday + 3h);
  EXPECT_EQ(ward.team().next_boundary(monday + 3h), std::nullopt);
}

TEST(membership_period, must_be_a_period) {
  rosas_record ward;
  ward.enrolled("nina", v1::PERSON_KIND_STAFF);
  const auto add = add_member(ward.roster_version(), "nina", v1::ROLE_ONCOLOGY_NURSE);
  EXPECT_THAT(ward.does("alex", until(add, monday)), refused_with(code::invalid_argument, "addMember.period.end"));
  EXPECT_THAT(ward.does("alex", until(from(add, monday + 2h), monday + 1h)), refused_with(code::invalid_argument, "addMember.period.end"));
  EXPECT_THAT(ward.does("alex", from(add, earliest_time - 1us)), refused_with(code::invalid_argument, "addMember.period.start"));
  EXPECT_THAT(ward.does("alex", until(add, latest_time)), refused_with(code::invalid_argument, "addMember.period.end"));
  auto huge = add;
  huge.mutable_add_member()->mutable_period()->mutable_start()->set_seconds(INT64_MAX);
  EXPECT_THAT(ward.does("alex", huge), refused_with(code::invalid_argument, "addMember.period.start"));
}

TEST(membership_period, the_same_role_twice_at_one_time_is_refused_one_after_the_other_is_fine) {
  rosas_record ward;
  ward.join_until("nina", v1::ROLE_ONCOLOGY_NURSE, monday + 8h);
  const auto again = add_member(ward.roster_version(), "nina", v1::ROLE_ONCOLOGY_NURSE);
  EXPECT_THAT(ward.does("alex", from(again, monday + 8h - 1us)), refused_with(code::already_exists, "addMember.personId"));
  EXPECT_THAT(ward.does("alex", from(again, monday + 8h)), accepted());
}

// B2: leaving revokes now. The membership that is ended is the one that is running, in whatever order the two were written.
TEST(membership_period, ending_a_role_ends_the_membership_that_runs_not_one_that_is_yet_to_come) {
  rosas_record ward;
  ward.enrolled("nina", v1::PERSON_KIND_STAFF);
  ASSERT_THAT(ward.does("alex", from(add_member(ward.roster_version(), "nina", v1::ROLE_ONCOLOGY_NURSE), monday + 24h)), accepted());
  ward.join_until("nina", v1::ROLE_ONCOLOGY_NURSE, monday + 8h);
  ward.now += 1h;
  ward.leave("nina", v1::ROLE_ONCOLOGY_NURSE);
  EXPECT_THAT(ward.readable("nina"), IsEmpty()) << "she left";
  ward.now = monday + 24h;
  EXPECT_THAT(ward.readable("nina"), ElementsAre(shared, clinical, support)) << "tomorrow's shift stays";
}

TEST(membership_period, a_shift_that_has_not_begun_can_be_cancelled) {
  rosas_record ward;
  ward.enrolled("nina", v1::PERSON_KIND_STAFF);
  ASSERT_THAT(ward.does("alex", from(add_member(ward.roster_version(), "nina", v1::ROLE_ONCOLOGY_NURSE), monday + 24h)), accepted());
  ward.leave("nina", v1::ROLE_ONCOLOGY_NURSE);
  EXPECT_THAT(ward.does("alex", end_member(ward.roster_version(), "nina", v1::ROLE_ONCOLOGY_NURSE)),
              refused_with(code::failed_precondition, "endMember.personId"));
  EXPECT_EQ(roster_view(ward.team(), 0, ward.now, roster_reader::staff).members_size(), 1) << "only rosa";
  ward.now = monday + 24h;
  EXPECT_THAT(ward.readable("nina"), IsEmpty());
}

TEST(membership_period, an_end_lies_neither_in_the_past_nor_after_the_invitation) {
  rosas_record ward;
  ward.join_until("weiss", v1::ROLE_RADIOLOGIST, monday + 48h, {v1::SCOPE_READ_CLINICAL});
  const auto end = end_member(ward.roster_version(), "weiss", v1::ROLE_RADIOLOGIST);
  EXPECT_THAT(ward.does("alex", until(end, monday - 1us)), refused_with(code::invalid_argument, "endMember.end"));
  EXPECT_THAT(ward.does("alex", until(end, latest_time)), refused_with(code::invalid_argument, "endMember.end"));
  EXPECT_THAT(ward.does("alex", until(end, monday + 72h)), refused_with(code::invalid_argument, "endMember.end")) << "ending never extends";
  EXPECT_THAT(ward.does("alex", until(end, monday + 24h)), accepted());
  ward.now = monday + 24h;
  EXPECT_THAT(ward.readable("weiss"), IsEmpty());
}

TEST(membership_period, a_future_end_keeps_the_rights_and_scopes_until_then) {
  rosas_record ward;
  ward.join("weiss", v1::ROLE_RADIOLOGIST, {v1::SCOPE_READ_CLINICAL});
  ASSERT_THAT(ward.does("alex", until(end_member(ward.roster_version(), "weiss", v1::ROLE_RADIOLOGIST), monday + 24h)), accepted());
  ward.now = monday + 24h - 1us;
  EXPECT_THAT(ward.readable("weiss"), ElementsAre(clinical));
  ward.now = monday + 24h;
  EXPECT_THAT(ward.readable("weiss"), IsEmpty());
}

TEST(roster_version, of_two_changes_on_one_version_the_second_is_told_and_nobody_is_lost) {
  rosas_record ward;
  ward.usual_team();
  ward.enrolled("tom", v1::PERSON_KIND_STAFF);
  ward.enrolled("grace", v1::PERSON_KIND_STAFF);
  const auto seen = ward.roster_version();
  EXPECT_THAT(ward.does("rao", add_member(seen, "tom", v1::ROLE_ONCOLOGY_NURSE)), accepted());
  EXPECT_THAT(ward.does("claire", add_member(seen, "grace", v1::ROLE_ONCOLOGY_NURSE)),
              refused_with(code::aborted, "addMember.expectedRosterVersion"));
  EXPECT_THAT(ward.does("claire", add_member(seen + 1, "grace", v1::ROLE_ONCOLOGY_NURSE)), accepted());
  EXPECT_TRUE(ward.team().on_team("tom", ward.now) && ward.team().on_team("grace", ward.now));
}

TEST(roster_version, every_roster_command_names_it_and_every_change_moves_it_by_one) {
  rosas_record ward;
  ward.usual_team();
  const auto version = ward.roster_version();
  EXPECT_THAT(ward.does("alex", end_member(version - 1, "dana", v1::ROLE_FINANCIAL_ADVISER)),
              refused_with(code::aborted, "endMember.expectedRosterVersion"));
  EXPECT_THAT(ward.does("alex", change_role(version + 1, "dana", v1::ROLE_FINANCIAL_ADVISER, v1::ROLE_SOCIAL_WORKER)),
              refused_with(code::aborted, "changeRole.expectedRosterVersion"));
  EXPECT_THAT(ward.does("alex", assign_attending(0, "rao")), refused_with(code::aborted, "assignAttending.expectedRosterVersion"));
  ward.leave("dana", v1::ROLE_FINANCIAL_ADVISER);
  EXPECT_EQ(ward.roster_version(), version + 1);
  EXPECT_EQ(ward.record.last(shared).member_ended().roster_version(), version + 1);
}

TEST(roster_change, the_reason_and_the_scopes_go_to_the_audit_only) {
  rosas_record ward;
  auto add = add_member(ward.roster_version(), "sam", v1::ROLE_SOCIAL_WORKER, {v1::SCOPE_READ_CLINICAL});
  add.mutable_add_member()->set_reason("suspected abuse at home");
  ward.enrolled("sam", v1::PERSON_KIND_STAFF);
  ASSERT_THAT(ward.does("alex", add), accepted());
  EXPECT_EQ(ward.record.last(audit).membership_detailed().reason(), "suspected abuse at home");
  for (const auto& entry : ward.record.stream(shared)) EXPECT_EQ(entry.SerializeAsString().find("suspected"), std::string::npos);
}

TEST(roster_change, who_is_added_must_be_enrolled_active_and_of_the_right_kind) {
  rosas_record ward;
  ward.enrolled("tom", v1::PERSON_KIND_STAFF);
  ward.enrolled("luis", v1::PERSON_KIND_RELATED);
  ward.enrolled("mei", v1::PERSON_KIND_PATIENT);
  const auto add = [&](const char* id, v1::Role role) { return ward.does("alex", add_member(ward.roster_version(), id, role)); };
  EXPECT_THAT(add("ghost", v1::ROLE_ONCOLOGY_NURSE), refused_with(code::failed_precondition, "addMember.personId"));
  EXPECT_THAT(add("", v1::ROLE_ONCOLOGY_NURSE), refused_with(code::failed_precondition, "addMember.personId"));
  EXPECT_THAT(add("luis", v1::ROLE_ONCOLOGY_NURSE), refused_with(code::invalid_argument, "addMember.role"));
  EXPECT_THAT(add("tom", v1::ROLE_CAREGIVER), refused_with(code::invalid_argument, "addMember.role"));
  EXPECT_THAT(add("mei", v1::ROLE_PATIENT), refused_with(code::invalid_argument, "addMember.personId")) << "another patient";
  EXPECT_THAT(add("tom", v1::ROLE_ADMINISTRATOR), refused_with(code::invalid_argument, "addMember.role"));
  EXPECT_THAT(add("tom", v1::ROLE_UNSPECIFIED), refused_with(code::invalid_argument, "addMember.role"));
  EXPECT_THAT(add("tom", static_cast<v1::Role>(99)), refused_with(code::invalid_argument, "addMember.role")) << "unknown means deny";
  ASSERT_THAT(ward.organization_does("alex", suspend("tom")), accepted());
  EXPECT_THAT(add("tom", v1::ROLE_ONCOLOGY_NURSE), refused_with(code::failed_precondition, "addMember.personId"));
}

TEST(roster_change, scopes_fit_the_role) {
  rosas_record ward;
  ward.enrolled("one", v1::PERSON_KIND_STAFF);
  ward.enrolled("luis", v1::PERSON_KIND_RELATED);
  const auto add = [&](const char* id, v1::Role role, std::initializer_list<v1::Scope> scopes) {
    return ward.record.ask(add_member(ward.roster_version(), id, role, scopes), person("alex"), ward.now_context());
  };
  EXPECT_THAT(add("luis", v1::ROLE_CAREGIVER, {v1::SCOPE_READ_CLINICAL}), refused_with(code::invalid_argument, "addMember.scopes"));
  EXPECT_THAT(add("luis", v1::ROLE_CAREGIVER, {v1::SCOPE_MANAGE_TEAM}), refused_with(code::invalid_argument, "addMember.scopes"));
  EXPECT_THAT(add("luis", v1::ROLE_CAREGIVER, {v1::SCOPE_UNSPECIFIED}), refused_with(code::invalid_argument, "addMember.scopes"));
  EXPECT_THAT(add("luis", v1::ROLE_CAREGIVER, {v1::SCOPE_READ_SHARED, v1::SCOPE_POST_SHARED, v1::SCOPE_ACKNOWLEDGE}), accepted());
  EXPECT_THAT(add("one", v1::ROLE_FINANCIAL_ADVISER, {v1::SCOPE_READ_CLINICAL}), refused_with(code::invalid_argument, "addMember.scopes"));
  EXPECT_THAT(add("one", v1::ROLE_COUNSELOR, {v1::SCOPE_POST_CLINICAL}), refused_with(code::invalid_argument, "addMember.scopes"));
  EXPECT_THAT(add("one", v1::ROLE_ONCOLOGY_NURSE, {v1::SCOPE_ACKNOWLEDGE}), refused_with(code::invalid_argument, "addMember.scopes"));
  EXPECT_THAT(add("one", v1::ROLE_ONCOLOGY_NURSE, {v1::SCOPE_MANAGE_TEAM}), accepted());
}

TEST(roster_change, a_thousand_scopes_are_refused) {
  rosas_record ward;
  ward.enrolled("one", v1::PERSON_KIND_STAFF);
  auto add = add_member(ward.roster_version(), "one", v1::ROLE_RADIOLOGIST);
  for (int i = 0; i < 1000; ++i) add.mutable_add_member()->add_scopes(v1::SCOPE_READ_CLINICAL);
  EXPECT_THAT(ward.does("alex", add), refused_with(code::invalid_argument, "addMember.scopes"));
}

TEST(roster_change, the_patient_grants_and_ends_caregivers_and_nothing_else) {
  rosas_record ward;
  ward.usual_team();
  ward.enrolled("luis", v1::PERSON_KIND_RELATED);
  ward.enrolled("tom", v1::PERSON_KIND_STAFF);
  EXPECT_THAT(ward.does("rosa", add_member(ward.roster_version(), "luis", v1::ROLE_CAREGIVER, {v1::SCOPE_READ_SHARED})), accepted());
  EXPECT_THAT(ward.readable("luis"), ElementsAre(shared));
  EXPECT_THAT(ward.does("rosa", add_member(ward.roster_version(), "tom", v1::ROLE_ONCOLOGY_NURSE)),
              refused_with(code::permission_denied, "action"));
  EXPECT_THAT(ward.does("rosa", end_member(ward.roster_version(), "nina", v1::ROLE_ONCOLOGY_NURSE)),
              refused_with(code::permission_denied, "action"));
  EXPECT_THAT(ward.does("rosa", assign_attending(ward.roster_version(), "rao")), refused_with(code::permission_denied, "action"));
  EXPECT_THAT(ward.does("luis", end_member(ward.roster_version(), "luis", v1::ROLE_CAREGIVER)),
              refused_with(code::permission_denied, "action"));
  EXPECT_THAT(ward.does("rosa", end_member(ward.roster_version(), "luis", v1::ROLE_CAREGIVER)), accepted());
  EXPECT_THAT(ward.readable("luis"), IsEmpty());
}

// Who has an account here, and in which capacity, is not the patient's to find out: other patients have accounts too.
TEST(roster_change, a_patient_cannot_find_out_who_has_an_account) {
  rosas_record ward;
  ward.enrolled("mei", v1::PERSON_KIND_PATIENT);
  ward.enrolled("tom", v1::PERSON_KIND_STAFF);
  ward.enrolled("gone", v1::PERSON_KIND_RELATED);
  ASSERT_THAT(ward.organization_does("alex", suspend("gone")), accepted());
  const auto ask = [&](const char* id) { return told(ward.does("rosa", add_member(ward.roster_version(), id, v1::ROLE_CAREGIVER))); };
  const auto nobody = ask("nobody-with-this-id");
  EXPECT_NE(nobody, "accepted");
  EXPECT_EQ(ask("mei"), nobody);
  EXPECT_EQ(ask("tom"), nobody);
  EXPECT_EQ(ask("gone"), nobody);
  EXPECT_EQ(ask("alex"), nobody);
}

TEST(roster_change, the_patient_and_the_attending_stay) {
  rosas_record ward;
  ward.usual_team();
  EXPECT_THAT(ward.does("alex", end_member(ward.roster_version(), "rosa", v1::ROLE_PATIENT)),
              refused_with(code::failed_precondition, "endMember.role"));
  EXPECT_THAT(ward.does("alex", change_role(ward.roster_version(), "rosa", v1::ROLE_PATIENT, v1::ROLE_CAREGIVER)),
              refused_with(code::failed_precondition, "changeRole.fromRole"));
  EXPECT_THAT(ward.does("alex", end_member(ward.roster_version(), "rao", v1::ROLE_MEDICAL_ONCOLOGIST)),
              refused_with(code::failed_precondition, "endMember.personId"));
  EXPECT_THAT(ward.does("alex", change_role(ward.roster_version(), "rao", v1::ROLE_MEDICAL_ONCOLOGIST, v1::ROLE_COVERING_ONCOLOGIST)),
              refused_with(code::failed_precondition, "changeRole.personId"));
}

TEST(roster_change, a_role_changes_at_one_instant) {
  rosas_record ward;
  ward.join_until("nina", v1::ROLE_MEDICAL_ASSISTANT, monday + 48h);
  ward.now += 1h;
  ASSERT_THAT(ward.does("alex", change_role(ward.roster_version(), "nina", v1::ROLE_MEDICAL_ASSISTANT, v1::ROLE_ONCOLOGY_NURSE)),
              accepted());
  EXPECT_THAT(ward.readable("nina"), ElementsAre(shared, clinical, support));
  EXPECT_TRUE(may_post(ward.team(), person("nina"), clinical, ward.now));
  EXPECT_FALSE(may_read(ward.team(), "nina", clinical, ward.now - 1us));
  ward.now = monday + 48h;
  EXPECT_THAT(ward.readable("nina"), IsEmpty()) << "the end of the membership stays";
}

TEST(roster_change, a_new_role_does_not_inherit_the_old_grants) {
  rosas_record ward;
  ward.join("sam", v1::ROLE_SOCIAL_WORKER, {v1::SCOPE_READ_CLINICAL});
  EXPECT_THAT(ward.readable("sam"), ElementsAre(shared, clinical, support));
  ASSERT_THAT(ward.does("alex", change_role(ward.roster_version(), "sam", v1::ROLE_SOCIAL_WORKER, v1::ROLE_COUNSELOR)), accepted());
  EXPECT_THAT(ward.readable("sam"), ElementsAre(shared, support));
  ward.now += 1h;
  ASSERT_THAT(
      ward.does("alex", change_role(ward.roster_version(), "sam", v1::ROLE_COUNSELOR, v1::ROLE_SOCIAL_WORKER, {v1::SCOPE_READ_CLINICAL})),
      accepted());
  EXPECT_THAT(ward.readable("sam"), ElementsAre(shared, clinical, support));
}

TEST(roster_change, refusals_of_a_role_change) {
  rosas_record ward;
  ward.join("nina", v1::ROLE_ONCOLOGY_NURSE);
  ward.join("nina", v1::ROLE_MEDICAL_ASSISTANT);
  const auto change = [&](v1::Role from_role, v1::Role to_role) {
    return ward.does("alex", change_role(ward.roster_version(), "nina", from_role, to_role));
  };
  EXPECT_THAT(change(v1::ROLE_SURGEON, v1::ROLE_PHARMACIST), refused_with(code::failed_precondition, "changeRole.fromRole"));
  EXPECT_THAT(change(v1::ROLE_ONCOLOGY_NURSE, v1::ROLE_ONCOLOGY_NURSE), refused_with(code::invalid_argument, "changeRole.toRole"));
  EXPECT_THAT(change(v1::ROLE_ONCOLOGY_NURSE, v1::ROLE_MEDICAL_ASSISTANT), refused_with(code::already_exists, "changeRole.toRole"));
  EXPECT_THAT(change(v1::ROLE_ONCOLOGY_NURSE, v1::ROLE_PATIENT), refused_with(code::invalid_argument, "changeRole.toRole"));
  EXPECT_THAT(change(v1::ROLE_ONCOLOGY_NURSE, v1::ROLE_CAREGIVER), refused_with(code::invalid_argument, "changeRole.toRole"));
  EXPECT_THAT(change(v1::ROLE_ONCOLOGY_NURSE, v1::ROLE_ADMINISTRATOR), refused_with(code::invalid_argument, "changeRole.toRole"));
  EXPECT_THAT(change(v1::ROLE_ONCOLOGY_NURSE, static_cast<v1::Role>(99)), refused_with(code::invalid_argument, "changeRole.toRole"));
  auto without_reason = change_role(ward.roster_version(), "nina", v1::ROLE_ONCOLOGY_NURSE, v1::ROLE_NURSE_PRACTITIONER);
  without_reason.mutable_change_role()->set_reason(" ");
  EXPECT_THAT(ward.does("alex", without_reason), refused_with(code::invalid_argument, "changeRole.reason"));
}

// B9: a role change must not make two memberships of one role run at once, also not with one that is yet to come.
TEST(roster_change, a_role_change_does_not_run_into_a_membership_that_is_yet_to_come) {
  rosas_record ward;
  ward.join_until("nina", v1::ROLE_ONCOLOGY_NURSE, monday + 48h);
  const auto np = [&] { return add_member(ward.roster_version(), "nina", v1::ROLE_NURSE_PRACTITIONER); };
  ASSERT_THAT(ward.does("alex", from(np(), monday + 72h)), accepted());
  ASSERT_THAT(ward.does("alex", until(from(np(), monday + 24h), monday + 26h)), accepted());
  EXPECT_THAT(ward.does("alex", change_role(ward.roster_version(), "nina", v1::ROLE_ONCOLOGY_NURSE, v1::ROLE_NURSE_PRACTITIONER)),
              refused_with(code::already_exists, "changeRole.toRole"));
}

TEST(attending, is_a_medical_oncologist_on_the_team_now) {
  rosas_record ward;
  ward.join("rao", v1::ROLE_MEDICAL_ONCOLOGIST);
  ward.join("okafor", v1::ROLE_COVERING_ONCOLOGIST);
  EXPECT_THAT(ward.does("alex", assign_attending(ward.roster_version(), "okafor")),
              refused_with(code::failed_precondition, "assignAttending.personId"));
  EXPECT_THAT(ward.does("alex", assign_attending(ward.roster_version(), "ghost")),
              refused_with(code::failed_precondition, "assignAttending.personId"));
  EXPECT_THAT(ward.does("rao", assign_attending(ward.roster_version(), "rao")), accepted());
  const auto again = ward.does("rao", assign_attending(ward.roster_version(), "rao"));
  ASSERT_THAT(again, accepted());
  EXPECT_THAT(*again, IsEmpty()) << "nothing to change";
  EXPECT_EQ(ward.team().attending, "rao");
}

TEST(roster, reads_in_plain_language_with_how_and_when_to_reach_them) {
  rosas_record ward;
  ward.usual_team();
  const auto roster = roster_view(ward.team(), 0, ward.now, roster_reader::staff);
  EXPECT_EQ(roster.patient_id(), "rosa");
  EXPECT_EQ(roster.roster_version(), ward.roster_version());
  ASSERT_EQ(roster.members_size(), 8);
  const auto& rao = roster.members(1);
  EXPECT_EQ(rao.name(), "Name of rao");
  EXPECT_EQ(rao.role_text(), "Your cancer doctor");
  EXPECT_EQ(rao.reach(), "555-0100");
  EXPECT_EQ(rao.hours(), "Mon-Fri 8-17");
  EXPECT_TRUE(rao.attending());
  for (const auto& row : roster.members()) {
    EXPECT_FALSE(row.role_text().empty());
    EXPECT_EQ(row.attending(), row.person_id() == "rao");
  }
}

TEST(roster, shows_who_is_and_will_be_there_and_not_who_was) {
  rosas_record ward;
  ward.join_until("tom", v1::ROLE_ONCOLOGY_NURSE, monday + 1h);
  ward.enrolled("nina", v1::PERSON_KIND_STAFF);
  ASSERT_THAT(ward.does("alex", from(add_member(ward.roster_version(), "nina", v1::ROLE_ONCOLOGY_NURSE), monday + 24h)), accepted());
  EXPECT_EQ(roster_view(ward.team(), 0, monday, roster_reader::staff).members_size(), 3);
  EXPECT_EQ(roster_view(ward.team(), 0, monday + 1h, roster_reader::staff).members_size(), 2);
}

TEST(roster, tells_what_changed_since_the_last_look_of_that_person) {
  rosas_record ward;
  ward.usual_team();
  ASSERT_THAT(ward.does("rosa", view_roster()), accepted());
  const auto looked = ward.team().seen.at("rosa");
  EXPECT_EQ(looked, ward.roster_version());
  EXPECT_THAT(roster_view(ward.team(), looked, ward.now, roster_reader::staff).changes(), IsEmpty());

  ward.now += 1h;
  ward.leave("dana", v1::ROLE_FINANCIAL_ADVISER);
  ward.join("tom", v1::ROLE_ONCOLOGY_NURSE);
  ASSERT_THAT(ward.does("alex", change_role(ward.roster_version(), "nina", v1::ROLE_ONCOLOGY_NURSE, v1::ROLE_NURSE_PRACTITIONER)),
              accepted());
  const auto changes = roster_view(ward.team(), looked, ward.now, roster_reader::staff).changes();
  ASSERT_EQ(changes.size(), 3);
  EXPECT_EQ(changes[0].kind(), v1::RosterChange::KIND_LEFT);
  EXPECT_EQ(changes[0].name(), "Name of dana");
  EXPECT_EQ(changes[1].kind(), v1::RosterChange::KIND_JOINED);
  EXPECT_EQ(changes[1].person_id(), "tom");
  EXPECT_EQ(changes[2].kind(), v1::RosterChange::KIND_ROLE);
  EXPECT_EQ(changes[2].role(), v1::ROLE_NURSE_PRACTITIONER);
  EXPECT_EQ(to_instant(changes[2].time()), ward.now);
  EXPECT_FALSE(ward.team().seen.contains("nina")) << "what Rosa saw says nothing about others";
}

TEST(roster, looking_is_recorded_once_per_version_in_the_audit) {
  rosas_record ward;
  ward.usual_team();
  const auto before = ward.record.stream(audit).size();
  ASSERT_THAT(ward.does("rosa", view_roster()), accepted());
  EXPECT_EQ(ward.record.last(audit).roster_viewed().roster_version(), ward.roster_version());
  const auto again = ward.does("rosa", view_roster());
  ASSERT_THAT(again, accepted());
  EXPECT_THAT(*again, IsEmpty());
  EXPECT_EQ(ward.record.stream(audit).size(), before + 1);
}

TEST(roster, administrators_look_without_being_on_the_team_and_outsiders_do_not) {
  rosas_record ward;
  ward.enrolled("stranger", v1::PERSON_KIND_STAFF);
  EXPECT_THAT(ward.does("alex", view_roster()), accepted());
  EXPECT_EQ(told(ward.does("stranger", view_roster())), told(no_such_record()));
}

TEST(roster, a_caregiver_who_was_not_granted_to_read_does_not_read_it) {
  rosas_record ward;
  ward.join("luis", v1::ROLE_CAREGIVER, {v1::SCOPE_READ_SHARED});
  ward.join("eva", v1::ROLE_CAREGIVER);
  EXPECT_THAT(ward.does("luis", view_roster()), accepted());
  EXPECT_EQ(told(ward.does("eva", view_roster())), told(no_such_record()));
}

TEST(roster, a_team_has_a_size) {
  rosas_record ward;
  ward.enrolled("one", v1::PERSON_KIND_STAFF);
  for (int i = 0; i < static_cast<int>(max_members) - 1; ++i) {
    ASSERT_THAT(ward.does("alex", until(from(add_member(ward.roster_version(), "one", v1::ROLE_ONCOLOGY_NURSE), monday + 1h * (i + 1)),
                                        monday + 1h * (i + 2))),
                accepted());
  }
  ward.enrolled("two", v1::PERSON_KIND_STAFF);
  const auto add = add_member(ward.roster_version(), "two", v1::ROLE_ONCOLOGY_NURSE);
  EXPECT_THAT(ward.does("alex", add), refused_with(code::resource_exhausted, "addMember"));
  ward.now = monday + 3h;
  EXPECT_THAT(ward.does("alex", add), accepted()) << "memberships that ended do not count";
}

TEST(roster, remembers_a_bounded_number_of_changes) {
  rosas_record ward;
  ward.enrolled("one", v1::PERSON_KIND_STAFF);
  for (std::size_t i = 0; i < max_roster_changes; ++i) {
    ward.now += 1s;
    ASSERT_THAT(ward.does("alex", i % 2 == 0 ? add_member(ward.roster_version(), "one", v1::ROLE_SURGEON)
                                             : end_member(ward.roster_version(), "one", v1::ROLE_SURGEON)),
                accepted());
  }
  EXPECT_EQ(ward.team().changes.size(), max_roster_changes);
  EXPECT_EQ(ward.team().changes.back().version, ward.roster_version());
}

}  // namespace
}  // namespace careteam::care::fixture

// Consult invitations: for a time, to a part, and what came before does not exist (B7, B8, section 4).
#include "care/invitation.hpp"

#include "care/notification.hpp"
#include "care/worklist.hpp"
#include "task_fixture.hpp"

namespace careteam::care::fixture {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class invitations : public task_ward {
 protected:
  invitations() { ward.enrolled("lang", v1::PERSON_KIND_STAFF); }

  v1::Command invite(std::string_view id, v1::Role role, std::initializer_list<v1::Stream> streams,
                     v1::History history = v1::HISTORY_UNSPECIFIED) const {
    v1::Command command;
    auto& asked = *command.mutable_invite_consultant();
    asked.set_expected_roster_version(ward.roster_version());
    asked.set_person_id(std::string(id));
    asked.set_role(role);
    for (const auto stream : streams) asked.add_streams(stream);
    asked.set_history(history);
    asked.set_reason("a question about the scan");
    return command;
  }
  v1::Command until_then(v1::Command command, instant end) const {
    auto& until = command.has_invite_consultant() ? *command.mutable_invite_consultant()->mutable_until()
                                                  : *command.mutable_renew_invitation()->mutable_until();
    set_timestamp(until, end);
    return command;
  }
  v1::Command renew(std::string_view id, v1::Role role) const {
    v1::Command command;
    auto& asked = *command.mutable_renew_invitation();
    asked.set_expected_roster_version(ward.roster_version());
    asked.set_person_id(std::string(id));
    asked.set_role(role);
    asked.set_reason("one more scan");
    return command;
  }
  /// Lang, a pathologist, reads `clinical` from now on.
  void lang_joins(v1::History history = v1::HISTORY_FROM_NOW) {
    ASSERT_THAT(does("rao", invite("lang", v1::ROLE_PATHOLOGIST, {clinical}, history)), accepted());
  }
};

TEST_F(invitations, a_radiologist_reads_clinical_while_invited_and_not_a_moment_longer) {
  ward.leave("weiss", v1::ROLE_RADIOLOGIST);
  ward.now += 1min;
  EXPECT_THAT(ward.readable("weiss"), IsEmpty());
  ASSERT_THAT(does("rao", invite("weiss", v1::ROLE_RADIOLOGIST, {clinical})), accepted());
  const auto end = ward.now + std::chrono::days{7};
  EXPECT_EQ(ward.team().next_boundary(ward.now), end) << "7 days where nothing else is said";
  EXPECT_THAT(ward.readable("weiss"), ElementsAre(clinical));
  ward.now = end - 1us;
  EXPECT_THAT(does("weiss", post(clinical, "two new lesions")), accepted());
  ward.now = end;
  EXPECT_THAT(ward.readable("weiss"), IsEmpty());
  EXPECT_EQ(told(does("weiss", post(clinical))), told(no_such_record()));
  EXPECT_EQ(told(does("weiss", acknowledge(clinical, 1))), told(no_such_record()));
}

TEST_F(invitations, only_what_is_named_is_read) {
  ward.enrolled("kim", v1::PERSON_KIND_STAFF);
  ASSERT_THAT(does("rao", invite("kim", v1::ROLE_GENETIC_COUNSELOR, {clinical})), accepted());
  EXPECT_THAT(ward.readable("kim"), ElementsAre(clinical)) << "a counselor on the team would read shared and support, too";
  EXPECT_THAT(does("kim", post(support)), refused_with(code::not_found, "postMessage.stream"));
  EXPECT_THAT(does("kim", post(shared)), refused_with(code::not_found, "postMessage.stream"));
  ward.enrolled("irene", v1::PERSON_KIND_STAFF);
  ASSERT_THAT(does("rao", invite("irene", v1::ROLE_GENETIC_COUNSELOR, {}, v1::HISTORY_NONE)), accepted());
  EXPECT_THAT(ward.readable("irene"), IsEmpty());
  EXPECT_TRUE(ward.team().on_team("irene", ward.now));
}

TEST_F(invitations, what_came_before_is_not_there) {
  const auto before = ward.says("nina", post(clinical, "her marker is 41"));
  const auto old_task = asks(clinical, task("Look at the scan").to("nina"));
  const auto old_thread = ward.says("nina", open_thread(clinical));
  lang_joins();
  const auto after = ward.says("nina", post(clinical));
  EXPECT_EQ(readable_from(ward.team(), "lang", clinical, ward.now), old_thread + 1);
  EXPECT_FALSE(may_see(ward.team(), "lang", clinical, before, ward.now));
  EXPECT_TRUE(may_see(ward.team(), "lang", clinical, after, ward.now));
  const auto absent = ward.record.state().stream(clinical).head + 1000;
  const auto same = [&](const std::function<v1::Command(std::uint64_t)>& naming, std::uint64_t hidden) {
    EXPECT_EQ(told(does("lang", naming(hidden))), told(does("lang", naming(absent))));
    EXPECT_THAT(does("lang", naming(hidden)), ::testing::Not(accepted()));
  };
  same([](std::uint64_t seq) { return acknowledge(clinical, seq); }, before);
  same([](std::uint64_t seq) { return edit(clinical, seq); }, before);
  same([](std::uint64_t seq) { return resolve_thread(clinical, seq); }, old_thread);
  same([](std::uint64_t seq) { return post(clinical).in_thread(seq); }, old_thread);
  same([](std::uint64_t seq) { return post(clinical).answering(seq); }, before);
  same([](std::uint64_t seq) { return post(clinical).passing_on(clinical, seq); }, before);
  same([](std::uint64_t seq) { return claim({clinical, seq}); }, old_task.seq);
  same([](std::uint64_t seq) { return cancel({clinical, seq}); }, old_task.seq);
  same([](std::uint64_t seq) { return request(clinical, task("Ask again").to("nina").from_message(clinical, seq)); }, before);
  EXPECT_THAT(does("lang", acknowledge(clinical, after)), accepted());
  EXPECT_THAT(does("lang", post(clinical).answering(after)), accepted());
}

TEST_F(invitations, with_the_full_history_everything_is_there) {
  const auto before = ward.says("nina", post(clinical));
  lang_joins(v1::HISTORY_FULL);
  EXPECT_TRUE(may_see(ward.team(), "lang", clinical, before, ward.now));
  EXPECT_THAT(does("lang", acknowledge(clinical, before)), accepted());
}

TEST_F(invitations, whoever_does_not_see_something_owes_nothing_for_it) {
  const place message{clinical, ward.says("nina", post(clinical).asap().to(v1::ROLE_PHARMACIST))};
  const auto old_task = asks(clinical, task("Look at the pills").to(v1::ROLE_PHARMACIST));
  ASSERT_THAT(does("rao", invite("lang", v1::ROLE_PHARMACIST, {clinical})), accepted());
  const auto new_task = asks(clinical, task("Look again").to(v1::ROLE_PHARMACIST));
  const auto owed = [&](place at) {
    return owed_by(ward.record.state(), at, {"lang", ward.people.state().organization, ward.setting, ward.now}).has_value();
  };
  EXPECT_FALSE(owed(message));
  EXPECT_FALSE(owed(old_task));
  EXPECT_TRUE(owed(new_task));
  ward.now += 1h;
  ward.leave("omar", v1::ROLE_PHARMACIST);
  EXPECT_EQ(answers_for(old_task), "rao") << "the attending, and not the one who cannot see it";
  EXPECT_EQ(answers_for(new_task), "lang");
  ward.now = monday + 15min;
  v1::Command firing;
  auto& timer = *firing.mutable_fire_message_timer();
  timer.set_stream(clinical);
  timer.set_seq(message.seq);
  timer.set_asked_seq(message.seq);
  ward.now = monday + 2h;
  ASSERT_THAT(ward.does(the_system(), firing), accepted());
  EXPECT_THAT(last(clinical).message_escalated().person_id(), ElementsAre("rao"));
}

TEST_F(invitations, a_member_who_was_there_before_sees_all_again_with_an_ordinary_membership) {
  const auto before = ward.says("nina", post(clinical));
  lang_joins();
  ward.now += 1h;
  ward.join("lang", v1::ROLE_ONCOLOGY_NURSE);
  EXPECT_TRUE(may_see(ward.team(), "lang", clinical, before, ward.now));
}

TEST_F(invitations, are_renewed_by_whoever_may_invite_and_read_what_they_read) {
  const auto before = ward.says("nina", post(clinical));
  lang_joins();
  const auto end = monday + std::chrono::days{7};
  ward.now = end - 1h;
  EXPECT_THAT(does("lang", renew("lang", v1::ROLE_PATHOLOGIST)), refused_with(code::permission_denied, "action"));
  ASSERT_THAT(does("claire", renew("lang", v1::ROLE_PATHOLOGIST)), accepted());
  ward.now = end + 1h;
  EXPECT_THAT(ward.readable("lang"), ElementsAre(clinical));
  EXPECT_FALSE(may_see(ward.team(), "lang", clinical, before, ward.now)) << "the point stays where it was";
  const auto view = roster_view(ward.team(), ward.roster_version() - 1, ward.now, roster_reader::staff);
  ASSERT_EQ(view.changes_size(), 1);
  EXPECT_EQ(view.changes(0).kind(), v1::RosterChange::KIND_RENEWED);
  ward.now = end - 1h + std::chrono::days{7};
  EXPECT_THAT(ward.readable("lang"), IsEmpty());
  EXPECT_THAT(does("claire", renew("lang", v1::ROLE_PATHOLOGIST)), refused_with(code::failed_precondition, "renewInvitation.personId"));
}

TEST_F(invitations, may_end_early) {
  lang_joins();
  ward.now += 1h;
  ASSERT_THAT(does("rao", end_member(ward.roster_version(), "lang", v1::ROLE_PATHOLOGIST)), accepted());
  EXPECT_THAT(ward.readable("lang"), IsEmpty());
  EXPECT_THAT(does("rao", renew("lang", v1::ROLE_PATHOLOGIST)), refused_with(code::failed_precondition, "renewInvitation.personId"));
}

TEST_F(invitations, are_made_by_those_who_manage_the_team) {
  ward.join("tina", v1::ROLE_ONCOLOGY_NURSE, {v1::SCOPE_MANAGE_TEAM});
  for (const auto* who : {"nina", "omar", "sam", "rosa"}) {
    EXPECT_THAT(does(who, invite("lang", v1::ROLE_PATHOLOGIST, {clinical})), refused_with(code::permission_denied, "action")) << who;
  }
  EXPECT_EQ(told(does("lang", invite("lang", v1::ROLE_PATHOLOGIST, {clinical}))), told(no_such_record()));
  for (const auto* who : {"rao", "claire", "tina", "alex"}) {
    ASSERT_THAT(does(who, invite("lang", v1::ROLE_PATHOLOGIST, {clinical})), accepted()) << who;
    ward.now += 1min;
    ward.leave("lang", v1::ROLE_PATHOLOGIST);
    ward.now += 1min;
  }
}

TEST_F(invitations, what_cannot_be_is_refused_with_the_field) {
  const auto refused = [&](const v1::Command& command, code why, const char* field) {
    EXPECT_THAT(does("rao", command), refused_with(why, field));
  };
  refused(invite("lang", v1::ROLE_PATHOLOGIST, {shared}), code::invalid_argument, "inviteConsultant.streams");
  refused(invite("lang", v1::ROLE_FINANCIAL_ADVISER, {clinical}), code::invalid_argument, "inviteConsultant.streams");
  refused(invite("lang", v1::ROLE_PATHOLOGIST, {audit}), code::invalid_argument, "inviteConsultant.streams");
  refused(invite("lang", v1::ROLE_PATHOLOGIST, {}), code::invalid_argument, "inviteConsultant.streams");
  refused(invite("lang", v1::ROLE_PATHOLOGIST, {clinical, clinical}), code::invalid_argument, "inviteConsultant.streams");
  refused(invite("lang", v1::ROLE_PATHOLOGIST, {clinical}, v1::HISTORY_NONE), code::invalid_argument, "inviteConsultant.streams");
  for (const auto role : {v1::ROLE_UNSPECIFIED, v1::ROLE_PATIENT, v1::ROLE_CAREGIVER, v1::ROLE_ADMINISTRATOR, v1::ROLE_PRIVACY_OFFICER}) {
    refused(invite("lang", role, {clinical}), code::invalid_argument, "inviteConsultant.role");
  }
  const auto good = invite("lang", v1::ROLE_PATHOLOGIST, {clinical});
  refused(until_then(good, ward.now), code::invalid_argument, "inviteConsultant.until");
  refused(until_then(good, ward.now + std::chrono::days{30} + 1us), code::invalid_argument, "inviteConsultant.until");
  refused(invite("nobody", v1::ROLE_PATHOLOGIST, {clinical}), code::failed_precondition, "inviteConsultant.personId");
  refused(invite("nina", v1::ROLE_ONCOLOGY_NURSE, {clinical}), code::already_exists, "inviteConsultant.personId");
  auto stale = good;
  stale.mutable_invite_consultant()->set_expected_roster_version(ward.roster_version() - 1);
  refused(stale, code::aborted, "inviteConsultant.expectedRosterVersion");
  auto silent = good;
  silent.mutable_invite_consultant()->clear_reason();
  refused(silent, code::invalid_argument, "inviteConsultant.reason");
  refused(renew("nina", v1::ROLE_ONCOLOGY_NURSE), code::failed_precondition, "renewInvitation.personId");
  ASSERT_THAT(does("rao", until_then(good, ward.now + std::chrono::days{30})), accepted());
  refused(until_then(renew("lang", v1::ROLE_PATHOLOGIST), ward.now + std::chrono::days{29}), code::invalid_argument,
          "renewInvitation.until");
}

TEST_F(invitations, patients_read_that_somebody_joined_and_until_when_and_not_why) {
  lang_joins();
  const auto& joined = ward.record.last(shared).member_added();
  EXPECT_EQ(*to_instant(joined.period().end()), monday + std::chrono::days{7});
  EXPECT_EQ(ward.record.last(shared).SerializeAsString().find("scan"), std::string::npos);
  EXPECT_EQ(ward.record.last(audit).membership_detailed().reason(), "a question about the scan");
}

}  // namespace
}  // namespace careteam::care::fixture

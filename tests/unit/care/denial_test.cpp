// The deny tests of `domain.md` section 4 that belong to the domain core, and "hidden and absent are one answer" (invariant 4, F12).
#include "record_fixture.hpp"

namespace careteam::care::fixture {
namespace {

using ::testing::IsEmpty;

class denials : public ::testing::Test {
 protected:
  denials() { ward.usual_team(); }
  rosas_record ward;
};

TEST_F(denials, an_administrator_reads_and_posts_no_patients_message) {
  EXPECT_THAT(ward.readable("alex"), IsEmpty());
  const auto seq = ward.says("nina", post(shared));
  for (const auto& command : {v1::Command(post(shared)), acknowledge(shared, seq), open_thread(shared), edit(shared, seq)}) {
    EXPECT_EQ(told(ward.does("alex", command)), told(no_such_record()));
  }
}

TEST_F(denials, a_radiologist_reads_during_the_invitation_and_not_after) {
  ward.now += 1h;
  ward.leave("weiss", v1::ROLE_RADIOLOGIST);
  ward.join_until("weiss", v1::ROLE_RADIOLOGIST, ward.now + 168h, {v1::SCOPE_READ_CLINICAL, v1::SCOPE_POST_CLINICAL});
  const auto seq = ward.says("weiss", post(clinical, "new liver lesions"));
  EXPECT_EQ(ward.readable("weiss"), std::vector{clinical});
  ward.now += 168h;
  EXPECT_THAT(ward.readable("weiss"), IsEmpty());
  EXPECT_EQ(told(ward.does("weiss", post(clinical))), told(no_such_record()));
  EXPECT_EQ(told(ward.does("weiss", edit(clinical, seq))), told(no_such_record())) << "also one's own message";
}

TEST_F(denials, a_radiologist_without_an_invitation_finds_no_stream) {
  EXPECT_EQ(told(ward.does("weiss", post(clinical))), told(no_such_stream("postMessage.stream")));
}

TEST_F(denials, an_expired_proxy_acknowledges_nothing) {
  ward.join_until("luis", v1::ROLE_CAREGIVER, monday + 24h, {v1::SCOPE_READ_SHARED, v1::SCOPE_ACKNOWLEDGE});
  const auto seq = ward.says("nina", post(shared).asap().to("rosa"));
  ward.now = monday + 24h;
  EXPECT_EQ(told(ward.does("luis", acknowledge(shared, seq))), told(no_such_record()));
}

TEST_F(denials, an_off_duty_covering_oncologist_is_nobody) {
  ward.join_until("okafor", v1::ROLE_COVERING_ONCOLOGIST, monday + 12h);
  EXPECT_THAT(ward.does("okafor", post(clinical)), accepted());
  ward.now = monday + 12h;
  EXPECT_EQ(told(ward.does("okafor", post(clinical))), told(no_such_record()));
}

TEST_F(denials, a_suspended_account_does_nothing_anywhere) {
  ASSERT_THAT(ward.organization_does("alex", suspend("nina")), accepted());
  EXPECT_THAT(ward.does("nina", post(clinical)), refused_with(code::unauthenticated, ""));
  EXPECT_THAT(ward.does("nina", view_roster()), refused_with(code::unauthenticated, ""));
  EXPECT_THAT(ward.readable("nina"), IsEmpty());
  ASSERT_THAT(ward.organization_does("alex", reinstate("nina")), accepted());
  EXPECT_THAT(ward.does("nina", post(clinical)), accepted());
}

TEST_F(denials, a_suspended_administrator_changes_no_team) {
  ward.enrolled("second", v1::PERSON_KIND_STAFF, true);
  ASSERT_THAT(ward.organization_does("second", suspend("alex")), accepted());
  EXPECT_THAT(ward.does("alex", end_member(ward.roster_version(), "dana", v1::ROLE_FINANCIAL_ADVISER)),
              refused_with(code::unauthenticated, ""));
}

TEST_F(denials, the_financial_adviser_sees_support_only) {
  EXPECT_EQ(ward.readable("dana"), std::vector{support});
  EXPECT_EQ(told(ward.does("dana", post(clinical))), told(no_such_stream("postMessage.stream")));
}

TEST_F(denials, the_privacy_officer_reads_the_audit_and_nothing_else) {
  ward.join("irene", v1::ROLE_PRIVACY_OFFICER);
  EXPECT_EQ(ward.readable("irene"), std::vector{audit});
  EXPECT_EQ(told(ward.does("irene", post(audit))), told(no_such_stream("postMessage.stream"))) << "nobody writes into the audit";
}

/// Every command that names a place, aimed at that place.
std::vector<std::pair<const char*, v1::Command>> aimed_at(v1::Stream stream, std::uint64_t seq) {
  return {{"ack", acknowledge(stream, seq)},
          {"edit", edit(stream, seq)},
          {"correct", correct(stream, seq)},
          {"retract", retract(stream, seq)},
          {"resolve", resolve_thread(stream, seq)},
          {"reopen", reopen_thread(stream, seq)},
          {"reply", post(stream).answering(seq)},
          {"thread", post(stream).in_thread(seq)},
          {"open", open_thread(stream)},
          {"forward", post(shared).passing_on(stream, seq)}};
}

TEST_F(denials, for_the_patient_a_clinical_entry_and_an_absent_one_are_the_same_to_the_byte) {
  ward.says("nina", post(clinical).asap().to("rao"));
  ward.says("nina", open_thread(clinical));
  ward.says("rao", acknowledge(clinical, 1));
  const auto head = ward.record.state().stream(clinical).head;
  for (const auto hidden : {clinical, support, audit}) {
    for (std::uint64_t seq = 0; seq <= head + 2; ++seq) {
      const auto there = aimed_at(hidden, seq);
      const auto absent = aimed_at(v1::STREAM_ORGANIZATION, 999'999);
      for (std::size_t i = 0; i < there.size(); ++i) {
        const auto result = ward.does("rosa", there[i].second);
        EXPECT_THAT(result, ::testing::Not(accepted()));
        EXPECT_EQ(told(result), told(ward.does("rosa", absent[i].second)))
            << there[i].first << " " << v1::Stream_Name(hidden) << " " << seq;
      }
    }
  }
}

TEST_F(denials, for_the_patient_a_hidden_origin_and_an_absent_shared_one_are_the_same) {
  ward.says("nina", post(clinical));
  EXPECT_EQ(told(ward.does("rosa", post(shared).passing_on(clinical, 1))), told(ward.does("rosa", post(shared).passing_on(shared, 999))));
}

TEST_F(denials, for_the_patient_a_colleague_who_does_not_read_shared_and_nobody_are_the_same) {
  EXPECT_EQ(told(ward.does("rosa", post(shared).to("weiss"))), told(ward.does("rosa", post(shared).to("ghost"))));
  EXPECT_EQ(told(ward.does("rosa", open_thread(shared, "Fever", "weiss"))), told(ward.does("rosa", open_thread(shared, "Fever", "ghost"))));
}

TEST_F(denials, for_an_outsider_a_record_that_exists_and_one_that_does_not_are_the_same) {
  ward.enrolled("mei", v1::PERSON_KIND_PATIENT);
  ward.enrolled("stranger", v1::PERSON_KIND_STAFF);
  driven_record absent("nobody");
  ward.says("nina", post(shared));
  ward.says("nina", open_thread(shared));
  for (const auto* outsider : {"mei", "stranger", "alex", "unknown"}) {
    auto commands = aimed_at(shared, 1);
    commands.emplace_back("view", view_roster());
    commands.emplace_back("add", add_member(ward.roster_version(), "stranger", v1::ROLE_SURGEON));
    commands.emplace_back("end", end_member(ward.roster_version(), "nina", v1::ROLE_ONCOLOGY_NURSE));
    commands.emplace_back("role", change_role(ward.roster_version(), "nina", v1::ROLE_ONCOLOGY_NURSE, v1::ROLE_SURGEON));
    commands.emplace_back("attending", assign_attending(ward.roster_version(), "rao"));
    commands.emplace_back("nothing", v1::Command{});
    for (const auto& [name, command] : commands) {
      const bool roster = command.has_view_roster() || command.has_add_member() || command.has_end_member() || command.has_change_role() ||
                          command.has_assign_attending();
      if (std::string_view(outsider) == "alex" && roster) continue;  // Administrators manage teams.
      EXPECT_EQ(told(ward.record.ask(command, person(outsider), ward.now_context())),
                told(absent.ask(command, person(outsider), ward.now_context())))
          << outsider << " " << name;
    }
  }
}

TEST_F(denials, refusals_hold_no_words_of_the_patient) {
  const auto seq = ward.says("nina", post(clinical, "secretword").asap().to("rao"));
  ward.says("rao", acknowledge(clinical, seq));
  for (const auto* who : {"rosa", "sam", "rao", "nina", "weiss"}) {
    for (const auto& [name, command] : aimed_at(clinical, seq)) {
      const auto result = ward.record.ask(command, person(who), ward.now_context());
      if (!result) {
        EXPECT_EQ(told(result).find("secretword"), std::string::npos) << who << " " << name;
        EXPECT_EQ(told(result).find("Name of"), std::string::npos) << who << " " << name;
      }
    }
  }
}

TEST_F(denials, a_refusal_changes_nothing) {
  const auto before = ward.record.state();
  EXPECT_THAT(ward.does("rosa", post(clinical)), ::testing::Not(accepted()));
  EXPECT_THAT(ward.does("nina", post(clinical).stat()), ::testing::Not(accepted()));
  EXPECT_TRUE(ward.record.state() == before);
}

}  // namespace
}  // namespace careteam::care::fixture

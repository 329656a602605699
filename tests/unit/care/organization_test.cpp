// The organisation's people: who has an account, who administers, who is suspended.
#include "record_fixture.hpp"

namespace careteam::care::fixture {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class organization : public ::testing::Test {
 protected:
  const account* find(const char* id) const { return ward.people.state().organization.find(id); }
  rosas_record ward;
};

TEST_F(organization, only_administrators_change_it_and_for_others_it_does_not_exist) {
  ward.enrolled("nina", v1::PERSON_KIND_STAFF);
  for (const auto& command : {enroll("x", "X", v1::PERSON_KIND_STAFF), suspend("rosa"), reinstate("rosa"), revoke_sessions("rosa")}) {
    EXPECT_THAT(ward.organization_does("nina", command), refused_with(code::not_found, "patientId"));
    EXPECT_THAT(ward.organization_does("rosa", command), refused_with(code::not_found, "patientId"));
    EXPECT_THAT(ward.organization_does("ghost", command), refused_with(code::unauthenticated, ""));
  }
}

TEST_F(organization, its_stream_is_read_by_administrators_only) {
  ward.enrolled("nina", v1::PERSON_KIND_STAFF);
  const auto readable = [&](const char* id) {
    return readable_streams(ward.people.state(), ward.people.state().organization, id, ward.now);
  };
  EXPECT_THAT(readable("alex"), ElementsAre(v1::STREAM_ORGANIZATION));
  EXPECT_THAT(readable("nina"), IsEmpty());
  EXPECT_THAT(readable("ghost"), IsEmpty());
  ward.enrolled("second", v1::PERSON_KIND_STAFF, true);
  ASSERT_THAT(ward.organization_does("second", suspend("alex")), accepted());
  EXPECT_THAT(readable("alex"), IsEmpty());
}

TEST_F(organization, enrolls_with_a_valid_id_name_and_kind) {
  const auto enrolls = [&](std::string_view id, std::string_view name, v1::PersonKind kind) {
    return ward.organization_does("alex", enroll(id, name, kind));
  };
  EXPECT_THAT(enrolls("", "X", v1::PERSON_KIND_STAFF), refused_with(code::invalid_argument, "enrollPerson.personId"));
  EXPECT_THAT(enrolls("a/b", "X", v1::PERSON_KIND_STAFF), refused_with(code::invalid_argument, "enrollPerson.personId"));
  EXPECT_THAT(enrolls("x", " ", v1::PERSON_KIND_STAFF), refused_with(code::invalid_argument, "enrollPerson.name"));
  EXPECT_THAT(enrolls("x", std::string(max_name_bytes + 1, 'x'), v1::PERSON_KIND_STAFF),
              refused_with(code::invalid_argument, "enrollPerson.name"));
  EXPECT_THAT(enrolls("x", "X", v1::PERSON_KIND_UNSPECIFIED), refused_with(code::invalid_argument, "enrollPerson.kind"));
  EXPECT_THAT(enrolls("x", "X", v1::PERSON_KIND_STAFF), accepted());
  EXPECT_EQ(ward.people.last(v1::STREAM_ORGANIZATION).author().role(), v1::ROLE_ADMINISTRATOR);
  auto long_reach = enroll("y", "Y", v1::PERSON_KIND_STAFF);
  long_reach.mutable_enroll_person()->set_reach(std::string(max_name_bytes + 1, 'x'));
  EXPECT_THAT(ward.organization_does("alex", long_reach), refused_with(code::invalid_argument, "enrollPerson.reach"));
}

TEST_F(organization, takes_contacts_that_can_be_called_and_keeps_them_in_order) {
  const auto enrolls = [&](v1::ContactSystem system, std::string value, std::string quiet = {}) {
    auto command = enroll("x", "X", v1::PERSON_KIND_STAFF);
    auto& asked = *command.mutable_enroll_person();
    asked.add_contacts()->set_system(v1::CONTACT_SYSTEM_SMS);
    asked.mutable_contacts(0)->set_value("+15550101");
    asked.add_contacts()->set_system(system);
    asked.mutable_contacts(1)->set_value(std::move(value));
    asked.set_quiet_hours(std::move(quiet));
    return ward.organization_does("alex", command);
  };
  const auto bad_contact = refused_with(code::invalid_argument, "enrollPerson.contacts[1]");
  EXPECT_THAT(enrolls(v1::CONTACT_SYSTEM_UNSPECIFIED, "1"), bad_contact);
  EXPECT_THAT(enrolls(v1::CONTACT_SYSTEM_EMAIL, "nobody"), bad_contact);
  EXPECT_THAT(enrolls(v1::CONTACT_SYSTEM_EMAIL, "a@b@c"), bad_contact);
  EXPECT_THAT(enrolls(v1::CONTACT_SYSTEM_EMAIL, "a@b\r\nBcc:c@d"), bad_contact);
  EXPECT_THAT(enrolls(v1::CONTACT_SYSTEM_EMAIL, "a@b>"), bad_contact);
  EXPECT_THAT(enrolls(v1::CONTACT_SYSTEM_PHONE, ""), bad_contact);
  EXPECT_THAT(enrolls(v1::CONTACT_SYSTEM_PHONE, std::string(max_contact_bytes + 1, '1')), bad_contact);
  EXPECT_THAT(enrolls(v1::CONTACT_SYSTEM_PHONE, "1", "night"), refused_with(code::invalid_argument, "enrollPerson.quietHours"));
  EXPECT_THAT(enrolls(v1::CONTACT_SYSTEM_PHONE, "1", "22:00-07:00"), accepted());
  ASSERT_EQ(find("x")->contacts.size(), 2U);
  EXPECT_EQ(find("x")->contacts[1], (contact_point{v1::CONTACT_SYSTEM_PHONE, "1"}));
  EXPECT_EQ(find("x")->quiet_hours, "22:00-07:00");
  const auto kept = from_snapshot(to_snapshot(ward.people.state()));
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->organization, ward.people.state().organization);
}

TEST_F(organization, only_staff_administer_and_team_roles_are_memberships) {
  EXPECT_THAT(ward.organization_does("alex", enroll("x", "X", v1::PERSON_KIND_PATIENT, true)),
              refused_with(code::invalid_argument, "enrollPerson.roles"));
  auto nurse = enroll("x", "X", v1::PERSON_KIND_STAFF);
  nurse.mutable_enroll_person()->add_roles(v1::ROLE_ONCOLOGY_NURSE);
  EXPECT_THAT(ward.organization_does("alex", nurse), refused_with(code::invalid_argument, "enrollPerson.roles"));
}

TEST_F(organization, a_change_replaces_what_was_known_and_the_same_again_changes_nothing) {
  ward.enrolled("nina", v1::PERSON_KIND_STAFF);
  ASSERT_THAT(ward.organization_does("alex", enroll("nina", "Nina B.", v1::PERSON_KIND_STAFF)), accepted());
  EXPECT_EQ(find("nina")->name, "Nina B.");
  const auto again = ward.organization_does("alex", enroll("nina", "Nina B.", v1::PERSON_KIND_STAFF));
  ASSERT_THAT(again, accepted());
  EXPECT_THAT(*again, IsEmpty());
  EXPECT_THAT(ward.organization_does("alex", enroll("nina", "Nina B.", v1::PERSON_KIND_PATIENT)),
              refused_with(code::already_exists, "enrollPerson.kind"));
}

TEST_F(organization, enrolling_again_does_not_lift_a_suspension) {
  ward.enrolled("nina", v1::PERSON_KIND_STAFF);
  ASSERT_THAT(ward.organization_does("alex", suspend("nina")), accepted());
  ASSERT_THAT(ward.organization_does("alex", enroll("nina", "Nina B.", v1::PERSON_KIND_STAFF)), accepted());
  EXPECT_TRUE(find("nina")->suspended);
}

TEST_F(organization, suspends_and_reinstates_once_with_a_reason) {
  ward.enrolled("nina", v1::PERSON_KIND_STAFF);
  EXPECT_THAT(ward.organization_does("alex", suspend("nina", "")), refused_with(code::invalid_argument, "suspendPerson.reason"));
  EXPECT_THAT(ward.organization_does("alex", suspend("ghost")), refused_with(code::not_found, "suspendPerson.personId"));
  EXPECT_THAT(ward.organization_does("alex", suspend("alex")), refused_with(code::failed_precondition, "suspendPerson.personId"));
  EXPECT_THAT(ward.organization_does("alex", reinstate("nina")), refused_with(code::failed_precondition, "reinstatePerson.personId"));
  EXPECT_THAT(ward.organization_does("alex", suspend("nina")), accepted());
  EXPECT_THAT(ward.organization_does("alex", suspend("nina")), refused_with(code::failed_precondition, "suspendPerson.personId"));
  EXPECT_THAT(ward.organization_does("alex", reinstate("nina", " ")), refused_with(code::invalid_argument, "reinstatePerson.reason"));
  EXPECT_THAT(ward.organization_does("alex", reinstate("nina")), accepted());
  EXPECT_FALSE(find("nina")->suspended);
}

TEST_F(organization, takes_no_command_of_a_patients_record) {
  EXPECT_THAT(ward.organization_does("alex", view_roster()), refused_with(code::invalid_argument, "patientId"));
  EXPECT_THAT(ward.organization_does("alex", open_record("")), refused_with(code::invalid_argument, "patientId"));
}

TEST(record_key, tells_records_apart) {
  EXPECT_EQ(record_key(""), "organization");
  EXPECT_EQ(record_key("rosa"), "patient/rosa");
  EXPECT_NE(record_key("organization"), record_key(""));
}

TEST(action_name, is_the_name_in_the_protocol) {
  EXPECT_EQ(action_name(v1::Command::kPostMessage), "postMessage");
  EXPECT_EQ(action_name(v1::Command::ACTION_NOT_SET), "");
  for (int i = 0; i < v1::Command::descriptor()->oneof_decl(0)->field_count(); ++i) {
    const auto* field = v1::Command::descriptor()->oneof_decl(0)->field(i);
    EXPECT_EQ(action_name(static_cast<v1::Command::ActionCase>(field->number())), field->json_name());
  }
}

TEST_F(organization, revokes_every_token_until_now_and_leaves_the_account) {
  ward.enrolled("nina", v1::PERSON_KIND_STAFF);
  const auto& people = ward.people.state().organization;
  EXPECT_FALSE(people.revoked("nina", ward.now - 24h, 0ms));
  EXPECT_FALSE(people.revoked("ghost", ward.now, 0ms));
  EXPECT_THAT(ward.organization_does("alex", revoke_sessions("ghost")), refused_with(code::not_found, "revokeSessions.personId"));
  EXPECT_THAT(ward.organization_does("alex", revoke_sessions("nina", "")), refused_with(code::invalid_argument, "revokeSessions.reason"));
  ward.now += 1h;
  ASSERT_THAT(ward.organization_does("alex", revoke_sessions("nina")), accepted());
  EXPECT_TRUE(people.revoked("nina", ward.now - 24h, 0ms));
  EXPECT_TRUE(people.revoked("nina", ward.now, 0ms)) << "a token tells whole seconds: one of the same moment may be from before";
  EXPECT_FALSE(people.revoked("nina", ward.now + 1s, 0ms));
  EXPECT_TRUE(people.revoked("nina", ward.now + 4s, 5000ms)) << "the issuer's clock may be ahead";
  EXPECT_FALSE(people.revoked("rosa", ward.now - 24h, 0ms)) << "nobody else's";
  EXPECT_TRUE(people.active("nina"));
  // Neither a change of the account nor its suspension gives the old tokens back.
  ASSERT_THAT(ward.organization_does("alex", enroll("nina", "Nina New", v1::PERSON_KIND_STAFF)), accepted());
  ASSERT_THAT(ward.organization_does("alex", suspend("nina")), accepted());
  ASSERT_THAT(ward.organization_does("alex", reinstate("nina")), accepted());
  EXPECT_TRUE(people.revoked("nina", ward.now - 24h, 0ms));
  // A second time moves the moment on.
  ward.now += 1h;
  ASSERT_THAT(ward.organization_does("alex", revoke_sessions("nina")), accepted());
  EXPECT_TRUE(people.revoked("nina", ward.now - 1s, 0ms));
}

}  // namespace
}  // namespace careteam::care::fixture

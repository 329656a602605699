// What each FHIR resource becomes.
#include <google/protobuf/util/message_differencer.h>

#include "fhir_files.hpp"

namespace careteam::admin::test {
namespace {

const std::string patient = R"({"resourceType":"Patient","id":"pat","name":[{"given":["Ada"],"family":"Example"}]})";
const std::string doctor = R"({"resourceType":"Practitioner","id":"doc","name":[{"family":"Doe","given":["Jo"],"prefix":["Dr."]}]})";
const std::string oncologist = R"([{"coding":[{"system":"urn:careteam:role","code":"medical-oncologist"}]}])";

std::string team(const std::string& participants, const std::string& more = R"("status":"active")") {
  return R"({"resourceType":"CareTeam","id":"t",)" + more + R"(,"subject":{"reference":"Patient/pat"},"participant":[)" + participants +
         "]}";
}
std::string participant(const std::string& member, const std::string& role, const std::string& more = "") {
  return R"({"member":{"reference":")" + member + R"("},"role":)" + role + more + "}";
}
std::string message(const std::string& more) {
  return R"({"resourceType":"Communication","id":"m","subject":{"reference":"Patient/pat"},)" + more + "}";
}
const std::string said = R"("payload":[{"contentString":"hello"}])";

using mapping = fhir_files;

TEST_F(mapping, a_patient_is_enrolled_with_a_record_and_a_membership) {
  const auto read = json(patient);
  ASSERT_EQ(read.units.size(), 1u) << read.problems();
  ASSERT_EQ(read.units[0].steps.size(), 3u);
  const auto enroll = read.units[0].steps[0];
  EXPECT_EQ(enroll.identity, "Patient/pat");
  EXPECT_EQ(enroll.when, apply_when::if_changed);
  EXPECT_EQ(enroll.command.patient_id(), "");
  EXPECT_EQ(enroll.command.enroll_person().person_id(), "p.pat");
  EXPECT_EQ(enroll.command.enroll_person().name(), "Ada Example");
  EXPECT_EQ(enroll.command.enroll_person().kind(), v1::PERSON_KIND_PATIENT);
  EXPECT_EQ(enroll.command.enroll_person().reach(), "");
  EXPECT_TRUE(read.units[0].steps[1].command.has_open_record());
  EXPECT_EQ(read.units[0].steps[1].command.patient_id(), "p.pat");
  const auto& member = read.units[0].steps[2].command.add_member();
  EXPECT_EQ(member.person_id(), "p.pat");
  EXPECT_EQ(member.role(), v1::ROLE_PATIENT);
  EXPECT_EQ(member.source(), v1::SOURCE_IMPORT);
  EXPECT_EQ(read.units[0].steps[2].author.person_id(), "");
}

TEST_F(mapping, people_of_different_types_with_one_id_stay_different_people) {
  const auto read =
      bundle({R"({"resourceType":"Patient","id":"example","name":[{"text":"A"}]})",
              R"({"resourceType":"Practitioner","id":"example","name":[{"text":"B"}]})",
              R"({"resourceType":"RelatedPerson","id":"example","patient":{"reference":"Patient/example"},"name":[{"text":"C"}]})"});
  EXPECT_EQ(read.step("Patient/example").command.enroll_person().person_id(), "p.example");
  EXPECT_EQ(read.step("Practitioner/example").command.enroll_person().person_id(), "s.example");
  EXPECT_EQ(read.step("RelatedPerson/example").command.enroll_person().person_id(), "r.example");
  EXPECT_EQ(read.step("RelatedPerson/example").command.enroll_person().kind(), v1::PERSON_KIND_RELATED);
}

TEST_F(mapping, a_long_id_keeps_its_difference_in_the_digest) {
  const std::string a(63, 'x'), b = std::string(62, 'x') + "y";
  const auto one = json(R"({"resourceType":"Practitioner","id":")" + a + R"(","name":[{"text":"A"}]})");
  const auto two = json(R"({"resourceType":"Practitioner","id":")" + b + R"(","name":[{"text":"A"}]})");
  const auto id_one = one.step("Practitioner/" + a).command.enroll_person().person_id();
  const auto id_two = two.step("Practitioner/" + b).command.enroll_person().person_id();
  EXPECT_EQ(id_one.size(), 64u);
  EXPECT_TRUE(id_one.starts_with("sh."));
  EXPECT_NE(id_one, id_two);
}

TEST_F(mapping, an_identifier_chooses_the_person_id_but_not_a_derived_one) {
  const auto chosen = json(
      R"({"resourceType":"Practitioner","id":"x","identifier":[{"system":"urn:careteam:person-id","value":"rao"}],"name":[{"text":"Dr. Rao"}]})");
  EXPECT_EQ(chosen.step("Practitioner/x").command.enroll_person().person_id(), "rao");
  for (const auto* reserved : {"p.x", "s.x", "r.x", "sh.x", "pc.x"}) {
    const auto refused = json(R"({"resourceType":"Practitioner","id":"x","identifier":[{"system":"urn:careteam:person-id","value":")" +
                              std::string(reserved) + R"("}],"name":[{"text":"N"}]})");
    EXPECT_EQ(refused.failures.size(), 1u) << reserved;
  }
}

struct name_case {
  const char* names;
  const char* expected;
};
class names : public fhir_files, public testing::WithParamInterface<name_case> {};
TEST_P(names, are_read_as_the_patient_should_read_them) {
  const auto read = json(R"({"resourceType":"Practitioner","id":"x","name":)" + std::string(GetParam().names) + "}");
  EXPECT_EQ(read.step("Practitioner/x").command.enroll_person().name(), GetParam().expected) << read.problems();
}
INSTANTIATE_TEST_SUITE_P(
    fhir, names,
    testing::Values(name_case{R"([{"text":"Dr. Jo Doe","family":"D"}])", "Dr. Jo Doe"},
                    name_case{R"([{"prefix":["Dr."],"given":["Jo","K"],"family":"Doe","suffix":["MD"]}])", "Dr. Jo K Doe MD"},
                    name_case{R"([{"use":"usual","given":["Jim"]},{"use":"official","given":["James"]}])", "James"},
                    name_case{R"([{"use":"old","text":"Old"},{"use":"nickname","text":"Nick"}])", "Nick"},
                    name_case{R"([{"use":"maiden","text":"Born"},{"text":"Plain"},{"use":"usual","text":"Usual"}])", "Usual"},
                    name_case{R"([{"use":"official"},{"use":"old","text":"Old"}])", "Old"},
                    name_case{R"([{"given":["A",null,"B"]}])", "A B"}, name_case{R"([{"text":"Two\nlines"}])", "Two lines"}));

TEST_F(mapping, nobody_is_enrolled_without_a_name_or_with_an_endless_one) {
  for (const auto& names : {std::string("[]"), R"([{"text":")" + std::string(201, 'n') + R"("}])"}) {
    const auto read = json(R"({"resourceType":"Practitioner","id":"x","name":)" + names + "}");
    ASSERT_EQ(read.units.size(), 1u);
    EXPECT_TRUE(read.units[0].steps.empty());
    EXPECT_EQ(read.tally.refused.at("Practitioner"), 1u);
    EXPECT_TRUE(read.tally.used.empty());
    EXPECT_TRUE(read.named("Practitioner/x", "name")) << read.problems();
  }
}

TEST_F(mapping, staff_are_reached_by_the_first_phone_that_is_not_old_else_by_mail) {
  const auto read = bundle(
      {R"({"resourceType":"Practitioner","id":"a","name":[{"text":"A"}],"telecom":[{"system":"email","value":"a@x"},{"system":"phone","use":"old","value":"1"},{"system":"phone","value":"2"}]})",
       R"({"resourceType":"Practitioner","id":"b","name":[{"text":"B"}],"telecom":[{"system":"fax","value":"9"},{"system":"email","value":"b@x"}]})",
       R"({"resourceType":"PractitionerRole","id":"r","practitioner":{"reference":"Practitioner/a"},"availableTime":[{"daysOfWeek":["mon","tue"],"availableStartTime":"09:00:00","availableEndTime":"16:30:00"},{"daysOfWeek":["sat"],"allDay":true}]})"});
  EXPECT_EQ(read.step("Practitioner/a").command.enroll_person().reach(), "2");
  EXPECT_EQ(read.step("Practitioner/b").command.enroll_person().reach(), "b@x");
  EXPECT_EQ(read.step("Practitioner/a").command.enroll_person().hours(), "mon tue 09:00-16:30; sat all day");
}

TEST_F(mapping, people_are_called_by_the_telecoms_that_have_a_rank_in_its_order) {
  const auto read = bundle(
      {R"({"resourceType":"Practitioner","id":"a","name":[{"text":"A"}],"telecom":[{"system":"phone","value":"(03) 5555-6473","rank":2},{"system":"email","value":"a@x"},{"system":"fax","value":"9","rank":1},{"system":"sms","value":"+1 555","use":"old","rank":1},{"system":"sms","value":"+15550101","rank":1},{"system":"other","value":"token-1","rank":3}]})",
       R"({"resourceType":"Patient","id":"p","name":[{"text":"P"}],"telecom":[{"system":"email","value":"p@x","rank":1}]})"});
  const auto staff = read.step("Practitioner/a").command.enroll_person();
  ASSERT_EQ(staff.contacts_size(), 3);
  EXPECT_EQ(staff.contacts(0).system(), v1::CONTACT_SYSTEM_SMS);
  EXPECT_EQ(staff.contacts(0).value(), "+15550101");
  EXPECT_EQ(staff.contacts(1).value(), "0355556473");
  EXPECT_EQ(staff.contacts(2).system(), v1::CONTACT_SYSTEM_PUSH);
  const auto called = read.step("Patient/p").command.enroll_person();
  ASSERT_EQ(called.contacts_size(), 1);
  EXPECT_EQ(called.contacts(0).value(), "p@x");
}

TEST_F(mapping, a_patient_is_deceased_where_the_source_says_so_and_stays_as_they_were_where_it_says_nothing) {
  const auto read = bundle({R"({"resourceType":"Patient","id":"a","name":[{"text":"A"}],"deceasedBoolean":true})",
                            R"({"resourceType":"Patient","id":"b","name":[{"text":"B"}],"deceasedDateTime":"2026-11-02T04:10:00Z"})",
                            R"({"resourceType":"Patient","id":"c","name":[{"text":"C"}],"deceasedBoolean":false})",
                            R"({"resourceType":"Patient","id":"d","name":[{"text":"D"}]})",
                            R"({"resourceType":"Practitioner","id":"e","name":[{"text":"E"}]})"});
  const auto asked = [&](const char* id) { return read.step(id).command.enroll_person(); };
  EXPECT_TRUE(asked("Patient/a").deceased());
  EXPECT_TRUE(asked("Patient/b").deceased());
  EXPECT_TRUE(asked("Patient/c").has_deceased() && !asked("Patient/c").deceased()) << "taken back";
  EXPECT_FALSE(asked("Patient/d").has_deceased());
  EXPECT_FALSE(asked("Practitioner/e").has_deceased());
}

TEST_F(mapping, a_rank_is_a_whole_number) {
  const auto read =
      json(R"({"resourceType":"Practitioner","id":"a","name":[{"text":"A"}],"telecom":[{"system":"sms","value":"1","rank":"1"}]})");
  EXPECT_TRUE(read.named("Practitioner/a.telecom[0].rank", "whole number")) << read.problems();
}

TEST_F(mapping, only_a_practitioner_role_in_the_unit_makes_an_administrator) {
  const std::string role =
      R"({"resourceType":"PractitionerRole","id":"r","practitioner":{"reference":"Practitioner/doc","display":"Jo"},"code":[{"coding":[{"system":"urn:careteam:role","code":"administrator"}]}]})";
  const auto with = bundle({doctor, role});
  ASSERT_EQ(with.step("Practitioner/doc").command.enroll_person().roles_size(), 1);
  EXPECT_EQ(with.step("Practitioner/doc").command.enroll_person().roles(0), v1::ROLE_ADMINISTRATOR);
  const auto without = json(role);
  EXPECT_EQ(without.step("Practitioner/doc#display").command.enroll_person().roles_size(), 0);
  EXPECT_TRUE(without.named("PractitionerRole/r.code", "administrator")) << without.problems();
}

TEST_F(mapping, a_team_gives_members_and_the_attending_in_that_order) {
  const auto read =
      bundle({team(participant("Practitioner/doc", oncologist,
                               R"(,"period":{"start":"2025-02"},"extension":[{"url":"urn:careteam:attending","valueBoolean":true}])")),
              doctor, patient});
  ASSERT_EQ(read.units.size(), 1u) << read.problems();
  const auto& steps = read.units[0].steps;
  ASSERT_EQ(steps.size(), 6u);
  EXPECT_TRUE(steps[0].command.has_enroll_person());
  EXPECT_TRUE(steps[1].command.has_enroll_person());
  EXPECT_TRUE(steps[2].command.has_open_record());
  EXPECT_EQ(steps[3].command.add_member().role(), v1::ROLE_PATIENT);
  EXPECT_EQ(steps[4].identity, "CareTeam/t#member/s.doc/ROLE_MEDICAL_ONCOLOGIST/1738368000.0");
  EXPECT_EQ(steps[4].command.patient_id(), "p.pat");
  EXPECT_EQ(steps[4].command.add_member().role(), v1::ROLE_MEDICAL_ONCOLOGIST);
  EXPECT_EQ(steps[4].command.add_member().period().start().seconds(), 1738368000);  // 2025-02-01T00:00:00Z
  EXPECT_FALSE(steps[4].command.add_member().period().has_end());
  EXPECT_EQ(steps[4].command.add_member().expected_roster_version(), 0u);
  EXPECT_EQ(steps[4].when, apply_when::unless_member);
  EXPECT_EQ(steps[5].command.assign_attending().person_id(), "s.doc");
  EXPECT_TRUE(read.tally.problems.empty()) << read.problems();
}

struct role_case {
  const char* role;
  v1::Role expected;  // Unspecified: refused.
};
class roles : public fhir_files, public testing::WithParamInterface<role_case> {};
TEST_P(roles, are_read_from_codings_and_unknown_ones_are_denied) {
  const auto read = bundle({patient, doctor, team(participant("Practitioner/doc", GetParam().role))});
  ASSERT_EQ(read.units.size(), 1u) << read.problems();
  v1::Role found = v1::ROLE_UNSPECIFIED;
  for (const auto& step : read.steps()) {
    if (step.command.has_add_member() && step.command.add_member().person_id() == "s.doc") found = step.command.add_member().role();
  }
  EXPECT_EQ(found, GetParam().expected) << read.problems();
  if (GetParam().expected == v1::ROLE_UNSPECIFIED) {
    EXPECT_TRUE(read.named("CareTeam/t.participant[0].role", "")) << read.problems();
  }
  EXPECT_TRUE(read.has("Practitioner/doc"));
}
INSTANTIATE_TEST_SUITE_P(
    fhir, roles,
    testing::Values(
        role_case{R"([{"coding":[{"system":"urn:careteam:role","code":"social-worker"}]}])", v1::ROLE_SOCIAL_WORKER},
        role_case{R"([{"coding":[{"system":"http://snomed.info/sct","code":"46255001"}]}])", v1::ROLE_PHARMACIST},
        role_case{R"([{"coding":[{"system":"http://nucc.org/provider-taxonomy","code":"163WX0200X"}]}])", v1::ROLE_ONCOLOGY_NURSE},
        role_case{R"([{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/practitioner-role","code":"pharmacist"}]}])",
                  v1::ROLE_PHARMACIST},
        // Too vague to give rights.
        role_case{R"([{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/practitioner-role","code":"doctor"}]}])",
                  v1::ROLE_UNSPECIFIED},
        // Of codings that differ, our own is the exact one.
        role_case{
            R"([{"coding":[{"system":"http://snomed.info/sct","code":"66862007"},{"system":"urn:careteam:role","code":"covering-oncologist"}]}])",
            v1::ROLE_COVERING_ONCOLOGIST},
        role_case{R"([{"coding":[{"system":"http://example.org","code":"medical-oncologist"}]}])", v1::ROLE_UNSPECIFIED},
        role_case{R"([{"text":"medical oncologist"}])", v1::ROLE_UNSPECIFIED}, role_case{"[]", v1::ROLE_UNSPECIFIED},
        role_case{R"([{"coding":[{"system":"urn:careteam:role","code":"administrator"}]}])", v1::ROLE_UNSPECIFIED},
        role_case{R"([{"coding":[{"system":"urn:careteam:role","code":"integration"}]}])", v1::ROLE_UNSPECIFIED},
        role_case{R"([{"coding":[{"system":"urn:careteam:role","code":"patient"}]}])", v1::ROLE_UNSPECIFIED},
        role_case{R"([{"coding":[{"system":"urn:careteam:role","code":"caregiver"}]}])", v1::ROLE_UNSPECIFIED}));

TEST_F(mapping, an_unknown_role_is_named_by_its_coding_but_never_by_free_text) {
  const auto read =
      bundle({patient, doctor,
              team(participant("Practitioner/doc",
                               R"([{"text":"Rosa is ill","coding":[{"system":"http://x.org/s","code":"a-1"},{"code":"Rosa is ill"}]}])"))});
  EXPECT_TRUE(read.named("CareTeam/t.participant[0].role", "http://x.org/s|a-1, (unreadable coding)")) << read.problems();
  EXPECT_EQ(read.problems().find("Rosa"), std::string::npos);
}

TEST_F(mapping, the_one_practitioner_role_of_the_unit_supplies_a_missing_role) {
  const auto role = [](const std::string& id, const std::string& code, const std::string& more) {
    return R"({"resourceType":"PractitionerRole","id":")" + id +
           R"(","practitioner":{"reference":"Practitioner/doc"},"code":[{"coding":[{"system":"urn:careteam:role","code":")" + code +
           R"("}]}])" + more + "}";
  };
  const auto one = bundle({patient, doctor, role("a", "surgeon", ""), team(participant("Practitioner/doc", "[]"))});
  EXPECT_TRUE(one.has("CareTeam/t#member/s.doc/ROLE_SURGEON/open")) << one.problems();
  const auto by_role = bundle({patient, doctor, role("a", "surgeon", ""), team(participant("PractitionerRole/a", "[]"))});
  EXPECT_TRUE(by_role.has("CareTeam/t#member/s.doc/ROLE_SURGEON/open")) << by_role.problems();
  const auto two =
      bundle({patient, doctor, role("a", "surgeon", ""), role("b", "pathologist", ""), team(participant("Practitioner/doc", "[]"))});
  EXPECT_TRUE(two.named("CareTeam/t.participant[0].role", "several")) << two.problems();
  const auto old =
      bundle({patient, doctor, role("a", "surgeon", R"(,"period":{"end":"2020"})"), team(participant("Practitioner/doc", "[]"))});
  EXPECT_TRUE(old.named("CareTeam/t.participant[0].role", "unknown role")) << old.problems();
  const auto inactive = bundle({patient, doctor, role("a", "surgeon", R"(,"active":false)"), team(participant("Practitioner/doc", "[]"))});
  EXPECT_TRUE(inactive.named("CareTeam/t.participant[0].role", "unknown role")) << inactive.problems();
}

TEST_F(mapping, a_related_person_is_a_caregiver_of_their_own_patient_with_what_was_granted) {
  const std::string related = R"({"resourceType":"RelatedPerson","id":"son","patient":{"reference":"Patient/pat"},"name":[{"text":"S"}]})";
  const std::string scopes =
      R"(,"extension":[{"url":"urn:careteam:scope","valueCode":"read-shared"},{"url":"urn:careteam:scope","valueCode":"acknowledge"}])";
  const auto read =
      bundle({patient, related,
              team(participant("RelatedPerson/son",
                               R"([{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-RoleCode","code":"SON"}]}])", scopes))});
  const auto member = read.step("CareTeam/t#member/r.son/ROLE_CAREGIVER/open").command.add_member();
  ASSERT_EQ(member.scopes_size(), 2);
  EXPECT_EQ(member.scopes(0), v1::SCOPE_READ_SHARED);
  EXPECT_EQ(member.scopes(1), v1::SCOPE_ACKNOWLEDGE);

  const auto unknown_scope = bundle(
      {patient, related, team(participant("RelatedPerson/son", "[]", R"(,"extension":[{"url":"urn:careteam:scope","valueCode":"all"}])"))});
  EXPECT_TRUE(unknown_scope.named("CareTeam/t.participant[0].extension[0]", "scope"));
  EXPECT_FALSE(unknown_scope.has("CareTeam/t#member/r.son/ROLE_CAREGIVER/open"));
  const auto as_doctor = bundle({patient, related, team(participant("RelatedPerson/son", oncologist))});
  EXPECT_TRUE(as_doctor.named("CareTeam/t.participant[0].role", "related person"));

  const auto foreign =
      bundle({patient, R"({"resourceType":"RelatedPerson","id":"son","patient":{"reference":"Patient/other"},"name":[{"text":"S"}]})",
              team(participant("RelatedPerson/son", "[]"))});
  EXPECT_TRUE(foreign.named("CareTeam/t.participant[0]", "another patient")) << foreign.problems();
  EXPECT_FALSE(foreign.has("CareTeam/t#member/r.son/ROLE_CAREGIVER/open"));
}

TEST_F(mapping, participants_that_cannot_be_members_are_named_and_the_rest_is_imported) {
  const auto read = bundle({patient, doctor, R"({"resourceType":"Organization","id":"o","name":"O"})",
                            R"({"resourceType":"Practitioner","id":"gone","active":false,"name":[{"text":"G"}]})",
                            R"({"resourceType":"Patient","id":"other","name":[{"text":"P"}]})",
                            team(participant("Organization/o", oncologist) + "," + participant("CareTeam/u", oncologist) + "," +
                                 participant("Practitioner/gone", oncologist) + "," + participant("Practitioner/nobody", oncologist) + "," +
                                 participant("http://elsewhere.org/Practitioner/doc", oncologist) + "," +
                                 participant("Patient/other", "[]") + ",{}," + participant("Practitioner/doc", oncologist) + "," +
                                 R"({"member":{"reference":"Practitioner/f201","display":"Dr. F"},"role":)" + oncologist + "}")});
  ASSERT_EQ(read.units.size(), 1u) << read.problems();
  const std::string at = "CareTeam/t.participant";
  EXPECT_TRUE(read.named(at + "[0].member", "Organization"));
  EXPECT_TRUE(read.named(at + "[1].member", "CareTeam"));
  EXPECT_TRUE(read.named(at + "[2]", "not active"));
  EXPECT_TRUE(read.named(at + "[3].member", "not in the unit"));
  EXPECT_TRUE(read.named(at + "[4].member", "another server"));
  EXPECT_TRUE(read.named(at + "[5]", "another patient"));
  EXPECT_TRUE(read.named(at + "[6]", "no member"));
  EXPECT_EQ(read.tally.problems.size(), 7u) << read.problems();
  EXPECT_TRUE(read.has("CareTeam/t#member/s.doc/ROLE_MEDICAL_ONCOLOGIST/open"));
  // Known by reference only: enrolled from the display, which never overwrites a full account.
  EXPECT_TRUE(read.has("CareTeam/t#member/s.f201/ROLE_MEDICAL_ONCOLOGIST/open"));
  EXPECT_EQ(read.step("Practitioner/f201#display").when, apply_when::unless_enrolled);
  EXPECT_EQ(read.step("Practitioner/f201#display").command.enroll_person().name(), "Dr. F");
}

TEST_F(mapping, what_a_team_brought_ends_with_it_and_nothing_else_does) {
  const auto start = R"(,"period":{"start":"2024-01-01"})";
  const auto open = bundle({patient, doctor, team(participant("Practitioner/doc", oncologist, start))});
  const std::string added = "CareTeam/t#member/s.doc/ROLE_MEDICAL_ONCOLOGIST/1704067200.0";
  ASSERT_TRUE(open.has(added));

  const auto over = bundle(
      {patient, doctor, team(participant("Practitioner/doc", oncologist, R"(,"period":{"start":"2024-01-01","end":"2025-06-30"})"))});
  EXPECT_FALSE(over.has(added));
  // FHIR's end includes the whole day that it names.
  const auto ended = over.step("CareTeam/t#end/s.doc/ROLE_MEDICAL_ONCOLOGIST/1704067200.0/1751328000.0");
  EXPECT_EQ(ended.when, apply_when::if_applied);
  EXPECT_EQ(ended.depends_on, added);
  EXPECT_FALSE(ended.command.end_member().has_end());
  EXPECT_FALSE(ended.command.end_member().reason().empty());

  const auto later = bundle(
      {patient, doctor, team(participant("Practitioner/doc", oncologist, R"(,"period":{"start":"2024-01-01","end":"2026-06-30"})"))});
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(later.step(added).command, open.step(added).command));
  EXPECT_EQ(later.step("CareTeam/t#end/s.doc/ROLE_MEDICAL_ONCOLOGIST/1704067200.0/1782864000.0").command.end_member().end().seconds(),
            1782864000);

  for (const auto* status : {R"("status":"inactive")", R"("status":"entered-in-error")", R"("status":"active","period":{"end":"2025"})"}) {
    const auto read = bundle({patient, doctor, team(participant("Practitioner/doc", oncologist, start), status)});
    EXPECT_FALSE(read.has(added)) << status;
    EXPECT_EQ(read.step("CareTeam/t#end/s.doc/ROLE_MEDICAL_ONCOLOGIST/1704067200.0/team").depends_on, added) << status;
    EXPECT_FALSE(read.tally.problems.empty());
  }
  for (const auto* status : {R"("status":"proposed")", R"("status":"suspended")"}) {
    const auto read = bundle({patient, doctor, team(participant("Practitioner/doc", oncologist, start), status)});
    EXPECT_EQ(read.steps().size(), 4u) << status;  // Two people, the record, the patient.
    EXPECT_EQ(read.tally.refused.at("CareTeam"), 1u);
    EXPECT_TRUE(read.named("CareTeam/t.status", "nobody joins or leaves"));
  }
}

TEST_F(mapping, an_attending_is_a_present_medical_oncologist_and_only_one) {
  const std::string mark = R"(,"extension":[{"url":"urn:careteam:attending","valueBoolean":true}])";
  const std::string surgeon = R"([{"coding":[{"system":"urn:careteam:role","code":"surgeon"}]}])";
  const auto wrong = bundle({patient, doctor, team(participant("Practitioner/doc", surgeon, mark))});
  EXPECT_TRUE(wrong.named("CareTeam/t.participant[0]", "not a medical oncologist"));
  const auto future = bundle({patient, doctor, team(participant("Practitioner/doc", oncologist, mark + R"(,"period":{"start":"2027"})"))});
  EXPECT_TRUE(future.named("CareTeam/t.participant[0]", "not on the team now"));
  const auto second =
      bundle({patient, doctor, R"({"resourceType":"Practitioner","id":"two","name":[{"text":"T"}]})",
              team(participant("Practitioner/doc", oncologist, mark) + "," + participant("Practitioner/two", oncologist, mark))});
  EXPECT_TRUE(second.has("CareTeam/t#attending/s.doc"));
  EXPECT_FALSE(second.has("CareTeam/t#attending/s.two"));
  EXPECT_TRUE(second.named("CareTeam/t.participant[1]", "second attending"));
}

TEST_F(mapping, references_are_followed_inside_the_unit_only) {
  const std::string base = "http://a.example/fhir/";
  const auto full = [](const std::string& url, const std::string& resource) {
    return R"({"fullUrl":")" + url + R"(","resource":)" + resource + "}";
  };
  const auto all = [](const std::string& entries) { return R"({"resourceType":"Bundle","type":"transaction","entry":[)" + entries + "]}"; };
  const std::string nameless_id =
      R"({"resourceType":"Practitioner","name":[{"text":"U"}],"identifier":[{"system":"http://npi","value":"7"}]})";
  const std::string uuid = "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a";
  for (const auto& reference : {R"("reference":")" + uuid + R"(")", std::string(R"("reference":"Practitioner?identifier=http://npi|7")"),
                                std::string(R"("type":"Practitioner","identifier":{"system":"http://npi","value":"7"})")}) {
    const auto read = json(all(full(base + "Patient/pat", patient) + "," + full(uuid, nameless_id) + "," +
                               full(base + "CareTeam/t", team(R"({"member":{)" + reference + R"(},"role":)" + oncologist + "}"))));
    EXPECT_TRUE(read.has("CareTeam/t#member/s.61ebe359-bfdc-4613-8bf2-c5e300945f0a/ROLE_MEDICAL_ONCOLOGIST/open"))
        << reference << read.problems();
  }
  const auto absolute = json(all(full(base + "Patient/pat", patient) + "," + full(base + "Practitioner/doc", doctor) + "," +
                                 full(base + "CareTeam/t", team(participant(base + "Practitioner/doc/_history/3", oncologist)))));
  EXPECT_TRUE(absolute.has("CareTeam/t#member/s.doc/ROLE_MEDICAL_ONCOLOGIST/open")) << absolute.problems();
  // The same relative reference means another resource on another server.
  const auto elsewhere = json(all(full(base + "Patient/pat", patient) + "," + full("http://b.example/fhir/Practitioner/doc", doctor) + "," +
                                  full(base + "CareTeam/t", team(participant("Practitioner/doc", oncologist)))));
  EXPECT_FALSE(elsewhere.has("CareTeam/t#member/s.doc/ROLE_MEDICAL_ONCOLOGIST/open"));
  // Contained people get an id that no other container's person can have.
  const std::string contained = R"("contained":[{"resourceType":"Practitioner","id":"in","name":[{"text":"I"}]}],"status":"active")";
  const auto inside = bundle({patient, team(participant("#in", oncologist), contained)});
  const auto id = inside.step("CareTeam/t#in").command.enroll_person().person_id();
  EXPECT_TRUE(id.starts_with("sc.in.")) << id;
  EXPECT_TRUE(inside.has("CareTeam/t#member/" + id + "/ROLE_MEDICAL_ONCOLOGIST/open"));
  EXPECT_TRUE(bundle({patient, team(participant("#no", oncologist))}).named("CareTeam/t.participant[0].member", "contained"));
}

struct stream_case {
  const char* sender;
  const char* recipients;
  v1::Stream stream;
};
class streams : public fhir_files, public testing::WithParamInterface<stream_case> {};
TEST_P(streams, are_shared_only_when_the_patients_side_took_part) {
  const auto read = bundle({patient, doctor, R"({"resourceType":"Patient","id":"other","name":[{"text":"P"}]})",
                            message(R"("status":"completed","sent":"2025-01-01","sender":{"reference":")" + std::string(GetParam().sender) +
                                    R"(","display":"D"},"recipient":)" + GetParam().recipients + "," + said)});
  EXPECT_EQ(read.step("Communication/m").command.post_message().stream(), GetParam().stream) << read.problems();
}
INSTANTIATE_TEST_SUITE_P(fhir, streams,
                         testing::Values(stream_case{"Practitioner/doc", "[]", v1::STREAM_CLINICAL},
                                         stream_case{"Practitioner/doc", R"([{"reference":"Practitioner/x"}])", v1::STREAM_CLINICAL},
                                         stream_case{"Practitioner/doc", R"([{"reference":"Patient/pat"}])", v1::STREAM_SHARED},
                                         stream_case{"Practitioner/doc", R"([{"reference":"Patient/other"}])", v1::STREAM_CLINICAL},
                                         stream_case{"Practitioner/doc", R"([{"reference":"RelatedPerson/r"}])", v1::STREAM_SHARED},
                                         stream_case{"Patient/pat", "[]", v1::STREAM_SHARED},
                                         stream_case{"RelatedPerson/r", "[]", v1::STREAM_SHARED},
                                         stream_case{"Device/d", R"([{"display":"somebody"}])", v1::STREAM_CLINICAL}));

TEST_F(mapping, a_message_keeps_its_author_time_and_text_and_asks_nothing_of_anybody) {
  const auto read = bundle(
      {patient, doctor, team(participant("Practitioner/doc", oncologist)),
       message(
           R"("status":"completed","priority":"stat","sent":"2014-12-12T18:01:10-08:00","sender":{"reference":"Practitioner/doc"},"category":[{"text":"x"}],)"
           R"("payload":[{"contentString":"one"},{"contentAttachment":{"title":"a"}},{"contentReference":{"display":"b"}},{"contentString":"two"}])")});
  const auto step = read.step("Communication/m");
  EXPECT_EQ(step.when, apply_when::once);
  EXPECT_EQ(step.author.person_id(), "s.doc");
  EXPECT_EQ(step.author.role(), v1::ROLE_MEDICAL_ONCOLOGIST);
  const auto& post = step.command.post_message();
  EXPECT_EQ(post.content().text(), "one\ntwo");
  EXPECT_EQ(post.priority(), v1::PRIORITY_URGENT);
  EXPECT_EQ(post.mentions_size(), 0);
  EXPECT_EQ(post.imported().source(), "Communication/m");
  EXPECT_EQ(post.imported().sent().seconds(), 1418436070);
  EXPECT_EQ(read.tally.notes.at("Communication.priority=stat imported as urgent"), 1u);
  EXPECT_EQ(read.tally.unused_fields.at("Communication.category"), 1u);
  EXPECT_EQ(read.tally.unused_fields.at("Communication.payload.contentAttachment"), 1u);
  EXPECT_EQ(read.tally.unused_fields.at("Communication.payload.contentReference"), 1u);
}

TEST_F(mapping, messages_that_were_not_said_or_say_nothing_are_named_and_left_out) {
  struct row {
    std::string fields, path, part;
  };
  const std::vector<row> rows{
      {R"("status":"entered-in-error",)" + said, "status", "entered-in-error"},
      {R"("status":"not-done",)" + said, "status", "not-done"},
      {R"("status":"preparation",)" + said, "status", "preparation"},
      {R"("status":"unknown",)" + said, "status", "unknown"},
      {R"("status":"completed")", "payload", "no text"},
      {R"("status":"completed","payload":[{"contentAttachment":{}}])", "payload", "no text"},
      {R"("status":"completed","payload":[{"contentString":")" + std::string(max_content_bytes, 'x') + R"("}])", "payload", "16 KiB"},
      {R"("status":"completed","sender":{"reference":"Patient/other","display":"O"},)" + said, "sender", "another patient"}};
  for (const auto& one : rows) {
    const auto read = bundle({patient, message(one.fields)});
    EXPECT_FALSE(read.has("Communication/m")) << one.path;
    EXPECT_TRUE(read.named("Communication/m." + one.path, one.part)) << read.problems();
    EXPECT_EQ(read.tally.refused.at("Communication"), 1u);
    EXPECT_EQ(read.tally.failed_units, 0u);
  }
  const auto longest = bundle(
      {patient, message(R"("status":"completed","payload":[{"contentString":")" + std::string(max_content_bytes - 8, 'x') + R"("}])")});
  EXPECT_TRUE(longest.has("Communication/m")) << longest.problems();
}

TEST_F(mapping, messages_come_in_the_order_in_which_they_were_sent) {
  const auto one = [](const std::string& id, const std::string& sent) {
    return R"({"resourceType":"Communication","id":")" + id + R"(","status":"completed","subject":{"reference":"Patient/pat"},"sent":")" +
           sent + R"(",)" + said + "}";
  };
  const auto read = bundle({one("late", "2025-03-01T10:00:00+02:00"), one("early", "2025-03-01T07:59:59Z"), patient});
  ASSERT_EQ(read.steps().size(), 5u);
  EXPECT_EQ(read.steps()[3].identity, "Communication/early");
  EXPECT_EQ(read.steps()[4].identity, "Communication/late");
}

TEST_F(mapping, whatever_is_not_used_is_counted_and_named) {
  const auto read =
      bundle({R"({"resourceType":"Patient","id":"pat","name":[{"text":"A"}],"birthDate":"1970","_birthDate":{},"two words":1})",
              R"({"resourceType":"Observation","id":"o"})", R"({"resourceType":"Observation","id":"o"})",
              R"({"resourceType":"OperationOutcome"})"});
  ASSERT_EQ(read.units.size(), 1u) << read.problems();
  EXPECT_EQ(read.tally.unused_types.at("Observation"), 2u);
  EXPECT_EQ(read.tally.unused_types.at("OperationOutcome"), 1u);
  EXPECT_EQ(read.tally.unused_fields.at("Patient.birthDate"), 1u);
  EXPECT_EQ(read.tally.unused_fields.at("Patient._birthDate"), 1u);
  EXPECT_EQ(read.tally.unused_fields.at("Patient.(other)"), 1u);
  EXPECT_EQ(read.tally.used.at("Patient"), 1u);
  EXPECT_EQ(read.tally.steps, 3u);
}

}  // namespace
}  // namespace careteam::admin::test

// The published examples of FHIR R4 and of mCODE, and our own demo: each file is imported, or refused with a reason.
// `tests/fetch-fhir-examples` brings the examples; without them these tests fail.
#include <map>
#include <set>

#include "fhir_files.hpp"
#include "fhir_r4.hpp"

namespace careteam::admin::test {
namespace {

std::filesystem::path repository() {
  return CARETEAM_SOURCE_FOLDER;
}

class examples_of_fhir : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(std::filesystem::exists(fhir_examples() / "hl7.fhir.r4.examples/.complete") &&
                std::filesystem::exists(fhir_examples() / "hl7.fhir.us.mcode/.complete"))
        << "The FHIR examples are not in " << fhir_examples() << ". Run tests/fetch-fhir-examples first (or set CARETEAM_FHIR_EXAMPLES).";
  }
};

// What a file of the R4 examples gives. The default: one resource used, and the steps of its type.
struct expectation {
  std::size_t steps;
  std::vector<std::string> problems;  // "path: message"
};

TEST_F(examples_of_fhir, every_single_resource_is_imported_or_refused_with_a_reason) {
  const std::map<std::string, expectation> special{
      {"CareTeam-example.json",
       {4,
        {"CareTeam/example.period: has ended: nobody joins; who came by it before leaves",
         "CareTeam/example.participant[1].role: has no coding, and no PractitionerRole of the unit tells the role: an unknown role has no "
         "rights"}}},
      {"Communication-example.json",
       {1, {"Communication/example.sender: is a Device, not a person: the message is written by the system"}}},
      {"Communication-fm-attachment.json", {0, {"Communication/fm-attachment.payload: has no text: not imported"}}},
      {"Communication-fm-solicited.json", {0, {"Communication/fm-solicited.payload: has no text: not imported"}}},
      {"Patient-infant-fetal.json", {0, {"Patient/infant-fetal: has no name: nobody is enrolled"}}},
      {"Patient-newborn.json", {0, {"Patient/newborn: has no name: nobody is enrolled"}}},
      {"Patient-proband.json", {0, {"Patient/proband: has no name: nobody is enrolled"}}},
  };
  const std::map<std::string, std::size_t> usual_steps{{"Patient", 3}, {"Practitioner", 1}, {"PractitionerRole", 1}, {"RelatedPerson", 1}};
  std::map<std::string, std::size_t> files;
  for (const auto& file : std::filesystem::directory_iterator(fhir_examples() / "hl7.fhir.r4.examples")) {
    const auto name = file.path().filename().string();
    const auto type = name.substr(0, name.find('-'));
    if (file.path().extension() != ".json" ||
        !std::set<std::string>{"CareTeam", "Communication", "Patient", "Practitioner", "PractitionerRole", "RelatedPerson"}.contains(
            type)) {
      continue;
    }
    ++files[type];
    SCOPED_TRACE(name);
    const auto read = read_all(file.path());
    ASSERT_EQ(read.units.size(), 1u) << read.problems();
    const auto expected = special.find(name);
    std::vector<std::string> problems;
    for (const auto& problem : read.tally.problems) problems.push_back(problem.path + ": " + problem.message);
    EXPECT_EQ(problems, expected != special.end() ? expected->second.problems : std::vector<std::string>{});
    EXPECT_EQ(read.units[0].steps.size(), expected != special.end() ? expected->second.steps : usual_steps.at(type));
  }
  const std::map<std::string, std::size_t> all{{"CareTeam", 1},      {"Communication", 3},    {"Patient", 22},
                                               {"Practitioner", 14}, {"PractitionerRole", 1}, {"RelatedPerson", 5}};
  EXPECT_EQ(files, all);
}

TEST_F(examples_of_fhir, the_care_team_enrolls_its_people_and_the_ended_team_has_no_members) {
  const auto read = read_all(fhir_examples() / "hl7.fhir.r4.examples/CareTeam-example.json");
  EXPECT_EQ(read.step("Patient/example#display").command.enroll_person().name(), "Peter James Chalmers");
  EXPECT_EQ(read.step("CareTeam/example#pr1").command.enroll_person().name(), "Dorothy Dietician");
  for (const auto& step : read.steps()) {
    if (step.command.has_add_member()) {
      EXPECT_EQ(step.command.add_member().role(), v1::ROLE_PATIENT);
    }
  }
}

TEST_F(examples_of_fhir, the_message_is_said_by_the_system_and_stays_clinical) {
  const auto step = read_all(fhir_examples() / "hl7.fhir.r4.examples/Communication-example.json").step("Communication/example");
  EXPECT_EQ(step.author.person_id(), "");
  EXPECT_EQ(step.command.patient_id(), "p.example");
  EXPECT_EQ(step.command.post_message().stream(), v1::STREAM_CLINICAL);
  EXPECT_EQ(step.command.post_message().content().text(),
            "Patient 1 has a very high serum potassium value (7.2 mmol/L on 2014-Dec-12 at 5:55 pm)");
  EXPECT_EQ(step.command.post_message().imported().sent().seconds(), 1418436070);
}

TEST_F(examples_of_fhir, every_bundle_gives_one_answer) {
  // Everything else is one unit without a problem that fails it.
  const std::map<std::string, std::string> refused{
      {"Bundle-10bb101f-a121-4264-a920-67be9cb82c74.json", "type"},  // message
      {"Bundle-3a0707d3-549e-4467-b8b8-5a2ab3800efe.json", "type"},  // message
      {"Bundle-bundle-response-medsallergies.json", "type"},         // batch-response
      {"Bundle-bundle-response-simplesummary.json", "type"},         // batch-response
      {"Bundle-bundle-response.json", "type"},                       // transaction-response
      {"Bundle-bundle-references.json", "entry[8].resource"},        // Patient/45 of two servers
  };
  std::size_t seen = 0;
  for (const auto& file : std::filesystem::directory_iterator(fhir_examples() / "hl7.fhir.r4.examples")) {
    const auto name = file.path().filename().string();
    if (!name.starts_with("Bundle-") || file.path().extension() != ".json" || file.file_size() > 4u << 20) continue;
    SCOPED_TRACE(name);
    const auto read = read_all(file.path());
    const auto expected = refused.find(name);
    if (expected == refused.end()) {
      EXPECT_EQ(read.units.size(), 1u) << read.problems();
    } else {
      ++seen;
      ASSERT_EQ(read.failures.size(), 1u);
      EXPECT_EQ(read.failures[0].path, expected->second) << read.problems();
    }
  }
  EXPECT_EQ(seen, refused.size());
}

TEST_F(examples_of_fhir, jenny_of_mcode_has_her_record_and_everything_else_is_counted) {
  const auto read = read_all(fhir_examples() / "hl7.fhir.us.mcode/example/Bundle-mcode-patient-bundle-jenny-m.json");
  ASSERT_EQ(read.units.size(), 1u) << read.problems();
  EXPECT_TRUE(read.tally.problems.empty()) << read.problems();
  EXPECT_EQ(read.steps().size(), 5u);
  EXPECT_EQ(read.step("Patient/cancer-patient-jenny-m").command.enroll_person().name(), "Jenny M");
  EXPECT_EQ(read.step("Practitioner/us-core-practitioner-owen-oncologist").command.enroll_person().name(), "Dr. Owen Oncologist");
  const std::map<std::string, std::uint64_t> used{{"Patient", 1}, {"Practitioner", 2}};
  EXPECT_EQ(read.tally.used, used);
  const std::map<std::string, std::uint64_t> unused{{"Condition", 1},         {"DiagnosticReport", 2}, {"FamilyMemberHistory", 2},
                                                    {"MedicationRequest", 4}, {"Observation", 22},     {"Organization", 1},
                                                    {"Procedure", 4},         {"Specimen", 1}};
  EXPECT_EQ(read.tally.unused_types, unused);
}

TEST(the_demo, is_one_unit_without_a_problem) {
  const auto read = read_all(repository() / "deploy/demo-team.bundle.json");
  ASSERT_EQ(read.units.size(), 1u) << read.problems();
  EXPECT_TRUE(read.tally.problems.empty()) << read.problems();
  EXPECT_TRUE(read.tally.notes.empty());
  EXPECT_TRUE(read.tally.refused.empty());

  std::set<std::string> people, records, on_rosas_team, on_meis_team;
  std::map<std::string, std::string> attending;
  std::size_t messages = 0;
  for (const auto& step : read.steps()) {
    const auto& patient = step.command.patient_id();
    if (step.command.has_enroll_person()) people.insert(step.command.enroll_person().person_id());
    if (step.command.has_open_record()) records.insert(patient);
    if (step.command.has_add_member()) (patient == "rosa" ? on_rosas_team : on_meis_team).insert(step.command.add_member().person_id());
    if (step.command.has_assign_attending()) attending[patient] = step.command.assign_attending().person_id();
    if (step.command.has_post_message()) {
      ++messages;
      EXPECT_NE(step.author.role(), v1::ROLE_UNSPECIFIED) << step.identity;
      EXPECT_LT(step.command.post_message().imported().sent().seconds(), present.time_since_epoch().count());
    }
  }
  const std::set<std::string> everybody{"alex", "ben",    "claire", "dana", "irene", "lang", "luis", "maya", "mei",
                                        "nina", "okafor", "omar",   "rao",  "rosa",  "ruth", "sam",  "tom",  "weiss"};
  EXPECT_EQ(people, everybody);
  EXPECT_EQ(records, (std::set<std::string>{"mei", "rosa"}));
  EXPECT_TRUE(on_rosas_team.contains("luis") && on_rosas_team.contains("irene") && on_rosas_team.contains("rosa"));
  EXPECT_FALSE(on_meis_team.contains("luis"));
  EXPECT_TRUE(on_meis_team.contains("irene"));
  EXPECT_FALSE(on_rosas_team.contains("alex") || on_meis_team.contains("alex"));
  EXPECT_EQ(attending, (std::map<std::string, std::string>{{"mei", "rao"}, {"rosa", "rao"}}));
  EXPECT_EQ(messages, 4u);
  EXPECT_EQ(read.step("Practitioner/alex").command.enroll_person().roles(0), v1::ROLE_ADMINISTRATOR);
}

}  // namespace
}  // namespace careteam::admin::test

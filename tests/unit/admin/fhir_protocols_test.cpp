// Protocols in FHIR R4: a CarePlan whose activities are the tasks that it asked for and the days that are to come, and tasks that name it.
#include "admin/fhir_protocols.hpp"

#include <gmock/gmock.h>

#include <sstream>

#include "../care/protocol_fixture.hpp"
#include "admin/fhir_export.hpp"
#include "fhir_files.hpp"
#include "fhir_r4.hpp"

namespace careteam::admin::test {
namespace {

namespace json = boost::json;
using namespace care::fixture;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class protocols_in_fhir : public protocol_ward {
 protected:
  json::object exported(told_texts texts = told_texts::all) {
    known_organization organization{care::task_setting()};
    for (const auto& entry : ward.people.log()) organization.take(entry);
    fhir_export of("rosa", organization, texts, ward.now);
    for (const auto& entry : ward.record.log()) of.take(entry);
    std::ostringstream out;
    bundle_writer bundle(out, ward.now);
    bundle.add(of.resources({}, owed_things({"rosa"})));
    bundle.finish();
    auto made = json::parse(out.str()).as_object();
    EXPECT_THAT(checker_.faults(made), IsEmpty());
    return made;
  }
  json::object plan_of() { return of_type(exported(), "CarePlan").at(0); }
  /// "Task/rosa.clinical.1", or "scheduled cbc 2/15 2027-01-12T07:00:00.000Z".
  static std::vector<std::string> activities(const json::object& plan) {
    std::vector<std::string> result;
    for (const auto& one : plan.at("activity").as_array()) {
      if (const auto* task = one.as_object().if_contains("reference")) {
        result.emplace_back(task->at("reference").as_string());
        continue;
      }
      const auto& detail = one.at("detail");
      const auto& day = detail.at("extension").at(0).at("extension").as_array();
      const auto& when = detail.at("scheduledTiming").at("event").at(0);
      std::ostringstream text;
      text << std::string(detail.at("status").as_string()) << ' ' << std::string(day.at(0).at("valueId").as_string()) << ' '
           << day.at(1).at("valuePositiveInt") << '/' << day.at(2).at("valueInteger") << ' ' << std::string(when.as_string());
      result.push_back(text.str());
    }
    return result;
  }

 private:
  r4_checker checker_{fhir_examples() / "hl7.fhir.r4.examples"};
};

TEST_F(protocols_in_fhir, tell_what_they_asked_for_and_what_is_to_come) {
  ward.says("nina", start(clinical, plan("p1").item("cbc", cbc, {1, 15})));
  asks_until(utc(2026, 12, 20, 0));
  const auto one = plan_of();
  EXPECT_EQ(one.at("status"), "active");
  EXPECT_EQ(one.at("intent"), "plan");
  EXPECT_EQ(one.at("title"), "capecitabine");
  EXPECT_EQ(one.at("period"), json::value({{"start", "2026-12-01"}, {"end", "2027-01-25"}}));
  EXPECT_EQ(one.at("author").at("reference"), "Practitioner/nina");
  const auto asked = of_type(exported(), "Task");
  ASSERT_EQ(asked.size(), 2u);
  EXPECT_THAT(activities(one),
              ElementsAre("Task/" + std::string(asked[0].at("id").as_string()), "Task/" + std::string(asked[1].at("id").as_string()),
                          "scheduled cbc 2/1 2026-12-29T07:00:00.000Z", "scheduled cbc 2/15 2027-01-12T07:00:00.000Z"));
  // And the task names its protocol, the cycle and the day.
  const auto& second = asked[1];
  EXPECT_EQ(second.at("groupIdentifier").at("value"), "rosa/clinical/p1");
  EXPECT_EQ(second.at("groupIdentifier"), one.at("identifier").at(0));
  EXPECT_EQ(second.at("basedOn").at(0).at("reference").as_string(), "CarePlan/" + std::string(one.at("id").as_string()));
  const auto& day = second.at("extension").as_array().back();
  EXPECT_EQ(day.at("url"), "urn:careteam:protocol-day");
  EXPECT_EQ(day.at("extension"), json::value({{{"url", "item"}, {"valueId", "cbc"}},
                                              {{"url", "cycle"}, {"valuePositiveInt", 1}},
                                              {{"url", "day"}, {"valueInteger", 15}},
                                              {{"url", "scheduled"}, {"valueDateTime", "2026-12-15T07:00:00.000Z"}}}));
}

TEST_F(protocols_in_fhir, that_moved_are_where_they_moved_to) {
  ward.says("nina", start(clinical, plan("p1").item("cbc", cbc, {1})));
  ward.says("nina", move("p1", 2, "2027-01-05"));
  const auto one = plan_of();
  EXPECT_THAT(activities(one), ElementsAre("scheduled cbc 1/1 2026-12-01T07:00:00.000Z", "scheduled cbc 2/1 2027-01-05T07:00:00.000Z"));
  EXPECT_EQ(one.at("period").at("end"), "2027-02-01");
  EXPECT_EQ(one.at("note").at(0).at("text"), "low counts");
}

TEST_F(protocols_in_fhir, that_were_stopped_are_revoked) {
  ward.says("nina", start(clinical, plan("p1").item("cbc", cbc, {1})));
  asks_until(utc(2026, 12, 1, 0));
  ward.says("nina", stop("p1"));
  const auto one = plan_of();
  EXPECT_EQ(one.at("status"), "revoked");
  EXPECT_EQ(one.at("note").at(0).at("text"), "progression");
  EXPECT_EQ(activities(one).at(1), "cancelled cbc 2/1 2026-12-29T07:00:00.000Z");
  EXPECT_EQ(of_type(exported(), "Task").at(0).at("status"), "cancelled");
}

TEST_F(protocols_in_fhir, of_which_nothing_is_open_any_more_are_completed_and_what_had_passed_was_never_asked_for) {
  ward.now = utc(2026, 12, 3, 12);
  ward.says("nina", start(clinical, plan("p1").cycles(7, 1).item("cbc", cbc, {1, 4})));
  asks_until(utc(2026, 12, 4, 0));
  EXPECT_EQ(plan_of().at("status"), "active");
  const auto last = task_of("cbc 1/4");
  for (const auto& command : {claim(last), accept(last), start(last), complete(last)}) ASSERT_THAT(does("nina", command), accepted());
  const auto one = plan_of();
  EXPECT_EQ(one.at("status"), "completed");
  EXPECT_EQ(activities(one).at(0), "cancelled cbc 1/1 2026-12-01T07:00:00.000Z");
  EXPECT_EQ(one.at("activity").at(0).at("detail").at("statusReason").at("coding").at(0).at("code"), "passed");
}

TEST_F(protocols_in_fhir, have_no_word_of_anybody_unless_texts_are_asked_for) {
  ward.says("nina", start(clinical, plan("p1").item("cbc", cbc, {1})));
  ward.says("nina", stop("p1"));
  const auto text = json::serialize(exported(told_texts::none));
  for (const auto* word : {"capecitabine", "CBC", "progression", "Name of"}) EXPECT_THAT(text, Not(HasSubstr(word)));
  EXPECT_THAT(text, HasSubstr(R"("status":"revoked")"));
}

TEST_F(protocols_in_fhir, are_left_out_by_an_import_and_their_tasks_are_tasks_of_their_own) {
  ward.says("nina", start(clinical, plan("p1").item("cbc", cbc, {1})));
  asks_until(utc(2026, 12, 1, 0));
  std::string name = (std::filesystem::temp_directory_path() / "careteam-protocol-XXXXXX").string();
  ASSERT_NE(mkdtemp(name.data()), nullptr);
  const auto file = std::filesystem::path(name) / "bundle.json";
  std::ofstream(file) << json::serialize(exported());
  const auto read = read_all(file);
  std::filesystem::remove_all(name);
  ASSERT_EQ(read.units.size(), 1u) << read.problems();
  EXPECT_TRUE(read.named("CarePlan/rosa.clinical.p1", "is a protocol"));
  EXPECT_EQ(read.tally.refused.at("CarePlan"), 1u);
  EXPECT_EQ(read.tally.notes.at("Task of a protocol: of its own here"), 1u);
  for (const auto& step : read.steps()) EXPECT_FALSE(step.command.has_start_protocol());
}

/// The checker itself: what it must find in a Bundle that was good.
TEST_F(protocols_in_fhir, of_no_r4_are_found_out) {
  ward.says("nina", start(clinical, plan("p1").item("cbc", cbc, {1})));
  asks_until(utc(2026, 12, 1, 0));
  const auto faults_with = [&](std::string_view type, const auto& change) {
    auto bundle = exported();
    for (auto& entry : bundle.at("entry").as_array()) {
      auto& resource = entry.at("resource").as_object();
      if (resource.at("resourceType").as_string() == type) change(resource);
    }
    auto faults = r4_checker(fhir_examples() / "hl7.fhir.r4.examples").faults(bundle);
    return faults.empty() ? std::string() : faults.front();
  };
  const auto plan_with = [&](const char* field, const json::value& value) {
    return faults_with("CarePlan", [&](json::object& one) { one[field] = value; });
  };
  EXPECT_EQ(plan_with("note", json::array{json::object{{"text", "fine"}}}), "");
  EXPECT_THAT(plan_with("status", "stopped"), HasSubstr(R"(status is "stopped", which its value set does not have)"));
  EXPECT_THAT(plan_with("statusReason", "x"), HasSubstr("is no element of R4"));
  EXPECT_THAT(plan_with("category", json::object{{"text", "x"}}), HasSubstr("must be a list"));
  EXPECT_THAT(plan_with("created", "yesterday"), HasSubstr("is no dateTime"));
  EXPECT_THAT(plan_with("careTeam", json::array{json::object{{"reference", "CareTeam/mei"}}}), HasSubstr("is not in the Bundle"));
  EXPECT_THAT(plan_with("careTeam", json::array{json::object{{"reference", "Patient/rosa"}}}), HasSubstr("may not be a Patient"));
  EXPECT_THAT(plan_with("careTeam", json::array{json::object{{"display", "Hers"}}}), HasSubstr("leads nowhere"));
  EXPECT_THAT(plan_with("activity", json::array{json::object{}}), HasSubstr("cpl-3"));
  EXPECT_THAT(faults_with("CarePlan", [](json::object& one) { one.erase("intent"); }), HasSubstr("CarePlan.intent is missing"));
  EXPECT_THAT(plan_with("id", "no id"), HasSubstr("is no id"));
}

}  // namespace
}  // namespace careteam::admin::test

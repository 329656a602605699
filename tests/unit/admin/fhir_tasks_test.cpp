// FHIR Task, in and out: what each status becomes, what is left out and why, and that an export comes back as it was.
#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "../store/new_store.hpp"
#include "admin/fhir_export.hpp"
#include "admin/importer.hpp"
#include "admin/rebuild.hpp"
#include "coordination/record_loading.hpp"
#include "fhir_files.hpp"
#include "fhir_r4.hpp"

namespace careteam::admin::test {
namespace {

namespace json = boost::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* team =
    R"({"resource":{"resourceType":"Patient","id":"rosa","identifier":[{"system":"urn:careteam:person-id","value":"rosa"}],"name":[{"text":"Rosa"}]}},
{"resource":{"resourceType":"Practitioner","id":"nina","identifier":[{"system":"urn:careteam:person-id","value":"nina"}],"name":[{"text":"Nina"}]}},
{"resource":{"resourceType":"Practitioner","id":"rao","identifier":[{"system":"urn:careteam:person-id","value":"rao"}],"name":[{"text":"Rao"}]}},
{"resource":{"resourceType":"Practitioner","id":"luis","name":[{"text":"Luis"}]}},
{"resource":{"resourceType":"CareTeam","id":"team","status":"active","subject":{"reference":"Patient/rosa"},"participant":[
 {"role":[{"coding":[{"system":"urn:careteam:role","code":"oncology-nurse"}]}],"member":{"reference":"Practitioner/nina"}},
 {"role":[{"coding":[{"system":"urn:careteam:role","code":"social-worker"}]}],"member":{"reference":"Practitioner/luis"}},
 {"role":[{"coding":[{"system":"urn:careteam:role","code":"medical-oncologist"}]}],"member":{"reference":"Practitioner/rao"},"extension":[{"url":"urn:careteam:attending","valueBoolean":true}]}]}})";

/// A task for nina, asked for by rao, in this status and with these further fields.
std::string task(const std::string& id, const std::string& status, const std::string& more = "", const std::string& owner = "nina") {
  return R"({"resource":{"resourceType":"Task","id":")" + id + R"(","status":")" + status +
         R"(","intent":"order","priority":"urgent","code":{"text":"Call about the fever"},"for":{"reference":"Patient/rosa"},)" +
         R"("requester":{"reference":"Practitioner/rao"},"owner":{"reference":"Practitioner/)" + owner + "\"}" + (more.empty() ? "" : ",") +
         more + "}}";
}

std::string bundle_of(const std::vector<std::string>& entries) {
  std::string text = R"({"resourceType":"Bundle","type":"collection","entry":[)" + std::string(team);
  for (const auto& one : entries) text += "," + one;
  return text + "]}";
}

/// A store of its own, an importer into it, and what an export makes of it.
class one_store {
 public:
  one_store() {
    store_ = store::test::new_store(loop_, folder_);
    importer_ = std::make_unique<importer>(*store_, clock_, 1000);
  }
  ~one_store() {
    importer_.reset();
    loop_.run(store_->close());
  }

  unit_outcome import(const everything& read) {
    unit_outcome all;
    for (const auto& unit : read.units) {
      auto outcome = loop_.run(importer_->apply(unit)).value();
      all.applied += outcome.applied;
      all.unchanged += outcome.unchanged;
      if (outcome.refused) all.refused = outcome.refused;
      all.left_out.insert(all.left_out.end(), outcome.left_out.begin(), outcome.left_out.end());
      if (outcome.first_timer) all.first_timer = outcome.first_timer;
    }
    return all;
  }

  care::record_state record(const std::string& patient) {
    return loop_.run(coordination::load_record(*store_, care::record_key(patient))).value().state;
  }
  std::vector<std::string> differences() { return loop_.run(rebuild(*store_)).value().differences; }

  json::array exported(const std::string& patient, told_texts texts = told_texts::all) {
    known_organization organization{care::task_setting()};
    for (const auto& stored : loop_.run(store_->read_record(care::record_key(""), 0, 16u << 20)).value()) {
      v1::Entry entry;
      EXPECT_TRUE(coordination::parse_entry(stored, entry));
      organization.take(entry);
    }
    fhir_export all(patient, organization, texts, std::chrono::floor<std::chrono::microseconds>(clock_.now()));
    for (const auto& stored : loop_.run(store_->read_record(care::record_key(patient), 0, 16u << 20)).value()) {
      v1::Entry entry;
      EXPECT_TRUE(coordination::parse_entry(stored, entry));
      all.take(entry);
    }
    return all.resources({}, owed_things({}));
  }
  std::vector<json::object> tasks(const std::string& patient, told_texts texts = told_texts::all) {
    std::vector<json::object> result;
    for (const auto& one : exported(patient, texts)) {
      if (one.at("resourceType") == "Task") result.push_back(one.as_object());
    }
    return result;
  }
  std::string exported_bundle(const std::string& patient, told_texts texts = told_texts::all) {
    std::ostringstream out;
    bundle_writer bundle(out, std::chrono::floor<std::chrono::microseconds>(clock_.now()));
    bundle.add(exported(patient, texts));
    bundle.finish();
    EXPECT_THAT(checker_.faults(json::parse(out.str()).as_object()), IsEmpty());
    return out.str();
  }

  runtime::manual_clock clock_{present};

 private:
  r4_checker checker_{fhir_examples() / "hl7.fhir.r4.examples"};
  store::test::scratch_folder folder_;
  store::test::event_loop loop_;
  std::unique_ptr<store::record_store> store_;
  std::unique_ptr<importer> importer_;
};

std::string text_of(const json::object& task, const char* field) {
  const auto* value = task.if_contains(field);
  return value ? std::string(value->as_string()) : std::string();
}

class tasks_in_fhir : public fhir_files {};

struct status_case {
  std::string status, more, becomes, left_out;
};

class task_status : public fhir_files, public testing::WithParamInterface<status_case> {};

TEST_P(task_status, becomes_the_same_here_or_is_left_out_with_a_reason) {
  const auto& one = GetParam();
  one_store here;
  const auto read = json(bundle_of({task("t", one.status, one.more)}));
  const auto outcome = here.import(read);
  ASSERT_FALSE(outcome.refused) << outcome.refused->message;
  EXPECT_THAT(outcome.left_out, IsEmpty());
  std::string problems;
  for (const auto& problem : read.tally.problems) problems += problem.path + ": " + problem.message + '\n';
  EXPECT_EQ(problems, one.left_out.empty() ? "" : one.left_out + '\n');
  std::vector<std::string> statuses;
  for (const auto& exported : here.tasks("rosa")) statuses.push_back(text_of(exported, "status"));
  EXPECT_EQ(statuses, one.becomes.empty() ? std::vector<std::string>{} : std::vector<std::string>{one.becomes});
  EXPECT_THAT(here.differences(), IsEmpty());

  // Once more: nothing changes.
  const auto before = here.record("rosa").version;
  const auto again = here.import(read);
  EXPECT_EQ(again.applied, 0u);
  EXPECT_EQ(here.record("rosa").version, before);
}

const std::string pause_until = R"("extension":[{"url":"urn:careteam:resume-at","valueDateTime":"2026-01-02T00:00:00Z"}])";
const std::string because = R"("statusReason":{"text":"waits for the ward"})";

INSTANTIATE_TEST_SUITE_P(
    fhir, task_status,
    testing::Values(
        status_case{"draft", "", "draft", ""}, status_case{"requested", "", "requested", ""}, status_case{"received", "", "received", ""},
        status_case{"accepted", "", "accepted", ""}, status_case{"ready", "", "ready", ""},
        status_case{"in-progress", "", "in-progress", ""}, status_case{"on-hold", pause_until + "," + because, "on-hold", ""},
        status_case{"on-hold", pause_until, "in-progress",
                    "Task/t.statusReason: is missing, and who pauses says why: imported as in-progress"},
        status_case{"on-hold", because, "in-progress",
                    "Task/t.status: is on-hold without saying until when (urn:careteam:resume-at, in the future): imported as in-progress"},
        status_case{"completed", "", "completed", ""}, status_case{"cancelled", because, "cancelled", ""},
        status_case{"failed", "", "", "Task/t.status: is failed: nothing begins by it; what came by it before ends"},
        status_case{"rejected", "", "", "Task/t.status: is rejected: nothing begins by it; what came by it before ends"},
        status_case{"entered-in-error", "", "", "Task/t.status: is entered-in-error: nothing begins by it; what came by it before ends"}));

TEST_F(tasks_in_fhir, go_on_where_an_earlier_import_left_them) {
  one_store here;
  std::vector<std::string> statuses;
  for (const auto* status : {"draft", "requested", "received", "accepted", "in-progress", "completed", "entered-in-error"}) {
    const auto outcome = here.import(json(bundle_of({task("t", status)})));
    EXPECT_THAT(outcome.left_out, IsEmpty()) << status;
    const auto tasks = here.tasks("rosa");
    ASSERT_EQ(tasks.size(), 1u) << status;
    statuses.push_back(text_of(tasks.front(), "status"));
  }
  EXPECT_THAT(statuses, ElementsAre("draft", "requested", "received", "accepted", "in-progress", "completed", "entered-in-error"));
  EXPECT_THAT(here.differences(), IsEmpty());
}

TEST_F(tasks_in_fhir, that_failed_elsewhere_fail_here_if_they_came_before_and_somebody_is_asked) {
  one_store here;
  here.import(json(bundle_of({task("t", "in-progress")})));
  here.import(json(bundle_of({task("t", "failed", because)})));
  const auto tasks = here.tasks("rosa");
  ASSERT_EQ(tasks.size(), 2u);
  EXPECT_EQ(text_of(tasks[0], "status"), "failed");
  EXPECT_EQ(tasks[0].at("statusReason").at("text"), "waits for the ward");
  EXPECT_EQ(tasks[1].at("partOf").at(0).at("reference"), json::value("Task/" + text_of(tasks[0], "id")));
}

TEST_F(tasks_in_fhir, that_the_domain_refuses_are_left_out_alone) {
  one_store here;
  const std::string shared = R"("extension":[{"url":"urn:careteam:stream","valueCode":"shared"}])";
  const std::string drug = shared + R"(,"focus":{"reference":"MedicationRequest/1"})";
  // A social worker may not own what is about a drug.
  const auto outcome = here.import(json(bundle_of({task("drug", "requested", drug, "luis"), task("call", "accepted", shared, "luis")})));
  ASSERT_EQ(outcome.left_out.size(), 1u);
  EXPECT_EQ(outcome.left_out[0].path, "Task/drug");
  EXPECT_THAT(outcome.left_out[0].message, HasSubstr("may not own such a task"));
  const auto tasks = here.tasks("rosa");
  ASSERT_EQ(tasks.size(), 1u);
  EXPECT_EQ(text_of(tasks[0], "status"), "accepted");
  EXPECT_TRUE(outcome.first_timer);
}

TEST_F(tasks_in_fhir, stay_as_far_as_the_domain_lets_them_and_go_on_when_it_does) {
  one_store here;
  const std::string needs = R"("extension":[{"url":"urn:careteam:required-output","valueString":"outcome"}])";
  const std::string done = R"("output":[{"type":{"text":"outcome"},"valueString":"reached"}])";
  auto outcome = here.import(json(bundle_of({task("t", "completed", needs)})));
  ASSERT_EQ(outcome.left_out.size(), 1u);
  EXPECT_THAT(outcome.left_out[0].message, HasSubstr("a required output is missing"));
  EXPECT_EQ(text_of(here.tasks("rosa").at(0), "status"), "accepted");
  outcome = here.import(json(bundle_of({task("t", "completed", needs + "," + done)})));
  EXPECT_THAT(outcome.left_out, IsEmpty());
  EXPECT_EQ(text_of(here.tasks("rosa").at(0), "status"), "completed");
  EXPECT_EQ(here.tasks("rosa").at(0).at("output").at(0).at("valueString"), "reached");
}

TEST_F(tasks_in_fhir, that_were_due_are_due_by_priority_and_later_ones_as_they_say) {
  one_store here;
  const auto until = [](const std::string& end) { return R"("restriction":{"period":{"end":")" + end + "\"}}"; };
  here.import(json(
      bundle_of({task("late", "requested", until("2025-12-31T00:00:00Z")), task("soon", "requested", until("2026-01-03T10:00:00Z"))})));
  const auto tasks = here.tasks("rosa");
  ASSERT_EQ(tasks.size(), 2u);
  EXPECT_EQ(tasks[0].at("restriction").at("period").at("end"), "2026-01-01T08:00:00.000Z");  // urgent: 8 hours
  EXPECT_EQ(tasks[1].at("restriction").at("period").at("end"), "2026-01-03T10:00:00.000Z");
}

TEST_F(tasks_in_fhir, ask_a_role_or_the_patient) {
  one_store here;
  const std::string nurses = R"("performerType":[{"coding":[{"system":"urn:careteam:role","code":"oncology-nurse"}]}])";
  std::string report =
      task("report", "ready", R"("code":{"coding":[{"system":"urn:careteam:task-kind","code":"report"}],"text":"Say how you are"})");
  report.replace(report.find("Practitioner/nina"), 17, "Patient/rosa");
  std::string care = task("care", "requested");
  care.replace(care.find("Practitioner/nina"), 17, "Patient/rosa");
  const auto outcome = here.import(json(bundle_of({task("role", "accepted", nurses), report, care})));
  // What is no report, no reading and no appointment is not the patient's to do (I5).
  ASSERT_EQ(outcome.left_out.size(), 1u);
  EXPECT_EQ(outcome.left_out[0].path, "Task/care");
  const auto tasks = here.tasks("rosa");
  ASSERT_EQ(tasks.size(), 2u);
  const auto& role = text_of(tasks[0], "status") == "accepted" ? tasks[0] : tasks[1];
  const auto& patients = text_of(tasks[0], "status") == "accepted" ? tasks[1] : tasks[0];
  EXPECT_EQ(role.at("performerType").at(0).at("coding").at(0).at("code"), "oncology-nurse");
  EXPECT_EQ(role.at("owner").at("reference"), "Practitioner/nina");
  EXPECT_EQ(role.at("extension").at(0).at("valueCode"), "clinical");
  EXPECT_EQ(patients.at("owner").at("reference"), "Patient/rosa");
  EXPECT_EQ(patients.at("extension").at(0).at("valueCode"), "shared");
  EXPECT_EQ(patients.at("status"), "ready");
}

TEST_F(tasks_in_fhir, that_nobody_has_asked_for_are_no_tasks) {
  auto text = bundle_of({task("t", "requested")});
  text.replace(text.find(R"("intent":"order")"), 16, R"("intent":"plan")");
  EXPECT_TRUE(json(text).named("Task/t.intent", "is plan: nobody has asked for it"));
  for (const auto* wrong : {R"("status":"waiting")", R"("intent":"wish")", R"("priority":"soon")"}) {
    auto bad = bundle_of({task("t", "requested")});
    const std::string field(wrong, std::string_view(wrong).find(':'));
    const auto at = bad.rfind(field + ":");
    const auto end = bad.find('"', at + field.size() + 2) + 1;
    bad.replace(at, end - at, wrong);
    EXPECT_EQ(json(bad).failures.size(), 1u) << wrong;
  }
}

/// What an export promises to bring back: all but the ids, the times of entries and what tells where a task began.
std::vector<json::object> kept(std::vector<json::object> tasks) {
  for (auto& one : tasks) {
    for (const auto* field : {"id", "identifier", "authoredOn", "lastModified", "executionPeriod"}) one.erase(field);
  }
  return tasks;
}

TEST_F(tasks_in_fhir, come_back_from_an_export_as_they_were) {
  one_store here, there;
  const std::string rich =
      R"("extension":[{"url":"urn:careteam:ladder","valueCode":"medical-oncologist"},{"url":"urn:careteam:read-back","valueBoolean":true},)"
      R"({"url":"urn:careteam:two-person","valueBoolean":true},{"url":"urn:careteam:required-output","valueString":"outcome"}],)"
      R"("description":"Fever of 38.6","input":[{"type":{"text":"ANC"},"valueString":"0.72","extension":[{"url":"urn:careteam:unit","valueString":"10^9/L"}]}],)"
      R"("output":[{"type":{"text":"outcome"},"valueString":"reached"}],"restriction":{"period":{"end":"2026-01-03T10:00:00Z"}})";
  const auto outcome = here.import(json(
      bundle_of({task("a", "draft", rich), task("b", "requested", rich), task("c", "received"), task("d", "accepted", rich),
                 task("e", "ready"), task("f", "in-progress", R"("restriction":{"period":{"end":"2026-01-04T10:00:00Z"}})"),
                 task("g", "on-hold", pause_until + "," + because), task("h", "completed", rich), task("i", "cancelled", because),
                 task("j", "requested", R"("code":{"coding":[{"system":"urn:careteam:task-kind","code":"review"}],"text":"Look"})")})));
  EXPECT_THAT(outcome.left_out, IsEmpty());
  const auto first = here.exported_bundle("rosa");
  const auto read = json(first);
  EXPECT_EQ(read.problems(), "");
  const auto back = there.import(read);
  ASSERT_FALSE(back.refused) << back.refused->message;
  EXPECT_THAT(back.left_out, IsEmpty());
  EXPECT_EQ(kept(there.tasks("rosa")), kept(here.tasks("rosa")));
  EXPECT_EQ(here.tasks("rosa").size(), 10u);
  EXPECT_THAT(there.differences(), IsEmpty());

  // What a store exported it does not begin a second time.
  const auto version = here.record("rosa").version;
  EXPECT_EQ(here.import(read).applied, 0u);
  EXPECT_EQ(here.record("rosa").version, version);
}

TEST_F(tasks_in_fhir, are_exported_without_a_word_of_anybody_unless_texts_are_asked_for) {
  one_store here;
  here.import(json(bundle_of({task("t", "cancelled", because + R"(,"description":"Fever of 38.6")")})));
  const auto text = here.exported_bundle("rosa", told_texts::none);
  for (const auto* word : {"Rosa", "Nina", "Call", "Fever", "ward"}) EXPECT_EQ(text.find(word), std::string::npos) << word;
  EXPECT_THAT(text, HasSubstr(R"("status":"cancelled")"));
}

class task_examples : public testing::Test {};

TEST_F(task_examples, each_of_the_twelve_is_imported_or_refused_with_a_reason) {
  const auto root = fhir_examples();
  const std::string lab = ".owner: is a Organization, not a person";
  const std::string nobodys = ".for: is missing: it belongs to no patient's record";
  const std::map<std::string, std::vector<std::string>> expected{
      {"example1", {"Task/example1" + lab}},
      {"example2", {"Task/example2.requester: is a Organization, not a person: the system asks for the task", "Task/example2" + lab}},
      {"example3", {"Task/example3.requester: is another patient than the one whom the task is for"}},
      {"example4", {"Task/example4.requester: is a Organization, not a person: the system asks for the task"}},
      {"example5", {"Task/example5" + lab}},
      {"example6", {"Task/example6" + lab}},
      {"fm-example1", {"Task/fm-example1" + nobodys}},
      {"fm-example2", {"Task/fm-example2" + nobodys}},
      {"fm-example3", {"Task/fm-example3" + nobodys}},
      {"fm-example4", {"Task/fm-example4" + nobodys}},
      {"fm-example5", {"Task/fm-example5" + nobodys}},
      {"fm-example6", {"Task/fm-example6" + nobodys}},
  };
  std::set<std::string> seen;
  for (const auto& file : std::filesystem::directory_iterator(root / "hl7.fhir.r4.examples")) {
    const auto name = file.path().stem().string();
    if (!name.starts_with("Task-") || file.path().extension() != ".json") continue;
    SCOPED_TRACE(name);
    seen.insert(name.substr(5));
    const auto read = read_all(file.path());
    ASSERT_EQ(read.units.size(), 1u) << read.problems();
    std::vector<std::string> problems;
    for (const auto& problem : read.tally.problems) problems.push_back(problem.path + ": " + problem.message);
    EXPECT_EQ(problems, expected.at(name.substr(5)));
    const bool imported = name == "Task-example4";
    EXPECT_EQ(read.units[0].steps.empty(), !imported);
    EXPECT_EQ(read.tally.used.contains("Task"), imported);
    EXPECT_EQ(read.tally.refused.contains("Task"), !imported);
  }
  EXPECT_EQ(seen.size(), expected.size());

  // The one that is for a person here: on whose team its owner is, it is done; where not, it is left out.
  const auto example = read_all(root / "hl7.fhir.r4.examples/Task-example4.json");
  one_store here;
  auto outcome = here.import(example);
  ASSERT_EQ(outcome.left_out.size(), 1u);
  EXPECT_THAT(outcome.left_out[0].message, HasSubstr("no such person in this stream's audience"));
  import_unit joins{"test", {}};
  auto& step = joins.steps.emplace_back();
  step.command.set_patient_id("p.example");
  step.command.mutable_add_member()->set_person_id("s.f202");
  step.command.mutable_add_member()->set_role(v1::ROLE_ONCOLOGY_NURSE);
  step.identity = "joins";
  everything member;
  member.units.push_back(joins);
  here.import(member);
  outcome = here.import(example);
  EXPECT_THAT(outcome.left_out, IsEmpty());
  const auto tasks = here.tasks("p.example");
  ASSERT_EQ(tasks.size(), 1u);
  EXPECT_EQ(text_of(tasks[0], "status"), "completed");
  EXPECT_EQ(tasks[0].at("code").at("text"), "Specimen Collection");
  EXPECT_EQ(tasks[0].at("owner").at("reference"), "Practitioner/f202");
  EXPECT_EQ(tasks[0].at("output").at(0).at("valueString"), "Specimen/101");
}

}  // namespace
}  // namespace careteam::admin::test

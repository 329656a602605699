// Handoffs in FHIR R4: each state of `domain.md` 3.2, the split, the force-take, the witness; and that of one patient's part nothing tells
// of another. The domain decides what is handed over; R4's own definitions say whether it is valid.
#include "admin/fhir_handoffs.hpp"

#include <gmock/gmock.h>

#include <deque>
#include <sstream>

#include "../care/duty_fixture.hpp"
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

enum class asked { everything, rosa, duty };

/// Rosa and Mei, with tasks for the duty of Nina, who hands over to Tom.
class handoffs_in_fhir : public duty_ward {
 protected:
  handoffs_in_fhir() {
    EXPECT_THAT(organization_does("alex", enroll("mei", "Mei", v1::PERSON_KIND_PATIENT)), accepted());
    for (const auto* patient : {"rosa", "mei"}) {
      add(patient, v1::STREAM_SHARED).mutable_record_opened()->set_name(patient);
      auto& member = *add(patient, v1::STREAM_SHARED).mutable_member_added();
      member.set_person_id("nina");
      member.set_role(v1::ROLE_ONCOLOGY_NURSE);
      care::set_timestamp(*member.mutable_period()->mutable_start(), now);
      auto& duty_member = *add(patient, v1::STREAM_SHARED).mutable_member_added();
      duty_member.set_duty_id("onc-rn");
      duty_member.set_role(v1::ROLE_ONCOLOGY_NURSE);
      care::set_timestamp(*duty_member.mutable_period()->mutable_start(), now);
    }
  }

  /// The duty owes a task of this patient.
  care::owed_item task(const std::string& patient, const std::string& title, care::instant due) {
    auto& entry = add(patient, v1::STREAM_CLINICAL);
    auto& order = *entry.mutable_task_requested()->mutable_order();
    order.set_kind(v1::TASK_KIND_CARE);
    order.set_title(title);
    order.set_priority(v1::PRIORITY_ASAP);
    order.mutable_target()->set_duty_id("onc-rn");
    care::set_timestamp(*order.mutable_due(), due);
    return owes(patient, entry.seq(), due);
  }
  care::owed_item message(const std::string& patient, care::instant due) {
    auto& entry = add(patient, v1::STREAM_CLINICAL);
    entry.mutable_message_posted()->mutable_content()->set_text("ANC 0.72");
    return owes(patient, entry.seq(), due);
  }

  json::object exported(asked what = asked::everything, told_texts texts = told_texts::all) {
    std::set<std::string> patients;
    if (what != asked::duty) patients.insert("rosa");
    if (what == asked::everything) patients.insert("mei");
    known_organization organization{care::task_setting()};
    owed_things things(patients);
    duty_handoffs whole("onc-rn"), part("onc-rn", "rosa");
    for (const auto& entry : people.log()) organization.take(entry);
    for (const auto& entry : record.log()) {
      organization.take(entry);
      if (what == asked::rosa) {
        things.need(entry, "rosa");
      } else {
        things.need(entry);
      }
      whole.take(entry);
      part.take(entry);
    }
    std::ostringstream out;
    bundle_writer bundle(out, now);
    for (const auto& [patient, entries] : entries_) {
      fhir_export of(patient, organization, texts, now);
      for (const auto& entry : entries) {
        things.take(entry);
        of.take(entry);
      }
      const duty_handoffs* parts[]{&part};
      const std::span<const duty_handoffs* const> its(parts, what == asked::rosa ? 1 : 0);
      if (patients.contains(patient)) bundle.add(of.resources(its, things));
    }
    if (what != asked::rosa) bundle.add(duty_resources(whole, organization, things, texts));
    bundle.finish();
    auto made = json::parse(out.str()).as_object();
    EXPECT_THAT(checker_.faults(made), IsEmpty());
    return made;
  }

  static std::vector<json::object> handoffs(const json::object& bundle) {
    auto result = of_type(bundle, "Task");
    std::erase_if(result, [](const json::object& one) { return code(one.at("code")) != "handoff"; });
    return result;
  }
  using duty_ward::handoff;
  /// The first handoff, its List, the sections of its Composition.
  static json::object handoff(const json::object& bundle) { return handoffs(bundle).at(0); }
  static json::object list(const json::object& bundle) { return of_type(bundle, "List").at(0); }
  static json::array sections(const json::object& bundle) { return of_type(bundle, "Composition").at(0).at("section").as_array(); }

  static std::string code(const json::value& concept_value) { return std::string(concept_value.at("coding").at(0).at("code").as_string()); }
  static std::string status(const json::object& task) { return std::string(task.at("status").as_string()); }
  static std::string business(const json::object& task) {
    return task.contains("businessStatus") ? code(task.at("businessStatus")) : std::string();
  }
  static std::string who(const json::value& reference) { return std::string(reference.at("reference").as_string()); }
  /// "gave Practitioner/nina"
  static std::vector<std::string> agents(const json::object& provenance) {
    std::vector<std::string> result;
    for (const auto& one : provenance.at("agent").as_array()) result.push_back(code(one.at("role").at(0)) + ' ' + who(one.at("who")));
    return result;
  }
  static std::vector<std::string> targets(const json::object& provenance) {
    std::vector<std::string> result;
    for (const auto& one : provenance.at("target").as_array()) result.push_back(who(one));
    return result;
  }

  // Where a handoff stands, with two patients.
  void described_both() {
    good("nina", prepare_handoff());
    good("nina", describe(handoff(), "rosa", v1::HandoffNote::SEVERITY_WATCHER));
    good("nina", describe(handoff(), "mei", v1::HandoffNote::SEVERITY_STABLE));
  }
  void taken_on() {
    described_both();
    good("nina", offer(handoff()));
    good("tom", open_handoff(handoff()));
    good("tom", take_handoff(handoff()));
  }
  void said_back(const std::string& patient) {
    good("tom", synthesize(handoff(), patient, care::top_action(duty().handoff->owed, patient)));
  }

 private:
  v1::Entry& add(const std::string& patient, v1::Stream stream) {
    auto& entry = entries_[patient].emplace_back();
    entry.set_patient_id(patient);
    entry.set_stream(stream);
    entry.set_seq(++heads_[{patient, stream}]);
    care::set_timestamp(*entry.mutable_time(), now);
    return entry;
  }

  std::map<std::string, std::deque<v1::Entry>> entries_;
  std::map<std::pair<std::string, v1::Stream>, std::uint64_t> heads_;
  r4_checker checker_{fhir_examples() / "hl7.fhir.r4.examples"};
};

TEST_F(handoffs_in_fhir, have_the_status_of_each_state) {
  task("rosa", "Call the lab", chicago(23, 20));
  std::vector<std::string> statuses;
  const auto note = [&] { statuses.push_back(status(handoff(exported()))); };
  good("nina", prepare_handoff());
  note();
  good("nina", describe(handoff(), "rosa", v1::HandoffNote::SEVERITY_WATCHER));
  good("nina", offer(handoff()));
  note();
  good("tom", open_handoff(handoff()));
  note();
  good("tom", take_handoff(handoff()));
  note();
  said_back("rosa");
  note();
  const auto open = exported();
  EXPECT_EQ(list(open).at("status"), "current");
  EXPECT_EQ(of_type(open, "Composition").at(0).at("status"), "preliminary");
  EXPECT_TRUE(of_type(open, "Provenance").empty());
  good("nina", confirm(handoff()));
  note();
  EXPECT_THAT(statuses, ElementsAre("draft", "requested", "received", "accepted", "in-progress", "completed"));
}

TEST_F(handoffs_in_fhir, that_move_nothing_are_cancelled_rejected_or_failed) {
  task("rosa", "Call the lab", chicago(23, 20));
  at_stage(2);
  good("nina", end_handoff(handoff()));
  at_stage(3);
  good("tom", end_handoff(handoff()));
  at_stage(1);
  good("grace", covered_by(leave(version(), "ill", "nina", now, now + 4h), "tom", now, now + 4h));
  const auto bundle = exported();
  std::vector<std::string> told;
  for (const auto& one : handoffs(bundle)) told.push_back(status(one) + ' ' + business(one));
  EXPECT_THAT(told, ElementsAre("cancelled ", "rejected ", "failed leave"));
  EXPECT_EQ(handoffs(bundle).at(0).at("statusReason").at("text"), "Comes later today");
  EXPECT_EQ(list(bundle).at("status"), "retired");
}

TEST_F(handoffs_in_fhir, tell_who_what_and_until_when) {
  task("rosa", "Call the lab", chicago(23, 20));
  message("rosa", chicago(23, 19));
  task("mei", "Weigh her", chicago(23, 18));
  taken_on();
  said_back("rosa");
  said_back("mei");
  const auto confirmed = now;
  good("nina", confirm(handoff()));
  const auto bundle = exported();
  const auto whole = handoff(bundle);
  EXPECT_EQ(who(whole.at("requester")), "Practitioner/nina");
  EXPECT_EQ(who(whole.at("owner")), "Practitioner/tom");
  EXPECT_FALSE(whole.contains("for"));
  EXPECT_EQ(whole.at("restriction").at("period").at("end"), json::value(fhir::time_of(chicago(23, 19))));
  EXPECT_EQ(business(whole), "");

  // Unstable before watched before stable: Rosa first. What is a task here leads to it, a message by its place alone.
  const auto obligations = list(bundle);
  EXPECT_EQ(who(whole.at("focus")), "List/" + std::string(obligations.at("id").as_string()));
  EXPECT_EQ(obligations.at("mode"), "snapshot");
  std::vector<std::string> items;
  for (const auto& entry : obligations.at("entry").as_array()) {
    const auto& item = entry.at("item").as_object();
    const auto& literal = item.contains("reference") ? item.at("reference") : item.at("identifier").at("value");
    items.push_back(std::string(literal.as_string()) + ' ' + std::string(entry.at("extension").at(0).at("valueDateTime").as_string()));
  }
  EXPECT_THAT(items, ElementsAre("Task/rosa.clinical.1 2026-11-24T02:00:00.000Z", "rosa/clinical/2 2026-11-24T01:00:00.000Z",
                                 "Task/mei.clinical.1 2026-11-24T00:00:00.000Z"));

  const auto document = of_type(bundle, "Composition").at(0);
  EXPECT_EQ(document.at("status"), "final");
  const auto two = sections(bundle);
  ASSERT_EQ(two.size(), 2u);
  EXPECT_EQ(who(two.at(0).at("focus")), "Patient/rosa");
  const auto& five = two.at(0).at("section").as_array();
  std::vector<std::string> letters;
  for (const auto& one : five) letters.push_back(code(one.at("code")));
  EXPECT_THAT(letters, ElementsAre("illness-severity", "patient-summary", "action-list", "situation-awareness", "synthesis-by-receiver"));
  EXPECT_EQ(five.at(0).at("extension").at(0).at("valueCode"), "watcher");
  EXPECT_THAT(std::string(five.at(1).at("text").at("div").as_string()), HasSubstr("Third cycle, second day"));
  EXPECT_EQ(five.at(2).at("entry").as_array().size(), 2u);
  EXPECT_THAT(std::string(five.at(3).at("text").at("div").as_string()), HasSubstr("Fever: call the oncologist"));
  EXPECT_EQ(five.at(4).at("extension").at(0).at("valueCode"), "said-back");
  EXPECT_THAT(std::string(five.at(4).at("text").at("div").as_string()), HasSubstr("Fever 38.4"));
  EXPECT_EQ(who(five.at(4).at("author").at(0)), "Practitioner/tom");

  const auto proof = of_type(bundle, "Provenance").at(0);
  EXPECT_EQ(proof.at("recorded"), json::value(fhir::time_of(confirmed)));
  EXPECT_THAT(agents(proof), ElementsAre("gave Practitioner/nina", "took Practitioner/tom"));
  EXPECT_FALSE(proof.contains("reason"));
  EXPECT_EQ(proof.at("target").as_array().size(), 5u) << "the handoff, the duty, and what it owed";
  EXPECT_EQ(who(of_type(bundle, "PractitionerRole").at(0).at("practitioner")), "Practitioner/tom");
}

TEST_F(handoffs_in_fhir, show_what_has_come_since_the_offer_and_what_was_not_said_rightly) {
  task("rosa", "Call the lab", chicago(23, 20));
  task("mei", "Weigh her", chicago(23, 18));
  taken_on();
  EXPECT_EQ(list(exported()).at("entry").as_array().size(), 2u);
  const auto urgent = task("rosa", "38.4 degrees", chicago(23, 9));
  good("tom", show_delta(handoff()));
  auto bundle = exported();
  EXPECT_FALSE(list(bundle).at("entry").at(0).as_object().contains("flag"));
  EXPECT_EQ(code(list(bundle).at("entry").at(1).at("flag")), "since-offer");
  EXPECT_EQ(sections(bundle).at(0).at("section").at(4).at("extension").at(0).at("valueCode"), "awaited");

  auto wrong = urgent;
  wrong.deadline = chicago(23, 10);
  good("tom", synthesize(handoff(), "rosa", &wrong));
  bundle = exported();
  EXPECT_EQ(status(handoff(bundle)) + ' ' + business(handoff(bundle)), "accepted sent-back");
  EXPECT_EQ(sections(bundle).at(0).at("section").at(4).at("extension").at(0).at("valueCode"), "differs");
  good("nina", correct_synthesis(handoff(), "rosa"));
  const auto last = sections(exported()).at(0).at("section").at(4);
  EXPECT_EQ(last.at("extension").at(0).at("valueCode"), "sent-back");
  EXPECT_THAT(std::string(last.at("text").at("div").as_string()), HasSubstr("The callback is at 19:30"));
}

TEST_F(handoffs_in_fhir, that_the_lead_confirmed_are_unwitnessed_by_the_sender) {
  task("rosa", "Call the lab", chicago(23, 20));
  at_stage(5);
  now += care::handoff_witness_after;
  good("grace", confirm(handoff()));
  const auto bundle = exported();
  EXPECT_EQ(business(handoff(bundle)), "unwitnessed-by-sender");
  const auto proof = of_type(bundle, "Provenance").at(0);
  EXPECT_THAT(agents(proof), ElementsAre("gave Practitioner/nina", "took Practitioner/tom", "witness Practitioner/grace"));
  EXPECT_EQ(who(proof.at("agent").at(2).at("onBehalfOf")), "Practitioner/nina");
  EXPECT_EQ(code(proof.at("reason").at(0)), "unwitnessed-by-sender");
}

TEST_F(handoffs_in_fhir, that_the_lead_cut_short_have_failed_and_her_reason_is_told) {
  task("rosa", "Call the lab", chicago(23, 20));
  at_stage(2);
  good("grace", force_take());
  auto bundle = exported();
  EXPECT_EQ(status(handoff(bundle)) + ' ' + business(handoff(bundle)), "failed force-taken");
  auto proof = of_type(bundle, "Provenance").at(0);
  EXPECT_THAT(agents(proof), ElementsAre("took Practitioner/grace", "gave Practitioner/nina"));
  EXPECT_EQ(code(proof.at("reason").at(0)), "force-taken");
  EXPECT_EQ(proof.at("reason").at(0).at("text"), "Nina was taken ill");
  EXPECT_THAT(targets(proof), ElementsAre("Task/handoff.onc-rn.1", "PractitionerRole/onc-rn"));
}

TEST_F(handoffs_in_fhir, a_duty_that_was_taken_without_one_has_its_provenance_all_the_same) {
  good("grace", force_take());
  const auto bundle = exported();
  ASSERT_EQ(handoffs(bundle).size(), 1u) << "from her to whoever is rostered";
  EXPECT_EQ(status(handoff(bundle)) + ' ' + who(handoff(bundle).at("requester")), "draft Practitioner/grace");
  EXPECT_EQ(code(list(bundle).at("emptyReason")), "notstarted");
  EXPECT_THAT(targets(of_type(bundle, "Provenance").at(0)), ElementsAre("PractitionerRole/onc-rn"));
  EXPECT_TRUE(of_type(exported(asked::rosa), "Provenance").empty());
}

TEST_F(handoffs_in_fhir, are_split_where_a_patient_is_declined_and_the_way_back_is_a_handoff_too) {
  const auto call = task("rosa", "Call the lab", chicago(23, 20));
  task("mei", "Weigh her", chicago(23, 18));
  described_both();
  good("nina", offer(handoff()));
  good("tom", open_handoff(handoff()));
  good("tom", decline_patient(handoff(), "rosa"));
  auto tasks = handoffs(exported());
  ASSERT_EQ(tasks.size(), 2u);
  EXPECT_EQ(status(tasks[1]), "requested");
  EXPECT_EQ(who(tasks[1].at("partOf").at(0)), "Task/" + std::string(tasks[0].at("id").as_string()));
  EXPECT_EQ(who(tasks[1].at("for")), "Patient/rosa");
  EXPECT_EQ(who(tasks[1].at("owner")), "Practitioner/grace");
  EXPECT_EQ(tasks[1].at("reasonCode").at("text"), "Is my sister");

  good("tom", take_handoff(handoff()));
  said_back("mei");
  good("nina", confirm(handoff()));
  auto bundle = exported();
  EXPECT_EQ(status(handoffs(bundle)[1]), "completed");
  EXPECT_EQ(code(list(bundle).at("entry").at(0).at("flag")), "declined");
  const auto proofs = of_type(bundle, "Provenance");
  ASSERT_EQ(proofs.size(), 2u);
  EXPECT_THAT(targets(proofs[0]), ElementsAre("Task/handoff.onc-rn.1", "PractitionerRole/onc-rn", "Task/mei.clinical.1"));
  EXPECT_THAT(targets(proofs[1]), ElementsAre(testing::StartsWith("Task/handoff.onc-rn."), "Task/rosa.clinical.1"));
  EXPECT_THAT(agents(proofs[1]), ElementsAre("gave Practitioner/nina", "took Practitioner/grace"));

  good("grace", return_patient("rosa", v1::HandoffNote::SEVERITY_WATCHER));
  tasks = handoffs(exported());
  ASSERT_EQ(tasks.size(), 3u);
  EXPECT_EQ(status(tasks[2]) + ' ' + who(tasks[2].at("requester")) + ' ' + who(tasks[2].at("owner")),
            "requested Practitioner/grace Practitioner/tom");
  good("grace", return_patient("rosa", v1::HandoffNote::SEVERITY_STABLE));
  good("tom", take_back("rosa", &call));
  bundle = exported();
  std::vector<std::string> statuses;
  for (const auto& one : handoffs(bundle)) statuses.push_back(status(one));
  EXPECT_THAT(statuses, ElementsAre("completed", "completed", "cancelled", "completed"));
  EXPECT_THAT(agents(of_type(bundle, "Provenance")[2]), ElementsAre("gave Practitioner/grace", "took Practitioner/tom"));

  // Of her alone it is as many, with nothing of whom he took.
  const auto part = exported(asked::rosa);
  EXPECT_EQ(handoffs(part).size(), 4u);
  EXPECT_EQ(list(part).at("entry").as_array().size(), 1u);
  EXPECT_THAT(targets(of_type(part, "Provenance")[0]), ElementsAre("Task/handoff.onc-rn.1.rosa", "PractitionerRole/onc-rn"));
  EXPECT_THAT(json::serialize(part), Not(HasSubstr("mei")));
}

TEST_F(handoffs_in_fhir, that_another_shift_has_overtaken_are_delayed) {
  task("rosa", "Call the lab", chicago(24, 20));
  good("grace", shift(version(), "late", "noah", chicago(23, 22), chicago(24, 2)));
  until(chicago(23, 22, 1));
  const auto bundle = exported();
  EXPECT_EQ(status(handoff(bundle)) + ' ' + business(handoff(bundle)), "draft delayed");
  EXPECT_EQ(list(bundle).at("mode"), "working");
  EXPECT_EQ(list(bundle).at("entry").as_array().size(), 1u) << "the server prepared it, with what is owed";
  EXPECT_EQ(handoffs(exported(asked::rosa)).size(), 1u);
}

TEST_F(handoffs_in_fhir, that_list_nothing_yet_say_so) {
  until(chicago(23, 18, 20));
  const auto bundle = exported();
  EXPECT_EQ(status(handoff(bundle)), "draft");
  EXPECT_EQ(code(list(bundle).at("emptyReason")), "notstarted");
  EXPECT_EQ(handoffs(exported(asked::rosa)).size(), 0u) << "of her it says nothing";
}

TEST_F(handoffs_in_fhir, say_so_where_what_is_owed_cannot_be_read) {
  owed.push_back({"rosa", {}, v1::PRIORITY_ROUTINE, {}, 0});
  good("nina", prepare_handoff());
  const auto entry = list(exported()).at("entry").at(0);
  EXPECT_EQ(code(entry.at("flag")), "unreadable");
  EXPECT_EQ(who(entry.at("item")), "Patient/rosa");
}

TEST_F(handoffs_in_fhir, of_one_patient_hold_nothing_of_another) {
  task("rosa", "Call the lab", chicago(23, 20));
  task("mei", "Weigh her", chicago(23, 18));
  taken_on();
  said_back("rosa");
  now += 1min;
  const auto mine = fhir::time_of(now - 1min);
  good("tom", decline_patient(handoff(), "mei"));
  const auto open = exported(asked::rosa);
  EXPECT_EQ(handoff(open).at("lastModified"), json::value(mine)) << "not even when";
  now += 1min;
  auto ending = end_handoff(handoff());
  ending.mutable_end_handoff()->set_reason("Mei is unwell");
  good("nina", ending);
  const auto part = exported(asked::rosa);
  EXPECT_THAT(json::serialize(part), Not(HasSubstr("mei")));
  EXPECT_THAT(json::serialize(part), Not(HasSubstr("Mei")));
  EXPECT_THAT(json::serialize(exported()), HasSubstr("Mei is unwell"));
  ASSERT_EQ(handoffs(part).size(), 1u);
  EXPECT_EQ(status(handoff(part)), "cancelled");
  EXPECT_EQ(who(handoff(part).at("for")), "Patient/rosa");
  EXPECT_EQ(list(part).at("entry").as_array().size(), 1u);
  EXPECT_EQ(sections(part).size(), 1u);

  // Of a handoff without her there is no part.
  owed.erase(owed.begin());
  good("nina", prepare_handoff());
  EXPECT_EQ(handoffs(exported(asked::rosa)).size(), 1u);
  EXPECT_EQ(handoffs(exported()).size(), 3u) << "two, and the split of the first";
}

TEST_F(handoffs_in_fhir, of_a_duty_alone_name_the_tasks_by_their_identifiers) {
  task("rosa", "Call the lab", chicago(23, 20));
  at_stage(5);
  const auto bundle = exported(asked::duty);
  const auto item = list(bundle).at("entry").at(0).at("item").as_object();
  EXPECT_FALSE(item.contains("reference"));
  EXPECT_EQ(item.at("identifier").at("value"), "rosa/clinical/1");
  EXPECT_EQ(item.at("display"), "Call the lab");
  EXPECT_EQ(of_type(bundle, "Task").size(), 1u);
}

TEST_F(handoffs_in_fhir, have_no_word_of_anybody_unless_texts_are_asked_for) {
  task("rosa", "Call the lab", chicago(23, 20));
  task("mei", "Weigh her", chicago(23, 18));
  described_both();
  good("nina", offer(handoff()));
  good("tom", open_handoff(handoff()));
  good("tom", decline_patient(handoff(), "mei"));
  good("tom", take_handoff(handoff()));
  said_back("rosa");
  good("nina", correct_synthesis(handoff(), "rosa"));
  good("grace", force_take());
  for (const auto what : {asked::everything, asked::rosa, asked::duty}) {
    const auto text = json::serialize(exported(what, told_texts::none));
    for (const auto* word : {"Rosa", "Mei", "Call", "Weigh", "Third", "Fever", "callback", "sister", "taken ill", "Oncology"}) {
      EXPECT_THAT(text, Not(HasSubstr(word)));
    }
    EXPECT_THAT(text, HasSubstr(R"("valueCode":"watcher")"));
  }
}

TEST(ids_in_fhir, fit_and_differ_however_long_and_alike_the_names_are) {
  const care::place at{v1::STREAM_CLINICAL, 17};
  EXPECT_EQ(fhir::task_id("rosa", at), "rosa.clinical.17");
  const std::string sixty(60, 'a');
  const auto one = fhir::task_id(sixty + "1", at), other = fhir::task_id(sixty + "2", at);
  EXPECT_EQ(one.size(), 64u);
  EXPECT_NE(one, other);
  EXPECT_EQ(one, fhir::task_id(sixty + "1", at));
  // "a.1" and "b", or "a" and "1.b": the same words.
  EXPECT_NE(fhir::id_with_digest("a.1.b", "a.1/b"), fhir::id_from("a.1.b", "a/1.b"));
}

TEST_F(handoffs_in_fhir, texts_are_told_as_xhtml) {
  task("rosa", "Call the lab", chicago(23, 20));
  good("nina", prepare_handoff());
  auto said = describe(handoff(), "rosa", v1::HandoffNote::SEVERITY_WATCHER);
  said.mutable_describe_patient()->mutable_patient()->set_summary("ANC < 0.5 & \"fever\"\nsecond day");
  good("nina", said);
  const auto summary = sections(exported()).at(0).at("section").at(1).at("text").at("div");
  EXPECT_EQ(summary, json::value(R"(<div xmlns="http://www.w3.org/1999/xhtml"><p>ANC &lt; 0.5 &amp; "fever"<br/>second day</p></div>)"));
}

TEST_F(handoffs_in_fhir, are_left_out_by_an_import_with_their_reason) {
  task("rosa", "Call the lab", chicago(23, 20));
  at_stage(5);
  good("nina", confirm(handoff()));
  std::string name = (std::filesystem::temp_directory_path() / "careteam-handoff-XXXXXX").string();
  ASSERT_NE(mkdtemp(name.data()), nullptr);
  const auto file = std::filesystem::path(name) / "bundle.json";
  std::ofstream(file) << json::serialize(exported());
  const auto read = read_all(file);
  std::filesystem::remove_all(name);
  ASSERT_EQ(read.units.size(), 1u) << read.problems();
  EXPECT_TRUE(read.named("Task/handoff.onc-rn.1.code", "is a handoff"));
  EXPECT_TRUE(read.named("PractitionerRole/onc-rn", "is a duty"));
  EXPECT_TRUE(read.named("CareTeam/rosa.participant[1].member", "is a duty")) << read.problems();
  EXPECT_EQ(read.tally.refused.at("Task"), 1u);
  EXPECT_EQ(read.tally.used.at("Task"), 1u) << "what was handed over is a task as ever";
  for (const auto* type : {"List", "Composition", "Provenance"}) EXPECT_EQ(read.tally.unused_types.at(type), 1u) << type;
  for (const auto& step : read.steps()) {
    EXPECT_NE(step.command.add_member().person_id(), "tom") << "who holds the duty is no member by it";
  }
}

}  // namespace
}  // namespace careteam::admin::test

// Messages: anchored to a patient, authored in a role, addressed, prioritised, passed on (A1–A3, A5, A6, A8).
#include "record_fixture.hpp"

namespace careteam::care::fixture {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class chat : public ::testing::Test {
 protected:
  chat() { ward.usual_team(); }
  rosas_record ward;
};

TEST_F(chat, an_entry_says_whose_record_who_in_which_role_when_and_where) {
  ward.now += 5s;
  ASSERT_THAT(ward.does("nina", post(clinical, "ANC 0.72")), accepted());
  const auto& entry = ward.record.last(clinical);
  EXPECT_EQ(entry.patient_id(), "rosa");
  EXPECT_EQ(entry.stream(), clinical);
  EXPECT_EQ(entry.seq(), 1U);
  EXPECT_EQ(to_instant(entry.time()), monday + 5s);
  EXPECT_EQ(entry.author().person_id(), "nina");
  EXPECT_EQ(entry.author().role(), v1::ROLE_ONCOLOGY_NURSE);
  EXPECT_TRUE(entry.author().on_behalf_of().empty());
  EXPECT_EQ(entry.message_posted().content().text(), "ANC 0.72");
  EXPECT_EQ(entry.message_posted().priority(), v1::PRIORITY_ROUTINE) << "never unspecified";
}

TEST_F(chat, a_caregiver_is_attributed_twice) {
  ward.join("luis", v1::ROLE_CAREGIVER, {v1::SCOPE_READ_SHARED, v1::SCOPE_POST_SHARED});
  ASSERT_THAT(ward.does("luis", post(shared)), accepted());
  EXPECT_EQ(ward.record.last(shared).author().person_id(), "luis");
  EXPECT_EQ(ward.record.last(shared).author().on_behalf_of(), "rosa");
}

TEST_F(chat, nothing_clinical_is_said_outside_a_patients_record) {
  const auto result = ward.people.ask(post(clinical), person("alex"), ward.now_context());
  EXPECT_THAT(result, refused_with(code::invalid_argument, "patientId"));
  EXPECT_THAT(ward.does("alex", enroll("x", "X", v1::PERSON_KIND_STAFF)), refused_with(code::invalid_argument, "patientId"));
}

TEST_F(chat, a_command_without_an_action_is_refused) {
  EXPECT_THAT(ward.does("nina", v1::Command{}), refused_with(code::invalid_argument, "action"));
}

// F3: the same command on the same state at the same time gives the same bytes.
TEST_F(chat, deciding_is_a_function_of_its_inputs) {
  const v1::Command command = post(clinical).stat().to(v1::ROLE_PHARMACIST).to("rao");
  const auto one = ward.record.ask(command, person("nina"), ward.now_context());
  const auto two = ward.record.ask(command, person("nina"), ward.now_context());
  ASSERT_THAT(one, accepted());
  ASSERT_EQ(one->size(), two->size());
  EXPECT_EQ(one->front().SerializeAsString(), two->front().SerializeAsString());
}

// A3
TEST_F(chat, a_person_with_two_roles_chooses_one) {
  ward.join("claire", v1::ROLE_PALLIATIVE_CARE);
  EXPECT_THAT(ward.does("claire", post(shared)), refused_with(code::failed_precondition, "actingRole"));
  EXPECT_THAT(ward.does(person("claire", v1::ROLE_SURGEON), post(shared)), refused_with(code::failed_precondition, "actingRole"))
      << "not hers";
  ASSERT_THAT(ward.does(person("claire", v1::ROLE_PALLIATIVE_CARE), post(shared)), accepted());
  EXPECT_EQ(ward.record.last(shared).author().role(), v1::ROLE_PALLIATIVE_CARE);
  ASSERT_THAT(ward.does(person("claire", v1::ROLE_NURSE_PRACTITIONER), post(shared)), accepted());
  EXPECT_EQ(ward.record.last(shared).author().role(), v1::ROLE_NURSE_PRACTITIONER);
}

TEST_F(chat, what_somebody_may_do_follows_from_the_role_in_which_they_act) {
  ward.join("claire", v1::ROLE_PALLIATIVE_CARE);
  EXPECT_THAT(ward.does(person("claire", v1::ROLE_PALLIATIVE_CARE), post(clinical)),
              refused_with(code::permission_denied, "postMessage.stream"));
  EXPECT_THAT(ward.does(person("claire", v1::ROLE_NURSE_PRACTITIONER), post(clinical)), accepted());
  ward.enrolled("tom", v1::PERSON_KIND_STAFF);
  const auto add = add_member(ward.roster_version(), "tom", v1::ROLE_ONCOLOGY_NURSE);
  EXPECT_THAT(ward.does(person("claire", v1::ROLE_PALLIATIVE_CARE), add), refused_with(code::permission_denied, "action"));
  EXPECT_THAT(ward.does(person("claire", v1::ROLE_NURSE_PRACTITIONER), add), accepted());
}

TEST_F(chat, an_administrator_on_a_team_changes_it_as_administrator_only) {
  ward.enrolled("grace", v1::PERSON_KIND_STAFF, true);
  ward.enrolled("tom", v1::PERSON_KIND_STAFF);
  ward.join("grace", v1::ROLE_SOCIAL_WORKER);
  const auto add = add_member(ward.roster_version(), "tom", v1::ROLE_ONCOLOGY_NURSE);
  EXPECT_THAT(ward.does("grace", add), refused_with(code::permission_denied, "action"));
  ASSERT_THAT(ward.does(person("grace", v1::ROLE_ADMINISTRATOR), add), accepted());
  EXPECT_EQ(ward.record.last(shared).author().role(), v1::ROLE_ADMINISTRATOR);
}

TEST_F(chat, choosing_administrator_makes_nobody_one) {
  ward.enrolled("tom", v1::PERSON_KIND_STAFF);
  const auto add = add_member(ward.roster_version(), "tom", v1::ROLE_ONCOLOGY_NURSE);
  EXPECT_THAT(ward.does(person("sam", v1::ROLE_ADMINISTRATOR), add), refused_with(code::permission_denied, "action"));
  EXPECT_EQ(told(ward.does(person("tom", v1::ROLE_ADMINISTRATOR), add)), told(no_such_record()));
}

TEST_F(chat, the_role_is_the_one_of_that_time) {
  ASSERT_THAT(ward.does("nina", post(clinical)), accepted());
  ward.now += 1h;
  ASSERT_THAT(ward.does("alex", change_role(ward.roster_version(), "nina", v1::ROLE_ONCOLOGY_NURSE, v1::ROLE_NURSE_PRACTITIONER)),
              accepted());
  ASSERT_THAT(ward.does("nina", post(clinical)), accepted());
  const auto entries = ward.record.stream(clinical);
  EXPECT_EQ(entries[0].author().role(), v1::ROLE_ONCOLOGY_NURSE);
  EXPECT_EQ(entries[1].author().role(), v1::ROLE_NURSE_PRACTITIONER);
}

// A6
TEST_F(chat, a_role_is_resolved_when_the_message_is_sent) {
  ward.join("tom", v1::ROLE_ONCOLOGY_NURSE);
  ASSERT_THAT(ward.does("rao", post(clinical).to(v1::ROLE_ONCOLOGY_NURSE).to("omar")), accepted());
  const auto& posted = ward.record.last(clinical).message_posted();
  ASSERT_EQ(posted.mentions_size(), 2);
  EXPECT_EQ(posted.mentions(0).role(), v1::ROLE_ONCOLOGY_NURSE);
  EXPECT_THAT(posted.mentions(0).person_id(), ElementsAre("nina", "tom"));
  EXPECT_EQ(posted.mentions(1).role(), v1::ROLE_UNSPECIFIED);
  EXPECT_THAT(posted.mentions(1).person_id(), ElementsAre("omar"));
}

TEST_F(chat, only_who_holds_the_role_now_is_addressed) {
  ward.join_until("tom", v1::ROLE_COUNSELOR, monday + 1h);
  ward.now = monday + 1h;
  EXPECT_THAT(ward.does("rao", post(support).to(v1::ROLE_COUNSELOR)), refused_with(code::not_found, "postMessage.mentions"));
}

TEST_F(chat, only_people_in_the_audience_are_addressed) {
  EXPECT_THAT(ward.does("rao", post(clinical).to("sam")), refused_with(code::not_found, "postMessage.mentions"));
  EXPECT_THAT(ward.does("rao", post(clinical).to("rosa")), refused_with(code::not_found, "postMessage.mentions"));
  EXPECT_THAT(ward.does("rao", post(clinical).to(v1::ROLE_SOCIAL_WORKER)), refused_with(code::not_found, "postMessage.mentions"));
  EXPECT_THAT(ward.does("rao", post(clinical).to(v1::ROLE_UNSPECIFIED)), refused_with(code::not_found, "postMessage.mentions"));
  EXPECT_THAT(ward.does("rao", post(support).to("sam")), accepted());
}

TEST_F(chat, a_suspended_person_is_not_addressed) {
  ward.join("tom", v1::ROLE_ONCOLOGY_NURSE);
  ASSERT_THAT(ward.organization_does("alex", suspend("tom")), accepted());
  EXPECT_THAT(ward.does("rao", post(clinical).to("tom")), refused_with(code::not_found, "postMessage.mentions"));
  ASSERT_THAT(ward.does("rao", post(clinical).to(v1::ROLE_ONCOLOGY_NURSE)), accepted());
  EXPECT_THAT(ward.record.last(clinical).message_posted().mentions(0).person_id(), ElementsAre("nina"));
  ASSERT_THAT(ward.organization_does("alex", suspend("nina")), accepted());
  EXPECT_THAT(ward.does("rao", post(clinical).to(v1::ROLE_ONCOLOGY_NURSE)), refused_with(code::not_found, "postMessage.mentions"));
}

TEST_F(chat, guests_address_people_but_not_staff_groups) {
  ward.join("luis", v1::ROLE_CAREGIVER, {v1::SCOPE_READ_SHARED, v1::SCOPE_POST_SHARED});
  EXPECT_THAT(ward.does("rosa", post(shared).to("nina")), accepted());
  for (const auto* guest : {"rosa", "luis"}) {
    EXPECT_THAT(ward.does(guest, post(shared).to(v1::ROLE_ONCOLOGY_NURSE)), refused_with(code::permission_denied, "postMessage.mentions"));
  }
}

TEST_F(chat, a_mention_names_somebody) {
  auto message = post(clinical);
  message.raw().add_mentions();
  EXPECT_THAT(ward.does("rao", message), refused_with(code::invalid_argument, "postMessage.mentions"));
}

TEST_F(chat, mentions_are_limited) {
  auto message = post(clinical);
  for (int i = 0; i < max_mentions; ++i) message.to("nina");
  EXPECT_THAT(ward.does("rao", message), accepted());
  EXPECT_THAT(ward.does("rao", message.to("omar")), refused_with(code::invalid_argument, "postMessage.mentions"));
}

// A8
TEST_F(chat, asap_and_stat_name_who_must_answer) {
  EXPECT_THAT(ward.does("rao", post(clinical).asap()), refused_with(code::invalid_argument, "postMessage.mentions"));
  EXPECT_THAT(ward.does("rao", post(clinical).stat()), refused_with(code::invalid_argument, "postMessage.mentions"));
  EXPECT_THAT(ward.does("rao", post(clinical).urgent()), accepted());
  EXPECT_THAT(ward.does("rao", post(clinical).asap().to("nina")), accepted());
  EXPECT_EQ(ward.record.last(clinical).message_posted().priority(), v1::PRIORITY_ASAP);
}

TEST_F(chat, nobody_answers_their_own_message) {
  EXPECT_THAT(ward.does("nina", post(clinical).asap().to("nina")), refused_with(code::invalid_argument, "postMessage.mentions"));
  EXPECT_THAT(ward.does("nina", post(clinical).asap().to(v1::ROLE_ONCOLOGY_NURSE)),
              refused_with(code::invalid_argument, "postMessage.mentions"));
  EXPECT_THAT(ward.does("nina", post(clinical).to("nina")), accepted()) << "a routine note to oneself owes nothing";
  ward.join("tom", v1::ROLE_ONCOLOGY_NURSE);
  ASSERT_THAT(ward.does("nina", post(clinical).asap().to(v1::ROLE_ONCOLOGY_NURSE)), accepted());
  EXPECT_THAT(ward.record.last(clinical).message_posted().mentions(0).person_id(), ElementsAre("tom"));
}

TEST_F(chat, who_cannot_acknowledge_is_not_asked_to) {
  ward.join("luis", v1::ROLE_CAREGIVER, {v1::SCOPE_READ_SHARED});
  EXPECT_THAT(ward.does("nina", post(shared).asap().to("luis")), refused_with(code::failed_precondition, "postMessage.mentions"));
  EXPECT_THAT(ward.does("nina", post(shared).to("luis")), accepted());
  ward.join("eva", v1::ROLE_CAREGIVER, {v1::SCOPE_READ_SHARED, v1::SCOPE_ACKNOWLEDGE});
  EXPECT_THAT(ward.does("nina", post(shared).asap().to("eva")), accepted());
}

TEST_F(chat, stat_is_limited_per_sender_and_hour_and_says_when_to_try_again) {
  ward.stat_in_last_hour = 4;
  EXPECT_THAT(ward.does("nina", post(clinical).stat().to("rao")), accepted());
  ward.stat_in_last_hour = 5;
  const auto result = ward.does("nina", post(clinical).stat().to("rao"));
  EXPECT_THAT(result, refused_with(code::resource_exhausted, "postMessage.priority"));
  EXPECT_GT(result.error().retry_after_ms, 0U);
  EXPECT_THAT(ward.does("nina", post(clinical).asap().to("rao")), accepted()) << "only stat is counted";
  ward.stat_per_hour = 6;
  EXPECT_THAT(ward.does("nina", post(clinical).stat().to("rao")), accepted()) << "the limit is configuration";
}

TEST_F(chat, unanswered_messages_are_limited_per_stream) {
  for (std::size_t i = 0; i < max_open_messages; ++i) {
    v1::Entry entry;
    entry.set_stream(clinical);
    entry.mutable_message_posted()->set_priority(v1::PRIORITY_ASAP);
    entry.mutable_message_posted()->add_mentions()->add_person_id("rao");
    v1::Author author;
    author.set_person_id("nina");
    ward.record.append({entry}, author, ward.now);
  }
  EXPECT_THAT(ward.does("nina", post(clinical).asap().to("rao")), refused_with(code::resource_exhausted, "postMessage.priority"));
  EXPECT_THAT(ward.does("nina", post(clinical)), accepted());
  EXPECT_THAT(ward.does("rosa", post(shared).asap().to("nina")), accepted()) << "a stream that Rosa cannot see does not limit her";
}

// A2: what goes from one stream into another must not reach anybody who cannot read the origin.
TEST_F(chat, passing_on_into_a_wider_audience_is_refused) {
  const auto seq = ward.says("nina", post(clinical, "progression"));
  EXPECT_THAT(ward.does("nina", post(shared).passing_on(clinical, seq)),
              refused_with(code::failed_precondition, "postMessage.forwardedFrom"));
  EXPECT_THAT(ward.does("nina", post(support).passing_on(clinical, seq)),
              refused_with(code::failed_precondition, "postMessage.forwardedFrom"));
  EXPECT_THAT(ward.does("nina", post(clinical).passing_on(clinical, seq)), accepted());
}

TEST_F(chat, passing_on_into_a_narrower_audience_is_fine_and_says_where_from) {
  const auto seq = ward.says("rosa", post(shared, "I have a fever"));
  ASSERT_THAT(ward.does("nina", post(clinical).passing_on(shared, seq)), accepted());
  EXPECT_EQ(ward.record.last(clinical).message_posted().forwarded_from().seq(), seq);
  EXPECT_EQ(ward.record.last(clinical).message_posted().forwarded_from().stream(), shared);
}

TEST_F(chat, the_audience_is_of_people_not_of_names_of_streams) {
  const auto seq = ward.says("rosa", post(shared));
  ward.join("lang", v1::ROLE_PATHOLOGIST, {v1::SCOPE_READ_CLINICAL});
  EXPECT_THAT(ward.does("nina", post(clinical).passing_on(shared, seq)),
              refused_with(code::failed_precondition, "postMessage.forwardedFrom"))
      << "the pathologist reads clinical but not shared";
}

TEST_F(chat, what_is_passed_on_exists_and_is_readable) {
  ward.says("nina", post(clinical));
  const auto absent = told(ward.does("sam", post(support).passing_on(support, 99)));
  EXPECT_EQ(told(ward.does("sam", post(support).passing_on(clinical, 1))), absent) << "hidden";
  EXPECT_EQ(told(ward.does("sam", post(support).passing_on(clinical, 99))), absent);
  EXPECT_EQ(told(ward.does("sam", post(support).passing_on(support, 0))), absent) << "there is no entry 0";
  EXPECT_EQ(told(ward.does("sam", post(support).passing_on(audit, 1))), absent);
  EXPECT_EQ(told(ward.does("sam", post(support).passing_on(shared, 1, "mei"))), absent) << "another patient's";
}

TEST_F(chat, replies_stay_in_their_stream_and_answer_a_message) {
  const auto seq = ward.says("nina", post(clinical));
  const auto thread = ward.says("nina", open_thread(clinical));
  EXPECT_THAT(ward.does("rao", post(clinical).answering(seq)), accepted());
  EXPECT_THAT(ward.does("rao", post(clinical).answering(thread)), refused_with(code::not_found, "postMessage.replyToSeq"));
  EXPECT_THAT(ward.does("rao", post(clinical).answering(99)), refused_with(code::not_found, "postMessage.replyToSeq"));
  EXPECT_THAT(ward.does("rao", post(support).answering(seq)), refused_with(code::not_found, "postMessage.replyToSeq"));
}

TEST_F(chat, imported_is_for_imports_and_has_a_possible_time) {
  auto message = post(shared);
  message.raw().mutable_imported()->set_source("Communication/example");
  EXPECT_THAT(ward.does("nina", message), refused_with(code::invalid_argument, "postMessage.imported"));
  actor importer = the_system();
  importer.person_id = "nina";
  importer.chosen_role = v1::ROLE_ONCOLOGY_NURSE;
  EXPECT_THAT(ward.does(importer, message), accepted());
  message.raw().mutable_imported()->mutable_sent()->set_seconds(INT64_MAX);
  EXPECT_THAT(ward.does(importer, message), refused_with(code::invalid_argument, "postMessage.imported.sent"));
  message.raw().mutable_imported()->mutable_sent()->set_seconds(0);
  message.raw().mutable_imported()->set_source(std::string(max_reason_bytes + 1, 'x'));
  EXPECT_THAT(ward.does(importer, message), refused_with(code::invalid_argument, "postMessage.imported.source"));
  EXPECT_THAT(ward.does(importer, post(shared).stat().to("rao")), refused_with(code::invalid_argument, "postMessage.priority"));
}

// F5: what "minus one's own" needs.
TEST_F(chat, a_stream_counts_its_entries_and_who_wrote_them) {
  ward.says("nina", post(clinical));
  ward.says("rao", post(clinical).asap().to("nina"));
  ward.says("nina", acknowledge(clinical, 2));
  const auto& stream = ward.record.state().stream(clinical);
  EXPECT_EQ(stream.head, 3U);
  EXPECT_EQ(stream.authored.at("nina"), 2U);
  EXPECT_EQ(stream.authored.at("rao"), 1U);
  EXPECT_FALSE(stream.authored.contains("rosa"));
}

TEST_F(chat, entries_of_the_system_are_nobodys_own) {
  v1::Entry entry;
  entry.set_stream(audit);
  entry.mutable_session_opened()->set_session_id("s1");
  ward.record.append({entry}, {}, ward.now);
  EXPECT_EQ(ward.record.last(audit).patient_id(), "rosa");
  EXPECT_FALSE(ward.record.state().stream(audit).authored.contains(""));
}

TEST(record_death_test, an_entry_out_of_order_stops_the_process) {
  rosas_record ward;
  record_state state = ward.record.state();
  v1::Entry again = ward.record.log().back();
  EXPECT_DEATH(apply(state, again), "not the next one");
  again.set_seq(again.seq() + 2);
  EXPECT_DEATH(apply(state, again), "not the next one");
  again.set_seq(again.seq() - 1);
  again.set_patient_id("mei");
  EXPECT_DEATH(apply(state, again), "another record");
  again.set_stream(v1::STREAM_UNSPECIFIED);
  EXPECT_DEATH(apply(state, again), "no stream");
}

}  // namespace
}  // namespace careteam::care::fixture

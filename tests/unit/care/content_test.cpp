// Structured messages: what each form needs, and the same as plain text (A5).
#include "care/content.hpp"

#include "record_fixture.hpp"

namespace careteam::care::fixture {
namespace {

outcome<void> check(const v1::Content& content) {
  return check_content(content, "c");
}

v1::Content sbar() {
  v1::Content content;
  content.mutable_sbar()->set_situation("ANC 0.72");
  content.mutable_sbar()->set_background("C2D1 due tonight");
  content.mutable_sbar()->set_assessment("neutropenia");
  content.mutable_sbar()->set_recommendation("hold");
  return content;
}

TEST(content, needs_a_form) {
  EXPECT_THAT(check({}), refused_with(code::invalid_argument, "c"));
  EXPECT_THAT(check(text("words")), accepted());
  EXPECT_THAT(check(text("")), refused_with(code::invalid_argument, "c.text"));
  EXPECT_THAT(check(text(" \t\r\n")), refused_with(code::invalid_argument, "c.text"));
}

TEST(content, sbar_needs_all_four) {
  EXPECT_THAT(check(sbar()), accepted());
  for (const char* field : {"situation", "background", "assessment", "recommendation"}) {
    auto content = sbar();
    const auto* descriptor = v1::Sbar::descriptor()->FindFieldByName(field);
    content.sbar().GetReflection()->SetString(content.mutable_sbar(), descriptor, "  ");
    EXPECT_THAT(check(content), refused_with(code::invalid_argument, std::string("c.sbar.") + field));
  }
}

TEST(content, a_critical_result_names_test_and_value_and_a_possible_time) {
  v1::Content content;
  auto& result = *content.mutable_critical_result();
  EXPECT_THAT(check(content), refused_with(code::invalid_argument, "c.criticalResult.test"));
  result.set_test("ANC");
  EXPECT_THAT(check(content), refused_with(code::invalid_argument, "c.criticalResult.value"));
  result.set_value("0.72 x10^9/L");
  EXPECT_THAT(check(content), accepted());
  result.mutable_resulted_at()->set_seconds(-5'000'000'000);
  EXPECT_THAT(check(content), refused_with(code::invalid_argument, "c.criticalResult.resultedAt"));
}

TEST(content, a_symptom_report_uses_the_scale_from_0_to_4) {
  v1::Content content;
  EXPECT_THAT(check(content), refused_with(code::invalid_argument, "c"));
  auto& report = *content.mutable_symptom_report();
  EXPECT_THAT(check(content), refused_with(code::invalid_argument, "c.symptomReport.items"));
  auto& item = *report.add_items();
  item.set_severity(4);
  EXPECT_THAT(check(content), refused_with(code::invalid_argument, "c.symptomReport.items.term"));
  item.set_term("hand-foot syndrome");
  EXPECT_THAT(check(content), accepted());
  item.set_severity(5);
  EXPECT_THAT(check(content), refused_with(code::invalid_argument, "c.symptomReport.items.severity"));
  item.set_severity(0);
  for (int i = 1; i < max_content_items; ++i) report.add_items()->set_term("pain");
  EXPECT_THAT(check(content), accepted());
  report.add_items()->set_term("one too many");
  EXPECT_THAT(check(content), refused_with(code::invalid_argument, "c.symptomReport.items"));
}

TEST(content, the_other_forms_need_their_parts) {
  v1::Content question;
  question.mutable_question()->set_topic("dose");
  EXPECT_THAT(check(question), refused_with(code::invalid_argument, "c.question.question"));
  question.mutable_question()->set_question("How many tonight?");
  EXPECT_THAT(check(question), accepted());

  v1::Content decision;
  decision.mutable_decision()->set_decision("B");
  EXPECT_THAT(check(decision), refused_with(code::invalid_argument, "c.decision.rationale"));
  decision.mutable_decision()->set_rationale("her goals");
  EXPECT_THAT(check(decision), accepted());
  for (int i = 0; i <= max_content_items; ++i) decision.mutable_decision()->add_options("A");
  EXPECT_THAT(check(decision), refused_with(code::invalid_argument, "c.decision.options"));

  v1::Content substance;
  substance.mutable_substance_report()->set_name("St John's wort");
  EXPECT_THAT(check(substance), refused_with(code::invalid_argument, "c.substanceReport.kind"));
  substance.mutable_substance_report()->set_kind(v1::SubstanceReport::KIND_HERB);
  EXPECT_THAT(check(substance), accepted());

  v1::Content notice;
  notice.mutable_plan_notice()->set_summary("hold");
  EXPECT_THAT(check(notice), refused_with(code::invalid_argument, "c.planNotice.planVersion"));
  notice.mutable_plan_notice()->set_plan_version(8);
  EXPECT_THAT(check(notice), accepted());

  v1::Content note;
  note.mutable_handoff_note()->set_summary("fever");
  EXPECT_THAT(check(note), refused_with(code::invalid_argument, "c.handoffNote.severity"));
  note.mutable_handoff_note()->set_severity(v1::HandoffNote::SEVERITY_WATCHER);
  EXPECT_THAT(check(note), accepted());
  for (int i = 0; i <= max_content_items; ++i) note.mutable_handoff_note()->add_actions("call");
  EXPECT_THAT(check(note), refused_with(code::invalid_argument, "c.handoffNote.actions"));
}

TEST(content, has_a_size) {
  v1::Content content = text(std::string(max_content_bytes - 3, 'x'));
  ASSERT_EQ(content.ByteSizeLong(), max_content_bytes);
  EXPECT_THAT(check(content), accepted());
  content = text(std::string(max_content_bytes - 2, 'x'));
  EXPECT_THAT(check(content), refused_with(code::invalid_argument, "c"));
}

TEST(content, plain_text_is_for_structured_forms_only) {
  EXPECT_EQ(plain_text(text("words")), "");
  EXPECT_EQ(plain_text({}), "");
  EXPECT_EQ(plain_text(sbar()), "Situation: ANC 0.72\nBackground: C2D1 due tonight\nAssessment: neutropenia\nRecommendation: hold");
}

TEST(content, plain_text_leaves_out_nothing_that_was_said) {
  v1::Content content;
  auto& result = *content.mutable_critical_result();
  result.set_test("ANC");
  result.set_value("0.72 x10^9/L");
  result.set_reference_range("1.5-8.0");
  set_timestamp(*result.mutable_resulted_at(), monday);
  EXPECT_EQ(plain_text(content), "Critical result: ANC 0.72 x10^9/L\nNormal range: 1.5-8.0\nResulted: 2026-11-23 10:42 UTC");

  content.mutable_question()->set_topic("dose");
  content.mutable_question()->set_question("How many?");
  EXPECT_EQ(plain_text(content), "Topic: dose\nQuestion: How many?");

  auto& decision = *content.mutable_decision();
  decision.set_decision("B");
  decision.set_rationale("her goals");
  decision.add_options("A");
  decision.add_options("B");
  EXPECT_EQ(plain_text(content), "Decision: B\nReason: her goals\nConsidered: A\nConsidered: B");

  auto& report = *content.mutable_symptom_report();
  report.add_items()->set_term("pain");
  report.mutable_items(0)->set_severity(3);
  report.set_comment("at night");
  EXPECT_EQ(plain_text(content), "pain: 3 of 4\nComment: at night");

  auto& substance = *content.mutable_substance_report();
  substance.set_name("St John's wort");
  substance.set_kind(v1::SubstanceReport::KIND_HERB);
  substance.set_dose("1 a day");
  substance.set_reason("mood");
  EXPECT_EQ(plain_text(content), "Takes: St John's wort (herb)\nDose: 1 a day\nReason: mood");
  substance.set_stopped(true);
  EXPECT_TRUE(plain_text(content).starts_with("No longer takes: St John's wort (herb)"));
  for (const auto& [kind, words] :
       {std::pair{v1::SubstanceReport::KIND_PRESCRIPTION, " (prescribed)"}, std::pair{v1::SubstanceReport::KIND_OTC, " (over the counter)"},
        std::pair{v1::SubstanceReport::KIND_VITAMIN, " (vitamin or mineral)"}, std::pair{v1::SubstanceReport::KIND_OTHER, ""}}) {
    substance.set_kind(kind);
    EXPECT_TRUE(plain_text(content).starts_with("No longer takes: St John's wort" + std::string(words) + "\n")) << words;
  }

  content.mutable_plan_notice()->set_plan_version(8);
  content.mutable_plan_notice()->set_summary("Do not start tonight.");
  EXPECT_EQ(plain_text(content), "Treatment plan: version 8\nSummary: Do not start tonight.");

  auto& note = *content.mutable_handoff_note();
  note.set_severity(v1::HandoffNote::SEVERITY_UNSTABLE);
  note.set_summary("fever 38.4");
  note.add_actions("antibiotics");
  note.add_contingencies("if hypotensive, call");
  EXPECT_EQ(plain_text(content), "Illness severity: unstable\nSummary: fever 38.4\nAction: antibiotics\nIf: if hypotensive, call");
}

TEST(content, the_entry_carries_the_text_beside_the_form_also_after_a_change) {
  rosas_record ward;
  ward.usual_team();
  ASSERT_THAT(ward.does("nina", message(clinical, sbar())), accepted());
  EXPECT_EQ(ward.record.last(clinical).message_posted().text(), plain_text(sbar()));
  auto changed = edit(clinical, 1);
  *changed.mutable_edit_message()->mutable_content() = sbar();
  ASSERT_THAT(ward.does("nina", changed), accepted());
  EXPECT_EQ(ward.record.last(clinical).message_edited().text(), plain_text(sbar()));
}

TEST(content, is_refused_with_the_path_inside_its_command) {
  rosas_record ward;
  ward.usual_team();
  v1::Content half = sbar();
  half.mutable_sbar()->clear_assessment();
  EXPECT_THAT(ward.does("nina", message(clinical, half)), refused_with(code::invalid_argument, "postMessage.content.sbar.assessment"));
}

TEST(content, hostile_text_is_kept_as_it_is) {
  rosas_record ward;
  const std::string hostile = "<script>alert(1)</script>\xE2\x80\xAE'; DROP TABLE entries;--\x1B[31m";
  ASSERT_THAT(ward.does("rosa", post(shared, hostile)), accepted());
  EXPECT_EQ(ward.record.last(shared).message_posted().content().text(), hostile);
}

}  // namespace
}  // namespace careteam::care::fixture

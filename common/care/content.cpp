#include "care/content.hpp"

#include <array>
#include <cstdio>

#include "care/time.hpp"

namespace careteam::care {
namespace {

using v1::Content;

/// Collects the checks of one form: the first failure wins.
class form_check {
 public:
  form_check(std::string_view path, std::string_view form) : prefix_(std::string(path) + "." + std::string(form)) {}
  form_check& required(std::string_view value, std::string_view field) {
    if (value.find_first_not_of(" \t\r\n") == std::string_view::npos) fail(field, "must not be empty");
    return *this;
  }
  form_check& that(bool holds, std::string_view field, std::string_view message) {
    if (!holds) fail(field, message);
    return *this;
  }
  outcome<void> done() const {
    if (failed_) return why_;
    return {};
  }

 private:
  void fail(std::string_view field, std::string_view message) {
    if (failed_) return;
    failed_ = true;
    why_ = refuse(code::invalid_argument, field.empty() ? prefix_ : prefix_ + "." + std::string(field), message);
  }
  std::string prefix_;
  bool failed_ = false;
  refusal why_;
};

void line(std::string& to, std::string_view label, std::string_view value) {
  if (value.empty()) return;
  if (!to.empty()) to += '\n';
  to += label;
  to += ": ";
  to += value;
}

/// "2026-11-23 10:42 UTC"; empty for times that the domain does not know.
std::string minute_text(const google::protobuf::Timestamp& time) {
  const auto t = to_instant(time);
  if (!t) return {};
  const auto day = std::chrono::floor<std::chrono::days>(*t);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{std::chrono::floor<std::chrono::minutes>(*t - day)};
  std::array<char, 32> text{};
  const int size = std::snprintf(text.data(), text.size(), "%04d-%02u-%02u %02d:%02d UTC", static_cast<int>(date.year()),
                                 static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                                 static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()));
  return {text.data(), static_cast<std::size_t>(size)};
}

std::string_view kind_words(v1::SubstanceReport::Kind kind) {
  switch (kind) {
    case v1::SubstanceReport::KIND_PRESCRIPTION:
      return " (prescribed)";
    case v1::SubstanceReport::KIND_OTC:
      return " (over the counter)";
    case v1::SubstanceReport::KIND_HERB:
      return " (herb)";
    case v1::SubstanceReport::KIND_VITAMIN:
      return " (vitamin or mineral)";
    case v1::SubstanceReport::KIND_OTHER:
    case v1::SubstanceReport::KIND_UNSPECIFIED:
    case v1::SubstanceReport_Kind_SubstanceReport_Kind_INT_MIN_SENTINEL_DO_NOT_USE_:
    case v1::SubstanceReport_Kind_SubstanceReport_Kind_INT_MAX_SENTINEL_DO_NOT_USE_:
      break;
  }
  return "";
}

std::string_view severity_word(v1::HandoffNote::Severity severity) {
  switch (severity) {
    case v1::HandoffNote::SEVERITY_STABLE:
      return "stable";
    case v1::HandoffNote::SEVERITY_WATCHER:
      return "watcher";
    case v1::HandoffNote::SEVERITY_UNSTABLE:
      return "unstable";
    case v1::HandoffNote::SEVERITY_UNSPECIFIED:
    case v1::HandoffNote_Severity_HandoffNote_Severity_INT_MIN_SENTINEL_DO_NOT_USE_:
    case v1::HandoffNote_Severity_HandoffNote_Severity_INT_MAX_SENTINEL_DO_NOT_USE_:
      break;
  }
  return "";
}

}  // namespace

outcome<void> check_content(const Content& content, std::string_view path) {
  if (content.ByteSizeLong() > max_content_bytes) return refuse(code::invalid_argument, path, "content is longer than 16 KiB");
  switch (content.form_case()) {
    case Content::kText:
      return form_check(path, "text").required(content.text(), "").done();
    case Content::kSbar:
      return form_check(path, "sbar")
          .required(content.sbar().situation(), "situation")
          .required(content.sbar().background(), "background")
          .required(content.sbar().assessment(), "assessment")
          .required(content.sbar().recommendation(), "recommendation")
          .done();
    case Content::kCriticalResult: {
      const auto& result = content.critical_result();
      return form_check(path, "criticalResult")
          .required(result.test(), "test")
          .required(result.value(), "value")
          .that(!result.has_resulted_at() || to_instant(result.resulted_at()), "resultedAt", "must lie between 1900 and 2200")
          .done();
    }
    case Content::kQuestion:
      return form_check(path, "question").required(content.question().question(), "question").done();
    case Content::kDecision:
      return form_check(path, "decision")
          .required(content.decision().decision(), "decision")
          .required(content.decision().rationale(), "rationale")
          .that(content.decision().options_size() <= max_content_items, "options", "too many")
          .done();
    case Content::kSymptomReport: {
      const auto& items = content.symptom_report().items();
      form_check check(path, "symptomReport");
      check.that(!items.empty(), "items", "needs at least one item").that(items.size() <= max_content_items, "items", "too many");
      for (const auto& item : items) {
        check.required(item.term(), "items.term").that(item.severity() <= 4, "items.severity", "must be 0 to 4 (PRO-CTCAE)");
      }
      return check.done();
    }
    case Content::kSubstanceReport:
      return form_check(path, "substanceReport")
          .required(content.substance_report().name(), "name")
          .that(content.substance_report().kind() != v1::SubstanceReport::KIND_UNSPECIFIED, "kind", "must be set")
          .done();
    case Content::kPlanNotice:
      return form_check(path, "planNotice")
          .required(content.plan_notice().summary(), "summary")
          .that(content.plan_notice().plan_version() > 0, "planVersion", "starts at 1")
          .done();
    case Content::kHandoffNote:
      return form_check(path, "handoffNote")
          .that(content.handoff_note().severity() != v1::HandoffNote::SEVERITY_UNSPECIFIED, "severity", "must be set by a person")
          .required(content.handoff_note().summary(), "summary")
          .that(content.handoff_note().actions_size() <= max_content_items, "actions", "too many")
          .that(content.handoff_note().contingencies_size() <= max_content_items, "contingencies", "too many")
          .done();
    case Content::FORM_NOT_SET:
      break;
  }
  return refuse(code::invalid_argument, path, "needs text or one structured form");
}

std::string plain_text(const Content& content) {
  std::string text;
  switch (content.form_case()) {
    case Content::kText:
    case Content::FORM_NOT_SET:
      break;
    case Content::kSbar:
      line(text, "Situation", content.sbar().situation());
      line(text, "Background", content.sbar().background());
      line(text, "Assessment", content.sbar().assessment());
      line(text, "Recommendation", content.sbar().recommendation());
      break;
    case Content::kCriticalResult:
      line(text, "Critical result", content.critical_result().test() + " " + content.critical_result().value());
      line(text, "Normal range", content.critical_result().reference_range());
      if (content.critical_result().has_resulted_at()) line(text, "Resulted", minute_text(content.critical_result().resulted_at()));
      break;
    case Content::kQuestion:
      line(text, "Topic", content.question().topic());
      line(text, "Question", content.question().question());
      break;
    case Content::kDecision:
      line(text, "Decision", content.decision().decision());
      line(text, "Reason", content.decision().rationale());
      for (const auto& option : content.decision().options()) line(text, "Considered", option);
      break;
    case Content::kSymptomReport:
      for (const auto& item : content.symptom_report().items()) line(text, item.term(), std::to_string(item.severity()) + " of 4");
      line(text, "Comment", content.symptom_report().comment());
      break;
    case Content::kSubstanceReport:
      line(text, content.substance_report().stopped() ? "No longer takes" : "Takes",
           content.substance_report().name() + std::string(kind_words(content.substance_report().kind())));
      line(text, "Dose", content.substance_report().dose());
      line(text, "Reason", content.substance_report().reason());
      break;
    case Content::kPlanNotice:
      line(text, "Treatment plan", "version " + std::to_string(content.plan_notice().plan_version()));
      line(text, "Summary", content.plan_notice().summary());
      break;
    case Content::kHandoffNote:
      line(text, "Illness severity", severity_word(content.handoff_note().severity()));
      line(text, "Summary", content.handoff_note().summary());
      for (const auto& action : content.handoff_note().actions()) line(text, "Action", action);
      for (const auto& contingency : content.handoff_note().contingencies()) line(text, "If", contingency);
      break;
  }
  return text;
}

}  // namespace careteam::care

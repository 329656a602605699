// Who answers for a duty that nobody holds (G7).
#include "care/duty_fallback.hpp"

#include "duty_roster_fixture.hpp"

namespace careteam::care {
namespace {

const instant noon = berlin("2026-11-03T12:00");

duty_roster duty(const std::string& id, const std::string& holder, const std::string& lead, std::vector<std::string> fallbacks) {
  auto roster = empty_roster("Europe/Berlin", id);
  roster.lead = lead;
  roster.fallbacks = std::move(fallbacks);
  if (!holder.empty()) roster.shifts.push_back({"s", holder, {noon, noon + std::chrono::hours{1}}});
  return roster;
}

duty_standings standings(const std::vector<duty_roster>& all) {
  duty_standings result;
  for (const auto& one : all) result[one.duty_id] = {{}, {}, one};
  return result;
}

/// "duty a nobody, lead b not_able, safety taken".
std::string walked(const duty_answer& answer) {
  constexpr std::array rungs{"holder", "duty", "lead", "manager", "safety"};
  constexpr std::array results{"taken", "unknown", "nobody", "unable"};
  std::string text;
  for (const auto& step : answer.path) {
    if (!text.empty()) text += ", ";
    text += rungs.at(static_cast<std::size_t>(step.rung));
    if (!step.duty_id.empty()) text += " " + step.duty_id;
    text += std::string(" ") + results.at(static_cast<std::size_t>(step.result));
  }
  return text;
}

duty_answer ask(const std::vector<duty_roster>& all, const roster_people& people = everybody()) {
  return resolve_with_fallback(standings(all), "a", noon, people, "ines");
}

TEST(duty_fallback, whom_the_roster_names_first) {
  const auto answer = ask({duty("a", "omar", "grace", {"b"}), duty("b", "yuki", "", {})});
  EXPECT_EQ(answer.person, "omar");
  EXPECT_TRUE(answer.covered());
  EXPECT_EQ(answer.path[0].holder.source, "s");
}

TEST(duty_fallback, then_other_duties_in_order_each_followed_by_its_own) {
  const auto answer = ask({duty("a", "", "grace", {"b", "c"}), duty("b", "", "", {"d"}), duty("c", "sam", "", {}), duty("d", "", "", {})});
  EXPECT_EQ(answer.person, "sam");
  EXPECT_EQ(walked(answer), "duty a nobody, duty b nobody, duty d nobody, duty c taken");
  EXPECT_FALSE(answer.covered());
}

TEST(duty_fallback, then_their_leads) {
  const auto answer = ask({duty("a", "mallory", "", {"b"}), duty("b", "", "lena", {})});
  EXPECT_EQ(answer.person, "lena");
  EXPECT_EQ(walked(answer), "duty a unable, duty b nobody, lead a nobody, lead b taken");
}

TEST(duty_fallback, a_lead_who_is_away_or_suspended_is_passed) {
  auto away = duty("a", "", "grace", {"b"});
  away.leaves.push_back({"l", "grace", {noon, noon + std::chrono::hours{1}}, {}, uncovered_turns::accepted});
  const auto answer = ask({away, duty("b", "", "mallory", {})});
  EXPECT_EQ(answer.person, "ines");
  EXPECT_EQ(walked(answer), "duty a nobody, duty b nobody, lead a unable, lead b unable, safety taken");
}

TEST(duty_fallback, circles_and_missing_duties_end_with_the_safety_person) {
  const auto answer = ask({duty("a", "", "", {"b", "gone"}), duty("b", "", "", {"a", "b"})});
  EXPECT_EQ(answer.person, "ines");
  EXPECT_EQ(walked(answer), "duty a nobody, duty b nobody, duty gone unknown, lead a nobody, lead b nobody, safety taken");
  EXPECT_EQ(walked(resolve_with_fallback({}, "a", noon, everybody(), "mallory")), "duty a unknown, safety taken");
}

TEST(duty_fallback, whoever_holds_it_by_an_entry_comes_before_whom_the_roster_names) {
  auto all = standings({duty("a", "omar", "grace", {})});
  all["a"].holder = "yuki";
  const auto held = resolve_with_fallback(all, "a", noon, everybody(), "ines");
  EXPECT_EQ(held.person, "yuki");
  EXPECT_TRUE(held.covered());
  const auto suspended = resolve_with_fallback(all, "a", noon, without("yuki"), "ines");
  EXPECT_EQ(walked(suspended), "holder a unable, duty a taken");
  EXPECT_TRUE(suspended.covered());
  all["a"].holder = "grace";
  EXPECT_EQ(resolve_with_fallback(all, "a", noon, everybody(), "ines").person, "grace") << "a lead who took it need not be eligible";
}

TEST(duty_fallback, the_manager_answers_after_the_lead_and_the_safety_duty_before_the_safety_person) {
  auto all = standings({duty("a", "", "mallory", {}), duty("safety", "", "grace", {"a", "b"}), duty("b", "sam", "", {})});
  EXPECT_EQ(walked(resolve_with_fallback(all, "a", noon, everybody(), "ines")),
            "duty a nobody, lead a unable, duty safety nobody, duty b taken");
  EXPECT_FALSE(resolve_with_fallback(all, "a", noon, everybody(), "ines").covered());
  all["a"].manager = "lena";
  EXPECT_EQ(walked(resolve_with_fallback(all, "a", noon, everybody(), "ines")), "duty a nobody, lead a unable, manager a taken");
}

TEST(duty_fallback, silence_reaches_the_lead_even_where_somebody_holds_it) {
  auto all = standings({duty("a", "omar", "grace", {"b"}), duty("b", "yuki", "lena", {})});
  EXPECT_EQ(walked(resolve_supervisor(all, "a", noon, everybody(), "ines")), "lead a taken");
  EXPECT_EQ(walked(resolve_supervisor(all, "a", noon, without("grace"), "ines")), "lead a unable, lead b taken");
}

}  // namespace
}  // namespace careteam::care

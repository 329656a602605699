// What a duty's roster refuses, each with its field, and that a refusal changes nothing.
#include "care/duty_roster_change.hpp"

#include "duty_roster_fixture.hpp"

namespace careteam::care {
namespace {

using absl::Weekday;

/// The ward with a shift, an override, a swap of the third week and a leave of Yuki's in the second.
duty_roster sample() {
  auto roster = ward();
  accept(roster, roster_shift{"extra", "omar", span("2026-11-10T12:00", "2026-11-10T16:00")});
  accept(roster, roster_override{"storm", "priya", span("2026-11-10T14:00", "2026-11-10T15:00")});
  accept(roster, roster_swap{"trade", {"days", absl::CivilDay(2026, 11, 16)}, {"nights", absl::CivilDay(2026, 11, 16)}});
  accept(roster, roster_leave{"holiday",
                              "yuki",
                              span("2026-11-11T00:00", "2026-11-13T00:00"),
                              {{"sam", span("2026-11-11T00:00", "2026-11-13T00:00")}},
                              uncovered_turns::refused});
  return roster;
}

struct wrong {
  const char* what;
  duty_change change;
  care::code code;
  const char* field;
};

void PrintTo(const wrong& one, std::ostream* out) {
  *out << one.what;
}

constexpr auto bad = code::invalid_argument;
constexpr auto state = code::failed_precondition;

roster_shift shift(const std::string& from, const std::string& until) {
  return {"new", "omar", span(from, until)};
}

/// At 02:00 on Wednesdays of December 2020: meets nothing.
roster_rotation rotation() {
  return {"new", {Weekday::wednesday}, 120, 180, {"omar"}, absl::CivilDay(2020, 12, 2), absl::CivilDay(2020, 12, 30)};
}

template <class Change>
roster_rotation rotation(Change change) {
  auto one = rotation();
  change(one);
  return one;
}

/// Omar's, of a day in his week.
roster_leave leave(std::vector<leave_cover> covers, const std::string& person = "omar") {
  return {"new", person, span("2026-11-03T00:00", "2026-11-04T00:00"), std::move(covers), uncovered_turns::refused};
}

const time_span that_day = span("2026-11-03T00:00", "2026-11-04T00:00");
const time_span morning = span("2026-11-03T00:00", "2026-11-03T12:00");
const roster_turn days_3{"days", absl::CivilDay(2026, 11, 18)};
const roster_turn days_5{"days", absl::CivilDay(2026, 12, 2)};
const roster_turn nights_5{"nights", absl::CivilDay(2026, 12, 2)};

const std::vector<wrong> shifts{
    {"shift without id", roster_shift{"", "omar", morning}, bad, "shift.id"},
    {"shift with a wrong id", roster_shift{"a b", "omar", morning}, bad, "shift.id"},
    {"shift with a rotation's id", roster_shift{"days", "omar", morning}, code::already_exists, "shift.id"},
    {"shift with a leave's id", roster_shift{"holiday", "omar", morning}, code::already_exists, "shift.id"},
    {"shift of no length", shift("2026-11-03T10:00", "2026-11-03T10:00"), bad, "shift.at.end"},
    {"shift that ends before it starts", shift("2026-11-03T10:00", "2026-11-03T09:00"), bad, "shift.at.end"},
    {"shift of years", shift("2026-11-03T10:00", "2028-11-03T10:00"), bad, "shift.at.end"},
    {"shift before 1900", shift("1899-11-03T10:00", "1899-11-03T12:00"), bad, "shift.at"},
    {"shift after 2200", shift("2199-12-31T10:00", "2200-11-03T12:00"), bad, "shift.at"},
    {"shift of nobody", roster_shift{"new", "", morning}, code::not_found, "shift.person"},
    {"shift of a stranger", roster_shift{"new", "eve", morning}, code::not_found, "shift.person"},
    {"shift of somebody suspended", roster_shift{"new", "mallory", morning}, code::not_found, "shift.person"},
    {"shift over a shift", shift("2026-11-10T15:59", "2026-11-10T18:00"), state, "shift.at"},
    {"shift within a shift", shift("2026-11-10T13:00", "2026-11-10T14:00"), state, "shift.at"},
    {"shift of somebody on leave", roster_shift{"new", "yuki", span("2026-11-12T23:00", "2026-11-13T02:00")}, state, "shift.person"},
    {"override of no length", roster_override{"new", "omar", {morning.start, morning.start}}, bad, "override.at.end"},
    {"override of a stranger", roster_override{"new", "eve", morning}, code::not_found, "override.person"},
    {"override over an override", roster_override{"new", "omar", span("2026-11-10T14:30", "2026-11-10T16:00")}, state, "override.at"},
    {"removal of nothing", roster_removal{"new"}, code::not_found, "removal.id"},
    {"removal of what is swapped", roster_removal{"days"}, state, "removal.id"}};

const std::vector<wrong> rotations{
    {"rotation with a taken id", rotation([](auto& r) { r.id = "nights"; }), code::already_exists, "rotation.id"},
    {"rotation on no day", rotation([](auto& r) { r.days.clear(); }), bad, "rotation.days"},
    {"rotation from before midnight", rotation([](auto& r) { r.from = -1; }), bad, "rotation.from"},
    {"rotation from past the day", rotation([](auto& r) { r.from = 1440, r.until = 1500; }), bad, "rotation.from"},
    {"rotation of no length", rotation([](auto& r) { r.until = r.from; }), bad, "rotation.until"},
    {"rotation that ends before it starts", rotation([](auto& r) { r.until = r.from - 60; }), bad, "rotation.until"},
    {"rotation longer than a week", rotation([](auto& r) { r.until = r.from + 10081; }), bad, "rotation.until"},
    {"rotation over itself", rotation([](auto& r) { r.days.insert(Weekday::thursday), r.until = r.from + 1441; }), bad, "rotation.until"},
    {"rotation that ends before it begins", rotation([](auto& r) { r.last = r.first - 1; }), bad, "rotation.last"},
    {"rotation before 1900", rotation([](auto& r) { r.first = absl::CivilDay(1899, 1, 1); }), bad, "rotation.first"},
    {"rotation after 2200", rotation([](auto& r) { r.last = absl::CivilDay(2200, 1, 1); }), bad, "rotation.last"},
    {"rotation of nobody", rotation([](auto& r) { r.people.clear(); }), bad, "rotation.people"},
    {"rotation of a crowd", rotation([](auto& r) { r.people.assign(65, "omar"); }), bad, "rotation.people"},
    {"rotation of a stranger", rotation([](auto& r) { r.people.emplace_back("eve"); }), code::not_found, "rotation.people"},
    {"rotation over a rotation", rotation([](auto& r) { r.last.reset(); }), state, "rotation"},
    {"rotation whose last shift meets a first", rotation([](auto& r) {
       r.days = {Weekday::sunday}, r.first = absl::CivilDay(2026, 10, 25), r.last = absl::CivilDay(2026, 11, 1), r.until = 1921;
     }),
     state, "rotation"}};

const std::vector<wrong> swaps{
    {"swap of nothing", roster_swap{"new", {"none", std::nullopt}, days_5}, code::not_found, "swap.one"},
    {"swap of a rotation without week", roster_swap{"new", {"days", std::nullopt}, nights_5}, code::not_found, "swap.one"},
    {"swap of a shift with a week", roster_swap{"new", days_5, {"extra", absl::CivilDay(2026, 11, 10)}}, code::not_found, "swap.other"},
    {"swap of a week before the first", roster_swap{"new", days_5, {"days", absl::CivilDay(2026, 10, 28)}}, code::not_found, "swap.other"},
    {"swap with itself", roster_swap{"new", days_5, {"days", absl::CivilDay(2026, 12, 3)}}, bad, "swap.other"},
    {"swap of one person's", roster_swap{"new", {"extra", std::nullopt}, {"days", absl::CivilDay(2026, 11, 30)}}, bad, "swap.other"},
    {"swap of what is swapped", roster_swap{"new", days_3, nights_5}, state, "swap.one"},
    {"swap with what is swapped", roster_swap{"new", nights_5, days_3}, state, "swap.other"}};

const std::vector<wrong> leaves{
    {"leave of no length", roster_leave{"new", "omar", {morning.start, morning.start}, {}, {}}, bad, "leave.at.end"},
    {"leave of nobody", leave({}, ""), code::not_found, "leave.person"},
    {"leave of a stranger", leave({}, "eve"), code::not_found, "leave.person"},
    {"leave over leave", roster_leave{"new", "yuki", span("2026-11-12T23:00", "2026-11-14T00:00"), {}, uncovered_turns::accepted}, state,
     "leave.at"},
    {"leave while called in", roster_leave{"new", "priya", span("2026-11-10T14:30", "2026-11-10T15:00"), {}, {}}, state, "leave.at"},
    {"leave with too many covers", leave(std::vector<leave_cover>(33, {"sam", morning})), bad, "leave.covers"},
    {"leave without cover", leave({}), state, "leave.covers"},
    {"leave with cover for half of it", leave({{"sam", morning}}), state, "leave.covers"},
    {"cover of no length", leave({{"sam", {morning.start, morning.start}}}), bad, "leave.covers[0].at.end"},
    {"cover outside the leave", leave({{"sam", span("2026-11-03T12:00", "2026-11-04T00:01")}}), bad, "leave.covers[0].at"},
    {"cover by oneself", leave({{"omar", that_day}}), bad, "leave.covers[0].person"},
    {"cover by a stranger", leave({{"sam", morning}, {"eve", morning}}), code::not_found, "leave.covers[1].person"},
    {"cover over cover", leave({{"sam", morning}, {"yuki", that_day}}), bad, "leave.covers[1].at"},
    {"cover by somebody on leave",
     roster_leave{"new", "sam", span("2026-11-12T20:00", "2026-11-13T08:00"), {{"yuki", span("2026-11-12T23:00", "2026-11-13T08:00")}}, {}},
     state, "leave.covers[0].person"},
    {"leave of who covers", roster_leave{"new", "sam", span("2026-11-11T10:00", "2026-11-11T12:00"), {}, {}}, state, "leave.covers"}};

const std::vector<wrong> terms{
    {"lead without access", roster_terms{{}, "mallory", {}}, code::not_found, "terms.lead"},
    {"fallback to itself", roster_terms{{}, "", {"onc-pharm"}}, bad, "terms.fallbacks"},
    {"fallback twice", roster_terms{{}, "", {"a", "a"}}, bad, "terms.fallbacks"},
    {"fallback without name", roster_terms{{}, "", {""}}, bad, "terms.fallbacks"},
    {"too many fallbacks", roster_terms{{}, "", {"a", "b", "c", "d", "e", "f", "g", "h", "i"}}, bad, "terms.fallbacks"}};

class roster_refusals : public testing::TestWithParam<wrong> {};

TEST_P(roster_refusals, name_the_field_and_change_nothing) {
  const auto& one = GetParam();
  const auto roster = sample();
  const auto why = refused(roster, one.change, everybody());
  ASSERT_TRUE(why);
  EXPECT_EQ(why->code, one.code) << why->field << ": " << why->message;
  EXPECT_EQ(why->field, one.field) << why->message;
  EXPECT_FALSE(why->message.empty());
  EXPECT_EQ(roster, sample());
}

INSTANTIATE_TEST_SUITE_P(of_shifts, roster_refusals, testing::ValuesIn(shifts));
INSTANTIATE_TEST_SUITE_P(of_rotations, roster_refusals, testing::ValuesIn(rotations));
INSTANTIATE_TEST_SUITE_P(of_swaps, roster_refusals, testing::ValuesIn(swaps));
INSTANTIATE_TEST_SUITE_P(of_leaves, roster_refusals, testing::ValuesIn(leaves));
INSTANTIATE_TEST_SUITE_P(of_terms, roster_refusals, testing::ValuesIn(terms));

TEST(roster_changes, what_the_refusals_differ_from_is_taken) {
  for (const duty_change& change :
       std::vector<duty_change>{shift("2026-11-10T16:00", "2026-11-10T18:00"), rotation(), roster_swap{"new", days_5, nights_5},
                                leave({{"sam", that_day}}), roster_override{"new", "omar", span("2026-11-10T15:00", "2026-11-10T16:00")},
                                roster_removal{"trade"}, roster_terms{{{"omar"}, {}}, "grace", {"a", "b"}}}) {
    auto roster = sample();
    accept(roster, change);
    EXPECT_NE(roster, sample());
  }
}

TEST(roster_changes, a_removal_takes_back_what_was_added) {
  auto roster = sample();
  accept(roster, leave({{"sam", that_day}}));
  accept(roster, roster_removal{"new"});
  EXPECT_EQ(roster, sample());
}

TEST(roster_changes, limits) {
  auto roster = sample();
  for (auto i = roster.shifts.size(); i < max_roster_parts; ++i) roster.shifts.push_back({"s" + std::to_string(i), "omar", {}});
  for (auto i = roster.leaves.size(); i < max_roster_leaves; ++i) roster.leaves.push_back({"l" + std::to_string(i), "omar", {}, {}, {}});
  for (auto i = roster.rotations.size(); i < max_roster_rotations; ++i) {
    roster.rotations.push_back(rotation());
    roster.rotations.back().id = "r" + std::to_string(i);
  }
  for (const duty_change& change : std::vector<duty_change>{shift("2026-11-10T16:00", "2026-11-10T18:00"), rotation(), leave({})}) {
    const auto why = refused(roster, change, everybody());
    ASSERT_TRUE(why);
    EXPECT_EQ(why->code, code::resource_exhausted) << why->message;
  }
}

// A leave that was promised to be covered stays so: a later change that would take that away is refused too.
TEST(roster_changes, none_uncovers_a_leave_later) {
  auto roster = sample();
  // Omar's day is held by an override, so his leave needs no cover.
  accept(roster, roster_override{"held", "sam", that_day});
  accept(roster, leave({}));
  const auto why = refused(roster, roster_removal{"held"}, everybody());
  ASSERT_TRUE(why);
  EXPECT_EQ(why->code, state);
  EXPECT_EQ(why->field, "removal");
  EXPECT_THAT(why->message, testing::HasSubstr("2026-11-03 07:00:00 UTC to 2026-11-03 19:00:00 UTC"));

  auto off = sample();
  accept(off, roster_leave{"new", "omar", span("2026-11-30T20:00", "2026-12-01T07:00"), {}, uncovered_turns::refused});
  const auto swapped = refused(off, roster_swap{"late", days_5, nights_5}, everybody());
  ASSERT_TRUE(swapped) << "Omar would have the night in which he is away";
  EXPECT_EQ(swapped->field, "swap");
}

TEST(roster_changes, a_refusal_lists_ten_times_at_most_and_no_names) {
  auto roster = ward();
  roster_leave away{"new", "omar", span("2026-11-02T00:00", "2026-12-02T00:00"), {}, uncovered_turns::refused};
  EXPECT_EQ(uncovered_by(roster, away).size(), 16U);
  const auto why = refused(roster, away, everybody());
  ASSERT_TRUE(why);
  EXPECT_THAT(why->message, testing::HasSubstr(" and 6 more"));
  EXPECT_THAT(why->message, testing::Not(testing::HasSubstr("omar")));
}

TEST(roster_changes, somebody_suspended_may_still_be_on_leave) {
  auto roster = ward();
  const auto why = refused(roster, leave({{"sam", that_day}}), without("omar"));
  EXPECT_FALSE(why);
  EXPECT_TRUE(refused(roster, roster_shift{"new", "omar", morning}, without("omar")));
}

}  // namespace
}  // namespace careteam::care

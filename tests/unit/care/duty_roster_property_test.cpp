// Random rosters: a second, naive reading of the rules agrees minute by minute; gaps, timelines and next changes agree with `resolve`; what
// is refused changes nothing; somebody always answers. A failing seed is printed: CARETEAM_SEED=<it> replays it.
#include <cstdlib>

#include "duty_roster_fixture.hpp"

namespace careteam::care {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

constexpr std::array people{"omar", "yuki", "priya", "sam", "mallory", "eve"};

/// A place and a week around a change of its clock.
struct season {
  const char* zone;
  absl::CivilDay week;
};
const std::array seasons{season{"Europe/Berlin", absl::CivilDay(2026, 3, 26)},
                         season{"Europe/Berlin", absl::CivilDay(2026, 10, 22)},
                         season{"America/Sao_Paulo", absl::CivilDay(2018, 11, 1)},
                         season{"America/Sao_Paulo", absl::CivilDay(2018, 2, 15)},
                         season{"Australia/Lord_Howe", absl::CivilDay(2026, 10, 1)},
                         season{"Australia/Lord_Howe", absl::CivilDay(2026, 4, 2)},
                         season{"America/St_Johns", absl::CivilDay(2009, 10, 29)},
                         season{"Pacific/Apia", absl::CivilDay(2011, 12, 27)},
                         season{"UTC", absl::CivilDay(2026, 12, 28)}};

std::uint64_t fresh_seed() {
  if (const char* given = std::getenv("CARETEAM_SEED"); given != nullptr) return std::strtoull(given, nullptr, 10);
  return std::random_device{}();
}

/// Random changes, of which some are taken and some are refused.
class roster_maker {
 public:
  explicit roster_maker(std::uint64_t seed)
      : random_(seed), season_(seasons.at(below(seasons.size()))), roster_(empty_roster(season_.zone)) {
    begin_ = first_shown(roster_.zone, absl::CivilSecond(season_.week));
  }

  time_span week() const { return {begin_, begin_ + hours{24 * 7}}; }
  const duty_roster& roster() const { return roster_; }
  int taken() const { return taken_; }
  int refusals() const { return refused_; }

  void step() {
    const auto change = any_change();
    const auto before = roster_;
    if (refused(roster_, change, everybody())) {
      ++refused_;
      EXPECT_EQ(roster_, before);
      return;
    }
    ++taken_;
    apply(roster_, change);
    EXPECT_NE(roster_, before);
  }

 private:
  std::size_t below(std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random_); }
  int number(int least, int most) { return std::uniform_int_distribution<int>(least, most)(random_); }
  std::string anybody() { return people.at(below(people.size())); }
  std::string new_id() { return "p" + std::to_string(++ids_); }

  /// Of some hours, now and then of none or less; in quarters of an hour.
  time_span any_time(int most_hours) {
    const auto start = begin_ + minutes{15 * number(-96, 7 * 96)};
    return {start, start + minutes{15 * number(-1, most_hours * 4)}};
  }

  roster_rotation any_rotation() {
    roster_rotation one{new_id(), {}, 15 * number(0, 95), 0, {}, season_.week + number(-20, 4), std::nullopt};
    const int count = number(1, 3);
    for (int i = 0; i < count; ++i) one.days.insert(absl::GetWeekday(season_.week + number(0, 6)));
    one.until = one.from + 15 * (below(6) == 0 ? number(0, 672) : number(0, 64));
    const int crew = number(1, 3);
    for (int i = 0; i < crew; ++i) one.people.emplace_back(people.at(below(4)));
    if (below(3) == 0) one.last = one.first + number(-1, 30);
    return one;
  }

  roster_turn any_turn() {
    if (!roster_.rotations.empty() && below(2) == 0) {
      return {roster_.rotations[below(roster_.rotations.size())].id, season_.week + number(-7, 14)};
    }
    if (roster_.shifts.empty()) return {"none", std::nullopt};
    return {roster_.shifts[below(roster_.shifts.size())].id, std::nullopt};
  }

  roster_leave any_leave() {
    roster_leave one{new_id(), anybody(), any_time(72), {}, below(2) == 0 ? uncovered_turns::accepted : uncovered_turns::refused};
    if (below(3) != 0) {
      const auto middle = one.at.start + (one.at.end - one.at.start) / 2;
      one.covers.push_back({anybody(), {one.at.start, middle}});
      if (below(2) == 0) one.covers.push_back({anybody(), {middle, one.at.end}});
    }
    return one;
  }

  std::string any_id() { return "p" + std::to_string(number(1, std::max(ids_, 1))); }

  duty_change any_change() {
    switch (below(12)) {
      case 0:
      case 1:
        return roster_shift{new_id(), anybody(), any_time(12)};
      case 2:
      case 3:
        return roster_override{new_id(), anybody(), any_time(8)};
      case 4:
      case 5:
        return roster_swap{new_id(), any_turn(), any_turn()};
      case 6:
      case 7:
        return any_leave();
      case 8:
        return roster_removal{any_id()};
      default:
        return any_rotation();
    }
  }

  std::mt19937_64 random_;
  season season_;
  duty_roster roster_;
  instant begin_{};
  int ids_ = 0;
  int taken_ = 0;
  int refused_ = 0;
};

/// The rules once more, written down without any of the product's shortcuts: every shift of every rotation, spelled out.
class naive_reading {
 public:
  explicit naive_reading(const duty_roster& roster, absl::CivilDay around) : roster_(roster) {
    for (const auto& rotation : roster.rotations) {
      for (auto day = around - 40; day < around + 40; ++day) spell_out(rotation, day);
    }
  }

  std::pair<std::string, roster_rule> at(instant t) const {
    for (const auto& one : roster_.overrides) {
      if (one.at.start <= t && t < one.at.end) return {one.person, roster_rule::override};
    }
    for (const auto& one : roster_.shifts) {
      if (one.at.start <= t && t < one.at.end) return after_leave(after_swap({one.id, std::nullopt}, one.person, roster_rule::shift), t);
    }
    for (const auto& one : spelled_) {
      if (one.at.start <= t && t < one.at.end) return after_leave(after_swap({one.id, one.week}, one.person, roster_rule::rotation), t);
    }
    return {"", roster_rule::nobody};
  }

 private:
  struct spelled_shift {
    std::string id;
    std::string person;
    absl::CivilDay week;
    time_span at;
  };

  instant shown(absl::CivilDay day, int minute) const {
    const auto found = roster_.zone.At(absl::CivilSecond(absl::CivilMinute(day) + minute));
    return to_instant(found.kind == absl::TimeZone::TimeInfo::SKIPPED ? found.trans : std::min(found.pre, found.post));
  }

  void spell_out(const roster_rotation& rotation, absl::CivilDay day) {
    if (day < rotation.first || (rotation.last && day > *rotation.last) || !rotation.days.contains(absl::GetWeekday(day))) return;
    const auto monday_before = [](absl::CivilDay any) {
      while (absl::GetWeekday(any) != absl::Weekday::monday) --any;
      return any;
    };
    const auto week = monday_before(day);
    std::size_t turn = 0;
    for (auto w = monday_before(rotation.first); w < week; w += 7) ++turn;
    spelled_.push_back(
        {rotation.id, rotation.people[turn % rotation.people.size()], week, {shown(day, rotation.from), shown(day, rotation.until)}});
  }

  std::string person_of(const roster_turn& turn) const {
    for (const auto& one : roster_.shifts) {
      if (one.id == turn.id) return one.person;
    }
    for (const auto& one : spelled_) {
      if (one.id == turn.id && turn.week == one.week) return one.person;
    }
    return "?";
  }

  std::pair<std::string, roster_rule> after_swap(const roster_turn& turn, const std::string& person, roster_rule rule) const {
    for (const auto& swap : roster_.swaps) {
      if (swap.one == turn) return {person_of(swap.other), roster_rule::swap};
      if (swap.other == turn) return {person_of(swap.one), roster_rule::swap};
    }
    return {person, rule};
  }

  std::pair<std::string, roster_rule> after_leave(std::pair<std::string, roster_rule> who, instant t) const {
    for (const auto& leave : roster_.leaves) {
      if (leave.person != who.first || t < leave.at.start || t >= leave.at.end) continue;
      for (const auto& cover : leave.covers) {
        if (cover.at.start <= t && t < cover.at.end) return after_leave({cover.person, roster_rule::leave_cover}, t);
      }
      return {"", roster_rule::nobody};
    }
    return who;
  }

  const duty_roster& roster_;
  std::vector<spelled_shift> spelled_;
};

const roster_stretch* stretch_at(const std::vector<roster_stretch>& stretches, instant t) {
  const auto found = std::ranges::find_if(stretches, [&](const auto& one) { return one.at.contains(t); });
  return found == stretches.end() ? nullptr : &*found;
}

bool able(const duty_roster& roster, const roster_holder& holder, const roster_people& known) {
  return !holder.person.empty() && known.eligible(roster, holder.person);
}

void every_minute_agrees(const roster_maker& made, std::map<roster_rule, int>& met) {
  const auto& roster = made.roster();
  const naive_reading naive(roster, absl::CivilDay(roster.zone.At(to_absl(made.week().start)).cs));
  const auto known = without("sam");
  const auto stretches = timeline(roster, made.week());
  const auto missing = gaps(roster, made.week(), known);
  auto holder = resolve(roster, made.week().start);
  auto next = next_change(roster, made.week().start);
  for (auto t = made.week().start; t < made.week().end; t += minutes{1}) {
    const auto now = resolve(roster, t);
    ++met[now.rule];
    ASSERT_EQ(std::pair(now.person, now.rule), naive.at(t)) << utc_text(t);
    if (next && t >= *next) {
      holder = now;
      next = next_change(roster, t);
    }
    ASSERT_EQ(now, holder) << "next_change missed " << utc_text(t);
    const auto* stretch = stretch_at(stretches, t);
    ASSERT_NE(stretch, nullptr) << utc_text(t);
    ASSERT_EQ(stretch->holder, now) << utc_text(t);
    ASSERT_EQ(stretch_at(missing, t) == nullptr, able(roster, now, known)) << utc_text(t);
  }
}

void every_boundary_agrees(const roster_maker& made) {
  const auto& roster = made.roster();
  const auto known = without("sam");
  auto expected = made.week().start;
  const roster_holder* before = nullptr;
  const auto stretches = timeline(roster, made.week());
  for (const auto& one : stretches) {
    ASSERT_EQ(one.at.start, expected) << "a hole";
    ASSERT_LT(one.at.start, one.at.end);
    ASSERT_TRUE(before == nullptr || !(*before == one.holder)) << "neighbours differ";
    ASSERT_EQ(resolve(roster, one.at.start), one.holder);
    ASSERT_EQ(resolve(roster, one.at.end - std::chrono::microseconds{1}), one.holder);
    before = &one.holder;
    expected = one.at.end;
  }
  ASSERT_EQ(expected, made.week().end);
  for (const auto& one : gaps(roster, made.week(), known)) {
    ASSERT_FALSE(able(roster, resolve(roster, one.at.start), known));
    ASSERT_FALSE(able(roster, resolve(roster, one.at.end - std::chrono::microseconds{1}), known));
    ASSERT_EQ(resolve(roster, one.at.start), one.holder);
  }
}

/// A leave that accepts none has no turn of its person uncovered.
void no_leave_is_broken(const duty_roster& roster) {
  for (const auto& leave : roster.leaves) {
    if (leave.uncovered == uncovered_turns::accepted) continue;
    for (const auto& one : timeline(roster, leave.at)) {
      ASSERT_FALSE(one.holder.rule == roster_rule::nobody && one.holder.absent == leave.person) << utc_text(one.at.start);
    }
  }
}

/// Three such duties whose fallbacks, holders and managers are drawn at random, circles and duties that there are not among them.
void somebody_answers(const std::vector<duty_roster>& made, const time_span& during, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const std::vector<std::string> duties{"a", "b", "c", "gone"};
  const std::vector<std::string> leads{"", "grace", "mallory", "sam"};
  duty_standings all;
  for (std::size_t i = 0; i < made.size(); ++i) {
    auto roster = made[i];
    roster.duty_id = duties[i];
    roster.lead = leads[random() % leads.size()];
    for (std::size_t n = random() % 4; n > 0; --n) roster.fallbacks.push_back(duties[random() % duties.size()]);
    all[duties[i]] = {leads[random() % leads.size()], leads[random() % leads.size()], roster};
  }
  const auto known = everybody();
  for (const auto& duty : duties) {
    for (auto t = during.start; t < during.end; t += hours{1}) {
      const auto answer = resolve_with_fallback(all, duty, t, known, "ines");
      ASSERT_FALSE(answer.person.empty());
      ASSERT_EQ(answer.path.front().duty_id, duty);
      ASSERT_LE(answer.path.size(), 4 * duties.size() + 1);
      ASSERT_EQ(answer.path.back().holder.person, answer.person);
      for (std::size_t i = 0; i < answer.path.size(); ++i) {
        ASSERT_EQ(answer.path[i].result == rung_result::taken, i + 1 == answer.path.size());
      }
      ASSERT_TRUE(answer.person == "ines" || known.active(answer.person));
    }
  }
}

TEST(duty_roster_property, random_rosters) {
  const auto seed = fresh_seed();
  SCOPED_TRACE("CARETEAM_SEED=" + std::to_string(seed));
  int taken = 0;
  int refusals = 0;
  std::vector<duty_roster> last;
  std::map<roster_rule, int> met;
  for (std::uint64_t round = 0; round < 24 && !testing::Test::HasFatalFailure(); ++round) {
    roster_maker made(seed + round);
    for (int i = 0; i < 120; ++i) made.step();
    every_minute_agrees(made, met);
    every_boundary_agrees(made);
    no_leave_is_broken(made.roster());
    last.push_back(made.roster());
    if (last.size() == 3) {
      somebody_answers(last, made.week(), seed + round);
      last.clear();
    }
    taken += made.taken();
    refusals += made.refusals();
  }
  EXPECT_GT(taken, 300) << "the generator is of use";
  EXPECT_GT(refusals, 300);
  EXPECT_EQ(met.size(), 6U) << "every rule decided somewhere";
  for (const auto& [rule, times] : met) EXPECT_GT(times, 100) << static_cast<int>(rule);
  RecordProperty("taken", taken);
  RecordProperty("refused", refusals);
}

}  // namespace
}  // namespace careteam::care

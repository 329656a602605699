// What other records see of the duties: who has one, who answers when nobody does, who is away.
#include "care/duty_index.hpp"

#include <memory>

#include "duty_fixture.hpp"

namespace careteam::care::fixture {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class duty_indices : public duty_ward {
 protected:
  std::unique_ptr<duty_index> index() const {
    auto made = std::make_unique<duty_index>(people.state().organization, "omar");
    made->put(duty());
    return made;
  }
  /// "nina/grace": who holds it / whom silence reaches.
  static std::string seen(const duty_index& in, instant t) {
    const auto view = in.find("onc-rn", {}, t);
    return view ? view->holder + "/" + view->fallback : "none";
  }
};

TEST_F(duty_indices, whoever_holds_it_has_it_whatever_the_clock_says) {
  EXPECT_EQ(seen(*index(), chicago(23, 8)), "nina/grace");
  EXPECT_EQ(seen(*index(), chicago(23, 23)), "nina/grace") << "the roster names Tom, to whom nobody handed it over";
  EXPECT_THAT(index()->answered_by("nina", now), ElementsAre("onc-rn"));
  EXPECT_THAT(index()->answered_by("grace", now), ElementsAre("onc-rn"));
  EXPECT_THAT(index()->answered_by("tom", now), IsEmpty());
  EXPECT_THAT(index()->answered_by("", now), IsEmpty());
  EXPECT_THAT(index()->find("onc-rn", {}, now)->roles, ElementsAre(v1::ROLE_ONCOLOGY_NURSE));
}

TEST_F(duty_indices, where_nobody_holds_it_the_roster_names_somebody_and_else_the_fallback_answers) {
  auto without_holder = duty();
  without_holder.holder.clear();
  const auto made = index();
  auto& known = *made;
  known.put(without_holder);
  EXPECT_EQ(seen(known, chicago(23, 23)), "tom/grace");
  ASSERT_THAT(organization_does("alex", suspend("tom")), accepted());
  EXPECT_EQ(seen(known, chicago(23, 23)), "/grace") << "nobody covers it";
  ASSERT_THAT(organization_does("alex", suspend("grace")), accepted());
  EXPECT_EQ(seen(known, chicago(23, 23)), "/claire");
  ASSERT_THAT(organization_does("alex", suspend("claire")), accepted());
  EXPECT_EQ(seen(known, chicago(23, 23)), "/omar");
  EXPECT_THAT(known.answered_by("omar", chicago(23, 23)), ElementsAre("onc-rn"));
}

TEST_F(duty_indices, no_lookup_fails) {
  duty_index empty(people.state().organization, "omar");
  EXPECT_EQ(empty.answer("nowhere", {}, now).person, "omar");
  EXPECT_FALSE(empty.find("nowhere", {}, now)) << "but it is said that there is no such duty";
  EXPECT_EQ(duty_index(people.state().organization).answer("nowhere", {}, now).person, "alex")
      << "an administrator, where nobody was named";
  const organization_state nobody;
  EXPECT_EQ(duty_index(nobody).answer("nowhere", {}, now).person, "");
  auto undefined = *new_record("duty/new");
  empty.put(undefined.duty);
  EXPECT_EQ(empty.size(), 0U);
}

TEST_F(duty_indices, who_is_on_leave_and_who_covers) {
  EXPECT_FALSE(index()->absence_of("nina", now));
  good("grace", covered_by(leave(version(), "l", "nina", chicago(23, 9), chicago(23, 18)), "noah", chicago(23, 9), chicago(23, 18)));
  EXPECT_FALSE(index()->absence_of("nina", chicago(23, 10))) << "she has the duty until the leave has taken it from her";
  until(chicago(23, 9));
  const auto away = index()->absence_of("nina", now);
  ASSERT_TRUE(away);
  EXPECT_EQ(away->duty_id, "onc-rn");
  EXPECT_EQ(away->cover, "noah");
  EXPECT_EQ(away->until, chicago(23, 18));
  EXPECT_FALSE(index()->absence_of("noah", now));
  EXPECT_FALSE(index()->absence_of("nina", chicago(23, 18)));
  ASSERT_THAT(organization_does("alex", suspend("noah")), accepted());
  EXPECT_EQ(index()->absence_of("nina", now)->cover, "") << "who has no account covers nobody";
}

}  // namespace
}  // namespace careteam::care::fixture

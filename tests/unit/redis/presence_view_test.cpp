// The merged view without Redis: what one gateway may claim, moment by moment.
#include "redis/presence_view.hpp"

#include <gtest/gtest.h>

#include <random>

namespace careteam::redis {
namespace {

using namespace std::chrono_literals;
using time_point = presence_view::time_point;

constexpr auto lease = 28s;
const time_point start = time_point{} + 1h;

presence_message changes(const std::string& gateway, std::uint64_t sequence, std::vector<presence_change> list) {
  return {presence_kind::changes, gateway, sequence, std::move(list)};
}
presence_message heartbeat(const std::string& gateway, std::uint64_t sequence) {
  return {presence_kind::heartbeat, gateway, sequence, {}};
}

class view : public testing::Test {
 protected:
  /// The gateway becomes known with these people.
  void read(const std::string& gateway, std::uint64_t sequence, presence_view::people people, time_point now = start) {
    seen.reading(gateway);
    EXPECT_FALSE(seen.loaded(gateway, sequence, std::move(people), now + lease));
  }
  std::vector<std::string> changed;
  presence_view seen{lease, [this](const std::string& person) { changed.push_back(person); }};
};

TEST_F(view, a_person_is_online_as_long_as_any_gateway_holds_them) {
  seen.set_local("rosa", true);
  read("b", 0, {"rosa", "ken"});
  EXPECT_EQ(changed, (std::vector<std::string>{"rosa", "ken"}));
  seen.set_local("rosa", false);
  EXPECT_EQ(seen.state("rosa", start), presence_state::online);
  EXPECT_FALSE(seen.apply(changes("b", 1, {{"rosa", false}}), start));
  EXPECT_EQ(seen.state("rosa", start), presence_state::offline);
  EXPECT_EQ(seen.state("ken", start), presence_state::online);
  EXPECT_EQ(changed.size(), 3U);
}

TEST_F(view, repeated_changes_count_once) {
  read("b", 0, {});
  seen.apply(changes("b", 1, {{"ken", true}, {"ken", true}}), start);
  seen.apply(changes("b", 1, {{"ken", true}}), start);
  seen.apply(changes("b", 2, {{"ken", false}}), start);
  EXPECT_EQ(seen.state("ken", start), presence_state::offline);
  seen.set_local("ken", false);
  EXPECT_EQ(seen.online_count(), 0U);
}

TEST_F(view, a_skipped_sequence_asks_for_reading_and_an_old_one_is_ignored) {
  read("b", 5, {"ken"});
  EXPECT_FALSE(seen.apply(changes("b", 4, {{"ken", false}}), start));
  EXPECT_EQ(seen.state("ken", start), presence_state::online);
  EXPECT_TRUE(seen.apply(changes("b", 7, {{"ken", false}}), start));
  EXPECT_FALSE(seen.apply(heartbeat("b", 5), start));
  EXPECT_TRUE(seen.apply(heartbeat("b", 6), start));
}

TEST_F(view, what_arrives_while_reading_is_applied_after_it) {
  EXPECT_TRUE(seen.apply(heartbeat("b", 3), start));
  seen.reading("b");
  EXPECT_FALSE(seen.apply(changes("b", 4, {{"ken", true}}), start));
  EXPECT_FALSE(seen.apply(changes("b", 5, {{"rosa", false}}), start));
  EXPECT_FALSE(seen.loaded("b", 4, {"ken", "rosa"}, start + lease));
  EXPECT_EQ(seen.state("rosa", start), presence_state::offline);
  EXPECT_EQ(seen.state("ken", start), presence_state::online);
  seen.reading("b");
  seen.apply(changes("b", 9, {{"ken", false}}), start);
  EXPECT_TRUE(seen.loaded("b", 5, {"ken"}, start + lease)) << "6 to 8 are missing";
}

TEST_F(view, an_unread_gateway_makes_absence_unknown_but_not_presence) {
  seen.set_local("rosa", true);
  EXPECT_TRUE(seen.apply(heartbeat("b", 0), start));
  EXPECT_EQ(seen.state("ken", start), presence_state::unknown);
  EXPECT_EQ(seen.state("rosa", start), presence_state::online);
  read("b", 0, {});
  EXPECT_EQ(seen.state("ken", start), presence_state::offline);
}

TEST_F(view, a_silent_gateway_is_dead_after_one_lease) {
  read("b", 0, {"ken"});
  seen.apply(heartbeat("b", 0), start + 10s);
  seen.expire(start + 10s + lease - 1ms);
  EXPECT_EQ(seen.state("ken", start + 37s), presence_state::online);
  EXPECT_EQ(seen.next_expiry(), start + 10s + lease);
  seen.expire(start + 10s + lease);
  EXPECT_EQ(seen.state("ken", start + 38s), presence_state::offline);
  EXPECT_EQ(changed.back(), "ken");
}

TEST_F(view, a_gateway_that_stops_in_order_is_gone_at_once) {
  read("b", 0, {"ken"});
  seen.apply({presence_kind::gone, "b", 0, {}}, start);
  EXPECT_EQ(seen.state("ken", start), presence_state::offline);
  EXPECT_TRUE(seen.settled(start));
}

TEST_F(view, after_a_loss_the_gateways_that_lived_have_to_be_found_again_or_run_out) {
  seen.set_local("rosa", true);
  read("b", 0, {"ken"});
  seen.lose_others();
  EXPECT_EQ(seen.state("ken", start), presence_state::unknown);
  seen.not_found("b", start);
  EXPECT_EQ(seen.state("ken", start), presence_state::unknown);
  EXPECT_FALSE(seen.expire(start + lease - 1ms));
  EXPECT_TRUE(seen.expire(start + lease)) << "the moment when unknown becomes offline is told";
  EXPECT_FALSE(seen.expire(start + lease));
  EXPECT_EQ(seen.state("ken", start + lease), presence_state::offline);
  EXPECT_EQ(seen.state("rosa", start + lease), presence_state::online);
}

TEST_F(view, a_wiped_gateway_that_is_still_heard_keeps_its_people) {
  read("b", 2, {"ken"});
  seen.apply({presence_kind::announced, "b", 2, {}}, start);
  seen.reading("b");
  seen.not_found("b", start + lease);
  EXPECT_EQ(seen.state("ken", start), presence_state::online);
}

TEST_F(view, a_wipe_keeps_absence_unknown_for_a_while) {
  seen.unsettled_until(start + 12s);
  EXPECT_EQ(seen.state("ken", start), presence_state::unknown);
  EXPECT_EQ(seen.next_expiry(), start + 12s);
  EXPECT_TRUE(seen.expire(start + 12s));
  EXPECT_EQ(seen.state("ken", start + 12s), presence_state::offline);
  EXPECT_EQ(seen.next_expiry(), time_point::max());
}

TEST_F(view, stays_bounded_and_says_unknown_when_it_cannot_hold_all) {
  for (std::size_t i = 0; i < presence_view::max_gateways; ++i) EXPECT_TRUE(seen.apply(heartbeat("g" + std::to_string(i), 0), start));
  EXPECT_FALSE(seen.apply(heartbeat("one more", 0), start));
  EXPECT_EQ(seen.state("ken", start + 10 * lease), presence_state::unknown);
  seen.expire(start + 10 * lease);
  EXPECT_EQ(seen.next_expiry(), time_point::max());
  // Messages held while reading are bounded as well: then it is read again.
  read("g1", 0, {});
  seen.reading("g1");
  for (std::uint64_t i = 1; i < 1000; ++i) seen.apply(changes("g1", i, {}), start);
  EXPECT_TRUE(seen.loaded("g1", 0, {}, start + lease));
}

/// Random life of three gateways, with lost, late and repeated messages: once everything is read, the view equals the truth.
TEST_F(view, converges_to_the_truth) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  std::map<std::string, presence_view::people> truth{{"a", {}}, {"b", {}}, {"c", {}}};
  std::map<std::string, std::uint64_t> sequence;
  for (const auto& [id, people] : truth) read(id, 0, {});
  for (int step = 0; step < 5000; ++step) {
    const std::string id(1, static_cast<char>('a' + random() % 3));
    const std::string person = "p" + std::to_string(random() % 20);
    const bool online = random() % 2 == 0;
    online ? static_cast<void>(truth[id].insert(person)) : static_cast<void>(truth[id].erase(person));
    const auto message = changes(id, ++sequence[id], {{person, online}});
    if (random() % 10 == 0) continue;  // Lost.
    bool again = seen.apply(message, start);
    if (random() % 10 == 0) again = seen.apply(message, start) || again;
    if (again && random() % 3 == 0) {
      seen.reading(id);
      EXPECT_FALSE(seen.loaded(id, sequence[id], truth[id], start + lease));
    }
  }
  for (const auto& [id, people] : truth) {
    seen.reading(id);
    seen.loaded(id, sequence[id], people, start + lease);
  }
  for (int i = 0; i < 20; ++i) {
    const std::string person = "p" + std::to_string(i);
    const bool online = truth["a"].contains(person) || truth["b"].contains(person) || truth["c"].contains(person);
    EXPECT_EQ(seen.state(person, start), online ? presence_state::online : presence_state::offline) << person;
  }
}

TEST(presence_wire, comes_back_unchanged) {
  const presence_message message{presence_kind::changes, "gate", 77, {{std::string("a\0b", 3), true}, {"ken", false}}};
  const auto back = decode_presence(encode(message));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->gateway, "gate");
  EXPECT_EQ(back->sequence, 77U);
  ASSERT_EQ(back->changes.size(), 2U);
  EXPECT_EQ(back->changes[0].person, std::string("a\0b", 3));
  EXPECT_TRUE(back->changes[0].online);
  EXPECT_FALSE(back->changes[1].online);
}

TEST(presence_wire, refuses_everything_else) {
  const std::string good = encode({presence_kind::changes, "gate", 77, {{"ken", true}}});
  for (std::size_t length = 0; length < good.size(); ++length) EXPECT_FALSE(decode_presence(good.substr(0, length))) << length;
  EXPECT_FALSE(decode_presence(good + "x"));
  EXPECT_FALSE(decode_presence("\x02" + good.substr(1)));
  EXPECT_FALSE(decode_presence(good.substr(0, 1) + "\x09" + good.substr(2)));
  EXPECT_FALSE(decode_presence(encode({presence_kind::heartbeat, "", 1, {}})));
  EXPECT_FALSE(decode_presence(encode({presence_kind::changes, "gate", 1, {{"", true}}})));
  EXPECT_FALSE(decode_presence(encode({presence_kind::changes, "gate", 1, {{std::string(max_person_bytes + 1, 'x'), true}}})));
  std::string huge = encode({presence_kind::changes, "gate", 1, {}});
  huge.replace(huge.size() - 4, 4, "\xff\xff\xff\xff");
  EXPECT_FALSE(decode_presence(huge));
}

}  // namespace
}  // namespace careteam::redis

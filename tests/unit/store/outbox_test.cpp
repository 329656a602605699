// What every store promises of timers and deliveries (store.hpp), on every implementation: written with what causes them, or not at all.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "fixture.hpp"

namespace careteam::store::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr stream_kind shared = 1;
constexpr std::int64_t for_ever = std::int64_t{1} << 60;

class outbox : public testing::TestWithParam<kind_of_store> {
 protected:
  outbox() : place_(GetParam().make()), store_(place_->open(loop_.context())) {}
  ~outbox() override {
    if (store_) loop_.run(store_->close());
  }
  append_result append(std::vector<record_append> records) { return loop_.run(store_->append(std::move(records))).value(); }
  void must_commit(std::vector<record_append> records) { ASSERT_TRUE(std::holds_alternative<committed>(append(std::move(records)))); }

  std::vector<stored_timer> due(std::int64_t until, std::optional<stored_timer> after = {}, std::size_t limit = 100) {
    return loop_.run(store_->due_timers(request::at(until), std::move(after), limit)).value();
  }
  /// As "record id due".
  std::vector<std::string> timers(std::int64_t until = for_ever) {
    std::vector<std::string> all;
    for (const auto& timer : due(until)) {
      all.push_back(timer.record + " " + timer.key.id + " " + std::to_string(timer.key.due.time_since_epoch().count()));
    }
    return all;
  }
  std::optional<instant> next_timer(std::int64_t later_than) { return loop_.run(store_->next_timer(request::at(later_than))).value(); }

  std::vector<stored_delivery> claim(const std::string& worker, std::int64_t now, std::int64_t until, std::vector<std::string> ids = {},
                                     std::size_t limit = 100) {
    return loop_.run(store_->claim_deliveries({worker, request::at(now), request::at(until), std::move(ids), limit})).value();
  }
  std::vector<std::string> claimed_ids(const std::string& worker, std::int64_t now, std::int64_t until, std::vector<std::string> ids = {},
                                       std::size_t limit = 100) {
    std::vector<std::string> all;
    for (const auto& one : claim(worker, now, until, std::move(ids), limit)) all.push_back(one.what.id);
    return all;
  }
  bool outcome(const std::string& id, const std::string& worker, std::uint32_t attempt, delivery_state state, std::int64_t next = 0) {
    return loop_.run(store_->record_outcomes({{id, worker, attempt, state, request::at(next)}})).value().at(0);
  }
  stored_delivery delivery(const std::string& id) { return loop_.run(store_->find_delivery(id)).value().value(); }
  std::optional<instant> next_delivery() { return loop_.run(store_->next_delivery()).value(); }
  void reopen() {
    loop_.run(store_->close());
    store_.reset();
    store_ = place_->open(loop_.context());
  }

  event_loop loop_;
  std::unique_ptr<stored> place_;
  std::unique_ptr<record_store> store_;
};

// ---- timers

TEST_P(outbox, timers_are_due_in_the_order_of_their_time_and_id) {
  must_commit(request("patient/rosa").sets("b", 20).sets("c", 10).sets("a", 20));
  must_commit(request("patient/ben").sets("a", 20).sets("d", 5));
  EXPECT_THAT(timers(), ElementsAre("patient/ben d 5", "patient/rosa c 10", "patient/rosa a 20", "patient/ben a 20", "patient/rosa b 20"));
  EXPECT_THAT(timers(10), ElementsAre("patient/ben d 5", "patient/rosa c 10")) << "until then is inclusive";
  EXPECT_THAT(timers(4), IsEmpty());
}

TEST_P(outbox, a_timer_comes_back_as_it_was_set) {
  must_commit(request("patient/rosa").entry(shared, 1, "a"));
  must_commit(request("patient/rosa", 1).sets("nag", -7).sets(std::string(100, 'x'), 3));
  reopen();
  const auto found = due(for_ever);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].record, "patient/rosa");
  EXPECT_EQ(found[0].key, (timer_key{"nag", request::at(-7)}));
  EXPECT_EQ(found[1].key, (timer_key{std::string(100, 'x'), request::at(3)}));
}

TEST_P(outbox, a_walk_over_timers_neither_skips_nor_repeats_while_they_come_and_go) {
  request many("patient/rosa");
  for (int i = 0; i < 50; ++i) many.sets("t" + std::to_string(i), i / 7);
  must_commit(many);
  std::vector<std::string> seen;
  std::optional<stored_timer> after;
  for (;;) {
    const auto page = due(for_ever, after, 4);
    if (page.empty()) break;
    for (const auto& timer : page) seen.push_back(timer.key.id);
    after = {page.back().record, page.back().key};
    // What the walk stands on goes away; and something comes before it, which it has passed.
    must_commit(request("patient/rosa").fires(page.back().key.id, page.back().key.due.time_since_epoch().count()));
    must_commit(request("patient/rosa").sets("late" + std::to_string(seen.size()), -1));
  }
  EXPECT_EQ(seen.size(), 50u);
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(std::unique(seen.begin(), seen.end()), seen.end());
}

TEST_P(outbox, setting_a_timer_again_moves_it) {
  must_commit(request("patient/rosa").sets("nag", 10));
  must_commit(request("patient/rosa").sets("nag", 30, 10));
  EXPECT_THAT(timers(), ElementsAre("patient/rosa nag 30"));
  must_commit(request("patient/rosa").sets("nag", 30, 30));
  EXPECT_THAT(timers(), ElementsAre("patient/rosa nag 30"));
}

TEST_P(outbox, cancelling_a_timer_that_is_not_there_is_nothing) {
  must_commit(request("patient/rosa").sets("nag", 10).sets("other", 10));
  must_commit(request("patient/rosa").cancels("nag", 10).cancels("nag", 10).cancels("nobody", 1));
  must_commit(request("patient/ben").cancels("other", 10));
  EXPECT_THAT(timers(), ElementsAre("patient/rosa other 10")) << "another record's timer of that name is another timer";
}

TEST_P(outbox, a_timer_fires_once) {
  must_commit(request("patient/rosa").sets("nag", 10));
  must_commit(request("patient/rosa").fires("nag", 10).entry(shared, 1, "nagged"));
  const auto again = std::get<stale_timers>(append(request("patient/rosa", 1).fires("nag", 10).entry(shared, 2, "nagged")));
  EXPECT_EQ(again.record, "patient/rosa");
  EXPECT_THAT(again.gone, ElementsAre(timer_key{"nag", request::at(10)}));
  EXPECT_EQ(loop_.run(store_->head("patient/rosa")).value().version, 1u);
}

TEST_P(outbox, a_timer_that_was_moved_does_not_fire) {
  must_commit(request("patient/rosa").sets("nag", 10));
  must_commit(request("patient/rosa").sets("nag", 30, 10));
  EXPECT_TRUE(std::holds_alternative<stale_timers>(append(request("patient/rosa").fires("nag", 10).entry(shared, 1, "nagged"))));
  EXPECT_THAT(timers(), ElementsAre("patient/rosa nag 30"));
}

TEST_P(outbox, a_firing_timer_may_set_itself_again) {
  must_commit(request("patient/rosa").sets("nag", 10));
  must_commit(request("patient/rosa").fires("nag", 10).sets("nag", 20, 10).entry(shared, 1, "nagged"));
  EXPECT_THAT(timers(), ElementsAre("patient/rosa nag 20"));
}

TEST_P(outbox, of_two_that_fire_a_timer_in_one_turn_one_wins) {
  must_commit(request("patient/rosa").sets("nag", 10));
  std::vector<boost::asio::awaitable<result<append_result>>> work;
  for (int i = 0; i < 2; ++i) work.push_back(store_->append(request("patient/rosa").fires("nag", 10)));
  const auto answers = loop_.run_together(std::move(work));
  EXPECT_TRUE(std::holds_alternative<committed>(answers[0].value()));
  EXPECT_TRUE(std::holds_alternative<stale_timers>(answers[1].value())) << "though nothing moved the record's version";
}

TEST_P(outbox, many_timers_that_are_set_in_one_turn_are_all_there) {
  std::vector<boost::asio::awaitable<result<append_result>>> work;
  std::vector<std::string> expected;
  for (int i = 0; i < 40; ++i) {
    // Not in the order of their time; each record sets two.
    const auto due = i * 7 % 40;
    work.push_back(store_->append(request("patient/" + std::to_string(i)).sets("a", due).sets("b", 100 + due)));
  }
  for (const auto& answer : loop_.run_together(std::move(work))) EXPECT_TRUE(std::holds_alternative<committed>(answer.value()));
  for (int due = 0; due < 40; ++due) {
    // 23 is 7's inverse modulo 40.
    expected.push_back("patient/" + std::to_string(due * 23 % 40) + " a " + std::to_string(due));
  }
  EXPECT_EQ(timers(99), expected);
  EXPECT_EQ(timers().size(), 80u);
}

TEST_P(outbox, what_is_done_to_a_timer_in_the_turn_that_sets_it_comes_after) {
  std::vector<boost::asio::awaitable<result<append_result>>> work;
  work.push_back(store_->append(request("patient/rosa").sets("fired", 10).sets("cancelled", 10).sets("moved", 10).sets("kept", 10)));
  work.push_back(store_->append(request("patient/ben").sets("fired", 10)));
  work.push_back(store_->append(request("patient/rosa").fires("fired", 10).cancels("cancelled", 10).sets("moved", 20, 10)));
  work.push_back(store_->append(request("patient/rosa").fires("fired", 10)));
  const auto answers = loop_.run_together(std::move(work));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(std::holds_alternative<committed>(answers[static_cast<std::size_t>(i)].value()));
  EXPECT_TRUE(std::holds_alternative<stale_timers>(answers[3].value()));
  EXPECT_THAT(timers(), ElementsAre("patient/ben fired 10", "patient/rosa kept 10", "patient/rosa moved 20"));
}

TEST_P(outbox, nothing_is_written_with_a_timer_that_is_gone) {
  must_commit(request("patient/rosa").sets("here", 10).sets("elsewhere", 10));
  must_commit(request("patient/ben").entry(shared, 1, "x"));
  const auto answer = append({request("patient/ben", 1).entry(shared, 2, "y").sets("new", 5).sends("letter", "task").part(),
                              request("patient/rosa").fires("here", 10).fires("gone", 10).command("ana", 1, shared, 0).part()});
  EXPECT_THAT(std::get<stale_timers>(answer).gone, ElementsAre(timer_key{"gone", request::at(10)}));
  EXPECT_THAT(timers(), ElementsAre("patient/rosa elsewhere 10", "patient/rosa here 10"));
  EXPECT_EQ(loop_.run(store_->head("patient/ben")).value().version, 1u);
  EXPECT_FALSE(loop_.run(store_->find_command("ana", request::uuid(1))).value());
  EXPECT_FALSE(loop_.run(store_->find_delivery("letter")).value());
}

TEST_P(outbox, a_conflict_or_a_duplicate_leaves_timers_and_deliveries_alone) {
  must_commit(request("patient/rosa").entry(shared, 1, "a").sets("nag", 10).sends("letter", "task").command("ana", 1, shared, 1));
  EXPECT_TRUE(std::holds_alternative<conflict>(
      append(request("patient/rosa", 0).fires("nag", 10).sets("new", 1).sends("second", "task").quietens("task"))));
  EXPECT_TRUE(std::holds_alternative<duplicates>(
      append(request("patient/rosa", 1).fires("nag", 10).cancels("nag", 10).sets("new", 1).quietens("task").command("ana", 1, shared, 1))));
  EXPECT_THAT(timers(), ElementsAre("patient/rosa nag 10"));
  EXPECT_EQ(delivery("letter").state, delivery_state::waiting);
  EXPECT_FALSE(loop_.run(store_->find_delivery("second")).value());
}

TEST_P(outbox, the_next_timer_is_the_first_one_later_than_a_time) {
  EXPECT_EQ(next_timer(0), std::nullopt);
  must_commit(request("patient/rosa").sets("a", 10).sets("b", 25));
  EXPECT_EQ(next_timer(0), request::at(10));
  EXPECT_EQ(next_timer(10), request::at(25));
  EXPECT_EQ(next_timer(25), std::nullopt);
}

// ---- deliveries

TEST_P(outbox, a_delivery_comes_back_as_it_was_added) {
  must_commit(request("patient/rosa").entry(shared, 1, "a").sends("letter", "task/1", 40));
  reopen();
  const auto found = delivery("letter");
  EXPECT_EQ(found.record, "patient/rosa");
  EXPECT_EQ(found.what.obligation, "task/1");
  EXPECT_EQ(found.what.channel, "email");
  EXPECT_EQ(found.what.recipient, "ana");
  EXPECT_EQ(found.what.priority, 2u);
  EXPECT_EQ(found.what.payload, "opaque");
  EXPECT_EQ(found.what.not_before, request::at(40));
  EXPECT_EQ(found.state, delivery_state::waiting);
  EXPECT_EQ(found.attempts, 0u);
  EXPECT_EQ(found.worker, "");
  EXPECT_FALSE(loop_.run(store_->find_delivery("another")).value());
}

TEST_P(outbox, the_same_delivery_is_added_once) {
  must_commit(request("patient/rosa").sends("letter", "task", 40));
  must_commit(request("patient/rosa").sends("letter", "task", 10).sends("letter", "task", 5));
  EXPECT_EQ(delivery("letter").what.not_before, request::at(40));
  EXPECT_THAT(claimed_ids("w", 50, 60), ElementsAre("letter"));
  EXPECT_TRUE(outcome("letter", "w", 1, delivery_state::sent));
  must_commit(request("patient/rosa").sends("letter", "task"));
  EXPECT_EQ(delivery("letter").state, delivery_state::sent) << "what was sent is not sent again";
}

TEST_P(outbox, deliveries_are_claimed_when_due_the_longest_due_first) {
  must_commit(request("patient/rosa").sends("c", "t", 30).sends("a", "t", 20).sends("b", "t", 20).sends("later", "t", 90));
  EXPECT_EQ(next_delivery(), request::at(20));
  EXPECT_THAT(claimed_ids("w", 19, 50), IsEmpty());
  EXPECT_THAT(claimed_ids("w", 40, 50, {}, 2), ElementsAre("a", "b"));
  EXPECT_THAT(claimed_ids("v", 40, 50), ElementsAre("c")) << "what another has claimed is not free";
  EXPECT_EQ(next_delivery(), request::at(50)) << "then a dead worker's are free again";
}

TEST_P(outbox, a_claim_may_name_its_deliveries) {
  must_commit(request("patient/rosa").sends("a", "t").sends("b", "t").sends("later", "t", 90));
  EXPECT_THAT(claimed_ids("w", 1, 9, {"b", "nobody", "b", "later"}), ElementsAre("b"));
  EXPECT_THAT(claimed_ids("v", 1, 9, {"b"}), IsEmpty());
  EXPECT_THAT(claimed_ids("v", 1, 9, {"a", "b"}, 1), ElementsAre("a"));
}

TEST_P(outbox, what_a_dead_worker_claimed_is_claimed_by_another) {
  must_commit(request("patient/rosa").sends("letter", "task"));
  EXPECT_EQ(claim("dead", 10, 20).at(0).attempts, 1u);
  EXPECT_THAT(claimed_ids("alive", 19, 40), IsEmpty());
  reopen();
  const auto taken = claim("alive", 20, 40);
  ASSERT_EQ(taken.size(), 1u);
  EXPECT_EQ(taken[0].attempts, 2u);
  EXPECT_EQ(taken[0].worker, "alive");
  EXPECT_FALSE(outcome("letter", "dead", 1, delivery_state::failed)) << "whoever was given up on changes nothing";
  EXPECT_FALSE(outcome("letter", "alive", 1, delivery_state::failed)) << "nor does an earlier attempt";
  EXPECT_TRUE(outcome("letter", "alive", 2, delivery_state::sent));
  EXPECT_THAT(claimed_ids("alive", 1'000, 2'000), IsEmpty());
  EXPECT_EQ(next_delivery(), std::nullopt);
}

TEST_P(outbox, a_failed_attempt_waits_for_the_next_one) {
  must_commit(request("patient/rosa").sends("letter", "task"));
  claim("w", 10, 20);
  EXPECT_TRUE(outcome("letter", "w", 1, delivery_state::waiting, 70));
  EXPECT_EQ(next_delivery(), request::at(70));
  EXPECT_THAT(claimed_ids("w", 69, 90), IsEmpty());
  EXPECT_EQ(claim("w", 70, 90).at(0).attempts, 2u);
  EXPECT_TRUE(outcome("letter", "w", 2, delivery_state::failed));
  EXPECT_FALSE(outcome("letter", "w", 2, delivery_state::waiting, 95)) << "failed is final";
  EXPECT_EQ(delivery("letter").state, delivery_state::failed);
}

TEST_P(outbox, a_provider_may_fail_what_it_had_taken) {
  must_commit(request("patient/rosa").sends("letter", "task"));
  claim("w", 10, 20);
  EXPECT_TRUE(outcome("letter", "w", 1, delivery_state::sent));
  EXPECT_FALSE(outcome("letter", "w", 1, delivery_state::waiting, 30)) << "what was sent is not sent again";
  EXPECT_TRUE(outcome("letter", "w", 1, delivery_state::failed));
}

TEST_P(outbox, only_the_record_acknowledges) {
  must_commit(request("patient/rosa").sends("letter", "task"));
  claim("w", 10, 20);
  EXPECT_FALSE(outcome("letter", "w", 1, delivery_state::acknowledged));
}

TEST_P(outbox, an_acknowledgement_quietens_everything_of_an_obligation) {
  must_commit(request("patient/rosa").sends("new", "task").sends("claimed", "task").sends("sent", "task").sends("other", "another task"));
  must_commit(request("patient/ben").sends("ben's", "task"));
  claim("w", 10, 20, {"claimed", "sent"});
  EXPECT_TRUE(outcome("sent", "w", 1, delivery_state::sent));
  must_commit(request("patient/rosa").entry(shared, 1, "acknowledged").quietens("task").sends("thanks", "task"));
  for (const auto* id : {"new", "claimed", "sent"}) EXPECT_EQ(delivery(id).state, delivery_state::acknowledged) << id;
  EXPECT_FALSE(outcome("claimed", "w", 1, delivery_state::failed)) << "acknowledged is final";
  EXPECT_FALSE(outcome("sent", "w", 1, delivery_state::failed));
  EXPECT_THAT(claimed_ids("w", 100, 200), ElementsAre("other", "ben's", "thanks")) << "what was added with it is not about the past";
}

TEST_P(outbox, an_acknowledgement_quietens_what_was_added_before_a_restart) {
  must_commit(request("patient/rosa").sends("waits", "task"));
  must_commit(request("patient/omar").sends("sent", "task"));
  ASSERT_THAT(claimed_ids("w", 1, 10, {"sent"}), ElementsAre("sent"));
  ASSERT_TRUE(outcome("sent", "w", 1, delivery_state::sent));
  reopen();
  must_commit(request("patient/rosa").quietens("task"));
  must_commit(request("patient/omar").quietens("task"));
  must_commit(request("patient/nobody_was_called").entry(shared, 1, "acknowledged").quietens("task"));
  EXPECT_EQ(delivery("waits").state, delivery_state::acknowledged);
  EXPECT_EQ(delivery("sent").state, delivery_state::acknowledged);
}

TEST_P(outbox, what_follows_an_attempt_is_added_with_its_outcome) {
  must_commit(request("patient/rosa").sends("letter.1", "task").sends("letter.1b", "task"));
  claim("w", 10, 20);
  const following_delivery second{"letter.2", "phone", "second", request::at(70)};
  EXPECT_TRUE(loop_.run(store_->record_outcomes({{"letter.1", "w", 1, delivery_state::sent, {}, second}})).value().at(0));
  const auto found = delivery("letter.2");
  EXPECT_EQ(found.record, "patient/rosa");
  EXPECT_EQ(found.what.obligation, "task");
  EXPECT_EQ(found.what.channel, "phone");
  EXPECT_EQ(found.what.recipient, "ana");
  EXPECT_EQ(found.what.priority, 2u);
  EXPECT_EQ(found.what.payload, "second");
  EXPECT_EQ(found.attempts, 0u);
  EXPECT_EQ(next_delivery(), request::at(20)) << "the other one's claim";
  must_commit(request("patient/rosa").entry(shared, 1, "acknowledged").quietens("task"));
  EXPECT_EQ(delivery("letter.2").state, delivery_state::acknowledged);
  const following_delivery third{"letter.3", "phone", "third", request::at(70)};
  EXPECT_FALSE(loop_.run(store_->record_outcomes({{"letter.1b", "w", 1, delivery_state::sent, {}, third}})).value().at(0));
  EXPECT_FALSE(loop_.run(store_->find_delivery("letter.3")).value()) << "nothing follows what is quiet";
}

TEST_P(outbox, what_follows_an_attempt_may_be_for_somebody_else) {
  must_commit(request("patient/rosa").sends("letter.1", "task"));
  claim("w", 10, 20);
  const following_delivery second{"letter.2", "phone", "second", request::at(70), "bob"};
  EXPECT_TRUE(loop_.run(store_->record_outcomes({{"letter.1", "w", 1, delivery_state::failed, {}, second}})).value().at(0));
  EXPECT_EQ(delivery("letter.2").what.recipient, "bob");
  EXPECT_EQ(delivery("letter.2").what.obligation, "task");
  const auto waiting_for = [&](const std::string& person) {
    std::vector<std::string> ids;
    for (const auto& one : loop_.run(store_->deliveries_to(person, 100)).value()) ids.push_back(one.what.id);
    return ids;
  };
  EXPECT_THAT(waiting_for("bob"), ElementsAre("letter.2"));
  EXPECT_THAT(waiting_for("ana"), IsEmpty()) << "what failed waits for nobody";
  must_commit(request("patient/rosa").sends("b", "t", 50).sends("a", "t", 40));
  EXPECT_THAT(waiting_for("ana"), ElementsAre("a", "b"));
  EXPECT_THAT(waiting_for("nobody"), IsEmpty());
}

TEST_P(outbox, a_claim_in_which_nothing_was_tried_is_no_attempt) {
  must_commit(request("patient/rosa").sends("letter", "task"));
  claim("w", 10, 20);
  EXPECT_TRUE(loop_.run(store_->record_outcomes({{"letter", "w", 1, delivery_state::waiting, request::at(70), {}, false}})).value().at(0));
  EXPECT_EQ(delivery("letter").attempts, 0u);
  EXPECT_EQ(delivery("letter").worker, "") << "nobody has it: `careteam verify` looks for that";
  EXPECT_EQ(next_delivery(), request::at(70));
  EXPECT_FALSE(outcome("letter", "w", 1, delivery_state::sent)) << "it is nobody's now";
  EXPECT_THAT(claim("v", 70, 80).at(0).attempts, 1u);
}

TEST_P(outbox, what_is_not_due_may_be_claimed_by_name_while_nobody_has_it) {
  must_commit(request("patient/rosa").sends("later", "t", 90).sends("tried", "t").sends("other", "t", 90));
  claim("w", 1, 95, {"tried"});
  const auto early = [&](const std::string& worker) {
    std::vector<std::string> ids;
    delivery_claim claim{worker, request::at(2), request::at(50), {"later", "tried"}, 10, true};
    for (const auto& one : loop_.run(store_->claim_deliveries(std::move(claim))).value()) ids.push_back(one.what.id);
    return ids;
  };
  EXPECT_THAT(early("v"), ElementsAre("later"));
  EXPECT_THAT(early("u"), IsEmpty());
  EXPECT_EQ(delivery("other").attempts, 0u);
}

TEST_P(outbox, what_is_done_is_taken_off_after_a_time) {
  request many("patient/rosa");
  for (int i = 0; i < 1'500; ++i) many.sends("d" + std::to_string(i), i % 2 == 0 ? "even" : "odd", 10);
  must_commit(many);
  must_commit(request("patient/rosa").quietens("even"));
  claim("w", 10, 20, {"d1"});
  EXPECT_TRUE(outcome("d1", "w", 1, delivery_state::sent, 100));
  std::uint64_t removed = 0;
  delivery_cleaning step{request::at(100), 0};
  int steps = 0;
  do {
    const auto cleaned = loop_.run(store_->clean_deliveries(step)).value();
    removed += cleaned.removed;
    step.after = cleaned.after;
    ++steps;
  } while (step.after != 0);
  EXPECT_EQ(removed, 750u);
  EXPECT_EQ(steps, 2);
  EXPECT_FALSE(loop_.run(store_->find_delivery("d0")).value());
  EXPECT_EQ(delivery("d1").state, delivery_state::sent) << "not yet";
  EXPECT_EQ(delivery("d3").state, delivery_state::waiting) << "what waits stays";
  EXPECT_EQ(loop_.run(store_->clean_deliveries({request::at(101), 0})).value().removed, 1u);
}

TEST_P(outbox, an_outcome_of_nobody_s_delivery_does_not_count) {
  EXPECT_FALSE(outcome("nobody", "w", 1, delivery_state::sent));
  must_commit(request("patient/rosa").sends("letter", "task"));
  EXPECT_FALSE(outcome("letter", "", 0, delivery_state::sent)) << "nobody has claimed it";
}

TEST_P(outbox, after_close_everything_is_refused) {
  loop_.run(store_->close());
  EXPECT_EQ(loop_.run(store_->due_timers(request::at(0), std::nullopt, 1)).error(), errc::shutting_down);
  EXPECT_EQ(loop_.run(store_->next_timer(request::at(0))).error(), errc::shutting_down);
  EXPECT_EQ(loop_.run(store_->claim_deliveries({"w", request::at(0), request::at(1), {}, 1})).error(), errc::shutting_down);
  EXPECT_EQ(loop_.run(store_->record_outcomes({{"a", "w", 1, delivery_state::sent, {}}})).error(), errc::shutting_down);
  EXPECT_EQ(loop_.run(store_->next_delivery()).error(), errc::shutting_down);
  EXPECT_EQ(loop_.run(store_->find_delivery("a")).error(), errc::shutting_down);
}

class outbox_death : public outbox {};

TEST_P(outbox_death, what_is_too_large_is_a_bug) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(append(request("patient/rosa").sets(std::string(101, 'x'), 1)), "1 to 100 bytes");
  EXPECT_DEATH(append(request("patient/rosa").sends("", "task")), "1 to 100 bytes");
  EXPECT_DEATH(claim("w", 0, 1, {}, 1'001), "at most 1,000 deliveries");
  EXPECT_DEATH(claim("w", 1, 1), "a claim ends after it began");
}

INSTANTIATE_TEST_SUITE_P(all, outbox, testing::ValuesIn(kinds_of_store()), [](const auto& each) { return each.param.name; });
INSTANTIATE_TEST_SUITE_P(all, outbox_death, testing::ValuesIn(kinds_of_store()), [](const auto& each) { return each.param.name; });

}  // namespace
}  // namespace careteam::store::test

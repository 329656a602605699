// What every store promises (store.hpp), on every implementation.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <ranges>

#include "fixture.hpp"
#include "store/chain.hpp"

namespace careteam::store::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr stream_kind shared = 1;
constexpr stream_kind clinical = 2;

class conformance : public testing::TestWithParam<kind_of_store> {
 protected:
  conformance() : place_(GetParam().make()), store_(place_->open(loop_.context())) {}
  ~conformance() override {
    if (store_) loop_.run(store_->close());
  }

  append_result append(std::vector<record_append> records) { return loop_.run(store_->append(std::move(records))).value(); }
  committed must_commit(std::vector<record_append> records) { return std::get<committed>(append(std::move(records))); }
  record_head head(const record_key& record) { return loop_.run(store_->head(record)).value(); }
  std::vector<stored_entry> record(const record_key& key, std::uint64_t after, std::size_t max_bytes = unlimited) {
    return loop_.run(store_->read_record(key, after, max_bytes)).value();
  }
  std::vector<stored_entry> stream(const record_key& key, stream_kind kind, std::uint64_t from, std::uint64_t to,
                                   std::size_t max_bytes = unlimited) {
    return loop_.run(store_->read_stream(key, kind, from, to, max_bytes)).value();
  }
  std::vector<cursor> move(std::vector<cursor_move> moves) { return loop_.run(store_->move_cursors(std::move(moves))).value(); }
  std::optional<command_record> find(const std::string& actor, std::uint8_t id) {
    return loop_.run(store_->find_command(actor, request::uuid(id))).value();
  }
  void reopen() {
    loop_.run(store_->close());
    store_.reset();
    store_ = place_->open(loop_.context());
  }

  event_loop loop_;
  std::unique_ptr<stored> place_;
  std::unique_ptr<record_store> store_;
};

std::vector<std::string> texts(const std::vector<stored_entry>& entries) {
  std::vector<std::string> all;
  for (const auto& entry : entries) all.push_back(entry.bytes);
  return all;
}

std::vector<std::uint64_t> seqs(const std::vector<stored_entry>& entries) {
  std::vector<std::uint64_t> all;
  for (const auto& entry : entries) all.push_back(entry.seq);
  return all;
}

TEST_P(conformance, an_unknown_record_has_version_0_and_nothing_in_it) {
  EXPECT_EQ(head("patient/nobody").version, 0u);
  EXPECT_THAT(head("patient/nobody").streams, IsEmpty());
  EXPECT_THAT(record("patient/nobody", 0), IsEmpty());
  EXPECT_THAT(stream("patient/nobody", shared, 1, 10), IsEmpty());
  EXPECT_FALSE(find("nobody", 1));
  EXPECT_THAT(loop_.run(store_->records_of("nobody")).value(), IsEmpty());
  EXPECT_THAT(loop_.run(store_->read_about("patient/nobody", shared, 1)).value(), IsEmpty());
}

TEST_P(conformance, versions_order_the_entries_of_all_streams) {
  must_commit(request("patient/rosa").entry(shared, 1, "a").entry(clinical, 1, "b").entry(shared, 2, "c"));
  must_commit(request("patient/rosa", 3).entry(clinical, 2, "d"));
  EXPECT_EQ(head("patient/rosa").version, 4u);
  EXPECT_THAT(texts(record("patient/rosa", 0)), ElementsAre("a", "b", "c", "d"));
  EXPECT_THAT(texts(record("patient/rosa", 2)), ElementsAre("c", "d"));
  EXPECT_THAT(texts(record("patient/rosa", 4)), IsEmpty());
  const auto all = record("patient/rosa", 0);
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i].version, i + 1);
  EXPECT_THAT(texts(stream("patient/rosa", shared, 1, 9)), ElementsAre("a", "c"));
  EXPECT_THAT(seqs(stream("patient/rosa", clinical, 2, 2)), ElementsAre(2));
}

TEST_P(conformance, heads_carry_the_chain) {
  const auto first = must_commit(request("patient/rosa").entry(shared, 1, "a").entry(shared, 2, std::string("\0b", 2)));
  chain_hasher hasher;
  const auto expected = hasher.next(hasher.next(chain_value{}, "a"), std::string_view("\0b", 2));
  ASSERT_EQ(first.heads.size(), 1u);
  ASSERT_EQ(first.heads[0].size(), 1u);
  EXPECT_EQ(first.heads[0][0].head, 2u);
  EXPECT_EQ(first.heads[0][0].chain, expected);
  EXPECT_EQ(head("patient/rosa").streams.at(0).chain, expected);
  const auto second = must_commit(request("patient/rosa", 2).entry(clinical, 1, ""));
  ASSERT_EQ(second.heads[0].size(), 1u) << "only touched streams are answered";
  EXPECT_EQ(second.heads[0][0].stream, clinical);
  EXPECT_EQ(second.heads[0][0].chain, hasher.next(chain_value{}, ""));
}

TEST_P(conformance, an_empty_entry_is_an_entry) {
  must_commit(request("patient/rosa").entry(shared, 1, ""));
  EXPECT_THAT(texts(record("patient/rosa", 0)), ElementsAre(""));
}

TEST_P(conformance, a_stale_version_is_a_conflict_and_writes_nothing) {
  must_commit(request("patient/rosa").entry(shared, 1, "a"));
  const auto late = std::get<conflict>(append(request("patient/rosa", 0).entry(shared, 1, "b").command("ana", 1, shared, 1).member("ana")));
  EXPECT_EQ(late.record, "patient/rosa");
  EXPECT_EQ(late.version, 1u);
  EXPECT_FALSE(find("ana", 1));
  EXPECT_THAT(texts(record("patient/rosa", 0)), ElementsAre("a"));
  EXPECT_THAT(loop_.run(store_->records_of("ana")).value(), IsEmpty());
  const auto early = std::get<conflict>(append(request("patient/rosa", 7).entry(shared, 8, "b")));
  EXPECT_EQ(early.version, 1u);
}

TEST_P(conformance, a_request_over_two_records_is_all_or_nothing) {
  must_commit(request("patient/ben").entry(shared, 1, "x"));
  const auto late = append({request("patient/rosa").entry(shared, 1, "a").command("ana", 1, shared, 1).part(),
                            request("patient/ben", 0).entry(shared, 1, "b").part()});
  EXPECT_EQ(std::get<conflict>(late).record, "patient/ben");
  EXPECT_EQ(head("patient/rosa").version, 0u);
  EXPECT_FALSE(find("ana", 1));
  const auto both =
      must_commit({request("patient/rosa").entry(shared, 1, "a").part(), request("patient/ben", 1).entry(shared, 2, "b").part()});
  ASSERT_EQ(both.heads.size(), 2u);
  EXPECT_EQ(both.heads[0][0].head, 1u);
  EXPECT_EQ(both.heads[1][0].head, 2u);
}

TEST_P(conformance, a_command_is_remembered_and_known_the_second_time) {
  must_commit(request("patient/rosa").entry(shared, 1, "a").command("ana", 1, shared, 1, 42));
  const auto stored = find("ana", 1);
  ASSERT_TRUE(stored);
  EXPECT_EQ(stored->digest, request::uuid(42));
  EXPECT_EQ(stored->seq, 1u);
  EXPECT_FALSE(find("ben", 1)) << "another actor's id is another command";

  const auto again = std::get<duplicates>(append(request("patient/rosa", 1)
                                                     .entry(shared, 2, "b")
                                                     .entry(shared, 3, "c")
                                                     .command("ana", 2, shared, 2)
                                                     .command("ana", 1, shared, 3, 43)
                                                     .command("ben", 1, shared, 3)));
  ASSERT_EQ(again.known.size(), 1u);
  EXPECT_EQ(again.known[0].actor, "ana");
  EXPECT_EQ(again.known[0].id, request::uuid(1));
  EXPECT_EQ(again.known[0].digest, request::uuid(42)) << "as stored, not as sent";
  EXPECT_EQ(again.known[0].seq, 1u);
  EXPECT_EQ(head("patient/rosa").version, 1u);
  EXPECT_FALSE(find("ana", 2)) << "what the request had written before is undone";
  EXPECT_FALSE(find("ben", 1)) << "and what it would have written after";
  must_commit(request("patient/rosa", 1).entry(shared, 2, "b").command("ana", 2, shared, 2));
}

TEST_P(conformance, a_command_is_known_whatever_record_it_comes_with) {
  must_commit(request("patient/rosa").entry(shared, 1, "a").command("ana", 1, shared, 1));
  EXPECT_TRUE(std::holds_alternative<duplicates>(append(request("patient/ben").entry(shared, 1, "a").command("ana", 1, shared, 1))));
  EXPECT_EQ(head("patient/ben").version, 0u);
}

TEST_P(conformance, commands_alone_are_remembered) {
  must_commit(request("patient/rosa").command("ana", 1, shared, 0));
  EXPECT_EQ(head("patient/rosa").version, 0u);
  ASSERT_TRUE(find("ana", 1));
  EXPECT_EQ(find("ana", 1)->seq, 0u);
  must_commit(request("patient/rosa").entry(shared, 1, "a"));
}

TEST_P(conformance, of_two_requests_in_one_turn_one_wins) {
  std::vector<boost::asio::awaitable<result<append_result>>> work;
  work.push_back(store_->append(request("patient/rosa").entry(shared, 1, "a")));
  work.push_back(store_->append(request("patient/rosa").entry(shared, 1, "b")));
  const auto answers = loop_.run_together(std::move(work));
  const auto wins = std::ranges::count_if(answers, [](const auto& answer) { return std::holds_alternative<committed>(*answer); });
  const auto conflicts = std::ranges::count_if(answers, [](const auto& answer) { return std::holds_alternative<conflict>(*answer); });
  EXPECT_EQ(wins, 1);
  EXPECT_EQ(conflicts, 1);
  EXPECT_EQ(record("patient/rosa", 0).size(), 1u);
}

TEST_P(conformance, a_command_sent_twice_in_one_turn_has_one_effect) {
  std::vector<boost::asio::awaitable<result<append_result>>> work;
  for (const auto* key : {"patient/rosa", "patient/ben", "patient/eva"}) {
    work.push_back(store_->append(request(key).entry(shared, 1, "a").command("ana", 1, shared, 1)));
  }
  work.push_back(store_->append(request("patient/tom").entry(shared, 1, "t").command("tom", 1, shared, 1)));
  const auto answers = loop_.run_together(std::move(work));
  const auto effects = head("patient/rosa").version + head("patient/ben").version + head("patient/eva").version;
  EXPECT_EQ(effects, 1u);
  EXPECT_EQ(std::ranges::count_if(answers, [](const auto& answer) { return std::holds_alternative<duplicates>(*answer); }), 2);
  EXPECT_TRUE(std::holds_alternative<committed>(*answers[3])) << "others in the turn are not affected";
  EXPECT_EQ(head("patient/tom").version, 1u);
}

TEST_P(conformance, many_hosts_in_one_turn) {
  constexpr int hosts = 300;
  std::vector<boost::asio::awaitable<result<append_result>>> work;
  for (int i = 0; i < hosts; ++i)
    work.push_back(store_->append(request("patient/" + std::to_string(i)).entry(shared, 1, std::to_string(i))));
  for (const auto& answer : loop_.run_together(std::move(work))) EXPECT_TRUE(std::holds_alternative<committed>(*answer));
  for (int i = 0; i < hosts; ++i) EXPECT_THAT(texts(record("patient/" + std::to_string(i), 0)), ElementsAre(std::to_string(i)));
}

TEST_P(conformance, reads_stop_at_max_bytes_but_give_at_least_one_entry) {
  must_commit(request("patient/rosa").entry(shared, 1, "aaaa").entry(shared, 2, "bbbb").entry(shared, 3, "cccc"));
  EXPECT_THAT(texts(record("patient/rosa", 0, 8)), ElementsAre("aaaa", "bbbb"));
  EXPECT_THAT(texts(record("patient/rosa", 1, 0)), ElementsAre("bbbb"));
  EXPECT_THAT(texts(stream("patient/rosa", shared, 1, 3, 7)), ElementsAre("aaaa"));
  EXPECT_THAT(texts(stream("patient/rosa", shared, 2, 3, 0)), ElementsAre("bbbb"));
  EXPECT_THAT(texts(stream("patient/rosa", shared, 3, 2)), IsEmpty());
  EXPECT_THAT(texts(stream("patient/rosa", shared, 4, 9)), IsEmpty());
  EXPECT_THAT(texts(stream("patient/rosa", shared, 0, ~0ull)), ElementsAre("aaaa", "bbbb", "cccc"));
}

TEST_P(conformance, about_finds_an_entry_and_its_amendments) {
  must_commit(request("patient/rosa").entry(shared, 1, "says").entry(shared, 2, "other").entry(shared, 3, "corrects", "ana", 1));
  must_commit(request("patient/rosa", 3).entry(clinical, 1, "elsewhere").entry(shared, 4, "retracts", "ana", 1));
  const auto about = [&](std::uint64_t seq) { return texts(loop_.run(store_->read_about("patient/rosa", shared, seq)).value()); };
  EXPECT_THAT(about(1), ElementsAre("says", "corrects", "retracts"));
  EXPECT_THAT(about(2), ElementsAre("other"));
  EXPECT_THAT(about(5), IsEmpty());
  EXPECT_THAT(about(0), IsEmpty());
}

TEST_P(conformance, the_newest_snapshot_counts) {
  must_commit(request("patient/rosa").entry(shared, 1, "a").snapshot("one"));
  must_commit(request("patient/rosa", 1).entry(shared, 2, "b"));
  EXPECT_EQ(head("patient/rosa").snapshot_version, 1u);
  EXPECT_EQ(head("patient/rosa").snapshot, "one");
  must_commit(request("patient/rosa", 2).entry(shared, 3, "c").snapshot("three"));
  EXPECT_EQ(head("patient/rosa").snapshot_version, 3u);
  EXPECT_EQ(head("patient/rosa").snapshot, "three");
}

TEST_P(conformance, memberships_come_and_go) {
  must_commit(request("patient/rosa").entry(shared, 1, "a").member("ana").member("ben"));
  must_commit(request("patient/eva").entry(shared, 1, "a").member("ana"));
  must_commit(request("duty/days").entry(shared, 1, "a").member("ana").member("ana"));
  EXPECT_THAT(loop_.run(store_->records_of("ana")).value(), ElementsAre("duty/days", "patient/eva", "patient/rosa"));
  must_commit(request("patient/eva", 1).entry(shared, 2, "b").no_member("ana").no_member("nobody"));
  EXPECT_THAT(loop_.run(store_->records_of("ana")).value(), ElementsAre("duty/days", "patient/rosa"));
  EXPECT_THAT(loop_.run(store_->records_of("ben")).value(), ElementsAre("patient/rosa"));
}

TEST_P(conformance, cursors_only_move_forward_and_stay_within_the_stream) {
  request three("patient/rosa");
  three.entry(shared, 1, "a", "ana").entry(shared, 2, "b", "ben").entry(shared, 3, "c", "ana");
  must_commit(three);
  auto now =
      move({{.record = "patient/rosa", .stream = shared, .person = "ana", .device = "phone", .received = 2, .displayed = 2, .read = 1}});
  ASSERT_EQ(now.size(), 1u);
  EXPECT_EQ(now[0].displayed, 2u);
  EXPECT_EQ(now[0].read, 1u);
  EXPECT_EQ(now[0].read_own, 1u);
  now = move({{.record = "patient/rosa", .stream = shared, .person = "ana", .device = "", .received = 0, .displayed = 1, .read = 0}});
  EXPECT_EQ(now[0].displayed, 2u) << "never back";
  EXPECT_EQ(now[0].read, 1u) << "0 leaves it";
  now = move({{.record = "patient/rosa", .stream = shared, .person = "ana", .device = "", .received = 0, .displayed = 99, .read = 99}});
  EXPECT_EQ(now[0].displayed, 3u);
  EXPECT_EQ(now[0].read, 3u) << "never beyond the head";
  EXPECT_EQ(now[0].read_own, 2u);
  must_commit(request("patient/rosa", 3).entry(shared, 4, "d", "ana"));
  const auto stored = loop_.run(store_->cursors_of("ana", {"patient/rosa", "patient/nobody"})).value();
  ASSERT_EQ(stored.size(), 1u);
  EXPECT_EQ(stored[0].read, 3u) << "an entry that comes later is not read";
  EXPECT_EQ(stored[0].read_own, 2u);
  EXPECT_THAT(loop_.run(store_->cursors_of("ben", {"patient/rosa"})).value(), IsEmpty());
}

TEST_P(conformance, moves_of_one_call_may_repeat_a_cursor_and_name_what_is_not_there) {
  must_commit(request("patient/rosa").entry(shared, 1, "a", "ana").entry(shared, 2, "b", "ana").entry(shared, 3, "c", "ana"));
  const cursor_move first{
      .record = "patient/rosa", .stream = shared, .person = "ana", .device = "p", .received = 1, .displayed = 0, .read = 2};
  cursor_move second = first;
  second.read = 1;
  cursor_move third = first;
  third.read = 3;
  cursor_move nowhere = first;
  nowhere.record = "patient/nobody";
  cursor_move no_stream = first;
  no_stream.stream = 77;
  const auto now = move({first, nowhere, second, third, no_stream});
  ASSERT_EQ(now.size(), 5u);
  for (const std::size_t i : {0u, 2u, 3u}) {
    EXPECT_EQ(now[i].read, 3u);
    EXPECT_EQ(now[i].read_own, 3u);
  }
  for (const std::size_t i : {1u, 4u}) EXPECT_EQ(now[i].read, 0u);
  EXPECT_EQ(now[1].record, "patient/nobody");
  EXPECT_EQ(head("patient/nobody").version, 0u);
}

TEST_P(conformance, own_entries_are_counted_over_long_stretches) {
  constexpr std::uint64_t entries = 3000;
  request many("patient/rosa");
  std::uint64_t own = 0;
  for (std::uint64_t seq = 1; seq <= entries; ++seq) {
    many.entry(shared, seq, "x", seq % 7 == 0 ? "ana" : "ben");
    own += seq % 7 == 0 ? 1 : 0;
  }
  must_commit(many);
  std::vector<boost::asio::awaitable<result<std::vector<cursor>>>> work;
  // Two devices at once: whoever comes second must not count twice.
  for (const std::uint64_t read : {2000ull, 2990ull, 3000ull, 1000ull}) {
    std::vector<cursor_move> moves{
        {.record = "patient/rosa", .stream = shared, .person = "ana", .device = "d", .received = read, .displayed = read, .read = read}};
    work.push_back(store_->move_cursors(std::move(moves)));
  }
  for (const auto& answer : loop_.run_together(std::move(work))) ASSERT_TRUE(answer.has_value());
  const auto stored = loop_.run(store_->cursors_of("ana", {"patient/rosa"})).value();
  ASSERT_EQ(stored.size(), 1u);
  EXPECT_EQ(stored[0].read, entries);
  EXPECT_EQ(stored[0].read_own, own);
  const auto stranger =
      move({{.record = "patient/rosa", .stream = shared, .person = "eva", .device = "", .received = 0, .displayed = 0, .read = entries}});
  EXPECT_EQ(stranger[0].read, entries);
  EXPECT_EQ(stranger[0].read_own, 0u);
}

TEST_P(conformance, receipts_tell_how_far_everybody_has_come) {
  must_commit(request("patient/rosa").entry(shared, 1, "a").entry(shared, 2, "b").entry(shared, 3, "c").entry(clinical, 1, "d"));
  must_commit(request("patient/ben").entry(shared, 1, "x"));
  move({{"patient/rosa", shared, "ana", "phone", 2, 0, 0},
        {"patient/rosa", shared, "ana", "desk", 3, 0, 0},
        {"patient/rosa", shared, "ana", "phone", 1, 2, 1},
        {"patient/rosa", clinical, "ben", "phone", 9, 0, 0},
        {"patient/ben", shared, "eva", "phone", 1, 1, 1}});
  const auto receipts = loop_.run(store_->receipts_of("patient/rosa")).value();
  std::vector<std::tuple<stream_kind, std::string, std::uint64_t, std::uint64_t>> told;
  for (const auto& each : receipts) told.emplace_back(each.stream, each.person, each.received, each.displayed);
  EXPECT_THAT(told, testing::UnorderedElementsAre(std::tuple(shared, "ana", 3, 2), std::tuple(clinical, "ben", 1, 0)));
  EXPECT_THAT(loop_.run(store_->receipts_of("patient/nobody")).value(), IsEmpty());
  const auto received = [&](const char* record, stream_kind stream, const char* person) {
    return loop_.run(store_->received_by(record, stream, person)).value();
  };
  EXPECT_EQ(received("patient/rosa", shared, "ana"), 3u) << "the furthest of her devices";
  EXPECT_EQ(received("patient/rosa", clinical, "ben"), 1u) << "not beyond what there is";
  EXPECT_EQ(received("patient/rosa", clinical, "ana"), 0u);
  EXPECT_EQ(received("patient/rosa", shared, "eva"), 0u);
  EXPECT_EQ(received("patient/ben", shared, "eva"), 1u);
  EXPECT_EQ(received("patient/nobody", shared, "ana"), 0u);
}

TEST_P(conformance, record_keys_walk_over_the_store) {
  for (const auto* key : {"patient/rosa", "duty/days", "patient/ben"}) must_commit(request(key).entry(shared, 1, "a"));
  const auto keys = [&](const std::string& after, std::size_t limit) { return loop_.run(store_->record_keys(after, limit)).value(); };
  EXPECT_THAT(keys("", 2), ElementsAre("duty/days", "patient/ben"));
  EXPECT_THAT(keys("patient/ben", 2), ElementsAre("patient/rosa"));
  EXPECT_THAT(keys("patient/rosa", 2), IsEmpty());
}

TEST_P(conformance, transactions_are_counted_and_reads_are_none) {
  const auto before = store_->transactions();
  must_commit(request("patient/rosa").entry(shared, 1, "a"));
  const auto after_one = store_->transactions();
  EXPECT_EQ(after_one, before + 1);
  (void)head("patient/rosa");
  EXPECT_EQ(store_->transactions(), after_one);
}

TEST_P(conformance, everything_is_there_after_reopening) {
  const std::string epoch = store_->epoch();
  must_commit(request("patient/rosa")
                  .entry(shared, 1, "a", "ana")
                  .entry(clinical, 1, "b")
                  .command("ana", 1, shared, 1)
                  .member("ana")
                  .snapshot("s"));
  move({{.record = "patient/rosa", .stream = shared, .person = "ana", .device = "p", .received = 1, .displayed = 1, .read = 1}});
  const auto before = head("patient/rosa");
  reopen();
  EXPECT_EQ(store_->epoch(), epoch);
  const auto after = head("patient/rosa");
  EXPECT_EQ(after.version, 2u);
  EXPECT_EQ(after.snapshot, "s");
  ASSERT_EQ(after.streams.size(), 2u);
  EXPECT_EQ(after.streams[0].chain, before.streams[0].chain);
  EXPECT_TRUE(find("ana", 1));
  EXPECT_THAT(texts(record("patient/rosa", 0)), ElementsAre("a", "b"));
  EXPECT_EQ(loop_.run(store_->cursors_of("ana", {"patient/rosa"})).value().at(0).read_own, 1u);
  must_commit(request("patient/rosa", 2).entry(shared, 2, "c"));
  EXPECT_TRUE(std::holds_alternative<conflict>(append(request("patient/rosa", 2).entry(shared, 2, "c"))));
}

TEST_P(conformance, after_close_everything_is_refused) {
  loop_.run(store_->close());
  EXPECT_EQ(loop_.run(store_->append(request("patient/rosa").entry(shared, 1, "a"))).error(), errc::shutting_down);
  EXPECT_EQ(loop_.run(store_->head("patient/rosa")).error(), errc::shutting_down);
  EXPECT_EQ(loop_.run(store_->move_cursors({})).error(), errc::shutting_down);
}

boost::asio::awaitable<result<append_result>> close_after_asking(record_store* store, boost::asio::awaitable<result<append_result>> asked) {
  boost::asio::co_spawn(co_await boost::asio::this_coro::executor, store->close(), rethrow());
  auto answer = co_await std::move(asked);
  co_return std::move(answer);
}

TEST_P(conformance, close_finishes_what_was_accepted) {
  std::vector<boost::asio::awaitable<result<append_result>>> work;
  for (int i = 0; i < 50; ++i) work.push_back(store_->append(request("patient/" + std::to_string(i)).entry(shared, 1, "a")));
  work.push_back(close_after_asking(store_.get(), store_->append(request("patient/last").entry(shared, 1, "a"))));
  const auto answers = loop_.run_together(std::move(work));
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(answers[static_cast<std::size_t>(i)].has_value());
  store_.reset();
  store_ = place_->open(loop_.context());
  for (int i = 0; i < 50; ++i) EXPECT_EQ(head("patient/" + std::to_string(i)).version, 1u);
}

TEST_P(conformance, destruction_answers_whoever_waits) {
  std::vector<std::optional<result<append_result>>> answers(20);
  for (std::size_t i = 0; i < answers.size(); ++i) {
    boost::asio::co_spawn(loop_.context(), store_->append(request("patient/" + std::to_string(i)).entry(shared, 1, "a")),
                          keep_answer<result<append_result>>{&answers[i]});
  }
  loop_.context().restart();
  // Some are with the writer, some are not even collected.
  for (int i = 0; i < 10; ++i) loop_.context().run_one();
  store_.reset();
  loop_.context().run();
  store_ = place_->open(loop_.context());
  for (std::size_t i = 0; i < answers.size(); ++i) {
    ASSERT_TRUE(answers[i]);
    const std::uint64_t version = head("patient/" + std::to_string(i)).version;
    EXPECT_EQ(version, answers[i]->has_value() ? 1u : 0u) << "a refused request has not happened";
  }
}

TEST_P(conformance, destruction_while_nobody_runs_the_loop_again) {
  std::optional<result<append_result>> answer;
  {
    event_loop abandoned;
    auto place = GetParam().make();
    auto store = place->open(abandoned.context());
    boost::asio::co_spawn(abandoned.context(), store->append(request("patient/rosa").entry(shared, 1, "a")),
                          keep_answer<result<append_result>>{&answer});
    abandoned.context().run_one();
    abandoned.context().run_one();
    store.reset();
  }
  EXPECT_FALSE(answer);
}

using conformance_death = conformance;
TEST_P(conformance_death, a_seq_that_does_not_follow_is_a_bug) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(append(request("patient/rosa").entry(shared, 2, "a")), "seq follows");
}

TEST_P(conformance_death, a_command_twice_in_one_request_is_a_bug) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(append(request("patient/rosa").entry(shared, 1, "a").command("ana", 1, shared, 1).command("ana", 1, shared, 1)),
               "carries a command once");
}

INSTANTIATE_TEST_SUITE_P(all, conformance, testing::ValuesIn(kinds_of_store()), [](const auto& each) { return each.param.name; });
INSTANTIATE_TEST_SUITE_P(all, conformance_death, testing::ValuesIn(kinds_of_store()), [](const auto& each) { return each.param.name; });

}  // namespace
}  // namespace careteam::store::test

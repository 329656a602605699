// What every store promises of the rows of obligations (store.hpp): written with what causes them, read by owner in the order of breach.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "fixture.hpp"

namespace careteam::store::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class obligations : public testing::TestWithParam<kind_of_store> {
 protected:
  obligations() : place_(GetParam().make()), store_(place_->open(loop_.context())) {}
  ~obligations() override { loop_.run(store_->close()); }

  static obligation_row row(std::string owner, std::int64_t breach, std::uint64_t seq, std::uint8_t parts = 1, std::uint8_t priority = 2) {
    return {{std::move(owner), breach < 0 ? no_breach : request::at(breach), 2, seq}, parts, 1, priority, 2, 1};
  }
  void write(const std::string& record, std::uint64_t version, std::vector<obligation_row> put, std::vector<obligation_key> drop = {}) {
    record_append part;
    part.record = record;
    part.expected_version = version;
    part.put_obligations = std::move(put);
    part.drop_obligations = std::move(drop);
    last_ = loop_.run(store_->append({part})).value();
  }
  /// As "record seq".
  std::vector<std::string> of(const std::string& owner, std::size_t page = 100) {
    std::vector<std::string> all;
    std::optional<stored_obligation> after;
    for (;;) {
      const auto rows = loop_.run(store_->obligations_of(owner, after, page)).value();
      for (const auto& one : rows) {
        EXPECT_EQ(one.row.key.owner, owner);
        all.push_back(one.record + " " + std::to_string(one.row.key.seq));
      }
      if (rows.size() < page) return all;
      after = rows.back();
    }
  }

  event_loop loop_;
  std::unique_ptr<stored> place_;
  std::unique_ptr<record_store> store_;
  append_result last_;
};

TEST_P(obligations, an_owner_reads_their_own_across_records_the_next_to_be_breached_first) {
  write("patient/rosa", 0, {row("person/nina", 30, 1), row("person/nina", -1, 2), row("person/rao", 1, 3), row("duty/nina", 1, 4)});
  write("patient/ben", 0, {row("person/nina", 10, 1), row("person/nina", 30, 2)});
  const auto expected = ElementsAre("patient/ben 1", "patient/rosa 1", "patient/ben 2", "patient/rosa 2");
  EXPECT_THAT(of("person/nina"), expected) << "without a deadline last";
  EXPECT_THAT(of("person/nina", 1), expected) << "in pages of one";
  EXPECT_THAT(of("person/nina", 3), expected);
  EXPECT_THAT(of("person/nobody"), IsEmpty());
}

TEST_P(obligations, a_row_comes_back_as_it_was_put_and_can_be_moved) {
  const obligation_row first{{"person/nina", request::at(5), 3, 7}, 6, 2, 4, 9, 12};
  write("patient/rosa", 0, {first});
  EXPECT_EQ(loop_.run(store_->obligations_of("person/nina", std::nullopt, 10)).value().at(0).row, first);
  auto moved = first;
  moved.key.breach = request::at(9);
  moved.version = 13;
  write("patient/rosa", 0, {moved}, {first.key});
  const auto rows = loop_.run(store_->obligations_of("person/nina", std::nullopt, 10)).value();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].row, moved);
  write("patient/rosa", 0, {}, {moved.key, first.key});
  EXPECT_THAT(of("person/nina"), IsEmpty()) << "what is not there is dropped in vain";
}

TEST_P(obligations, nothing_of_them_is_written_when_another_was_first) {
  write("patient/rosa", 0, {row("person/nina", 1, 1)});
  write("patient/rosa", 7, {row("person/rao", 1, 1)}, {row("person/nina", 1, 1).key});
  EXPECT_TRUE(std::holds_alternative<conflict>(last_));
  EXPECT_THAT(of("person/rao"), IsEmpty());
  EXPECT_THAT(of("person/nina"), ElementsAre("patient/rosa 1"));
}

TEST_P(obligations, are_counted_once_each_by_priority) {
  write(
      "patient/rosa", 0,
      {row("person/nina", 10, 1, 1, 4), row("person/rao", 10, 1, 2, 4), row("person/nina", 20, 2, 5, 4), row("person/nina", -1, 3, 1, 1)});
  const auto counts = loop_.run(store_->count_obligations(request::at(11))).value();
  ASSERT_EQ(counts.size(), 2u);
  EXPECT_EQ(counts[0].priority, 1);
  EXPECT_EQ(counts[0].open, 1u);
  EXPECT_EQ(counts[0].overdue, 0u) << "nothing is late that has no deadline";
  EXPECT_EQ(counts[1].priority, 4);
  EXPECT_EQ(counts[1].open, 2u);
  EXPECT_EQ(counts[1].overdue, 1u);
}

TEST_P(obligations, are_counted_once_each_by_owner_of_a_kind) {
  write("patient/rosa", 0,
        {row("duty/onc-rn", 10, 1), row("duty/onc-rn", 12, 2), row("duty/onc-md", -1, 3), row("duty/pharm", 10, 4, 2), row("dutz", 10, 5),
         row("person/nina", 10, 6)});
  write("patient/ben", 0, {row("duty/onc-rn", 11, 1)});
  const auto counts = loop_.run(store_->count_by_owner("duty/", request::at(11))).value();
  ASSERT_EQ(counts.size(), 2u) << "neither other kinds, nor whoever is only concerned";
  EXPECT_EQ(counts[0].owner, "duty/onc-md");
  EXPECT_EQ(counts[0].open, 1u);
  EXPECT_EQ(counts[0].overdue, 0u);
  EXPECT_EQ(counts[1].owner, "duty/onc-rn");
  EXPECT_EQ(counts[1].open, 3u);
  EXPECT_EQ(counts[1].overdue, 1u);
}

TEST_P(obligations, a_walk_over_all_of_them_meets_each_once) {
  write("patient/rosa", 0, {row("person/nina", 10, 1), row("person/rao", 10, 1), row("duty/onc-rn", 3, 2)});
  write("patient/ben", 0, {row("person/nina", 10, 1), row("person/nina", -1, 2)});
  std::set<std::string> seen;
  std::size_t met = 0;
  std::optional<stored_obligation> after;
  for (;;) {
    const auto rows = loop_.run(store_->all_obligations(after, 2)).value();
    if (rows.empty()) break;
    for (const auto& one : rows) seen.insert(one.record + one.row.key.owner + std::to_string(one.row.key.seq)), ++met;
    after = rows.back();
  }
  EXPECT_EQ(met, 5u);
  EXPECT_EQ(seen.size(), 5u);
}

INSTANTIATE_TEST_SUITE_P(all, obligations, testing::ValuesIn(kinds_of_store()), [](const auto& each) { return each.param.name; });

}  // namespace
}  // namespace careteam::store::test

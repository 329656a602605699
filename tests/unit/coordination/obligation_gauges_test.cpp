// What is owed and late, as metrics: by priority and by duty, with a bound on how many duties have metrics of their own.
#include "coordination/obligation_gauges.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../store/new_store.hpp"

namespace careteam::coordination {
namespace {

using store::test::event_loop;
using store::test::request;
using store::test::scratch_folder;
using testing::HasSubstr;
using testing::Not;

class counted_obligations : public testing::Test {
 protected:
  counted_obligations() : store_(store::test::new_store(loop_, folder_)) {}
  ~counted_obligations() override { loop_.run(store_->close()); }

  static store::obligation_row row(std::string owner, std::int64_t breach, std::uint64_t seq, std::uint8_t priority = v1::PRIORITY_STAT) {
    return {{std::move(owner), request::at(breach), v1::STREAM_CLINICAL, seq}, 1, 1, priority, 2, 1};
  }
  void write(std::vector<store::obligation_row> put, std::vector<store::obligation_key> drop = {}) {
    store::record_append part;
    part.record = "patient/rosa";
    part.expected_version = 0;
    part.put_obligations = std::move(put);
    part.drop_obligations = std::move(drop);
    ASSERT_TRUE(loop_.run(store_->append({part})));
  }
  /// Counts once.
  std::string exposition() {
    if (!gauges_) {
      gauges_ =
          std::make_shared<obligation_gauges>(loop_.context().get_executor(), *store_, clock_, registry_, std::chrono::milliseconds(1));
    }
    loop_.run(gauges_->count());
    return registry_.exposition();
  }

  scratch_folder folder_;
  event_loop loop_;
  std::unique_ptr<store::record_store> store_;
  runtime::manual_clock clock_{request::at(11)};
  runtime::metrics_registry registry_;
  std::shared_ptr<obligation_gauges> gauges_;
};

TEST_F(counted_obligations, are_told_by_priority_and_by_duty) {
  EXPECT_THAT(exposition(), HasSubstr("careteam_duty_obligations_open{duty=\"(others)\"} 0\n")) << "before there is any duty";
  write({row("duty/onc-rn", 10, 1), row("duty/onc-rn", 20, 2), row("duty/onc-md", 20, 3), row("person/nina", 10, 4)});
  const auto told = exposition();
  EXPECT_THAT(told, HasSubstr("careteam_obligations_open{priority=\"stat\"} 4\n"));
  EXPECT_THAT(told, HasSubstr("careteam_obligations_overdue{priority=\"stat\"} 2\n"));
  EXPECT_THAT(told, HasSubstr("careteam_duty_obligations_open{duty=\"onc-rn\"} 2\n"));
  EXPECT_THAT(told, HasSubstr("careteam_duty_obligations_overdue{duty=\"onc-rn\"} 1\n"));
  EXPECT_THAT(told, HasSubstr("careteam_duty_obligations_open{duty=\"onc-md\"} 1\n"));
  EXPECT_THAT(told, HasSubstr("careteam_duty_obligations_overdue{duty=\"onc-md\"} 0\n"));
  EXPECT_THAT(told, Not(HasSubstr("nina"))) << "no people";
}

TEST_F(counted_obligations, of_a_duty_that_owes_nothing_any_more_are_none) {
  write({row("duty/onc-rn", 10, 1)});
  EXPECT_THAT(exposition(), HasSubstr("careteam_duty_obligations_open{duty=\"onc-rn\"} 1\n"));
  write({}, {row("duty/onc-rn", 10, 1).key});
  const auto told = exposition();
  EXPECT_THAT(told, HasSubstr("careteam_duty_obligations_open{duty=\"onc-rn\"} 0\n"));
  EXPECT_THAT(told, HasSubstr("careteam_duty_obligations_overdue{duty=\"onc-rn\"} 0\n"));
}

TEST_F(counted_obligations, of_more_duties_than_there_is_room_for_are_told_together) {
  std::vector<store::obligation_row> rows;
  for (std::size_t i = 0; i < max_duty_gauges + 3; ++i) {
    rows.push_back(row("duty/" + std::to_string(1000 + i), 10, i + 1));
  }
  write(rows);
  const auto told = exposition();
  EXPECT_THAT(told, HasSubstr("careteam_duty_obligations_open{duty=\"1000\"} 1\n"));
  EXPECT_THAT(told, HasSubstr("careteam_duty_obligations_open{duty=\"1099\"} 1\n"));
  EXPECT_THAT(told, Not(HasSubstr("duty=\"1100\"")));
  EXPECT_THAT(told, HasSubstr("careteam_duty_obligations_open{duty=\"(others)\"} 3\n"));
  EXPECT_EQ(exposition(), told) << "counted again, not added";
}

}  // namespace
}  // namespace careteam::coordination

#include "bench/task_round.hpp"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "bench/wire_scan.hpp"

namespace careteam::bench {
namespace {

const command_ids ids{0x123456789abcdefULL};
constexpr std::uint64_t unix_ms = 0x0190'1234'5678ULL;

v1::Command command_of(task_round& round, std::uint32_t member, std::uint64_t number = 7) {
  v1::ClientFrame frame;
  EXPECT_TRUE(frame.ParseFromString(std::string(round.command(member, ids, unix_ms, number, 0xabcULL))));
  return frame.command();
}

std::uint64_t task_named(const v1::Command& command) {
  switch (command.action_case()) {
    case v1::Command::kClaimTask:
      return command.claim_task().task().seq();
    case v1::Command::kAcceptTask:
      return command.accept_task().task().seq();
    case v1::Command::kStartTask:
      return command.start_task().task().seq();
    case v1::Command::kCompleteTask:
      return command.complete_task().task().seq();
    default:
      return 0;
  }
}

TEST(task_round, asks_the_next_member_with_a_stamp_in_the_title) {
  task_round round(12, 3, v1::STREAM_CLINICAL, 200, task_target::person);
  const auto command = command_of(round, 2);
  EXPECT_EQ(command.patient_id(), "room-012");
  EXPECT_EQ(command.command_id(), "01901234-5678-7def-9abc-000000000007");
  const auto& order = command.request_task().order();
  EXPECT_EQ(order.target().person_id(), "u-012-0") << "the last one asks the first";
  EXPECT_EQ(order.title().size() + order.description().size(), 200U);
  EXPECT_EQ(order.title().substr(0, stamp_digits), "0000000000000abc");
  EXPECT_EQ(command.request_task().stream(), v1::STREAM_CLINICAL);
}

TEST(task_round, asks_everybody_of_a_role) {
  task_round round(0, 1, v1::STREAM_SHARED, stamp_digits, task_target::role);
  const auto order = command_of(round, 0).request_task().order();
  EXPECT_EQ(order.target().role(), v1::ROLE_ONCOLOGY_NURSE);
  EXPECT_TRUE(order.description().empty());
}

TEST(task_round, a_command_stays_the_same_until_it_is_committed) {
  task_round round(0, 2, v1::STREAM_CLINICAL, 50, task_target::person);
  EXPECT_TRUE(command_of(round, 0, 1).has_request_task());
  EXPECT_TRUE(command_of(round, 0, 2).has_request_task());
  EXPECT_EQ(command_of(round, 0, 3).command_id().substr(24), "000000000003");
}

TEST(task_round, whoever_is_asked_goes_through_every_step_and_asks_again) {
  task_round round(0, 2, v1::STREAM_CLINICAL, 50, task_target::person);
  auto ready = round.committed(0, 10);
  EXPECT_FALSE(ready.member) << "nobody has asked it yet";
  EXPECT_FALSE(ready.partner) << "the other one has not asked yet itself";
  ready = round.committed(1, 11);
  EXPECT_TRUE(ready.member && ready.partner);
  for (const auto step : {v1::Command::kClaimTask, v1::Command::kAcceptTask, v1::Command::kStartTask, v1::Command::kCompleteTask}) {
    EXPECT_EQ(command_of(round, 1).action_case(), step);
    EXPECT_EQ(task_named(command_of(round, 1)), 10U);
    EXPECT_EQ(task_named(command_of(round, 0)), 11U) << "only the other one's claim";
    EXPECT_TRUE(round.committed(1, 20).member);
  }
  EXPECT_TRUE(command_of(round, 1).has_request_task());
}

TEST(task_round, in_any_order_of_the_answers_each_task_is_done_once_by_whoever_was_asked) {
  constexpr std::uint32_t members = 5;
  task_round round(0, members, v1::STREAM_CLINICAL, 50, task_target::person);
  std::mt19937 random(1);
  std::vector<std::uint32_t> sending{0, 1, 2, 3, 4};
  std::map<std::uint64_t, std::pair<std::uint32_t, int>> tasks;  // By seq: who was asked, and the steps that are done.
  for (std::uint64_t seq = 1; seq <= 5'000; ++seq) {
    ASSERT_FALSE(sending.empty()) << "everybody waits";
    const auto at = random() % sending.size();
    const auto member = sending[at];
    sending.erase(sending.begin() + static_cast<std::ptrdiff_t>(at));
    const auto command = command_of(round, member);
    if (const auto task = task_named(command); task == 0) {
      tasks[seq] = {round.partner_of(member), 0};
    } else {
      ASSERT_TRUE(tasks.contains(task));
      EXPECT_EQ(tasks[task].first, member);
      const std::array steps{v1::Command::kClaimTask, v1::Command::kAcceptTask, v1::Command::kStartTask, v1::Command::kCompleteTask};
      ASSERT_LT(tasks[task].second, 4);
      EXPECT_EQ(command.action_case(), steps[static_cast<std::size_t>(tasks[task].second++)]);
    }
    const auto ready = round.committed(member, seq);
    if (ready.member) sending.push_back(member);
    if (ready.partner) sending.push_back(round.partner_of(member));
    EXPECT_EQ(std::set<std::uint32_t>(sending.begin(), sending.end()).size(), sending.size()) << "one command of each at a time";
  }
  std::size_t open = 0;
  for (const auto& [seq, task] : tasks) open += task.second < 4 ? 1 : 0;
  EXPECT_LE(open, 2 * members) << "nobody's tasks pile up";
  EXPECT_GE(tasks.size(), 900U);
}

TEST(task_round, needs_room_for_the_stamp) {
  EXPECT_THROW(task_round(0, 1, v1::STREAM_CLINICAL, stamp_digits - 1, task_target::person), std::invalid_argument);
}

}  // namespace
}  // namespace careteam::bench

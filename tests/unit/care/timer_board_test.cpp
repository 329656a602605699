// The deadlines of a record: what the host is told of them is what has changed, once.
#include "care/timer_board.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "care/record.hpp"
#include "record_fixture.hpp"

namespace careteam::care::fixture {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

instant in_minutes(int minutes) {
  return monday + std::chrono::minutes(minutes);
}

v1::Command end_of(const std::string& person) {
  v1::Command command;
  command.set_patient_id("rosa");
  command.mutable_end_member()->set_person_id(person);
  return command;
}

/// As "id was -> now", in minutes.
std::vector<std::string> told(timer_board& board) {
  const auto minutes = [](instant t) { return std::to_string(std::chrono::floor<std::chrono::minutes>(t - monday).count()); };
  std::vector<std::string> all;
  for (const auto& change : board.take_changes()) {
    all.push_back(change.id + " " + (change.was ? minutes(*change.was) : "none") + " -> " +
                  (change.now ? minutes(change.now->due) : "none"));
  }
  return all;
}

TEST(timer_board, tells_what_was_set_moved_and_cancelled) {
  timer_board board;
  board.set("a", in_minutes(5), 1, end_of("nina"));
  board.set("b", in_minutes(6), 1, end_of("omar"));
  EXPECT_THAT(told(board), ElementsAre("a none -> 5", "b none -> 6"));
  board.set("a", in_minutes(9), 2, end_of("nina"));
  board.cancel("b");
  EXPECT_THAT(told(board), ElementsAre("a 5 -> 9", "b 6 -> none"));
  EXPECT_THAT(told(board), IsEmpty()) << "each change is told once";
}

TEST(timer_board, tells_one_change_of_a_timer_that_changed_often) {
  timer_board board;
  board.set("a", in_minutes(5), 1, end_of("nina"));
  told(board);
  board.set("a", in_minutes(6), 2, end_of("nina"));
  board.cancel("a");
  board.set("a", in_minutes(7), 3, end_of("nina"));
  EXPECT_THAT(told(board), ElementsAre("a 5 -> 7"));
}

TEST(timer_board, tells_nothing_of_what_is_again_as_it_was) {
  timer_board board;
  board.set("new", in_minutes(5), 1, end_of("nina"));
  board.cancel("new");
  board.cancel("never there");
  EXPECT_THAT(told(board), IsEmpty());
  board.set("a", in_minutes(5), 1, end_of("nina"));
  told(board);
  board.set("a", in_minutes(9), 1, end_of("nina"));
  board.set("a", in_minutes(5), 1, end_of("nina"));
  EXPECT_THAT(told(board), IsEmpty());
}

TEST(timer_board, tells_of_another_command_at_the_same_time) {
  timer_board board;
  board.set("a", in_minutes(5), 1, end_of("nina"));
  told(board);
  board.set("a", in_minutes(5), 2, end_of("omar"));
  EXPECT_THAT(told(board), ElementsAre("a 5 -> 5"));
}

TEST(timer_board, keeps_the_command_as_it_was_given) {
  timer_board board;
  board.set("a", in_minutes(5), 7, end_of("nina"));
  const auto& kept = board.pending().at("a");
  EXPECT_EQ(kept.version, 7u);
  v1::Command command;
  ASSERT_TRUE(command.ParseFromString(kept.command));
  EXPECT_EQ(command.end_member().person_id(), "nina");
}

TEST(timer_board, is_a_part_of_the_state_and_of_its_snapshot) {
  rosas_record ward;
  ward.usual_team();
  record_state state = ward.record.state();
  state.timers.set("a", in_minutes(5), 7, end_of("nina"));
  state.timers.set("b", in_minutes(-5), 8, end_of("omar"));
  auto back = from_snapshot(to_snapshot(state));
  ASSERT_TRUE(back);
  EXPECT_TRUE(*back == state);
  EXPECT_THAT(told(back->timers), IsEmpty()) << "what a snapshot holds is no change";
  state.timers.cancel("a");
  EXPECT_FALSE(*back == state);
  EXPECT_NE(to_snapshot(*back), to_snapshot(state));
}

TEST(timer_board_death, a_command_with_text_in_it_is_a_bug) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  timer_board board;
  EXPECT_DEATH(board.set("a", monday, 1, end_of(std::string(300, 'x'))), "a timer's command is too long");
  EXPECT_DEATH(board.set("", monday, 1, end_of("nina")), "a timer's name is empty or too long");
}

}  // namespace
}  // namespace careteam::care::fixture

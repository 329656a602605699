// What the log alone says about tasks: written against the table of `domain.md` section 3.1, not against the core.
#pragma once

#include <map>
#include <set>
#include <string>
#include <tuple>

#include "unit/care/task_fixture.hpp"

namespace careteam::care::fixture {

class task_book {
 public:
  /// Checks that the table has a way for this entry (I2, I3, I5), that no successor doubles (I4), and takes it in.
  void add(const v1::Entry& entry);
  /// After a step: exactly the open tasks are state, each of them has one person (I1), and no deadline moved that must not.
  void check(const tasks_state& tasks, const task_world& world);

  /// Before a step: what must not move.
  void look(const tasks_state& tasks);

  std::size_t most_open() const { return most_open_; }
  std::size_t successors() const { return successors_.size(); }

 private:
  struct line {
    std::string status;
    v1::TaskKind kind = v1::TASK_KIND_UNSPECIFIED;
    bool stopping = false;
    bool reopened = false;
  };
  void add_about(line& one, const v1::Entry& entry);
  void begin(place at, const v1::TaskOrder& order, const char* status);

  std::map<place, line> tasks_;
  std::set<std::tuple<v1::Stream, std::uint64_t, int, std::uint32_t>> successors_;
  std::set<std::pair<v1::Stream, std::uint64_t>> unacknowledged_;  ///< The silences that have a follow-up.
  std::map<place, std::map<v1::TaskTimer, task_deadline>> timers_before_;
  std::set<place> handed_over_;  ///< Tasks whose owner changed in this step, and nothing else.
  std::size_t most_open_ = 0;
};

}  // namespace careteam::care::fixture

// What a batch changed of a record's timers, as the store takes it.
#pragma once

#include <vector>

#include "care/timer_board.hpp"
#include "store/store.hpp"

namespace careteam::coordination {

/// Adds what changed to what is appended.
void add_timer_changes(store::record_append& to, std::vector<care::timer_change> changes);

}  // namespace careteam::coordination

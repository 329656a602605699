// A record's obligations (care/worklist.hpp), as the store takes them.
#pragma once

#include <vector>

#include "care/worklist.hpp"
#include "store/sqlite_migration.hpp"
#include "store/store.hpp"

namespace careteam::coordination {

/// The row as it is stored.
store::obligation_row stored_row(const care::obligation_row& row);
/// Every row that the record should have.
std::vector<store::obligation_row> stored_rows(const care::record_state& state);
/// Adds what changed to what is appended; where it changed.
std::vector<care::place> add_obligation_changes(store::record_append& to, const care::obligation_changes::difference& changed);

/// Makes the rows of obligations from a record's entries.
class entry_projection : public store::record_projection {
 public:
  void begin(const store::record_key& record) override;
  bool take(const store::stored_entry& entry) override;
  std::vector<store::obligation_row> obligations() override { return stored_rows(state_); }

 private:
  care::record_state state_;
};

}  // namespace careteam::coordination

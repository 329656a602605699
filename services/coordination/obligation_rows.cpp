#include "coordination/obligation_rows.hpp"

#include "coordination/record_loading.hpp"

namespace careteam::coordination {

store::obligation_row stored_row(const care::obligation_row& row) {
  return {{row.owner, row.breach.value_or(store::no_breach), static_cast<store::stream_kind>(row.at.stream), row.at.seq},
          row.parts,
          static_cast<std::uint8_t>(row.kind),
          static_cast<std::uint8_t>(row.priority),
          static_cast<std::uint8_t>(row.status),
          row.version};
}

std::vector<store::obligation_row> stored_rows(const care::record_state& state) {
  std::vector<store::obligation_row> rows;
  for (const auto& row : care::obligation_rows(state)) rows.push_back(stored_row(row));
  return rows;
}

std::vector<care::place> add_obligation_changes(store::record_append& to, const care::obligation_changes::difference& changed) {
  for (const auto& row : changed.gone) to.drop_obligations.push_back(stored_row(row).key);
  for (const auto& row : changed.now) to.put_obligations.push_back(stored_row(row));
  return changed.places;
}

void entry_projection::begin(const store::record_key& record) {
  state_ = care::new_record(record).value_or(care::record_state());
}

bool entry_projection::take(const store::stored_entry& stored) {
  v1::Entry entry;
  if (!parse_entry(stored, entry) || !follows(state_, entry)) return false;
  care::apply(state_, entry);
  care::forget_settled(state_);
  (void)state_.timers.take_changes();
  return true;
}

}  // namespace careteam::coordination

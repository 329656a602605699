// Entries of several records from the store's file, for the operator's commands: the organisation's and the duties' beside a patient's.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "admin/known_organization.hpp"
#include "care/time.hpp"
#include "careteam/v1/entries.pb.h"
#include "store/sqlite_history.hpp"

namespace careteam {

/// The entry as it was stored. Throws std::runtime_error, with its place, where it cannot be read.
v1::Entry parsed_entry(const store::record_key& record, const store::stored_entry& stored);

/// One record's entries, one after the other, a page at a time.
class entry_reader {
 public:
  /// `history` must outlive this.
  entry_reader(store::record_history& history, store::record_key record);

  /// The next entry; nothing: there are no more.
  const v1::Entry* next() const { return next_ ? &*next_ : nullptr; }
  void advance();

 private:
  store::record_history* history_;
  store::record_key record_;
  std::vector<store::stored_entry> page_;
  std::size_t at_ = 0;
  std::uint64_t version_ = 0;
  std::optional<v1::Entry> next_;
};

/// The entries of the organisation's record and of every duty's: those of each in their order, and between records by time.
class organization_reader {
 public:
  explicit organization_reader(store::record_history& history);

  /// Hands out those that come next and are not later than `until`.
  void read_until(care::instant until, const std::function<void(const v1::Entry&)>& take);

 private:
  std::vector<entry_reader> readers_;
};

}  // namespace careteam

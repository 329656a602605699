#include "careteam/entry_reading.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

#include "coordination/record_loading.hpp"

namespace careteam {
namespace {

care::instant time_of(const v1::Entry& entry) {
  return care::to_instant(entry.time()).value_or(care::instant{});
}

care::instant time_of(const entry_reader& reader) {
  return reader.next() ? time_of(*reader.next()) : care::instant::max();
}

}  // namespace

v1::Entry parsed_entry(const store::record_key& record, const store::stored_entry& stored) {
  v1::Entry entry;
  if (!coordination::parse_entry(stored, entry)) {
    throw std::runtime_error("entry " + std::to_string(stored.seq) + " of stream " + std::to_string(stored.stream) + " of " + record +
                             " cannot be read: run careteam verify");
  }
  return entry;
}

entry_reader::entry_reader(store::record_history& history, store::record_key record) : history_(&history), record_(std::move(record)) {
  advance();
}

void entry_reader::advance() {
  next_.reset();
  if (at_ == page_.size()) {
    page_ = history_->page(record_, version_);
    at_ = 0;
    if (page_.empty()) return;
    version_ = page_.back().version;
  }
  next_ = parsed_entry(record_, page_[at_++]);
}

organization_reader::organization_reader(store::record_history& history) {
  readers_.emplace_back(history, care::record_key(""));
  for (auto& key : history.keys(care::duty_record_key(""))) readers_.emplace_back(history, std::move(key));
}

void organization_reader::read_until(care::instant until, const std::function<void(const v1::Entry&)>& take) {
  for (;;) {
    // Of the same time the organisation's first: it is the first reader.
    const auto earliest = std::ranges::min_element(readers_, {}, [](const auto& one) { return time_of(one); });
    if (earliest->next() == nullptr || time_of(*earliest) > until) return;
    take(*earliest->next());
    earliest->advance();
  }
}

}  // namespace careteam

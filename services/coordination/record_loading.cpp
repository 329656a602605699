#include "coordination/record_loading.hpp"

#include "runtime/log.hpp"

namespace careteam::coordination {
namespace {

constexpr std::size_t page_bytes = 1024 * 1024;  // Entries in memory at once, beside the state.

}  // namespace

bool parse_entry(const store::stored_entry& stored, v1::Entry& entry) {
  return entry.ParseFromArray(stored.bytes.data(), static_cast<int>(stored.bytes.size())) && entry.seq() == stored.seq &&
         static_cast<store::stream_kind>(entry.stream()) == stored.stream;
}

bool follows(const care::record_state& state, const v1::Entry& entry) {
  return v1::Stream_IsValid(entry.stream()) && care::names_record(entry, state) && entry.seq() == state.stream(entry.stream()).head + 1;
}

boost::asio::awaitable<store::result<loaded_record>> load_record(store::record_store& from, store::record_key key, snapshot_use use) {
  auto empty = care::new_record(key);
  if (!empty) co_return make_error_code(store::errc::corrupt);
  auto head = co_await from.head(key);
  if (!head) co_return head.error();
  loaded_record loaded{std::move(*empty), 0, std::move(head->streams)};
  if (head->snapshot_damaged) runtime::log_warning("snapshot_damaged", {{"record", key}, {"text", "every entry is read instead"}});
  if (head->snapshot_version > 0 && use == snapshot_use::allow) {
    if (auto snapshot = care::from_snapshot(head->snapshot);
        snapshot && snapshot->version == head->snapshot_version && care::key_of(*snapshot) == key) {
      loaded.state = std::move(*snapshot);
      loaded.snapshot_version = head->snapshot_version;
    } else {
      runtime::log_warning("snapshot_not_used", {{"record", key}, {"version", head->snapshot_version}});
    }
  }
  auto& state = loaded.state;
  v1::Entry entry;
  while (state.version < head->version) {
    auto page = co_await from.read_record(key, state.version, page_bytes);
    if (!page) co_return page.error();
    if (page->empty()) co_return make_error_code(store::errc::corrupt);
    for (const auto& stored : *page) {
      if (state.version == head->version) break;  // A later commit: it will be read when its turn comes.
      if (!parse_entry(stored, entry) || !follows(state, entry)) {
        runtime::log_error("entry_not_readable", {{"record", key}, {"stream", stored.stream}, {"seq", stored.seq}});
        co_return make_error_code(store::errc::corrupt);
      }
      care::apply(state, entry);
      care::forget_settled(state);
    }
    (void)state.timers.take_changes();  // They were stored with the entries.
  }
  care::release_spare_memory(state);
  // The writer stops the process when a stream does not go on where its row says.
  for (const auto& one : loaded.streams) {
    if (state.version == head->version && one.stream < care::stream_count && state.streams[one.stream].head != one.head) {
      runtime::log_error("head_does_not_fit", {{"record", key}, {"stream", one.stream}, {"seq", one.head}});
      co_return make_error_code(store::errc::corrupt);
    }
  }
  co_return loaded;
}

}  // namespace careteam::coordination

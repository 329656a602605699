// A store that passes everything on to another one, for tests that change one answer of it.
#pragma once

#include "store/store.hpp"

namespace careteam::store::test {

class forwarding_store : public record_store {
 public:
  /// `to` must outlive it.
  explicit forwarding_store(record_store& to) : to_(to) {}

  const std::string& epoch() const noexcept override { return to_.epoch(); }
  std::uint64_t transactions() const noexcept override { return to_.transactions(); }
  boost::asio::awaitable<result<append_result>> append(std::vector<record_append> records) override {
    return to_.append(std::move(records));
  }
  boost::asio::awaitable<result<record_head>> head(record_key record) override { return to_.head(std::move(record)); }
  boost::asio::awaitable<result<std::vector<stored_entry>>> read_record(record_key record, std::uint64_t after,
                                                                        std::size_t max_bytes) override {
    return to_.read_record(std::move(record), after, max_bytes);
  }
  boost::asio::awaitable<result<std::vector<stored_entry>>> read_stream(record_key record, stream_kind stream, std::uint64_t from,
                                                                        std::uint64_t to, std::size_t max_bytes) override {
    return to_.read_stream(std::move(record), stream, from, to, max_bytes);
  }
  boost::asio::awaitable<result<std::vector<stored_entry>>> read_about(record_key record, stream_kind stream, std::uint64_t seq) override {
    return to_.read_about(std::move(record), stream, seq);
  }
  boost::asio::awaitable<result<std::optional<command_record>>> find_command(std::string actor, uuid_bytes id) override {
    return to_.find_command(std::move(actor), id);
  }
  boost::asio::awaitable<result<std::vector<record_key>>> records_of(std::string person) override {
    return to_.records_of(std::move(person));
  }
  boost::asio::awaitable<result<std::vector<cursor>>> cursors_of(std::string person, std::vector<record_key> records) override {
    return to_.cursors_of(std::move(person), std::move(records));
  }
  boost::asio::awaitable<result<std::vector<receipt>>> receipts_of(record_key record) override {
    return to_.receipts_of(std::move(record));
  }
  boost::asio::awaitable<result<std::uint64_t>> received_by(record_key record, stream_kind stream, std::string person) override {
    return to_.received_by(std::move(record), stream, std::move(person));
  }
  boost::asio::awaitable<result<std::vector<record_key>>> record_keys(record_key after, std::size_t limit) override {
    return to_.record_keys(std::move(after), limit);
  }
  boost::asio::awaitable<result<std::vector<cursor>>> move_cursors(std::vector<cursor_move> moves) override {
    return to_.move_cursors(std::move(moves));
  }
  boost::asio::awaitable<result<std::vector<stored_timer>>> due_timers(instant until, std::optional<stored_timer> after,
                                                                       std::size_t limit) override {
    return to_.due_timers(until, std::move(after), limit);
  }
  boost::asio::awaitable<result<std::optional<instant>>> next_timer(instant later_than) override { return to_.next_timer(later_than); }
  boost::asio::awaitable<result<std::vector<stored_obligation>>> obligations_of(std::string owner, std::optional<stored_obligation> after,
                                                                                std::size_t limit) override {
    return to_.obligations_of(std::move(owner), std::move(after), limit);
  }
  boost::asio::awaitable<result<std::vector<stored_obligation>>> all_obligations(std::optional<stored_obligation> after,
                                                                                 std::size_t limit) override {
    return to_.all_obligations(std::move(after), limit);
  }
  boost::asio::awaitable<result<std::vector<obligation_count>>> count_obligations(instant now) override {
    return to_.count_obligations(now);
  }
  boost::asio::awaitable<result<std::vector<owner_count>>> count_by_owner(std::string prefix, instant now) override {
    return to_.count_by_owner(std::move(prefix), now);
  }
  boost::asio::awaitable<result<std::vector<stored_delivery>>> claim_deliveries(delivery_claim claim) override {
    return to_.claim_deliveries(std::move(claim));
  }
  boost::asio::awaitable<result<std::vector<bool>>> record_outcomes(std::vector<delivery_outcome> outcomes) override {
    return to_.record_outcomes(std::move(outcomes));
  }
  boost::asio::awaitable<result<std::optional<instant>>> next_delivery() override { return to_.next_delivery(); }
  boost::asio::awaitable<result<delivery_cleaned>> clean_deliveries(delivery_cleaning step) override { return to_.clean_deliveries(step); }
  boost::asio::awaitable<result<std::vector<stored_delivery>>> deliveries_to(std::string person, std::size_t limit) override {
    return to_.deliveries_to(std::move(person), limit);
  }
  boost::asio::awaitable<result<std::optional<stored_delivery>>> find_delivery(std::string id) override {
    return to_.find_delivery(std::move(id));
  }
  boost::asio::awaitable<void> close() override { return to_.close(); }

 private:
  record_store& to_;
};

}  // namespace careteam::store::test

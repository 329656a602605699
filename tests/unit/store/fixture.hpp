// What the store's tests share: an event loop that runs until an answer is there, a folder that goes away, and requests that own
// their bytes.
#pragma once

#include <stdlib.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <deque>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "store/store.hpp"

namespace careteam::store::test {

class scratch_folder {
 public:
  explicit scratch_folder(const std::filesystem::path& inside = std::filesystem::temp_directory_path()) {
    std::string name = (inside / "careteam-store-XXXXXX").string();
    if (!mkdtemp(name.data())) throw std::runtime_error("no temporary folder");
    path_ = name;
  }
  ~scratch_folder() { std::filesystem::remove_all(path_); }
  scratch_folder(const scratch_folder&) = delete;
  scratch_folder& operator=(const scratch_folder&) = delete;
  std::string file(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

/// Where a coroutine's answer goes.
template <class T>
struct keep_answer {
  std::optional<T>* answer;
  void operator()(std::exception_ptr error, T value) const {
    if (error) std::rethrow_exception(error);
    answer->emplace(std::move(value));
  }
};
struct rethrow {
  void operator()(std::exception_ptr error) const {
    if (error) std::rethrow_exception(error);
  }
};

class event_loop {
 public:
  boost::asio::io_context& context() { return context_; }

  template <class T>
  T run(boost::asio::awaitable<T> work) {
    std::optional<T> answer;
    boost::asio::co_spawn(context_, std::move(work), keep_answer<T>{&answer});
    context_.restart();
    context_.run();
    return std::move(answer.value());
  }
  void run(boost::asio::awaitable<void> work) {
    boost::asio::co_spawn(context_, std::move(work), rethrow());
    context_.restart();
    context_.run();
  }
  /// Starts all in one turn of the loop.
  template <class T>
  std::vector<T> run_together(std::vector<boost::asio::awaitable<T>> work) {
    std::vector<std::optional<T>> answers(work.size());
    for (std::size_t i = 0; i < work.size(); ++i) boost::asio::co_spawn(context_, std::move(work[i]), keep_answer<T>{&answers[i]});
    context_.restart();
    context_.run();
    std::vector<T> values;
    for (auto& answer : answers) values.push_back(std::move(answer.value()));
    return values;
  }

 private:
  boost::asio::io_context context_{1};
};

/// A record_append that owns its bytes.
class request {
 public:
  explicit request(record_key record, std::uint64_t expected_version = 0) {
    part_.record = std::move(record);
    part_.expected_version = expected_version;
    part_.keep_alive = texts_;
  }
  request& entry(stream_kind stream, std::uint64_t seq, std::string bytes, std::string author = {}, std::uint64_t about = 0) {
    const std::string& kept = texts_->emplace_back(std::move(bytes));
    const std::string& kept_author = texts_->emplace_back(std::move(author));
    part_.entries.push_back({stream, seq, about, kept_author, kept});
    return *this;
  }
  request& command(std::string actor, std::uint8_t id, stream_kind stream, std::uint64_t seq, std::uint8_t digest = 1) {
    part_.commands.push_back({std::move(actor), uuid(id), uuid(digest), stream, seq});
    return *this;
  }
  request& member(std::string person) { return change(std::move(person), true); }
  request& no_member(std::string person) { return change(std::move(person), false); }
  request& snapshot(std::string bytes) {
    part_.snapshot = std::move(bytes);
    return *this;
  }
  /// Times are microseconds.
  request& sets(std::string id, std::int64_t due, std::optional<std::int64_t> instead_of = {}) {
    std::optional<instant> before;
    if (instead_of) before = at(*instead_of);
    part_.set_timers.push_back({{std::move(id), at(due)}, before});
    return *this;
  }
  request& cancels(std::string id, std::int64_t due) {
    part_.cancel_timers.push_back({std::move(id), at(due)});
    return *this;
  }
  request& fires(std::string id, std::int64_t due) {
    part_.fired_timers.push_back({std::move(id), at(due)});
    return *this;
  }
  request& sends(std::string id, std::string obligation, std::int64_t not_before = 0) {
    part_.add_deliveries.push_back({std::move(id), std::move(obligation), "email", "ana", 2, "opaque", at(not_before)});
    return *this;
  }
  request& quietens(std::string obligation) {
    part_.quiet_obligations.push_back(std::move(obligation));
    return *this;
  }
  operator std::vector<record_append>() const { return {part_}; }  // NOLINT: reads as the argument that it is
  const record_append& part() const { return part_; }

  static instant at(std::int64_t us) { return instant(std::chrono::microseconds(us)); }
  static uuid_bytes uuid(std::uint8_t number) {
    uuid_bytes bytes{};
    bytes[15] = number;
    return bytes;
  }

 private:
  request& change(std::string person, bool member) {
    part_.memberships.push_back({std::move(person), member});
    return *this;
  }
  record_append part_;
  std::shared_ptr<std::deque<std::string>> texts_ = std::make_shared<std::deque<std::string>>();
};

/// A store somewhere, which can be opened again and again.
class stored {
 public:
  virtual ~stored() = default;
  virtual std::unique_ptr<record_store> open(boost::asio::io_context& context) = 0;
};
struct kind_of_store {
  const char* name;
  std::function<std::unique_ptr<stored>()> make;
};
/// Every implementation: the conformance tests run on each.
std::vector<kind_of_store> kinds_of_store();

inline constexpr std::size_t unlimited = std::size_t{1} << 40;

}  // namespace careteam::store::test

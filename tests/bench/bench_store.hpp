// A store to measure, in a folder that goes away: what the benches of timers and of worklists share.
#pragma once

#include <stdlib.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "store/sqlite_store.hpp"

namespace careteam::bench {

/// For co_spawn: a bench ends with whatever went wrong.
inline void rethrow(std::exception_ptr failure) {
  if (failure) std::rethrow_exception(failure);
}

/// A new folder inside the first argument of the program, or where it was started.
class bench_folder {
 public:
  bench_folder(int count, char** arguments, const std::string& name)
      : path_((std::filesystem::path(count > 1 ? arguments[1] : ".") / (name + "-XXXXXX")).string()) {
    if (!mkdtemp(path_.data())) throw std::runtime_error("no folder can be made at " + path_);
  }
  ~bench_folder() { std::filesystem::remove_all(path_); }
  bench_folder(const bench_folder&) = delete;
  bench_folder& operator=(const bench_folder&) = delete;
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

/// A store, and what its hosts would know of the records: each has one stream that is written to.
class bench_store {
 public:
  bench_store(const std::string& path, store::stream_kind stream)
      : stream_(stream),
        store_(store::open_sqlite(loop_.get_executor(), {.path = path, .missing = store::when_missing::create, .on_failure = {}})) {}

  boost::asio::io_context& loop() { return loop_; }
  store::record_store& opened() { return *store_; }
  void run() {
    loop_.restart();
    loop_.run();
  }
  void close() {
    boost::asio::co_spawn(loop_, store_->close(), rethrow);
    run();
  }

  /// The next entries of a record, of 300 bytes each.
  store::record_append entries(std::size_t record, std::size_t count) {
    auto& version = versions_[record];
    store::record_append append;
    append.record = "patient/" + std::to_string(record);
    append.expected_version = version;
    for (std::size_t i = 0; i < count; ++i) append.entries.push_back({stream_, ++version, 0, author_, text_});
    return append;
  }
  /// The next entry with its command.
  store::record_append message(std::size_t record) {
    auto append = entries(record, 1);
    store::command_record command{author_, {}, {}, stream_, append.entries.back().seq};
    ++commands_;
    for (std::size_t i = 0; i < 8; ++i) command.id[i] = static_cast<std::uint8_t>(commands_ >> (56 - 8 * i));
    append.commands.push_back(std::move(command));
    return append;
  }
  boost::asio::awaitable<void> commit(store::record_append append) {
    std::vector<store::record_append> request;
    request.push_back(std::move(append));
    const auto answer = co_await store_->append(std::move(request));
    if (!answer || !std::holds_alternative<store::committed>(*answer)) throw std::runtime_error("an append was not committed");
  }

 private:
  boost::asio::io_context loop_{1};
  store::stream_kind stream_;
  std::unique_ptr<store::record_store> store_;
  std::unordered_map<std::size_t, std::uint64_t> versions_;
  std::uint64_t commands_ = 0;
  std::string author_ = "nina";
  std::string text_ = std::string(300, 't');
};

}  // namespace careteam::bench

// What worklists cost (C5, C10): a person's first page with 100,000 open tasks in the store, all of them counted by priority, and what the
// rows of a task add to a commit. Prints one JSON object. The store is made in the folder that is given, and removed.
#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "bench_store.hpp"

namespace {

namespace asio = boost::asio;
namespace bench = careteam::bench;
namespace store = careteam::store;
using steady = std::chrono::steady_clock;

constexpr std::size_t records = 2'000;
constexpr std::size_t tasks_of_a_record = 50;
constexpr std::size_t people = 1'000;  ///< So that each owes 100 tasks and has asked for 100.
constexpr std::size_t page = 100;
constexpr std::size_t lists = 5'000;
constexpr std::size_t commits = 5'000;
constexpr std::size_t counts = 50;

double at(std::vector<double>& values, double part) {
  std::ranges::sort(values);
  return values[static_cast<std::size_t>(part * static_cast<double>(values.size() - 1))];
}

double microseconds_since(steady::time_point begin) {
  return std::chrono::duration<double, std::micro>(steady::now() - begin).count();
}

std::string person(std::size_t number) {
  return "person/" + std::to_string(number % people);
}

/// A stat task's rows: who answers, two more who are asked, the requester.
void add_rows(store::record_append& to, std::size_t number, std::uint64_t seq, store::instant breach) {
  const std::uint8_t parts[] = {3, 2, 2, 4};
  for (std::size_t i = 0; i < 4; ++i) {
    to.put_obligations.push_back({{person(number + 7 * i), breach, 2, seq}, parts[i], 1, static_cast<std::uint8_t>(1 + number % 4), 2, 1});
  }
}

struct results {
  std::vector<double> list_us, count_us, commit_us, commit_with_rows_us;
  std::size_t listed = 0;
};

class ward : public bench::bench_store {
 public:
  explicit ward(const std::string& path) : bench_store(path, 2) {}

  results measure() {
    results found;
    asio::co_spawn(loop(), measure_all(found), bench::rethrow);
    run();
    close();
    return found;
  }

 private:
  store::instant breach() {
    return store::instant(std::chrono::microseconds(1'700'000'000'000'000 + static_cast<std::int64_t>(random_() % 1'000'000) * 1'000'000));
  }

  asio::awaitable<void> measure_all(results& found) {
    std::size_t number = 0;
    for (std::size_t record = 0; record < records; ++record) {
      auto append = entries(record, tasks_of_a_record);
      for (std::uint64_t seq = 1; seq <= tasks_of_a_record; ++seq) add_rows(append, number++, seq, breach());
      co_await commit(std::move(append));
    }
    for (std::size_t i = 0; i < lists; ++i) {
      const auto begin = steady::now();
      const auto rows = co_await opened().obligations_of(person(random_()), std::nullopt, page);
      found.list_us.push_back(microseconds_since(begin));
      if (!rows) throw std::runtime_error("a worklist was not read");
      found.listed += rows->size();
    }
    for (std::size_t i = 0; i < counts; ++i) {
      const auto begin = steady::now();
      if (!co_await opened().count_obligations(breach())) throw std::runtime_error("obligations were not counted");
      found.count_us.push_back(microseconds_since(begin));
    }
    for (std::size_t i = 0; i < commits; ++i) {
      auto begin = steady::now();
      co_await commit(entries(i % records, 1));
      found.commit_us.push_back(microseconds_since(begin));
      auto append = entries(i % records, 1);
      add_rows(append, number++, append.entries.back().seq, breach());
      begin = steady::now();
      co_await commit(std::move(append));
      found.commit_with_rows_us.push_back(microseconds_since(begin));
    }
  }

  std::mt19937 random_{1};
};

}  // namespace

int main(int count, char** arguments) {
  const bench::bench_folder folder(count, arguments, "worklist-cost");
  auto found = ward(folder.file("care.db")).measure();
  std::cout << "{\"open_tasks\": " << records * tasks_of_a_record << ", \"items_of_a_list\": " << found.listed / lists
            << ", \"list_us\": {\"p50\": " << at(found.list_us, 0.5) << ", \"p99\": " << at(found.list_us, 0.99)
            << "}, \"count_us\": {\"p50\": " << at(found.count_us, 0.5) << "}, \"commit_us\": {\"p50\": " << at(found.commit_us, 0.5)
            << "}, \"commit_with_rows_us\": {\"p50\": " << at(found.commit_with_rows_us, 0.5) << "}}\n";
  return 0;
}

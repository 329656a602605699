// What the limits on commands cost by themselves: what hub::command_wait does for a command, over as many people as the bench has, in an
// order that the processor cannot foresee. Prints one JSON object.
#include <cstdint>
#include <ctime>
#include <iostream>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include "runtime/token_bucket.hpp"

namespace {

constexpr std::size_t people = 2'000;
constexpr std::size_t commands = 1'000'000;
// As wide as the bench opens them: every command passes.
constexpr double per_second = 1e9 / 60;
constexpr double at_once = 1e6;

double thread_cpu_ns() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
}

}  // namespace

int main() {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < people; ++i) names.push_back("u-" + std::to_string(i / 10) + "-" + std::to_string(i % 10));
  std::mt19937 random(1);
  std::uniform_int_distribution<std::size_t> anybody(0, people - 1);
  std::vector<std::size_t> senders(commands);
  for (auto& sender : senders) sender = anybody(random);
  std::unordered_map<std::string, careteam::runtime::token_bucket> buckets;
  std::uint64_t refused = 0;
  const double begin = thread_cpu_ns();
  for (const auto sender : senders) {
    const auto now = std::chrono::steady_clock::now();
    refused += static_cast<std::uint64_t>(buckets[names[sender]].take(now, per_second, at_once).count() != 0);
  }
  const double spent = thread_cpu_ns() - begin;
  std::cout << "{\"ns_per_command\": " << spent / static_cast<double>(commands) << ", \"refused\": " << refused << "}\n";
  return refused == 0 ? 0 : 1;
}

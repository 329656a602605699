// What timers cost (G5): arming and cancelling beside the commit alone, with a million timers in the store; and how late they fire when
// thousands are due each second. Prints one JSON object. The store is made in the folder that is given, and removed.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "bench_store.hpp"
#include "coordination/timers.hpp"

namespace {

namespace asio = boost::asio;
namespace bench = careteam::bench;
namespace coordination = careteam::coordination;
namespace runtime = careteam::runtime;
namespace store = careteam::store;
using namespace std::chrono_literals;

constexpr std::size_t records = 2'000;
constexpr std::size_t timers_stored = 1'000'000;
constexpr std::size_t timers_in_an_append = 500;
constexpr auto spread = 7 * 24h;  ///< Over which they are due, from an hour on.
constexpr std::size_t commits_in_a_run = 10'000;
constexpr int rounds = 24;
constexpr int due_per_second = 2'000;
constexpr auto firing_time = 20s;
constexpr std::size_t hosts_at_once[] = {16, 256};

/// What a commit does with timers.
enum class kind : std::uint8_t { none, arm, cancel };
/// Each round has another one of these, so that none of the kinds always pays for what another has left: a checkpoint, a file that grows.
/// In each a timer is armed before one is cancelled.
constexpr std::array<std::array<kind, 3>, 3> orders{
    {{kind::none, kind::arm, kind::cancel}, {kind::arm, kind::none, kind::cancel}, {kind::arm, kind::cancel, kind::none}}};
constexpr std::array<const char*, 3> names_of_kinds{"commit", "commit_arm", "commit_cancel"};

/// Of this process, to files of any kind, in KiB; 0 where the system does not count it.
double written_kib() {
  std::ifstream counted("/proc/self/io");
  std::string name;
  for (double value = 0; counted >> name >> value;) {
    if (name == "wchar:") return value / 1024;
  }
  return 0;
}

double process_cpu_us() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) / 1e3;
}

/// Resident memory in MiB.
double resident_mib() {
  std::ifstream statm("/proc/self/statm");
  double all = 0;
  double resident = 0;
  statm >> all >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 20);
}

/// The value below which a part of them is.
double quantile(std::vector<double> values, double part) {
  std::ranges::sort(values);
  return values[static_cast<std::size_t>(part * static_cast<double>(values.size() - 1))];
}

/// A store whose commits set timers.
class ward : public bench::bench_store {
 public:
  explicit ward(const std::string& path) : bench_store(path, 1) {}

  /// The domain's name for it: the object by its place in the record, and the deadline.
  store::timer_set new_timer(std::size_t record, store::instant due) {
    return {{"task/2/" + std::to_string(++timers_made_[record]) + "/accept", due}, std::nullopt};
  }

 private:
  std::array<std::uint64_t, records> timers_made_{};
};

asio::awaitable<void> fill(ward& in, store::instant from) {
  std::mt19937 random(1);
  std::uniform_int_distribution<std::int64_t> when(0, std::chrono::microseconds(spread).count());
  for (std::size_t set = 0; set < timers_stored; set += timers_in_an_append) {
    const auto record = set / timers_in_an_append % records;
    auto append = in.message(record);
    for (std::size_t i = 0; i < timers_in_an_append; ++i)
      append.set_timers.push_back(in.new_timer(record, from + 1h + std::chrono::microseconds(when(random))));
    co_await in.commit(std::move(append));
  }
}

/// What the hosts of one run share. `armed`: by record, the timers that were armed and not cancelled.
struct course {
  kind what;
  std::size_t left;
  std::map<std::size_t, std::vector<store::timer_key>>* armed;
};

asio::awaitable<void> host(ward& in, std::size_t record, std::size_t step, course& all) {
  std::mt19937 random(static_cast<unsigned>(record));
  for (std::size_t mine = record; all.left > 0; mine = (mine + step) % records) {
    --all.left;
    auto append = in.message(mine);
    auto& armed = (*all.armed)[mine];
    if (all.what == kind::arm) {
      // A task's first step: five minutes to an hour from now.
      const auto now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
      append.set_timers.push_back(in.new_timer(mine, now + (random() % 4 == 0 ? 1h : 5min)));
      armed.push_back(append.set_timers.back().key);
    } else if (all.what == kind::cancel && !armed.empty()) {
      append.cancel_timers.push_back(armed.back());
      armed.pop_back();
    }
    co_await in.commit(std::move(append));
  }
}

struct measured {
  std::array<std::vector<double>, 3> cpu_us, wall_us, written;  ///< Of one commit, by kind: one value of each round.
};

/// What a commit of that kind takes of the processor, over one that does nothing with timers: compared within each round, since the machine
/// changes from one to the next by more than what is sought.
std::vector<double> shares_over_commit(const measured& of, kind each) {
  std::vector<double> shares;
  const auto& alone = of.cpu_us[static_cast<std::size_t>(kind::none)];
  const auto& with = of.cpu_us[static_cast<std::size_t>(each)];
  for (std::size_t round = 0; round < alone.size(); ++round) shares.push_back(with[round] / alone[round] - 1);
  return shares;
}

measured measure_commits(ward& in, std::size_t hosts) {
  measured found;
  std::map<std::size_t, std::vector<store::timer_key>> armed;
  for (int round = 0; round < rounds; ++round) {
    for (const auto each : orders[static_cast<std::size_t>(round) % orders.size()]) {
      course all{each, commits_in_a_run, &armed};
      const auto begin = std::chrono::steady_clock::now();
      const double cpu = process_cpu_us();
      const double written = written_kib();
      for (std::size_t i = 0; i < hosts; ++i) asio::co_spawn(in.loop(), host(in, i, hosts, all), bench::rethrow);
      in.run();
      const auto index = static_cast<std::size_t>(each);
      found.cpu_us[index].push_back((process_cpu_us() - cpu) / commits_in_a_run);
      found.written[index].push_back((written_kib() - written) / commits_in_a_run);
      found.wall_us[index].push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count() /
                                     commits_in_a_run);
    }
  }
  return found;
}

struct firing {
  std::size_t asked = 0;
  std::size_t fired = 0;
  std::size_t most_in_flight = 0;
  std::vector<double> lateness_ms;
};

/// What a host does: an entry, and the timer is taken off.
asio::awaitable<void> carry_out(ward& in, store::stored_timer timer, coordination::timer_done done, firing& all) {
  auto append = in.message(std::stoul(timer.record.substr(8)));
  append.fired_timers.push_back(timer.key);
  co_await in.commit(std::move(append));
  all.lateness_ms.push_back(std::chrono::duration<double, std::milli>(std::chrono::system_clock::now() - timer.key.due).count());
  ++all.fired;
  done({});
}

/// All records at once: on a slow disk one after the other would last until the first are due.
asio::awaitable<void> set_due(ward& in, std::size_t record, store::instant from, firing& all) {
  constexpr auto apart = std::chrono::microseconds(1'000'000 / due_per_second);
  const auto count = static_cast<std::size_t>(firing_time / apart);
  auto append = in.message(record);
  // A record's are a second apart, so that each is done before its next one, as with a host.
  for (std::size_t i = record; i < count; i += records) append.set_timers.push_back(in.new_timer(record, from + i * apart));
  all.asked += append.set_timers.size();
  co_await in.commit(std::move(append));
}

firing measure_firing(ward& in, double& before_mib, double& after_mib) {
  firing all;
  const auto begin = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now()) + 3s;
  for (std::size_t record = 0; record < records; ++record) asio::co_spawn(in.loop(), set_due(in, record, begin, all), bench::rethrow);
  in.run();
  before_mib = resident_mib();
  runtime::system_clock clock;
  runtime::metrics_registry registry;
  std::shared_ptr<coordination::timers> service;
  const auto carry = [&](store::stored_timer timer, coordination::timer_done done) {
    asio::co_spawn(in.loop(), carry_out(in, std::move(timer), std::move(done), all), bench::rethrow);
    all.most_in_flight = std::max(all.most_in_flight, service->in_flight());
  };
  service = std::make_shared<coordination::timers>(in.loop().get_executor(), in.opened(), clock, carry,
                                                   coordination::timer_metrics::in(registry));
  service->start();
  in.loop().restart();
  const auto deadline = std::chrono::steady_clock::now() + firing_time + 60s;
  while (all.fired < all.asked && std::chrono::steady_clock::now() < deadline) in.loop().run_one_for(100ms);
  service->stop();
  in.run();
  after_mib = resident_mib();
  return all;
}

}  // namespace

int main(int count, char** arguments) {
  const bench::bench_folder folder(count, arguments, "timer-cost");
  bool all_fired = false;
  {
    ward in(folder.file("care.db"));
    const auto now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
    const auto begin = std::chrono::steady_clock::now();
    asio::co_spawn(in.loop(), fill(in, now), bench::rethrow);
    in.run();
    const double filled_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    std::cout << "{\"timers\": " << timers_stored << ", \"filled_seconds\": " << filled_seconds
              << ", \"file_mib\": " << static_cast<double>(std::filesystem::file_size(folder.file("care.db"))) / (1 << 20);
    for (const auto hosts : hosts_at_once) {
      const auto found = measure_commits(in, hosts);
      for (std::size_t each = 0; each < names_of_kinds.size(); ++each) {
        const auto shares = shares_over_commit(found, static_cast<kind>(each));
        std::cout << ", \"" << names_of_kinds[each] << "_" << hosts << "\": {\"cpu_us\": " << quantile(found.cpu_us[each], 0.5)
                  << ", \"wall_us\": " << quantile(found.wall_us[each], 0.5) << ", \"written_kib\": " << quantile(found.written[each], 0.5)
                  << ", \"over_commit\": " << quantile(shares, 0.5) << ", \"over_commit_quartiles\": [" << quantile(shares, 0.25) << ", "
                  << quantile(shares, 0.75) << "]}";
      }
    }
    double before_mib = 0;
    double after_mib = 0;
    auto fired = measure_firing(in, before_mib, after_mib);
    std::ranges::sort(fired.lateness_ms);
    const auto at = [&](double part) {
      return fired.lateness_ms.empty() ? 0.0 : fired.lateness_ms[static_cast<std::size_t>(part * static_cast<double>(fired.fired - 1))];
    };
    std::cout << ", \"due_per_second\": " << due_per_second << ", \"asked\": " << fired.asked << ", \"fired\": " << fired.fired
              << ", \"lateness_ms\": {\"p50\": " << at(0.5) << ", \"p99\": " << at(0.99) << ", \"max\": " << at(1)
              << "}, \"most_in_flight\": " << fired.most_in_flight << ", \"resident_mib\": {\"before\": " << before_mib
              << ", \"after\": " << after_mib << "}}\n";
    all_fired = fired.fired == fired.asked;
    in.close();
  }
  return all_fired ? 0 : 1;
}

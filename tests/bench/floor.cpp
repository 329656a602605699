// The floor: what a message, or a command about a task, costs at the very least on this machine. The same rows in the same batches through
// bare SQLite with fsync, and the same frames by bare send() over loopback. Prints one JSON object. See README.md.
#include <careteam/v1/wire.pb.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <cstdint>
#include <ctime>
#include <exception>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "bench/clock.hpp"
#include "bench/task_round.hpp"
#include "bench/wire_scan.hpp"
#include "floor_network.hpp"
#include "floor_store.hpp"

namespace {

namespace bench = careteam::bench;
namespace v1 = careteam::v1;

struct floor_options {
  std::string store;
  std::uint32_t rooms = 200;
  std::uint32_t members = 10;
  std::size_t message_bytes = 200;
  double batch = 500;   // Messages per transaction.
  double per_room = 1;  // Messages of one room in a transaction, and so in a frame.
  std::uint64_t count = 100'000;
  double rate = 0;  // Messages per second; 0: as fast as it goes.
  double limit_seconds = 60;
  int drain_core = 1;
  std::string tasks;  // "person", "role": commands about tasks for such a target instead of messages.
};

v1::Entry entry_without_fact() {
  v1::Entry entry;
  entry.set_patient_id("room-000");
  entry.set_stream(v1::STREAM_CLINICAL);
  entry.set_seq(5'000);
  entry.mutable_time()->set_seconds(1'800'000'000);
  entry.mutable_time()->set_nanos(123'456'000);
  entry.mutable_author()->set_person_id("u-000-0");
  entry.mutable_author()->set_role(v1::ROLE_ONCOLOGY_NURSE);
  return entry;
}

/// A message's entry as the server encodes it.
v1::Entry message_entry(std::size_t message_bytes) {
  auto entry = entry_without_fact();
  auto& posted = *entry.mutable_message_posted();
  posted.mutable_content()->set_text(std::string(message_bytes, 'x'));
  posted.set_priority(v1::PRIORITY_ROUTINE);
  return entry;
}

/// The five entries of a task.
std::vector<v1::Entry> task_entries(std::size_t message_bytes, const std::vector<std::string>& asked) {
  std::vector<v1::Entry> steps(bench::task_step_count, entry_without_fact());
  auto& requested = *steps[0].mutable_task_requested();
  auto& order = *requested.mutable_order();
  order.set_kind(v1::TASK_KIND_CARE);
  order.set_title(std::string(message_bytes, 'x'));
  order.set_priority(v1::PRIORITY_URGENT);
  order.mutable_target()->set_person_id(asked.front());
  *order.mutable_due() = steps[0].time();
  requested.set_requester_person_id("u-000-0");
  for (const auto& person : asked) requested.add_candidate_person_id(person);
  *requested.mutable_accept_by() = steps[0].time();
  auto& claimed = *steps[1].mutable_task_claimed();
  claimed.set_seq(4'990);
  *claimed.mutable_decide_by() = steps[1].time();
  auto& accepted = *steps[2].mutable_task_accepted();
  accepted.set_seq(4'990);
  *accepted.mutable_start_by() = steps[2].time();
  steps[3].mutable_task_started()->set_seq(4'990);
  steps[4].mutable_task_completed()->set_seq(4'990);
  return steps;
}

std::vector<v1::Entry> sample_entries(const floor_options& options) {
  if (options.tasks.empty()) return {message_entry(options.message_bytes)};
  return task_entries(options.message_bytes, std::vector<std::string>(options.tasks == "role" ? options.members : 1, "u-000-1"));
}

/// In how many worklists a task is: of whoever is asked, and of who asks.
std::uint32_t owners_of(const floor_options& options) {
  return options.tasks == "role" ? options.members : std::min(2U, options.members);
}

std::vector<std::string> encoded(const std::vector<v1::Entry>& entries) {
  std::vector<std::string> bytes;
  for (const auto& entry : entries) bytes.push_back(entry.SerializeAsString());
  return bytes;
}

/// Bytes that one entry, or one answer, takes in a ServerFrame.
template <class Fill>
std::size_t bytes_in_frame(Fill&& fill) {
  v1::ServerFrame frame;
  fill(frame);
  return frame.ByteSizeLong();
}

std::size_t websocket_header_bytes(std::size_t payload) {
  return payload < 126 ? 2 : payload <= 0xffff ? 4 : 10;
}

double thread_cpu_us() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) / 1e3;
}

void wait_until(std::uint64_t ns) {
  const timespec time{static_cast<time_t>(ns / 1'000'000'000), static_cast<long>(ns % 1'000'000'000)};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nullptr);
}

class floor_run {
 public:
  explicit floor_run(const floor_options& options)
      : options_{options},
        entries_{sample_entries(options)},
        store_{options.store, options.rooms, options.members, encoded(entries_), owners_of(options)},
        network_{std::size_t{options.rooms} * options.members, options.drain_core} {
    const auto all = bytes_in_frame([&](v1::ServerFrame& frame) { frame.mutable_entries()->Add(entries_.begin(), entries_.end()); });
    entry_in_frame_ = all / entries_.size();
    answer_in_frame_ = bytes_in_frame([&](v1::ServerFrame& frame) {
      auto& committed = *frame.add_committed();
      committed.set_command_id(std::string(bench::command_id_digits, '0'));
      committed.set_patient_id(entries_[0].patient_id());
      committed.set_stream(entries_[0].stream());
      committed.set_seq(entries_[0].seq());
    });
  }

  boost::json::object run() {
    const auto begin = bench::monotonic_ns();
    const auto limit = begin + static_cast<std::uint64_t>(options_.limit_seconds * 1e9);
    while (messages_ < options_.count && bench::monotonic_ns() < limit) {
      if (options_.rate > 0) wait_until(begin + static_cast<std::uint64_t>(static_cast<double>(messages_) * 1e9 / options_.rate));
      one_batch();
    }
    const double seconds = static_cast<double>(bench::monotonic_ns() - begin) / 1e9;
    const auto each = [this](double value) { return std::round(value / static_cast<double>(messages_) * 1000) / 1000; };
    return {{"batch", options_.batch},
            {"per_room", options_.per_room},
            {"messages", messages_},
            {"transactions", batches_},
            {"sends", sends_},
            {"entry_in_frame_bytes", entry_in_frame_},
            {"seconds", seconds},
            {"messages_per_s", std::round(static_cast<double>(messages_) / seconds)},
            {"cpu_share", std::round((store_us_ + send_us_) / seconds / 1e3) / 1e3},
            {"store_cpu_us_per_message", each(store_us_)},
            {"send_cpu_us_per_message", each(send_us_)},
            {"cpu_us_per_message", each(store_us_ + send_us_)}};
  }

 private:
  void one_batch() {
    // Sizes are means and so fractions: the sizes of single batches differ by one.
    const auto end = static_cast<std::uint64_t>(static_cast<double>(++batches_) * options_.batch);
    const auto size = std::max<std::uint64_t>(1, end - std::min(end, messages_));
    const auto wanted = std::llround(std::max(1.0, static_cast<double>(size) / options_.per_room));
    const auto rooms = std::min<std::uint64_t>(static_cast<std::uint64_t>(wanted), options_.rooms);
    batch_.clear();
    for (std::uint64_t i = 0; i < size; ++i) {
      const auto room = static_cast<std::uint32_t>((first_room_ + i % rooms) % options_.rooms);
      batch_.push_back({room, static_cast<std::uint32_t>(i / rooms % options_.members)});
    }
    const double before = thread_cpu_us();
    store_.append(batch_);
    const double stored = thread_cpu_us();
    for (std::uint64_t i = 0; i < rooms; ++i)
      send_room(static_cast<std::uint32_t>((first_room_ + i) % options_.rooms), size / rooms + (i < size % rooms ? 1 : 0));
    const double sent = thread_cpu_us();
    store_us_ += stored - before;
    send_us_ += sent - stored;
    first_room_ = (first_room_ + rooms) % options_.rooms;
    messages_ += size;
  }

  void send_room(std::uint32_t room, std::uint64_t entries) {
    for (std::uint32_t member = 0; member < options_.members; ++member) {
      // Message i of the room came from member i modulo members.
      const std::uint64_t answers = entries / options_.members + (member < entries % options_.members ? 1 : 0);
      const std::size_t payload = entries * entry_in_frame_ + answers * answer_in_frame_;
      network_.send(std::size_t{room} * options_.members + member, websocket_header_bytes(payload) + payload);
      ++sends_;
    }
  }

  floor_options options_;
  std::vector<v1::Entry> entries_;
  bench::floor_store store_;
  bench::floor_network network_;
  std::size_t entry_in_frame_ = 0;
  std::size_t answer_in_frame_ = 0;
  std::vector<bench::floor_message> batch_;
  std::uint64_t first_room_ = 0;
  std::uint64_t messages_ = 0;
  std::uint64_t batches_ = 0;
  std::uint64_t sends_ = 0;
  double store_us_ = 0;
  double send_us_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Measures what the rows and frames of the product cost by bare SQLite and bare send()."};
  floor_options options;
  app.add_option("--store", options.store, "SQLite file to create; must not exist")->required()->check(CLI::NonexistentPath);
  app.add_option("--rooms", options.rooms, "Rooms")->check(CLI::Range(1, 1000));
  app.add_option("--members", options.members, "Members of each room")->check(CLI::Range(1, 100));
  app.add_option("--message-bytes", options.message_bytes, "Bytes of each text")->check(CLI::Range(1, 16000));
  app.add_option("--batch", options.batch, "Messages per transaction, on average")->check(CLI::Range(1.0, 1e5));
  app.add_option("--per-room", options.per_room, "Of these, messages of one room, on average")->check(CLI::Range(1.0, 1e5));
  app.add_option("--count", options.count, "Messages");
  app.add_option("--rate", options.rate, "Messages per second; 0: as fast as it goes");
  app.add_option("--limit", options.limit_seconds, "Ends after so many seconds at the latest")->check(CLI::Range(0.1, 600.0));
  app.add_option("--drain-core", options.drain_core, "The core of those who read; below zero: any");
  app.add_option("--tasks", options.tasks, "Commands about tasks instead of messages, for such a target")
      ->check(CLI::IsMember({"person", "role"}));
  CLI11_PARSE(app, argc, argv);
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  try {
    floor_run run{options};
    std::cout << boost::json::serialize(run.run()) << '\n';
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "careteam_floor: " << error.what() << '\n';
    return 3;
  }
}

// Every operation on the store's files fails once, one after the other, or from then on: what was acknowledged stays, what was refused has
// not happened, and the store goes on when the disk does. And power is lost at every operation.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <ostream>

#include "disk/bad_disk.hpp"
#include "fault_workload.hpp"
#include "store/verify.hpp"

namespace careteam::store::test {
namespace {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t usual_stride = 31;
#else
constexpr std::uint64_t usual_stride = 3;
#endif
constexpr std::uint64_t stride_of_rare_operations = 3;
/// Each operation in the long form (CARETEAM_STRIDE=1), otherwise a part of them: two minutes are too many for every day.
std::uint64_t stride() {
  static const char* chosen = std::getenv("CARETEAM_STRIDE");  // NOLINT(concurrency-mt-unsafe): nobody changes the environment
  static const std::uint64_t steps = chosen ? std::stoul(chosen) : usual_stride;
  return steps;
}

/// Syncing is not what is tested here, the model does it: thousands of syncs in earnest would take minutes.
std::filesystem::path in_memory() {
  const std::filesystem::path memory = "/dev/shm";
  return std::filesystem::is_directory(memory) ? memory : std::filesystem::temp_directory_path();
}

class watched_folder {
 public:
  explicit watched_folder(disk::plan& plan) : folder_(in_memory()), path_(folder_.file("disk")) {
    std::filesystem::create_directory(path_);
    disk::watch(path_, disk::bookkeeping::model, plan);
  }
  ~watched_folder() { disk::stop_watching(); }
  watched_folder(const watched_folder&) = delete;
  watched_folder& operator=(const watched_folder&) = delete;
  std::string store() const { return path_ + "/care.db"; }
  std::string beside(const std::string& name) const { return folder_.file(name); }

 private:
  scratch_folder folder_;
  std::string path_;
};

struct fault_case {
  const char* name;
  std::uint64_t operations;
  disk::effect what;
  int error;
  std::uint64_t times;
};
void PrintTo(const fault_case& one, std::ostream* out) {
  *out << one.name;
}

constexpr std::uint64_t for_ever = 1 << 30;
constexpr auto any_change = disk::write_operation | disk::sync_operation | disk::truncate_operation | disk::name_operation;
const fault_case fault_cases[] = {
    {"a_write_fails_once", disk::write_operation, disk::fail, EIO, 1},
    {"a_write_finds_the_disk_full_once", disk::write_operation, disk::fail, ENOSPC, 1},
    {"the_disk_fills_up", disk::write_operation, disk::fail, ENOSPC, for_ever},
    {"a_write_is_short", disk::write_operation, disk::shorten, 0, 1},
    {"a_write_is_torn_by_a_full_disk", disk::write_operation, disk::shorten, ENOSPC, 1},
    {"a_write_is_torn_by_an_error", disk::write_operation, disk::shorten, EIO, 1},
    {"a_sync_fails_once", disk::sync_operation, disk::fail, EIO, 1},
    {"three_syncs_fail", disk::sync_operation, disk::fail, EIO, 3},
    {"no_sync_succeeds_any_more", disk::sync_operation, disk::fail, EIO, for_ever},
    {"a_truncation_fails", disk::truncate_operation, disk::fail, EIO, 1},
    {"an_open_fails", disk::open_operation, disk::fail, EIO, 1},
    {"there_are_no_more_files_to_open", disk::open_operation, disk::fail, EMFILE, 2},
    {"a_read_fails_once", disk::read_operation, disk::fail, EIO, 1},
    {"nothing_can_be_read_any_more", disk::read_operation, disk::fail, EIO, for_ever},
    {"a_removal_fails", disk::name_operation, disk::fail, EIO, 1},
    {"everything_fails_from_here", any_change, disk::fail, EIO, for_ever},
};

class every_operation : public testing::TestWithParam<fault_case> {};

TEST_P(every_operation, fails_and_no_promise_is_broken) {
  const auto& fault = GetParam();
  std::uint64_t refused = 0;
  bool more = true;
  // Writes and reads are many, all others few: of those a long step would leave next to nothing.
  const bool many = (fault.operations & (disk::write_operation | disk::read_operation)) != 0;
  const auto step = many ? stride() : std::min(stride(), stride_of_rare_operations);
  // The cases start at different operations, so that they miss different ones.
  const auto first = 1 + std::hash<std::string>()(fault.name) % step;
  for (std::uint64_t at = first; more; at += step) {
    SCOPED_TRACE("operation " + std::to_string(at));
    disk::plan plan;
    const watched_folder folder(plan);
    fault_workload workload(folder.store());
    plan.operations = fault.operations;
    plan.error = static_cast<std::uint64_t>(fault.error);
    plan.at = at;
    plan.times = fault.times;
    plan.what = fault.what;
    workload.run();
    more = plan.fired != 0;
    plan.what = disk::nothing;
    for (const auto& one : workload.outcome()) refused += one != told::committed ? 1 : 0;
    expect_promises_kept(folder.store(), workload.promised());
    // What the process saw is what a power loss would leave: everything was synced that was believed to be.
    disk::leave(folder.beside("least"), 0);
    expect_promises_kept(folder.beside("least") + "/care.db", workload.promised());
    if (testing::Test::HasFailure()) return;
  }
  const bool harmless = fault.error == 0 || fault.operations == disk::truncate_operation || fault.operations == disk::name_operation ||
                        fault.operations == disk::open_operation;  // Opened at the second attempt.
  EXPECT_TRUE(refused > 0 || harmless) << "the fault was never felt";
}

INSTANTIATE_TEST_SUITE_P(sqlite_fault, every_operation, testing::ValuesIn(fault_cases),
                         [](const auto& one) { return std::string(one.param.name); });

// Hardly any cache: the index of the streams is read from the disk when one is made, after rows with greater numbers were inserted.
TEST(sqlite_fault, a_read_that_fails_where_a_stream_is_made_refuses_no_more_than_the_append) {
  constexpr std::uint64_t records = 600;
  disk::plan plan;
  const watched_folder folder(plan);
  event_loop loop;
  auto options = options_for(folder.store());
  options.cache_bytes = 8 << 10;
  auto store = open_sqlite(loop.context().get_executor(), std::move(options));
  const auto patient = [](std::uint64_t number) { return "patient/" + std::to_string(number); };
  for (std::uint64_t i = 0; i < records; ++i) ASSERT_TRUE(loop.run(store->append(request(patient(i)).entry(1, 1, "a"))));
  plan.operations = disk::read_operation;
  plan.error = EIO;
  std::uint64_t refused = 0;
  for (std::uint64_t at = 1; at <= 40; ++at) {
    const auto number = at * 13;
    plan.counted = plan.fired = 0;
    plan.at = at % 8 + 1;
    plan.times = 1;
    plan.what = disk::fail;
    const auto answer = loop.run(store->append(request(patient(number), 1).entry(1, 2, "b").entry(2, 1, "c")));
    plan.what = disk::nothing;
    if (answer) continue;
    ++refused;
    EXPECT_EQ(answer.error(), errc::unavailable);
    ASSERT_TRUE(loop.run(store->append(request(patient(number), 1).entry(1, 2, "b").entry(2, 1, "c"))));
  }
  EXPECT_GT(refused, 0u) << "the fault was never felt";
  loop.run(store->close());
  EXPECT_TRUE(verify_sqlite(folder.store(), {}).sound());
}

/// What a power loss leaves at one moment, and what was promised until then.
struct moment {
  std::string folder;
  std::array<told, fault_workload::steps> promised;
};

/// Takes moments while a workload runs: after every operation on the disk, with several seeds.
class power_losses {
 public:
  power_losses(const watched_folder& folder, const fault_workload& workload, std::uint64_t every, std::uint64_t seeds)
      : folder_(folder), workload_(workload), every_(every), seeds_(seeds) {
    disk::on_operation([this](const disk::seen_operation& what) {
      if (what.done && count_++ % every_ == 0) take();
    });
  }
  ~power_losses() { disk::on_operation(nullptr); }
  power_losses(const power_losses&) = delete;
  power_losses& operator=(const power_losses&) = delete;

  void check() {
    disk::on_operation(nullptr);
    for (const auto& one : moments_) {
      SCOPED_TRACE(one.folder);
      expect_promises_kept(one.folder + "/care.db", one.promised);
      if (testing::Test::HasFailure()) return;
      std::filesystem::remove_all(one.folder);
    }
  }
  std::size_t size() const { return moments_.size(); }

 private:
  void take() {
    for (std::uint64_t seed = 0; seed < seeds_; ++seed) {
      // 0 and 1 are the extremes, in every moment; the others are new each time.
      const auto chosen = seed < 2 ? seed : moments_.size() + 1000;
      moments_.push_back({folder_.beside("lost-" + std::to_string(count_) + "-seed-" + std::to_string(chosen)), workload_.promised()});
      // What is refused may still come out whole as long as nobody has said so: a refusal counts when it was told.
      disk::leave(moments_.back().folder, chosen);
    }
  }

  const watched_folder& folder_;
  const fault_workload& workload_;
  std::uint64_t every_, seeds_, count_ = 0;
  std::vector<moment> moments_;
};

TEST(sqlite_power_loss, at_every_operation_keeps_what_was_acknowledged) {
  disk::plan plan;
  const watched_folder folder(plan);
  fault_workload workload(folder.store());
  power_losses losses(folder, workload, stride(), 5);
  workload.run();
  losses.check();
  EXPECT_GT(losses.size(), std::size_t{500} / stride());
}

TEST(sqlite_power_loss, after_a_sync_that_failed_keeps_what_was_acknowledged) {
  bool more = true;
  std::size_t moments = 0;
  for (std::uint64_t at = 1; more; at += stride()) {
    SCOPED_TRACE("sync " + std::to_string(at));
    disk::plan plan;
    const watched_folder folder(plan);
    fault_workload workload(folder.store());
    plan.operations = disk::sync_operation;
    plan.error = EIO;
    plan.at = at;
    plan.what = disk::fail;
    power_losses losses(folder, workload, 17, 3);
    workload.run();
    more = plan.fired != 0;
    losses.check();
    moments += losses.size();
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_GT(moments, std::size_t{200} / stride());
}

// The process dies with a transaction in the page cache that a failed sync has marked as clean. Its successor finds it, and appends behind
// it: if it believed the page cache, a power loss would tear a hole before everything that it acknowledges.
TEST(sqlite_power_loss, after_a_failed_sync_and_a_restart_keeps_what_the_next_process_acknowledged) {
  for (std::uint64_t at = 2; at < 16; at += 2) {
    SCOPED_TRACE("sync " + std::to_string(at));
    disk::plan plan;
    const watched_folder folder(plan);
    fault_workload first(folder.store());
    plan.operations = disk::sync_operation;
    plan.error = EIO;
    plan.at = at;
    plan.times = for_ever;
    plan.what = disk::fail;
    first.run(0, 4);
    // Dead: its files, as every process sees them, go on elsewhere; what it does to the old ones from here on counts no more.
    const std::string successor = folder.beside("successor");
    disk::move_to(successor);
    first.close();
    plan.what = disk::nothing;

    fault_workload second(successor + "/care.db");
    second.inherit(first.promised());
    power_losses losses(folder, second, 11, 3);
    second.run(4, 8);
    losses.check();
    second.close();
    disk::leave(folder.beside("least"), 0);
    expect_promises_kept(folder.beside("least") + "/care.db", second.promised());
    if (testing::Test::HasFailure()) return;
  }
}

TEST(sqlite_fault, the_disk_model_loses_what_was_not_synced) {
  disk::plan plan;
  const watched_folder folder(plan);
  fault_workload workload(folder.store());
  workload.run(0, 3);
  disk::leave(folder.beside("all"), 1);
  disk::leave(folder.beside("least"), 0);
  expect_promises_kept(folder.beside("least") + "/care.db", workload.promised());
  // Nothing is synced any more, and nobody is told: now the model must show the loss, or it could not show any.
  plan.operations = disk::sync_operation;
  disk::leave(folder.beside("before"), 0);
  disk::forget_syncs(true);
  workload.run(3, 6);
  disk::leave(folder.beside("after"), 0);
  disk::forget_syncs(false);
  EXPECT_EQ(std::filesystem::file_size(folder.beside("before") + "/care.db-wal"),
            std::filesystem::file_size(folder.beside("after") + "/care.db-wal"));
  event_loop loop;
  auto lost = open_sqlite(loop.context().get_executor(), options_for(folder.beside("after") + "/care.db"));
  EXPECT_FALSE(loop.run(lost->find_command("ana", request::uuid(4))).value());
  loop.run(lost->close());
  workload.close();
}

}  // namespace
}  // namespace careteam::store::test

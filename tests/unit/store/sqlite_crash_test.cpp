// Acknowledged means durable: a process that is killed in the middle of its appends has kept every one that it answered, once.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <map>
#include <random>

#include "sqlite_fixture.hpp"
#include "store/verify.hpp"

namespace careteam::store::test {
namespace {

constexpr stream_kind shared = 1;
constexpr unsigned hosts = 8;

std::string record_of(unsigned host) {
  return "patient/" + std::to_string(host);
}
std::string text_of(unsigned host, std::uint64_t seq) {
  return "entry " + std::to_string(host) + " " + std::to_string(seq) + std::string(seq % 900, '.');
}

uuid_bytes command_of(std::uint64_t seq) {
  uuid_bytes id{};
  for (std::size_t i = 0; i < 8; ++i) id[i] = static_cast<std::uint8_t>(seq >> (56 - 8 * i));
  return id;
}

struct acknowledged {
  unsigned host;
  std::uint64_t seq;
};

void tell(int pipe, const acknowledged& what) {
  if (write(pipe, &what, sizeof what) != sizeof what) _exit(4);
}

/// Appends for ever; says over the pipe what was committed.
boost::asio::awaitable<void> append_for_ever(record_store* store, unsigned host, std::uint64_t version, int pipe) {
  for (;;) {
    const std::uint64_t count = 1 + version % 5;
    request next(record_of(host), version);
    for (std::uint64_t seq = version + 1; seq <= version + count; ++seq) next.entry(shared, seq, text_of(host, seq), "ana");
    record_append part = next.part();
    for (std::uint64_t seq = version + 1; seq <= version + count; ++seq) {
      part.commands.push_back({record_of(host), command_of(seq), {}, shared, seq});
    }
    // One timer of the record is always there: due when its version says.
    const auto running = [](std::uint64_t at) { return timer_key{"timer", request::at(static_cast<std::int64_t>(at))}; };
    if (version > 0) part.fired_timers.push_back(running(version));
    part.set_timers.push_back({running(version + count), std::nullopt});
    std::vector<record_append> records{part};
    const auto answer = co_await store->append(std::move(records));
    if (!answer || !std::holds_alternative<committed>(*answer)) _exit(3);
    version += count;
    tell(pipe, acknowledged{host, version});
  }
}

[[noreturn]] void append_until_killed(const std::string& path, int pipe) {
  event_loop loop;
  auto options = options_for(path);
  // Small, so that kills also fall into checkpoints.
  options.checkpoint_bytes = 1 << 16;
  auto store = open_sqlite(loop.context().get_executor(), options);
  for (unsigned host = 0; host < hosts; ++host) {
    const auto version = loop.run(store->head(record_of(host))).value().version;
    boost::asio::co_spawn(loop.context(), append_for_ever(store.get(), host, version, pipe), rethrow());
  }
  loop.context().restart();
  loop.context().run();
  _exit(5);
}

TEST(sqlite_crash, every_acknowledged_append_survives_kill_9_once) {
  scratch_folder folder;
  const std::string path = folder.file("care.db");
  std::array<std::uint64_t, hosts> promised{};
  std::mt19937 random(7);
  for (int round = 0; round < 6; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) {
      close(ends[0]);
      append_until_killed(path, ends[1]);
    }
    close(ends[1]);
    acknowledged told{};
    int left = std::uniform_int_distribution<int>(1, 250)(random);
    bool killed = false;
    while (read(ends[0], &told, sizeof told) == sizeof told) {
      EXPECT_GT(told.seq, promised[told.host]);
      promised[told.host] = told.seq;
      if (--left == 0) killed = kill(child, SIGKILL) == 0;
    }
    close(ends[0]);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(killed && WIFSIGNALED(status)) << status;

    // As it lies there, with its WAL, before anybody has opened it for writing.
    const auto report = verify_sqlite(path, {});
    EXPECT_TRUE(report.sound()) << (report.findings.empty() ? "" : report.findings[0].what);
    event_loop loop;
    auto store = open_sqlite(loop.context().get_executor(), options_for(path));
    std::map<record_key, std::vector<timer_key>> timers;
    for (const auto& timer : loop.run(store->due_timers(instant::max(), std::nullopt, 100)).value())
      timers[timer.record].push_back(timer.key);
    for (unsigned host = 0; host < hosts; ++host) {
      const auto head = loop.run(store->head(record_of(host))).value();
      if (head.version > 0) {
        EXPECT_EQ(timers[record_of(host)], std::vector<timer_key>({{"timer", request::at(static_cast<std::int64_t>(head.version))}}));
      }
      EXPECT_GE(head.version, promised[host]);
      const auto entries = loop.run(store->read_record(record_of(host), 0, unlimited)).value();
      ASSERT_EQ(entries.size(), head.version);
      for (std::size_t i = 0; i < entries.size(); ++i) ASSERT_EQ(entries[i].bytes, text_of(host, i + 1));
      if (promised[host] == 0) continue;
      const auto command = loop.run(store->find_command(record_of(host), command_of(promised[host]))).value();
      ASSERT_TRUE(command);
      EXPECT_EQ(command->seq, promised[host]);
      EXPECT_FALSE(loop.run(store->find_command(record_of(host), command_of(head.version + 1))).value());
    }
    loop.run(store->close());
    EXPECT_TRUE(verify_sqlite(path, {}).sound());
  }
}

TEST(sqlite_crash, a_torn_wal_loses_only_its_last_transactions) {
  scratch_folder folder;
  const std::string path = folder.file("care.db");
  event_loop loop;
  auto store = open_sqlite(loop.context().get_executor(), options_for(path));
  for (std::uint64_t version = 0; version < 20; ++version) {
    loop.run(store->append(request("patient/rosa", version).entry(shared, version + 1, text_of(1, version + 1)))).value();
  }
  // What a machine leaves that lost its power: the file and a part of the WAL.
  const std::string torn = folder.file("torn.db");
  std::filesystem::copy_file(path, torn);
  std::filesystem::copy_file(path + "-wal", torn + "-wal");
  loop.run(store->close());
  const auto size = std::filesystem::file_size(torn + "-wal");
  std::filesystem::resize_file(torn + "-wal", size - size / 3 - 7);

  auto options = options_for(torn);
  options.missing = when_missing::fail;
  store = open_sqlite(loop.context().get_executor(), options);
  const auto version = loop.run(store->head("patient/rosa")).value().version;
  EXPECT_GT(version, 0u);
  EXPECT_LT(version, 20u);
  EXPECT_EQ(loop.run(store->read_record("patient/rosa", 0, unlimited)).value().size(), version);
  loop.run(store->append(request("patient/rosa", version).entry(shared, version + 1, "goes on"))).value();
  loop.run(store->close());
  EXPECT_TRUE(verify_sqlite(torn, {}).sound());
}

}  // namespace
}  // namespace careteam::store::test

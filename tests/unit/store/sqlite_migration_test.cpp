// From an older schema to this one: after a backup, all or nothing, and never without being asked.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <fstream>

#include "sqlite_fixture.hpp"
#include "store/sqlite_migration.hpp"

namespace careteam::store::test {
namespace {

using testing::HasSubstr;
constexpr stream_kind shared = 1;

/// Ten entries of a record are one obligation of the person who counts them.
class counting_projection : public record_projection {
 public:
  void begin(const record_key& record) override {
    record_ = record;
    seen_ = 0;
  }
  bool take(const stored_entry& entry) override {
    if (entry.version != seen_ + 1) return false;
    ++seen_;
    return entry.bytes != unreadable;
  }
  std::vector<obligation_row> obligations() override {
    std::vector<obligation_row> rows;
    for (std::uint64_t seq = 10; seq <= seen_; seq += 10) {
      rows.push_back({{"person/" + record_, request::at(static_cast<std::int64_t>(100 - seq)), shared, seq}, 1, 1, 2, 3, seq});
    }
    return rows;
  }
  std::string unreadable = "none";

 private:
  record_key record_;
  std::uint64_t seen_ = 0;
};

class migration : public testing::Test {
 protected:
  migration() {
    auto store = open_sqlite(loop_.context().get_executor(), options_for(path_));
    for (std::uint64_t version = 0; version < 30; ++version) {
      request next("patient/rosa", version);
      next.entry(shared, version + 1, "entry " + std::to_string(version), "ana");
      if (version % 10 == 9) next.snapshot("state " + std::to_string(version));
      EXPECT_TRUE(loop_.run(store->append(next)));
    }
    epoch_ = store->epoch();
    loop_.run(store->close());
  }
  /// The store as the first schema had it.
  void make_schema_1() {
    make_schema_2();
    tamper(path_, "ALTER TABLE snapshots DROP COLUMN digest; PRAGMA user_version = 1");
  }
  void make_schema_2() {
    make_schema_3();
    tamper(path_, "DROP TABLE timers; DROP TABLE deliveries; PRAGMA user_version = 2");
  }
  void make_schema_3() {
    make_schema_4();
    tamper(path_, "DROP TABLE obligations; PRAGMA user_version = 3");
  }
  void make_schema_4() {
    tamper(
        path_,
        "DROP TABLE timers; CREATE TABLE timers(due INTEGER NOT NULL, id TEXT NOT NULL, record INTEGER NOT NULL, version INTEGER NOT NULL, "
        "payload BLOB NOT NULL, PRIMARY KEY(due, id, record)) WITHOUT ROWID; PRAGMA user_version = 4");
  }

  std::optional<open_failure> failure_to_open() {
    try {
      auto store = open_sqlite(loop_.context().get_executor(), options_for(path_));
      loop_.run(store->close());
      return std::nullopt;
    } catch (const open_error& error) {
      message_ = error.what();
      return error.kind();
    }
  }
  static std::string bytes_of(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  migration_report migrate(std::span<const schema_step> steps = schema_steps()) {
    return migrate_sqlite(path_, backup_, progress, projection_, steps);
  }
  static void progress(std::uint64_t, std::uint64_t) {}

  scratch_folder folder_;
  std::string path_ = folder_.file("care.db");
  std::string backup_ = folder_.file("backup.db");
  event_loop loop_;
  std::string message_, epoch_;
  counting_projection projection_;
};

TEST_F(migration, an_older_store_is_refused_and_left_alone) {
  make_schema_1();
  const auto before = bytes_of(path_);
  EXPECT_EQ(failure_to_open(), open_failure::older_schema);
  EXPECT_THAT(message_, HasSubstr("has schema 1, this program needs 5"));
  EXPECT_THROW(verify_sqlite(path_, {}), open_error);
  EXPECT_THROW(back_up_sqlite(path_, backup_, progress), open_error);
  EXPECT_EQ(bytes_of(path_), before);
}

TEST_F(migration, an_older_store_becomes_this_program_s_with_everything_in_it) {
  make_schema_1();
  const auto report = migrate();
  EXPECT_EQ(report.from, 1);
  EXPECT_EQ(report.to, store_schema_version);
  EXPECT_TRUE(report.before.sound());
  EXPECT_TRUE(report.after.sound());
  EXPECT_EQ(report.after.entries, 30u);
  auto store = open_sqlite(loop_.context().get_executor(), options_for(path_));
  EXPECT_EQ(store->epoch(), epoch_) << "the same incarnation: clients go on";
  const auto head = loop_.run(store->head("patient/rosa")).value();
  EXPECT_EQ(head.version, 30u);
  EXPECT_EQ(head.snapshot, "state 29");
  EXPECT_FALSE(head.snapshot_damaged);
  EXPECT_TRUE(loop_.run(store->append(request("patient/rosa", 30).entry(shared, 31, "goes on"))));
  loop_.run(store->close());
  // The backup is the older store, which the older program can use.
  EXPECT_TRUE(verify_sqlite(backup_, {}, accepted_schema::older_too).sound());
  EXPECT_THROW(verify_sqlite(backup_, {}), open_error);
}

TEST_F(migration, a_store_without_timers_gets_their_tables) {
  make_schema_2();
  const auto report = migrate();
  EXPECT_EQ(report.from, 2);
  EXPECT_EQ(report.to, store_schema_version);
  EXPECT_TRUE(report.after.sound());
  auto store = open_sqlite(loop_.context().get_executor(), options_for(path_));
  EXPECT_TRUE(loop_.run(store->append(request("patient/rosa", 30).sets("nag", 5).sends("letter", "task"))));
  EXPECT_EQ(loop_.run(store->due_timers(request::at(5), std::nullopt, 10)).value().size(), 1u);
  EXPECT_TRUE(loop_.run(store->find_delivery("letter")).value());
  loop_.run(store->close());
  EXPECT_TRUE(verify_sqlite(path_, {}).sound());
}

TEST_F(migration, a_store_without_obligations_gets_them_from_its_entries) {
  make_schema_3();
  const auto report = migrate();
  EXPECT_EQ(report.from, 3);
  EXPECT_EQ(report.to, store_schema_version);
  EXPECT_TRUE(report.after.sound());
  EXPECT_EQ(report.after.obligations, 3u);
  auto store = open_sqlite(loop_.context().get_executor(), options_for(path_));
  const auto rows = loop_.run(store->obligations_of("person/patient/rosa", std::nullopt, 10)).value();
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows.front().row.key.seq, 30u) << "the first to be breached";
  loop_.run(store->close());
}

TEST_F(migration, timers_that_had_commands_are_due_when_they_were) {
  make_schema_4();
  tamper(path_,
         "INSERT INTO timers VALUES(20, 'b', 1, 30, 'a command'), (20, 'a', 1, 30, 'another'), (10, 'c', 1, 29, zeroblob(256)), "
         "(20, 'a', 2, 1, ''); INSERT INTO records VALUES(2, 'patient/ben', 0)");
  const auto report = migrate();
  EXPECT_EQ(report.from, 4);
  EXPECT_EQ(report.to, store_schema_version);
  EXPECT_EQ(report.before.timers, 4u);
  EXPECT_EQ(report.after.timers, 4u);
  EXPECT_TRUE(report.after.sound());
  auto store = open_sqlite(loop_.context().get_executor(), options_for(path_));
  std::vector<std::string> found;
  for (const auto& timer : loop_.run(store->due_timers(request::at(20), std::nullopt, 10)).value()) {
    found.push_back(timer.record + " " + timer.key.id + " " + std::to_string(timer.key.due.time_since_epoch().count()));
  }
  EXPECT_THAT(found, testing::ElementsAre("patient/rosa c 10", "patient/rosa a 20", "patient/ben a 20", "patient/rosa b 20"));
  EXPECT_TRUE(std::holds_alternative<committed>(
      loop_.run(store->append(request("patient/rosa", 30).fires("c", 10).cancels("b", 20).sets("a", 30, 20))).value()));
  EXPECT_EQ(loop_.run(store->due_timers(request::at(20), std::nullopt, 10)).value().size(), 1u);
  loop_.run(store->close());
  EXPECT_TRUE(verify_sqlite(path_, {}).sound());
}

TEST_F(migration, entries_that_cannot_be_read_change_nothing) {
  make_schema_3();
  projection_.unreadable = "entry 17";
  EXPECT_THROW(migrate(), open_error);
  EXPECT_EQ(failure_to_open(), open_failure::older_schema);
  EXPECT_TRUE(verify_sqlite(path_, {}, accepted_schema::older_too).sound());
}

TEST_F(migration, a_current_store_is_not_touched) {
  const auto before = bytes_of(path_);
  const auto report = migrate();
  EXPECT_EQ(report.from, report.to);
  EXPECT_FALSE(std::filesystem::exists(backup_));
  EXPECT_EQ(bytes_of(path_), before);
  make_schema_1();
  EXPECT_EQ(migrate().from, 1);
  backup_ = folder_.file("again.db");
  EXPECT_EQ(migrate().from, store_schema_version) << "twice is once";
  EXPECT_FALSE(std::filesystem::exists(backup_));
}

TEST_F(migration, a_newer_store_is_left_alone) {
  tamper(path_, "PRAGMA user_version = 99");
  try {
    migrate();
    FAIL();
  } catch (const open_error& error) {
    EXPECT_EQ(error.kind(), open_failure::newer_schema);
    EXPECT_THAT(error.what(), HasSubstr("use the newer program"));
  }
}

TEST_F(migration, a_step_that_fails_changes_nothing) {
  make_schema_1();
  constexpr std::array broken{schema_step{1, "a step that breaks off", [](sqlite_connection& connection) {
                                            connection.execute("DELETE FROM snapshots; CREATE TABLE more(x)");
                                            connection.execute("INSERT INTO nowhere VALUES(1)");
                                          }}};
  EXPECT_THROW(migrate(broken), open_error);
  EXPECT_TRUE(verify_sqlite(path_, {}, accepted_schema::older_too).sound());
  EXPECT_EQ(failure_to_open(), open_failure::older_schema);
  backup_ = folder_.file("again.db");
  EXPECT_EQ(migrate().after.entries, 30u);
  event_loop loop;
  auto store = open_sqlite(loop.context().get_executor(), options_for(path_));
  EXPECT_EQ(loop.run(store->head("patient/rosa")).value().snapshot, "state 29") << "what the broken step removed was there again";
  loop.run(store->close());
}

TEST_F(migration, a_damaged_store_is_not_migrated) {
  make_schema_1();
  tamper(path_, "UPDATE entries SET bytes = 'another' WHERE row = 7");
  const auto report = migrate();
  EXPECT_FALSE(report.before.sound());
  EXPECT_EQ(failure_to_open(), open_failure::older_schema);
}

TEST_F(migration, needs_the_store_and_a_new_file_for_the_backup) {
  make_schema_1();
  {
    const store_lock server(path_);
    EXPECT_THROW(migrate(), open_error);
  }
  std::ofstream(backup_) << "somebody's file";
  EXPECT_THROW(migrate(), open_error);
  EXPECT_EQ(bytes_of(backup_), "somebody's file");
  EXPECT_EQ(failure_to_open(), open_failure::older_schema);
}

TEST_F(migration, an_older_backup_can_be_restored_and_is_migrated_then) {
  make_schema_1();
  const std::string copy = folder_.file("copy.db");
  EXPECT_EQ(back_up_sqlite(path_, copy, progress, accepted_schema::older_too).epoch, epoch_);
  std::filesystem::remove(path_);
  EXPECT_NE(restore_sqlite(copy, path_, progress).epoch, epoch_);
  EXPECT_EQ(failure_to_open(), open_failure::older_schema);
  EXPECT_TRUE(migrate().after.sound());
  EXPECT_EQ(failure_to_open(), std::nullopt);
}

}  // namespace
}  // namespace careteam::store::test

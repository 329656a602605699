// Whatever is altered behind the store's back is found, and the place is named.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "sqlite_fixture.hpp"
#include "store/verify.hpp"

namespace careteam::store::test {
namespace {

using testing::HasSubstr;

constexpr stream_kind shared = 1;
constexpr stream_kind clinical = 2;

class verify : public testing::Test {
 protected:
  verify() {
    auto store = open_sqlite(loop_.context().get_executor(), options_for(path_));
    for (const auto* key : {"patient/ben", "patient/rosa"}) {
      request all(key);
      for (std::uint64_t seq = 1; seq <= 20; ++seq) {
        const std::string text = std::string(key) + " says " + std::to_string(seq) + std::string(seq * 20, '.');
        all.entry(shared, seq, text, "ana", seq == 7 ? 3 : 0).entry(clinical, seq, text + "!");
      }
      all.member("ana").snapshot("state").command("ana", key[8] == 'b' ? 1 : 2, shared, 20);
      all.sets("nag", 1'000).sends(std::string("letter to ") + key, "task");
      EXPECT_TRUE(loop_.run(store->append(all)));
    }
    EXPECT_TRUE(loop_.run(store->move_cursors({{"patient/rosa", shared, "ana", "phone", 20, 20, 20}})));
    loop_.run(store->close());
  }

  verify_report check() { return verify_sqlite(path_, {}); }
  void alter(const std::string& sql) { tamper(path_, sql); }
  /// The n-th entry of Rosa's shared stream.
  static std::string entry(int seq) { return std::to_string(rosa_shared << 32 | seq); }

  void expect_only(stream_kind stream, std::uint64_t seq, const std::string& what) {
    const auto report = check();
    ASSERT_EQ(report.findings.size(), 1u) << report.findings.at(1).what;
    EXPECT_EQ(report.findings[0].record, "patient/rosa");
    EXPECT_EQ(report.findings[0].stream, stream);
    EXPECT_EQ(report.findings[0].seq, seq);
    EXPECT_THAT(report.findings[0].what, HasSubstr(what));
  }
  /// Among others, which follow from it.
  void expect(stream_kind stream, std::uint64_t seq, const std::string& what) {
    bool found = false;
    std::string all;
    for (const auto& finding : check().findings) {
      EXPECT_NE(finding.record, "patient/ben") << "nothing is wrong there: " << finding.what;
      found = found || (finding.record == "patient/rosa" && finding.stream == stream && finding.seq == seq &&
                        finding.what.find(what) != std::string::npos);
      all += finding.record + " " + std::to_string(finding.stream) + "/" + std::to_string(finding.seq) + " " + finding.what + "\n";
    }
    EXPECT_TRUE(found) << all;
  }

  static constexpr std::int64_t rosa_shared = 3;
  event_loop loop_;
  scratch_folder folder_;
  std::string path_ = folder_.file("care.db");
};

TEST_F(verify, a_sound_store) {
  const auto report = check();
  EXPECT_TRUE(report.sound()) << report.findings.at(0).what;
  EXPECT_EQ(report.records, 2u);
  EXPECT_EQ(report.streams, 4u);
  EXPECT_EQ(report.entries, 80u);
  EXPECT_EQ(report.commands, 2u);
}

TEST_F(verify, one_flipped_bit_in_the_bytes) {
  alter("UPDATE entries SET bytes = CAST(replace(bytes, 'says 11', 'says 10') AS BLOB) WHERE position = " + entry(11));
  expect_only(shared, 11, "do not fit");
}

TEST_F(verify, one_flipped_bit_in_the_last_entry) {
  alter("UPDATE entries SET bytes = CAST(replace(bytes, 's', 'r') AS BLOB) WHERE position = " + entry(20));
  expect_only(shared, 20, "do not fit");
}

TEST_F(verify, one_flipped_bit_in_a_link) {
  alter("UPDATE entries SET chain = zeroblob(32) WHERE position = " + entry(5));
  expect_only(shared, 5, "do not fit");
}

TEST_F(verify, one_flipped_bit_in_the_file) {
  // Anywhere in a page: the test looks for a known text and flips a bit of it on disk.
  std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
  const std::string content(std::istreambuf_iterator<char>(file), {});
  const auto at = content.find("patient/rosa says 13");
  ASSERT_NE(at, std::string::npos);
  file.clear();
  file.seekp(static_cast<std::streamoff>(at + 3));
  file.put(static_cast<char>(content[at + 3] ^ 4));
  file.close();
  bool named = false;
  for (const auto& finding : check().findings) named = named || (finding.record == "patient/rosa" && finding.seq == 13);
  EXPECT_TRUE(named);
}

TEST_F(verify, a_link_and_its_bytes_rewritten_break_at_the_next) {
  alter("UPDATE entries SET bytes = (SELECT bytes FROM entries WHERE position = " + entry(1) +
        "), chain = (SELECT chain FROM entries WHERE position = " + entry(1) + ") WHERE position = " + entry(9));
  expect(shared, 9, "do not fit");
}

TEST_F(verify, a_row_deleted_in_the_middle) {
  alter("DELETE FROM entries WHERE position = " + entry(8));
  expect(shared, 8, "missing");
}

TEST_F(verify, a_row_and_its_place_deleted_in_the_middle) {
  alter("DELETE FROM entries WHERE position = " + entry(8) + "; DELETE FROM positions WHERE position = " + entry(8));
  expect(shared, 8, "missing");
}

TEST_F(verify, the_last_row_deleted) {
  alter("DELETE FROM entries WHERE position = " + entry(20) + "; DELETE FROM positions WHERE position = " + entry(20));
  expect(shared, 20, "head is 20");
  expect(shared, 20, "command");
}

TEST_F(verify, the_last_row_deleted_and_the_head_put_back) {
  alter("DELETE FROM entries WHERE position = " + entry(20) + "; DELETE FROM positions WHERE position = " + entry(20) +
        "; UPDATE streams SET head = 19 WHERE id = 3");
  expect(shared, 19, "chain value");
  expect(0, 0, "first version without one is 39");
}

TEST_F(verify, a_swapped_pair) {
  alter(
      "CREATE TEMP TABLE t AS SELECT * FROM entries; "
      "UPDATE entries SET bytes = (SELECT bytes FROM t WHERE t.position = " +
      entry(12) + ") WHERE position = " + entry(11) + "; UPDATE entries SET bytes = (SELECT bytes FROM t WHERE t.position = " + entry(11) +
      ") WHERE position = " + entry(12));
  expect(shared, 11, "do not fit");
  expect(shared, 12, "do not fit");
}

TEST_F(verify, swapped_places) {
  alter(
      "CREATE TEMP TABLE t AS SELECT * FROM positions; "
      "UPDATE positions SET row = (SELECT row FROM t WHERE t.position = " +
      entry(12) + ") WHERE position = " + entry(11) + "; UPDATE positions SET row = (SELECT row FROM t WHERE t.position = " + entry(11) +
      ") WHERE position = " + entry(12));
  expect(shared, 11, "belongs elsewhere");
  expect(shared, 12, "belongs elsewhere");
}

TEST_F(verify, swapped_versions) {
  alter("UPDATE entries SET version = 2 WHERE position = " + entry(11) +
        "; UPDATE positions SET version = 2 WHERE position = " + entry(11));
  expect(shared, 11, "out of order");
}

TEST_F(verify, a_version_used_twice) {
  alter("UPDATE entries SET version = 22 WHERE position = " + entry(11) +
        "; UPDATE positions SET version = 22 WHERE position = " + entry(11));
  expect(clinical, 11, "used twice");
}

TEST_F(verify, a_record_s_version_altered) {
  alter("UPDATE records SET version = 41 WHERE key = 'patient/rosa'");
  expect_only(0, 0, "version is 41");
}

TEST_F(verify, references_that_lead_nowhere) {
  alter("UPDATE commands SET seq = 21 WHERE record = 2");
  expect_only(shared, 21, "command");
  alter("UPDATE commands SET seq = 20 WHERE record = 2; UPDATE about SET target = position + 1 WHERE position >> 32 = 3");
  expect_only(shared, 7, "amendment");
  alter("UPDATE about SET target = position - 4 WHERE position >> 32 = 3; UPDATE memberships SET person = 77 WHERE record = 2");
  expect_only(0, 0, "membership");
  alter("UPDATE memberships SET person = 1 WHERE record = 2; UPDATE cursors SET read = 21");
  expect_only(shared, 21, "cursor");
  alter("UPDATE cursors SET read = 20; UPDATE snapshots SET version = 41 WHERE record = 2");
  expect_only(0, 0, "snapshot");
  alter("UPDATE snapshots SET version = 40; DELETE FROM authors WHERE stream = 3");
  expect_only(shared, 0, "author");
}

TEST_F(verify, entries_of_no_stream) {
  alter("DELETE FROM streams WHERE id = 3");
  const auto report = check();
  EXPECT_FALSE(report.sound());
  bool named = false;
  for (const auto& finding : report.findings) named = named || finding.what.find("belongs to no stream") != std::string::npos;
  EXPECT_TRUE(named);
}

TEST_F(verify, destroyed_pages_are_findings_and_no_crash) {
  const auto pages = std::filesystem::file_size(path_) / 4096;
  for (std::uintmax_t page = 1; page < pages; ++page) {
    SCOPED_TRACE(page);
    const std::string copy = folder_.file("copy.db");
    std::filesystem::copy_file(path_, copy, std::filesystem::copy_options::overwrite_existing);
    std::fstream file(copy, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(page * 4096));
    file << std::string(4096, '\x5a');
    file.close();
    try {
      EXPECT_FALSE(verify_sqlite(copy, {}).sound());
    } catch (const open_error& error) {
      EXPECT_EQ(error.kind(), open_failure::corrupt);
    }
  }
}

TEST_F(verify, works_while_the_store_is_served) {
  auto store = open_sqlite(loop_.context().get_executor(), options_for(path_));
  EXPECT_TRUE(loop_.run(store->append(request("patient/eva").entry(shared, 1, "a"))));
  const auto report = check();
  EXPECT_TRUE(report.sound());
  EXPECT_EQ(report.entries, 81u);
  EXPECT_TRUE(loop_.run(store->append(request("patient/eva", 1).entry(shared, 2, "b"))));
  loop_.run(store->close());
  EXPECT_EQ(check().entries, 82u);
}

TEST_F(verify, works_where_nothing_can_be_written) {
  const auto folder = std::filesystem::path(path_).parent_path();
  chmod(path_.c_str(), 0444);
  chmod(folder.c_str(), 0555);
  // Root may write everything: a child that is nobody looks.
  const pid_t child = fork();
  if (child == 0) {
    if (geteuid() == 0 && seteuid(65534) != 0) _exit(2);
    try {
      _exit(check().sound() ? 0 : 1);
    } catch (const open_error& error) {
      fputs(error.what(), stderr);
      _exit(3);
    }
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  chmod(folder.c_str(), 0700);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_FALSE(std::filesystem::exists(path_ + "-wal"));
}

TEST_F(verify, a_missing_file_is_an_error_and_no_finding) {
  EXPECT_THROW(verify_sqlite(folder_.file("nothing.db"), {}), open_error);
}

TEST_F(verify, tells_how_far_it_is) {
  {
    auto store = open_sqlite(loop_.context().get_executor(), options_for(path_));
    request many("patient/eva");
    for (std::uint64_t seq = 1; seq <= 10'000; ++seq) many.entry(shared, seq, "x");
    EXPECT_TRUE(loop_.run(store->append(many)));
    loop_.run(store->close());
  }
  std::vector<std::uint64_t> told;
  verify_sqlite(path_, [&](std::uint64_t checked, std::uint64_t total) {
    EXPECT_EQ(total, 10'080u);
    told.push_back(checked);
  });
  EXPECT_EQ(told, (std::vector<std::uint64_t>{4096, 8192, 10'080}));
}

TEST_F(verify, finds_a_timer_that_is_none) {
  EXPECT_EQ(check().timers, 2u);
  alter("UPDATE timers SET id = replace(hex(zeroblob(51)), '0', 'x') WHERE record = 2");
  expect_only(0, 0, "a timer names no record, or is not what a timer is");
}

TEST_F(verify, finds_a_timer_of_no_record) {
  alter("UPDATE timers SET record = 77 WHERE record = 2");
  const auto report = check();
  ASSERT_EQ(report.findings.size(), 1u);
  EXPECT_EQ(report.findings[0].record, "");
  EXPECT_THAT(report.findings[0].what, HasSubstr("a timer names no record"));
}

TEST_F(verify, finds_deliveries_that_cannot_be) {
  EXPECT_EQ(check().deliveries, 2u);
  for (const auto* change :
       {"state = 5", "state = 0", "state = 2", "worker = 99", "recipient = 99", "channel = 99", "payload = zeroblob(600)"}) {
    alter("BEGIN; UPDATE deliveries SET " + std::string(change) + " WHERE record = 2; COMMIT");
    expect_only(0, 0, "a delivery names no record or no person, or is in no state that there is");
    alter(
        "UPDATE deliveries SET (state, worker, recipient, channel, payload) = (SELECT state, worker, recipient, channel, payload "
        "FROM deliveries WHERE record = 1) WHERE record = 2");
  }
  EXPECT_TRUE(check().sound());
}

}  // namespace
}  // namespace careteam::store::test

// Random requests against a store and against a model in memory: the answers and what can be read must be the same.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "fixture.hpp"
#include "store/chain.hpp"

namespace careteam::store::test {
namespace {

struct model_entry {
  stream_kind stream;
  std::uint64_t seq;
  std::uint64_t about;
  std::string author;
  std::string bytes;
};

struct model_record {
  std::vector<model_entry> entries;  ///< In version order.
  std::map<stream_kind, std::vector<std::size_t>> streams;
  std::set<std::string> members;
  std::string snapshot;
  std::uint64_t snapshot_version = 0;
  std::map<std::string, std::int64_t> timers;  ///< When each is due.
};

struct model_cursor {
  std::uint64_t displayed = 0;
  std::uint64_t read = 0;
};

class random_run : public testing::TestWithParam<std::tuple<kind_of_store, unsigned>> {
 protected:
  random_run() : random_(std::get<1>(GetParam())), place_(std::get<0>(GetParam()).make()), store_(place_->open(loop_.context())) {}
  ~random_run() override { loop_.run(store_->close()); }

  std::uint64_t pick(std::uint64_t below) { return std::uniform_int_distribution<std::uint64_t>(0, below - 1)(random_); }
  std::string pick_record() { return "patient/" + std::to_string(pick(6)); }
  std::string pick_person() { return "person/" + std::to_string(pick(5)); }
  stream_kind pick_stream() { return static_cast<stream_kind>(1 + pick(4)); }

  void append();
  void move();
  void read();
  void reopen();
  void random_timer(request& built, const model_record& record);
  void read_timers();
  record_append random_part(const record_key& key, std::vector<command_record>& known);
  void apply(const record_append& part);

  std::mt19937 random_;
  event_loop loop_;
  std::unique_ptr<stored> place_;
  std::unique_ptr<record_store> store_;
  std::map<record_key, model_record> records_;
  std::map<std::pair<std::string, uuid_bytes>, command_record> commands_;
  std::map<std::tuple<std::string, record_key, stream_kind>, model_cursor> cursors_;
  std::set<std::pair<std::string, uuid_bytes>> in_request_;
};

void random_run::random_timer(request& built, const model_record& record) {
  const std::string id = "t" + std::to_string(pick(8));
  const auto same = [&](const auto& one) { return one.key.id == id; };
  if (std::ranges::any_of(built.part().set_timers, same)) return;
  const auto at = record.timers.find(id);
  const bool there = at != record.timers.end();
  const auto fires = [&](const timer_key& one) { return one.id == id; };
  const bool used = std::ranges::any_of(built.part().fired_timers, fires) || std::ranges::any_of(built.part().cancel_timers, fires);
  switch (pick(3)) {
    case 0:
      if (there && !used) built.fires(id, at->second);
      return;
    case 1:
      if (!used) built.cancels(id, there ? at->second : 5);
      return;
    default:
      built.sets(id, static_cast<std::int64_t>(pick(40)), there ? std::optional(at->second) : std::nullopt);
  }
}

void random_run::read_timers() {
  std::vector<std::tuple<std::int64_t, std::string, record_key>> expected;
  for (const auto& [key, record] : records_) {
    for (const auto& [id, due] : record.timers) expected.emplace_back(due, id, key);
  }
  std::ranges::sort(expected);
  std::vector<std::tuple<std::int64_t, std::string, record_key>> found;
  std::optional<stored_timer> after;
  const std::size_t limit = 1 + pick(9);
  for (;;) {
    const auto page = loop_.run(store_->due_timers(request::at(100), after, limit)).value();
    if (page.empty()) break;
    for (const auto& timer : page) found.emplace_back(timer.key.due.time_since_epoch().count(), timer.key.id, timer.record);
    after = stored_timer{page.back().record, page.back().key};
  }
  EXPECT_TRUE(std::ranges::is_sorted(found, {}, [](const auto& one) { return std::pair(std::get<0>(one), std::get<1>(one)); }));
  std::ranges::sort(found);  // The age of records, which the model does not know, decides last.
  EXPECT_EQ(found, expected);
}

record_append random_run::random_part(const record_key& key, std::vector<command_record>& known) {
  auto& record = records_[key];
  request built(key, record.entries.size());
  std::map<stream_kind, std::uint64_t> heads;
  for (const auto& [kind, entries] : record.streams) heads[kind] = entries.size();
  for (std::uint64_t left = pick(6); left > 0; --left) {
    const stream_kind kind = pick_stream();
    const std::uint64_t seq = ++heads[kind];
    const std::string author = pick(3) == 0 ? std::string() : pick_person();
    const std::uint64_t about = seq > 1 && pick(4) == 0 ? 1 + pick(seq - 1) : 0;
    built.entry(kind, seq, std::string(pick(40), static_cast<char>(pick(256))), author, about);
  }
  for (std::uint64_t left = pick(3); left > 0; --left) {
    const std::string actor = pick_person();
    const auto id = static_cast<std::uint8_t>(pick(200));
    if (!in_request_.emplace(actor, request::uuid(id)).second) continue;
    built.command(actor, id, pick_stream(), pick(3) == 0 ? 0 : 1 + pick(5), static_cast<std::uint8_t>(pick(9)));
    if (const auto found = commands_.find({actor, request::uuid(id)}); found != commands_.end()) known.push_back(found->second);
  }
  if (pick(3) == 0) built.member(pick_person());
  if (pick(5) == 0) built.no_member(pick_person());
  for (std::uint64_t left = pick(3); left > 0; --left) random_timer(built, record);
  if (pick(5) == 0) built.snapshot("state " + std::to_string(pick(1000)));
  return built.part();
}

void random_run::apply(const record_append& part) {
  auto& record = records_[part.record];
  for (const auto& entry : part.entries) {
    record.streams[entry.stream].push_back(record.entries.size());
    record.entries.push_back({entry.stream, entry.seq, entry.about_seq, std::string(entry.author), std::string(entry.bytes)});
  }
  for (const auto& command : part.commands) commands_[{command.actor, command.id}] = command;
  for (const auto& change : part.memberships) {
    if (change.member) {
      record.members.insert(change.person);
    } else {
      record.members.erase(change.person);
    }
  }
  for (const auto& key : part.fired_timers) record.timers.erase(key.id);
  for (const auto& key : part.cancel_timers) record.timers.erase(key.id);
  for (const auto& timer : part.set_timers) record.timers[timer.key.id] = timer.key.due.time_since_epoch().count();
  if (!part.snapshot) return;
  record.snapshot = *part.snapshot;
  record.snapshot_version = record.entries.size();
}

void random_run::append() {
  in_request_.clear();
  std::set<record_key> keys{pick_record()};
  if (pick(4) == 0) keys.insert(pick_record());
  std::vector<command_record> known;
  std::vector<record_append> parts;
  for (const auto& key : keys) parts.push_back(random_part(key, known));
  auto& stale = parts[pick(parts.size())];
  const bool make_stale = pick(8) == 0;
  if (make_stale) stale.expected_version += 1 + pick(3);

  const auto answer = loop_.run(store_->append(parts)).value();
  if (make_stale) {
    ASSERT_TRUE(std::holds_alternative<conflict>(answer));
    EXPECT_EQ(std::get<conflict>(answer).record, stale.record);
    EXPECT_EQ(std::get<conflict>(answer).version, records_[stale.record].entries.size());
  } else if (!known.empty()) {
    ASSERT_TRUE(std::holds_alternative<duplicates>(answer));
    const auto& told = std::get<duplicates>(answer).known;
    ASSERT_EQ(told.size(), known.size());
    for (std::size_t i = 0; i < told.size(); ++i) {
      EXPECT_EQ(told[i].actor, known[i].actor);
      EXPECT_EQ(told[i].id, known[i].id);
      EXPECT_EQ(told[i].digest, known[i].digest);
      EXPECT_EQ(told[i].seq, known[i].seq);
    }
  } else {
    ASSERT_TRUE(std::holds_alternative<committed>(answer));
    for (const auto& part : parts) apply(part);
  }
}

void random_run::move() {
  std::vector<cursor_move> moves;
  for (std::uint64_t left = 1 + pick(4); left > 0; --left) {
    moves.push_back({pick_record(), pick_stream(), pick_person(), "device", pick(30), pick(30), pick(30)});
  }
  const auto answer = loop_.run(store_->move_cursors(moves)).value();
  for (const auto& each : moves) {
    const std::uint64_t head = records_[each.record].streams[each.stream].size();
    auto& cursor = cursors_[{each.person, each.record, each.stream}];
    cursor.displayed = std::max(cursor.displayed, std::min(each.displayed, head));
    cursor.read = std::max(cursor.read, std::min(each.read, head));
  }
  ASSERT_EQ(answer.size(), moves.size());
  for (std::size_t i = 0; i < moves.size(); ++i) {
    const auto& expected = cursors_[{moves[i].person, moves[i].record, moves[i].stream}];
    const auto& record = records_[moves[i].record];
    const auto& stream = record.streams.at(moves[i].stream);
    const auto own = std::count_if(stream.begin(), stream.begin() + static_cast<std::ptrdiff_t>(expected.read),
                                   [&](std::size_t index) { return record.entries[index].author == moves[i].person; });
    EXPECT_EQ(answer[i].displayed, expected.displayed);
    EXPECT_EQ(answer[i].read, expected.read);
    EXPECT_EQ(answer[i].read_own, static_cast<std::uint64_t>(own));
  }
}

void random_run::read() {
  const record_key key = pick_record();
  const auto& record = records_[key];
  const std::uint64_t after = pick(record.entries.size() + 2);
  const auto entries = loop_.run(store_->read_record(key, after, unlimited)).value();
  ASSERT_EQ(entries.size(), record.entries.size() - std::min<std::size_t>(after, record.entries.size()));
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const auto& expected = record.entries[after + i];
    EXPECT_EQ(entries[i].version, after + i + 1);
    EXPECT_EQ(entries[i].stream, expected.stream);
    EXPECT_EQ(entries[i].seq, expected.seq);
    EXPECT_EQ(entries[i].bytes, expected.bytes);
  }

  const auto head = loop_.run(store_->head(key)).value();
  EXPECT_EQ(head.version, record.entries.size());
  EXPECT_EQ(head.snapshot_version, record.snapshot_version);
  EXPECT_EQ(head.snapshot, record.snapshot);
  chain_hasher hasher;
  for (const auto& stream : head.streams) {
    chain_value chain{};
    for (const auto index : record.streams.at(stream.stream)) chain = hasher.next(chain, record.entries[index].bytes);
    EXPECT_EQ(stream.head, record.streams.at(stream.stream).size());
    EXPECT_EQ(stream.chain, chain);
  }

  const stream_kind kind = pick_stream();
  const std::uint64_t target = 1 + pick(6);
  std::vector<std::uint64_t> about;
  for (const auto& entry : record.entries) {
    if (entry.stream == kind && (entry.seq == target || entry.about == target)) about.push_back(entry.seq);
  }
  std::vector<std::uint64_t> found;
  for (const auto& entry : loop_.run(store_->read_about(key, kind, target)).value()) found.push_back(entry.seq);
  EXPECT_EQ(found, about);

  const std::string person = pick_person();
  std::vector<record_key> offered;
  for (const auto& [name, each] : records_) {
    if (each.members.contains(person)) offered.push_back(name);
  }
  EXPECT_EQ(loop_.run(store_->records_of(person)).value(), offered);
  read_timers();
}

void random_run::reopen() {
  loop_.run(store_->close());
  store_.reset();
  store_ = place_->open(loop_.context());
}

TEST_P(random_run, answers_like_the_model) {
  for (int step = 0; step < 400 && !HasFailure(); ++step) {
    SCOPED_TRACE("step " + std::to_string(step));
    const auto what = pick(100);
    if (what < 50) {
      append();
    } else if (what < 70) {
      move();
    } else if (what < 99) {
      read();
    } else {
      reopen();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(seeds, random_run, testing::Combine(testing::ValuesIn(kinds_of_store()), testing::Range(1u, 9u)),
                         [](const auto& each) {
                           return std::string(std::get<0>(each.param).name) + "_" + std::to_string(std::get<1>(each.param));
                         });

}  // namespace
}  // namespace careteam::store::test

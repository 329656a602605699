#include "fault_workload.hpp"

#include <set>

#include "store/verify.hpp"

namespace careteam::store::test {
namespace {

constexpr stream_kind shared = 1;
constexpr stream_kind clinical = 2;
constexpr std::size_t records = 3;
constexpr std::int64_t for_ever = std::int64_t{1} << 60;

std::string record_of(std::size_t step) {
  return "patient/" + std::to_string(step % records);
}

/// What the step appends: (stream, text). One to three entries, some of several pages.
std::vector<std::pair<stream_kind, std::string>> texts_of(std::size_t step) {
  std::vector<std::pair<stream_kind, std::string>> texts;
  for (std::size_t i = 0; i <= step % 3; ++i) {
    const std::size_t size = step % 5 == 4 ? 9'000 : 40 + 13 * step;
    texts.emplace_back(i % 2 == 0 ? shared : clinical,
                       "step " + std::to_string(step) + " part " + std::to_string(i) + " " + std::string(size, 'x'));
  }
  return texts;
}

std::uint64_t head_of(const record_head& record, stream_kind stream) {
  for (const auto& one : record.streams) {
    if (one.stream == stream) return one.head;
  }
  return 0;
}

std::string timer_of(std::size_t step) {
  return std::string(80, 't') + std::to_string(step);
}
std::string letter_of(std::size_t step) {
  return "letter " + std::to_string(step);
}

uuid_bytes command_of(std::size_t step) {
  return request::uuid(static_cast<std::uint8_t>(step + 1));
}

}  // namespace

bool fault_workload::open() {
  if (store_) return true;
  auto options = options_for(path_);
  options.checkpoint_bytes = 1 << 16;
  options.on_failure = [this](errc reason, std::string_view text) {
    ++reports_;
    EXPECT_NE(reason, errc::corrupt) << "a disk that fails has damaged nothing: " << text;
  };
  for (int attempt = 0; attempt < 2 && !store_; ++attempt) {
    try {
      store_ = open_sqlite(loop_.context().get_executor(), options);
    } catch (const open_error&) {
    }
  }
  return store_ != nullptr;
}

void fault_workload::close() {
  if (!store_) return;
  loop_.run(store_->close());
  store_.reset();
}

void fault_workload::inherit(const std::array<told, steps>& promised) {
  for (std::size_t i = 0; i < steps; ++i) outcome_[i] = promised[i];
}

void fault_workload::run() {
  run(0, steps / 2);
  close();
  run(steps / 2, steps);
  close();
}

void fault_workload::run(std::size_t from, std::size_t to) {
  for (std::size_t number = from; number < to; ++number) {
    if (open()) step(number);
  }
}

void fault_workload::step(std::size_t number) {
  const auto key = record_of(number);
  auto head = loop_.run(store_->head(key));
  if (!head) return;
  request next(key, head->version);
  std::map<stream_kind, std::uint64_t> seqs{{shared, head_of(*head, shared)}, {clinical, head_of(*head, clinical)}};
  for (const auto& [stream, text] : texts_of(number)) {
    const auto seq = ++seqs[stream];
    next.entry(stream, seq, text, "ana", seq > 1 && number % 2 == 0 ? seq - 1 : 0);
  }
  next.command("ana", command_of(number)[15], shared, seqs[shared]);
  if (number % 4 == 1) next.member("eva" + std::to_string(number));
  if (number % 4 == 2) next.snapshot(std::string(3'000 + number, 's'));
  // Each step sets a timer and fires that of the record's step before, whatever became of it, if it is there; and it writes a letter.
  next.sets(timer_of(number), static_cast<std::int64_t>(number));
  const auto due = loop_.run(store_->due_timers(request::at(for_ever), std::nullopt, steps));
  if (!due) return;
  for (const auto& timer : *due) {
    if (timer.record == key) next.fires(timer.key.id, timer.key.due.time_since_epoch().count());
  }
  next.sends(letter_of(number), "obligation");
  started_ = number + 1;
  const auto answer = loop_.run(store_->append(next));
  if (!answer) {
    outcome_[number] = answer.error() == errc::uncertain ? told::uncertain : told::refused;
    return;
  }
  if (std::holds_alternative<committed>(*answer)) outcome_[number] = told::committed;
  if (const auto claimed = loop_.run(store_->claim_deliveries({"worker", request::at(1), request::at(2), {letter_of(number)}, 1}));
      claimed && !claimed->empty()) {
    (void)loop_.run(store_->record_outcomes({{letter_of(number), "worker", claimed->front().attempts, delivery_state::sent, {}}}));
  }
  (void)loop_.run(store_->move_cursors({{key, shared, "eva", "phone", seqs[shared], seqs[shared], seqs[shared]}}));
}

std::array<told, fault_workload::steps> fault_workload::promised() const {
  std::array<told, steps> now{};
  for (std::size_t i = 0; i < steps; ++i) now[i] = outcome_[i];
  return now;
}

void expect_promises_kept(const std::string& path, const std::array<told, fault_workload::steps>& promised) {
  event_loop loop;
  auto store = open_sqlite(loop.context().get_executor(), options_for(path));
  std::map<record_key, std::vector<std::string>> timers;
  for (const auto& timer : loop.run(store->due_timers(request::at(for_ever), std::nullopt, fault_workload::steps)).value()) {
    timers[timer.record].push_back(timer.key.id);
  }
  for (std::size_t record = 0; record < records; ++record) {
    std::map<std::size_t, std::vector<std::string>> found;
    for (const auto& entry : loop.run(store->read_record(record_of(record), 0, unlimited)).value()) {
      found[std::stoul(entry.bytes.substr(5))].push_back(entry.bytes);
    }
    for (std::size_t step = record; step < fault_workload::steps; step += records) {
      const bool there = found.contains(step);
      EXPECT_TRUE(there || promised[step] != told::committed) << "step " << step << " was acknowledged and is lost";
      EXPECT_TRUE(!there || promised[step] != told::refused) << "step " << step << " was refused and has happened";
      const auto command = loop.run(store->find_command("ana", command_of(step))).value();
      EXPECT_EQ(command.has_value(), there) << "step " << step << ": its command and its entries go together";
      EXPECT_EQ(loop.run(store->find_delivery(letter_of(step))).value().has_value(), there) << "step " << step << ": so does its letter";
      if (!there) continue;
      std::vector<std::string> whole;
      for (const auto& [stream, text] : texts_of(step)) whole.push_back(text);
      EXPECT_EQ(found[step], whole) << "step " << step << " is there in part, or twice";
    }
    // Of the steps that have happened the last one's timer runs; the others have fired, each in the step after it.
    std::vector<std::string> running;
    if (!found.empty()) running.push_back(timer_of(found.rbegin()->first));
    EXPECT_EQ(timers[record_of(record)], running);
  }
  const auto version = loop.run(store->head("patient/more")).value().version;
  EXPECT_TRUE(loop.run(store->append(request("patient/more", version).entry(shared, version + 1, "goes on"))));
  loop.run(store->close());
  const auto report = verify_sqlite(path, {});
  EXPECT_TRUE(report.sound()) << (report.findings.empty() ? "" : report.findings[0].what);
}

}  // namespace careteam::store::test

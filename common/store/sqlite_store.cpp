#include "store/sqlite_store.hpp"

#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <boost/asio/async_result.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <filesystem>
#include <thread>

#include "store/limits.hpp"
#include "store/sqlite_reader.hpp"
#include "store/sqlite_writer.hpp"
#include "store/work_queue.hpp"

namespace careteam::store {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

// More than this means that the disk has stopped keeping up: better to say so than to let requests pile up.
constexpr std::size_t max_waiting_requests = 65'536;
// Bounds what one transaction keeps everybody waiting for: about 8,000 entries of 300 bytes, 60 ms.
constexpr std::size_t max_transaction_bytes = 4 << 20;
constexpr std::size_t row_overhead_bytes = 200;
// Reads answered together: they share a snapshot, and the last one's answer delays the first one's.
constexpr std::size_t max_reads_together = 16;
// The WAL is copied to the file in small steps while nobody waits: the commit that comes meanwhile waits for one step, about a millisecond.
// A busy store, where somebody always waits, copies in large steps, which is cheaper. A quiet one copies the rest, but not for every
// single message.
constexpr std::int64_t gap_checkpoint_pages = 256;
constexpr auto quiet_before_checkpoint = 250ms;
constexpr std::int64_t quiet_checkpoint_pages = 100;
constexpr int page_bytes = 4096;
// A disk that failed is asked again this often when nobody else asks.
constexpr auto pause_before_settling = 1000ms;
// After this many attempts somebody else keeps moving the same cursor, and the writer counts itself.
constexpr int max_deferred_counts = 3;

// ---- jobs

/// What a job answers. Apart from `result` because assigning an error to one makes GCC 12 with sanitizers warn about the value.
template <class Answer>
struct reply {
  Answer value{};
  std::optional<errc> error;
  result<Answer> take() {
    if (error) return make_error_code(*error);
    return std::move(value);
  }
};

class write_job : public job {
 public:
  virtual void run(sqlite_writer& writer) = 0;
  virtual std::size_t weight_bytes() const = 0;
};

class append_job final : public write_job {
 public:
  explicit append_job(std::vector<record_append> records) : request(std::move(records)) {
    for (const auto& part : request) {
      weight_ += (part.entries.size() + part.commands.size() + part.memberships.size() + part.fired_timers.size() +
                  part.cancel_timers.size() + part.set_timers.size() + part.add_deliveries.size() + part.quiet_obligations.size() + 1) *
                 row_overhead_bytes;
      for (const auto& entry : part.entries) weight_ += entry.bytes.size();
      if (part.snapshot) weight_ += part.snapshot->size();
    }
  }
  void run(sqlite_writer& writer) override { answer.value = writer.append(request); }
  void refuse(errc reason) override { answer.error = reason; }
  std::size_t weight_bytes() const override { return weight_; }

  std::vector<record_append> request;
  reply<append_result> answer;

 private:
  std::size_t weight_ = 0;
};

class move_job final : public write_job {
 public:
  explicit move_job(std::vector<cursor_move> moves) : request(std::move(moves)) {}
  void run(sqlite_writer& writer) override { answer.value = writer.move(request, counted, policy); }
  void refuse(errc reason) override { answer.error = reason; }
  std::size_t weight_bytes() const override { return request.size() * row_overhead_bytes; }

  std::vector<cursor_move> request;
  std::vector<own_count> counted;
  long_counts policy = long_counts::deferred;
  reply<move_result> answer;
};

/// A call of one of the writer's functions with these rows.
template <class Answer, class Rows>
class write_call final : public write_job {
 public:
  using function = Answer (sqlite_writer::*)(const Rows&);
  write_call(function called, Rows rows, std::size_t count) : called_(called), rows_(std::move(rows)), count_(count) {}
  void run(sqlite_writer& writer) override { answer.value = (writer.*called_)(rows_); }
  void refuse(errc reason) override { answer.error = reason; }
  std::size_t weight_bytes() const override { return count_ * row_overhead_bytes; }

  reply<Answer> answer;

 private:
  function called_;
  Rows rows_;
  std::size_t count_;
};

template <class Answer, class Rows>
auto make_write(Answer (sqlite_writer::*called)(const Rows&), Rows rows, std::size_t count) {
  return std::make_shared<write_call<Answer, Rows>>(called, std::move(rows), count);
}

class read_job : public job {
 public:
  virtual void run(sqlite_reader& reader) = 0;
};

/// A call of one of the reader's functions with these arguments.
template <class Answer, class... Arguments>
class read_call final : public read_job {
 public:
  using function = Answer (sqlite_reader::*)(Arguments...);
  template <class... Values>
  explicit read_call(function called, Values&&... values) : called_(called), arguments_(std::forward<Values>(values)...) {}
  void run(sqlite_reader& reader) override {
    answer.value = std::apply([&](auto&... arguments) { return (reader.*called_)(arguments...); }, arguments_);
  }
  void refuse(errc reason) override { answer.error = reason; }

  reply<Answer> answer;

 private:
  function called_;
  std::tuple<std::decay_t<Arguments>...> arguments_;
};

template <class Answer, class... Arguments, class... Values>
auto make_read(Answer (sqlite_reader::*called)(Arguments...), Values&&... values) {
  return std::make_shared<read_call<Answer, Arguments...>>(called, std::forward<Values>(values)...);
}

/// What close() waits for: the end of a thread.
class end_job final : public job {
 public:
  void refuse(errc) override {}
};

struct failure_report {
  std::function<void(errc, std::string_view)> report;
  errc reason;
  std::string text;
  void operator()() const { report(reason, text); }
};

// ---- the parts of an open store

class core : public std::enable_shared_from_this<core> {
 public:
  core(asio::any_io_executor executor, sqlite_options options);
  ~core() { stop(); }
  void start();
  void stop();

  bool closing() const noexcept { return closing_; }
  /// Destroyed without waiting for close(): there is no thread left to wait for.
  bool stopped() const noexcept { return stopped_; }
  /// False when it is being closed, or is closed, already.
  bool begin_closing() noexcept { return !std::exchange(closing_, true); }
  const std::string& epoch() const noexcept { return epoch_; }
  std::uint64_t transactions() const noexcept { return transactions_.load(std::memory_order_relaxed); }

  void collect(std::shared_ptr<write_job> job) { collected_writes_.push_back(std::move(job)), flush_later(); }
  void collect(std::shared_ptr<read_job> job) { collected_reads_.push_back(std::move(job)), flush_later(); }
  void collect_end_of_reader(std::shared_ptr<job> end);
  void collect_end_of_writer(std::shared_ptr<job> end);

  std::optional<errc> refusal(const write_job&) const { return refusal(writer_closing_); }
  std::optional<errc> refusal(const read_job&) const { return refusal(closing_); }
  std::size_t waiting = 0;

 private:
  struct flush_turn {
    std::shared_ptr<core> self;
    void operator()() const { self->flush(); }
  };

  std::optional<errc> refusal(bool closed) const {
    if (closed) return errc::shutting_down;
    if (waiting >= max_waiting_requests) return errc::unavailable;
    return std::nullopt;
  }
  void open_writer();
  void open_reader();
  void flush_later();
  void flush();

  void write_loop();
  void write_together(work_queue<write_job>::jobs& jobs);
  std::optional<errc> transact(const work_queue<write_job>::jobs& jobs);
  bool settle();
  void checkpoint();
  void read_loop();
  void read_together(work_queue<read_job>::jobs& jobs);
  void report_failure(sqlite_connection& connection);
  template <class Jobs>
  void answer(Jobs& jobs);
  template <class Jobs>
  void refuse(Jobs& jobs, errc reason);

  asio::any_io_executor executor_;
  sqlite_options options_;
  std::string epoch_;

  // Used by the loop.
  work_queue<write_job>::jobs collected_writes_;
  work_queue<read_job>::jobs collected_reads_;
  bool flush_posted_ = false;
  bool closing_ = false;
  bool writer_closing_ = false;
  bool stopped_ = false;

  // Shared with the threads.
  work_queue<write_job> writes_;
  work_queue<read_job> reads_;
  std::shared_ptr<job> end_of_writer_;
  std::shared_ptr<job> end_of_reader_;
  std::atomic<std::uint64_t> transactions_{0};

  bool checkpoint_failed_ = false;  ///< The writer's: it is reported once.

  // Used by the threads. The lock goes last.
  std::unique_ptr<store_lock> lock_;
  sqlite_connection write_connection_;
  sqlite_connection read_connection_;
  std::unique_ptr<sqlite_writer> writer_;
  std::unique_ptr<sqlite_reader> reader_;
  std::thread writer_thread_;
  std::thread reader_thread_;
};

core::core(asio::any_io_executor executor, sqlite_options options) : executor_(std::move(executor)), options_(std::move(options)) {
  if (options_.missing == when_missing::fail) require_file(options_.path);
  // Two names of one file are one store.
  std::error_code ignored;
  if (auto resolved = std::filesystem::weakly_canonical(options_.path, ignored); !ignored) options_.path = resolved.string();
  lock_ = std::make_unique<store_lock>(options_.path);
  rewrite_wal(options_.path);
  open_writer();
  open_reader();
}

void core::open_writer() {
  auto& connection = write_connection_;
  const auto& path = options_.path;
  connection.open(path, SQLITE_OPEN_READWRITE | (options_.missing == when_missing::create ? SQLITE_OPEN_CREATE : 0));
  throw_if_failed(connection, path);
  sqlite3_busy_timeout(connection.handle(), busy_timeout_ms);
  if (sqlite3_db_readonly(connection.handle(), "main") == 1) {
    connection.fail(SQLITE_READONLY);
    throw_if_failed(connection, path);
  }
  const bool empty = connection.integer("SELECT count(*) FROM sqlite_master") == 0 && connection.integer("PRAGMA application_id") == 0 &&
                     connection.integer("PRAGMA user_version") == 0;
  throw_if_failed(connection, path);
  const bool create = empty && options_.missing == when_missing::create;
  if (!create) check_schema(connection, path);

  connection.execute(("PRAGMA page_size = " + std::to_string(page_bytes)).c_str());
  if (connection.text("PRAGMA journal_mode = WAL") != "wal") connection.fail(SQLITE_CANTOPEN);
  // FULL: a commit is on disk when it returns. FAST: what is overwritten is zeroed where that costs no further page.
  connection.execute(
      "PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF; PRAGMA wal_autocheckpoint = 0; PRAGMA temp_store = MEMORY; "
      "PRAGMA secure_delete = FAST; PRAGMA trusted_schema = OFF");
  connection.execute(("PRAGMA cache_size = -" + std::to_string(options_.cache_bytes / 1024)).c_str());
  connection.execute(("PRAGMA journal_size_limit = " + std::to_string(16 * options_.checkpoint_bytes)).c_str());
  if (create) create_schema(connection, path);
  if (options_.max_file_bytes != 0) {
    connection.execute(("PRAGMA max_page_count = " + std::to_string(options_.max_file_bytes / page_bytes)).c_str());
  }
  if (options_.epoch == incarnation::renew) {
    const std::string fresh = random_epoch();
    statement(connection, "UPDATE meta SET value = ?1 WHERE name = 'epoch'").run(std::string_view(fresh));
  }
  epoch_ = connection.text("SELECT value FROM meta WHERE name = 'epoch'");
  writer_ = std::make_unique<sqlite_writer>(connection);
  if (epoch_.empty()) connection.fail_corrupt("the epoch is missing");
  throw_if_failed(connection, path);
  // SQLite syncs the folder after it has made the WAL, and does not look whether that went well.
  sync_folder_of(path);
}

void core::open_reader() {
  auto& connection = read_connection_;
  connection.open(options_.path, SQLITE_OPEN_READONLY);
  connection.execute("PRAGMA query_only = ON; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF");
  connection.execute(("PRAGMA cache_size = -" + std::to_string(options_.cache_bytes / 1024)).c_str());
  if (!connection.failed()) sqlite3_busy_timeout(connection.handle(), busy_timeout_ms);
  reader_ = std::make_unique<sqlite_reader>(connection);
  throw_if_failed(connection, options_.path);
}

void core::start() {
  // Signals are the event loop's.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  writer_thread_ = std::thread(&core::write_loop, this);
  reader_thread_ = std::thread(&core::read_loop, this);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_setname_np(writer_thread_.native_handle(), "store-writer");
  pthread_setname_np(reader_thread_.native_handle(), "store-reader");
}

// ---- on the event loop

// At the end of the turn: whatever the other hosts append in this turn is handed over, and committed, together.
void core::flush_later() {
  if (std::exchange(flush_posted_, true)) return;
  asio::post(executor_, flush_turn{shared_from_this()});
}

void core::flush() {
  flush_posted_ = false;
  if (!collected_writes_.empty()) writes_.push(std::exchange(collected_writes_, {}));
  if (!collected_reads_.empty()) reads_.push(std::exchange(collected_reads_, {}));
}

void core::collect_end_of_reader(std::shared_ptr<job> end) {
  flush();
  end_of_reader_ = std::move(end);
  reads_.finish();
}

void core::collect_end_of_writer(std::shared_ptr<job> end) {
  writer_closing_ = true;
  flush();
  end_of_writer_ = std::move(end);
  writes_.finish();
}

void core::stop() {
  stopped_ = true;
  closing_ = true;
  writer_closing_ = true;
  writes_.abort();
  reads_.abort();
  if (writer_thread_.joinable()) writer_thread_.join();
  if (reader_thread_.joinable()) reader_thread_.join();
  refuse(collected_writes_, errc::shutting_down);
  refuse(collected_reads_, errc::shutting_down);
}

template <class Jobs>
void core::answer(Jobs& jobs) {
  if (jobs.empty()) return;
  completions done(executor_, jobs);
  // Requests are freed where they were made.
  jobs.clear();
  asio::post(executor_, std::move(done));
}

template <class Jobs>
void core::refuse(Jobs& jobs, errc reason) {
  for (const auto& job : jobs) job->refuse(reason);
  answer(jobs);
}

// ---- on the threads

void core::report_failure(sqlite_connection& connection) {
  if (options_.on_failure) asio::post(executor_, failure_report{options_.on_failure, connection.reason(), connection.message()});
}

void core::write_loop() {
  using state = work_queue<write_job>::state;
  const auto busy_checkpoint_pages = static_cast<std::int64_t>(options_.checkpoint_bytes / page_bytes);
  for (;;) {
    std::optional<std::chrono::milliseconds> patience;
    if (writer_->pages_to_checkpoint() >= quiet_checkpoint_pages) patience = quiet_before_checkpoint;
    if (writer_->pages_to_checkpoint() >= gap_checkpoint_pages) patience = 0ms;
    if (writer_->in_doubt()) patience = pause_before_settling;
    std::size_t bytes = 0;
    const auto fits = [&](const write_job& job) { return (bytes += job.weight_bytes()) <= max_transaction_bytes; };
    auto [what, jobs] = writes_.take(patience, fits);
    if (what == state::finished || what == state::aborted) {
      refuse(jobs, errc::shutting_down);
      break;
    }
    if (what == state::work) write_together(jobs);
    if (what == state::idle || writer_->pages_to_checkpoint() >= busy_checkpoint_pages) checkpoint();
  }
  if (end_of_writer_ && settle()) writer_->checkpoint_and_truncate();
  writer_.reset();
  write_connection_.close();
  lock_.reset();
  std::vector<std::shared_ptr<job>> end;
  if (end_of_writer_) end.push_back(std::move(end_of_writer_));
  answer(end);
}

void core::write_together(work_queue<write_job>::jobs& jobs) {
  const auto failed = transact(jobs);
  if (!failed) return answer(jobs);
  if (*failed != errc::corrupt || jobs.size() == 1) return refuse(jobs, *failed);
  // One record's damage is not the others' failure.
  for (auto& job : jobs) {
    work_queue<write_job>::jobs alone{std::move(job)};
    write_together(alone);
  }
  jobs.clear();
}

std::optional<errc> core::transact(const work_queue<write_job>::jobs& jobs) {
  if (!settle()) return errc::unavailable;
  writer_->begin();
  for (const auto& job : jobs) {
    if (writer_->failed()) break;
    job->run(*writer_);
  }
  if (writer_->commit()) {
    transactions_.fetch_add(1, std::memory_order_relaxed);
    return std::nullopt;
  }
  const errc reason = write_connection_.reason();
  report_failure(write_connection_);
  write_connection_.clear_failure();
  return settle() ? reason : errc::uncertain;
}

bool core::settle() {
  if (writer_->settle()) return true;
  report_failure(write_connection_);
  write_connection_.clear_failure();
  return false;
}

void core::checkpoint() {
  if (!settle()) return;
  const bool failed = !writer_->checkpoint();
  if (failed && !checkpoint_failed_) report_failure(write_connection_);
  write_connection_.clear_failure();
  checkpoint_failed_ = failed;
}

void core::read_loop() {
  using state = work_queue<read_job>::state;
  for (;;) {
    std::size_t count = 0;
    const auto fits = [&](const read_job&) { return ++count <= max_reads_together; };
    auto [what, jobs] = reads_.take(std::nullopt, fits);
    if (what == state::work) {
      read_together(jobs);
      continue;
    }
    refuse(jobs, errc::shutting_down);
    break;
  }
  reader_.reset();
  read_connection_.close();
  std::vector<std::shared_ptr<job>> end;
  if (end_of_reader_) end.push_back(std::move(end_of_reader_));
  answer(end);
}

void core::read_together(work_queue<read_job>::jobs& jobs) {
  reader_->begin();
  for (const auto& job : jobs) {
    job->run(*reader_);
    if (!read_connection_.failed()) continue;
    job->refuse(read_connection_.reason());
    report_failure(read_connection_);
    read_connection_.clear_failure();
    reader_->end();
    reader_->begin();
  }
  reader_->end();
  read_connection_.clear_failure();
  answer(jobs);
}

// ---- coroutines

struct collect_job {
  template <class Handler, class Job>
  void operator()(Handler&& handler, core* parts, std::shared_ptr<Job> job) const {
    job->waiting = std::make_unique<handler_waiter<std::decay_t<Handler>>>(std::forward<Handler>(handler));
    parts->collect(std::move(job));
  }
};

struct collect_end {
  template <class Handler>
  void operator()(Handler&& handler, core* parts, void (core::*collect)(std::shared_ptr<job>)) const {
    auto end = std::make_shared<end_job>();
    end->waiting = std::make_unique<handler_waiter<std::decay_t<Handler>>>(std::forward<Handler>(handler));
    (parts->*collect)(std::move(end));
  }
};

template <class Job>
asio::awaitable<void> perform(std::shared_ptr<core> parts, std::shared_ptr<Job> job) {
  using kind = std::conditional_t<std::is_base_of_v<write_job, Job>, write_job, read_job>;
  std::shared_ptr<kind> work = job;
  if (const auto reason = parts->refusal(*work)) {
    job->refuse(*reason);
    co_return;
  }
  ++parts->waiting;
  auto done =
      asio::async_initiate<const asio::use_awaitable_t<>&, void()>(collect_job(), asio::use_awaitable, parts.get(), std::move(work));
  co_await std::move(done);
  --parts->waiting;
}

/// A coroutine starts when it is awaited, and the store may be gone by then: so each owns the parts that it needs.
template <class Job>
auto ask(std::shared_ptr<core> parts, std::shared_ptr<Job> job) -> asio::awaitable<result<decltype(job->answer.value)>> {
  co_await perform(std::move(parts), job);
  co_return job->answer.take();
}

asio::awaitable<result<std::vector<cursor>>> move_in(std::shared_ptr<core> parts, std::vector<cursor_move> moves) {
  auto work = std::make_shared<move_job>(std::move(moves));
  for (int attempt = 0;; ++attempt) {
    const bool deferred = attempt < max_deferred_counts && !parts->closing();
    work->policy = deferred ? long_counts::deferred : long_counts::immediate;
    co_await perform(parts, work);
    if (work->answer.error) co_return make_error_code(*work->answer.error);
    if (auto* cursors = std::get_if<std::vector<cursor>>(&work->answer.value)) co_return std::move(*cursors);
    auto counting = make_read(&sqlite_reader::count_own, std::move(std::get<std::vector<own_count>>(work->answer.value)));
    co_await perform(parts, counting);
    // Without a reader, at the very end, the writer counts.
    if (counting->answer.error && !parts->closing()) co_return make_error_code(*counting->answer.error);
    if (!counting->answer.error) work->counted = std::move(counting->answer.value);
  }
}

asio::awaitable<void> close_in(std::shared_ptr<core> parts) {
  if (!parts->begin_closing()) co_return;
  // The reader first: cursors that wait for a count still have to be written.
  auto reader_ended = asio::async_initiate<const asio::use_awaitable_t<>&, void()>(collect_end(), asio::use_awaitable, parts.get(),
                                                                                   &core::collect_end_of_reader);
  co_await std::move(reader_ended);
  if (parts->stopped()) co_return;
  auto writer_ended = asio::async_initiate<const asio::use_awaitable_t<>&, void()>(collect_end(), asio::use_awaitable, parts.get(),
                                                                                   &core::collect_end_of_writer);
  co_await std::move(writer_ended);
  parts->stop();
}

class sqlite_store final : public record_store {
 public:
  explicit sqlite_store(std::shared_ptr<core> parts) : core_(std::move(parts)), epoch_(core_->epoch()) {}
  ~sqlite_store() override { core_->stop(); }

  const std::string& epoch() const noexcept override { return epoch_; }
  std::uint64_t transactions() const noexcept override { return core_->transactions(); }

  asio::awaitable<result<append_result>> append(std::vector<record_append> records) override {
    return ask(core_, std::make_shared<append_job>(std::move(records)));
  }
  asio::awaitable<result<record_head>> head(record_key record) override {
    return ask(core_, make_read(&sqlite_reader::head, std::move(record)));
  }
  asio::awaitable<result<std::vector<stored_entry>>> read_record(record_key record, std::uint64_t after, std::size_t max_bytes) override {
    return ask(core_, make_read(&sqlite_reader::read_record, std::move(record), after, max_bytes));
  }
  asio::awaitable<result<std::vector<stored_entry>>> read_stream(record_key record, stream_kind stream, std::uint64_t from,
                                                                 std::uint64_t to, std::size_t max_bytes) override {
    return ask(core_, make_read(&sqlite_reader::read_stream, std::move(record), stream, from, to, max_bytes));
  }
  asio::awaitable<result<std::vector<stored_entry>>> read_about(record_key record, stream_kind stream, std::uint64_t seq) override {
    return ask(core_, make_read(&sqlite_reader::read_about, std::move(record), stream, seq));
  }
  asio::awaitable<result<std::optional<command_record>>> find_command(std::string actor, uuid_bytes id) override {
    return ask(core_, make_read(&sqlite_reader::find_command, std::move(actor), id));
  }
  asio::awaitable<result<std::vector<record_key>>> records_of(std::string person) override {
    return ask(core_, make_read(&sqlite_reader::records_of, std::move(person)));
  }
  asio::awaitable<result<std::vector<receipt>>> receipts_of(record_key record) override {
    return ask(core_, make_read(&sqlite_reader::receipts_of, std::move(record)));
  }
  asio::awaitable<result<std::uint64_t>> received_by(record_key record, stream_kind stream, std::string person) override {
    return ask(core_, make_read(&sqlite_reader::received_by, std::move(record), stream, std::move(person)));
  }
  asio::awaitable<result<std::vector<record_key>>> record_keys(record_key after, std::size_t limit) override {
    return ask(core_, make_read(&sqlite_reader::record_keys, std::move(after), limit));
  }
  asio::awaitable<result<std::vector<cursor>>> cursors_of(std::string person, std::vector<record_key> records) override {
    return ask(core_, make_read(&sqlite_reader::cursors_of, std::move(person), std::move(records)));
  }
  asio::awaitable<result<std::vector<cursor>>> move_cursors(std::vector<cursor_move> moves) override {
    return move_in(core_, std::move(moves));
  }
  asio::awaitable<result<std::vector<stored_timer>>> due_timers(instant until, std::optional<stored_timer> after,
                                                                std::size_t limit) override {
    return ask(core_, make_read(&sqlite_reader::due_timers, until, std::move(after), limit));
  }
  asio::awaitable<result<std::optional<instant>>> next_timer(instant later_than) override {
    return ask(core_, make_read(&sqlite_reader::next_timer, later_than));
  }
  asio::awaitable<result<std::vector<stored_obligation>>> obligations_of(std::string owner, std::optional<stored_obligation> after,
                                                                         std::size_t limit) override {
    return ask(core_, make_read(&sqlite_reader::obligations_of, std::move(owner), std::move(after), limit));
  }
  asio::awaitable<result<std::vector<stored_obligation>>> all_obligations(std::optional<stored_obligation> after,
                                                                          std::size_t limit) override {
    return ask(core_, make_read(&sqlite_reader::all_obligations, std::move(after), limit));
  }
  asio::awaitable<result<std::vector<obligation_count>>> count_obligations(instant now) override {
    return ask(core_, make_read(&sqlite_reader::count_obligations, now));
  }
  asio::awaitable<result<std::vector<owner_count>>> count_by_owner(std::string prefix, instant now) override {
    return ask(core_, make_read(&sqlite_reader::count_by_owner, std::move(prefix), now));
  }
  asio::awaitable<result<std::vector<stored_delivery>>> claim_deliveries(delivery_claim claim) override {
    const std::size_t count = claim.limit;
    return ask(core_, make_write(&sqlite_writer::claim, std::move(claim), count));
  }
  asio::awaitable<result<std::vector<bool>>> record_outcomes(std::vector<delivery_outcome> outcomes) override {
    const std::size_t count = outcomes.size();
    return ask(core_, make_write(&sqlite_writer::record_outcomes, std::move(outcomes), count));
  }
  asio::awaitable<result<std::optional<instant>>> next_delivery() override { return ask(core_, make_read(&sqlite_reader::next_delivery)); }
  asio::awaitable<result<delivery_cleaned>> clean_deliveries(delivery_cleaning step) override {
    return ask(core_, make_write(&sqlite_writer::clean_deliveries, step, max_deliveries_at_once));
  }
  asio::awaitable<result<std::vector<stored_delivery>>> deliveries_to(std::string person, std::size_t limit) override {
    return ask(core_, make_read(&sqlite_reader::deliveries_to, std::move(person), limit));
  }
  asio::awaitable<result<std::optional<stored_delivery>>> find_delivery(std::string id) override {
    return ask(core_, make_read(&sqlite_reader::find_delivery, std::move(id)));
  }
  asio::awaitable<void> close() override { return close_in(core_); }

 private:
  std::shared_ptr<core> core_;
  std::string epoch_;
};

}  // namespace

std::unique_ptr<record_store> open_sqlite(asio::any_io_executor executor, sqlite_options options) {
  auto parts = std::make_shared<core>(std::move(executor), std::move(options));
  parts->start();
  return std::make_unique<sqlite_store>(std::move(parts));
}

}  // namespace careteam::store

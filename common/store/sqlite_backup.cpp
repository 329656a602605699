#include "store/sqlite_backup.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <memory>
#include <system_error>
#include <thread>

#include "store/sqlite_connection.hpp"

namespace careteam::store {
namespace {

constexpr int pages_at_a_time = 64;  // What a server's fsync may have to wait for.
constexpr std::uint64_t page_bytes = 4096;

[[noreturn]] void cannot_write(const std::string& path, int error) {
  throw open_error(open_failure::read_only, path + " cannot be written: " + std::generic_category().message(error));
}

/// Makes a file, or the folder's entry of it, durable.
void sync(const std::string& path, int flags) {
  const int file = ::open(path.c_str(), flags | O_CLOEXEC);
  const bool synced = file >= 0 && fsync(file) == 0;
  const int error = errno;
  if (file >= 0) ::close(file);
  if (!synced) cannot_write(path, error);
}

/// A file under construction: gone again unless it is finished.
class partial_file {
 public:
  explicit partial_file(std::string whole) : whole_(std::move(whole)), part_(whole_ + ".part") {
    // Of nobody else, from its first byte on.
    const int file = ::open(part_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (file < 0) cannot_write(part_, errno);
    ::close(file);
  }
  ~partial_file() {
    std::error_code ignored;
    for (const auto* more : {"", "-wal", "-shm", "-journal"}) std::filesystem::remove(part_ + more, ignored);
  }
  partial_file(const partial_file&) = delete;
  partial_file& operator=(const partial_file&) = delete;

  const std::string& path() const { return part_; }

  void finish() {
    sync(part_, O_RDONLY);
    // Fails where somebody else was first, instead of overwriting theirs.
    if (::link(part_.c_str(), whole_.c_str()) != 0) cannot_write(whole_, errno);
    const auto folder = std::filesystem::path(whole_).parent_path();
    sync(folder.empty() ? "." : folder.string(), O_RDONLY | O_DIRECTORY);
  }

 private:
  std::string whole_, part_;
};

void require_nothing_at(const std::string& path) {
  struct stat status {};
  if (lstat(path.c_str(), &status) == 0) {
    throw open_error(open_failure::locked, path + " exists already: it is not overwritten; move it away or name another file");
  }
}

/// Has the disk take what was copied so far. A server writes to the same disk: whatever piles up here is, at the end, one long wait of
/// everybody's fsync. No error is looked for: the copy is synced, and verified, as a whole.
class drip {
 public:
  explicit drip(const std::string& path) : file_(::open(path.c_str(), O_WRONLY | O_CLOEXEC)) {}
  ~drip() {
    if (file_ >= 0) ::close(file_);
  }
  drip(const drip&) = delete;
  drip& operator=(const drip&) = delete;

  void flush() const {
    if (file_ < 0) return;
    (void)sync_file_range(file_, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
  }

 private:
  int file_;
};

struct finish_backup {
  void operator()(sqlite3_backup* copying) const { sqlite3_backup_finish(copying); }
};

/// Whether somebody else needs the disk meanwhile.
enum class pace : std::uint8_t { beside_a_server, alone };

void copy_pages(sqlite_connection& from, sqlite_connection& to, const std::string& to_path, pace at, const copy_progress& progress) {
  std::unique_ptr<sqlite3_backup, finish_backup> copying(sqlite3_backup_init(to.handle(), "main", from.handle(), "main"));
  int code = copying ? SQLITE_OK : sqlite3_errcode(to.handle());
  const drip disk(to_path);
  while (code == SQLITE_OK) {
    const auto begin = std::chrono::steady_clock::now();
    code = sqlite3_backup_step(copying.get(), pages_at_a_time);
    if (code == SQLITE_OK && at == pace::beside_a_server) {
      disk.flush();
      // Half of the time is the server's.
      std::this_thread::sleep_for(std::chrono::steady_clock::now() - begin);
    }
    const auto total = static_cast<std::uint64_t>(sqlite3_backup_pagecount(copying.get()));
    progress((total - static_cast<std::uint64_t>(sqlite3_backup_remaining(copying.get()))) * page_bytes, total * page_bytes);
  }
  copying.reset();
  if (code == SQLITE_DONE) return;
  if (code == SQLITE_FULL) throw open_error(open_failure::read_only, "the disk of " + to_path + " is full: nothing was left behind");
  to.fail(code);
  throw_if_failed(to, to_path);
}

copy_report copy_store(const std::string& from, const std::string& to, pace at, accepted_schema accepted, const copy_progress& progress) {
  require_file(from);
  require_nothing_at(to);
  sqlite_connection source;
  open_to_read(source, from);
  throw_if_failed(source, from);
  check_schema(source, from, accepted);
  // One moment for the whole copy: what is committed meanwhile is not seen, and does not start the copy over.
  source.execute("PRAGMA query_only = ON; PRAGMA cache_size = -16384; BEGIN; SELECT count(*) FROM meta");
  throw_if_failed(source, from);
  copy_report report;
  report.epoch = source.text("SELECT value FROM meta WHERE name = 'epoch'");
  partial_file part(to);
  {
    sqlite_connection target;
    target.open(part.path(), SQLITE_OPEN_READWRITE);
    throw_if_failed(target, part.path());
    copy_pages(source, target, part.path(), at, progress);
    // One file, also while it is read; whoever serves it turns the WAL on again.
    if (target.text("PRAGMA journal_mode = DELETE") != "delete") target.fail(SQLITE_CANTOPEN);
    throw_if_failed(target, part.path());
  }
  report.bytes = std::filesystem::file_size(part.path());
  part.finish();
  return report;
}

}  // namespace

copy_report back_up_sqlite(const std::string& from, const std::string& to, const copy_progress& progress, accepted_schema accepted) {
  return copy_store(from, to, pace::beside_a_server, accepted, progress);
}

copy_report restore_sqlite(const std::string& from, const std::string& to, const copy_progress& progress) {
  require_nothing_at(to);
  const store_lock lock(to);
  require_file(from);
  // What a lost store left behind does not belong to the new one.
  std::error_code ignored;
  for (const auto* more : {"-wal", "-shm"}) std::filesystem::remove(to + more, ignored);
  const std::string staged = to + ".restoring";
  std::filesystem::remove(staged, ignored);
  auto report = copy_store(from, staged, pace::alone, accepted_schema::older_too, progress);
  {
    sqlite_connection target;
    target.open(staged, SQLITE_OPEN_READWRITE);
    throw_if_failed(target, staged);
    report.epoch = random_epoch();
    statement(target, "UPDATE meta SET value = ?1 WHERE name = 'epoch'").run(std::string_view(report.epoch));
    throw_if_failed(target, staged);
  }
  sync(staged, O_RDONLY);
  if (::rename(staged.c_str(), to.c_str()) != 0) cannot_write(to, errno);
  const auto folder = std::filesystem::path(to).parent_path();
  sync(folder.empty() ? "." : folder.string(), O_RDONLY | O_DIRECTORY);
  return report;
}

}  // namespace careteam::store

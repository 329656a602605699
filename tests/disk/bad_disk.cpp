#include "disk/bad_disk.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdarg>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>

#include "disk/durable_files.hpp"
#include "disk/socket_sends.hpp"

namespace careteam::disk {
namespace {

constexpr int max_files = 65'536;

struct watched_file {
  std::string path;
  file_kind kind;
};

struct watch_state {
  std::mutex busy;
  std::atomic<plan*> what_goes_wrong{nullptr};
  std::string folder;
  std::optional<durable_files> model;
  bool pretend_to_sync = false;
  bool lie = false;
  std::function<void(const seen_operation&)> observer;
  bool write_must_fail = false;  ///< The rest of a shortened write.
  std::array<std::atomic<bool>, max_files> is_watched{};
  std::array<std::unique_ptr<watched_file>, max_files> files;
};

// Never destroyed: files are closed until the very end.
watch_state& state() {
  static auto* one = new watch_state;
  return *one;
}

template <class Function>
Function* next(Function* /*ours*/, const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

/// False for files that are still open from a watch over another folder.
bool in_folder(std::string_view path) {
  const auto& folder = state().folder;
  return path == folder || (path.size() > folder.size() && path.starts_with(folder) && path[folder.size()] == '/');
}

/// Nothing: not a file that is watched.
std::optional<watched_file> watched(const char* path) {
  auto& on = state();
  if (!path || !on.what_goes_wrong.load(std::memory_order_acquire)) return std::nullopt;
  const std::string_view text(path);
  if (text == on.folder) return watched_file{on.folder, other_file};
  if (!in_folder(text)) return std::nullopt;
  const auto name = text.substr(on.folder.size() + 1);
  if (name.find('/') != std::string_view::npos || name.ends_with("-shm") || name.ends_with(".lock") || name.ends_with(".control")) {
    return std::nullopt;
  }
  const auto kind = name.ends_with("-wal") ? wal_file : name.ends_with(".db") ? database_file : other_file;
  return watched_file{std::string(text), kind};
}

const watched_file* watched(int fd) {
  auto& on = state();
  if (fd < 0 || fd >= max_files || !on.is_watched[static_cast<std::size_t>(fd)].load(std::memory_order_acquire)) return nullptr;
  return on.files[static_cast<std::size_t>(fd)].get();
}

/// To what this thread sends.
thread_local effect happening = nothing;

[[noreturn]] void die_by_sigkill() {
  ::kill(getpid(), SIGKILL);
  for (;;) pause();
}

void strike(effect what, const plan& plan) {
  if (what == lose_power && state().model) state().model->leave(state().folder + ".after-power-loss", plan.seed);
  die_by_sigkill();
}

void pause_us(std::uint64_t us) {
  timespec time{static_cast<time_t>(us / 1'000'000), static_cast<long>(us % 1'000'000) * 1000};
  while (nanosleep(&time, &time) != 0 && errno == EINTR) {
  }
}

/// What is to happen to this operation; counts it.
effect choose(operation kind, file_kind file) {
  auto* plan = state().what_goes_wrong.load(std::memory_order_acquire);
  if (!plan) return nothing;
  const auto what = static_cast<effect>(plan->what.load(std::memory_order_acquire));
  if (what == nothing || (plan->operations & kind) == 0 || (plan->files & file) == 0) return nothing;
  const auto number = ++plan->counted;
  if (number < plan->at || number - plan->at >= plan->times) return nothing;
  ++plan->fired;
  return what;
}

void observe(operation kind, file_kind file, bool done) {
  if (state().observer && kind != read_operation && kind != open_operation) state().observer({kind, file, done});
}

/// An operation on a watched file: decides, does it, keeps book. `perform` gives what the C library would; `book` is told after success.
template <class Result, class Perform, class Book>
Result carry_out(operation kind, const watched_file& file, Perform perform, Book book) {
  auto& on = state();
  auto* plan = on.what_goes_wrong.load(std::memory_order_acquire);
  if (!plan || !in_folder(file.path)) return perform();
  const effect what = choose(kind, file.kind);
  if (what == delay) pause_us(plan->delay_us);
  const bool deadly = what == kill || what == lose_power;
  const std::lock_guard lock(on.busy);
  if (deadly && plan->after == 0) strike(what, *plan);
  if (what == fail || what == shorten) {
    if (kind == sync_operation && on.model && file.path != on.folder) on.model->sync_failed(file.path);
    errno = static_cast<int>(plan->error.load());
    return static_cast<Result>(-1);
  }
  observe(kind, file.kind, false);
  const Result result = perform();
  const int error = errno;
  if (result != static_cast<Result>(-1) && on.model) book(*on.model, result);
  observe(kind, file.kind, true);
  if (deadly) strike(what, *plan);
  errno = error;
  return result;
}

template <class Perform>
ssize_t carry_out_write(const watched_file& file, std::size_t size, std::uint64_t offset, Perform perform) {
  auto& on = state();
  auto* plan = on.what_goes_wrong.load(std::memory_order_acquire);
  const auto book = [&](durable_files& model, ssize_t written) { model.wrote(file.path, offset, static_cast<std::uint64_t>(written)); };
  if (!plan || plan->what != shorten)
    return carry_out<ssize_t>(
        write_operation, file, [&] { return perform(size); }, book);
  if (std::exchange(on.write_must_fail, false)) {
    errno = static_cast<int>(plan->error.load());
    return -1;
  }
  if (choose(write_operation, file.kind) != shorten || size < 2) {
    const std::lock_guard lock(on.busy);
    const auto written = perform(size);
    if (written > 0 && on.model) book(*on.model, written);
    return written;
  }
  on.write_must_fail = plan->error != 0;
  const std::lock_guard lock(on.busy);
  const auto written = perform(size / 2);
  if (written > 0 && on.model) book(*on.model, written);
  return written;
}

int open_watched(const watched_file& file, const char* path, int flags, mode_t mode) {
  auto& on = state();
  const int fd = carry_out<int>(
      open_operation, file, [&] { return static_cast<int>(syscall(SYS_openat, AT_FDCWD, path, flags, mode)); },
      [&](durable_files& model, int) {
        if (file.path == on.folder) return;
        if ((flags & O_TRUNC) != 0) model.truncating(file.path, 0);
        model.opened(file.path);
      });
  if (fd >= 0 && fd < max_files) {
    on.files[static_cast<std::size_t>(fd)] = std::make_unique<watched_file>(file);
    on.is_watched[static_cast<std::size_t>(fd)].store(true, std::memory_order_release);
  }
  return fd;
}

template <class Real>
int sync_watched(int fd, const watched_file& file, Real real) {
  auto& on = state();
  return carry_out<int>(
      sync_operation, file, [&] { return on.pretend_to_sync ? 0 : real(fd); },
      [&](durable_files& model, int) {
        if (on.lie) return;
        if (file.path == on.folder) {
          model.folder_synced();
        } else {
          model.synced(file.path);
        }
      });
}

template <class Real>
int truncate_watched(int fd, const watched_file& file, off64_t size, Real real) {
  auto& on = state();
  return carry_out<int>(
      truncate_operation, file,
      [&] {
        if (on.model) on.model->truncating(file.path, static_cast<std::uint64_t>(size));
        return real(fd, size);
      },
      [](durable_files&, int) {});
}

template <class Real>
ssize_t write_at(int fd, const void* bytes, std::size_t size, off64_t offset, Real real) {
  const auto* file = watched(fd);
  if (!file) return real(fd, bytes, size, offset);
  return carry_out_write(*file, size, static_cast<std::uint64_t>(offset), [&](std::size_t part) { return real(fd, bytes, part, offset); });
}

template <class Real>
ssize_t read_at(int fd, void* bytes, std::size_t size, off64_t offset, Real real) {
  const auto* file = watched(fd);
  if (!file) return real(fd, bytes, size, offset);
  return carry_out<ssize_t>(
      read_operation, *file, [&] { return real(fd, bytes, size, offset); }, [](durable_files&, ssize_t) {});
}

template <class Perform>
int change_names(const char* from, const char* to, Perform perform, void (durable_files::*book)(const std::string&, const std::string&)) {
  const auto one = watched(from);
  const auto other = watched(to);
  if (!one || !other) return perform();
  return carry_out<int>(name_operation, *one, perform, [&](durable_files& model, int) { (model.*book)(one->path, other->path); });
}

}  // namespace

void watch(const std::filesystem::path& folder, bookkeeping books, plan& what_goes_wrong) {
  auto& on = state();
  stop_watching();
  const std::lock_guard lock(on.busy);
  on.folder = std::filesystem::canonical(folder);
  on.pretend_to_sync = books == bookkeeping::model;
  if (books == bookkeeping::model) on.model.emplace(on.folder);
  on.write_must_fail = false;
  on.what_goes_wrong.store(&what_goes_wrong, std::memory_order_release);
}

void stop_watching() {
  auto& on = state();
  on.what_goes_wrong.store(nullptr, std::memory_order_release);
  const std::lock_guard lock(on.busy);
  on.model.reset();
  on.observer = nullptr;
}

void on_operation(std::function<void(const seen_operation&)> what) {
  const std::lock_guard lock(state().busy);
  state().observer = std::move(what);
}

// Called by the observer, too, which holds the lock: so it takes none. Otherwise nothing may be under way.
void leave(const std::filesystem::path& into, std::uint64_t seed) {
  state().model.value().leave(into, seed);
}

void forget_syncs(bool lying) {
  const std::lock_guard lock(state().busy);
  state().lie = lying;
}

void move_to(const std::filesystem::path& folder) {
  auto& on = state();
  std::filesystem::create_directories(folder);
  const std::lock_guard lock(on.busy);
  const std::filesystem::path whole = std::filesystem::canonical(folder);
  on.model.value().move_to(whole);
  on.folder = whole;
}

bool before_send() {
  const auto* plan = state().what_goes_wrong.load(std::memory_order_acquire);
  if (!plan) return false;
  const effect what = choose(send_operation, no_file);
  if (what != delay && what != kill && what != lose_power) return false;
  happening = what;
  if (plan->after == 1) return true;
  after_send();
  return false;
}

void after_send() {
  const auto* plan = state().what_goes_wrong.load(std::memory_order_acquire);
  if (happening == delay) return pause_us(plan->delay_us);
  const std::lock_guard lock(state().busy);
  strike(happening, *plan);
}

}  // namespace careteam::disk

// ---- the C library's functions

using namespace careteam::disk;

extern "C" {

int open64(const char* path, int flags, ...) {
  mode_t mode = 0;
  if ((flags & (O_CREAT | O_TMPFILE)) != 0) {
    va_list more;
    va_start(more, flags);
    mode = va_arg(more, mode_t);
    va_end(more);
  }
  if (const auto file = watched(path)) return open_watched(*file, path, flags, mode);
  static const auto real = next(&::open64, "open64");
  return real(path, flags, mode);
}

int open(const char* path, int flags, ...) {
  mode_t mode = 0;
  if ((flags & (O_CREAT | O_TMPFILE)) != 0) {
    va_list more;
    va_start(more, flags);
    mode = va_arg(more, mode_t);
    va_end(more);
  }
  if (const auto file = watched(path)) return open_watched(*file, path, flags, mode);
  static const auto real = next(&::open, "open");
  return real(path, flags, mode);
}

int close(int fd) {
  if (fd >= 0 && fd < max_files) state().is_watched[static_cast<std::size_t>(fd)].store(false, std::memory_order_release);
  static const auto real = next(&::close, "close");
  return real(fd);
}

ssize_t pwrite64(int fd, const void* bytes, size_t size, off64_t offset) {
  static const auto real = next(&::pwrite64, "pwrite64");
  return write_at(fd, bytes, size, offset, real);
}

ssize_t pwrite(int fd, const void* bytes, size_t size, off_t offset) {
  static const auto real = next(&::pwrite, "pwrite");
  return write_at(fd, bytes, size, offset, real);
}

ssize_t pread64(int fd, void* bytes, size_t size, off64_t offset) {
  static const auto real = next(&::pread64, "pread64");
  return read_at(fd, bytes, size, offset, real);
}

ssize_t pread(int fd, void* bytes, size_t size, off_t offset) {
  static const auto real = next(&::pread, "pread");
  return read_at(fd, bytes, size, offset, real);
}

int ftruncate64(int fd, off64_t size) noexcept {
  static const auto real = next(&::ftruncate64, "ftruncate64");
  const auto* file = watched(fd);
  return file ? truncate_watched(fd, *file, size, real) : real(fd, size);
}

int ftruncate(int fd, off_t size) noexcept {
  static const auto real = next(&::ftruncate, "ftruncate");
  const auto* file = watched(fd);
  return file ? truncate_watched(fd, *file, size, real) : real(fd, size);
}

int fdatasync(int fd) {
  static const auto real = next(&::fdatasync, "fdatasync");
  const auto* file = watched(fd);
  return file ? sync_watched(fd, *file, real) : real(fd);
}

int fsync(int fd) {
  static const auto real = next(&::fsync, "fsync");
  const auto* file = watched(fd);
  return file ? sync_watched(fd, *file, real) : real(fd);
}

int unlink(const char* path) noexcept {
  static const auto real = next(&::unlink, "unlink");
  const auto file = watched(path);
  if (!file) return real(path);
  return carry_out<int>(
      name_operation, *file, [&] { return real(path); }, [&](durable_files& model, int) { model.removed(file->path); });
}

int rename(const char* from, const char* to) noexcept {
  static const auto real = next(&::rename, "rename");
  return change_names(
      from, to, [&] { return real(from, to); }, &durable_files::renamed);
}

int link(const char* from, const char* to) noexcept {
  static const auto real = next(&::link, "link");
  return change_names(
      from, to, [&] { return real(from, to); }, &durable_files::linked);
}

}  // extern "C"

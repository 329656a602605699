// What is to go wrong with a disk, and when. A plain block of numbers, so that a test in another process (Python) can write it into a file
// that the program under test maps.
#pragma once

#include <atomic>
#include <cstdint>

namespace careteam::disk {

/// Operations, as bits of plan::operations.
enum operation : std::uint64_t {
  write_operation = 1,
  sync_operation = 2,
  truncate_operation = 4,
  open_operation = 8,
  read_operation = 16,
  name_operation = 32,  ///< unlink, rename, link.
  send_operation = 64,  ///< Bytes to a TCP socket. Only in the preloaded library.
};

/// Files, as bits of plan::files.
enum file_kind : std::uint64_t {
  database_file = 1,  ///< *.db
  wal_file = 2,       ///< *-wal
  other_file = 4,     ///< Journals, copies, folders.
  no_file = 8,        ///< Sockets.
};

/// What happens at the chosen operation.
enum effect : std::uint64_t {
  nothing = 0,
  fail = 1,       ///< It fails with `error` and is not carried out. A failed sync loses what it should have kept, as Linux does.
  shorten = 2,    ///< Half of a write is carried out; where `error` is set, the next write fails with it. Other operations fail.
  delay = 3,      ///< It takes `delay_us` longer.
  kill = 4,       ///< The process gets SIGKILL: what was written stays in the page cache.
  lose_power = 5  ///< The process leaves what a disk would have kept in `<folder>.after-power-loss`, then gets SIGKILL.
};

struct plan {
  std::atomic<std::uint64_t> what{nothing};  ///< An `effect`. Written last by whoever arms it.
  std::atomic<std::uint64_t> operations{0};  ///< Which operations count.
  std::atomic<std::uint64_t> files{15};      ///< On which files.
  std::atomic<std::uint64_t> at{1};          ///< The effect comes at this operation, counted from 1 …
  std::atomic<std::uint64_t> times{1};       ///< … and at so many in a row.
  std::atomic<std::uint64_t> error{0};       ///< errno.
  std::atomic<std::uint64_t> after{0};       ///< 1: the effect comes after the operation instead of in its place (kill, lose_power).
  std::atomic<std::uint64_t> delay_us{0};
  std::atomic<std::uint64_t> seed{0};     ///< For what is kept when power is lost.
  std::atomic<std::uint64_t> counted{0};  ///< Operations that counted since arming.
  std::atomic<std::uint64_t> fired{0};    ///< How often the effect has come.
};
static_assert(sizeof(plan) == 11 * 8 && std::atomic<std::uint64_t>::is_always_lock_free);

}  // namespace careteam::disk

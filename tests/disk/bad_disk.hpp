// A disk that goes wrong: stands between a process and the C library for the files of one folder. Linked into a test program, or preloaded
// into the real server (`preload.cpp`); the server knows nothing of it.
//
// Files in subfolders, and `*-shm`, `*.lock` and sockets, are not watched: their content does not outlive the process.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "disk/plan.hpp"

namespace careteam::disk {

/// Of the operation that is about to happen, or has happened.
struct seen_operation {
  operation kind;
  file_kind file;
  bool done;  ///< False: before it.
};

/// Watches a folder from now on. `model`: keeps book of what is durable, and syncs nothing in earnest. Ends the watch over another folder.
enum class bookkeeping { none, model };
void watch(const std::filesystem::path& folder, bookkeeping books, plan& what_goes_wrong);
void stop_watching();

/// Called at every operation that changes a file, before and after it, by the thread that does it. No operation of another thread comes
/// between. It must not touch the folder, but may call leave().
void on_operation(std::function<void(const seen_operation&)> what);

/// What a power loss would leave now, in a new folder. Needs the model.
void leave(const std::filesystem::path& into, std::uint64_t seed);
/// A disk that lies: syncs succeed and keep nothing. For testing the tests.
void forget_syncs(bool lying);
/// Goes on in another folder with the same files, as after the death of the process: nothing more is kept than before. Needs the model.
void move_to(const std::filesystem::path& folder);

}  // namespace careteam::disk

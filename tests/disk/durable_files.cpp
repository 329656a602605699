#include "disk/durable_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace careteam::disk {
namespace {

// Past the functions of this library that stand before those of the C library.
int raw_open(const std::string& path, int flags) {
  return static_cast<int>(syscall(SYS_openat, AT_FDCWD, path.c_str(), flags | O_CLOEXEC, 0600));
}

void die(const char* what) {
  std::perror(what);
  std::abort();
}

std::string read_all(const std::string& path) {
  std::string bytes;
  const int file = raw_open(path, O_RDONLY);
  if (file < 0) return bytes;
  struct stat status {};
  if (fstat(file, &status) != 0) die("fstat");
  bytes.resize(static_cast<std::size_t>(status.st_size));
  std::size_t have = 0;
  while (have < bytes.size()) {
    const auto got = syscall(SYS_pread64, file, bytes.data() + have, bytes.size() - have, have);
    if (got <= 0) break;
    have += static_cast<std::size_t>(got);
  }
  bytes.resize(have);
  syscall(SYS_close, file);
  return bytes;
}

void write_all(const std::string& path, const std::string& bytes) {
  const int file = raw_open(path, O_WRONLY | O_CREAT | O_TRUNC);
  if (file < 0) die(path.c_str());
  std::size_t have = 0;
  while (have < bytes.size()) {
    const auto put = syscall(SYS_pwrite64, file, bytes.data() + have, bytes.size() - have, have);
    if (put <= 0) die("write");
    have += static_cast<std::size_t>(put);
  }
  syscall(SYS_close, file);
}

}  // namespace

durable_files::durable_files(std::filesystem::path folder) : folder_(std::move(folder)) {
  for (const auto& one : std::filesystem::directory_iterator(folder_)) {
    if (!one.is_regular_file()) continue;
    auto file = std::make_shared<node>();
    file->kept = read_all(one.path());
    now_.emplace(one.path(), std::move(file));
  }
  kept_ = now_;
}

durable_files::node& durable_files::at(const std::string& path) {
  opened(path);
  return *now_.at(path);
}

void durable_files::change_name(const std::string& path, std::shared_ptr<node> to) {
  changes_.emplace_back(path, to);
  if (to) {
    now_[path] = std::move(to);
  } else {
    now_.erase(path);
  }
}

void durable_files::opened(const std::string& path) {
  if (!now_.contains(path)) change_name(path, std::make_shared<node>());
}

void durable_files::wrote(const std::string& path, std::uint64_t offset, std::uint64_t size) {
  if (size == 0) return;
  auto& file = at(path);
  for (std::uint64_t page = offset / page_bytes; page <= (offset + size - 1) / page_bytes; ++page) file.dirty.insert(page);
}

void durable_files::truncating(const std::string& path, std::uint64_t size) {
  auto& file = at(path);
  std::error_code none;
  const auto before = std::filesystem::file_size(path, none);
  if (none) return;
  // What lies between reads as zeros, should the file grow again.
  const auto end = std::max<std::uint64_t>({before, size, file.kept.size()});
  for (std::uint64_t page = std::min<std::uint64_t>(before, size) / page_bytes; page * page_bytes < end; ++page) file.dirty.insert(page);
}

void durable_files::synced(const std::string& path) {
  auto& file = at(path);
  const std::string current = read_all(path);
  file.kept.resize(current.size());
  for (const auto page : file.dirty) {
    const auto from = page * page_bytes;
    if (from >= current.size()) continue;
    file.kept.replace(from, std::min(page_bytes, current.size() - from), current, from, page_bytes);
  }
  file.dirty.clear();
}

void durable_files::sync_failed(const std::string& path) {
  at(path).dirty.clear();
}

void durable_files::folder_synced() {
  kept_ = now_;
  changes_.clear();
}

void durable_files::removed(const std::string& path) {
  const auto found = now_.find(path);
  if (found == now_.end()) return;
  found->second->gone = true;
  change_name(path, nullptr);
}

void durable_files::renamed(const std::string& from, const std::string& to) {
  const auto file = now_.at(from);
  if (const auto replaced = now_.find(to); replaced != now_.end()) replaced->second->gone = true;
  change_name(to, file);
  change_name(from, nullptr);
}

void durable_files::linked(const std::string& from, const std::string& to) {
  change_name(to, now_.at(from));
}

std::string durable_files::content_after(const std::string& current_path, const node& file, std::mt19937_64& random,
                                         std::uint64_t seed) const {
  if (file.gone || seed == 0) return file.kept;
  const std::string current = read_all(current_path);
  if (seed == 1) {
    // A disk that kept all, but for what a failed sync has lost.
    std::string all = file.kept;
    all.resize(current.size());
    for (const auto page : file.dirty) {
      const auto from = page * page_bytes;
      if (from < current.size()) all.replace(from, std::min(page_bytes, current.size() - from), current, from, page_bytes);
    }
    return all;
  }
  std::string left = file.kept;
  left.resize(random() % 2 == 0 ? current.size() : std::max(current.size(), file.kept.size()));
  // Either any of the sectors, or the first of them up to one that is torn.
  const bool in_order = random() % 3 == 0;
  const auto sectors = page_bytes / sector_bytes;
  const auto first_lost = file.dirty.empty() ? 0 : random() % (file.dirty.size() * sectors + 1);
  std::uint64_t number = 0;
  for (const auto page : file.dirty) {
    for (std::uint64_t sector = 0; sector < sectors; ++sector, ++number) {
      const auto from = page * page_bytes + sector * sector_bytes;
      const bool keep = in_order ? number < first_lost : random() % 2 == 0;
      if (!keep || from >= current.size() || from >= left.size()) continue;
      const auto size = std::min(sector_bytes, current.size() - from);
      // A sector is whole or not: that is what disks promise. A page is not.
      left.replace(from, std::min(size, left.size() - from), current, from, size);
    }
  }
  if (random() % 4 == 0 && current.size() > file.kept.size() && !in_order) left.resize(file.kept.size());
  return left;
}

void durable_files::leave(const std::filesystem::path& into, std::uint64_t seed) const {
  std::mt19937_64 random(seed);
  std::filesystem::remove_all(into);
  std::filesystem::create_directories(into);
  names left = kept_;
  const auto changes = seed == 0 ? 0 : seed == 1 ? changes_.size() : random() % (changes_.size() + 1);
  for (std::size_t i = 0; i < changes; ++i) {
    const auto& [path, to] = changes_[i];
    if (to) {
      left[path] = to;
    } else {
      left.erase(path);
    }
  }
  for (const auto& [path, file] : left) {
    // Where a file has another name by now, it is read by that.
    const auto named = std::find_if(now_.begin(), now_.end(), [&](const auto& one) { return one.second == file; });
    const std::string current = named == now_.end() ? path : named->first;
    write_all(into / std::filesystem::path(path).filename(), content_after(current, *file, random, seed));
  }
}

void durable_files::move_to(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  const auto moved = [&](const std::string& path) { return (folder / std::filesystem::path(path).filename()).string(); };
  for (const auto& [path, file] : now_) write_all(moved(path), read_all(path));
  const auto rename_all = [&](names& all) {
    names renamed;
    for (auto& [path, file] : all) renamed.emplace(moved(path), std::move(file));
    all = std::move(renamed);
  };
  rename_all(now_);
  rename_all(kept_);
  for (auto& [path, file] : changes_) path = moved(path);
  folder_ = folder;
}

}  // namespace careteam::disk

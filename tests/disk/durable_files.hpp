// What a disk would still have after a power loss: a model beside the real files of one folder. It is told of every write, sync and change
// of a name, and holds what was synced; everything else may be kept, lost, or kept in parts.
//
// Data: in pages of 4 KiB, as the page cache has them. A sync keeps a file's dirty pages. A sync that fails marks them clean without
// keeping them, as Linux does: only a page that is written again has another chance. Names: new, renamed and removed files last when their
// folder was synced; before that a beginning of the changes is kept.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace careteam::disk {

class durable_files {
 public:
  /// Everything that is in the folder now counts as kept.
  explicit durable_files(std::filesystem::path folder);

  // What happened, after it did. Paths are inside the folder.
  void opened(const std::string& path);
  void wrote(const std::string& path, std::uint64_t offset, std::uint64_t size);
  /// Before it is done: `size` is the new size.
  void truncating(const std::string& path, std::uint64_t size);
  void synced(const std::string& path);
  void sync_failed(const std::string& path);
  void folder_synced();
  void removed(const std::string& path);
  void renamed(const std::string& from, const std::string& to);
  void linked(const std::string& from, const std::string& to);

  /// Writes into a new folder what a power loss could leave; the seed decides. Seeds 0 and 1 leave the least and the most.
  void leave(const std::filesystem::path& into, std::uint64_t seed) const;

  /// Copies the files as every process sees them into another folder, and goes on there: what is not kept yet is not kept there either.
  /// A process that is killed leaves the page cache to its successor like this.
  void move_to(const std::filesystem::path& folder);

 private:
  static constexpr std::uint64_t page_bytes = 4096;
  static constexpr std::uint64_t sector_bytes = 512;
  struct node {
    std::string kept;
    std::set<std::uint64_t> dirty;  ///< Pages.
    bool gone = false;              ///< Has no name any more: what was not kept cannot be read.
  };
  using names = std::map<std::string, std::shared_ptr<node>>;

  node& at(const std::string& path);
  void change_name(const std::string& path, std::shared_ptr<node> to);
  std::string content_after(const std::string& current_path, const node& file, std::mt19937_64& random, std::uint64_t seed) const;

  std::filesystem::path folder_;
  names now_, kept_;
  std::vector<std::pair<std::string, std::shared_ptr<node>>> changes_;  ///< Of names, not kept yet; null: removed.
};

}  // namespace careteam::disk

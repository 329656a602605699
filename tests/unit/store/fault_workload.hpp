// What the fault tests let a store do, step by step, and what must be found afterwards.
#pragma once

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sqlite_fixture.hpp"

namespace careteam::store::test {

/// What a step was told.
enum class told { nothing, committed, refused, uncertain };

/// A script of appends to a few records, with commands, amendments, memberships, snapshots, cursors, timers
/// and deliveries, entries of a few bytes to several
/// pages, checkpoints in between, and the store closed and opened again in the middle. The same every time.
class fault_workload {
 public:
  static constexpr std::size_t steps = 14;

  explicit fault_workload(std::string path) : path_(std::move(path)) {}

  /// Does all of it. Whatever the store refuses is left out; a store that cannot be opened is tried again once.
  void run();
  /// Does these steps on an open store, or opens one.
  void run(std::size_t from, std::size_t to);
  void close();
  /// Another process went before, and this is what it was told.
  void inherit(const std::array<told, steps>& promised);

  const std::array<std::atomic<told>, steps>& outcome() const { return outcome_; }
  /// How many of the steps were started so far. Everything up to here may be there.
  std::size_t started() const { return started_; }
  int failures_reported() const { return reports_; }

  /// What has been promised at this moment; may be asked from another thread.
  std::array<told, steps> promised() const;

 private:
  bool open();
  void step(std::size_t number);

  std::string path_;
  event_loop loop_;
  std::unique_ptr<record_store> store_;
  std::array<std::atomic<told>, steps> outcome_{};
  std::atomic<std::size_t> started_{0};
  int reports_ = 0;
};

/// Opens the store at `path`, and fails the test unless: what was committed is there, once; what was refused is not; everything else is
/// there as a whole or not at all; it is sound before and after, and takes a further append.
void expect_promises_kept(const std::string& path, const std::array<told, fault_workload::steps>& promised);

}  // namespace careteam::store::test

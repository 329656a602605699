// `careteam bench`: the command line of the load generator.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "bench/load_options.hpp"

namespace careteam {

class bench_command {
 public:
  /// Adds the command to the command line.
  explicit bench_command(CLI::App& app);
  bench_command(const bench_command&) = delete;
  bench_command& operator=(const bench_command&) = delete;

  bool chosen() const { return command_->parsed(); }
  /// The exit code: 0 the load was put on and every check holds, 1 not (the reason is on stderr), 2 wrong usage.
  int run();

 private:
  void add_load_options();
  void add_probe_options();
  int make_rooms() const;
  int put_load();

  CLI::App* command_;
  bench::load_options options_;
  std::string url_, rooms_file_, people_file_;
  bool json_ = false;
};

}  // namespace careteam

#include "careteam/bench_command.hpp"

#include <sys/prctl.h>
#include <sys/resource.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <map>

#include "bench/load_report.hpp"
#include "bench/load_run.hpp"
#include "bench/test_rooms.hpp"
#include "careteam/commands.hpp"

namespace careteam {
namespace {

constexpr const char* explanation = R"(How to:
$ careteam bench --make-rooms rooms.ndjson --people people
$ careteam import --config test.toml rooms.ndjson
$ careteam token --key key.jwk --issuer ... --audience ... --subjects-file people > tokens
$ careteam bench --url ws://127.0.0.1:8080 --tokens tokens --mode open --rate 1000 --seconds 10

Use a store that is made for it: what is posted stays. Only the test rooms are posted to. All load comes from one address and each person
sends much: raise limits.commands_*, limits.device_commands_* and server.max_connections_per_address of the server for it.
TLS (wss://) is not spoken: name a port without it.

Exit codes: 0 everything arrived once and in order and nothing was refused, 1 not (or the load could not be put on), 2 wrong usage.)";

/// Room for one socket per member.
void raise_file_limit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

int fail(const std::string& why, int code) {
  std::cerr << "careteam bench: " << why << '\n';
  return code;
}

}  // namespace

bench_command::bench_command(CLI::App& app)
    : command_(app.add_subcommand("bench", "Put a server under load, check that everything arrives once and in order, and measure")) {
  command_->footer(explanation);
  command_->add_option("--url", url_, "Where the server is: ws://HOST[:PORT]");
  command_->add_option("--tokens", options_.tokens_file, "File with a line \"person token\" for each member")->check(CLI::ExistingFile);
  command_->add_flag("--json", json_, "Print one JSON object instead of text");
  auto* rooms = command_->add_option("--make-rooms", rooms_file_, "Write the test rooms as FHIR NDJSON for `careteam import`, and end");
  auto* people = command_->add_option("--people", people_file_, "With --make-rooms: write the members' ids to this file");
  rooms->needs(people);
  people->needs(rooms);
  add_load_options();
  add_probe_options();
}

void bench_command::add_load_options() {
  static const std::map<std::string, bench::load_mode> modes{
      {"closed", bench::load_mode::closed},   {"open", bench::load_mode::open}, {"fill", bench::load_mode::fill},
      {"welcome", bench::load_mode::welcome}, {"idle", bench::load_mode::idle}, {"reconnect", bench::load_mode::reconnect}};
  static const std::map<std::string, int> streams{{"shared", 1}, {"clinical", 2}, {"support", 3}};
  static const std::map<std::string, bench::load_kind> kinds{{"messages", bench::load_kind::messages}, {"tasks", bench::load_kind::tasks}};
  static const std::map<std::string, bench::task_target> targets{{"person", bench::task_target::person},
                                                                 {"role", bench::task_target::role}};
  constexpr const char* group = "Load";
  command_
      ->add_option(
          "--mode", options_.mode,
          "closed: each sender sends its next message when the last one is answered; open: messages leave at --rate whatever comes "
          "back; fill: as closed until --count are committed; welcome: one member connects until it works; idle: everybody is connected; "
          "reconnect: everybody is connected, and comes back "
          "when the server has gone away and is back")
      ->transform(CLI::CheckedTransformer(modes))
      ->option_text("closed|open|fill|welcome|idle|reconnect [closed]")
      ->group(group);
  command_
      ->add_option(
          "--load", options_.kind,
          "messages, or (closed, fill) tasks: each sender asks the next one of its room for a task, then claims, accepts, starts and "
          "completes the one that was asked of it, and asks again")
      ->transform(CLI::CheckedTransformer(kinds))
      ->option_text("messages|tasks [messages]")
      ->group(group);
  command_->add_option("--target", options_.target, "tasks: who is asked: one nurse, or all nurses of the room by their role")
      ->transform(CLI::CheckedTransformer(targets))
      ->option_text("person|role [person]")
      ->group(group);
  command_->add_option("--rate", options_.rate, "open: messages per second over all rooms")
      ->check(CLI::Range(0.1, 1e6))
      ->capture_default_str()
      ->group(group);
  command_->add_option("--seconds", options_.measure_seconds, "Seconds of measuring")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str()
      ->group(group);
  command_->add_option("--warm-up", options_.warm_up_seconds, "Seconds of load before measuring")
      ->check(CLI::Range(0.0, 600.0))
      ->capture_default_str()
      ->group(group);
  command_->add_option("--count", options_.count, "fill: messages, or commands about tasks")->check(CLI::Range(1.0, 1e9))->group(group);
  command_->add_option("--rooms", options_.rooms, "Rooms, each with its own patient")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str()
      ->group(group);
  command_->add_option("--members", options_.members, "Members of each room")
      ->check(CLI::Range(1, 100))
      ->capture_default_str()
      ->group(group);
  command_->add_option("--senders", options_.senders, "How many members of each room send")
      ->check(CLI::Range(1, 100))
      ->capture_default_str()
      ->group(group);
  command_->add_option("--message-bytes", options_.message_bytes, "Bytes of each text, or of each task's title and description")
      ->check(CLI::Range(16, 16000))
      ->capture_default_str()
      ->group(group);
  command_->add_option("--stream", options_.stream, "Where to post: shared, clinical or support")
      ->transform(CLI::CheckedTransformer(streams))
      ->option_text("shared|clinical|support [clinical]")
      ->group(group);
  command_->add_option("--changes", options_.changes, "idle: people a second who leave or come back")
      ->check(CLI::Range(0.0, 1000.0))
      ->group(group);
  command_->add_option("--missing", options_.missing, "reconnect: entries of each stream that everybody misses")->group(group);
  command_->add_option("--never-reading", options_.never_reading, "open, closed: members of the first room who never read")
      ->check(CLI::Range(0, 50))
      ->group(group);
  command_->add_option("--flooding", options_.flooding, "open, closed: members of the first room who send at --flood-rate each")
      ->check(CLI::Range(0, 50))
      ->group(group);
  command_->add_option("--flood-rate", options_.flood_rate, "Commands a second of each who floods")
      ->check(CLI::Range(1.0, 1e5))
      ->capture_default_str()
      ->group(group);
  command_->add_flag("--from-head", options_.from_head, "Resume at the heads, as devices do that were connected before")->group(group);
  command_->add_option("--connect-limit", options_.connect_seconds, "Seconds until everybody must be connected and caught up")
      ->check(CLI::Range(1.0, 3600.0))
      ->capture_default_str()
      ->group(group);
}

void bench_command::add_probe_options() {
  constexpr const char* group = "Looking at a server on this machine";
  command_->add_option("--server-pid", options_.server_pid, "Process whose CPU time and memory to tell")->group(group);
  command_->add_option("--admin-port", options_.admin_port, "Port of /metrics on 127.0.0.1")->group(group);
  command_->add_option("--metric", options_.metrics, "Counter of /metrics whose increase to tell; may be repeated")->group(group);
  command_->add_option("--since", options_.since_ns, "welcome: nanoseconds of CLOCK_MONOTONIC from which to count")->group(group);
}

int bench_command::run() {
  return rooms_file_.empty() ? put_load() : make_rooms();
}

int bench_command::make_rooms() const {
  std::ofstream resources(rooms_file_, std::ios::trunc);
  std::ofstream people(people_file_, std::ios::trunc);
  bench::write_test_rooms(options_.rooms, options_.members, resources, people);
  if (!resources.flush()) return fail("cannot write " + rooms_file_, exit_failed);
  if (!people.flush()) return fail("cannot write " + people_file_, exit_failed);
  return exit_done;
}

int bench_command::put_load() {
  if (url_.empty() || options_.tokens_file.empty()) return fail("needs --url and --tokens (or --make-rooms)", exit_usage);
  std::string why;
  if (!bench::parse_server_url(url_, options_.server, why)) return fail("--url: " + why, exit_usage);
  if (options_.mode == bench::load_mode::fill && options_.count == 0) return fail("--mode fill needs --count", exit_usage);
  if (options_.kind == bench::load_kind::tasks) {
    const bool closed = options_.mode == bench::load_mode::closed || options_.mode == bench::load_mode::fill;
    if (!closed) return fail("--load tasks needs --mode closed or fill", exit_usage);
    if (options_.flooding + options_.never_reading != 0)
      return fail("--load tasks goes without --flooding and --never-reading", exit_usage);
  }
  options_.senders = std::min(options_.senders, options_.members);
  raise_file_limit();
  // Without this the kernel rounds the short waits of the schedule up by 50 µs.
  prctl(PR_SET_TIMERSLACK, 1UL);
  try {
    const auto result = bench::load_run{options_}.run();
    (json_ ? bench::print_json : bench::print_text)(options_, result, std::cout);
    if (!std::cout.flush()) return fail("cannot write the result", exit_failed);
    if (bench::all_checks_hold(result)) return exit_done;
    return fail(result.first_fault.empty() ? "commands were refused" : "a check failed; the first: " + result.first_fault, exit_failed);
  } catch (const std::exception& error) {
    return fail(error.what(), exit_failed);
  }
}

}  // namespace careteam

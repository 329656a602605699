// The load generator. See README.md for what it measures; `--help` for how to start it. Prints one JSON object.
// Exit codes: 0 everything arrived once and in order, 1 it did not, 2 commands were refused, 3 the run could not be done.
#include <sys/prctl.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <exception>
#include <iostream>
#include <map>
#include <string>

#include "load_run.hpp"

namespace {

namespace bench = careteam::bench;
namespace json = boost::json;

// Above this share of its core the generator, not the server, may be what limits a result.
constexpr double busy_share = 0.9;

double rounded(double value) {
  return static_cast<double>(static_cast<long long>(value * 1000 + 0.5)) / 1000;
}

double ratio(double a, double b) {
  return b == 0 ? 0 : rounded(a / b);
}

json::object latencies(const bench::latency_histogram& histogram) {
  const auto ms = [](std::uint64_t ns) { return rounded(static_cast<double>(ns) / 1e6); };
  return {{"count", histogram.count()},
          {"p50_ms", ms(histogram.quantile_ns(0.5))},
          {"p90_ms", ms(histogram.quantile_ns(0.9))},
          {"p99_ms", ms(histogram.quantile_ns(0.99))},
          {"p999_ms", ms(histogram.quantile_ns(0.999))},
          {"max_ms", ms(histogram.max_ns())}};
}

json::object describe(const bench::load_faults& faults) {
  return {{"gaps", faults.gaps},
          {"duplicates", faults.duplicates},
          {"strangers", faults.strangers},
          {"unknown_answers", faults.unknown_answers},
          {"unanswered", faults.unanswered},
          {"missing", faults.missing},
          {"uncommanded", faults.uncommanded},
          {"wrong_seqs", faults.wrong_seqs},
          {"malformed", faults.malformed},
          {"closed", faults.closed},
          {"overrun", faults.overrun}};
}

json::object describe(const bench::load_options& options, const bench::load_result& result) {
  const auto& counts = result.counts;
  const auto committed = static_cast<double>(counts.committed);
  const double generator_share = ratio(counts.generator_cpu_seconds, counts.seconds);
  json::object answer{{"rooms", options.rooms},
                      {"members", options.members},
                      {"senders_per_room", options.senders},
                      {"message_bytes", options.message_bytes},
                      {"seconds", rounded(counts.seconds)},
                      {"connect_seconds", rounded(result.connect_seconds)},
                      {"total_seconds", rounded(result.total_seconds)},
                      {"committed_in_all", result.committed_in_all},
                      {"messages_per_s", ratio(committed, counts.seconds)},
                      {"deliveries_per_s", ratio(static_cast<double>(counts.deliveries), counts.seconds)},
                      {"frames_per_s", ratio(static_cast<double>(counts.frames), counts.seconds)},
                      {"entries_per_frame", ratio(static_cast<double>(counts.deliveries), static_cast<double>(counts.entry_frames))},
                      {"bytes_per_frame", ratio(static_cast<double>(counts.bytes), static_cast<double>(counts.frames))},
                      {"answer", latencies(result.answer)},
                      {"receipt", latencies(result.receipt)},
                      {"generator_cpu_share", generator_share},
                      {"generator_bound", generator_share > busy_share},
                      {"generator_pass", latencies(result.pass)},
                      {"schedule_lag", latencies(result.schedule_lag)}};
  if (options.mode == bench::load_mode::open) answer["rate"] = options.rate;
  if (options.server_pid != 0) {
    answer["server_cpu_share"] = ratio(counts.server_cpu_seconds, counts.seconds);
    answer["server_cpu_us_per_message"] = ratio(counts.server_cpu_seconds * 1e6, committed);
    answer["server_rss_before_bytes"] = result.server_before.resident_bytes;
    answer["server_rss_after_bytes"] = result.server_after.resident_bytes;
  }
  json::object metrics;
  for (const auto& [name, value] : result.metrics) metrics[name] = value;
  answer["metrics"] = std::move(metrics);
  return answer;
}

void add_options(CLI::App& app, bench::load_options& options) {
  const std::map<std::string, bench::load_mode> modes{{"closed", bench::load_mode::closed},
                                                      {"open", bench::load_mode::open},
                                                      {"fill", bench::load_mode::fill},
                                                      {"welcome", bench::load_mode::welcome}};
  app.add_option("--mode", options.mode, "closed, open, fill or welcome")->transform(CLI::CheckedTransformer(modes))->required();
  app.add_option("--host", options.host, "IPv4 address of the server");
  app.add_option("--port", options.port, "Port of the server")->required();
  app.add_option("--tokens", options.tokens_file, "File with a line \"person token\" for each member")->required();
  app.add_option("--rooms", options.rooms, "Rooms room-000 …")->check(CLI::Range(1, 1000));
  app.add_option("--members", options.members, "Members u-<room>-0 … of each room")->check(CLI::Range(1, 100));
  app.add_option("--senders", options.senders, "How many members of each room send")->check(CLI::Range(1, 100));
  app.add_option("--message-bytes", options.message_bytes, "Bytes of each text")->check(CLI::Range(16, 16000));
  app.add_option("--stream", options.stream, "1 shared, 2 clinical, 3 support")->check(CLI::Range(1, 3));
  app.add_option("--rate", options.rate, "open: messages per second over all rooms")->check(CLI::Range(0.1, 1e6));
  app.add_option("--count", options.count, "fill: messages");
  app.add_option("--warm-up", options.warm_up_seconds, "Seconds before measuring")->check(CLI::Range(0.0, 600.0));
  app.add_option("--measure", options.measure_seconds, "Seconds of measuring")->check(CLI::Range(0.1, 3600.0));
  app.add_option("--connect-limit", options.connect_seconds, "Seconds until everybody must be connected and caught up");
  app.add_flag("--from-head", options.from_head, "Resume at the heads, as devices do that were connected before");
  app.add_option("--since", options.since_ns, "welcome: the clock (--print-clock) from which to count");
  app.add_option("--server-pid", options.server_pid, "Process whose CPU time and memory to tell");
  app.add_option("--admin-port", options.admin_port, "Port of /metrics on 127.0.0.1");
  app.add_option("--metric", options.metrics, "Counter of /metrics whose increase to tell; may be repeated");
}

/// Room for one socket per member.
void raise_file_limit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

int report(const bench::load_options& options, const bench::load_result& result) {
  json::object answer =
      options.mode == bench::load_mode::welcome
          ? json::object{{"welcome_ms", rounded(result.welcome_ms)}, {"server_rss_after_bytes", result.server_after.resident_bytes}}
          : describe(options, result);
  json::object refusals;
  for (const auto& [what, times] : result.refusals) refusals[what] = times;
  answer["refusals"] = std::move(refusals);
  answer["faults"] = describe(result.faults);
  std::cout << json::serialize(answer) << '\n';
  if (result.faults.any()) {
    std::cerr << "careteam_load: what must not happen happened; first: " << result.first_fault << '\n';
    return 1;
  }
  return result.refusals.empty() ? 0 : 2;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::string{argv[1]} == "--print-clock") {
    std::printf("%llu\n", static_cast<unsigned long long>(bench::monotonic_ns()));
    return 0;
  }
  CLI::App app{"Puts a server of CareTeam under load, checks that everything arrives once and in order, and measures."};
  bench::load_options options;
  add_options(app, options);
  CLI11_PARSE(app, argc, argv);
  options.senders = std::min(options.senders, options.members);
  raise_file_limit();
  // Without this the kernel rounds the short waits of the schedule up by 50 µs.
  prctl(PR_SET_TIMERSLACK, 1UL);
  try {
    bench::load_run run{options};
    return report(options, run.run());
  } catch (const std::exception& error) {
    std::cerr << "careteam_load: " << error.what() << '\n';
    return 3;
  }
}

#include "bench/load_report.hpp"

#include <array>
#include <boost/json.hpp>
#include <cmath>
#include <cstdio>
#include <ostream>
#include <string>

namespace careteam::bench {
namespace {

namespace json = boost::json;

double rounded(double value) {
  return std::round(value * 1000) / 1000;
}

double ratio(double a, double b) {
  return b == 0 ? 0 : rounded(a / b);
}

double resident_per_connection(const load_result& result) {
  const auto before = static_cast<double>(result.server_before.resident_bytes);
  return ratio(static_cast<double>(result.server_after.resident_bytes) - before, static_cast<double>(result.connections));
}

double milliseconds(std::uint64_t ns) {
  return rounded(static_cast<double>(ns) / 1e6);
}

json::object latencies(const latency_histogram& histogram) {
  return {{"count", histogram.count()},
          {"p50_ms", milliseconds(histogram.quantile_ns(0.5))},
          {"p90_ms", milliseconds(histogram.quantile_ns(0.9))},
          {"p99_ms", milliseconds(histogram.quantile_ns(0.99))},
          {"p999_ms", milliseconds(histogram.quantile_ns(0.999))},
          {"max_ms", milliseconds(histogram.max_ns())}};
}

struct named_fault {
  const char* name;
  std::uint64_t load_faults::*counter;
  const char* meaning;
};
constexpr std::array named_faults{
    named_fault{"gaps", &load_faults::gaps, "entries came with a seq beyond the next one"},
    named_fault{"duplicates", &load_faults::duplicates, "entries came again"},
    named_fault{"strangers", &load_faults::strangers, "entries came of streams that were not opened"},
    named_fault{"unknown_answers", &load_faults::unknown_answers, "answers belonged to no command"},
    named_fault{"unanswered", &load_faults::unanswered, "commands had no answer by the end"},
    named_fault{"missing", &load_faults::missing, "committed messages did not reach a member"},
    named_fault{"uncommanded", &load_faults::uncommanded, "messages appeared that were not committed"},
    named_fault{"wrong_seqs", &load_faults::wrong_seqs, "rooms whose answers do not name each message's seq once"},
    named_fault{"malformed", &load_faults::malformed, "frames could not be read"},
    named_fault{"closed", &load_faults::closed, "connections ended early"},
    named_fault{"overrun", &load_faults::overrun, "messages were due and not sent, because too many were without an answer"},
};

std::string with_digits(double value, int digits) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%.*f", digits, value);
  return text.data();
}

/// 1234567 as 1,234,567.
std::string grouped(double value) {
  const auto digits = with_digits(value, 0);
  std::string text;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i != 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

std::string percent(double share) {
  return with_digits(share * 100, 1) + " %";
}

void print_latencies(const char* title, const latency_histogram& histogram, std::ostream& out) {
  std::array<char, 160> line{};
  const auto q = [&](double fraction) { return milliseconds(histogram.quantile_ns(fraction)); };
  std::snprintf(line.data(), line.size(), "  %-24s %9.2f %9.2f %9.2f %9.2f %9.2f\n", title, q(0.5), q(0.9), q(0.99), q(0.999),
                milliseconds(histogram.max_ns()));
  out << line.data();
}

void print_latency_title(std::ostream& out) {
  out << "  latency, ms                    p50       p90       p99     p99.9       max\n";
}

void print_traffic(const load_options& options, const load_result& result, std::ostream& out) {
  const auto& counts = result.counts;
  const auto deliveries = static_cast<double>(counts.deliveries);
  const bool tasks = options.kind == load_kind::tasks;
  out << options.rooms << " rooms of " << options.members << " members, " << options.senders << " of each send, " << options.message_bytes
      << (tasks ? "-byte tasks for one " : "-byte messages")
      << (!tasks                                ? ""
          : options.target == task_target::role ? "role"
                                                : "person")
      << "; all connected after " << with_digits(result.connect_seconds, 2) << " s, measured for " << with_digits(counts.seconds, 2)
      << " s\n\n";
  out << (tasks ? "commands committed  " : "messages committed  ") << grouped(ratio(static_cast<double>(counts.committed), counts.seconds))
      << " a second\n";
  out << "deliveries          " << grouped(ratio(deliveries, counts.seconds)) << " a second, "
      << with_digits(ratio(deliveries, static_cast<double>(counts.entry_frames)), 1) << " entries a frame\n";
  if (options.flooding != 0) {
    out << "of those who flood  " << grouped(static_cast<double>(result.flood_committed)) << " committed, "
        << grouped(static_cast<double>(result.flood_refused)) << " refused, " << result.rogues_closed << " connections closed\n";
  }
  out << '\n';
  print_latency_title(out);
  print_latencies("until the answer", result.answer, out);
  print_latencies("until each receipt", result.receipt, out);
  out << '\n';
}

void print_idle(const load_options& options, const load_result& result, std::ostream& out) {
  out << grouped(static_cast<double>(result.connections)) << " connections, all there after " << with_digits(result.connect_seconds, 2)
      << " s, idle for " << with_digits(result.counts.seconds, 2) << " s\n";
  if (options.server_pid != 0)
    out << "resident memory of the server " << grouped(resident_per_connection(result)) << " bytes a connection\n";
  if (options.changes == 0) return;
  out << "people who left or came back " << with_digits(ratio(static_cast<double>(result.changes), result.counts.seconds), 1)
      << " a second\n";
  print_latency_title(out);
  print_latencies("until all was there", result.caught_up, out);
}

void print_reconnect(const load_options& options, const load_result& result, std::ostream& out) {
  out << grouped(static_cast<double>(result.connections)) << " came back at once, each missing " << options.missing
      << " entries of each stream; all caught up " << with_digits(result.all_caught_up_seconds, 2) << " s after the server was back, "
      << grouped(static_cast<double>(result.retries)) << " attempts failed\n";
  print_latency_title(out);
  print_latencies("until all was there", result.caught_up, out);
}

void print_generator(const load_options& options, const load_result& result, std::ostream& out) {
  const bool open = options.mode == load_mode::open;
  const double share = ratio(result.counts.generator_cpu_seconds, result.counts.seconds);
  out << "generator: " << percent(share) << " of a core, " << (open ? "messages left late by " : "one pass over the sockets took ")
      << with_digits(milliseconds((open ? result.schedule_lag : result.pass).quantile_ns(0.99)), 2) << " ms (p99); "
      << (share > generator_bound_share ? "GENERATOR-BOUND: the server may do more than this" : "it is not what limits these numbers")
      << '\n';
}

void print_server(const load_result& result, std::ostream& out) {
  const auto& counts = result.counts;
  out << "server: " << percent(ratio(counts.server_cpu_seconds, counts.seconds)) << " of a core, ";
  if (counts.committed != 0)
    out << with_digits(ratio(counts.server_cpu_seconds * 1e6, static_cast<double>(counts.committed)), 1) << " µs a message, ";
  out << (result.server_after.resident_bytes >> 20U) << " MiB resident\n";
}

void print_checks(const load_result& result, std::ostream& out) {
  if (all_checks_hold(result)) {
    out << "checks: everything arrived once and in order, and no command was refused\n";
    return;
  }
  out << "checks: NOT everything is as it must be\n";
  for (const auto& [name, counter, meaning] : named_faults) {
    if (const auto times = result.faults.*counter; times != 0) out << "  " << grouped(static_cast<double>(times)) << ' ' << meaning << '\n';
  }
  if (!result.first_fault.empty()) out << "  the first: " << result.first_fault << '\n';
  for (const auto& [what, times] : result.refusals)
    out << "  " << grouped(static_cast<double>(times)) << " commands were refused with code and field: " << what
        << (what.starts_with("8 ") ? " (over a limit: see limits.commands_per_minute of the server)" : "") << '\n';
}

json::object describe_server(const load_counts& counts, const load_result& result) {
  return {{"server_cpu_share", ratio(counts.server_cpu_seconds, counts.seconds)},
          {"server_cpu_us_per_message", ratio(counts.server_cpu_seconds * 1e6, static_cast<double>(counts.committed))},
          {"server_rss_before_bytes", result.server_before.resident_bytes},
          {"server_rss_after_bytes", result.server_after.resident_bytes}};
}

json::object describe_traffic(const load_options& options, const load_result& result) {
  const auto& counts = result.counts;
  const auto deliveries = static_cast<double>(counts.deliveries);
  const auto frames = static_cast<double>(counts.frames);
  json::object answer{{"load", options.kind == load_kind::tasks ? "tasks" : "messages"},
                      {"rooms", options.rooms},
                      {"members", options.members},
                      {"senders_per_room", options.senders},
                      {"message_bytes", options.message_bytes},
                      {"seconds", rounded(counts.seconds)},
                      {"connect_seconds", rounded(result.connect_seconds)},
                      {"total_seconds", rounded(result.total_seconds)},
                      {"committed_in_all", result.committed_in_all},
                      {"messages_per_s", ratio(static_cast<double>(counts.committed), counts.seconds)},
                      {"deliveries_per_s", ratio(deliveries, counts.seconds)},
                      {"frames_per_s", ratio(frames, counts.seconds)},
                      {"entries_per_frame", ratio(deliveries, static_cast<double>(counts.entry_frames))},
                      {"bytes_per_frame", ratio(static_cast<double>(counts.bytes), frames)},
                      {"answer", latencies(result.answer)},
                      {"receipt", latencies(result.receipt)},
                      {"generator_pass", latencies(result.pass)},
                      {"schedule_lag", latencies(result.schedule_lag)}};
  if (options.mode == load_mode::open) answer["rate"] = options.rate;
  if (options.kind == load_kind::tasks) answer["target"] = options.target == task_target::role ? "role" : "person";
  if (options.flooding != 0) {
    answer["flood_committed"] = result.flood_committed;
    answer["flood_refused"] = result.flood_refused;
    answer["flood_connections_closed"] = result.rogues_closed;
  }
  return answer;
}

json::object describe_idle(const load_result& result) {
  return {{"connections", result.connections},
          {"seconds", rounded(result.counts.seconds)},
          {"connect_seconds", rounded(result.connect_seconds)},
          {"changes_per_s", ratio(static_cast<double>(result.changes), result.counts.seconds)},
          {"frames_per_s", ratio(static_cast<double>(result.counts.frames), result.counts.seconds)},
          {"server_rss_per_connection_bytes", resident_per_connection(result)},
          {"caught_up", latencies(result.caught_up)}};
}

json::object describe_reconnect(const load_options& options, const load_result& result) {
  return {{"connections", result.connections},
          {"missing", options.missing},
          {"all_caught_up_seconds", rounded(result.all_caught_up_seconds)},
          {"caught_up", latencies(result.caught_up)},
          {"entries_per_member", ratio(static_cast<double>(result.counts.deliveries), static_cast<double>(result.connections))},
          {"retries", result.retries}};
}

json::object describe_load(const load_options& options, const load_result& result) {
  switch (options.mode) {
    case load_mode::welcome:
      return {{"welcome_ms", rounded(result.welcome_ms)}, {"server_rss_after_bytes", result.server_after.resident_bytes}};
    case load_mode::idle:
      return describe_idle(result);
    case load_mode::reconnect:
      return describe_reconnect(options, result);
    case load_mode::closed:
    case load_mode::open:
    case load_mode::fill:
      return describe_traffic(options, result);
  }
  return {};
}

/// The server that `reconnect` ends with is another process than the one that was named.
bool knows_the_server(const load_options& options) {
  return options.server_pid != 0 && options.mode != load_mode::welcome && options.mode != load_mode::reconnect;
}

}  // namespace

bool all_checks_hold(const load_result& result) {
  return !result.faults.any() && result.refusals.empty();
}

void print_json(const load_options& options, const load_result& result, std::ostream& out) {
  json::object answer = describe_load(options, result);
  if (options.mode != load_mode::welcome) {
    const double generator_share = ratio(result.counts.generator_cpu_seconds, result.counts.seconds);
    answer["generator_cpu_share"] = generator_share;
    answer["generator_bound"] = generator_share > generator_bound_share;
  }
  if (knows_the_server(options)) {
    for (auto& [name, value] : describe_server(result.counts, result)) answer[name] = value;
  }
  json::object metrics;
  for (const auto& [name, value] : result.metrics) metrics[name] = value;
  answer["metrics"] = std::move(metrics);
  json::object refusals;
  for (const auto& [what, times] : result.refusals) refusals[what] = times;
  answer["refusals"] = std::move(refusals);
  json::object faults;
  for (const auto& [name, counter, meaning] : named_faults) faults[name] = result.faults.*counter;
  answer["faults"] = std::move(faults);
  answer["first_fault"] = result.first_fault;
  answer["checks_hold"] = all_checks_hold(result);
  out << json::serialize(answer) << '\n';
}

void print_text(const load_options& options, const load_result& result, std::ostream& out) {
  switch (options.mode) {
    case load_mode::welcome:
      out << "first Welcome after " << with_digits(result.welcome_ms, 1) << " ms\n";
      break;
    case load_mode::idle:
      print_idle(options, result, out);
      break;
    case load_mode::reconnect:
      print_reconnect(options, result, out);
      break;
    case load_mode::closed:
    case load_mode::open:
    case load_mode::fill:
      print_traffic(options, result, out);
      break;
  }
  if (options.mode != load_mode::welcome) print_generator(options, result, out);
  if (knows_the_server(options)) print_server(result, out);
  for (const auto& [name, value] : result.metrics) out << name << " +" << with_digits(value, 0) << '\n';
  print_checks(result, out);
}

}  // namespace careteam::bench

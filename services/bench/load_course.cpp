// The course of a run, by its mode.
#include <algorithm>
#include <iostream>
#include <stdexcept>
#include <utility>

#include "bench/clock.hpp"
#include "bench/load_run.hpp"

namespace careteam::bench {
namespace {

// How often the server is tried while it is not there: `welcome` and `reconnect` measure no finer than this.
constexpr std::uint64_t knock_pause_ns = 1'000'000;
constexpr std::uint64_t flood_step_ns = 1'000'000;
// So many are away at least before somebody comes back: whoever returns within two seconds never left, for presence.
constexpr double longest_away_seconds = 5;

}  // namespace

void load_run::begin_measuring() {
  measuring_ = true;
  result_.counts.generator_cpu_seconds = -own_cpu_seconds();
  result_.counts.server_cpu_seconds = -usage_of(options_.server_pid).cpu_seconds;
}

void load_run::end_measuring() {
  measuring_ = false;
  result_.counts.seconds = to_seconds(monotonic_ns() - window_begin_ns_);
  result_.counts.generator_cpu_seconds += own_cpu_seconds();
  result_.counts.server_cpu_seconds += usage_of(options_.server_pid).cpu_seconds;
}

void load_run::exchange() {
  const bool fill = options_.mode == load_mode::fill;
  const auto begin = monotonic_ns();
  schedule_begin_ns_ = begin;
  flood_begin_ns_ = begin;
  window_begin_ns_ = begin + (fill ? 0 : to_ns(options_.warm_up_seconds));
  window_end_ns_ = window_begin_ns_ + to_ns(options_.measure_seconds);
  sending_ = sending::on;
  for (const auto& member : members_) member->streams[member->target].first = member->streams[member->target].next;
  if (options_.mode != load_mode::open) {
    for (auto* sender : senders_) send_command(*sender, monotonic_ns());
  }
  for (auto now = begin; fill ? result_.committed_in_all < options_.count : now < window_end_ns_; now = monotonic_ns()) {
    if (result_.faults.closed != 0) break;
    if (!fill && !measuring_ && now >= window_begin_ns_) begin_measuring();
    send_due(now);
    flood(now);
    auto until = fill ? now + longest_poll_ns : measuring_ ? window_end_ns_ : window_begin_ns_;
    if (options_.mode == load_mode::open) until = std::min(until, due_ns(schedule_index_));
    if (options_.flooding != 0) until = std::min(until, now + flood_step_ns);
    if (!retries_.empty()) until = std::min(until, retries_.top().at_ns);
    poll(until);
  }
  sending_ = sending::over;
  if (measuring_) end_measuring();
}

bool load_run::all_received() const noexcept {
  return std::all_of(members_.begin(), members_.end(),
                     [this](const auto& member) { return member->streams[member->target].next > rooms_[member->room()].committed_seq; });
}

void load_run::drain() {
  const auto deadline = monotonic_ns() + to_ns(options_.drain_seconds);
  while ((unanswered_ != 0 || !all_received()) && monotonic_ns() < deadline && result_.faults.closed == 0) {
    poll(monotonic_ns() + longest_poll_ns);
  }
  result_.faults.unanswered = unanswered_;
  settle();
}

/// Holds what every member received against what was committed.
void load_run::settle() {
  for (const auto& member : members_) {
    const auto& position = member->streams[member->target];
    const auto received = position.next - position.first;
    const auto committed = rooms_[member->room()].committed;
    if (received < committed) result_.faults.missing += committed - received;
    if (received > committed) result_.faults.uncommanded += received - committed;
    if (member->member() != 0) continue;
    const auto sum = (position.first + position.next - 1) * received / 2;
    if (sum != rooms_[member->room()].seq_sum) fault(result_.faults.wrong_seqs, *member, "the answers do not name each message's seq once");
  }
}

// --- Idle -------------------------------------------------------------------------------------------------------------------------

/// The next one leaves, or whoever is away for longest comes back.
void load_run::change_one() {
  const auto enough_away = std::min(members_.size() / 2, static_cast<std::size_t>(options_.changes * longest_away_seconds / 2));
  if (away_.size() > enough_away) {
    start_again(away_.front());
    away_.pop_front();
  } else {
    auto& leaving = *members_[next_to_leave_];
    next_to_leave_ = (next_to_leave_ + 1) % members_.size();
    if (leaving.fd() < 0) return;  // Everybody has had a turn, and this one is still away.
    leaving.close();
    away_.push_back(leaving.index);
  }
  ++result_.changes;
}

void load_run::stay_idle() {
  const auto begin = monotonic_ns();
  window_begin_ns_ = begin + to_ns(options_.warm_up_seconds);
  window_end_ns_ = window_begin_ns_ + to_ns(options_.measure_seconds);
  std::uint64_t changed = 0;
  for (auto now = begin; now < window_end_ns_ && result_.faults.closed == 0; now = monotonic_ns()) {
    if (!measuring_ && now >= window_begin_ns_) {
      begin_measuring();
      result_.changes = 0;
    }
    auto until = measuring_ ? window_end_ns_ : window_begin_ns_;
    if (options_.changes > 0) {
      for (; begin + to_ns(static_cast<double>(changed) / options_.changes) <= now; ++changed) change_one();
      until = std::min(until, begin + to_ns(static_cast<double>(changed) / options_.changes));
    }
    poll(until);
  }
  if (measuring_) end_measuring();
}

// --- Reconnecting -----------------------------------------------------------------------------------------------------------------

/// A new connection of this member, from where the last one came to.
void load_run::start_again(std::size_t member) {
  auto& place = members_[member];
  auto next = std::make_unique<connection>(place->room(), place->member());
  next->index = place->index;
  next->held = place->streams.empty() ? std::move(place->held) : std::move(place->streams);
  place = std::move(next);
  start_connecting(*place);
  if (place->fd() < 0 && ending_ == ending::leads_to_a_retry) to_connect_.emplace_back(monotonic_ns() + knock_pause_ns, member);
}

/// The server has gone away: every connection has ended.
void load_run::await_the_end() {
  ending_ = ending::is_awaited;
  std::cerr << "careteam bench: " << members_.size() << " are connected; now end the server and start it again\n" << std::flush;
  const auto deadline = monotonic_ns() + to_ns(options_.connect_seconds);
  while (!std::all_of(members_.begin(), members_.end(), [](const auto& member) { return member->fd() < 0; })) {
    if (monotonic_ns() > deadline) throw std::runtime_error("the server did not go away in time");
    poll(monotonic_ns() + longest_poll_ns);
  }
  for (const auto& member : members_) {
    for (auto& position : member->streams) position.next -= std::min(options_.missing, position.next - 1);
  }
  live_ = 0;
  caught_up_ = 0;
}

/// The server is back: the first member reaches its listener.
void load_run::await_the_listener() {
  const auto deadline = monotonic_ns() + to_ns(options_.connect_seconds);
  start_again(0);
  while (members_[0]->fd() < 0 || members_[0]->state() == connection::phase::connecting) {
    if (monotonic_ns() > deadline) throw std::runtime_error("the server did not come back in time");
    if (members_[0]->fd() < 0) start_again(0);
    poll(monotonic_ns() + knock_pause_ns);
  }
}

void load_run::reconnect_all() {
  await_the_end();
  await_the_listener();
  begin_measuring();
  window_begin_ns_ = monotonic_ns();
  const auto deadline = window_begin_ns_ + to_ns(options_.connect_seconds);
  ending_ = ending::leads_to_a_retry;
  for (std::size_t member = 1; member < members_.size(); ++member) {
    start_again(member);
    if (member % static_cast<std::size_t>(events_at_once) == 0) poll(0);
  }
  while (caught_up_ != members_.size()) {
    const auto now = monotonic_ns();
    if (now > deadline) {
      throw std::runtime_error("only " + std::to_string(caught_up_) + " of " + std::to_string(members_.size()) + " caught up in time");
    }
    while (!to_connect_.empty() && to_connect_.front().first <= now) {
      const auto member = to_connect_.front().second;
      to_connect_.pop_front();
      start_again(member);
    }
    poll(now + (to_connect_.empty() ? longest_poll_ns : knock_pause_ns));
  }
  end_measuring();
  result_.all_caught_up_seconds = result_.counts.seconds;
}

// --- All of it --------------------------------------------------------------------------------------------------------------------

/// The one member of `welcome`: as often as it takes.
void load_run::connect_one() {
  const auto begin = options_.since_ns == 0 ? monotonic_ns() : options_.since_ns;
  const auto deadline = monotonic_ns() + to_ns(options_.connect_seconds);
  while (live_ == 0) {
    if (monotonic_ns() > deadline) throw std::runtime_error("no Welcome in time: " + result_.first_fault);
    if (members_[0]->fd() < 0) {
      start_again(0);
    }
    poll(monotonic_ns() + knock_pause_ns);
  }
  result_.welcome_ms = to_seconds(monotonic_ns() - begin) * 1e3;
  result_.faults = {};
  result_.first_fault.clear();
}

load_result load_run::run() {
  if (options_.mode == load_mode::welcome) {
    connect_one();
    result_.server_after = usage_of(options_.server_pid);
    return std::move(result_);
  }
  for (const auto& member : members_) static_cast<void>(token_of(*member));
  result_.server_before = usage_of(options_.server_pid);
  if (options_.from_head) probe_heads();
  connect_all();
  connect_rogues();
  if (options_.admin_port != 0) metrics_before_ = read_metrics(fetch_metrics(options_.admin_port), options_.metrics);
  const auto begin = monotonic_ns();
  switch (options_.mode) {
    case load_mode::closed:
    case load_mode::open:
    case load_mode::fill:
      exchange();
      drain();
      break;
    case load_mode::idle:
      stay_idle();
      break;
    case load_mode::reconnect:
      reconnect_all();
      break;
    case load_mode::welcome:
      break;  // It has ended above.
  }
  result_.total_seconds = to_seconds(monotonic_ns() - begin);
  result_.server_after = usage_of(options_.server_pid);
  if (options_.admin_port != 0) {
    result_.metrics = read_metrics(fetch_metrics(options_.admin_port), options_.metrics);
    for (auto& [name, value] : result_.metrics) value -= metrics_before_[name];
  }
  return std::move(result_);
}

}  // namespace careteam::bench

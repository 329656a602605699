#include "bench/load_run.hpp"

#include <careteam/v1/wire.pb.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <fstream>
#include <stdexcept>
#include <utility>

#include "bench/clock.hpp"
#include "bench/test_rooms.hpp"

namespace careteam::bench {
namespace {

// Commands without an answer, over all senders: 13 s at 20,000 a second.
constexpr std::size_t max_outstanding = 1U << 18U;
// Those who flood wait for answers when there are so many without one: a server that reads from them slowly still answers all at the end.
constexpr std::size_t max_flooding = 64;
// A refused sender comes back after this time or the one that the refusal tells, whichever is longer.
constexpr std::uint64_t refused_pause_ns = 100'000'000;
constexpr std::uint64_t max_refusals = 10'000;
// Whoever could not come back tries again after one to a hundred of these.
constexpr std::uint64_t reconnect_pause_ns = 1'000'000;

std::uint64_t wall_ns() {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count());
}

/// Visits the senders so that neighbours in time are in different rooms.
std::vector<connection*> by_turns(const std::vector<std::unique_ptr<connection>>& members, std::uint32_t senders) {
  std::vector<connection*> result;
  for (const auto& member : members) {
    if (member->member() < senders) result.push_back(member.get());
  }
  std::stable_sort(result.begin(), result.end(), [](const auto* a, const auto* b) { return a->member() < b->member(); });
  return result;
}

}  // namespace

load_run::load_run(load_options options)
    : options_{std::move(options)},
      outstanding_(max_outstanding),
      ids_{std::random_device{}() | std::uint64_t{std::random_device{}()} << 32U} {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_ < 0) throw std::runtime_error("epoll_create1 failed");
  wall_offset_ns_ = wall_ns() - monotonic_ns();
  address_ = resolve(options_.server);
  read_tokens();
  const std::uint32_t rooms = options_.mode == load_mode::welcome ? 1 : options_.rooms;
  const std::uint32_t members = options_.mode == load_mode::welcome ? 1 : options_.members;
  const std::uint32_t rogues = options_.never_reading + options_.flooding;
  if (rogues >= members) throw std::runtime_error("the first room needs a member who neither floods nor refuses to read");
  rooms_.resize(rooms);
  for (std::uint32_t room = 0; room < rooms; ++room) {
    rooms_[room].patient_id = room_name(room);
    if (options_.kind == load_kind::tasks) {
      rooms_[room].tasks =
          std::make_unique<task_round>(room, std::min(options_.senders, members), options_.stream, options_.message_bytes, options_.target);
    } else {
      rooms_[room].message = std::make_unique<message_template>(rooms_[room].patient_id, options_.stream, options_.message_bytes);
    }
    const std::uint32_t regular = room == 0 ? members - rogues : members;
    for (std::uint32_t member = 0; member < regular; ++member) {
      members_.push_back(std::make_unique<connection>(room, member));
      members_.back()->index = members_.size() - 1;
    }
  }
  for (std::uint32_t i = 0; i < rogues; ++i) {
    rogues_.emplace_back(std::make_unique<connection>(0, members - 1 - i))->behaves =
        i < options_.never_reading ? conduct::never_reads : conduct::floods;
  }
  result_.connections = members_.size();
  senders_ = by_turns(members_, options_.senders);
}

load_run::~load_run() {
  members_.clear();
  if (epoll_ >= 0) ::close(epoll_);
}

void load_run::read_tokens() {
  std::ifstream file{options_.tokens_file};
  if (!file) throw std::runtime_error("cannot read the tokens file " + options_.tokens_file);
  for (std::string person, token; file >> person >> token;) tokens_.emplace(person, token);
}

const std::string& load_run::token_of(const connection& member) const {
  const auto name = person_name(member.room(), member.member());
  const auto found = tokens_.find(name);
  if (found == tokens_.end()) throw std::runtime_error("the tokens file has no line for " + name);
  return found->second;
}

void load_run::fault(std::uint64_t& counter, const connection& from, const std::string& what) {
  ++counter;
  if (result_.first_fault.empty()) result_.first_fault = person_name(from.room(), from.member()) + ": " + what;
}

// --- Connecting -------------------------------------------------------------------------------------------------------------------

void load_run::start_connecting(connection& member) {
  if (!member.open(address_, options_.server.authority())) {
    ++failed_to_connect_;
    return;
  }
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT;
  event.data.ptr = &member;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, member.fd(), &event);
}

void load_run::on_want_write(connection& from, bool waiting) {
  epoll_event event{};
  event.events = EPOLLIN | (waiting ? std::uint32_t{EPOLLOUT} : 0U);
  event.data.ptr = &from;
  epoll_ctl(epoll_, EPOLL_CTL_MOD, from.fd(), &event);
}

void load_run::on_upgraded(connection& from) {
  v1::ClientFrame frame;
  auto& hello = *frame.mutable_hello();
  hello.set_token(token_of(from));
  hello.set_device_id("bench-" + std::to_string(from.member()));
  for (const auto& held : from.held) {
    if (held.next == 1) continue;
    auto& position = *hello.add_resume();
    position.set_patient_id(held.patient_id);
    position.set_stream(static_cast<v1::Stream>(held.stream));
    position.set_seq(held.next - 1);
    hello.set_epoch(rooms_[from.room()].epoch);
  }
  from.send(opcode::binary, frame.SerializeAsString(), *this);
  if (from.behaves == conduct::never_reads) epoll_ctl(epoll_, EPOLL_CTL_DEL, from.fd(), nullptr);
}

void load_run::take_rare_fields(connection& from, byte_view message) {
  v1::ServerFrame frame;
  if (!frame.ParseFromArray(message.data(), static_cast<int>(message.size()))) return fault(result_.faults.malformed, from, "ServerFrame");
  const auto open_stream = [&from](const v1::StreamAccess& access) {
    from.streams.push_back({access.patient_id(), static_cast<std::uint32_t>(access.stream()), access.after() + 1, access.head()});
    if (access.after() < access.head()) ++from.behind;
  };
  if (frame.has_welcome() && from.state() == connection::phase::greeting) {
    for (const auto& access : frame.welcome().streams()) open_stream(access);
    rooms_[from.room()].epoch = frame.welcome().epoch();
    from.set_live();
    pick_target(from);
    if (from.behaves == conduct::regular) {
      ++live_;
      if (from.behind == 0) catch_up(from, monotonic_ns());
    }
  }
  for (const auto& access : frame.gained()) open_stream(access);
  if (frame.resets_size() != 0 || frame.revoked_size() != 0 || frame.has_drain()) {
    fault(result_.faults.closed, from, "the server sent Reset, StreamRevoked or Drain");
  }
}

void load_run::pick_target(connection& member) {
  const auto& room = rooms_[member.room()];
  for (std::size_t i = 0; i < member.streams.size(); ++i) {
    if (member.streams[i].patient_id == room.patient_id && static_cast<int>(member.streams[i].stream) == options_.stream) {
      member.target = i;
      return;
    }
  }
  throw std::runtime_error("Welcome for " + person_name(member.room(), member.member()) + " does not list " + room.patient_id +
                           " with the stream to post to: import the rooms that --make-rooms writes first");
}

/// This one has everything that Welcome named.
void load_run::catch_up(connection& member, std::uint64_t now_ns) {
  ++caught_up_;
  if (measuring_) result_.caught_up.record(now_ns - member.opened_ns);
}

/// With from_head: one member of each room looks where the heads are, so that nobody reads the whole log.
void load_run::probe_heads() {
  const auto deadline = monotonic_ns() + to_ns(options_.connect_seconds);
  for (std::uint32_t first = 0; first < options_.rooms; first += options_.connecting_at_once) {
    const auto last = std::min(options_.rooms, first + options_.connecting_at_once);
    std::vector<std::unique_ptr<connection>> probes;
    for (auto room = first; room < last; ++room) start_connecting(*probes.emplace_back(std::make_unique<connection>(room, 0)));
    while (live_ + result_.faults.closed + failed_to_connect_ < last - first && monotonic_ns() < deadline)
      poll(monotonic_ns() + longest_poll_ns);
    if (live_ != last - first) throw std::runtime_error("could not look up the heads: " + result_.first_fault);
    for (const auto& member : members_) {
      if (member->room() < first || member->room() >= last) continue;
      member->held = probes[member->room() - first]->streams;
      for (auto& position : member->held) position.next = position.head + 1;
    }
    live_ = 0;
    caught_up_ = 0;
  }
}

void load_run::connect_all() {
  const auto begin = monotonic_ns();
  const auto deadline = begin + to_ns(options_.connect_seconds);
  std::size_t started = 0;
  while (live_ != members_.size()) {
    for (; started != members_.size() && started - live_ < options_.connecting_at_once; ++started) start_connecting(*members_[started]);
    if (result_.faults.closed + failed_to_connect_ != 0) throw std::runtime_error("a member could not connect: " + result_.first_fault);
    if (monotonic_ns() > deadline) throw std::runtime_error("only " + std::to_string(live_) + " members were welcomed in time");
    poll(monotonic_ns() + longest_poll_ns);
  }
  while (caught_up_ != members_.size()) {
    if (monotonic_ns() > deadline) throw std::runtime_error("not every member caught up in time");
    poll(monotonic_ns() + longest_poll_ns);
  }
  result_.connect_seconds = to_seconds(monotonic_ns() - begin);
}

void load_run::connect_rogues() {
  for (const auto& rogue : rogues_) start_connecting(*rogue);
  const auto deadline = monotonic_ns() + to_ns(options_.connect_seconds);
  const auto is_there = [](const auto& rogue) {
    return rogue->state() == connection::phase::live ||
           (rogue->behaves == conduct::never_reads && rogue->state() == connection::phase::greeting);
  };
  while (!std::all_of(rogues_.begin(), rogues_.end(), is_there)) {
    if (monotonic_ns() > deadline) throw std::runtime_error("those who flood or do not read could not connect in time");
    poll(monotonic_ns() + longest_poll_ns);
  }
}

// --- Sending ----------------------------------------------------------------------------------------------------------------------

std::uint64_t load_run::due_ns(std::uint64_t index) const noexcept {
  return schedule_begin_ns_ + to_ns(static_cast<double>(index) / options_.rate);
}

std::string_view load_run::next_command(const connection& sender, std::uint64_t unix_ms, std::uint64_t number, std::uint64_t stamp_ns) {
  auto& room = rooms_[sender.room()];
  if (room.tasks) return room.tasks->command(sender.member(), ids_, unix_ms, number, stamp_ns);
  return room.message->fill(ids_, unix_ms, number, stamp_ns);
}

void load_run::send_command(connection& sender, std::uint64_t scheduled_ns) {
  if (sender.state() != connection::phase::live) return;
  const auto number = next_number_;
  auto& slot = outstanding_[number % max_outstanding];
  if (slot.number != 0) return fault(result_.faults.overrun, sender, "too many commands without an answer");
  ++next_number_;
  slot = {number, scheduled_ns, &sender};
  ++unanswered_;
  const auto unix_ms = (scheduled_ns + wall_offset_ns_) / 1'000'000;
  // A stamp of zero: receipts of what a flood brings say nothing about the others.
  const auto stamp_ns = sender.behaves == conduct::regular ? scheduled_ns : 0;
  sender.send(opcode::binary, next_command(sender, unix_ms, number, stamp_ns), *this);
}

/// In the closed loops: the sender's command was committed with this seq, so the next one leaves.
void load_run::go_on(connection& sender, std::uint64_t seq) {
  const auto& tasks = rooms_[sender.room()].tasks;
  if (!tasks) return send_command(sender, monotonic_ns());
  const auto ready = tasks->committed(sender.member(), seq);
  if (ready.member) send_command(sender, monotonic_ns());
  // Without anybody who floods, the members of a room stand behind each other.
  if (ready.partner) send_command(*members_[sender.index - sender.member() + tasks->partner_of(sender.member())], monotonic_ns());
}

void load_run::send_due(std::uint64_t now_ns) {
  while (!retries_.empty() && retries_.top().at_ns <= now_ns) {
    auto* sender = retries_.top().sender;
    retries_.pop();
    send_command(*sender, monotonic_ns());
  }
  if (options_.mode != load_mode::open) return;
  for (auto due = due_ns(schedule_index_); due <= now_ns && due < window_end_ns_; due = due_ns(++schedule_index_)) {
    send_command(*senders_[schedule_index_ % senders_.size()], due);
    if (due >= window_begin_ns_) result_.schedule_lag.record(monotonic_ns() - due);
  }
}

/// What is due of those who flood; what the socket does not take is left out.
void load_run::flood(std::uint64_t now_ns) {
  if (options_.flooding == 0) return;
  const auto due = static_cast<std::uint64_t>(to_seconds(now_ns - flood_begin_ns_) * options_.flood_rate);
  for (const auto& rogue : rogues_) {
    if (rogue->behaves != conduct::floods || rogue->state() != connection::phase::live) continue;
    for (auto left = due - flooded_; left > 0 && !rogue->congested() && unanswered_ < max_flooding; --left) send_command(*rogue, now_ns);
  }
  flooded_ = due;
}

void load_run::poll(std::uint64_t until_ns) {
  std::array<epoll_event, events_at_once> events{};
  const auto now = monotonic_ns();
  const std::uint64_t wait_ns = until_ns > now ? std::min(until_ns - now, longest_poll_ns) : 0;
  const timespec wait{0, static_cast<long>(wait_ns)};
  const int ready = epoll_pwait2(epoll_, events.data(), events_at_once, &wait, nullptr);
  const auto begin = monotonic_ns();
  for (int i = 0; i < ready; ++i) {
    const auto& event = events[static_cast<std::size_t>(i)];
    auto& member = *static_cast<connection*>(event.data.ptr);
    if ((event.events & EPOLLOUT) != 0 && member.fd() >= 0) member.on_writable(*this);
    if ((event.events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && member.fd() >= 0) member.on_readable(*this);
  }
  if (measuring_ && ready > 0) result_.pass.record(monotonic_ns() - begin);
}

// --- Receiving --------------------------------------------------------------------------------------------------------------------

void load_run::on_closed(connection& from, const std::string& reason) {
  if (from.behaves != conduct::regular) {
    ++result_.rogues_closed;
    return;
  }
  switch (ending_) {
    case ending::is_a_fault:
      return fault(result_.faults.closed, from, reason);
    case ending::is_awaited:
      return;
    case ending::leads_to_a_retry:
      if (!from.streams.empty()) --live_;
      if (!from.streams.empty() && from.behind == 0) --caught_up_;
      to_connect_.emplace_back(monotonic_ns() + reconnect_pause_ns * (1 + ++result_.retries % 100), from.index);
      return;
  }
}

void load_run::on_message(connection& from, byte_view message, std::uint64_t read_ns) {
  bool rare = false;
  if (!scan_fields(message, [&](std::uint32_t field, std::uint64_t, byte_view) {
        rare |= field == frame_field::welcome || field == frame_field::resets || field == frame_field::gained ||
                field == frame_field::revoked || field == frame_field::drain;
      })) {
    return fault(result_.faults.malformed, from, "ServerFrame");
  }
  if (rare) take_rare_fields(from, message);
  bool has_entries = false;
  scan_fields(message, [&](std::uint32_t field, std::uint64_t, byte_view bytes) {
    if (field == frame_field::entries) {
      has_entries = true;
      take_entry(from, bytes, read_ns);
    } else if (field == frame_field::committed) {
      take_committed(from, bytes, read_ns);
    } else if (field == frame_field::refused) {
      take_refused(from, bytes, read_ns);
    }
  });
  if (!measuring_) return;
  ++result_.counts.frames;
  result_.counts.bytes += message.size();
  if (has_entries) ++result_.counts.entry_frames;
}

void load_run::take_entry(connection& from, byte_view bytes, std::uint64_t read_ns) {
  scanned_entry entry;
  if (!scan_entry(bytes, entry)) return fault(result_.faults.malformed, from, "Entry");
  const auto is_here = [&entry](const stream_position& p) { return p.stream == entry.stream && p.patient_id == entry.patient_id; };
  auto* position = !from.streams.empty() && is_here(from.streams[from.target]) ? &from.streams[from.target] : nullptr;
  if (position == nullptr) {
    const auto found = std::find_if(from.streams.begin(), from.streams.end(), is_here);
    if (found == from.streams.end()) return fault(result_.faults.strangers, from, "an entry of a stream that was not opened");
    position = &*found;
  }
  if (entry.seq != position->next) {
    const bool again = entry.seq < position->next;
    fault(again ? result_.faults.duplicates : result_.faults.gaps, from,
          "seq " + std::to_string(entry.seq) + " instead of " + std::to_string(position->next));
    if (again) return;
  }
  position->next = entry.seq + 1;
  if (entry.seq == position->head && from.behaves == conduct::regular && --from.behind == 0) catch_up(from, read_ns);
  // Of a task only what asks for it carries a stamp.
  const bool is_load = entry.stamp_ns != 0 || (options_.kind == load_kind::tasks && position == &from.streams[from.target]);
  if (measuring_ && is_load) ++result_.counts.deliveries;
  if (entry.stamp_ns == 0) return;
  // Entries of an earlier run carry stamps too; those lie before this run's window.
  if (entry.stamp_ns >= window_begin_ns_ && entry.stamp_ns < window_end_ns_)
    result_.receipt.record(read_ns - std::min(read_ns, entry.stamp_ns));
}

load_run::outstanding_command* load_run::find_outstanding(const connection& from, std::string_view command_id) {
  std::uint64_t number = 0;
  if (command_id.size() != command_id_digits || !read_hex(command_id.substr(24), number) || number == 0) return nullptr;
  auto& slot = outstanding_[number % max_outstanding];
  if (slot.number != number || slot.sender != &from) return nullptr;
  std::array<char, command_id_digits> expected{};
  ids_.write(expected.data(), (slot.scheduled_ns + wall_offset_ns_) / 1'000'000, number);
  return command_id == std::string_view{expected.data(), expected.size()} ? &slot : nullptr;
}

void load_run::take_committed(connection& from, byte_view bytes, std::uint64_t read_ns) {
  scanned_committed committed;
  if (!scan_committed(bytes, committed)) return fault(result_.faults.malformed, from, "Committed");
  auto* command = find_outstanding(from, committed.command_id);
  auto& room = rooms_[from.room()];
  if (command == nullptr || committed.patient_id != room.patient_id || static_cast<int>(committed.stream) != options_.stream ||
      committed.seq == 0) {
    return fault(result_.faults.unknown_answers, from, "Committed for no outstanding command");
  }
  ++room.committed;
  room.seq_sum += committed.seq;
  room.committed_seq = std::max(room.committed_seq, committed.seq);
  if (from.behaves != conduct::regular) {
    ++result_.flood_committed;
    *command = {};
    --unanswered_;
    return;
  }
  if (command->scheduled_ns >= window_begin_ns_ && command->scheduled_ns < window_end_ns_) {
    result_.answer.record(read_ns - command->scheduled_ns);
  }
  *command = {};
  --unanswered_;
  ++result_.committed_in_all;
  if (measuring_) ++result_.counts.committed;
  if (options_.mode != load_mode::open && sending_ == sending::on) go_on(from, committed.seq);
}

void load_run::take_refused(connection& from, byte_view bytes, std::uint64_t read_ns) {
  scanned_refused refused;
  if (!scan_refused(bytes, refused)) return fault(result_.faults.malformed, from, "Refused");
  if (from.state() == connection::phase::greeting) {
    return fault(result_.faults.closed, from,
                 "Hello was refused with code " + std::to_string(refused.code) + " for " + std::string{refused.field});
  }
  auto* command = find_outstanding(from, refused.command_id);
  if (command == nullptr) return fault(result_.faults.unknown_answers, from, "Refused for no outstanding command");
  *command = {};
  --unanswered_;
  if (from.behaves != conduct::regular) {
    ++result_.flood_refused;
    return;
  }
  auto& times = result_.refusals[std::to_string(refused.code) + " " + std::string{refused.field}];
  if (++times > max_refusals) throw std::runtime_error("too many refusals with code " + std::to_string(refused.code));
  if (options_.mode == load_mode::open) return;
  retries_.push({read_ns + std::max<std::uint64_t>(refused_pause_ns, refused.retry_after_ms * 1'000'000ULL), &from});
}

}  // namespace careteam::bench

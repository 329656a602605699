// What a run of the load generator is to do.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/server_url.hpp"

namespace careteam::bench {

enum class load_mode : std::uint8_t {
  closed,    ///< Each sender has one command outstanding and sends the next when it is answered.
  open,      ///< Commands leave at a fixed total rate whatever comes back; latency counts from the scheduled time.
  fill,      ///< As closed, until `count` messages are committed; measures nothing but its duration.
  welcome,   ///< Connects one member, again and again until it works, and tells when Welcome came.
  idle,      ///< Everybody is connected and sends nothing; `changes` people a second leave and come back.
  reconnect  ///< Everybody is connected; when the server has gone away and is back, they all come back at once, each missing `missing`.
};

/// What is sent.
enum class load_kind : std::uint8_t { messages, tasks };

/// Whom a task asks.
enum class task_target : std::uint8_t {
  person,  ///< One nurse of the room.
  role     ///< All of them.
};

struct load_options {
  load_mode mode = load_mode::closed;
  load_kind kind = load_kind::messages;      ///< Tasks: in `closed` and `fill`, with nobody who floods.
  task_target target = task_target::person;  ///< For tasks.
  server_url server;
  std::uint16_t admin_port = 0;  ///< 0: do not read metrics.
  std::string tokens_file;       ///< Lines "person token".
  std::uint32_t rooms = 200;
  std::uint32_t members = 10;
  std::uint32_t senders = 10;         ///< Per room: the first so many members send.
  std::uint32_t message_bytes = 200;  ///< Of each message's text, or of a task's title and description.
  int stream = 2;                     ///< Of careteam.v1.Stream; 2 is clinical.
  double rate = 1000;                 ///< Messages per second over all rooms, for `open`.
  std::uint64_t count = 0;            ///< Messages, or commands about tasks, for `fill`.
  double warm_up_seconds = 2;
  double measure_seconds = 5;
  double connect_seconds = 120;  ///< Until everybody is welcomed and caught up.
  double drain_seconds = 15;     ///< Until everything sent has been answered and received by all.
  std::uint32_t connecting_at_once = 64;
  bool from_head = false;            ///< Resume at the heads instead of reading the whole log first.
  double changes = 0;                ///< People a second who leave or come back, for `idle`.
  std::uint64_t missing = 0;         ///< Entries of each stream that everybody misses, for `reconnect`.
  std::uint32_t never_reading = 0;   ///< Members of the first room who never read what they are sent, and read the log from its start.
  std::uint32_t flooding = 0;        ///< Members of the first room who send at flood_rate each, whatever comes back.
  double flood_rate = 10'000;        ///< Commands per second.
  std::uint64_t since_ns = 0;        ///< CLOCK_MONOTONIC from which `welcome` counts.
  int server_pid = 0;                ///< 0: do not read the server's CPU time and memory.
  std::vector<std::string> metrics;  ///< Names of counters of which to tell the difference over the measured time.
};

}  // namespace careteam::bench

// What the members of one room do with tasks: each asks the next one for a task, then does the one that was asked of it, from the claim
// to its completion, and asks again. Pure: knows neither sockets nor time.
#pragma once

#include <careteam/v1/wire.pb.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "bench/load_options.hpp"
#include "bench/message_template.hpp"

namespace careteam::bench {

/// The commands of a member, in order.
enum class task_step : std::uint8_t { request, claim, accept, start, complete };
inline constexpr std::size_t task_step_count = 5;

class task_round {
 public:
  /// `senders`: the members from 0 who take part, at least one; the last one asks the first. `text_bytes` of each task's title and
  /// description together, at least stamp_digits. `stream`: a number of careteam.v1.Stream.
  task_round(std::uint32_t room, std::uint32_t senders, int stream, std::size_t text_bytes, task_target target);

  /// Whom the member asks.
  std::uint32_t partner_of(std::uint32_t member) const noexcept { return (member + 1) % static_cast<std::uint32_t>(members_.size()); }

  /// The member's command as an encoded ClientFrame; valid until the next call. The same one until it is told as committed. The member
  /// must not be waiting.
  std::string_view command(std::uint32_t member, const command_ids& ids, std::uint64_t unix_ms, std::uint64_t number,
                           std::uint64_t stamp_ns);

  /// Who has a command to send that had none before this.
  struct ready {
    bool member = false;
    bool partner = false;
  };
  /// The member's command is committed; `seq` names its entry.
  ready committed(std::uint32_t member, std::uint64_t seq);

 private:
  struct course {
    task_step step = task_step::request;
    bool waits = false;               // Nobody has asked it for anything.
    std::uint64_t task = 0;           // What it is doing.
    std::deque<std::uint64_t> asked;  // Of it and not begun: as many as the room has members at most, because they ask in a ring.
  };

  static bool begin_next(course& of);

  std::uint32_t room_;
  v1::Stream stream_;
  task_target target_;
  std::string description_;
  std::vector<course> members_;
  v1::ClientFrame frame_;
  std::string bytes_;
};

}  // namespace careteam::bench

// The deadlines of a record that are still to come (G5): each a command that the system gives when its time has come. A part of the
// state, so that it follows from the entries; the host keeps in the store when each is due, and asks here what has changed.
//
// Whatever sets a timer does so while an entry is applied, and the entry that a fired timer leads to moves or cancels it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "care/time.hpp"
#include "careteam/v1/commands.pb.h"

namespace careteam::care {

/// Of a timer's name: what the store takes. Of its command as bytes: it is in every snapshot.
inline constexpr std::size_t max_timer_id_bytes = 100;
inline constexpr std::size_t max_timer_command_bytes = 256;

struct pending_timer {
  std::string id;  ///< Names the object and the deadline, for example "task/2/17/accept". One of a name in a record.
  instant due{};
  std::uint64_t version = 0;  ///< The record's version that it was set at.
  std::string command;        ///< A v1::Command: it names the version of its object, so that a stale one does nothing.
  bool operator==(const pending_timer&) const = default;
};

/// A timer that is not what it was.
struct timer_change {
  std::string id;
  std::optional<instant> was;        ///< When it was due; none: it was not there.
  std::optional<pending_timer> now;  ///< None: it is cancelled, or has fired.
};

class timer_board {
 public:
  /// Sets a timer, or moves it; one that is set the same already stays as it is. The command must be small enough: ids and numbers, no
  /// text.
  void set(std::string id, instant due, std::uint64_t version, const v1::Command& command);
  /// As it was before, from a snapshot.
  void restore(pending_timer timer);
  /// A timer that is not there is nothing.
  void cancel(std::string_view id);

  const std::map<std::string, pending_timer, std::less<>>& pending() const { return pending_; }
  /// What has changed since this was asked before, in the order of the ids; what is again as it was then is left out.
  std::vector<timer_change> take_changes();

  /// What has changed is not a part of the state.
  bool operator==(const timer_board& other) const { return pending_ == other.pending_; }

 private:
  void note(const std::string& id);

  std::map<std::string, pending_timer, std::less<>> pending_;
  std::map<std::string, std::optional<pending_timer>, std::less<>> before_;  ///< Of what was touched since.
};

}  // namespace careteam::care

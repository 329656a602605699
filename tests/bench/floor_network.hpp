// Members who read whatever comes, in a process of their own, so that their CPU time is not part of the floor.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace careteam::bench {

class floor_network {
 public:
  /// Starts the reading process on core `drain_core` (below zero: anywhere) and connects `connections` sockets over loopback TCP.
  /// Throws std::runtime_error.
  floor_network(std::size_t connections, int drain_core);
  ~floor_network();
  floor_network(const floor_network&) = delete;
  floor_network& operator=(const floor_network&) = delete;

  /// One send() of `bytes` bytes. Throws std::runtime_error when the reader is gone.
  void send(std::size_t connection, std::size_t bytes);

 private:
  std::vector<int> sockets_;
  std::vector<char> payload_;
  pid_t reader_ = -1;
};

}  // namespace careteam::bench

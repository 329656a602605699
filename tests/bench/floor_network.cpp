#include "floor_network.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <stdexcept>
#include <string>

namespace careteam::bench {
namespace {

[[noreturn]] void fail(const char* what) {
  throw std::runtime_error(std::string{what} + ": " + std::strerror(errno));
}

void pin_to(int core) {
  if (core < 0) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<unsigned>(core), &set);
  if (sched_setaffinity(0, sizeof set, &set) != 0) std::perror("sched_setaffinity");
}

/// Reads until every connection has ended.
void read_all(int listener, std::size_t connections) {
  const int epoll = epoll_create1(0);
  std::size_t open = 0;
  for (; open < connections; ++open) {
    const int fd = accept(listener, nullptr, nullptr);
    if (fd < 0) return;
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
  }
  std::array<epoll_event, 256> events{};
  while (open != 0) {
    const int ready = epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < ready; ++i) {
      // MSG_TRUNC drops what TCP has received without copying it: the readers must keep up, not do anything with it.
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (recv(fd, nullptr, 1 << 20, MSG_TRUNC) > 0) continue;
      close(fd);
      --open;
    }
  }
}

}  // namespace

floor_network::floor_network(std::size_t connections, int drain_core) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (listener < 0 || bind(listener, reinterpret_cast<const sockaddr*>(&address), length) != 0 || listen(listener, 1024) != 0 ||
      getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    fail("cannot listen on loopback");
  }
  const pid_t parent = getpid();
  reader_ = fork();
  if (reader_ < 0) fail("fork");
  if (reader_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    pin_to(drain_core);
    read_all(listener, connections);
    _exit(0);
  }
  close(listener);
  for (std::size_t i = 0; i < connections; ++i) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) fail("socket");
    sockets_.push_back(fd);
    if (connect(fd, reinterpret_cast<const sockaddr*>(&address), length) != 0) fail("connect");
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
}

floor_network::~floor_network() {
  for (const int fd : sockets_) close(fd);
  if (reader_ > 0) waitpid(reader_, nullptr, 0);
}

void floor_network::send(std::size_t connection, std::size_t bytes) {
  if (payload_.size() < bytes) payload_.resize(bytes, 'x');
  for (std::size_t sent = 0; sent != bytes;) {
    const auto now = ::send(sockets_.at(connection), payload_.data() + sent, bytes - sent, MSG_NOSIGNAL);
    if (now < 0) fail("send");
    sent += static_cast<std::size_t>(now);
  }
}

}  // namespace careteam::bench

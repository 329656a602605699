// For LD_PRELOAD: CARETEAM_DISK_FOLDER names the folder that is watched, CARETEAM_DISK_PLAN a file of sizeof(plan) bytes that the test
// writes into, CARETEAM_DISK_MODEL=1 keeps book of what is durable (for lose_power; syncs nothing in earnest).
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "disk/bad_disk.hpp"
#include "disk/socket_sends.hpp"

namespace careteam::disk {
namespace {

__attribute__((constructor)) void begin() {
  const char* folder = std::getenv("CARETEAM_DISK_FOLDER");
  const char* control = std::getenv("CARETEAM_DISK_PLAN");
  if (!folder || !control) return;
  const int file = ::open(control, O_RDWR | O_CLOEXEC);
  void* mapped = file < 0 ? MAP_FAILED : mmap(nullptr, sizeof(plan), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (mapped == MAP_FAILED) {
    std::perror("CARETEAM_DISK_PLAN");
    std::abort();
  }
  ::close(file);
  const char* model = std::getenv("CARETEAM_DISK_MODEL");
  watch(folder, model ? bookkeeping::model : bookkeeping::none, *static_cast<plan*>(mapped));
}

bool is_tcp(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  return getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0 &&
         (address.ss_family == AF_INET || address.ss_family == AF_INET6);
}

}  // namespace
}  // namespace careteam::disk

extern "C" ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  static const auto real = reinterpret_cast<decltype(&::sendmsg)>(dlsym(RTLD_NEXT, "sendmsg"));
  const bool strikes = careteam::disk::is_tcp(fd) && careteam::disk::before_send();
  const auto sent = real(fd, message, flags);
  if (strikes) careteam::disk::after_send();
  return sent;
}

extern "C" ssize_t send(int fd, const void* bytes, size_t size, int flags) {
  static const auto real = reinterpret_cast<decltype(&::send)>(dlsym(RTLD_NEXT, "send"));
  const bool strikes = careteam::disk::is_tcp(fd) && careteam::disk::before_send();
  const auto sent = real(fd, bytes, size, flags);
  if (strikes) careteam::disk::after_send();
  return sent;
}

#include "bench/server_probe.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>

namespace careteam::bench {
namespace {

double seconds(const timeval& time) noexcept {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

}  // namespace

process_usage usage_of(int pid) {
  std::ifstream file{"/proc/" + std::to_string(pid) + "/stat"};
  const std::string text{std::istreambuf_iterator<char>{file}, {}};
  // The command's name may hold blanks and parentheses; the fields after the last parenthesis start with number 3 (proc(5)).
  const auto name_end = text.rfind(')');
  if (name_end == std::string::npos) return {};
  std::istringstream fields{text.substr(name_end + 1)};
  const std::vector<std::string> values{std::istream_iterator<std::string>{fields}, {}};
  constexpr std::size_t utime = 14 - 3;
  constexpr std::size_t stime = 15 - 3;
  constexpr std::size_t rss = 24 - 3;
  if (values.size() <= rss) return {};
  const auto number = [&](std::size_t i) { return std::strtoull(values[i].c_str(), nullptr, 10); };
  process_usage usage;
  usage.cpu_seconds = static_cast<double>(number(utime) + number(stime)) / static_cast<double>(sysconf(_SC_CLK_TCK));
  usage.resident_bytes = number(rss) * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  return usage;
}

double own_cpu_seconds() noexcept {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

std::map<std::string, double> read_metrics(std::string_view text, const std::vector<std::string>& names) {
  std::map<std::string, double> values;
  while (!text.empty()) {
    const auto end = text.find('\n');
    const auto line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    const auto name_end = line.find_first_of("{ ");
    const auto value_at = line.rfind(' ');
    if (line.empty() || line.front() == '#' || name_end == std::string_view::npos) continue;
    const auto name = line.substr(0, name_end);
    for (const auto& wanted : names) {
      if (name != wanted) continue;
      double value = 0;
      std::from_chars(line.data() + value_at + 1, line.data() + line.size(), value);
      values[wanted] += value;
    }
  }
  return values;
}

std::string fetch_metrics(std::uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return {};
  const timeval limit{1, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  constexpr std::string_view request = "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
  std::string answer;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
      ::send(fd, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size())) {
    std::array<char, 16384> buffer{};
    for (ssize_t got = 0; (got = recv(fd, buffer.data(), buffer.size(), 0)) > 0;)
      answer.append(buffer.data(), static_cast<std::size_t>(got));
  }
  ::close(fd);
  return answer;
}

}  // namespace careteam::bench

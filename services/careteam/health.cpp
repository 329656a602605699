// `careteam health`.
#include <boost/asio/ip/tcp.hpp>
#include <iostream>
#include <string>

#include "careteam/commands.hpp"

namespace careteam {
namespace {

constexpr auto patience = std::chrono::seconds(5);

/// Where this machine reaches what listens there.
std::string reachable(const std::string& host) {
  return host == "0.0.0.0" ? "127.0.0.1" : host == "::" ? "::1" : host;
}

}  // namespace

int health(const std::filesystem::path& config_file) {
  const auto settings = read_config(config_file);
  if (!settings) return exit_failed;
  const auto& admin = settings->server.admin_listen;
  boost::asio::ip::tcp::iostream server;
  server.expires_after(patience);
  server.connect(reachable(admin.host), std::to_string(admin.port));
  server << "GET /readyz?verbose HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" << std::flush;
  std::string version;
  int status = 0;
  std::string line;
  server >> version >> status;
  std::getline(server, line);
  while (std::getline(server, line) && line != "\r") continue;
  if (status == 0) {
    std::cerr << "careteam health: no answer at " << runtime::to_text(admin) << ": " << server.error().message() << '\n';
    return exit_failed;
  }
  std::cout << server.rdbuf();
  return status == 200 ? exit_done : exit_failed;
}

}  // namespace careteam

// `careteam config`.
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <iostream>

#include "admin/control_wire.hpp"
#include "careteam/commands.hpp"
#include "careteam/notifying.hpp"
#include "careteam/task_settings.hpp"
#include "gateway/tls.hpp"
#include "identity/key_store.hpp"
#include "runtime/settings.hpp"

namespace careteam {
namespace {

/// Says what is wrong, and goes on: the operator sees everything at once.
class findings {
 public:
  void add(std::string_view setting, const std::string& what) {
    std::cerr << "careteam config: " << setting << ": " << what << '\n';
    any_ = true;
  }
  bool any() const { return any_; }

 private:
  bool any_ = false;
};

void check_secret(std::string_view setting, const std::filesystem::path& file, findings& found) {
  if (file.empty()) return;
  struct stat now {};
  if (stat(file.c_str(), &now) != 0 || access(file.c_str(), R_OK) != 0) {
    found.add(setting, file.string() + " cannot be read by this user");
  } else if ((now.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    found.add(setting, file.string() + " can be read or written by others: chmod 600");
  }
}

void check_signing_secret(std::string_view setting, const std::filesystem::path& file, findings& found) {
  check_secret(setting, file, found);
  try {
    (void)read_signing_secret(file, setting);
  } catch (const std::runtime_error& failed) {
    found.add(setting, failed.what());
  }
}

/// Descriptors beyond one for each client: the store, Redis, the log, the admin port.
constexpr std::size_t other_descriptors = 100;

void check_descriptors(const runtime::config& settings) {
  rlimit allowed{};
  const auto needed = settings.server.max_connections + other_descriptors;
  if (getrlimit(RLIMIT_NOFILE, &allowed) == 0 && allowed.rlim_max < needed) {
    std::cerr << "careteam config: note: server.max_connections needs " << needed << " file descriptors, and this user may open "
              << allowed.rlim_max << " (ulimit -n, LimitNOFILE)\n";
  }
}

void check_folder_of(const std::filesystem::path& file, std::string_view setting, findings& found) {
  const auto folder = file.parent_path().empty() ? std::filesystem::path(".") : file.parent_path();
  if (access(folder.c_str(), W_OK | X_OK) != 0) found.add(setting, "the folder " + folder.string() + " cannot be written by this user");
}

/// What a process needs that makes the calls.
void check_channels(const runtime::config& settings, findings& found) {
  check_secret("notifier.smtp_password_file", settings.notifier.smtp_password_file, found);
  check_signing_secret("notifier.webhook_secret_file", settings.notifier.webhook_secret_file, found);
}

/// What a server needs that hands them over.
void check_workers(const runtime::config& settings, findings& found) {
  check_folder_of(settings.notifier.worker_socket, "notifier.worker_socket", found);
  try {
    (void)worker_user_of(settings);
  } catch (const std::runtime_error& failed) {
    found.add("notifier.worker_user", failed.what());
  }
}

void check_control_socket(const runtime::config& settings, findings& found) {
  try {
    (void)admin::control_path(settings.server.control_socket, settings.store.path);
  } catch (const std::runtime_error& failed) {
    found.add("server.control_socket", failed.what());
  }
}

}  // namespace

int check_config(const std::filesystem::path& config_file) {
  const auto settings = read_config(config_file);
  if (!settings) return exit_failed;
  findings found;
  if (const auto missing = runtime::missing_for_serving(*settings, config_file)) found.add("identity", missing->message);
  if (!settings->identity.jwks_file.empty()) {
    const auto keys = identity::load_jwks(settings->identity.jwks_file);
    if (!keys) found.add("identity.jwks_file", settings->identity.jwks_file.string() + ": " + keys.error().message);
  }
  if (const auto& server = settings->server; !server.tls_certificate_file.empty()) {
    check_secret("server.tls_key_file", server.tls_key_file, found);
    const auto certificate = gateway::server_certificate::load(server.tls_certificate_file, server.tls_key_file);
    if (!certificate) {
      found.add("server.tls_certificate_file", certificate.error().message);
    } else if (certificate->expires() <= std::chrono::system_clock::now()) {
      found.add("server.tls_certificate_file", server.tls_certificate_file.string() + " has expired");
    }
  }
  check_secret("redis.password_file", settings->redis.password_file, found);
  check_secret("redis.cluster_key_file", settings->redis.cluster_key_file, found);
  const auto& store = settings->store.path;
  std::error_code ignored;
  if (std::filesystem::exists(store, ignored)) {
    if (access(store.c_str(), R_OK | W_OK) != 0) found.add("store.path", store.string() + " cannot be written by this user");
  } else if (!settings->store.create) {
    found.add("store.path", store.string() + " does not exist, and store.create is false");
  }
  check_folder_of(store, "store.path", found);
  check_control_socket(*settings, found);
  if (const auto calendar = read_calendar(*settings); !calendar) found.add(calendar.error().setting, calendar.error().why);
  if (settings->notifier.worker_socket.empty()) {
    check_channels(*settings, found);
  } else {
    check_workers(*settings, found);
  }
  check_signing_secret("notifier.callback_secret_file", settings->notifier.callback_secret_file, found);
  if (const auto calling = read_calling(*settings); !calling) found.add(calling.error().setting, calling.error().why);
  // What may be meant: told, and no reason to fail.
  for (const auto& doubt : runtime::doubtful_settings(*settings)) std::cerr << "careteam config: note: " << doubt << '\n';
  check_descriptors(*settings);
  if (found.any()) return exit_failed;
  std::cout << config_file.string() << " is in order\n";
  return exit_done;
}

int check_notifier_config(const std::filesystem::path& config_file) {
  const auto settings = read_config(config_file, runtime::required_settings::left_out);
  if (!settings) return exit_failed;
  findings found;
  if (const auto missing = runtime::missing_for_calling(*settings, config_file)) found.add("notifier", missing->message);
  check_channels(*settings, found);
  if (found.any()) return exit_failed;
  std::cout << config_file.string() << " is in order\n";
  return exit_done;
}

int print_defaults() {
  std::cout << runtime::document_settings();
  return exit_done;
}

int print_settings() {
  std::cout << runtime::tabulate_settings();
  return exit_done;
}

}  // namespace careteam

// The configuration: plain values, read once at the start from a TOML file. What each key means, its unit and its range stand in the
// table of settings.cpp; the defaults stand here.
#pragma once

#include <boost/assert/source_location.hpp>
#include <boost/system/result.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "runtime/log.hpp"

namespace careteam::runtime {

/// "127.0.0.1:8080" or "[::1]:8080".
struct tcp_address {
  std::string host;        ///< Without brackets.
  std::uint16_t port = 0;  ///< 0, where allowed: the kernel picks one.
  friend bool operator==(const tcp_address&, const tcp_address&) = default;
};

/// "unix:/run/redis/redis.sock".
struct unix_address {
  std::filesystem::path path;
  friend bool operator==(const unix_address&, const unix_address&) = default;
};

/// Where Redis is; std::monostate: there is none, and presence is always unknown.
using redis_address = std::variant<std::monostate, tcp_address, unix_address>;

/// The text that reads back as the address.
std::string to_text(const tcp_address& address);
std::string to_text(const redis_address& address);

struct config {
  struct server_section {
    tcp_address listen{"127.0.0.1", 8080};
    tcp_address admin_listen{"127.0.0.1", 9090};
    std::filesystem::path control_socket;        ///< Empty: beside the store.
    std::filesystem::path tls_certificate_file;  ///< Empty: clients connect without TLS.
    std::filesystem::path tls_key_file;
    std::vector<std::string> allowed_origins;
    std::vector<std::string> trusted_proxies;  ///< Numeric addresses.
    std::chrono::milliseconds hello_timeout{5'000};
    std::chrono::milliseconds handshake_timeout{10'000};
    std::chrono::milliseconds idle_timeout{60'000};
    std::chrono::milliseconds drain{8'000};
    std::size_t max_connections = 20'000;
    std::size_t max_connections_per_person = 16;
    std::size_t max_connections_per_address = 5'000;
    std::size_t max_frame_bytes = 64 * 1024;
    std::size_t send_queue_bytes = 1024 * 1024;
  };
  struct store_section {
    std::filesystem::path path;
    bool create = true;
    std::size_t snapshot_every = 256;
    std::size_t cache_bytes = 64 * 1024 * 1024;
    std::size_t min_free_bytes = 2'000'000'000;
  };
  struct redis_section {
    redis_address endpoint = tcp_address{"127.0.0.1", 6379};
    std::string username;                 ///< Empty: Redis' default user.
    std::filesystem::path password_file;  ///< Empty: no password.
    std::chrono::milliseconds presence_lease{25'000};
    std::chrono::milliseconds presence_refresh{10'000};
    std::filesystem::path cluster_key_file;  ///< Empty: no key.
  };
  struct identity_section {
    std::filesystem::path jwks_file;
    std::string issuer;
    std::string audience;
    std::chrono::milliseconds clock_skew{5'000};
  };
  struct organization_section {
    std::string name = "CareTeam";
    std::string time_zone = "UTC";
    std::string safety_person;  ///< Empty: nobody is named.
  };
  /// Whether texts are hours and dates tells care::business_calendar.
  struct calendar_section {
    std::string time_zone;           ///< Empty: the organization's.
    std::vector<std::string> hours;  ///< Empty: no calendar.
    std::vector<std::string> holidays;
  };
  /// Whether texts are contacts, quiet hours and times of the day tells care.
  struct notifier_section {
    std::string smtp_url;  ///< Empty: no mail.
    std::string smtp_from;
    std::string smtp_username;  ///< Empty: without a login.
    std::filesystem::path smtp_password_file;
    bool smtp_without_tls = false;
    std::string webhook_url;  ///< Empty: no webhook. Without mail and webhook nobody is called.
    std::filesystem::path webhook_secret_file;
    std::filesystem::path callback_secret_file;  ///< Empty: no callbacks.
    std::filesystem::path ca_file;               ///< Empty: the machine's.
    std::vector<std::string> contacts;
    std::string quiet_hours;  ///< Empty: never quiet.
    std::string digest;       ///< "08:00"; empty: none.
    std::chrono::milliseconds attempt_timeout{5'000};
    std::chrono::milliseconds retry_after{1'000};
    std::size_t attempts = 4;
    std::size_t in_flight = 64;
    std::filesystem::path worker_socket;  ///< Empty: the server makes the calls itself.
    std::string worker_user;              ///< Empty: the server's own, and root.
    /// Whether there is a way out: to make calls with.
    bool has_channel() const { return !smtp_url.empty() || !webhook_url.empty(); }
    /// Whether the server has people called.
    bool on() const { return has_channel() || !worker_socket.empty(); }
  };
  struct limits_section {
    std::size_t stat_per_hour = 5;
    std::size_t commands_per_minute = 600;
    std::size_t commands_at_once = 200;
    std::size_t device_commands_per_minute = 300;
    std::size_t device_commands_at_once = 100;
    std::size_t refused_tokens_per_minute = 600;
    std::size_t refused_tokens_at_once = 300;
    std::chrono::milliseconds wrong_patient_window{60'000};
  };
  struct log_section {
    log_level level = log_level::info;
  };

  server_section server;
  store_section store;
  redis_section redis;
  identity_section identity;
  organization_section organization;
  calendar_section calendar;
  notifier_section notifier;
  limits_section limits;
  log_section log;
};

/// Why a file is no configuration. It names keys and quotes values: a configuration file holds no secrets.
struct config_error {
  std::filesystem::path file;  ///< Or the environment variable that is at fault.
  std::size_t line = 0;        ///< From 1; 0: the fault is in no particular line.
  std::size_t column = 0;      ///< From 1; 0 with line 0.
  std::string message;

  /// "careteam.toml:12:3: server.idle_timout_ms is no setting; did you mean idle_timeout_ms?"
  [[nodiscard]] std::string to_text() const;
};
/// For result::value(): throws std::runtime_error with to_text().
[[noreturn]] void throw_exception_from_error(const config_error& error, const boost::source_location& where);

/// A configuration file larger than this is something else.
inline constexpr std::size_t max_config_file_bytes = 1024 * 1024;

/// Environment variables by name. CARETEAM_<SECTION>_<KEY> (CARETEAM_SERVER_LISTEN) takes the place of that setting in the file. What
/// starts like a section of ours and names no setting is an error; other variables are not looked at. A list is written with commas.
using environment = std::map<std::string, std::string>;
/// Those of this process that start with CARETEAM_. Not while another thread changes them: for the start only.
environment process_environment();

/// Whether a setting that is required may be left out: of a process without a store.
enum class required_settings { asked_for, left_out };

/// Reads a file, and what the environment changes of it. Relative paths are relative to the file's folder. Blocks: for the start only.
boost::system::result<config, config_error> load_config(const std::filesystem::path& file, const environment& variables = {},
                                                        required_settings required = required_settings::asked_for);

/// The same for text in memory; `file` is used for messages, and its folder for relative paths.
boost::system::result<config, config_error> parse_config(std::string_view text, const std::filesystem::path& file,
                                                         const environment& variables = {},
                                                         required_settings required = required_settings::asked_for);

/// What a server runs with and hardly anybody means: settings that have no effect beside others, doors that stand open. One sentence each.
std::vector<std::string> doubtful_settings(const config& settings);

/// What a worker, `careteam notifier`, needs: where the server is, and a way out. Nothing: all is there.
std::optional<config_error> missing_for_calling(const config& settings, const std::filesystem::path& file);

/// What `serve` needs beyond what every command needs: who may log in. Nothing: all is there.
std::optional<config_error> missing_for_serving(const config& settings, const std::filesystem::path& file);

}  // namespace careteam::runtime

// The commands of `careteam`. Each returns the process's exit code: 0 done, 1 not done (the reason is on stderr), 2 usage.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "runtime/config.hpp"

namespace careteam {

inline constexpr int exit_done = 0;
inline constexpr int exit_failed = 1;
inline constexpr int exit_usage = 2;

/// `careteam serve`: gateway on the embedded store until SIGTERM.
int serve(const std::filesystem::path& config_file);

/// `careteam notifier`: makes the calls that the server hands over, until SIGTERM. Has no store.
int notifier_alone(const std::filesystem::path& config_file);

struct token_request {
  std::filesystem::path new_key, key, jwks, subjects_file;
  std::string kid, issuer, audience, subject;
  std::int64_t expires_seconds = 3600;
};
/// `careteam token`: keys and tokens for development and the demo.
int token(const token_request& asked);

/// `careteam import`: FHIR R4 into the store.
int import_files(const std::filesystem::path& config_file, const std::vector<std::filesystem::path>& files);

struct enroll_request {
  std::string person, name, kind, reach, hours, quiet_hours, suspend, reinstate;
  std::vector<std::string> contacts;  ///< "sms +15550100", in the order in which they are tried.
  std::optional<bool> deceased;       ///< Nothing: as it was.
  bool administrator = false;
};
/// `careteam enroll`: an account by hand.
int enroll(const std::filesystem::path& config_file, const enroll_request& asked);

struct sessions_request {
  std::string person, revoke, reason;
};
/// `careteam sessions`: who is connected, and the end of it.
int list_or_revoke(const std::filesystem::path& config_file, const sessions_request& asked);

struct audit_request {
  std::string patient, duty, person, stream, from, to;
  bool organization = false, refusals = false, json = false;
  std::uint64_t seq = 0;
};
/// `careteam audit`: who was given which entries of a record, from the store's file.
int audit(const std::filesystem::path& config_file, const audit_request& asked);

struct explain_request {
  std::string patient, obligation;
  std::string at;  ///< Only who answered then; empty: the whole history.
  bool texts = false, json = false;
};
/// `careteam explain`: the history of one task or message in plain words, from the store's file.
int explain(const std::filesystem::path& config_file, const explain_request& asked);

struct export_request {
  std::vector<std::string> patients;  ///< Their records, and of every handoff what is about them.
  std::vector<std::string> duties;    ///< All of their handoffs. Neither patients nor duties: everything.
  std::filesystem::path out;          ///< Empty: standard output.
  bool texts = false;
};
/// `careteam export`: patients' tasks and protocols, and duties' handoffs, as a FHIR R4 Bundle, from the store's file.
int export_tasks(const std::filesystem::path& config_file, const export_request& asked);

/// `careteam verify`: recomputes every hash chain of a store.
int verify(const std::filesystem::path& config_file);

/// `careteam rebuild`: makes what is derived anew and compares.
int rebuild(const std::filesystem::path& config_file);

struct copy_request {
  std::filesystem::path file;  ///< The backup.
  bool quiet = false;          ///< Tell only what went wrong.
};
/// `careteam backup`: a copy of the store, also of one that is being served.
int backup(const std::filesystem::path& config_file, const copy_request& asked);

/// `careteam restore`: a backup becomes the store.
int restore(const std::filesystem::path& config_file, const copy_request& asked);

/// `careteam migrate`: the store of an older program becomes this one's. An empty `backup_to`: beside the store, named after schema and
/// time.
int migrate(const std::filesystem::path& config_file, std::filesystem::path backup_to);

/// `careteam health`: how the running server is, for where there is no curl.
int health(const std::filesystem::path& config_file);

/// `careteam config check`: what is wrong with a configuration, before a server is started with it.
int check_config(const std::filesystem::path& config_file);
/// `careteam config check --notifier`: the same for the configuration of a `careteam notifier`.
int check_notifier_config(const std::filesystem::path& config_file);
/// `careteam config defaults`: a file with every setting.
int print_defaults();
/// `careteam config doc`: every setting as a Markdown table.
int print_settings();

/// The configuration, or nothing after saying why on stderr.
std::optional<runtime::config> read_config(const std::filesystem::path& file,
                                           runtime::required_settings required = runtime::required_settings::asked_for);

}  // namespace careteam

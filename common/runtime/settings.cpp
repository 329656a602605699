#include "runtime/settings.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <system_error>
#include <type_traits>

namespace careteam::runtime {

bool is_numeric_address(const std::string& host) {
  in6_addr parsed{};
  return ::inet_pton(AF_INET, host.c_str(), &parsed) == 1 || ::inet_pton(AF_INET6, host.c_str(), &parsed) == 1;
}

namespace {

std::optional<std::string> any_line(std::string_view text) {
  if (text.size() > max_setting_text_bytes) return "is too long";
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
  if (std::any_of(text.begin(), text.end(), is_control)) return "must not hold control characters";
  return std::nullopt;
}

std::optional<std::string> some_line(std::string_view text) {
  if (text.empty()) return "must not be empty";
  return any_line(text);
}

/// The C library takes a zone that it does not know for UTC, silently: deadlines would be hours off.
std::optional<std::string> known_time_zone(std::string_view text) {
  if (text == "UTC") return std::nullopt;
  const auto is_allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' || c == '_' || c == '-' || c == '+';
  };
  const bool is_name = !text.empty() && text.size() <= 64 && text.front() != '/' && std::all_of(text.begin(), text.end(), is_allowed);
  std::error_code ignored;
  if (!is_name || !std::filesystem::is_regular_file(std::filesystem::path("/usr/share/zoneinfo") / text, ignored)) {
    return "is no time zone of this machine (an IANA name such as \"America/New_York\" that exists in /usr/share/zoneinfo)";
  }
  return std::nullopt;
}

std::optional<std::string> fault_of_address(std::string_view text) {
  if (!is_numeric_address(std::string(text))) return "is no numeric address";
  return std::nullopt;
}

/// Host and optional port of a URL without user, password, query and fragment; nothing: it is none.
std::optional<std::string> host_of_url(std::string_view text, std::string_view scheme) {
  if (!text.starts_with(scheme) || text.size() > max_setting_text_bytes) return std::nullopt;
  const auto rest = text.substr(scheme.size());
  if (std::any_of(rest.begin(), rest.end(), [](char c) { return c <= 0x20 || c >= 0x7F || c == '@' || c == '?' || c == '#'; })) {
    return std::nullopt;
  }
  const auto host = rest.substr(0, rest.find('/'));
  const bool has_port = !host.ends_with(']') && host.find(':') != std::string_view::npos;
  const auto address = parse_tcp_address(has_port ? std::string(host) : std::string(host) + ":1");
  if (!address || address->port == 0) return std::nullopt;
  return address->host;
}

std::optional<std::string> fault_of_smtp_url(std::string_view text) {
  const bool is_plain = text.empty() || host_of_url(text, "smtp://") || host_of_url(text, "smtps://");
  if (!is_plain) return "must be smtp://host:port or smtps://host:port, without a login";
  return std::nullopt;
}

std::optional<std::string> fault_of_webhook_url(std::string_view text) {
  if (text.empty() || host_of_url(text, "https://")) return std::nullopt;
  const auto host = host_of_url(text, "http://");
  if (host && (host->starts_with("127.") || *host == "::1")) return std::nullopt;
  return "must be an https:// URL without a login, a query and a fragment, or http:// to a loopback address";
}

std::optional<std::string> fault_of_sender(std::string_view text) {
  const auto is_visible = [](char c) { return c > 0x20 && c < 0x7F && c != '<' && c != '>' && c != '"' && c != ','; };
  const auto at = text.find('@');
  const bool is_address =
      at != std::string_view::npos && at > 0 && at + 1 < text.size() && text.find('@', at + 1) == std::string_view::npos;
  if (!text.empty() && (!is_address || !std::all_of(text.begin(), text.end(), is_visible))) return "must be an e-mail address";
  return any_line(text);
}

constexpr std::int64_t second = 1'000;
constexpr std::int64_t minute = 60 * second;
constexpr std::int64_t hour = 60 * minute;
constexpr std::int64_t kibibyte = 1024;
constexpr std::int64_t mebibyte = 1024 * kibibyte;
constexpr std::int64_t gibibyte = 1024 * mebibyte;

// NOLINTNEXTLINE(bugprone-macro-parentheses): names of members cannot stand in parentheses.
#define CARETEAM_FIELD(section, name) ([](config & all) -> auto& { return all.section.name; })

const std::array table = {
    setting{"server", "listen", listen_setting{CARETEAM_FIELD(server, listen)},
            "Where clients connect. Port 0 lets the kernel choose; the log line \"listening\" tells which.", ""},
    setting{"server", "admin_listen", listen_setting{CARETEAM_FIELD(server, admin_listen)},
            "Where health checks and metrics are served. Keep it away from the clients' network.", ""},
    setting{"server", "control_socket", path_setting{CARETEAM_FIELD(server, control_socket)},
            "A Unix socket by which import and enroll reach the server that holds the store. For its own user alone. Default: beside the "
            "store, with .control appended to its name.",
            "\"careteam.control\""},
    setting{"server", "allowed_origins",
            list_setting{CARETEAM_FIELD(server, allowed_origins), fault_of_origin, "origins", "\"https://app.example.org\""},
            "Web pages that may connect, compared exactly. Clients that send no Origin are no browsers and are not concerned.",
            "[\"https://app.example.org\"]"},
    setting{"server", "tls_certificate_file", path_setting{CARETEAM_FIELD(server, tls_certificate_file)},
            "The certificate that clients are shown, with its chain (PEM). With it and tls_key_file, listen speaks TLS 1.2 and 1.3 and "
            "nothing else; both are read again when they change. Without them TLS is a proxy's duty.",
            "\"/etc/careteam/tls/fullchain.pem\""},
    setting{"server", "tls_key_file", path_setting{CARETEAM_FIELD(server, tls_key_file)},
            "The private key of the certificate (PEM, without a passphrase). When everybody reconnects, ECDSA (P-256) costs less than RSA.",
            "\"/etc/careteam/tls/privkey.pem\""},
    setting{"server", "trusted_proxies",
            list_setting{CARETEAM_FIELD(server, trusted_proxies), fault_of_address, "addresses", "\"127.0.0.1\""},
            "Proxies whose X-Forwarded-For is believed: max_connections_per_address then counts the clients behind them. Each must append "
            "the address that it sees.",
            "[\"127.0.0.1\"]"},
    setting{"server", "hello_timeout_ms", milliseconds_setting{CARETEAM_FIELD(server, hello_timeout), 100, minute},
            "A connection that has not said Hello by then is closed.", ""},
    setting{"server", "handshake_timeout_ms", milliseconds_setting{CARETEAM_FIELD(server, handshake_timeout), 100, minute},
            "A connection whose HTTP upgrade is not complete by then is closed.", ""},
    setting{"server", "idle_timeout_ms", milliseconds_setting{CARETEAM_FIELD(server, idle_timeout), second, hour},
            "A silent peer is pinged after half of this time, more or less, and given up after all of it at the latest.", ""},
    setting{"server", "drain_ms", milliseconds_setting{CARETEAM_FIELD(server, drain), 0, 9 * second},
            "How long a stopping server waits for what it has accepted. Service supervisors kill after 10 s.", ""},
    setting{"server", "max_connections", count_setting{CARETEAM_FIELD(server, max_connections), 1, 1'000'000},
            "Connections of this process; more are refused. The process needs as many file descriptors.", ""},
    setting{"server", "max_connections_per_person", count_setting{CARETEAM_FIELD(server, max_connections_per_person), 1, 1'000},
            "Connections of one person to this process; more are refused.", ""},
    setting{"server", "max_connections_per_address", count_setting{CARETEAM_FIELD(server, max_connections_per_address), 1, 1'000'000},
            "Connections from one address to this process; more are refused. Behind a proxy see trusted_proxies.", ""},
    setting{"server", "max_frame_bytes", count_setting{CARETEAM_FIELD(server, max_frame_bytes), kibibyte, 16 * mebibyte},
            "The largest message from a client; a larger one closes the connection.", ""},
    setting{"server", "send_queue_bytes", count_setting{CARETEAM_FIELD(server, send_queue_bytes), 16 * kibibyte, gibibyte},
            "What may wait for a slow reader before its connection is closed with the advice to resume.", ""},

    setting{"store", "path", path_setting{CARETEAM_FIELD(store, path)}, "The database file: the system of record.", "\"careteam.db\"",
            presence::required},
    setting{"store", "create", flag_setting{CARETEAM_FIELD(store, create)},
            "Whether a missing database is created. Where one must exist, say false: a wrong path then is an error.", ""},
    setting{"store", "snapshot_every", count_setting{CARETEAM_FIELD(store, snapshot_every), 1, 1'000'000},
            "After how many entries a record's state is saved, so that loading it need not replay all of them.", ""},
    setting{"store", "cache_bytes", count_setting{CARETEAM_FIELD(store, cache_bytes), mebibyte, 64 * gibibyte},
            "Memory for the database's page cache.", ""},
    setting{"store", "min_free_bytes", count_setting{CARETEAM_FIELD(store, min_free_bytes), 0, 1'000'000 * gibibyte},
            "With less than this free on the database's disk, the log and /readyz?verbose warn. A full disk takes no message. 0: never.",
            ""},

    setting{"redis", "endpoint", redis_setting{CARETEAM_FIELD(redis, endpoint)},
            "Where Redis is. With \"\" there is none, and presence is always unknown; nothing else changes for a single process.", ""},
    setting{"redis", "username", text_setting{CARETEAM_FIELD(redis, username), any_line}, "The Redis user. Needs password_file.",
            "\"careteam\""},
    setting{"redis", "password_file", path_setting{CARETEAM_FIELD(redis, password_file)}, "A file that holds the Redis password.",
            "\"redis-password\""},
    setting{"redis", "presence_lease_ms", milliseconds_setting{CARETEAM_FIELD(redis, presence_lease), second, 10 * minute},
            "How long somebody whose connection died without a word still counts as present.", ""},
    setting{"redis", "presence_refresh_ms", milliseconds_setting{CARETEAM_FIELD(redis, presence_refresh), 100, 5 * minute},
            "How often a lease is renewed: at most half of presence_lease_ms, so that one lost renewal does no harm.", ""},
    setting{"redis", "cluster_key_file", path_setting{CARETEAM_FIELD(redis, cluster_key_file)},
            "A file that holds the key that seals what processes tell each other by way of Redis. The same for all of them.",
            "\"cluster.key\""},

    setting{"identity", "jwks_file", path_setting{CARETEAM_FIELD(identity, jwks_file)},
            "The public keys that sign tokens (JWK Set, ES256 only). Needed to serve.", "\"jwks.json\""},
    setting{"identity", "issuer", text_setting{CARETEAM_FIELD(identity, issuer), any_line},
            "The issuer (iss) that a token must name, exactly. Needed to serve.", "\"https://login.example.org\""},
    setting{"identity", "audience", text_setting{CARETEAM_FIELD(identity, audience), any_line},
            "The audience (aud) that a token must be for, exactly. Needed to serve.", "\"careteam\""},
    setting{"identity", "clock_skew_ms", milliseconds_setting{CARETEAM_FIELD(identity, clock_skew), 0, minute},
            "How far the issuer's clock may be off from ours.", ""},

    setting{"organization", "name", text_setting{CARETEAM_FIELD(organization, name), some_line}, "The organization's name.", ""},
    setting{"organization", "time_zone", text_setting{CARETEAM_FIELD(organization, time_zone), known_time_zone},
            "The IANA name of the time zone in which duties begin and end.", ""},
    setting{"organization", "safety_person", text_setting{CARETEAM_FIELD(organization, safety_person), any_line},
            "The person who answers for an obligation when nobody else can. Without one it falls back to whoever asked, and a duty that "
            "nobody covers to an administrator, who cannot read it: name a member of staff who is on every team.",
            "\"grace\""},

    setting{"calendar", "time_zone", text_setting{CARETEAM_FIELD(calendar, time_zone), known_time_zone},
            "The IANA name of the time zone of hours and holidays. Default: organization.time_zone.", "\"America/New_York\""},
    setting{
        "calendar", "hours", list_setting{CARETEAM_FIELD(calendar, hours), some_line, "hours", "\"mon-fri 08:00-17:00\""},
        "When routine tasks are worked on: their deadlines count days and hours of work. All others run day and night. Without hours all "
        "time is working time, so that deadlines come sooner and never later.",
        "[\"mon-thu 08:00-17:00\", \"fri 08:00-15:00\"]"},
    setting{"calendar", "holidays", list_setting{CARETEAM_FIELD(calendar, holidays), some_line, "dates", "\"2026-12-25\""},
            "Days without work. A list of some years: what has passed may be taken out, since a deadline is written down when it is set.",
            "[\"2026-12-25\", \"2027-01-01\"]"},

    setting{"notifier", "smtp_url", text_setting{CARETEAM_FIELD(notifier, smtp_url), fault_of_smtp_url},
            "The server that takes mail for people who are called outside: smtp:// with STARTTLS, or smtps://. Without it and webhook_url "
            "nobody is called outside.",
            "\"smtp://mail.example.org:587\""},
    setting{"notifier", "smtp_from", text_setting{CARETEAM_FIELD(notifier, smtp_from), fault_of_sender},
            "Whom the mails are from. Needed with smtp_url.", "\"careteam@example.org\""},
    setting{"notifier", "smtp_username", text_setting{CARETEAM_FIELD(notifier, smtp_username), any_line},
            "The login at the mail server. Needs smtp_password_file.", "\"careteam\""},
    setting{"notifier", "smtp_password_file", path_setting{CARETEAM_FIELD(notifier, smtp_password_file)},
            "A file that holds the password of smtp_username.", "\"smtp-password\""},
    setting{"notifier", "smtp_without_tls", flag_setting{CARETEAM_FIELD(notifier, smtp_without_tls)},
            "Whether mail, and the login, may go to the mail server unencrypted: for a relay on this machine alone.", ""},
    setting{"notifier", "webhook_url", text_setting{CARETEAM_FIELD(notifier, webhook_url), fault_of_webhook_url},
            "The gateway to SMS, voice, pagers and push: each call is a signed POST to it (deploy/notifier). https://, or http:// to a "
            "loopback address.",
            "\"https://gateway.example.org/careteam\""},
    setting{"notifier", "webhook_secret_file", path_setting{CARETEAM_FIELD(notifier, webhook_secret_file)},
            "A file that holds the secret that signs what goes to webhook_url. Needed with it.", "\"webhook-secret\""},
    setting{"notifier", "callback_secret_file", path_setting{CARETEAM_FIELD(notifier, callback_secret_file)},
            "A file that holds the secret that signs what a gateway reports: delivered or failed, to /v1/notifier/callbacks on "
            "server.admin_listen. Without it no report is taken.",
            "\"callback-secret\""},
    setting{"notifier", "ca_file", path_setting{CARETEAM_FIELD(notifier, ca_file)},
            "The authorities (PEM) that vouch for the mail server and the gateway. Default: the machine's.", "\"ca.pem\""},
    setting{
        "notifier", "contacts", list_setting{CARETEAM_FIELD(notifier, contacts), some_line, "contacts", "\"phone +15550100\""},
        "Who is called, in this order, for staff who have no contacts of their own: a system (email, sms, phone, pager, push), a space, "
        "an address or a number.",
        "[\"phone +15550100\"]"},
    setting{
        "notifier", "quiet_hours", text_setting{CARETEAM_FIELD(notifier, quiet_hours), any_line},
        "When nobody is called, in organization.time_zone: for people who have no quiet hours of their own. Stat always rings, asap does "
        "for the staff.",
        "\"22:00-07:00\""},
    setting{"notifier", "digest", text_setting{CARETEAM_FIELD(notifier, digest), any_line},
            "When people are called once a day about all that is routine and still open, in organization.time_zone; later where a person's "
            "quiet hours end later. Without it they are called about each once.",
            "\"08:00\""},
    setting{"notifier", "attempt_timeout_ms", milliseconds_setting{CARETEAM_FIELD(notifier, attempt_timeout), 100, minute},
            "How long one attempt may take: the server's setting, also for `careteam notifier`. What a killed server was about to send is "
            "sent after twice this time.",
            ""},
    setting{"notifier", "retry_after_ms", milliseconds_setting{CARETEAM_FIELD(notifier, retry_after), 10, minute},
            "The pause before the second attempt over a channel; doubled for each further one, and spread by a random quarter.", ""},
    setting{"notifier", "attempts", count_setting{CARETEAM_FIELD(notifier, attempts), 1, 20},
            "Attempts over one channel before the next one is taken. With the pauses they should take less than a minute: the patience of "
            "stat.",
            ""},
    setting{"notifier", "in_flight", count_setting{CARETEAM_FIELD(notifier, in_flight), 1, 1'000},
            "Attempts at the same time: as many connections to mail server and gateway at most. Of each process that calls.", ""},
    setting{
        "notifier", "worker_socket", path_setting{CARETEAM_FIELD(notifier, worker_socket)},
        "A Unix socket on which the server hands each call to `careteam notifier`, the processes that reach mail server and gateway: the "
        "server then needs neither their secrets nor a way out, and calls wait while no such process is there. The same in the settings "
        "of both. Without it the server makes the calls itself.",
        "\"/run/careteam/calls.sock\""},
    setting{
        "notifier", "worker_user", text_setting{CARETEAM_FIELD(notifier, worker_user), any_line},
        "The user who may come to worker_socket beside the server's own and root. The kernel tells who it is: the server must not run in "
        "a user namespace of its own.",
        "\"careteam-notifier\""},

    setting{"limits", "stat_per_hour", count_setting{CARETEAM_FIELD(limits, stat_per_hour), 1, 1'000},
            "How many messages of the highest priority one person may send in an hour: alarms that ring all day are not heard.", ""},
    setting{"limits", "commands_per_minute", count_setting{CARETEAM_FIELD(limits, commands_per_minute), 1, 1'000'000'000},
            "Commands of one person, over all devices; more are refused with the time to come back.", ""},
    setting{"limits", "commands_at_once", count_setting{CARETEAM_FIELD(limits, commands_at_once), 1, 1'000'000},
            "Commands that one person may send in a row before commands_per_minute counts: what devices saved up while they were away.",
            ""},
    setting{"limits", "device_commands_per_minute", count_setting{CARETEAM_FIELD(limits, device_commands_per_minute), 1, 1'000'000'000},
            "Commands of one device of a person: one that runs wild leaves the others their part.", ""},
    setting{"limits", "device_commands_at_once", count_setting{CARETEAM_FIELD(limits, device_commands_at_once), 1, 1'000'000},
            "Commands that one device may send in a row before device_commands_per_minute counts.", ""},
    setting{
        "limits", "refused_tokens_per_minute", count_setting{CARETEAM_FIELD(limits, refused_tokens_per_minute), 1, 1'000'000},
        "Tokens from one address that may be refused; after more, nobody logs in from there for a moment. Who is logged in stays. Behind "
        "a proxy everybody comes from the proxy's address.",
        ""},
    setting{"limits", "refused_tokens_at_once", count_setting{CARETEAM_FIELD(limits, refused_tokens_at_once), 1, 1'000'000},
            "Refused tokens in a row before refused_tokens_per_minute counts: tokens of a whole ward expire together.", ""},
    setting{"limits", "wrong_patient_window_ms", milliseconds_setting{CARETEAM_FIELD(limits, wrong_patient_window), 0, hour},
            "A post about another patient than the last one, within this time, asks whether that patient is meant. 0: never.", ""},

    setting{"log", "level", level_setting{CARETEAM_FIELD(log, level)}, "Lines below this level are not written.", ""},
};

#undef CARETEAM_FIELD

std::string quoted_text(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted.push_back('\\');
    quoted.push_back(c);
  }
  return quoted + "\"";
}

/// A setting's value in `all`, as it stands in a file; empty: there is none.
std::string value_text(const setting& one, config& all) {
  return std::visit(
      [&](const auto& kind) -> std::string {
        using type = std::decay_t<decltype(kind)>;
        const auto& value = kind.field(all);
        if constexpr (std::is_same_v<type, count_setting>) {
          return std::to_string(value);
        } else if constexpr (std::is_same_v<type, milliseconds_setting>) {
          return std::to_string(value.count());
        } else if constexpr (std::is_same_v<type, flag_setting>) {
          return value ? "true" : "false";
        } else if constexpr (std::is_same_v<type, text_setting>) {
          return value.empty() ? std::string() : quoted_text(value);
        } else if constexpr (std::is_same_v<type, path_setting>) {
          return value.empty() ? std::string() : quoted_text(value.string());
        } else if constexpr (std::is_same_v<type, list_setting>) {
          return "[]";  // The default; a list is never written back.
        } else if constexpr (std::is_same_v<type, level_setting>) {
          return quoted_text(name_of(value));
        } else {
          return quoted_text(to_text(value));
        }
      },
      one.kind);
}

std::string range_text(std::int64_t least, std::int64_t most, std::string_view unit) {
  return std::to_string(least) + " to " + std::to_string(most) + std::string(unit);
}

/// The smallest number of letters to change, add, drop or swap with the next that turns one word into the other.
std::size_t distance(std::string_view from, std::string_view to) {
  std::vector<std::vector<std::size_t>> steps(from.size() + 1, std::vector<std::size_t>(to.size() + 1));
  for (std::size_t i = 0; i <= from.size(); ++i) {
    for (std::size_t j = 0; j <= to.size(); ++j) {
      if (i == 0 || j == 0) {
        steps[i][j] = i + j;
        continue;
      }
      const std::size_t change = from[i - 1] == to[j - 1] ? 0 : 1;
      steps[i][j] = std::min({steps[i - 1][j] + 1, steps[i][j - 1] + 1, steps[i - 1][j - 1] + change});
      const bool swapped = i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1];
      if (swapped) steps[i][j] = std::min(steps[i][j], steps[i - 2][j - 2] + 1);
    }
  }
  return steps[from.size()][to.size()];
}

bool is_host(std::string_view text) {
  const auto is_allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
  };
  return !text.empty() && text.size() <= 253 && std::all_of(text.begin(), text.end(), is_allowed);
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), port);
  const bool canonical = failed == std::errc() && end == text.data() + text.size() && (text.size() == 1 || text.front() != '0');
  if (!canonical) return std::nullopt;
  return port;
}

}  // namespace

std::span<const setting> settings() {
  return table;
}

std::string describe_values(const setting& one) {
  return std::visit(
      [&](const auto& kind) -> std::string {
        using type = std::decay_t<decltype(kind)>;
        if constexpr (std::is_same_v<type, count_setting>) {
          return range_text(kind.least, kind.most, one.key.ends_with("_bytes") ? " bytes" : "");
        } else if constexpr (std::is_same_v<type, milliseconds_setting>) {
          return range_text(kind.least, kind.most, " milliseconds");
        } else if constexpr (std::is_same_v<type, flag_setting>) {
          return "true or false";
        } else if constexpr (std::is_same_v<type, text_setting>) {
          return "a string";
        } else if constexpr (std::is_same_v<type, path_setting>) {
          return "a path, relative to this file's folder";
        } else if constexpr (std::is_same_v<type, listen_setting>) {
          return "a numeric address and a port: \"127.0.0.1:8080\" or \"[::1]:8080\"";
        } else if constexpr (std::is_same_v<type, redis_setting>) {
          return "\"host:port\", \"unix:/path\" or \"\"";
        } else if constexpr (std::is_same_v<type, list_setting>) {
          return "a list of " + std::string(kind.elements) + " such as " + std::string(kind.an_element);
        } else {
          return "\"debug\", \"info\", \"warning\" or \"error\"";
        }
      },
      one.kind);
}

std::string variable_of(const setting& one) {
  std::string name = "CARETEAM_";
  for (const char c : std::string(one.section) + "_" + std::string(one.key)) {
    name.push_back(c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c);
  }
  return name;
}

std::string tabulate_settings() {
  config defaults;
  std::string text =
      "# Configuration\n\n"
      "`careteam config doc` prints this table, `careteam config defaults` a file with everything in it, and `careteam config check` "
      "tells\n"
      "what is wrong with yours. A variable of the environment takes the place of the setting in the file; a list is written with "
      "commas.\n\n"
      "| setting | variable | values | default | |\n|---|---|---|---|---|\n";
  for (const setting& one : settings()) {
    const std::string value = value_text(one, defaults);
    const std::string shown = !value.empty() ? "`" + value + "`" : one.need == presence::required ? "required" : "none";
    text.append("| `").append(one.section).append(".").append(one.key).append("` | `").append(variable_of(one)).append("` | ");
    text.append(describe_values(one)).append(" | ").append(shown).append(" | ").append(one.help).append(" |\n");
  }
  return text;
}

std::string document_settings() {
  config defaults;
  std::string text = "# Configuration of careteam, as `careteam config defaults` prints it. Every setting is here, with its default.\n";
  std::string_view section;
  for (const setting& one : settings()) {
    if (one.section != section) {
      section = one.section;
      text.append("\n[").append(section).append("]\n");
    }
    text.append("# ").append(one.help).append("\n");
    text.append("# Allowed: ").append(describe_values(one)).append(one.need == presence::required ? ". Required.\n" : ".\n");
    const std::string value = value_text(one, defaults);
    const std::string_view shown = value.empty() ? one.example : std::string_view(value);
    if (value.empty() && one.need == presence::optional) text.append("# ");
    text.append(one.key).append(" = ").append(shown).append("\n");
  }
  return text;
}

std::string_view nearest_word(std::string_view word, std::span<const std::string_view> known) {
  constexpr std::size_t longest = 64;  // The distance costs the product of the lengths.
  if (word.size() > longest) return {};
  std::string_view nearest;
  std::size_t least = std::max<std::size_t>(2, word.size() / 3) + 1;
  for (const std::string_view candidate : known) {
    // Who leaves out the unit or the "_file" means the same setting.
    const bool is_stem = candidate.starts_with(word) && candidate.substr(word.size()).starts_with('_');
    const std::size_t steps = is_stem ? 1 : distance(word, candidate);
    if (steps >= least || steps >= candidate.size()) continue;
    least = steps;
    nearest = candidate;
  }
  return nearest;
}

std::optional<tcp_address> parse_tcp_address(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto port = parse_port(text.substr(colon + 1));
  std::string_view host = text.substr(0, colon);
  if (!port) return std::nullopt;
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    const auto is_allowed = [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == ':' || c == '.';
    };
    if (host.size() > 45 || host.find(':') == std::string_view::npos || !std::all_of(host.begin(), host.end(), is_allowed))
      return std::nullopt;
  } else if (!is_host(host)) {
    return std::nullopt;
  }
  return tcp_address{std::string(host), *port};
}

std::optional<std::string> fault_of_origin(std::string_view text) {
  constexpr std::string_view form =
      "is no origin: write scheme, host and port as a browser sends them, such as \"https://app.example.org\"";
  const std::string_view scheme = text.starts_with("https://") ? "https://" : text.starts_with("http://") ? "http://" : "";
  if (scheme.empty()) return std::string(form);
  const std::string_view rest = text.substr(scheme.size());
  const bool has_port = rest.ends_with(']') ? false : rest.find(':') != std::string_view::npos;
  const auto address = parse_tcp_address(has_port ? std::string(rest) : std::string(rest) + ":1");
  const bool has_capitals = std::any_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
  if (!address || address->port == 0 || has_capitals) return std::string(form);
  const std::uint16_t usual = scheme == "https://" ? 443 : 80;
  if (has_port && address->port == usual) return "names the scheme's usual port, which browsers leave out";
  return std::nullopt;
}

}  // namespace careteam::runtime

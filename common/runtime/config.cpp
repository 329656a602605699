#include "runtime/config.hpp"

#include <toml++/toml.h>
#include <unistd.h>

#include <algorithm>
#include <boost/throw_exception.hpp>
#include <charconv>
#include <fstream>
#include <stdexcept>
#include <type_traits>

#include "runtime/printable_text.hpp"
#include "runtime/settings.hpp"

namespace careteam::runtime {
namespace {

constexpr std::size_t max_quoted_bytes = 80;
constexpr std::size_t longest_socket_path = 107;  // sockaddr_un holds 108 bytes with the terminating zero.

std::string in_quotes(std::string_view text) {
  return "\"" + printable(text, max_quoted_bytes) + "\"";
}

std::string full_name(const setting& one) {
  return std::string(one.section) + "." + std::string(one.key);
}

bool is_wildcard(const std::string& host) {
  return host == "0.0.0.0" || host == "::";
}

bool is_loopback(const std::string& host) {
  return host.starts_with("127.") || host == "::1";
}

/// Why a value is none for a setting; nothing: it was taken over.
using fault = std::optional<std::string>;

/// Reads values of one file.
class value_reader {
 public:
  value_reader(config& into, std::filesystem::path folder) : into_(into), folder_(std::move(folder)) {}

  fault take(const setting& one, const toml::node& node) {
    return std::visit([&](const auto& kind) { return take(one, kind, node); }, one.kind);
  }

 private:
  static fault unexpected(const setting& one) { return "must be " + describe_values(one); }

  fault take_number(const setting& one, const toml::node& node, std::int64_t least, std::int64_t most, std::int64_t& number) {
    if (!node.is_integer()) return "must be a whole number, " + describe_values(one);
    number = node.as_integer()->get();
    if (number < least || number > most) return "is " + std::to_string(number) + "; allowed is " + describe_values(one);
    return std::nullopt;
  }

  fault take(const setting& one, const count_setting& kind, const toml::node& node) {
    std::int64_t number = 0;
    if (fault wrong = take_number(one, node, kind.least, kind.most, number)) return wrong;
    kind.field(into_) = static_cast<std::size_t>(number);
    return std::nullopt;
  }

  fault take(const setting& one, const milliseconds_setting& kind, const toml::node& node) {
    std::int64_t number = 0;
    if (fault wrong = take_number(one, node, kind.least, kind.most, number)) return wrong;
    kind.field(into_) = std::chrono::milliseconds(number);
    return std::nullopt;
  }

  fault take(const setting& one, const flag_setting& kind, const toml::node& node) {
    if (!node.is_boolean()) return unexpected(one);
    kind.field(into_) = node.as_boolean()->get();
    return std::nullopt;
  }

  fault take(const setting& one, const text_setting& kind, const toml::node& node) {
    if (!node.is_string()) return unexpected(one);
    const std::string& text = node.as_string()->get();
    if (fault wrong = kind.check(text)) return wrong;
    kind.field(into_) = text;
    return std::nullopt;
  }

  fault take(const setting& one, const path_setting& kind, const toml::node& node) {
    if (!node.is_string()) return unexpected(one);
    return take_path(node.as_string()->get(), kind.field(into_));
  }

  fault take(const setting& one, const listen_setting& kind, const toml::node& node) {
    if (!node.is_string()) return unexpected(one);
    auto address = parse_tcp_address(node.as_string()->get());
    if (!address || !is_numeric_address(address->host)) return unexpected(one);
    kind.field(into_) = std::move(*address);
    return std::nullopt;
  }

  fault take(const setting& one, const redis_setting& kind, const toml::node& node) {
    if (!node.is_string()) return unexpected(one);
    const std::string& text = node.as_string()->get();
    redis_address& endpoint = kind.field(into_);
    if (text.empty()) {
      endpoint = std::monostate{};
      return std::nullopt;
    }
    if (text.starts_with("unix:")) {
      unix_address address;
      if (fault wrong = take_path(text.substr(5), address.path)) return wrong;
      if (address.path.native().size() > longest_socket_path) return "is too long for the path of a socket (107 bytes)";
      endpoint = std::move(address);
      return std::nullopt;
    }
    auto address = parse_tcp_address(text);
    if (!address || address->port == 0) return unexpected(one);
    endpoint = std::move(*address);
    return std::nullopt;
  }

  fault take(const setting& one, const list_setting& kind, const toml::node& node) {
    const toml::array* list = node.as_array();
    if (!list) return unexpected(one);
    if (list->size() > max_listed) return "holds more than " + std::to_string(max_listed) + " " + std::string(kind.elements);
    std::vector<std::string> elements;
    for (const toml::node& element : *list) {
      if (!element.is_string()) return unexpected(one);
      const std::string& text = element.as_string()->get();
      if (const fault wrong = kind.check(text)) return "holds " + in_quotes(text) + ", which " + *wrong;
      if (std::find(elements.begin(), elements.end(), text) != elements.end()) return "holds " + in_quotes(text) + " twice";
      elements.push_back(text);
    }
    kind.field(into_) = std::move(elements);
    return std::nullopt;
  }

  fault take(const setting& one, const level_setting& kind, const toml::node& node) {
    if (!node.is_string()) return unexpected(one);
    for (const log_level level : {log_level::debug, log_level::info, log_level::warning, log_level::error}) {
      if (node.as_string()->get() != name_of(level)) continue;
      kind.field(into_) = level;
      return std::nullopt;
    }
    return unexpected(one);
  }

  fault take_path(const std::string& text, std::filesystem::path& path) {
    if (text.empty()) return "must not be empty";
    if (text.size() > max_setting_text_bytes) return "is too long";
    // A zero byte would cut the path short where it is opened.
    if (text.find('\0') != std::string::npos) return "must not hold a zero byte";
    path = (folder_ / text).lexically_normal();
    return std::nullopt;
  }

  config& into_;
  std::filesystem::path folder_;
};

/// Reads one document: walks it by the table of settings.
class document_reader {
 public:
  document_reader(const toml::table& document, const std::filesystem::path& file, const environment& variables, required_settings required)
      : document_(document), file_(file), variables_(variables), required_(required) {}

  boost::system::result<config, config_error> read() {
    if (auto wrong = unknown_key()) return *wrong;
    if (auto wrong = unknown_variable()) return *wrong;
    config read;
    value_reader values(read, std::filesystem::absolute(file_).parent_path());
    for (const setting& one : settings()) {
      if (const auto variable = variables_.find(variable_of(one)); variable != variables_.end()) {
        if (const fault wrong = take_variable(one, variable->second, values)) return config_error{variable->first, 0, 0, *wrong};
        continue;
      }
      const toml::node* node = find(one.section, one.key);
      const bool lacking = one.need == presence::required && required_ == required_settings::asked_for;
      if (!node && lacking) return at({}, full_name(one) + " is required: " + std::string(one.help));
      if (!node) continue;
      if (const fault wrong = values.take(one, *node)) return at(node->source().begin, full_name(one) + " " + *wrong);
    }
    if (auto wrong = bad_combination(read)) return *wrong;
    return read;
  }

 private:
  config_error at(const toml::source_position& where, std::string message) const {
    return {file_, where.line, where.line == 0 ? 0 : where.column, std::move(message)};
  }

  const toml::node* find(std::string_view section, std::string_view key) const { return document_[section][key].node(); }

  /// Names the first of the given keys that the file sets: the others have their defaults.
  config_error at_key(std::string_view section, std::initializer_list<std::string_view> keys, std::string message) const {
    for (const std::string_view key : keys) {
      if (const toml::node* node = find(section, key)) return at(node->source().begin, std::move(message));
    }
    return at({}, std::move(message));
  }

  /// The text of a variable as the value that it would be in the file.
  static fault take_variable(const setting& one, const std::string& text, value_reader& values) {
    const bool is_number = std::holds_alternative<count_setting>(one.kind) || std::holds_alternative<milliseconds_setting>(one.kind);
    if (is_number) {
      std::int64_t number = 0;
      const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
      if (failed != std::errc() || end != text.data() + text.size()) return "must be a whole number, " + describe_values(one);
      return values.take(one, toml::value<std::int64_t>(number));
    }
    if (std::holds_alternative<flag_setting>(one.kind)) {
      if (text != "true" && text != "false") return "must be " + describe_values(one);
      return values.take(one, toml::value<bool>(text == "true"));
    }
    if (std::holds_alternative<list_setting>(one.kind)) {
      toml::array list;
      for (std::size_t from = 0; from < text.size();) {
        const auto comma = std::min(text.find(',', from), text.size());
        list.push_back(text.substr(from, comma - from));
        from = comma + 1;
      }
      return values.take(one, list);
    }
    return values.take(one, toml::value<std::string>(text));
  }

  std::optional<config_error> unknown_variable() const {
    std::vector<std::string> names;
    for (const setting& one : settings()) names.push_back(variable_of(one));
    const std::vector<std::string_view> known(names.begin(), names.end());
    for (const auto& variable : variables_) {
      const std::string& name = variable.first;
      const auto ours = [&](const setting& one) {
        return name.starts_with(variable_of(one).substr(0, std::string_view("CARETEAM_").size() + one.section.size() + 1));
      };
      if (std::find(names.begin(), names.end(), name) != names.end() || std::none_of(settings().begin(), settings().end(), ours)) continue;
      return config_error{printable(name, max_quoted_bytes), 0, 0, "is the variable of no setting" + hint(name, known)};
    }
    return std::nullopt;
  }

  std::optional<config_error> unknown_key() const {
    std::vector<std::string_view> sections;
    for (const setting& one : settings()) {
      if (sections.empty() || sections.back() != one.section) sections.push_back(one.section);
    }
    for (const auto& [name, node] : document_) {
      if (std::find(sections.begin(), sections.end(), name.str()) == sections.end()) {
        return at(name.source().begin, "[" + printable(name.str(), max_quoted_bytes) + "] is no section" + hint(name.str(), sections));
      }
      const toml::table* section = node.as_table();
      if (!section) return at(name.source().begin, std::string(name.str()) + " must be a section: [" + std::string(name.str()) + "]");
      if (auto wrong = unknown_key_in(*section, name.str())) return wrong;
    }
    return std::nullopt;
  }

  std::optional<config_error> unknown_key_in(const toml::table& section, std::string_view section_name) const {
    std::vector<std::string_view> here;
    for (const setting& one : settings()) {
      if (one.section == section_name) here.push_back(one.key);
    }
    for (const auto& [key, node] : section) {
      const std::string_view word = key.str();
      if (std::find(here.begin(), here.end(), word) != here.end()) continue;
      std::string message = std::string(section_name) + "." + printable(word, max_quoted_bytes) + " is no setting";
      const auto elsewhere = std::find_if(settings().begin(), settings().end(), [&](const setting& one) { return one.key == word; });
      if (elsewhere != settings().end()) {
        message += "; it belongs in [" + std::string(elsewhere->section) + "]";
      } else {
        message += hint(word, here);
      }
      return at(key.source().begin, std::move(message));
    }
    return std::nullopt;
  }

  static std::string hint(std::string_view word, std::span<const std::string_view> known) {
    const std::string_view nearest = nearest_word(word, known);
    return nearest.empty() ? std::string() : "; did you mean " + std::string(nearest) + "?";
  }

  std::optional<config_error> bad_combination(const config& all) const {
    const auto& server = all.server;
    const bool same_host =
        server.listen.host == server.admin_listen.host || is_wildcard(server.listen.host) || is_wildcard(server.admin_listen.host);
    if (server.listen.port != 0 && server.listen.port == server.admin_listen.port && same_host) {
      return at_key("server", {"admin_listen", "listen"}, "server.admin_listen takes the port of server.listen");
    }
    if (server.tls_certificate_file.empty() != server.tls_key_file.empty()) {
      return at_key("server", {"tls_certificate_file", "tls_key_file"},
                    "server.tls_certificate_file and server.tls_key_file go together: a certificate and its key, or neither");
    }
    if (server.max_connections_per_person > server.max_connections) {
      return at_key("server", {"max_connections_per_person", "max_connections"},
                    "server.max_connections_per_person is above server.max_connections");
    }
    if (server.send_queue_bytes < server.max_frame_bytes) {
      return at_key("server", {"send_queue_bytes", "max_frame_bytes"},
                    "server.send_queue_bytes is below server.max_frame_bytes: one message of a client could close its readers");
    }
    if (all.redis.presence_refresh * 2 > all.redis.presence_lease) {
      return at_key("redis", {"presence_refresh_ms", "presence_lease_ms"},
                    "redis.presence_refresh_ms is above half of redis.presence_lease_ms: one lost renewal would end a presence");
    }
    if (!all.redis.username.empty() && all.redis.password_file.empty()) {
      return at_key("redis", {"username"}, "redis.username needs redis.password_file");
    }
    const bool has_redis = !std::holds_alternative<std::monostate>(all.redis.endpoint);
    if (!has_redis && !all.redis.password_file.empty()) {
      return at_key("redis", {"password_file"}, "redis.password_file is set, but redis.endpoint is \"\"");
    }
    if (!has_redis && !all.redis.cluster_key_file.empty()) {
      return at_key("redis", {"cluster_key_file"}, "redis.cluster_key_file is set, but redis.endpoint is \"\"");
    }
    return bad_notifier(all.notifier);
  }

  std::optional<config_error> bad_notifier(const config::notifier_section& notifier) const {
    if (!notifier.smtp_url.empty() && notifier.smtp_from.empty()) {
      return at_key("notifier", {"smtp_url"}, "notifier.smtp_url needs notifier.smtp_from");
    }
    if (notifier.smtp_username.empty() != notifier.smtp_password_file.empty()) {
      return at_key("notifier", {"smtp_username", "smtp_password_file"},
                    "notifier.smtp_username and notifier.smtp_password_file go together: a login and its password, or neither");
    }
    if (notifier.webhook_url.empty() != notifier.webhook_secret_file.empty()) {
      return at_key("notifier", {"webhook_url", "webhook_secret_file"},
                    "notifier.webhook_url and notifier.webhook_secret_file go together: a gateway and what signs for it, or neither");
    }
    if (notifier.worker_socket.native().size() > longest_socket_path) {
      return at_key("notifier", {"worker_socket"}, "notifier.worker_socket is too long for the path of a socket (107 bytes)");
    }
    if (!notifier.worker_user.empty() && notifier.worker_socket.empty()) {
      return at_key("notifier", {"worker_user"}, "notifier.worker_user needs notifier.worker_socket");
    }
    return std::nullopt;
  }

  const toml::table& document_;
  const std::filesystem::path& file_;
  const environment& variables_;
  required_settings required_;
};

}  // namespace

std::string to_text(const tcp_address& address) {
  const bool is_v6 = address.host.find(':') != std::string::npos;
  return (is_v6 ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
}

std::string to_text(const redis_address& address) {
  if (const auto* tcp = std::get_if<tcp_address>(&address)) return to_text(*tcp);
  if (const auto* local = std::get_if<unix_address>(&address)) return "unix:" + local->path.string();
  return "";
}

std::string config_error::to_text() const {
  std::string text = file.string();
  if (line != 0) text += ":" + std::to_string(line) + ":" + std::to_string(column);
  return text + ": " + message;
}

void throw_exception_from_error(const config_error& error, const boost::source_location& where) {
  boost::throw_with_location(std::runtime_error(error.to_text()), where);
}

environment process_environment() {
  environment variables;
  for (char** one = environ; one && *one; ++one) {
    const std::string_view text(*one);
    const auto equals = text.find('=');
    if (!text.starts_with("CARETEAM_") || equals == std::string_view::npos) continue;
    variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

boost::system::result<config, config_error> parse_config(std::string_view text, const std::filesystem::path& file,
                                                         const environment& variables, required_settings required) {
  if (text.size() > max_config_file_bytes) return config_error{file, 0, 0, "is too large for a configuration file"};
  try {
    const toml::table document = toml::parse(text, file.string());
    return document_reader(document, file, variables, required).read();
  } catch (const toml::parse_error& failed) {
    const auto where = failed.source().begin;
    return config_error{file, where.line, where.column, printable(failed.description(), max_setting_text_bytes)};
  }
}

boost::system::result<config, config_error> load_config(const std::filesystem::path& file, const environment& variables,
                                                        required_settings required) {
  std::error_code failed;
  if (!std::filesystem::is_regular_file(file, failed)) {
    return config_error{file, 0, 0, failed ? failed.message() : "is not a file"};
  }
  std::ifstream stream(file, std::ios::binary);
  std::string text(max_config_file_bytes + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (stream.bad() || !stream.eof()) {
    return config_error{file, 0, 0, stream.bad() || !stream.is_open() ? "cannot be read" : "is too large for a configuration file"};
  }
  text.resize(static_cast<std::size_t>(stream.gcount()));
  return parse_config(text, file, variables, required);
}

std::vector<std::string> doubtful_settings(const config& settings) {
  const auto& server = settings.server;
  const auto& limits = settings.limits;
  std::vector<std::string> doubts;
  const auto doubt = [&](bool is_so, std::string what) {
    if (is_so) doubts.push_back(std::move(what));
  };
  doubt(!is_loopback(server.admin_listen.host),
        "server.admin_listen: " + to_text(server.admin_listen) +
            " is no loopback address: whoever reaches it reads metrics and health without a password");
  doubt(server.idle_timeout < server.hello_timeout,
        "server.idle_timeout_ms is below server.hello_timeout_ms: who says nothing is given up before a Hello is overdue");
  doubt(server.max_connections_per_address > server.max_connections,
        "server.max_connections_per_address is above server.max_connections: it has no effect");
  doubt(limits.device_commands_per_minute > limits.commands_per_minute,
        "limits.device_commands_per_minute is above limits.commands_per_minute: it has no effect");
  doubt(limits.device_commands_at_once > limits.commands_at_once,
        "limits.device_commands_at_once is above limits.commands_at_once: it has no effect");
  doubt(settings.calendar.hours.empty() && !settings.calendar.holidays.empty(),
        "calendar.holidays has no effect without calendar.hours: all time is working time");
  for (const auto& origin : server.allowed_origins) {
    const std::string_view host = std::string_view(origin).substr(std::min(origin.size(), std::string_view("http://").size()));
    const bool is_local = host.starts_with("localhost") || host.starts_with("127.") || host.starts_with("[::1]");
    doubt(origin.starts_with("http://") && !is_local,
          "server.allowed_origins holds " + origin + ": a page that comes without TLS can be changed on its way");
  }
  return doubts;
}

std::optional<config_error> missing_for_calling(const config& settings, const std::filesystem::path& file) {
  if (settings.notifier.worker_socket.empty()) {
    return config_error{file, 0, 0, "notifier.worker_socket is required to call: without it `careteam serve` calls people itself"};
  }
  if (!settings.notifier.has_channel()) {
    return config_error{file, 0, 0, "notifier.smtp_url or notifier.webhook_url is required to call: there is no way out"};
  }
  return std::nullopt;
}

std::optional<config_error> missing_for_serving(const config& settings, const std::filesystem::path& file) {
  if (settings.identity.jwks_file.empty()) return config_error{file, 0, 0, "identity.jwks_file is required to serve"};
  if (settings.identity.issuer.empty()) return config_error{file, 0, 0, "identity.issuer is required to serve"};
  if (settings.identity.audience.empty()) return config_error{file, 0, 0, "identity.audience is required to serve"};
  return std::nullopt;
}

}  // namespace careteam::runtime

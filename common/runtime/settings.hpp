// The table of settings: from it a configuration file is read, checked and documented.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "runtime/config.hpp"

namespace careteam::runtime {

/// Why a text is no value of a setting; nothing: it is one.
using text_check = std::optional<std::string> (*)(std::string_view text);

/// What a setting holds: where it goes, and what is allowed.
struct count_setting {
  std::size_t& (*field)(config&);
  std::int64_t least;
  std::int64_t most;
};
struct milliseconds_setting {
  std::chrono::milliseconds& (*field)(config&);
  std::int64_t least;
  std::int64_t most;
};
struct flag_setting {
  bool& (*field)(config&);
};
struct text_setting {
  std::string& (*field)(config&);
  text_check check;
};
struct path_setting {
  std::filesystem::path& (*field)(config&);
};
/// host:port; the host is a numeric address, because a name could stand for several.
struct listen_setting {
  tcp_address& (*field)(config&);
};
struct redis_setting {
  redis_address& (*field)(config&);
};
struct list_setting {
  std::vector<std::string>& (*field)(config&);
  text_check check;             ///< Of one element.
  std::string_view elements;    ///< "origins"
  std::string_view an_element;  ///< "\"https://app.example.org\""
};
struct level_setting {
  log_level& (*field)(config&);
};

enum class presence { optional, required };

struct setting {
  std::string_view section;
  std::string_view key;
  std::variant<count_setting, milliseconds_setting, flag_setting, text_setting, path_setting, listen_setting, redis_setting, list_setting,
               level_setting>
      kind;
  std::string_view help;     ///< One sentence or two: what it is, and why one would change it.
  std::string_view example;  ///< As in the file; for settings without a default.
  presence need = presence::optional;
};

/// All settings, those of a section together.
std::span<const setting> settings();

/// The range or the form of a setting's values, for people: "1000 to 60000 milliseconds".
std::string describe_values(const setting& one);

/// The environment variable that takes a setting's place: CARETEAM_SERVER_LISTEN.
std::string variable_of(const setting& one);

/// All settings as a Markdown table: name, variable, values, default, and what it is.
std::string tabulate_settings();

/// A complete configuration file with every setting, its help, range and default. Settings without a default are shown as comments.
std::string document_settings();

/// The entry of `known` that somebody who wrote `word` may have meant; empty: none is near.
std::string_view nearest_word(std::string_view word, std::span<const std::string_view> known);

/// "host:port" or "[v6]:port". Nothing: it is neither.
std::optional<tcp_address> parse_tcp_address(std::string_view text);

inline constexpr std::size_t max_listed = 64;
inline constexpr std::size_t max_setting_text_bytes = 1024;

bool is_numeric_address(const std::string& host);

/// Why a text is no web origin as browsers send it (RFC 6454 §6.2): scheme, host, and port only if it is not the scheme's own.
std::optional<std::string> fault_of_origin(std::string_view text);

}  // namespace careteam::runtime

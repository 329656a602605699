#include "gateway/json_keys.hpp"

#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>
#include <cmath>
#include <string>
#include <vector>

namespace careteam::gateway {
namespace {

namespace json = boost::json;
using json::error_code;

/// What protobuf takes "patient_id" and "patientId" for.
std::string field_of(std::string_view key) {
  std::string name;
  for (const char c : key) {
    if (c != '_') name.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
  }
  return name;
}

/// Hears the events of a parse and remembers the names of the objects that are open.
struct key_listener {
  static constexpr std::size_t max_array_size = std::size_t(-1);
  static constexpr std::size_t max_object_size = std::size_t(-1);
  static constexpr std::size_t max_string_size = std::size_t(-1);
  static constexpr std::size_t max_key_size = std::size_t(-1);

  bool stop(json_verdict why, error_code& failed) {
    found = why;
    failed = json::error::syntax;
    return false;
  }

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }
  bool on_object_begin(error_code&) {
    open_at.push_back(names.size());
    return true;
  }
  bool on_object_end(std::size_t, error_code&) {
    names.resize(open_at.back());
    open_at.pop_back();
    return true;
  }
  bool on_array_begin(error_code&) { return true; }
  bool on_array_end(std::size_t, error_code&) { return true; }
  bool on_key_part(json::string_view part, std::size_t, error_code&) {
    key.append(part.data(), part.size());
    return true;
  }
  bool on_key(json::string_view part, std::size_t, error_code& failed) {
    key.append(part.data(), part.size());
    auto name = field_of(key);
    key.clear();
    const auto first = names.begin() + static_cast<std::ptrdiff_t>(open_at.back());
    if (std::find(first, names.end(), name) != names.end()) return stop(json_verdict::repeated_key, failed);
    if (names.size() - open_at.back() == max_json_names) return stop(json_verdict::too_many_names, failed);
    names.push_back(std::move(name));
    return true;
  }
  bool on_string_part(json::string_view, std::size_t, error_code&) { return true; }
  bool on_string(json::string_view, std::size_t, error_code&) { return true; }
  bool on_number_part(json::string_view, error_code&) { return true; }
  bool on_int64(std::int64_t, json::string_view, error_code&) { return true; }
  bool on_uint64(std::uint64_t, json::string_view, error_code&) { return true; }
  bool on_double(double value, json::string_view, error_code& failed) {
    // This reader makes "not a number" of 0e999, another one 0.
    return std::isfinite(value) || stop(json_verdict::not_json, failed);
  }
  bool on_bool(bool, error_code&) { return true; }
  bool on_null(error_code&) { return true; }
  bool on_comment_part(json::string_view, error_code&) { return true; }
  bool on_comment(json::string_view, error_code&) { return true; }

  std::string key;
  std::vector<std::string> names;               ///< Of all open objects, outer ones first.
  std::vector<std::size_t> open_at{};           ///< Where the names of each open object begin.
  json_verdict found = json_verdict::not_json;  ///< If the parse fails.
};

}  // namespace

json_verdict check_json_keys(std::string_view text) {
  json::parse_options options;
  options.max_depth = max_json_depth;
  json::basic_parser<key_listener> parser(options);
  error_code failed;
  const auto read = parser.write_some(false, text.data(), text.size(), failed);
  if (failed) return parser.handler().found;
  return read == text.size() ? json_verdict::good : json_verdict::not_json;
}

}  // namespace careteam::gateway

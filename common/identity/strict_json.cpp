#include "identity/strict_json.hpp"

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/parse.hpp>
#include <boost/throw_exception.hpp>
#include <cmath>
#include <limits>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

namespace careteam::identity {
namespace {

using boost::json::error_code;

/// Sees the document go by and stops it at a repeated name or above a limit.
struct name_checker {
  // The parser's own limits; the document's size bounds them.
  static constexpr std::size_t max_object_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_array_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_key_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_string_size = std::numeric_limits<std::size_t>::max();

  std::size_t names_left = 0;
  std::vector<std::set<std::string>> open_objects;
  std::string name;
  json_fault found = json_fault::malformed;

  bool stop(json_fault fault, error_code& failed) {
    found = fault;
    failed = boost::json::error::syntax;
    return false;
  }

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }
  bool on_array_begin(error_code&) { return true; }
  bool on_array_end(std::size_t, error_code&) { return true; }
  bool on_object_begin(error_code&) {
    open_objects.emplace_back();
    return true;
  }
  bool on_object_end(std::size_t, error_code&) {
    open_objects.pop_back();
    return true;
  }
  bool on_key_part(boost::json::string_view part, std::size_t, error_code&) {
    name.append(part.data(), part.size());
    return true;
  }
  bool on_key(boost::json::string_view part, std::size_t, error_code& failed) {
    name.append(part.data(), part.size());
    if (names_left == 0) return stop(json_fault::too_large, failed);
    --names_left;
    if (!open_objects.back().insert(std::move(name)).second) return stop(json_fault::repeated_name, failed);
    name.clear();
    return true;
  }
  bool on_string_part(boost::json::string_view, std::size_t, error_code&) { return true; }
  bool on_string(boost::json::string_view, std::size_t, error_code&) { return true; }
  bool on_number_part(boost::json::string_view, error_code&) { return true; }
  bool on_int64(std::int64_t, boost::json::string_view, error_code&) { return true; }
  bool on_uint64(std::uint64_t, boost::json::string_view, error_code&) { return true; }
  bool on_double(double value, boost::json::string_view, error_code& failed) {
    // The parser makes "not a number" of 0e999; nobody can mean that.
    return std::isfinite(value) || stop(json_fault::malformed, failed);
  }
  bool on_bool(bool, error_code&) { return true; }
  bool on_null(error_code&) { return true; }
  bool on_comment_part(boost::json::string_view, error_code&) { return true; }
  bool on_comment(boost::json::string_view, error_code&) { return true; }
};

}  // namespace

void throw_exception_from_error(json_fault, const boost::source_location& where) {
  boost::throw_with_location(std::runtime_error("no acceptable JSON object"), where);
}

boost::system::result<boost::json::object, json_fault> parse_strict_object(std::string_view text, const json_limits& limits) {
  if (text.size() > limits.max_bytes) return json_fault::too_large;
  boost::json::parse_options options;
  options.max_depth = limits.max_depth;

  boost::json::basic_parser<name_checker> checker(options);
  checker.handler().names_left = limits.max_names;
  error_code failed;
  const std::size_t read = checker.write_some(false, text.data(), text.size(), failed);
  if (failed == boost::json::error::too_deep) return json_fault::too_deep;
  if (failed) return checker.handler().found;
  if (read != text.size()) return json_fault::malformed;

  boost::json::value document = boost::json::parse(boost::json::string_view(text.data(), text.size()), failed, {}, options);
  if (failed) return json_fault::malformed;
  if (!document.is_object()) return json_fault::not_an_object;
  return std::move(document.get_object());
}

}  // namespace careteam::identity

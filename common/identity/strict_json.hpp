// JSON from strangers: where two readers could understand two things, it is refused.
#pragma once

#include <boost/json/fwd.hpp>
#include <boost/system/result.hpp>
#include <cstddef>
#include <string_view>

namespace careteam::identity {

enum class json_fault {
  malformed = 1,  ///< No JSON (RFC 8259), or more than one value.
  not_an_object,
  repeated_name,  ///< An object, at any depth, has a name twice: one reader takes the first, another the last.
  too_deep,
  too_large
};

/// For result::value(): throws std::runtime_error.
[[noreturn]] void throw_exception_from_error(json_fault fault, const boost::source_location& where);

struct json_limits {
  std::size_t max_bytes;
  std::size_t max_depth;  ///< Of nested arrays and objects, the outermost included.
  std::size_t max_names;  ///< Of all objects together.
};

/// Reads one JSON object. Names are compared as the text they stand for ("\u0061" is "a").
boost::system::result<boost::json::object, json_fault> parse_strict_object(std::string_view text, const json_limits& limits);

}  // namespace careteam::identity

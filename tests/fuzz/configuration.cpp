// A configuration file and the environment beside it.
//
//   input: lines of NAME=VALUE · NUL · the file's text; without a NUL it is all the file's text
//
// What is accepted keeps its promises (ranges, combinations); what is refused names a place that is in the text.
#include <algorithm>

#include "fuzz.hpp"
#include "runtime/config.hpp"
#include "runtime/settings.hpp"

namespace careteam::fuzz {
namespace {

using namespace runtime;

void check_ranges(const config& read) {
  for (const auto& one : settings()) {
    config copy = read;
    if (const auto* count = std::get_if<count_setting>(&one.kind)) {
      const auto value = static_cast<std::int64_t>(count->field(copy));
      require(value >= count->least && value <= count->most, "a number is in its range");
    } else if (const auto* span = std::get_if<milliseconds_setting>(&one.kind)) {
      const auto value = span->field(copy).count();
      require(value >= span->least && value <= span->most, "a time is in its range");
    } else if (const auto* text = std::get_if<text_setting>(&one.kind)) {
      const auto& value = text->field(copy);
      require(value == text->field(*std::make_unique<config>()) || !text->check(value), "a text is one that is allowed");
    } else if (const auto* path = std::get_if<path_setting>(&one.kind)) {
      const auto& value = path->field(copy).native();
      require(value.empty() || value.front() == '/', "a path is absolute");
      require(value.find('\0') == std::string::npos, "a path has no zero byte");
    }
  }
  require(read.server.allowed_origins.size() <= max_listed, "the origins are bounded");
  require(read.server.send_queue_bytes >= read.server.max_frame_bytes, "one frame fits into the queue");
  require(parse_tcp_address(to_text(read.server.listen)) == read.server.listen, "an address reads back as itself");
}

}  // namespace
}  // namespace careteam::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace careteam;
  fuzz::byte_source input(fuzz::text_of(bytes, size));
  runtime::environment variables;
  if (input.rest().find('\0') != std::string_view::npos) {
    fuzz::byte_source lines(input.until('\0'));
    while (!lines.empty()) {
      fuzz::byte_source line(lines.until('\n'));
      const auto name = line.until('=');
      variables[std::string(name)] = std::string(line.rest());
    }
  }
  const auto text = input.rest();
  const auto read = runtime::parse_config(text, "/etc/careteam/careteam.toml", variables);
  if (read) {
    fuzz::check_ranges(*read);
    (void)runtime::missing_for_serving(*read, "/etc/careteam/careteam.toml");
    return 0;
  }
  const auto& error = read.error();
  const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
  fuzz::require(!error.message.empty() && error.message.size() < 4096, "an error says what is wrong, in few words");
  // toml++ also takes VT, FF, NEL, LS and PS for line ends.
  fuzz::require(error.line <= text.size() + 1 && (error.line <= lines || text.find_first_of("\v\f\x85\xa8\xa9") != std::string_view::npos),
                "an error's line is in the file");
  fuzz::require((error.line == 0) == (error.column == 0), "a line has a column");
  fuzz::require(!error.to_text().empty(), "an error has a text");
  return 0;
}

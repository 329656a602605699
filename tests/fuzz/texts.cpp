// Small readers: ids, base64url, FHIR times, addresses, repeated JSON names, and a record's snapshot.
//
//   input: u8 kind · the text or the bytes
//
// What is read is written back as the text that it was, or means what another reader says.
#include <algorithm>
#include <boost/json/parse.hpp>
#include <cctype>

#include "admin/fhir_time.hpp"
#include "care/record.hpp"
#include "care/time.hpp"
#include "fuzz.hpp"
#include "gateway/json_keys.hpp"
#include "identity/base64url.hpp"
#include "runtime/settings.hpp"
#include "runtime/uuid.hpp"

namespace careteam::fuzz {
namespace {

void check_uuid(std::string_view text) {
  const auto id = runtime::parse_uuid7(text);
  if (!id) return;
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  require(runtime::uuid_text(*id) == lower, "an id is its text");
  (void)runtime::time_of(*id);
}

void check_base64url(std::string_view text) {
  if (const auto bytes = identity::decode_base64url(text)) require(identity::encode_base64url(*bytes) == text, "bytes have one text");
}

void check_time(std::string_view text) {
  const auto read = admin::parse_fhir_time(text);
  if (!read) return;
  require(!admin::earlier(read->after, read->first), "a time does not end before it starts");
  require(read->first.nanos() >= 0 && read->first.nanos() < 1'000'000'000, "nanoseconds are less than a second");
  // Hours of time zones around the first and the last day.
  require(read->first.seconds() >= -2'208'988'800 - 50'400, "a time lies after 1900");
  require(read->after.seconds() <= 7'289'654'400 + 50'400, "a time lies before 2201");
}

void check_address(std::string_view text) {
  if (const auto address = runtime::parse_tcp_address(text)) {
    require(runtime::parse_tcp_address(runtime::to_text(*address)) == address, "an address reads back as itself");
  }
}

std::size_t longest_run_of_digits(std::string_view text) {
  std::size_t longest = 0, run = 0;
  for (const char c : text) longest = std::max(longest, run = c >= '0' && c <= '9' ? run + 1 : 0);
  return longest;
}

void check_names(std::string_view text) {
  boost::system::error_code failed;
  boost::json::parse_options options;
  options.max_depth = gateway::max_json_depth;
  (void)boost::json::parse(boost::json::string_view(text.data(), text.size()), failed, {}, options);
  const auto verdict = gateway::check_json_keys(text);
  // A name that is refused ends the reading, and what follows may be anything.
  if (verdict == gateway::json_verdict::good) require(!failed, "what is good is JSON");
  // 0e999 is JSON, and no number that we take; so are 400 digits.
  const bool huge = text.find_first_of("eE") != std::string_view::npos || longest_run_of_digits(text) > 300;
  if (verdict == gateway::json_verdict::not_json) require(failed || huge, "what is no JSON is none for another reader");
}

void check_snapshot(std::string_view bytes) {
  const auto state = care::from_snapshot(bytes);
  if (!state) return;
  const auto written = care::to_snapshot(*state);
  const auto again = care::from_snapshot(written);
  require(again && *again == *state, "a snapshot that is read is written as the same state");
  (void)care::readable_streams(*state, state->organization, "nina", care::earliest_time);
}

}  // namespace
}  // namespace careteam::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace careteam::fuzz;
  byte_source input(text_of(bytes, size));
  const auto kind = input.byte() % 6;
  const auto text = input.rest();
  if (kind == 0) check_uuid(text);
  if (kind == 1) check_base64url(text);
  if (kind == 2) check_time(text);
  if (kind == 3) check_address(text);
  if (kind == 4) check_names(text);
  if (kind == 5) check_snapshot(text);
  return 0;
}

// What comes from outside about calls: a provider's signed report, a person's contact, their quiet hours, the name of what a call is about.
//
//   input: timestamp · NUL · signature · NUL · a text that is taken for each of them
//
// What is accepted fits where it goes (a header, a number, a row) and reads back as itself; nothing is authentic but what was signed.
#include <algorithm>

#include "care/notification.hpp"
#include "fuzz.hpp"
#include "notifier/callback.hpp"
#include "notifier/signature.hpp"

namespace careteam::fuzz {
namespace {

constexpr std::string_view secret = "0123456789abcdef";
constexpr std::chrono::system_clock::time_point now{std::chrono::seconds{1772366400}};

void check_signature(std::string_view timestamp, std::string_view signature, std::string_view body) {
  const bool authentic = notifier::is_authentic(secret, timestamp, signature, body, now);
  const auto right = notifier::signature_of(secret, timestamp, body);
  require(!authentic || signature == right, "only what was signed is authentic");
  const bool digits =
      !timestamp.empty() && timestamp.size() <= 10 && std::ranges::all_of(timestamp, [](char c) { return c >= '0' && c <= '9'; });
  require(!notifier::is_authentic(secret, timestamp, right, body, now) || digits || timestamp.size() > 10, "a time is a number");
}

void check_contact(std::string_view text) {
  const auto contact = care::parse_contact(text);
  if (!contact) return;
  require(contact->value.size() <= care::max_contact_bytes && !contact->value.empty(), "a contact has a value, and not a long one");
  require(std::ranges::all_of(contact->value, [](char c) { return c > 0x20 && c < 0x7F; }), "a contact can stand in a header");
  require(std::string(care::contact_code(contact->system)) + " " + contact->value == text, "a contact reads back as itself");
}

void check_rest(std::string_view text) {
  if (const auto report = notifier::parse_report(text))
    require(!report->id.empty() && report->id.size() <= 100, "a report names a delivery");
  if (const auto hours = care::parse_quiet_hours(text)) {
    require(hours->from.count() < 1440 && hours->until.count() < 1440, "quiet hours are of one day");
    require(!care::is_quiet(*hours, hours->until), "the end is not quiet");
  }
  if (const auto key = care::parse_obligation(text)) {
    const auto name = care::obligation_name(key->about, key->what);
    require(name.size() <= 100 && care::parse_obligation(name) == key, "the name of an obligation reads back as itself");
  }
}

}  // namespace
}  // namespace careteam::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace careteam;
  fuzz::byte_source input(fuzz::text_of(bytes, size));
  const auto timestamp = input.until('\0');
  const auto signature = input.until('\0');
  const auto text = input.rest();
  fuzz::check_signature(timestamp, signature, text);
  fuzz::check_contact(text);
  fuzz::check_rest(text);
  return 0;
}

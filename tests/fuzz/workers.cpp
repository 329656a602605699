// What `careteam serve` and a worker of the notifier take from each other's frames: an attempt that is to be made, how one ended.
//
//   input: a byte · a frame's content, as the worker (even) or the server (odd) reads it
//
// What is accepted reads back as itself, and a mail or a webhook's body of it has the lines and members that it should, and no others.
#include <boost/json.hpp>

#include "fuzz.hpp"
#include "notifier/email.hpp"
#include "notifier/webhook.hpp"
#include "notifier/worker_wire.hpp"

namespace careteam::fuzz {
namespace {

constexpr int mail_lines = 12;  ///< Eight headers, an empty line, three of text.

void check_mail(const notifier::message& what) {
  const auto text = notifier::email_text(what, "care@clinic.example");
  int lines = 0;
  for (std::size_t at = text.find('\n'); at != std::string::npos; at = text.find('\n', at + 1)) {
    require(at > 0 && text[at - 1] == '\r', "a line ends with CRLF");
    ++lines;
  }
  require(lines == mail_lines, "nothing adds a line to a mail");
  require(text.ends_with("Reference: " + what.id + "\r\n"), "a mail ends with its reference");
}

void check_webhook(const notifier::message& what) {
  const auto body = boost::json::parse(notifier::webhook_body(what)).as_object();
  require(body.size() == 5, "a webhook's body has five members");
  require(body.at("id").as_string() == what.id && body.at("to").as_string() == what.to.value, "they say what was to be sent, and to whom");
}

void check_attempt(const internal::Attempt& told) {
  const auto what = notifier::from_wire(told);
  if (!what) return;
  const auto again = notifier::to_wire(told.number(), *what, *what->timeout);
  require(
      again.SerializeAsString() ==
          [&] {
            auto known = told;
            known.DiscardUnknownFields();
            return known.SerializeAsString();
          }(),
      "an attempt reads back as itself");
  check_mail(*what);
  check_webhook(*what);
}

void check_verdict(const internal::AttemptVerdict& told) {
  const auto how = notifier::from_wire(told);
  if (!how) return;
  require(how->result != notifier::verdict::unknown, "no worker says that nobody knows");
  require(!how->not_before || how->result == notifier::verdict::again, "only what is tried again is put off");
  const auto again = notifier::from_wire(notifier::to_wire(told.number(), *how));
  require(again && again->result == how->result && again->not_before == how->not_before, "a verdict reads back as itself");
}

}  // namespace
}  // namespace careteam::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace careteam;
  fuzz::byte_source input(fuzz::text_of(bytes, size));
  const bool at_worker = input.below(2) == 0;
  const std::string content(input.rest());
  if (internal::ToWorker frame; at_worker && frame.ParseFromString(content) && frame.has_attempt()) fuzz::check_attempt(frame.attempt());
  if (internal::FromWorker frame; !at_worker && frame.ParseFromString(content) && frame.has_verdict()) fuzz::check_verdict(frame.verdict());
  return 0;
}

// What a provider reports later of a delivery that it had taken (POST /v1/notifier/callbacks): {"id": "…", "outcome": "delivered"} or
// "failed", signed as signature.hpp says, with a secret of its own.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace careteam::notifier {

struct provider_report {
  std::string id;  ///< Of the delivery.
  bool failed = false;
};

/// As an HTTP answer.
struct callback_answer {
  unsigned status = 200;
  std::string text;
};

/// The report in a body; nothing when it is none.
std::optional<provider_report> parse_report(std::string_view body);

}  // namespace careteam::notifier

// Mail by SMTP (RFC 5321): STARTTLS or TLS from the start, with a login where there is one.
//
// Every attempt of one delivery has the same Message-ID, by which whoever reads mail sees that it is one.
#pragma once

#include "notifier/channel.hpp"

namespace careteam::notifier {

struct email_options {
  std::string url;   ///< smtp://host:port or smtps://host:port.
  std::string from;  ///< An address.
  std::string username, password;
  bool without_tls = false;  ///< Whether a server that offers no STARTTLS is good enough.
};

/// What the end of a transfer means: 5xx is for good, everything else passes.
attempt judge_smtp(CURLcode ended, long status);

class email final : public channel {
 public:
  explicit email(email_options options) : options_(std::move(options)) {}
  void prepare(transfer& to, const message& what) const override;
  attempt judge(CURLcode ended, long status, std::chrono::seconds retry_after) const override;

 private:
  email_options options_;
};

/// Headers and text of a message, with CRLF (RFC 5322).
std::string email_text(const message& what, const std::string& from);

}  // namespace careteam::notifier

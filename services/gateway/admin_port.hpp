// The operator's HTTP port: /livez, /readyz, /metrics, and signed reports of providers. Reachable by the operator, and where reports are
// wanted by the providers' gateway; holds no patient data.
#pragma once

#include <functional>
#include <string>

#include "gateway/connection.hpp"
#include "runtime/metrics.hpp"

namespace careteam::gateway {

struct readiness {
  bool ready = false;
  std::string text;  ///< One line for each part.
};

/// A signed report of a provider (POST /v1/notifier/callbacks), as it came; nothing of it is believed yet.
struct callback_request {
  std::string timestamp, signature;  ///< The headers CareTeam-Timestamp and CareTeam-Signature.
  std::string body;
};
struct callback_reply {
  unsigned status = 404;
  std::string text;
};

struct admin_page {
  const runtime::metrics_registry& metrics;
  std::function<readiness()> ready;
  /// What else the operator may want to know, found out on request (/readyz?verbose); lines to add.
  std::function<boost::asio::awaitable<std::string>()> details;
  /// Takes reports of providers; without it there is no such place.
  std::function<boost::asio::awaitable<callback_reply>(callback_request)> callback = {};
};

/// Serves one request, then closes.
boost::asio::awaitable<void> serve_admin(loop_socket socket, const admin_page& page);

}  // namespace careteam::gateway

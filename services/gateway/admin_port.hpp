// The operator's HTTP port: /livez, /readyz, /metrics. Reachable by the operator only; holds no patient data.
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

struct admin_page {
  const runtime::metrics_registry& metrics;
  std::function<readiness()> ready;
  /// What else the operator may want to know, found out on request (/readyz?verbose); lines to add.
  std::function<boost::asio::awaitable<std::string>()> details;
};

/// Serves one request, then closes.
boost::asio::awaitable<void> serve_admin(loop_socket socket, const admin_page& page);

}  // namespace careteam::gateway

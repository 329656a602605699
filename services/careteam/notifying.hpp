// The notifier inside `careteam serve`, and everything that it stands on.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <optional>

#include "careteam/task_settings.hpp"
#include "coordination/record_hosts.hpp"
#include "gateway/admin_port.hpp"
#include "notifier/notifier.hpp"
#include "redis/client.hpp"
#include "runtime/config.hpp"

namespace careteam {

/// The organisation's own contacts, its quiet hours, and the time of its daily digest.
struct calling_setting {
  notifier::ladder contacts;
  std::optional<care::quiet_hours> quiet;
  std::optional<std::chrono::minutes> digest;
};
boost::system::result<calling_setting, setting_fault> read_calling(const runtime::config& settings);

/// The secret in the first line of a file: at least 16 bytes. Throws std::runtime_error that names the setting.
std::string read_signing_secret(const std::filesystem::path& file, std::string_view setting);

/// Without mail and webhook in the settings it does nothing, and its metrics stay at zero.
class notifying {
 public:
  /// `redis`: how to reach Redis; nothing: there is none. Everything that is named here must outlive the object. Throws
  /// std::runtime_error that names the setting at fault.
  notifying(boost::asio::any_io_executor executor, const runtime::config& settings, store::record_store& store, const runtime::clock& clock,
            coordination::record_hosts& hosts, runtime::metrics_registry& metrics, const std::optional<redis::client_options>& redis);

  /// Calls people from now on.
  void start();
  /// Takes nothing more.
  void stop();
  bool running() const { return calling_ && calling_->running(); }

  /// What POST /v1/notifier/callbacks answers.
  boost::asio::awaitable<gateway::callback_reply> callback(gateway::callback_request request);

 private:
  struct queue;
  boost::asio::any_io_executor executor_;
  const runtime::clock& clock_;
  std::string callback_secret_;
  std::unique_ptr<queue, void (*)(queue*)> queue_;
  std::unique_ptr<notifier::sender> sender_;
  std::shared_ptr<notifier::notifier> calling_;
};

}  // namespace careteam

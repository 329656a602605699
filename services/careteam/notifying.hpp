// The notifier inside `careteam serve`, and everything that it stands on. Its attempts are made in this process, or by those that come to
// `notifier.worker_socket`.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <optional>

#include "careteam/task_settings.hpp"
#include "coordination/record_hosts.hpp"
#include "gateway/admin_port.hpp"
#include "notifier/notifier.hpp"
#include "notifier/worker_hall.hpp"
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

/// The user of the workers; nothing: the server's own. Throws std::runtime_error when there is none of that name.
std::optional<uid_t> worker_user_of(const runtime::config& settings);

/// Without mail, webhook and workers in the settings it does nothing, and its metrics stay at zero.
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
  /// For people: whether calls go out; empty where nothing else than this process could keep them.
  std::string condition() const;

  /// What POST /v1/notifier/callbacks answers.
  boost::asio::awaitable<gateway::callback_reply> callback(gateway::callback_request request);

 private:
  struct queue;
  boost::asio::any_io_executor executor_;
  const runtime::clock& clock_;
  std::string callback_secret_;
  std::unique_ptr<queue, void (*)(queue*)> queue_;
  std::shared_ptr<notifier::worker_hall> hall_;  ///< Where the workers make the attempts.
  std::shared_ptr<notifier::sender> sender_;
  std::shared_ptr<notifier::notifier> calling_;
};

}  // namespace careteam

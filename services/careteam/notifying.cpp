#include "careteam/notifying.hpp"

#include <pwd.h>

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <fstream>
#include <iostream>
#include <stdexcept>

#include "careteam/commands.hpp"
#include "careteam/long_run.hpp"
#include "notifier/curl_sender.hpp"
#include "notifier/email.hpp"
#include "notifier/signature.hpp"
#include "notifier/webhook.hpp"
#include "notifier/worker_client.hpp"
#include "runtime/log.hpp"
#include "runtime/shutdown.hpp"
#include "runtime/uuid.hpp"

namespace careteam {
namespace {

namespace asio = boost::asio;

void rethrow(std::exception_ptr failure) {
  if (failure) std::rethrow_exception(failure);
}

std::string first_line_of(const std::filesystem::path& file, std::string_view setting) {
  if (file.empty()) return {};
  std::ifstream in(file);
  std::string line;
  if (!std::getline(in, line)) throw std::runtime_error("cannot read " + file.string() + " (" + std::string(setting) + ")");
  return line;
}

notifier::channels channels_of(const runtime::config::notifier_section& settings) {
  notifier::channels ways;
  if (!settings.smtp_url.empty()) {
    ways.mail = std::make_unique<notifier::email>(
        notifier::email_options{settings.smtp_url, settings.smtp_from, settings.smtp_username,
                                first_line_of(settings.smtp_password_file, "notifier.smtp_password_file"), settings.smtp_without_tls});
  }
  if (!settings.webhook_url.empty()) {
    ways.gateway = std::make_unique<notifier::webhook>(settings.webhook_url,
                                                       read_signing_secret(settings.webhook_secret_file, "notifier.webhook_secret_file"));
  }
  return ways;
}

notifier::curl_sender_options sender_options_of(const runtime::config::notifier_section& settings) {
  return {settings.in_flight, settings.attempt_timeout, settings.ca_file};
}

std::string fresh_name() {
  return "notifier-" + runtime::uuid_text(runtime::generate_uuid7(std::chrono::system_clock::now()));
}

redis::client_options named(redis::client_options options, std::string name) {
  options.name = std::move(name);
  options.log = {};  // The connections for presence lose the same Redis, and say so.
  return options;
}

}  // namespace

boost::system::result<calling_setting, setting_fault> read_calling(const runtime::config& settings) {
  calling_setting calling;
  for (const auto& text : settings.notifier.contacts) {
    const auto contact = care::parse_contact(text);
    if (!contact) {
      return setting_fault{"notifier.contacts",
                           "\"" + text + "\" is no contact: a system (email, sms, phone, pager, push), a space, a value"};
    }
    calling.contacts.push_back(*contact);
  }
  const auto& quiet = settings.notifier.quiet_hours;
  if (!quiet.empty()) calling.quiet = care::parse_quiet_hours(quiet);
  if (!quiet.empty() && !calling.quiet) return setting_fault{"notifier.quiet_hours", "\"" + quiet + "\" is not like \"22:00-07:00\""};
  const auto& digest = settings.notifier.digest;
  if (!digest.empty()) calling.digest = care::parse_time_of_day(digest);
  if (!digest.empty() && !calling.digest) return setting_fault{"notifier.digest", "\"" + digest + "\" is not like \"08:00\""};
  return calling;
}

std::optional<uid_t> worker_user_of(const runtime::config& settings) {
  const auto& name = settings.notifier.worker_user;
  if (name.empty()) return std::nullopt;
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, 16 * 1024> texts{};
  (void)getpwnam_r(name.c_str(), &entry, texts.data(), texts.size(), &found);
  if (found == nullptr) throw std::runtime_error("there is no user \"" + name + "\" on this machine (notifier.worker_user)");
  return entry.pw_uid;
}

std::string read_signing_secret(const std::filesystem::path& file, std::string_view setting) {
  auto secret = first_line_of(file, setting);
  if (!file.empty() && secret.size() < notifier::least_secret_bytes) {
    throw std::runtime_error(file.string() + " holds less than 16 characters (" + std::string(setting) + ")");
  }
  return secret;
}

/// Deliveries by way of Redis: a client for what is answered at once, and one that waits for work. One process has the store, so one
/// consumer has one name at every start.
struct notifying::queue {
  queue(asio::any_io_executor executor, const redis::client_options& options)
      : commands(executor, named(options, "careteam-deliveries")),
        waiting(executor, named(options, "careteam-deliveries-wait")),
        work(commands, waiting, {.consumer = "serve"}) {}

  redis::client commands;
  redis::client waiting;
  redis::work_queue work;
};

notifying::notifying(asio::any_io_executor executor, const runtime::config& settings, store::record_store& store,
                     const runtime::clock& clock, coordination::record_hosts& hosts, runtime::metrics_registry& metrics,
                     const std::optional<redis::client_options>& redis)
    : executor_(executor),
      clock_(clock),
      callback_secret_(read_signing_secret(settings.notifier.callback_secret_file, "notifier.callback_secret_file")),
      queue_(nullptr, [](queue* one) { delete one; }) {
  const auto& wanted = settings.notifier;
  const auto counted = notifier::notifier_metrics::in(metrics);
  metrics.add_callback_gauge("careteam_notifier_in_flight", "Attempts to call somebody that are on their way.",
                             [this] { return sender_ ? static_cast<double>(sender_->in_flight()) : 0.0; });
  metrics.add_callback_gauge("careteam_notifier_overdue_seconds", "For how long the call that waits longest has been due.",
                             [this] { return calling_ ? std::chrono::duration<double>(calling_->overdue()).count() : 0.0; });
  metrics.add_callback_gauge("careteam_notifier_workers", "Processes that make the calls; 0 also where this one makes them.",
                             [this] { return hall_ ? static_cast<double>(hall_->workers()) : 0.0; });
  if (!wanted.on()) return;
  auto calling = read_calling(settings).value();
  notifier::notifier_options options;
  options.worker = fresh_name();
  options.of_organization = std::move(calling.contacts);
  options.quiet = calling.quiet;
  options.digest = calling.digest;
  options.time_zone = settings.organization.time_zone;
  options.retries.attempts = wanted.attempts;
  options.retries.pause = wanted.retry_after;
  if (redis) queue_.reset(new queue(executor, *redis));
  if (wanted.worker_socket.empty()) {
    sender_ = std::make_shared<notifier::curl_sender>(executor, channels_of(wanted), sender_options_of(wanted));
  } else {
    notifier::worker_hall_options hall;
    hall.path = wanted.worker_socket;
    hall.worker_user = worker_user_of(settings);
    hall.attempt_timeout = wanted.attempt_timeout;
    sender_ = hall_ = std::make_shared<notifier::worker_hall>(executor, std::move(hall));
  }
  calling_ = std::make_shared<notifier::notifier>(executor, store, clock, hosts, *sender_, queue_ ? &queue_->work : nullptr, counted,
                                                  std::move(options));
  hosts.environment().deliveries_added = [this](const std::vector<store::new_delivery>& added) { calling_->added(added); };
  hosts.environment().answering_changed = [this](const std::set<std::string>& people) { calling_->answering_changed(people); };
}

void notifying::start() {
  if (!calling_) return;
  if (queue_) {
    asio::co_spawn(executor_, queue_->commands.run(), rethrow);
    asio::co_spawn(executor_, queue_->waiting.run(), rethrow);
  }
  calling_->start();
  if (!hall_) return;
  hall_->start([calling = std::weak_ptr(calling_)] {
    if (const auto one = calling.lock()) one->sender_arrived();
  });
}

void notifying::stop() {
  if (!calling_) return;
  calling_->stop();
  if (hall_) hall_->stop();
  if (queue_) {
    queue_->waiting.stop();
    queue_->commands.stop();
  }
}

std::string notifying::condition() const {
  if (!hall_) return {};
  const auto count = hall_->workers();
  return count == 0 ? "no worker: calls wait" : std::to_string(count) + (count == 1 ? " worker" : " workers");
}

asio::awaitable<gateway::callback_reply> notifying::callback(gateway::callback_request request) {
  if (!calling_ || callback_secret_.empty()) co_return gateway::callback_reply{404, "reports are not taken here\n"};
  const bool authentic = notifier::is_authentic(callback_secret_, request.timestamp, request.signature, request.body, clock_.now());
  if (!authentic) co_return gateway::callback_reply{401, "the signature is wrong, or its time is over\n"};
  auto report = notifier::parse_report(request.body);
  if (!report) co_return gateway::callback_reply{400, "must be {\"id\": \"...\", \"outcome\": \"delivered\" or \"failed\"}\n"};
  auto answer = co_await calling_->report(std::move(*report));
  co_return gateway::callback_reply{answer.status, std::move(answer.text)};
}

int notifier_alone(const std::filesystem::path& config_file) {
  const auto settings = read_config(config_file, runtime::required_settings::left_out);
  if (!settings) return exit_failed;
  if (const auto missing = runtime::missing_for_calling(*settings, config_file)) {
    std::cerr << "careteam: " << missing->to_text() << '\n';
    return exit_failed;
  }
  prepare_long_run(*settings);
  asio::io_context loop(1);
  notifier::curl_sender sender(loop.get_executor(), channels_of(settings->notifier), sender_options_of(settings->notifier));
  const auto client = std::make_shared<notifier::worker_client>(loop.get_executor(), sender,
                                                                notifier::worker_client_options{settings->notifier.worker_socket});
  runtime::shutdown_signals signals(loop.get_executor(), [&](int) { client->stop(); });
  asio::co_spawn(loop, client->run(), [&](std::exception_ptr failure) {
    rethrow(failure);
    loop.stop();
  });
  loop.run();
  runtime::log_info("stopped");
  return exit_done;
}

}  // namespace careteam

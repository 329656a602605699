// `careteam serve`: wires the parts into one process on one event loop.
#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <fstream>
#include <iostream>
#include <map>

#include "admin/control_port.hpp"
#include "careteam/commands.hpp"
#include "careteam/disk_watch.hpp"
#include "careteam/long_run.hpp"
#include "careteam/notifying.hpp"
#include "careteam/task_settings.hpp"
#include "coordination/duties.hpp"
#include "coordination/obligation_gauges.hpp"
#include "coordination/people.hpp"
#include "coordination/record_hosts.hpp"
#include "coordination/timers.hpp"
#include "gateway/admin_port.hpp"
#include "gateway/file_watch.hpp"
#include "gateway/hub.hpp"
#include "gateway/listener.hpp"
#include "redis/client.hpp"
#include "redis/presence.hpp"
#include "redis/subscriber.hpp"
#include "runtime/shutdown.hpp"
#include "runtime/uuid.hpp"
#include "store/sqlite_schema.hpp"
#include "store/sqlite_store.hpp"

namespace careteam {
namespace {

namespace asio = boost::asio;
using runtime::log_error;
using runtime::log_info;
using runtime::log_warning;

constexpr auto drain_step = std::chrono::milliseconds(10);
constexpr auto presence_settling = std::chrono::seconds(2);      // Beyond one heartbeat of the other gateways.
constexpr auto redis_farewell = std::chrono::milliseconds(500);  // To take this gateway's presence out of Redis.

void rethrow(std::exception_ptr failure) {
  if (failure) std::rethrow_exception(failure);
}

std::string read_secret(const std::filesystem::path& file) {
  if (file.empty()) return {};
  std::ifstream in(file);
  std::string line;
  if (!std::getline(in, line)) throw std::runtime_error("cannot read " + file.string() + " (redis.password_file)");
  return line;
}

v1::PresenceState::State told(redis::presence_state state) {
  switch (state) {
    case redis::presence_state::unknown:
      return v1::PresenceState::STATE_UNKNOWN;
    case redis::presence_state::offline:
      return v1::PresenceState::STATE_OFFLINE;
    case redis::presence_state::online:
      return v1::PresenceState::STATE_ONLINE;
  }
  return v1::PresenceState::STATE_UNKNOWN;
}

void log_redis(redis::severity severity, std::string_view text) {
  switch (severity) {
    case redis::severity::info:
      log_info("redis", {{"text", text}});
      break;
    case redis::severity::warning:
      log_warning("redis", {{"text", text}});
      break;
    case redis::severity::error:
      log_error("redis", {{"text", text}});
      break;
  }
}

/// The connections for commands and for channels lose the same Redis: what both say within a moment is one line.
class redis_log {
 public:
  redis::log_sink of(int connection) {
    return [this, connection](redis::severity severity, std::string_view text) { say(connection, severity, text); };
  }

 private:
  static constexpr auto one_moment = std::chrono::seconds(3);  // They come back after pauses of different length.
  struct line {
    int connection = 0;
    std::chrono::steady_clock::time_point at;
  };

  void say(int connection, redis::severity severity, std::string_view text) {
    const auto now = std::chrono::steady_clock::now();
    const auto [last, first] = said_.try_emplace(std::string(text), line{connection, now});
    if (!first && last->second.connection != connection && now - last->second.at < one_moment) {
      said_.erase(last);  // Both have said it.
      return;
    }
    last->second = {connection, now};
    log_redis(severity, text);
  }

  std::map<std::string, line, std::less<>> said_;  ///< The texts are the reasons that there are: a few dozen.
};

bool has_redis(const runtime::config& settings) {
  return !std::holds_alternative<std::monostate>(settings.redis.endpoint);
}

redis::client_options redis_options(const runtime::config& settings, std::string name, redis::log_sink log) {
  redis::client_options options;
  if (const auto* tcp = std::get_if<runtime::tcp_address>(&settings.redis.endpoint))
    options.where = redis::tcp_address{tcp->host, tcp->port};
  if (const auto* local = std::get_if<runtime::unix_address>(&settings.redis.endpoint))
    options.where = redis::unix_address{local->path.string()};
  options.user = settings.redis.username;
  options.password = read_secret(settings.redis.password_file);
  options.name = std::move(name);
  options.log = std::move(log);
  return options;
}

/// Presence through Redis, and everything that it stands on.
class redis_presence {
 public:
  redis_presence(asio::any_io_executor executor, const runtime::config& settings, gateway::hub& hub)
      : executor_(executor),
        commands_(executor, redis_options(settings, "careteam-commands", log_.of(1))),
        channels_(executor, redis_options(settings, "careteam-channels", log_.of(2))),
        presence_(executor, commands_, channels_, presence_options(settings),
                  {[&hub](const std::string& person, redis::presence_state state) { hub.presence_changed(person, told(state)); },
                   [&hub] { hub.presence_reset(); }, [&hub] { hub.presence_reset(); }}) {
    hub.set_presence({[this](const std::string& person) { presence_.arrived(person); },
                      [this](const std::string& person) { presence_.left(person); },
                      [this](const std::string& person) { return told(presence_.state(person)); }});
  }

  void start() {
    asio::co_spawn(executor_, commands_.run(), rethrow);
    asio::co_spawn(executor_, channels_.run(), rethrow);
    asio::co_spawn(executor_, presence_.run(), [this](std::exception_ptr failure) {
      rethrow(failure);
      finished_ = true;
    });
  }

  asio::awaitable<void> stop() {
    presence_.stop();
    asio::steady_timer pause(executor_);
    for (auto waited = std::chrono::milliseconds(0); !finished_ && waited < redis_farewell; waited += drain_step) {
      pause.expires_after(drain_step);
      co_await pause.async_wait(asio::use_awaitable);
    }
    commands_.stop();
    channels_.stop();
  }

  bool known() const { return presence_.known(); }

  /// A value that goes to Redis and comes back: "came back after 0.4 ms", or why it did not.
  asio::awaitable<std::string> canary() {
    const auto started = std::chrono::steady_clock::now();
    const std::string value = runtime::uuid_text(runtime::generate_uuid7(std::chrono::system_clock::now()));
    const std::string key = "ct:canary:" + value;
    std::vector<redis::command> there_and_back{{"SET", key, value, "PX", "5000"}, {"GET", key}, {"DEL", key}};
    const auto answers = co_await commands_.execute_transaction(std::move(there_and_back));
    if (answers.has_error()) co_return "did not come back: " + answers.error().message();
    if (answers->size() != 3 || (*answers)[1].text() != value) co_return "came back as something else";
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - started;
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "came back after %.2f ms", took.count());
    co_return std::string(text.data());
  }
  std::size_t online() const { return presence_.online_count(); }

 private:
  static redis::presence_options presence_options(const runtime::config& settings) {
    redis::presence_options options;
    options.lease = settings.redis.presence_lease;
    options.refresh = settings.redis.presence_refresh;
    options.settle = options.refresh + presence_settling;
    options.log = log_redis;
    return options;
  }
  asio::any_io_executor executor_;
  redis_log log_;
  redis::client commands_;
  redis::subscriber channels_;
  redis::presence presence_;
  bool finished_ = false;
};

/// The process's parts, in the order in which they are made; they end in the opposite order.
class server {
 public:
  server(asio::io_context& loop, const runtime::config& settings)
      : loop_(loop),
        settings_(settings),
        tasks_(task_setting_of(settings)),
        keys_(open_keys(settings)),
        certificate_(open_certificate(settings)),
        tokens_(keys_, {settings.identity.issuer, settings.identity.audience, settings.identity.clock_skew}),
        store_(store::open_sqlite(loop.get_executor(), store_options(settings))),
        hosts_({loop.get_executor(), *store_, clock_, people_, coordination::host_metrics::in(metrics_), settings.store.snapshot_every,
                static_cast<std::uint32_t>(settings.limits.stat_per_hour), settings.limits.wrong_patient_window, nullptr}),
        timers_(std::make_shared<coordination::timers>(
            loop.get_executor(), *store_, clock_,
            [this](store::stored_timer timer, coordination::timer_done done) { hosts_.fire(std::move(timer), std::move(done)); },
            coordination::timer_metrics::in(metrics_))),
        obligations_(std::make_shared<coordination::obligation_gauges>(loop.get_executor(), *store_, clock_, metrics_)),
        notifying_(loop.get_executor(), settings, *store_, clock_, hosts_, metrics_,
                   has_redis(settings) ? std::optional(redis_options(settings, "careteam-deliveries", {})) : std::nullopt),
        hub_(hosts_, tokens_, settings, gateway::gateway_metrics::in(metrics_)),
        clients_(loop, settings.server.listen,
                 [this](gateway::loop_socket socket) {
                   return gateway::serve_connection(std::move(socket), certificate_ ? &*certificate_ : nullptr, hub_);
                 }),
        page_{metrics_, [this] { return ready(); }, [this] { return details(); },
              [this](gateway::callback_request request) { return notifying_.callback(std::move(request)); }},
        admin_(loop, settings.server.admin_listen,
               [this](gateway::loop_socket socket) { return gateway::serve_admin(std::move(socket), page_); }),
        key_watch_(loop.get_executor(),
                   {{settings.identity.jwks_file},
                    [this] { return reload_keys(); },
                    "keys_reloaded",
                    "keys_not_reloaded",
                    metrics_.add_counter("careteam_key_reload_failures_total", "Changes of the key file that could not be used.")}),
        disk_watch_(loop.get_executor(), settings),
        control_(admin::control_path(settings.server.control_socket, settings.store.path), hosts_,
                 [this](const std::string& person) { return list_sessions(person); }) {
    people_.set_organization(hosts_.find_or_make(care::record_key({})));
    hosts_.set_listener(&hub_);
    hosts_.environment().tasks = &tasks_;
    hosts_.environment().all_duties = &duties_.emplace(people_.accounts(), settings.organization.safety_person);
    tasks_.duties = &duties_->directory();
    hosts_.environment().timer_set = [this](care::instant due) { timers_->set(due); };
    if (has_redis(settings)) presence_.emplace(loop.get_executor(), settings, hub_);
    auto& certificate_failures =
        metrics_.add_counter("careteam_certificate_reload_failures_total", "Changes of the TLS certificate or key that could not be used.");
    if (certificate_) {
      certificate_watch_.emplace(loop.get_executor(),
                                 gateway::watched_files{{settings.server.tls_certificate_file, settings.server.tls_key_file},
                                                        [this] { return reload_certificate(); },
                                                        "certificate_reloaded",
                                                        "certificate_not_reloaded",
                                                        certificate_failures});
    }
    metrics_.add_callback_gauge(
        "careteam_certificate_expires_timestamp_seconds", "When the TLS certificate ends; 0: there is none.",
        [this] { return certificate_ ? std::chrono::duration<double>(certificate_->expires().time_since_epoch()).count() : 0.0; });
    metrics_.add_callback_gauge("careteam_keys", "Keys that tokens are verified with.",
                                [this] { return static_cast<double>(keys_.keys().size()); });
    metrics_.add_callback_gauge("careteam_records_loaded", "Records at work in this process.",
                                [this] { return static_cast<double>(hosts_.size()); });
    metrics_.add_callback_gauge("careteam_records_quarantined",
                                "Records that are damaged in the store and therefore closed; the log names them.",
                                [this] { return static_cast<double>(hosts_.quarantined()); });
    metrics_.add_callback_gauge("careteam_presence_known", "1: presence is known; 0: Redis cannot be reached.",
                                [this] { return presence_ && presence_->known() ? 1.0 : 0.0; });
    metrics_.add_callback_counter("careteam_store_transactions_total", "Transactions of the store, each of many commands when it is busy.",
                                  [this] { return store_->transactions(); });
    metrics_.add_callback_gauge("careteam_store_disk_free_bytes", "What is free on the disk of the store.",
                                [this] { return static_cast<double>(disk_watch_.free_bytes()); });
    metrics_.add_callback_counter("careteam_log_lines_lost_total", "Log lines that could not be written.", runtime::lost_log_lines);
  }

  void start() {
    // Nobody can log in before the organisation's people are known.
    people_.organization()->when_settled([this](boost::system::error_code failed) {
      if (failed) throw std::runtime_error("the organisation's record cannot be read: " + failed.message() + "; run careteam verify");
      asio::co_spawn(loop_, open(), rethrow);
    });
    admin_.start();
    control_.start();
    key_watch_.start();
    disk_watch_.start();
    if (certificate_watch_) certificate_watch_->start();
    if (presence_) presence_->start();
  }

  /// Who answers for which duty comes before anything is decided, timers among it.
  asio::awaitable<void> open() {
    const auto failed = co_await duties_->load(*store_, hosts_);
    if (failed && failed != store::errc::corrupt) throw std::runtime_error("the duties cannot be read: " + failed.message());
    people_known_ = true;
    hosts_.watch_clock();
    timers_->start();
    notifying_.start();
    obligations_->start();
    clients_.start();
    log_info("serving", {{"address", settings_.server.listen.host},
                         {"port", clients_.port()},
                         {"tls", certificate_.has_value()},
                         {"admin_port", admin_.port()},
                         {"store", settings_.store.path.string()},
                         {"epoch", store_->epoch()}});
  }

  asio::awaitable<void> stop() {
    const auto started = std::chrono::steady_clock::now();
    draining_ = true;
    clients_.stop();
    timers_->stop();
    notifying_.stop();
    obligations_->stop();
    log_info("draining", {{"sessions", hub_.session_count()}});
    hub_.drain(std::chrono::seconds(5));
    asio::steady_timer pause(loop_);
    while ((hub_.session_count() > 0 || timers_->running() || notifying_.running() || obligations_->running() || !hosts_.idle() ||
            !hub_.cursors().idle()) &&
           std::chrono::steady_clock::now() - started < settings_.server.drain) {
      pause.expires_after(drain_step);
      co_await pause.async_wait(asio::use_awaitable);
    }
    admin_.stop();
    control_.stop();
    key_watch_.stop();
    disk_watch_.stop();
    if (certificate_watch_) certificate_watch_->stop();
    if (presence_) co_await presence_->stop();
    co_await store_->close();
    log_info("stopped", {{"after", std::chrono::steady_clock::now() - started}, {"sessions_left", hub_.session_count()}});
    loop_.stop();
  }

 private:
  static identity::key_store open_keys(const runtime::config& settings) {
    auto opened = identity::key_store::open(settings.identity.jwks_file);
    if (!opened) throw std::runtime_error(settings.identity.jwks_file.string() + ": " + opened.error().message);
    return std::move(*opened);
  }

  static std::optional<gateway::server_certificate> open_certificate(const runtime::config& settings) {
    if (settings.server.tls_certificate_file.empty()) return std::nullopt;
    return gateway::server_certificate::load(settings.server.tls_certificate_file, settings.server.tls_key_file).value();
  }

  std::optional<std::string> reload_keys() {
    const auto failed = keys_.reload();
    return failed ? std::optional(failed->message) : std::nullopt;
  }

  std::optional<std::string> reload_certificate() {
    auto read = gateway::server_certificate::load(settings_.server.tls_certificate_file, settings_.server.tls_key_file);
    if (!read) return read.error().message + "; the certificate read before stays in force";
    certificate_ = std::move(*read);
    return std::nullopt;
  }

  store::sqlite_options store_options(const runtime::config& settings) {
    store::sqlite_options options;
    options.path = settings.store.path.string();
    options.missing = settings.store.create ? store::when_missing::create : store::when_missing::fail;
    options.cache_bytes = settings.store.cache_bytes;
    options.on_failure = [](store::errc reason, std::string_view text) {
      log_error("store_failed", {{"reason", make_error_code(reason)}, {"text", text}});
    };
    return options;
  }

  gateway::readiness ready() const {
    const bool known = presence_ && presence_->known();
    gateway::readiness state;
    state.ready = people_known_ && !draining_;
    state.text = std::string("store ") + (people_known_ ? "ok" : "loading") + "\nredis " +
                 (!presence_ ? "not configured"
                  : known    ? "ok"
                             : "unreachable: presence is unknown, everything else works") +
                 (notifying_.condition().empty() ? "" : "\nnotifier " + notifying_.condition()) + (draining_ ? "\ndraining" : "") + "\n";
    return state;
  }

  careteam::internal::SessionList list_sessions(const std::string& person) const {
    const auto microseconds = [](std::chrono::system_clock::time_point t) {
      return std::chrono::duration_cast<std::chrono::microseconds>(t.time_since_epoch()).count();
    };
    careteam::internal::SessionList list;
    for (const auto* one : hub_.sessions_of(person)) {
      auto& row = *list.add_sessions();
      row.set_session_id(one->id());
      row.set_person_id(one->person());
      row.set_device_id(one->device());
      row.set_acting_role(one->acting_role());
      row.set_opened_us(microseconds(one->opened_at()));
      row.set_token_issued_us(microseconds(one->token_issued_at()));
      row.set_token_expires_us(microseconds(one->token_expires_at()));
      row.set_waiting_bytes(one->waiting_bytes());
    }
    return list;
  }

  asio::awaitable<std::string> details() {
    const std::string little = disk_watch_.short_of_room() ? ": nearly full, see store.min_free_bytes" : "";
    std::string text = "schema " + std::to_string(store::store_schema_version) + "\nepoch " + store_->epoch() + "\ndisk free " +
                       std::to_string(disk_watch_.free_bytes() >> 20) + " MiB" + little + "\nsessions " +
                       std::to_string(hub_.session_count()) + "\nrecords at work " + std::to_string(hosts_.size()) +
                       "\nrecords quarantined " + std::to_string(hosts_.quarantined()) + "\n";
    if (presence_) text += "redis canary " + co_await presence_->canary() + "\n";
    co_return text;
  }

  asio::io_context& loop_;
  const runtime::config& settings_;
  care::task_setting tasks_;
  runtime::system_clock clock_;
  runtime::metrics_registry metrics_;
  identity::key_store keys_;
  std::optional<gateway::server_certificate> certificate_;
  identity::token_verifier tokens_;
  std::unique_ptr<store::record_store> store_;
  coordination::people people_;
  coordination::record_hosts hosts_;
  std::optional<coordination::duties> duties_;
  std::shared_ptr<coordination::timers> timers_;
  std::shared_ptr<coordination::obligation_gauges> obligations_;
  notifying notifying_;
  gateway::hub hub_;
  gateway::listener clients_;
  gateway::admin_page page_;
  gateway::listener admin_;
  gateway::file_watch key_watch_;
  std::optional<gateway::file_watch> certificate_watch_;
  disk_watch disk_watch_;
  admin::control_port control_;
  std::optional<redis_presence> presence_;
  bool people_known_ = false;
  bool draining_ = false;
};

}  // namespace

int serve(const std::filesystem::path& config_file) {
  const auto settings = read_config(config_file);
  if (!settings) return exit_failed;
  if (const auto missing = runtime::missing_for_serving(*settings, config_file)) {
    std::cerr << "careteam: " << missing->to_text() << '\n';
    return exit_failed;
  }
  prepare_long_run(*settings);
  asio::io_context loop(1);
  server running(loop, *settings);
  runtime::shutdown_signals signals(loop.get_executor(), [&](int) { asio::co_spawn(loop, running.stop(), rethrow); });
  running.start();
  loop.run();
  return exit_done;
}

}  // namespace careteam

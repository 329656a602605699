#include "runtime/config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ostream>
#include <set>
#include <string>

#include "runtime/settings.hpp"
#include "scratch_folder.hpp"

namespace careteam::runtime {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::scratch_folder;
using ::testing::StartsWith;

constexpr const char* file_name = "/etc/careteam/careteam.toml";

boost::system::result<config, config_error> parse(std::string_view text) {
  return parse_config(text, file_name);
}

/// What is wrong with the text, as the operator reads it; empty: nothing.
std::string fault_in(std::string_view text) {
  const auto read = parse(text);
  return read ? std::string() : read.error().to_text();
}

const std::string with_store = "[store]\npath = \"c.db\"\n";

TEST(config, has_the_documented_defaults) {
  const auto read = parse(with_store);
  ASSERT_TRUE(read) << read.error().to_text();
  EXPECT_EQ(read->server.listen, (tcp_address{"127.0.0.1", 8080}));
  EXPECT_EQ(read->server.admin_listen, (tcp_address{"127.0.0.1", 9090}));
  EXPECT_TRUE(read->server.allowed_origins.empty());
  EXPECT_EQ(read->server.hello_timeout, 5s);
  EXPECT_EQ(read->server.handshake_timeout, 10s);
  EXPECT_EQ(read->server.idle_timeout, 60s);
  EXPECT_EQ(read->server.drain, 8s);
  EXPECT_EQ(read->server.max_connections, 20'000U);
  EXPECT_EQ(read->server.max_connections_per_person, 16U);
  EXPECT_EQ(read->server.max_frame_bytes, 65'536U);
  EXPECT_EQ(read->server.send_queue_bytes, 1'048'576U);
  EXPECT_TRUE(read->store.create);
  EXPECT_EQ(read->store.snapshot_every, 256U);
  EXPECT_EQ(read->redis.endpoint, redis_address(tcp_address{"127.0.0.1", 6379}));
  EXPECT_EQ(read->redis.presence_lease, 25s);
  EXPECT_EQ(read->redis.presence_refresh, 10s);
  EXPECT_EQ(read->identity.clock_skew, 5s);
  EXPECT_EQ(read->organization.time_zone, "UTC");
  EXPECT_EQ(read->limits.stat_per_hour, 5U);
  EXPECT_EQ(read->limits.commands_per_minute, 600U);
  EXPECT_EQ(read->limits.commands_at_once, 200U);
  EXPECT_EQ(read->limits.device_commands_per_minute, 300U);
  EXPECT_EQ(read->limits.device_commands_at_once, 100U);
  EXPECT_EQ(read->limits.refused_tokens_per_minute, 600U);
  EXPECT_EQ(read->limits.refused_tokens_at_once, 300U);
  EXPECT_EQ(read->limits.wrong_patient_window, 60s);
  EXPECT_EQ(read->log.level, log_level::info);
}

TEST(config, takes_every_setting) {
  const auto read = parse(R"(
[server]
listen = "[::1]:0"
admin_listen = "0.0.0.0:9191"
allowed_origins = ["https://app.example.org", "http://localhost:5173", "http://[::1]:3000"]
hello_timeout_ms = 1000
handshake_timeout_ms = 2000
idle_timeout_ms = 3000
drain_ms = 0
max_connections = 100
max_connections_per_person = 3
max_connections_per_address = 50
max_frame_bytes = 4096
send_queue_bytes = 20000
[store]
path = "data/careteam.db"
create = false
snapshot_every = 10
cache_bytes = 2097152
min_free_bytes = 4096
[redis]
endpoint = "unix:run/redis.sock"
username = "careteam"
password_file = "/run/secrets/redis"
presence_lease_ms = 4000
presence_refresh_ms = 2000
cluster_key_file = "../cluster.key"
[identity]
jwks_file = "jwks.json"
issuer = "https://login.example.org"
audience = "careteam"
clock_skew_ms = 60000
[organization]
name = "St. Elsewhere"
time_zone = "America/New_York"
[limits]
stat_per_hour = 2
commands_per_minute = 30
commands_at_once = 4
device_commands_per_minute = 20
device_commands_at_once = 3
refused_tokens_per_minute = 6
refused_tokens_at_once = 7
wrong_patient_window_ms = 0
[log]
level = "debug"
)");
  ASSERT_TRUE(read) << read.error().to_text();
  EXPECT_EQ(read->server.listen, (tcp_address{"::1", 0}));
  EXPECT_EQ(to_text(read->server.listen), "[::1]:0");
  EXPECT_EQ(read->server.admin_listen, (tcp_address{"0.0.0.0", 9191}));
  EXPECT_THAT(read->server.allowed_origins,
              ::testing::ElementsAre("https://app.example.org", "http://localhost:5173", "http://[::1]:3000"));
  EXPECT_EQ(read->server.hello_timeout, 1s);
  EXPECT_EQ(read->server.handshake_timeout, 2s);
  EXPECT_EQ(read->server.idle_timeout, 3s);
  EXPECT_EQ(read->server.drain, 0s);
  EXPECT_EQ(read->server.max_connections, 100U);
  EXPECT_EQ(read->server.max_connections_per_person, 3U);
  EXPECT_EQ(read->server.max_connections_per_address, 50U);
  EXPECT_EQ(read->server.max_frame_bytes, 4096U);
  EXPECT_EQ(read->server.send_queue_bytes, 20'000U);
  EXPECT_EQ(read->store.path, "/etc/careteam/data/careteam.db");
  EXPECT_FALSE(read->store.create);
  EXPECT_EQ(read->store.snapshot_every, 10U);
  EXPECT_EQ(read->store.cache_bytes, 2'097'152U);
  EXPECT_EQ(read->store.min_free_bytes, 4096U);
  EXPECT_EQ(read->redis.endpoint, redis_address(unix_address{"/etc/careteam/run/redis.sock"}));
  EXPECT_EQ(read->redis.username, "careteam");
  EXPECT_EQ(read->redis.password_file, "/run/secrets/redis");
  EXPECT_EQ(read->redis.presence_lease, 4s);
  EXPECT_EQ(read->redis.presence_refresh, 2s);
  EXPECT_EQ(read->redis.cluster_key_file, "/etc/cluster.key");
  EXPECT_EQ(read->identity.jwks_file, "/etc/careteam/jwks.json");
  EXPECT_EQ(read->identity.issuer, "https://login.example.org");
  EXPECT_EQ(read->identity.audience, "careteam");
  EXPECT_EQ(read->identity.clock_skew, 60s);
  EXPECT_EQ(read->organization.name, "St. Elsewhere");
  EXPECT_EQ(read->organization.time_zone, "America/New_York");
  EXPECT_EQ(read->limits.stat_per_hour, 2U);
  EXPECT_EQ(read->limits.commands_per_minute, 30U);
  EXPECT_EQ(read->limits.commands_at_once, 4U);
  EXPECT_EQ(read->limits.device_commands_per_minute, 20U);
  EXPECT_EQ(read->limits.device_commands_at_once, 3U);
  EXPECT_EQ(read->limits.refused_tokens_per_minute, 6U);
  EXPECT_EQ(read->limits.refused_tokens_at_once, 7U);
  EXPECT_EQ(read->limits.wrong_patient_window, 0s);
  EXPECT_EQ(read->log.level, log_level::debug);
}

TEST(config, takes_the_ends_of_every_range_and_nothing_beyond) {
  for (const setting& one : settings()) {
    std::int64_t least = 0;
    std::int64_t most = 0;
    if (const auto* count = std::get_if<count_setting>(&one.kind)) {
      least = count->least;
      most = count->most;
    } else if (const auto* time = std::get_if<milliseconds_setting>(&one.kind)) {
      least = time->least;
      most = time->most;
    } else {
      continue;
    }
    const auto fault_with = [&](const std::string& value) {
      return fault_in("store.path = \"c.db\"\n" + std::string(one.section) + "." + std::string(one.key) + " = " + value + "\n");
    };
    const auto refusal_of = [&](std::int64_t value) { return std::string(one.key) + " is " + std::to_string(value) + "; allowed is"; };
    EXPECT_THAT(fault_with(std::to_string(least - 1)), HasSubstr(refusal_of(least - 1)));
    EXPECT_THAT(fault_with(std::to_string(most + 1)), HasSubstr(refusal_of(most + 1)));
    // An end may still be a bad combination with another setting's default, but never out of range.
    EXPECT_THAT(fault_with(std::to_string(least)), Not(HasSubstr("allowed is")));
    EXPECT_THAT(fault_with(std::to_string(most)), Not(HasSubstr("allowed is")));
    EXPECT_THAT(fault_with("\"7\""), HasSubstr("must be a whole number"));
    EXPECT_THAT(fault_with("7.0"), HasSubstr("must be a whole number"));
    EXPECT_THAT(fault_with("true"), HasSubstr("must be a whole number"));
    EXPECT_THAT(fault_with("[7]"), HasSubstr("must be a whole number"));
  }
}

struct bad_file {
  const char* name;
  std::string text;
  std::string complaint;  // Starts after the file's name.
};
std::ostream& operator<<(std::ostream& to, const bad_file& one) {
  return to << one.name;
}

class config_refusal : public ::testing::TestWithParam<bad_file> {};

TEST_P(config_refusal, names_place_and_reason) {
  EXPECT_THAT(fault_in(GetParam().text), StartsWith(file_name + GetParam().complaint));
}

INSTANTIATE_TEST_SUITE_P(
    all, config_refusal,
    ::testing::Values(
        bad_file{"syntax", "[store]\npath = \n", ":2:"},  //
        bad_file{"key_twice", with_store + "path = \"d.db\"\n", ":3:"},
        bad_file{"unknown_key", with_store + "[server]\n  idle_timout_ms = 5\n",
                 ":4:3: server.idle_timout_ms is no setting; did you mean idle_timeout_ms?"},
        bad_file{"unknown_key_like_none", with_store + "colour = 1\n", ":3:1: store.colour is no setting"},
        bad_file{"key_of_another_section", with_store + "level = \"info\"\n", ":3:1: store.level is no setting; it belongs in [log]"},
        bad_file{"unknown_section", with_store + "[sever]\nlisten = \"127.0.0.1:1\"\n",
                 ":3:2: [sever] is no section; did you mean server?"},
        bad_file{"section_is_a_value", "server = 5\n", ":1:1: server must be a section: [server]"},
        bad_file{"missing_path", "[store]\ncreate = true\n", ": store.path is required"}, bad_file{"empty", "", ": store.path is required"},
        bad_file{"empty_path", "store.path = \"\"", ":1:14: store.path must not be empty"},
        bad_file{"path_with_zero", "store.path = \"a\\u0000b\"", ":1:14: store.path must not hold a zero byte"},
        bad_file{"path_of_wrong_type", "store.path = 5", ":1:14: store.path must be a path"},
        bad_file{"flag_of_wrong_type", with_store + "create = 1", ":3:10: store.create must be true or false"},
        bad_file{"integer_overflow", with_store + "snapshot_every = 99999999999999999999", ":3:"},
        bad_file{"listen_without_port", with_store + "[server]\nlisten = \"127.0.0.1\"", ":4:10: server.listen must be a numeric address"},
        bad_file{"listen_by_name", with_store + "[server]\nlisten = \"localhost:80\"", ":4:10: server.listen must be"},
        bad_file{"listen_port_too_big", with_store + "[server]\nlisten = \"127.0.0.1:65536\"", ":4:10: server.listen must be"},
        bad_file{"listen_port_negative", with_store + "[server]\nlisten = \"127.0.0.1:-1\"", ":4:10: server.listen must be"},
        bad_file{"listen_port_padded", with_store + "[server]\nlisten = \"127.0.0.1:080\"", ":4:10: server.listen must be"},
        bad_file{"listen_v6_without_brackets", with_store + "[server]\nlisten = \"::1:80\"", ":4:10: server.listen must be"},
        bad_file{"listen_v4_out_of_range", with_store + "[server]\nlisten = \"127.0.0.256:80\"", ":4:10: server.listen must be"},
        bad_file{"same_port", with_store + "[server]\nlisten = \"0.0.0.0:90\"\nadmin_listen = \"127.0.0.1:90\"",
                 ":5:16: server.admin_listen takes the port of server.listen"},
        bad_file{"person_above_all", with_store + "[server]\nmax_connections = 10", ":4:19: server.max_connections_per_person is above"},
        bad_file{"queue_below_frame", with_store + "[server]\nmax_frame_bytes = 16777216", ":4:19: server.send_queue_bytes is below"},
        bad_file{"origins_are_no_list", with_store + "[server]\nallowed_origins = \"https://a.b\"",
                 ":4:19: server.allowed_origins must be"},
        bad_file{"origin_is_no_string", with_store + "[server]\nallowed_origins = [1]", ":4:19: server.allowed_origins must be"},
        bad_file{"origin_twice", with_store + "[server]\nallowed_origins = [\"https://a.b\", \"https://a.b\"]",
                 ":4:19: server.allowed_origins holds \"https://a.b\" twice"},
        bad_file{"proxy_is_a_name", with_store + "[server]\ntrusted_proxies = [\"127.0.0.1\", \"proxy\"]",
                 ":4:19: server.trusted_proxies holds \"proxy\", which is no numeric address"},
        bad_file{"certificate_without_key", with_store + "[server]\ntls_certificate_file = \"a.pem\"",
                 ":4:24: server.tls_certificate_file and server.tls_key_file go together"},
        bad_file{"key_without_certificate", with_store + "[server]\ntls_key_file = \"a.pem\"",
                 ":4:16: server.tls_certificate_file and server.tls_key_file go together"},
        bad_file{"redis_without_port", with_store + "[redis]\nendpoint = \"localhost\"", ":4:12: redis.endpoint must be"},
        bad_file{"redis_port_zero", with_store + "[redis]\nendpoint = \"localhost:0\"", ":4:12: redis.endpoint must be"},
        bad_file{"redis_unix_without_path", with_store + "[redis]\nendpoint = \"unix:\"", ":4:12: redis.endpoint must not be empty"},
        bad_file{"redis_unix_too_long", with_store + "[redis]\nendpoint = \"unix:/" + std::string(107, 'x') + "\"",
                 ":4:12: redis.endpoint is too long"},
        bad_file{"refresh_too_slow", with_store + "[redis]\npresence_refresh_ms = 15001",
                 ":4:23: redis.presence_refresh_ms is above half of redis.presence_lease_ms"},
        bad_file{"user_without_password", with_store + "[redis]\nusername = \"u\"", ":4:12: redis.username needs redis.password_file"},
        bad_file{"password_without_redis", with_store + "[redis]\nendpoint = \"\"\npassword_file = \"p\"",
                 ":5:17: redis.password_file is set, but"},
        bad_file{"cluster_key_without_redis", with_store + "[redis]\nendpoint = \"\"\ncluster_key_file = \"k\"",
                 ":5:20: redis.cluster_key_file is set, but"},
        bad_file{"worker_socket_too_long", with_store + "[notifier]\nworker_socket = \"/" + std::string(107, 'x') + "\"",
                 ":4:17: notifier.worker_socket is too long"},
        bad_file{"worker_user_without_socket", with_store + "[notifier]\nworker_user = \"u\"",
                 ":4:15: notifier.worker_user needs notifier.worker_socket"},
        bad_file{"password_in_file", with_store + "[redis]\npassword = \"p\"",
                 ":4:1: redis.password is no setting; did you mean password_file?"},
        bad_file{"unknown_zone", with_store + "[organization]\ntime_zone = \"Europe/Nowhere\"",
                 ":4:13: organization.time_zone is no time zone"},
        bad_file{"zone_is_a_path", with_store + "[organization]\ntime_zone = \"../../../etc/passwd\"",
                 ":4:13: organization.time_zone is no time zone"},
        bad_file{"zone_is_a_folder", with_store + "[organization]\ntime_zone = \"America\"",
                 ":4:13: organization.time_zone is no time zone"},
        bad_file{"name_with_line_break", with_store + "[organization]\nname = \"a\\nb\"",
                 ":4:8: organization.name must not hold control characters"},
        bad_file{"empty_name", with_store + "[organization]\nname = \"\"", ":4:8: organization.name must not be empty"},
        bad_file{"unknown_level", with_store + "[log]\nlevel = \"verbose\"", ":4:9: log.level must be"}),
    [](const auto& one) { return std::string(one.param.name); });

TEST(config, the_defaults_are_beyond_doubt) {
  EXPECT_THAT(doubtful_settings(config{}), ::testing::IsEmpty());
}

TEST(config, tells_what_has_no_effect_and_what_stands_open) {
  const auto doubts_of = [](auto change) {
    config settings;
    change(settings);
    const auto doubts = doubtful_settings(settings);
    return doubts.size() == 1 ? doubts.front() : std::to_string(doubts.size()) + " doubts";
  };
  EXPECT_THAT(doubts_of([](config& all) { all.server.admin_listen.host = "0.0.0.0"; }),
              StartsWith("server.admin_listen: 0.0.0.0:9090 is no"));
  EXPECT_THAT(doubts_of([](config& all) { all.server.idle_timeout = 2s; }),
              StartsWith("server.idle_timeout_ms is below server.hello_timeout_ms"));
  EXPECT_THAT(doubts_of([](config& all) { all.server.max_connections = 4'000; }),
              StartsWith("server.max_connections_per_address is above"));
  EXPECT_THAT(doubts_of([](config& all) { all.limits.commands_per_minute = 299; }),
              StartsWith("limits.device_commands_per_minute is above"));
  EXPECT_THAT(doubts_of([](config& all) { all.limits.commands_at_once = 99; }), StartsWith("limits.device_commands_at_once is above"));
  EXPECT_THAT(doubts_of([](config& all) {
                all.server.allowed_origins = {"http://app.example.org", "http://localhost:5173", "https://a.b"};
              }),
              StartsWith("server.allowed_origins holds http://app.example.org: "));
}

TEST(config, origins_are_what_browsers_send) {
  for (const char* good : {"https://app.example.org", "http://localhost", "https://a.b:8443", "http://127.0.0.1:8080", "https://[::1]"}) {
    EXPECT_FALSE(fault_of_origin(good)) << good;
  }
  for (const char* bad : {"",
                          "*",
                          "null",
                          "app.example.org",
                          "https://",
                          "https://a.b/",
                          "https://a.b/path",
                          "HTTPS://a.b",
                          "https://A.b",
                          "https://a.b:443",
                          "http://a.b:80",
                          "https://a.b:0",
                          "https://a.b:",
                          "ws://a.b",
                          "https://u@a.b",
                          "https://a b",
                          "https://*.example.org",
                          "https://[::1",
                          "https://a.b?x",
                          "https://a.b#x"}) {
    EXPECT_TRUE(fault_of_origin(bad)) << bad;
  }
}

TEST(config, escapes_what_it_quotes) {
  const std::string fault = fault_in(with_store + "[server]\nallowed_origins = [\"https://\\u202E\\u009B31m\"]\n");
  EXPECT_THAT(fault, HasSubstr("is no origin"));
  EXPECT_THAT(fault, Not(HasSubstr("\xE2\x80\xAE")));
  EXPECT_THAT(fault, Not(HasSubstr("\xC2\x9B")));
}

TEST(config, serving_needs_to_know_who_may_log_in) {
  auto read = parse(with_store);
  ASSERT_TRUE(read);
  config all = *read;
  const auto missing = [&] {
    const auto fault = missing_for_serving(all, file_name);
    return fault ? fault->message : std::string();
  };
  EXPECT_THAT(missing(), HasSubstr("identity.jwks_file"));
  all.identity.jwks_file = "jwks.json";
  EXPECT_THAT(missing(), HasSubstr("identity.issuer"));
  all.identity.issuer = "i";
  EXPECT_THAT(missing(), HasSubstr("identity.audience"));
  all.identity.audience = "a";
  EXPECT_EQ(missing(), "");
}

TEST(config, calling_needs_a_server_to_come_to_and_a_way_out_and_no_store) {
  EXPECT_FALSE(parse_config("", file_name));
  auto read = parse_config("", file_name, {}, required_settings::left_out);
  ASSERT_TRUE(read) << read.error().to_text();
  config all = *read;
  const auto missing = [&] {
    const auto fault = missing_for_calling(all, file_name);
    return fault ? fault->message : std::string();
  };
  EXPECT_THAT(missing(), HasSubstr("notifier.worker_socket"));
  all.notifier.worker_socket = "calls.sock";
  EXPECT_TRUE(all.notifier.on());
  EXPECT_THAT(missing(), HasSubstr("notifier.smtp_url or notifier.webhook_url"));
  all.notifier.smtp_url = "smtp://mail.example.org";
  EXPECT_EQ(missing(), "");
  EXPECT_FALSE(parse_config("[server]\nlisten = 5\n", file_name, {}, required_settings::left_out)) << "what is there is checked";
}

TEST(config, is_read_from_a_file_and_resolves_paths_in_its_folder) {
  const scratch_folder folder;
  const auto file = folder.write("careteam.toml", with_store);
  const auto read = load_config(file);
  ASSERT_TRUE(read) << read.error().to_text();
  EXPECT_EQ(read->store.path, folder.path() / "c.db");
}

TEST(config, a_file_that_cannot_be_read_is_an_error) {
  const scratch_folder folder;
  const auto missing = load_config(folder.path() / "no.toml");
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().to_text(), HasSubstr("no.toml: No such file"));
  ASSERT_FALSE(load_config(folder.path()));
  EXPECT_THAT(load_config(folder.path()).error().to_text(), HasSubstr("is not a file"));
  const auto huge = load_config(folder.write("huge.toml", std::string(max_config_file_bytes + 1, '#')));
  ASSERT_FALSE(huge);
  EXPECT_THAT(huge.error().to_text(), HasSubstr("too large"));
  EXPECT_THROW(huge.value(), std::runtime_error);
}

TEST(variables, take_the_place_of_the_file_s_settings) {
  const environment variables{{"CARETEAM_SERVER_LISTEN", "127.0.0.1:1234"},
                              {"CARETEAM_SERVER_DRAIN_MS", "1500"},
                              {"CARETEAM_SERVER_MAX_CONNECTIONS", "77"},
                              {"CARETEAM_SERVER_MAX_CONNECTIONS_PER_PERSON", "7"},
                              {"CARETEAM_SERVER_ALLOWED_ORIGINS", "https://a.example.org,https://b.example.org"},
                              {"CARETEAM_STORE_CREATE", "false"},
                              {"CARETEAM_STORE_PATH", "elsewhere.db"},
                              {"CARETEAM_REDIS_ENDPOINT", ""},
                              {"CARETEAM_LOG_LEVEL", "error"},
                              {"CARETEAM_BINARY", "is not ours to read"},
                              {"CARETEAM_SEED", "7"}};
  const auto read = parse_config("[server]\nlisten = \"127.0.0.1:80\"\n[store]\npath = \"here.db\"\n", file_name, variables);
  ASSERT_TRUE(read) << read.error().to_text();
  EXPECT_EQ(read->server.listen, (tcp_address{"127.0.0.1", 1234}));
  EXPECT_EQ(read->server.drain, 1500ms);
  EXPECT_EQ(read->server.max_connections, 77U);
  EXPECT_THAT(read->server.allowed_origins, ElementsAre("https://a.example.org", "https://b.example.org"));
  EXPECT_FALSE(read->store.create);
  EXPECT_EQ(read->store.path, "/etc/careteam/elsewhere.db");
  EXPECT_TRUE(std::holds_alternative<std::monostate>(read->redis.endpoint));
  EXPECT_EQ(read->log.level, log_level::error);
}

TEST(variables, may_name_what_is_required) {
  EXPECT_TRUE(parse_config("", file_name, {{"CARETEAM_STORE_PATH", "/var/lib/store.db"}}));
}

TEST(variables, are_checked_like_settings_and_name_themselves) {
  const auto told = [](const std::string& name, const std::string& value) {
    const auto read = parse_config(with_store, file_name, {{name, value}});
    return read ? std::string("accepted") : read.error().to_text();
  };
  EXPECT_THAT(told("CARETEAM_SERVER_DRAIN_MS", "soon"),
              StartsWith("CARETEAM_SERVER_DRAIN_MS: must be a whole number, 0 to 9000 milliseconds"));
  EXPECT_THAT(told("CARETEAM_SERVER_DRAIN_MS", "10000"), HasSubstr("0 to 9000"));
  EXPECT_THAT(told("CARETEAM_SERVER_DRAIN_MS", ""), HasSubstr("whole number"));
  EXPECT_THAT(told("CARETEAM_SERVER_DRAIN_MS", "1 "), HasSubstr("whole number"));
  EXPECT_THAT(told("CARETEAM_STORE_CREATE", "yes"), HasSubstr("true or false"));
  EXPECT_THAT(told("CARETEAM_SERVER_LISTEN", "localhost"), HasSubstr("numeric address"));
  EXPECT_THAT(told("CARETEAM_SERVER_ALLOWED_ORIGINS", "https://a.example.org,b"), HasSubstr("\"b\""));
  EXPECT_THAT(told("CARETEAM_SERVER_LISTN", "127.0.0.1:1"), HasSubstr("did you mean CARETEAM_SERVER_LISTEN?"));
  EXPECT_THAT(told("CARETEAM_LOG_COLOUR", "red"), HasSubstr("is the variable of no setting"));
  EXPECT_THAT(told("CARETEAM_SERVER_ADMIN_LISTEN", "127.0.0.1:8080"), HasSubstr("takes the port"));
}

TEST(settings, are_documented_completely_and_the_document_is_a_configuration_with_the_defaults) {
  const std::string document = document_settings();
  std::set<std::string> names;
  for (const setting& one : settings()) {
    EXPECT_TRUE(names.insert(std::string(one.section) + "." + std::string(one.key)).second) << one.key;
    EXPECT_FALSE(one.help.empty()) << one.key;
    EXPECT_THAT(document, HasSubstr(std::string(one.key) + " = "));
    EXPECT_THAT(document, HasSubstr(std::string(one.help)));
  }
  const auto read = parse(document);
  ASSERT_TRUE(read) << read.error().to_text() << "\n" << document;
  const config defaults;
  EXPECT_EQ(read->server.listen, defaults.server.listen);
  EXPECT_EQ(read->server.drain, defaults.server.drain);
  EXPECT_EQ(read->store.cache_bytes, defaults.store.cache_bytes);
  EXPECT_EQ(read->redis.endpoint, defaults.redis.endpoint);
  EXPECT_EQ(read->organization.name, defaults.organization.name);
  EXPECT_EQ(read->log.level, defaults.log.level);
  EXPECT_TRUE(read->identity.jwks_file.empty());
}

TEST(settings, the_document_works_with_every_line_uncommented) {
  std::string document;
  for (std::size_t at = 0; at < document_settings().size();) {
    const std::string all = document_settings();
    const std::size_t end = all.find('\n', at);
    std::string line = all.substr(at, end - at);
    if (line.starts_with("# ") && line.find(" = ") != std::string::npos) line.erase(0, 2);
    document += line + "\n";
    at = end + 1;
  }
  const auto read = parse(document);
  ASSERT_TRUE(read) << read.error().to_text();
  EXPECT_FALSE(missing_for_serving(*read, file_name));
}

TEST(settings, nearest_word_is_near) {
  const std::string_view known[] = {"listen", "admin_listen", "drain_ms"};
  EXPECT_EQ(nearest_word("lisen", known), "listen");
  EXPECT_EQ(nearest_word("litsen", known), "listen");
  EXPECT_EQ(nearest_word("drain", known), "drain_ms");
  EXPECT_EQ(nearest_word("drai", known), "");
  EXPECT_EQ(nearest_word("drain_mss", known), "drain_ms");
  EXPECT_EQ(nearest_word("colour", known), "");
  EXPECT_EQ(nearest_word(std::string(100'000, 'a'), known), "");
}

}  // namespace
}  // namespace careteam::runtime

// `careteam import`, `enroll`, `verify`, `rebuild`, `backup`, `restore`: commands on the store.
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <functional>
#include <iostream>

#include "admin/control_client.hpp"
#include "admin/importer.hpp"
#include "admin/rebuild.hpp"
#include "careteam/commands.hpp"
#include "careteam/task_settings.hpp"
#include "coordination/obligation_rows.hpp"
#include "store/sqlite_backup.hpp"
#include "store/sqlite_migration.hpp"
#include "store/sqlite_store.hpp"
#include "store/verify.hpp"

namespace careteam {
namespace {

namespace asio = boost::asio;

constexpr int backup_niceness = 10;

/// Runs one coroutine to its end.
template <class Work>
void run(asio::io_context& loop, Work work) {
  std::exception_ptr failed;
  asio::co_spawn(loop, std::move(work), [&](std::exception_ptr failure) { failed = failure; });
  loop.restart();
  loop.run();
  if (failed) std::rethrow_exception(failed);
}

/// Opens the configured store, runs one coroutine on it, closes it.
template <class Work>
int with_store(const runtime::config& settings, store::when_missing missing, Work work) {
  asio::io_context loop(1);
  store::sqlite_options options;
  options.path = settings.store.path.string();
  options.missing = settings.store.create ? missing : store::when_missing::fail;
  options.cache_bytes = settings.store.cache_bytes;
  options.on_failure = [](store::errc, std::string_view text) { std::cerr << "careteam: the store: " << text << '\n'; };
  auto opened = store::open_sqlite(loop.get_executor(), options);
  int code = exit_failed;
  run(loop, work(*opened, code));
  run(loop, opened->close());
  return code;
}

/// The server that holds the store, or nothing after saying why on stderr.
std::optional<admin::control_client> reach_server(asio::io_context& loop, const runtime::config& settings,
                                                  const store::open_error& locked) {
  const auto path = admin::control_path(settings.server.control_socket, settings.store.path);
  try {
    return admin::control_client(loop, path);
  } catch (const boost::system::system_error& failed) {
    std::cerr << "careteam: " << locked.what() << "; asking it at " << path.string() << " failed: " << failed.code().message()
              << ": run this as the server's user\n";
    return std::nullopt;
  }
}

/// Runs one coroutine that applies units: to the store, or by way of the server that holds it.
template <class Work>
int with_sink(const std::filesystem::path& config_file, Work work) {
  const auto settings = read_config(config_file);
  if (!settings) return exit_failed;
  const auto tasks = task_setting_of(*settings);
  try {
    return with_store(*settings, store::when_missing::create, [&](store::record_store& into, int& code) -> asio::awaitable<void> {
      const runtime::system_clock clock;
      admin::importer importer(into, clock, settings->store.snapshot_every, tasks);
      co_await work(importer, code);
    });
  } catch (const store::open_error& failed) {
    if (failed.kind() != store::open_failure::locked) throw;
    asio::io_context loop(1);
    auto server = reach_server(loop, *settings, failed);
    if (!server) return exit_failed;
    int code = exit_failed;
    run(loop, work(*server, code));
    return code;
  }
}

void print(const char* title, const std::map<std::string, std::uint64_t>& counts) {
  if (counts.empty()) return;
  std::cout << title << ':';
  for (const auto& [what, count] : counts) std::cout << ' ' << what << '=' << count;
  std::cout << '\n';
}

asio::awaitable<void> import_into(admin::unit_sink& into, const std::vector<std::filesystem::path>& files, int& code) {
  const runtime::system_clock clock;
  admin::import_tally tally, refused;
  std::uint64_t applied = 0, unchanged = 0, units = 0;
  bool good = true;
  for (const auto& file : files) {
    auto reader = admin::fhir_reader::open(file, {std::chrono::floor<std::chrono::seconds>(clock.now())});
    if (!reader) {
      std::cerr << "careteam import: " << file.string() << ": " << reader.error().message() << '\n';
      good = false;
      continue;
    }
    while (auto unit = reader->next()) {
      if (!*unit) continue;  // Counted and named in the tally.
      auto outcome = co_await into.apply(std::move(**unit));
      if (!outcome) {
        std::cerr << "careteam import: " << file.string() << ": " << outcome.error().message()
                  << "; what was reported before is imported\n";
        co_return;
      }
      if (outcome->refused) {
        ++refused.failed_units;
        refused.add(std::move(*outcome->refused));
        continue;
      }
      for (auto& problem : outcome->left_out) refused.add(std::move(problem));
      ++units;
      applied += outcome->applied;
      unchanged += outcome->unchanged;
    }
    tally.merge(reader->tally());
  }
  tally.merge(std::move(refused));
  good &= tally.failed_units == 0;
  std::cout << "imported: units=" << units << " steps=" << applied << " unchanged=" << unchanged << '\n';
  print("used", tally.used);
  print("not used, by type", tally.unused_types);
  print("not used, by field", tally.unused_fields);
  print("refused, by type", tally.refused);
  print("notes", tally.notes);
  for (const auto& problem : tally.problems) {
    std::cerr << (problem.failed_unit ? "not imported: " : "left out: ") << problem.where << ' ' << problem.path << ": " << problem.message
              << '\n';
  }
  if (tally.problems_left_out > 0) std::cerr << "… and " << tally.problems_left_out << " more\n";
  code = good ? exit_done : exit_failed;
}

/// Applies one step by itself and says what became of it, in the name of a command.
asio::awaitable<void> apply_one(admin::unit_sink& into, admin::import_step step, std::string in_the_name_of, int& code) {
  admin::import_unit unit;
  unit.where = in_the_name_of;
  unit.steps.push_back(std::move(step));
  const auto outcome = co_await into.apply(std::move(unit));
  if (!outcome) {
    std::cerr << in_the_name_of << ": " << outcome.error().message() << '\n';
  } else if (outcome->refused) {
    std::cerr << in_the_name_of << ": " << outcome->refused->message << '\n';
  } else {
    std::cout << (outcome->applied > 0 ? "done\n" : "nothing to change\n");
    code = exit_done;
  }
}

bool add_contacts(v1::EnrollPerson& to, const std::vector<std::string>& contacts) {
  for (const auto& text : contacts) {
    const auto contact = care::parse_contact(text);
    if (!contact) {
      std::cerr << "careteam enroll: --contact takes a system (email, sms, phone, pager, push), a space and an address or a number\n";
      return false;
    }
    to.add_contacts()->set_system(contact->system);
    to.mutable_contacts()->rbegin()->set_value(contact->value);
  }
  return true;
}

asio::awaitable<void> enroll_into(admin::unit_sink& into, const enroll_request& asked, int& code) {
  admin::import_step step;
  step.source = asked.person;
  step.when = admin::apply_when::if_changed;
  if (!asked.suspend.empty()) {
    auto& suspend = *step.command.mutable_suspend_person();
    suspend.set_person_id(asked.person);
    suspend.set_reason(asked.suspend);
  } else if (!asked.reinstate.empty()) {
    auto& reinstate = *step.command.mutable_reinstate_person();
    reinstate.set_person_id(asked.person);
    reinstate.set_reason(asked.reinstate);
  } else {
    auto& person = *step.command.mutable_enroll_person();
    person.set_person_id(asked.person);
    person.set_name(asked.name);
    person.set_kind(asked.kind == "patient"   ? v1::PERSON_KIND_PATIENT
                    : asked.kind == "related" ? v1::PERSON_KIND_RELATED
                    : asked.kind == "service" ? v1::PERSON_KIND_SERVICE
                    : asked.kind == "staff"   ? v1::PERSON_KIND_STAFF
                                              : v1::PERSON_KIND_UNSPECIFIED);
    person.set_reach(asked.reach);
    person.set_hours(asked.hours);
    person.set_quiet_hours(asked.quiet_hours);
    if (!add_contacts(person, asked.contacts)) co_return;
    if (asked.administrator) person.add_roles(v1::ROLE_ADMINISTRATOR);
    if (asked.deceased) person.set_deceased(*asked.deceased);
  }
  co_await apply_one(into, std::move(step), "careteam enroll", code);
}

asio::awaitable<void> revoke_in(admin::unit_sink& into, const sessions_request& asked, int& code) {
  admin::import_step step;
  step.source = asked.revoke;
  step.when = admin::apply_when::if_changed;
  step.command.mutable_revoke_sessions()->set_person_id(asked.revoke);
  step.command.mutable_revoke_sessions()->set_reason(asked.reason);
  co_await apply_one(into, std::move(step), "careteam sessions", code);
}

std::string shown(std::int64_t microseconds) {
  const std::time_t seconds = microseconds / 1'000'000;
  std::tm parts{};
  std::array<char, 32> text{};
  gmtime_r(&seconds, &parts);
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text.data();
}

asio::awaitable<void> print_sessions(admin::control_client& server, std::string person, int& code) {
  const auto list = co_await server.sessions(std::move(person));
  if (!list) {
    std::cerr << "careteam sessions: " << list.error().message() << '\n';
    co_return;
  }
  for (const auto& one : list->sessions()) {
    std::cout << "session=" << one.session_id() << " person=" << one.person_id() << " device=" << one.device_id()
              << " opened=" << shown(one.opened_us()) << " token_expires=" << shown(one.token_expires_us())
              << " waiting_bytes=" << one.waiting_bytes() << '\n';
  }
  std::cout << "sessions: " << list->sessions_size() << '\n';
  code = exit_done;
}

asio::awaitable<void> rebuild_in(store::record_store& in, int& code) {
  auto report = co_await admin::rebuild(in);
  if (!report) {
    std::cerr << "careteam rebuild: " << report.error().message() << "; `careteam verify` names the place\n";
    co_return;
  }
  for (const auto& difference : report->differences) std::cerr << "differs: " << difference << '\n';
  std::cout << "rebuilt: records=" << report->records << " entries=" << report->entries << " snapshots=" << report->snapshots
            << " memberships=" << report->memberships << " timers=" << report->timers << " obligations=" << report->obligations
            << " differences=" << report->differences.size() << '\n';
  code = report->differences.empty() ? exit_done : exit_failed;
}

constexpr std::uint64_t mebibyte = 1024 * 1024;

/// Whether to tell what is done, or only what went wrong.
enum class telling { all, failures };

/// Shows on a terminal how far something has come, in these units, begun ones included.
template <std::uint64_t Unit>
std::function<void(std::uint64_t, std::uint64_t)> show_progress(std::string what, telling tell) {
  const bool shown = tell == telling::all && isatty(STDERR_FILENO) != 0;
  return [shown, what = std::move(what)](std::uint64_t done, std::uint64_t total) {
    if (!shown) return;
    const auto units = [](std::uint64_t amount) { return (amount + Unit - 1) / Unit; };
    std::cerr << '\r' << units(done) << " of " << units(total) << ' ' << what << (done == total ? "\n" : "") << std::flush;
  };
}

/// Says that a copy is made, how large it is and how long it took.
void tell_copy(std::string_view what, const store::copy_report& made, std::chrono::steady_clock::time_point started) {
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
  std::array<char, 32> seconds{};
  std::snprintf(seconds.data(), seconds.size(), "%.1f", took.count());
  std::cout << what << ": bytes=" << made.bytes << " seconds=" << seconds.data() << " epoch=" << made.epoch << '\n';
}

/// Says what was found.
int report_verification(const store::verify_report& report, telling tell) {
  for (const auto& one : report.findings) {
    std::cerr << "finding:";
    if (!one.record.empty()) std::cerr << " record=" << one.record;
    if (one.stream != 0) std::cerr << " stream=" << one.stream;
    if (one.seq != 0) std::cerr << " seq=" << one.seq;
    std::cerr << ' ' << one.what << '\n';
  }
  if (tell == telling::failures && report.sound()) return exit_done;
  std::cout << (report.sound() ? "sound" : "NOT SOUND") << ": records=" << report.records << " streams=" << report.streams
            << " entries=" << report.entries << " commands=" << report.commands << " timers=" << report.timers
            << " deliveries=" << report.deliveries << " obligations=" << report.obligations << " findings=" << report.findings.size()
            << '\n';
  return report.sound() ? exit_done : exit_failed;
}

/// Verifies the store at `path` and says what was found.
int report_verification(const std::filesystem::path& path, telling tell,
                        store::accepted_schema accepted = store::accepted_schema::current) {
  return report_verification(store::verify_sqlite(path.string(), show_progress<1>("entries verified", tell), accepted), tell);
}

}  // namespace

int import_files(const std::filesystem::path& config_file, const std::vector<std::filesystem::path>& files) {
  return with_sink(config_file, [&](admin::unit_sink& into, int& code) { return import_into(into, files, code); });
}

int enroll(const std::filesystem::path& config_file, const enroll_request& asked) {
  if (asked.suspend.empty() && asked.reinstate.empty() && (asked.name.empty() || asked.kind.empty())) {
    std::cerr << "careteam enroll: needs --name and --kind, or --suspend, or --reinstate\n";
    return exit_usage;
  }
  return with_sink(config_file, [&](admin::unit_sink& into, int& code) { return enroll_into(into, asked, code); });
}

int rebuild(const std::filesystem::path& config_file) {
  const auto settings = read_config(config_file);
  if (!settings) return exit_failed;
  return with_store(*settings, store::when_missing::fail, [&](store::record_store& in, int& code) { return rebuild_in(in, code); });
}

int list_or_revoke(const std::filesystem::path& config_file, const sessions_request& asked) {
  if (!asked.revoke.empty()) {
    if (asked.reason.empty()) {
      std::cerr << "careteam sessions: --revoke needs --reason\n";
      return exit_usage;
    }
    // Written into the organisation's record: it counts for every process, and after a restart.
    return with_sink(config_file, [&](admin::unit_sink& into, int& code) { return revoke_in(into, asked, code); });
  }
  const auto settings = read_config(config_file);
  if (!settings) return exit_failed;
  asio::io_context loop(1);
  const auto path = admin::control_path(settings->server.control_socket, settings->store.path);
  int code = exit_failed;
  try {
    admin::control_client server(loop, path);
    run(loop, print_sessions(server, asked.person, code));
  } catch (const boost::system::system_error& failed) {
    std::cerr << "careteam sessions: no server at " << path.string() << ": " << failed.code().message() << '\n';
  }
  return code;
}

int verify(const std::filesystem::path& config_file) {
  const auto settings = read_config(config_file);
  if (!settings) return exit_failed;
  return report_verification(settings->store.path, telling::all);
}

int backup(const std::filesystem::path& config_file, const copy_request& asked) {
  const auto settings = read_config(config_file);
  if (!settings) return exit_failed;
  // The server that may run beside this comes first.
  (void)setpriority(PRIO_PROCESS, 0, backup_niceness);
  const auto tell = asked.quiet ? telling::failures : telling::all;
  const auto started = std::chrono::steady_clock::now();
  const auto made = store::back_up_sqlite(settings->store.path.string(), asked.file.string(), show_progress<mebibyte>("MiB copied", tell));
  const int sound = report_verification(asked.file, tell);
  if (tell == telling::all && sound == exit_done) tell_copy("copied", made, started);
  return sound;
}

int restore(const std::filesystem::path& config_file, const copy_request& asked) {
  const auto settings = read_config(config_file);
  if (!settings) return exit_failed;
  const auto tell = asked.quiet ? telling::failures : telling::all;
  const auto started = std::chrono::steady_clock::now();
  if (report_verification(asked.file, tell, store::accepted_schema::older_too) != exit_done) {
    std::cerr << "careteam restore: this backup is not sound; nothing was restored\n";
    return exit_failed;
  }
  const auto made = store::restore_sqlite(asked.file.string(), settings->store.path.string(), show_progress<mebibyte>("MiB copied", tell));
  if (tell == telling::all) tell_copy("restored", made, started);
  return exit_done;
}

int migrate(const std::filesystem::path& config_file, std::filesystem::path backup_to) {
  const auto settings = read_config(config_file);
  if (!settings) return exit_failed;
  const auto path = settings->store.path.string();
  if (backup_to.empty()) {
    const auto now = std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
    backup_to = path + ".before-schema-" + std::to_string(store::store_schema_version) + "-" + shown(now.time_since_epoch().count());
  }
  coordination::entry_projection projection;
  const auto done = store::migrate_sqlite(path, backup_to.string(), show_progress<mebibyte>("MiB copied", telling::all), projection);
  if (done.from == store::store_schema_version) {
    std::cout << "nothing to do: the store has schema " << done.from << '\n';
    return exit_done;
  }
  std::cout << "backup: " << backup_to.string() << " bytes=" << done.backup_bytes << '\n';
  if (report_verification(done.before, telling::all) != exit_done) {
    std::cerr << "careteam migrate: the store is not sound; nothing was changed\n";
    return exit_failed;
  }
  std::cout << "migrated: schema " << done.from << " to " << done.to << '\n';
  if (report_verification(done.after, telling::all) == exit_done) return exit_done;
  std::cerr << "careteam migrate: the migrated store is not sound: move it away and run `careteam restore --config " << config_file.string()
            << ' ' << backup_to.string() << "` with the older program\n";
  return exit_failed;
}

}  // namespace careteam

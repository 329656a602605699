// `careteam`: reads the command line and hands over to a command.
#include <CLI/CLI.hpp>
#include <iostream>

#include "careteam/bench_command.hpp"
#include "careteam/commands.hpp"
#include "runtime/shutdown.hpp"
#include "store/sqlite_store.hpp"

namespace careteam {

std::optional<runtime::config> read_config(const std::filesystem::path& file, runtime::required_settings required) {
  auto loaded = runtime::load_config(file, runtime::process_environment(), required);
  if (loaded) return std::move(*loaded);
  std::cerr << "careteam: " << loaded.error().to_text() << '\n';
  return std::nullopt;
}

}  // namespace careteam

int main(int argc, char** argv) {
  using namespace careteam;
  runtime::forbid_core_dumps();
  CLI::App app{"The messaging backend of a patient's care team.", "careteam"};
  app.require_subcommand(1);
  app.set_version_flag("--version", CARETEAM_VERSION);
  app.footer("Exit codes: 0 done, 1 not done (the reason is on stderr), 2 wrong usage.");
  std::filesystem::path config_file;
  const auto with_config = [&](CLI::App* command) {
    command->add_option("-c,--config", config_file, "Configuration file (TOML)")->required()->check(CLI::ExistingFile);
  };

  auto* serving = app.add_subcommand("serve", "Run the server until SIGTERM or SIGINT; drains in at most 10 s");
  with_config(serving);

  auto* notifying = app.add_subcommand(
      "notifier",
      "Make the calls that `serve` hands over at notifier.worker_socket, until SIGTERM or SIGINT: needs no store, and keeps "
      "the gateways' secrets and the way out away from the server");
  with_config(notifying);

  auto* importing =
      app.add_subcommand("import", "Import FHIR R4 JSON Bundles, resources and NDJSON; idempotent, all-or-nothing per bundle or line");
  with_config(importing);
  std::vector<std::filesystem::path> files;
  importing->add_option("files", files, "Files: *.ndjson is read line by line, everything else as one JSON document")->required();

  auto* enrolling = app.add_subcommand("enroll", "Create or change a person's account, suspend it or reinstate it");
  with_config(enrolling);
  enroll_request person;
  enrolling->add_option("--person", person.person, "The person's id: 1 to 64 of A-Z a-z 0-9 - .")->required();
  auto* name = enrolling->add_option("--name", person.name, "The name, as the patient should read it");
  enrolling->add_option("--kind", person.kind, "staff, patient, related or service")
      ->check(CLI::IsMember({"staff", "patient", "related", "service"}));
  enrolling->add_flag("--administrator", person.administrator, "May manage people and teams; reads no patient's stream");
  enrolling->add_option("--reach", person.reach, "How to reach the person, for the roster");
  enrolling->add_option("--hours", person.hours, "When, for the roster");
  enrolling->add_option("--contact", person.contacts,
                        "How to call the person outside, once or several times in the order to try: \"sms +15550100\", also email, phone, "
                        "pager, push");
  enrolling->add_option("--quiet-hours", person.quiet_hours, "When the person is not called, but for what must ring: 22:00-07:00");
  enrolling->add_option("--deceased", person.deceased, "true: the patient has died; false: that was a mistake");
  auto* suspend = enrolling->add_option("--suspend", person.suspend, "Suspend the account, with this reason")->excludes(name);
  enrolling->add_option("--reinstate", person.reinstate, "End the suspension, with this reason")->excludes(name)->excludes(suspend);

  auto* tokens = app.add_subcommand("token", "Make keys and issue tokens, for development and the demo");
  token_request wanted;
  tokens->add_option("--new-key", wanted.new_key, "Write a new private key (ES256) to this file; needs --kid and --jwks");
  tokens->add_option("--jwks", wanted.jwks, "With --new-key: write the public key set to this file");
  tokens->add_option("--key", wanted.key, "Private key to sign with")->check(CLI::ExistingFile);
  tokens->add_option("--kid", wanted.kid, "With --new-key: the key's id");
  tokens->add_option("--issuer", wanted.issuer, "Claim iss");
  tokens->add_option("--audience", wanted.audience, "Claim aud");
  tokens->add_option("--subject", wanted.subject, "The person");
  tokens->add_option("--subjects-file", wanted.subjects_file, "One person a line; prints 'person token' lines")->check(CLI::ExistingFile);
  tokens->add_option("--expires", wanted.expires_seconds, "Seconds until the token expires")
      ->check(CLI::Range(1, 366 * 86400))
      ->capture_default_str();

  auto* verifying =
      app.add_subcommand("verify", "Recompute every hash chain of the store and follow every reference; also while the server runs");
  with_config(verifying);

  auto* auditing =
      app.add_subcommand("audit", "Who was given which entries of a record, when and on what device; ids only; also while the server runs");
  with_config(auditing);
  audit_request question;
  auto* patient = auditing->add_option("--patient", question.patient, "The patient's id");
  auto* duty = auditing->add_option("--duty", question.duty, "The duty's id: its record instead")->excludes(patient);
  auditing->add_flag("--organization", question.organization, "The organisation's record instead")->excludes(patient)->excludes(duty);
  auditing->add_option("--person", question.person, "Only what this person was given");
  auto* of_stream = auditing->add_option("--stream", question.stream, "Only this stream")
                        ->check(CLI::IsMember({"shared", "clinical", "support", "audit", "organization", "duty"}));
  auditing->add_option("--seq", question.seq, "One entry of --stream: who was given it, since when at the earliest, who acknowledged it")
      ->needs(of_stream)
      ->check(CLI::PositiveNumber);
  auditing->add_option("--from", question.from, "Only what ended after this: 2026-03-01 or 2026-03-01T07:00:00Z");
  auditing->add_option("--to", question.to, "Only what began before the end of this");
  auditing->add_flag("--refusals", question.refusals, "Only what was refused");
  auditing->add_flag("--json", question.json, "One JSON object a line");

  auto* explaining = app.add_subcommand("explain",
                                        "The history of a task or of a message to be acknowledged in plain words: who had it when, what "
                                        "was tried, and why it moved; also while "
                                        "the server runs");
  with_config(explaining);
  explain_request obligation;
  explaining->add_option("patient", obligation.patient, "The patient's id")->required();
  explaining->add_option("obligation", obligation.obligation, "The task or the message: its stream and number, clinical/17")->required();
  explaining->add_option("--at", obligation.at, "Only who answered for it at this moment, and why: 2026-03-01T07:00:00Z");
  explaining->add_flag("--texts", obligation.texts, "Also what people wrote: titles and reasons, which are the patient's data");
  explaining->add_flag("--json", obligation.json, "One JSON object a line");

  auto* exporting = app.add_subcommand("export",
                                       "Patients' tasks and protocols with their teams, and duties' handoffs, as a FHIR R4 Bundle, of "
                                       "which import takes the tasks and teams; "
                                       "also while the server runs");
  with_config(exporting);
  export_request records;
  exporting->add_option("--patient", records.patients,
                        "A patient's id, once or several times: their record, and of handoffs what is about them; default: everything");
  exporting->add_option("--duty", records.duties, "A duty's id, once or several times: all of its handoffs, whoever is in them");
  exporting->add_option("--out", records.out, "Write to this file, which only its owner may read; it must not exist");
  exporting->add_flag("--texts", records.texts,
                      "Also names and what people wrote, which are the patient's data; without them import refuses it");

  auto* rebuilding = app.add_subcommand("rebuild", "Fold every entry anew and compare what is derived from them: snapshots and indexes");
  with_config(rebuilding);

  auto* sessions =
      app.add_subcommand("sessions", "List who is connected; --revoke ends a person's sessions and voids every token until now");
  with_config(sessions);
  sessions_request whose;
  sessions->add_option("--person", whose.person, "Only this person's");
  auto* revoking = sessions->add_option("--revoke", whose.revoke, "End this person's sessions and void every token issued until now");
  sessions->add_option("--reason", whose.reason, "With --revoke: why, for the record")->needs(revoking);

  copy_request copy;
  auto* backing_up =
      app.add_subcommand("backup", "Copy the store as it is at this moment, also while the server runs, and verify the copy");
  with_config(backing_up);
  backing_up->add_option("file", copy.file, "The copy; it must not exist")->required();
  backing_up->add_flag("-q,--quiet", copy.quiet, "Tell only what went wrong");
  auto* restoring = app.add_subcommand("restore", "Make a backup the store, as a new incarnation: clients then read everything again");
  with_config(restoring);
  restoring->add_option("file", copy.file, "The backup; it is verified first")->required()->check(CLI::ExistingFile);
  restoring->add_flag("-q,--quiet", copy.quiet, "Tell only what went wrong");

  auto* migrating = app.add_subcommand(
      "migrate",
      "Make the store of an older program this program's; writes and verifies a backup first, and does nothing where it need not");
  with_config(migrating);
  std::filesystem::path backup_to;
  migrating->add_option("--backup", backup_to, "Where the backup goes; default: beside the store, named after its schema and the time");

  auto* asking_health = app.add_subcommand("health", "Ask the running server how it is: exit 0 and its report, or 1");
  with_config(asking_health);

  bench_command benching(app);

  auto* configuring = app.add_subcommand("config", "Check a configuration file, or print all settings");
  configuring->require_subcommand(1);
  auto* checking = configuring->add_subcommand("check", "Read the file and the environment, look at what they name, and say what is wrong");
  with_config(checking);
  bool of_notifier = false;
  checking->add_flag("--notifier", of_notifier, "The file is for `notifier`: asks for what it needs, and not for a store");
  auto* defaults = configuring->add_subcommand("defaults", "Print a file with every setting, its range and default");
  auto* documenting = configuring->add_subcommand("doc", "Print every setting as a Markdown table");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? exit_done : exit_usage;
  }
  try {
    if (*serving) return serve(config_file);
    if (*notifying) return notifier_alone(config_file);
    if (*importing) return import_files(config_file, files);
    if (*enrolling) return enroll(config_file, person);
    if (*tokens) return token(wanted);
    if (*verifying) return verify(config_file);
    if (*auditing) return audit(config_file, question);
    if (*explaining) return explain(config_file, obligation);
    if (*exporting) return export_tasks(config_file, records);
    if (*rebuilding) return rebuild(config_file);
    if (*sessions) return list_or_revoke(config_file, whose);
    if (*backing_up) return backup(config_file, copy);
    if (*restoring) return restore(config_file, copy);
    if (*migrating) return migrate(config_file, backup_to);
    if (*asking_health) return health(config_file);
    if (benching.chosen()) return benching.run();
    if (*checking) return of_notifier ? check_notifier_config(config_file) : check_config(config_file);
    if (*defaults) return print_defaults();
    if (*documenting) return print_settings();
  } catch (const store::open_error& error) {
    std::cerr << "careteam: " << error.what();
    if (error.kind() == store::open_failure::older_schema) std::cerr << ": run `careteam migrate --config " << config_file.string() << '`';
    std::cerr << '\n';
    return exit_failed;
  } catch (const std::exception& error) {
    std::cerr << "careteam: " << error.what() << '\n';
    return exit_failed;
  }
  return exit_usage;
}

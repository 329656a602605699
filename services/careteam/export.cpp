// `careteam export`: the tasks of records as a FHIR R4 Bundle.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <iostream>
#include <system_error>

#include "admin/fhir_export.hpp"
#include "careteam/audit_note.hpp"
#include "careteam/commands.hpp"
#include "careteam/entry_reading.hpp"
#include "careteam/task_settings.hpp"
#include "runtime/clock.hpp"
#include "store/sqlite_history.hpp"

namespace careteam {
namespace {

constexpr mode_t owner_only = 0600;

/// The records that are asked for; nothing after saying on stderr which is not there.
std::optional<std::vector<std::string>> records_to_export(store::record_history& history, const care::organization_state& people,
                                                          const std::vector<std::string>& asked) {
  std::vector<std::string> found;
  for (const auto& patient : asked) {
    if (patient.empty() || history.heads(care::record_key(patient)).empty()) {
      std::cerr << "careteam export: there is no such record\n";
      return std::nullopt;
    }
    if (std::ranges::find(found, patient) == found.end()) found.push_back(patient);
  }
  if (!asked.empty()) return found;
  for (const auto& [id, account] : people.people) {
    if (account.kind == v1::PERSON_KIND_PATIENT && !history.heads(care::record_key(id)).empty()) found.push_back(id);
  }
  return found;
}

/// A new file that only its owner reads. Throws std::system_error.
std::ofstream open_new(const std::filesystem::path& file) {
  const int made = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, owner_only);
  if (made < 0) throw std::system_error(errno, std::generic_category(), file.string());
  ::close(made);
  return std::ofstream(file, std::ios::binary);
}

/// Writes the Bundle; how many tasks it has.
std::size_t write_bundle(std::ostream& to, store::record_history& history, const std::vector<std::string>& patients,
                         const admin::known_organization& organization, admin::told_texts texts) {
  const auto now = std::chrono::floor<std::chrono::microseconds>(runtime::system_clock().now());
  std::size_t tasks = 0;
  admin::bundle_writer bundle(to, now);
  for (const auto& patient : patients) {
    admin::fhir_export record(patient, organization, texts, now);
    for (entry_reader entries(history, care::record_key(patient)); entries.next(); entries.advance()) record.take(*entries.next());
    bundle.add(record.resources());
    tasks += record.tasks();
  }
  bundle.finish();
  to.flush();
  return tasks;
}

}  // namespace

int export_tasks(const std::filesystem::path& config_file, const export_request& asked) {
  const auto settings = read_config(config_file);
  if (!settings) return exit_failed;
  store::record_history history(settings->store.path.string());
  admin::known_organization organization(task_setting_of(*settings));
  organization_reader(history).read_until(care::instant::max(), [&](const v1::Entry& entry) { organization.take(entry); });
  const auto patients = records_to_export(history, organization.people(), asked.patients);
  if (!patients) return exit_failed;

  std::vector<internal::NoteAudit> notes(patients->size());
  for (std::size_t i = 0; i < notes.size(); ++i) notes[i].set_patient_id((*patients)[i]);
  if (!note_readings(*settings, notes, "export")) return exit_failed;

  const auto texts = asked.texts ? admin::told_texts::all : admin::told_texts::none;
  if (asked.out.empty()) {
    write_bundle(std::cout, history, *patients, organization, texts);
    return std::cout ? exit_done : exit_failed;
  }
  auto file = open_new(asked.out);
  const auto tasks = write_bundle(file, history, *patients, organization, texts);
  if (!file) {
    std::error_code ignored;
    std::filesystem::remove(asked.out, ignored);
    std::cerr << "careteam export: " << asked.out.string() << " cannot be written to its end\n";
    return exit_failed;
  }
  std::cout << "exported: records=" << patients->size() << " tasks=" << tasks << '\n';
  return exit_done;
}

}  // namespace careteam

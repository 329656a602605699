// `careteam export`: patients' tasks and protocols, and duties' handoffs, as a FHIR R4 Bundle.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <system_error>

#include "admin/fhir_export.hpp"
#include "admin/fhir_handoffs.hpp"
#include "careteam/audit_note.hpp"
#include "careteam/commands.hpp"
#include "careteam/entry_reading.hpp"
#include "careteam/task_settings.hpp"
#include "runtime/clock.hpp"
#include "store/sqlite_history.hpp"

namespace careteam {
namespace {

constexpr mode_t owner_only = 0600;

/// What goes into the Bundle: patients' records, duties as a whole, and of all other duties' handoffs the parts of the patients who are
/// asked for.
struct selection {
  std::vector<std::string> patients, duties;
  bool parts = false;
};

/// Those of the ids that are asked for, once each; nothing after saying on stderr that one of them is not there.
template <class Key>
std::optional<std::vector<std::string>> asked_records(store::record_history& history, const std::vector<std::string>& asked,
                                                      const Key& key) {
  std::vector<std::string> found;
  for (const auto& id : asked) {
    if (id.empty() || history.heads(key(id)).empty()) {
      std::cerr << "careteam export: there is no such record\n";
      return std::nullopt;
    }
    if (std::ranges::find(found, id) == found.end()) found.push_back(id);
  }
  return found;
}

/// Everything, where nothing is asked for. Nothing after saying on stderr what is not there.
std::optional<selection> select(store::record_history& history, const export_request& asked) {
  const auto patients = asked_records(history, asked.patients, [](const std::string& id) { return care::record_key(id); });
  if (!patients) return std::nullopt;
  const auto duties = asked_records(history, asked.duties, [](const std::string& id) { return care::duty_record_key(id); });
  if (!duties) return std::nullopt;
  if (!patients->empty() || !duties->empty()) return selection{*patients, *duties, !patients->empty()};
  selection everything;
  for (const auto& key : history.keys("patient/")) everything.patients.push_back(care::patient_of_key(key).value());
  for (const auto& key : history.keys(care::duty_record_key(""))) everything.duties.push_back(care::duty_of_key(key).value());
  return everything;
}

/// A new file that only its owner reads. Throws std::system_error.
std::ofstream open_new(const std::filesystem::path& file) {
  const int made = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, owner_only);
  if (made < 0) throw std::system_error(errno, std::generic_category(), file.string());
  ::close(made);
  return std::ofstream(file, std::ios::binary);
}

/// One export on its way from the store's file to the Bundle. In memory is one record, and of the handoffs what they list.
class exporting {
 public:
  exporting(store::record_history& history, const runtime::config& settings, selection what, admin::told_texts texts)
      : history_(history),
        what_(std::move(what)),
        texts_(texts),
        organization_(task_setting_of(settings)),
        owed_({what_.patients.begin(), what_.patients.end()}) {
    organization_reader(history_).read_until(care::instant::max(), [&](const v1::Entry& entry) { take(entry); });
  }

  /// The records into which somebody looks by it: also those of whom a duty's handoffs tell.
  std::vector<internal::NoteAudit> notes() const {
    std::vector<internal::NoteAudit> result;
    for (const auto& duty : what_.duties) result.emplace_back().set_duty_id(duty);
    for (const auto& patient : what_.patients) result.emplace_back().set_patient_id(patient);
    for (const auto& patient : only_named()) result.emplace_back().set_patient_id(patient);
    return result;
  }

  void write(std::ostream& to) {
    const auto now = std::chrono::floor<std::chrono::microseconds>(runtime::system_clock().now());
    admin::bundle_writer bundle(to, now);
    for (const auto& patient : what_.patients) write_patient(bundle, patient, now);
    for (const auto& patient : only_named()) {
      for (entry_reader entries(history_, care::record_key(patient)); entries.next(); entries.advance()) owed_.take(*entries.next());
    }
    for (const auto& duty : what_.duties) write_duty(bundle, duty);
    bundle.finish();
    to.flush();
  }

  /// What was written: "records=1 tasks=3 handoffs=2".
  std::string counted() const {
    return "records=" + std::to_string(what_.patients.size() + what_.duties.size()) + " tasks=" + std::to_string(tasks_) +
           " handoffs=" + std::to_string(handoffs_);
  }

 private:
  void take(const v1::Entry& entry) {
    organization_.take(entry);
    const auto& duty = entry.duty_id();
    if (duty.empty()) return;
    if (std::ranges::find(what_.duties, duty) != what_.duties.end()) return owed_.need(entry);
    if (!what_.parts) return;
    for (const auto& patient : what_.patients) {
      owed_.need(entry, patient);
      parts_[patient].try_emplace(duty, duty, patient).first->second.take(entry);
    }
  }

  /// Those whom a duty's handoffs name, and whose records are not asked for.
  std::vector<std::string> only_named() const {
    std::vector<std::string> result;
    std::ranges::copy_if(owed_.patients(), std::back_inserter(result), [&](const std::string& one) { return !owed_.is_exported(one); });
    return result;
  }

  void write_patient(admin::bundle_writer& bundle, const std::string& patient, care::instant now) {
    admin::fhir_export record(patient, organization_, texts_, now);
    for (entry_reader entries(history_, care::record_key(patient)); entries.next(); entries.advance()) {
      record.take(*entries.next());
      owed_.take(*entries.next());
    }
    std::vector<const admin::duty_handoffs*> parts;
    for (const auto& [duty, part] : parts_[patient]) parts.push_back(&part);
    bundle.add(record.resources(parts, owed_));
    tasks_ += record.tasks();
    for (const auto* part : parts) handoffs_ += part->handoffs().size();
  }

  void write_duty(admin::bundle_writer& bundle, const std::string& id) {
    admin::duty_handoffs duty(id);
    for (entry_reader entries(history_, care::duty_record_key(id)); entries.next(); entries.advance()) duty.take(*entries.next());
    bundle.add(admin::duty_resources(duty, organization_, owed_, texts_));
    handoffs_ += duty.handoffs().size();
  }

  store::record_history& history_;
  selection what_;
  admin::told_texts texts_;
  admin::known_organization organization_;
  admin::owed_things owed_;
  std::map<std::string, std::map<std::string, admin::duty_handoffs>> parts_;  // By patient and duty.
  std::size_t tasks_ = 0, handoffs_ = 0;
};

}  // namespace

int export_tasks(const std::filesystem::path& config_file, const export_request& asked) {
  const auto settings = read_config(config_file);
  if (!settings) return exit_failed;
  store::record_history history(settings->store.path.string());
  auto what = select(history, asked);
  if (!what) return exit_failed;
  exporting all(history, *settings, std::move(*what), asked.texts ? admin::told_texts::all : admin::told_texts::none);
  if (!note_readings(*settings, all.notes(), "export")) return exit_failed;

  if (asked.out.empty()) {
    all.write(std::cout);
    return std::cout ? exit_done : exit_failed;
  }
  auto file = open_new(asked.out);
  all.write(file);
  if (!file) {
    std::error_code ignored;
    std::filesystem::remove(asked.out, ignored);
    std::cerr << "careteam export: " << asked.out.string() << " cannot be written to its end\n";
    return exit_failed;
  }
  std::cout << "exported: " << all.counted() << '\n';
  return exit_done;
}

}  // namespace careteam

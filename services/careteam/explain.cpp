// `careteam explain`: the history of one task, or of one message, in plain words.
#include <boost/json.hpp>
#include <charconv>
#include <iostream>
#include <optional>

#include "admin/fhir_time.hpp"
#include "admin/obligation_history.hpp"
#include "careteam/audit_note.hpp"
#include "careteam/commands.hpp"
#include "careteam/entry_reading.hpp"
#include "careteam/task_settings.hpp"
#include "runtime/time_text.hpp"
#include "store/sqlite_history.hpp"

namespace careteam {
namespace {

/// "clinical/17"; seq 0: it is none.
care::place place_named(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return {};
  care::place at{stream_named(text.substr(0, slash)), 0};
  const auto digits = text.substr(slash + 1);
  const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), at.seq);
  if (at.stream == v1::STREAM_UNSPECIFIED || failed != std::errc() || end != digits.data() + digits.size()) return {};
  return at;
}

std::string who_answers(const admin::obligation_step& step) {
  if (step.accountable.empty()) return "nobody has to do anything";
  const bool several = step.accountable.find(',') != std::string::npos;
  return step.accountable + (several ? " answer for it" : " answers for it");
}

void print(const admin::obligation_step& step, bool json) {
  const auto time = runtime::rfc3339(step.time);
  if (json) {
    std::cout << boost::json::serialize(boost::json::object{{"time", time}, {"what", step.what}, {"accountable", step.accountable}})
              << '\n';
    return;
  }
  std::cout << time << "  " << step.what << '\n';
  std::cout << std::string(time.size() + 2, ' ') << who_answers(step) << '\n';
}

/// One line: who answered at the moment that was asked for, since when, and why.
void print_standing(const admin::obligation_step& since, care::instant moment, bool json) {
  const auto time = runtime::rfc3339(moment);
  const auto began = runtime::rfc3339(since.time);
  if (json) {
    std::cout << boost::json::serialize(
                     boost::json::object{{"time", time}, {"accountable", since.accountable}, {"since", began}, {"what", since.what}})
              << '\n';
    return;
  }
  std::cout << time << "  " << who_answers(since) << ", since " << began << ": " << since.what << '\n';
}

/// The moment that is asked for; nothing: the text is none.
std::optional<care::instant> moment_named(std::string_view text) {
  const auto times = admin::parse_fhir_time(text);
  if (!times || admin::earlier(times->first, times->after)) return std::nullopt;  // A whole day is no moment.
  return care::to_instant(times->first);
}

care::instant time_of(const v1::Entry& entry) {
  return care::to_instant(entry.time()).value_or(care::instant{});
}

}  // namespace

int explain(const std::filesystem::path& config_file, const explain_request& asked) {
  const auto at = place_named(asked.obligation);
  if (at.seq == 0) {
    std::cerr << "careteam explain: '" << asked.obligation
              << "' is no task or message such as clinical/17: its stream and the number with which it began\n";
    return exit_usage;
  }
  const auto moment = moment_named(asked.at);
  if (!asked.at.empty() && !moment) {
    std::cerr << "careteam explain: --at is no time such as 2026-03-01T07:00:00Z\n";
    return exit_usage;
  }
  const auto settings = read_config(config_file);
  if (!settings) return exit_failed;
  store::record_history history(settings->store.path.string());
  const auto key = care::record_key(asked.patient);
  if (asked.patient.empty() || history.heads(key).empty()) {
    std::cerr << "careteam explain: there is no such record\n";
    return exit_failed;
  }
  internal::NoteAudit note;
  note.set_patient_id(asked.patient);
  note.set_stream(at.stream);
  note.set_seq(at.seq);
  if (!note_reading(*settings, note, "explain")) return exit_failed;

  const bool whole = !moment;
  admin::obligation_history told(asked.patient, at, asked.texts ? admin::told_texts::all : admin::told_texts::none,
                                 task_setting_of(*settings), [&](const admin::obligation_step& step) {
                                   if (whole) print(step, asked.json);
                                 });
  const auto take_organization = [&](const v1::Entry& entry) { told.take_organization(entry); };
  const auto until = moment.value_or(care::instant::max());
  organization_reader organization(history);
  entry_reader record(history, key);
  // Up to the first entry that is later: what was committed after it came after it, also where the clock went back.
  for (; record.next() && time_of(*record.next()) <= until; record.advance()) {
    organization.read_until(time_of(*record.next()), take_organization);
    told.take(*record.next());
  }
  organization.read_until(until, take_organization);
  if (!told.found()) {
    std::cerr << "careteam explain: no task or message that is owed began at " << asked.obligation
              << (moment ? " by " + runtime::rfc3339(*moment) : std::string()) << '\n';
    return exit_failed;
  }
  if (moment) print_standing(told.standing(*moment), *moment, asked.json);
  return exit_done;
}

}  // namespace careteam

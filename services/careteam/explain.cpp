// `careteam explain`: one task's history in plain words.
#include <boost/json.hpp>
#include <charconv>
#include <iostream>
#include <vector>

#include "admin/obligation_history.hpp"
#include "careteam/audit_note.hpp"
#include "careteam/commands.hpp"
#include "coordination/record_loading.hpp"
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

v1::Entry parsed(const store::stored_entry& stored) {
  v1::Entry entry;
  if (!coordination::parse_entry(stored, entry)) {
    throw std::runtime_error("entry " + std::to_string(stored.seq) + " of stream " + std::to_string(stored.stream) +
                             " cannot be read: run careteam verify");
  }
  return entry;
}

void print(const admin::obligation_step& step, bool json) {
  const auto time = runtime::rfc3339(step.time);
  if (json) {
    std::cout << boost::json::serialize(boost::json::object{{"time", time}, {"what", step.what}, {"accountable", step.accountable}})
              << '\n';
    return;
  }
  std::cout << time << "  " << step.what << '\n';
  std::cout << std::string(time.size() + 2, ' ')
            << (step.accountable.empty() ? "nobody has to do anything" : step.accountable + " answers for it") << '\n';
}

}  // namespace

int explain(const std::filesystem::path& config_file, const explain_request& asked) {
  const auto at = place_named(asked.obligation);
  if (at.seq == 0) {
    std::cerr << "careteam explain: '" << asked.obligation
              << "' is no task such as clinical/17: its stream and the number with which it began\n";
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

  std::vector<v1::Entry> accounts;
  history.each(care::record_key(""), [&](const store::stored_entry& stored) { accounts.push_back(parsed(stored)); });
  auto account = accounts.begin();
  admin::obligation_history told(asked.patient, at, asked.texts ? admin::told_texts::all : admin::told_texts::none,
                                 [&](const admin::obligation_step& step) { print(step, asked.json); });
  const auto take_accounts_until = [&](care::instant t) {
    while (account != accounts.end() && care::to_instant(account->time()).value_or(care::instant{}) <= t)
      told.take_organization(*account++);
  };
  history.each(key, [&](const store::stored_entry& stored) {
    const auto entry = parsed(stored);
    take_accounts_until(care::to_instant(entry.time()).value_or(care::instant{}));
    told.take(entry);
  });
  take_accounts_until(care::instant::max());
  if (!told.found()) {
    std::cerr << "careteam explain: no task began at " << asked.obligation << '\n';
    return exit_failed;
  }
  return exit_done;
}

}  // namespace careteam

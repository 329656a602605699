// `careteam audit`: who was given which entries of a record. Ids, places and times only, never what an entry says.
#include <algorithm>
#include <boost/json.hpp>
#include <functional>
#include <iostream>
#include <vector>

#include "admin/audit_trail.hpp"
#include "admin/fhir_time.hpp"
#include "careteam/audit_note.hpp"
#include "careteam/commands.hpp"
#include "coordination/record_loading.hpp"
#include "runtime/printable_text.hpp"
#include "runtime/time_text.hpp"
#include "store/sqlite_history.hpp"

namespace careteam {
namespace {

constexpr std::size_t longest_value = 200;  // No id is longer: what is, was not written by us.
constexpr care::instant always = care::instant::max();

/// What a line of the answer says: its kind, then names and values. Values that are empty are left out.
class answer_line {
 public:
  explicit answer_line(std::string_view kind) : kind_(kind) {}
  answer_line& add(const char* name, const std::string& value) {
    if (!value.empty()) fields_.emplace_back(name, boost::json::value(runtime::printable(value, longest_value)));
    return *this;
  }
  answer_line& add(const char* name, std::uint64_t value) {
    fields_.emplace_back(name, boost::json::value(value));
    return *this;
  }
  answer_line& add(const char* name, care::instant time) { return add(name, runtime::rfc3339(time)); }
  answer_line& add(const admin::reader& who) {
    return add("person", who.person).add("role", role_name(who.role)).add("device", who.device).add("session", who.session);
  }
  std::string text(bool json) const {
    if (json) {
      boost::json::object object{{"kind", kind_}};
      for (const auto& [name, value] : fields_) object.emplace(name, value);
      return boost::json::serialize(object);
    }
    std::string line(kind_);
    for (const auto& [name, value] : fields_) {
      line.append(" ").append(name).append("=");
      // An id as it is; anything that could be taken for something else in quotes.
      if (value.is_string() && is_plain(value.get_string())) {
        line.append(value.get_string());
      } else {
        line.append(boost::json::serialize(value));
      }
    }
    return line;
  }

 private:
  static bool is_plain(std::string_view text) {
    return std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == '"' || c == '='; });
  }
  std::string_view kind_;
  std::vector<std::pair<const char*, boost::json::value>> fields_;
};

/// How sure the end of a range is, in a word for machines and people.
const char* name_of(admin::extent end) {
  switch (end) {
    case admin::extent::exact:
      return "closed";
    case admin::extent::lost:
      return "at-most-lost";
    case admin::extent::open:
      return "at-most-open";
  }
  return "";
}

/// What was asked for, read.
struct question {
  std::string record;  ///< Empty: every one in which the person is found.
  std::string person;
  v1::Stream stream = v1::STREAM_UNSPECIFIED;  ///< Unspecified: any.
  std::uint64_t seq = 0;                       ///< 0: any.
  care::instant from = care::instant::min(), to = always;
  bool refusals = false, json = false;

  bool about(const admin::reader& who) const { return person.empty() || person == who.person; }
  bool about(v1::Stream one) const { return stream == v1::STREAM_UNSPECIFIED || stream == one; }
  bool within(care::instant began, care::instant ended) const { return began <= to && ended >= from; }
};

/// Tells what concerns the question, as it is found.
class teller {
 public:
  /// `record`: named in each line; empty: it was asked for.
  teller(const question& asked, std::string record, std::function<void(std::string)> print)
      : asked_(asked), record_(std::move(record)), print_(std::move(print)) {}

  void operator()(const admin::disclosure& one) {
    const auto ended = one.closed.value_or(always);
    if (asked_.refusals || !asked_.about(one.who) || !asked_.about(one.stream) || !asked_.within(one.opened, ended)) return;
    answer_line line("given");
    line.add(one.who).add("stream", stream_name(one.stream));
    if (!add_range(line, one.from_seq, one.to_seq, one.opened)) return;
    line.add("opened", one.opened);
    if (one.closed) line.add("closed", *one.closed);
    tell(line.add("extent", std::string(name_of(one.end))));
  }
  void operator()(const admin::history_reading& one) {
    if (asked_.refusals || !asked_.about(one.who) || !asked_.about(one.stream) || !asked_.within(one.time, one.time)) return;
    answer_line line("read-again");
    line.add(one.who).add("stream", stream_name(one.stream));
    if (!add_range(line, one.from_seq, one.to_seq, one.time)) return;
    tell(line.add("time", one.time).add("extent", std::string("at-most")));
  }
  void operator()(const admin::roster_reading& one) {
    const bool wanted = asked_.seq == 0 && asked_.stream == v1::STREAM_UNSPECIFIED && !asked_.refusals;
    if (!wanted || !asked_.about(one.who) || !asked_.within(one.time, one.time)) return;
    tell(answer_line("roster").add(one.who).add("roster_version", one.roster_version).add("time", one.time));
  }
  void operator()(const admin::audit_reading& one) {
    const bool wanted = asked_.seq == 0 && !asked_.refusals && asked_.stream == v1::STREAM_UNSPECIFIED && asked_.person.empty();
    if (!wanted || !asked_.within(one.time, one.time)) return;
    answer_line line("audited");
    line.add("operator_uid", std::uint64_t{one.operator_uid}).add("person", one.person).add("stream", stream_name(one.stream));
    if (one.seq > 0) line.add("seq", one.seq);
    tell(line.add("time", one.time));
  }
  void operator()(const admin::refused_access& one) {
    if (asked_.seq > 0 || !asked_.about(one.who) || !asked_.about(one.stream) || !asked_.within(one.time, one.time)) return;
    answer_line line("refused");
    line.add(one.who).add("action", one.action).add("stream", stream_name(one.stream)).add("code", static_cast<std::uint64_t>(one.code));
    tell(line.add("times", std::uint64_t{one.times}).add("time", one.time));
  }

  /// The entry that is asked for, and whatever acknowledges it. Only these are looked into.
  void look_into(const v1::Entry& entry) {
    const auto time = care::to_instant(entry.time()).value_or(care::instant{});
    if (entry.seq() == asked_.seq) {
      entry_time_ = time;
      tell(answer_line("entry")
               .add("stream", stream_name(entry.stream()))
               .add("seq", entry.seq())
               .add("author", entry.author().person_id())
               .add("role", role_name(entry.author().role()))
               .add("time", time));
    } else if (entry.has_message_acknowledged() && entry.message_acknowledged().seq() == asked_.seq &&
               (asked_.person.empty() || asked_.person == entry.author().person_id())) {
      tell(answer_line("acknowledged")
               .add("person", entry.author().person_id())
               .add("role", role_name(entry.author().role()))
               .add("revision_seq", entry.message_acknowledged().revision_seq())
               .add("time", time));
    }
  }

  void tell_cursors(const std::vector<store::device_cursor>& cursors) {
    const auto yes = [&](std::uint64_t position) { return std::string(position >= asked_.seq ? "yes" : "no"); };
    for (const auto& one : cursors) {
      if (!asked_.person.empty() && asked_.person != one.person) continue;
      answer_line line("position");
      line.add("person", one.person).add("device", one.device).add("received", yes(one.received));
      tell(line.add("displayed", yes(one.displayed)).add("read", yes(one.read)));
    }
  }

 private:
  /// False: the entry that is asked for is not among them.
  bool add_range(answer_line& line, std::uint64_t from, std::uint64_t to, care::instant began) const {
    if (asked_.seq > 0 && (asked_.seq < from || asked_.seq > to)) return false;
    line.add("from_seq", from).add("to_seq", to);
    if (asked_.seq > 0) line.add("earliest", std::max(began, entry_time_));
    return true;
  }
  void tell(answer_line line) const { print_(line.add("record", record_).text(asked_.json)); }

  const question& asked_;
  std::string record_;
  std::function<void(std::string)> print_;
  care::instant entry_time_ = care::instant::min();
};

/// The question, or nothing after saying on stderr what is wrong with it.
std::optional<question> read_question(const audit_request& asked) {
  question read;
  const bool named = !asked.patient.empty() || !asked.duty.empty() || asked.organization;
  if (!named && (asked.person.empty() || asked.seq > 0)) {
    std::cerr << "careteam audit: needs --patient, --duty or --organization, or --person alone for all records\n";
    return std::nullopt;
  }
  if (named) read.record = asked.duty.empty() ? care::record_key(asked.patient) : care::duty_record_key(asked.duty);
  read.person = asked.person;
  read.stream = stream_named(asked.stream);
  read.seq = asked.seq;
  read.refusals = asked.refusals;
  read.json = asked.json;
  for (const auto& [name, text, end] : {std::tuple{"--from", &asked.from, false}, std::tuple{"--to", &asked.to, true}}) {
    if (text->empty()) continue;
    const auto times = admin::parse_fhir_time(*text);
    const auto time = times ? care::to_instant(end ? times->after : times->first) : std::nullopt;
    if (!time) {
      std::cerr << "careteam audit: " << name << " is no time such as 2026-03-01 or 2026-03-01T07:00:00Z\n";
      return std::nullopt;
    }
    (end ? read.to : read.from) = *time;
  }
  return read;
}

/// Tells what a record's audit says to the question.
void look_through(store::record_history& history, const std::string& record, const std::vector<store::stream_head>& streams,
                  const question& asked, teller& tell) {
  std::array<std::uint64_t, care::stream_count> heads{};
  for (const auto& one : streams) {
    if (one.stream < heads.size()) heads[one.stream] = one.head;
  }
  admin::audit_trail trail(heads, [&](const admin::audit_finding& found) { std::visit(tell, found); });
  v1::Entry entry;
  history.each(record, [&](const store::stored_entry& stored) {
    const auto stream = static_cast<v1::Stream>(stored.stream);
    const bool is_audit = stream == v1::STREAM_AUDIT;
    const bool is_asked_for = asked.seq > 0 && stream == asked.stream && stored.seq >= asked.seq;
    if (is_audit || is_asked_for) {
      if (!coordination::parse_entry(stored, entry)) {
        throw std::runtime_error("entry " + std::to_string(stored.seq) + " of stream " + std::to_string(stored.stream) + " of " + record +
                                 " cannot be read: run careteam verify");
      }
      if (is_asked_for) tell.look_into(entry);
      if (is_audit) trail.take(entry);
    }
    if (!is_audit && stored.stream < heads.size()) trail.pass(stream, stored.seq);
  });
  trail.finish();
  if (asked.seq > 0) tell.tell_cursors(history.cursors(record, static_cast<store::stream_kind>(asked.stream)));
}

internal::NoteAudit note_of(const question& asked, const std::string& record) {
  internal::NoteAudit note;
  note.set_patient_id(care::patient_of_key(record).value_or(std::string()));
  note.set_duty_id(care::duty_of_key(record).value_or(std::string()));
  note.set_person_id(asked.person);
  note.set_stream(asked.stream);
  note.set_seq(asked.seq);
  return note;
}

/// What a person was given, of whatever record. It is noted in those where something was found, before it is told.
int audit_person(const runtime::config& settings, store::record_history& history, const question& asked) {
  std::vector<internal::NoteAudit> notes;
  std::vector<std::string> lines;
  for (const auto& record : history.keys({})) {
    const auto before = lines.size();
    teller tell(asked, record, [&](std::string line) { lines.push_back(std::move(line)); });
    look_through(history, record, history.heads(record), asked, tell);
    if (lines.size() > before) notes.push_back(note_of(asked, record));
  }
  if (!notes.empty() && !note_readings(settings, notes, "audit")) return exit_failed;
  for (const auto& line : lines) std::cout << line << '\n';
  return exit_done;
}

}  // namespace

int audit(const std::filesystem::path& config_file, const audit_request& request) {
  const auto asked = read_question(request);
  if (!asked) return exit_usage;
  const auto settings = read_config(config_file);
  if (!settings) return exit_failed;
  store::record_history history(settings->store.path.string());
  if (asked->record.empty()) return audit_person(*settings, history, *asked);
  const auto streams = history.heads(asked->record);
  const auto of_stream = std::ranges::find(streams, static_cast<store::stream_kind>(asked->stream), &store::stream_head::stream);
  if (streams.empty() || (asked->seq > 0 && (of_stream == streams.end() || asked->seq > of_stream->head))) {
    std::cerr << "careteam audit: there is no such " << (streams.empty() ? "record" : "entry") << '\n';
    return exit_failed;
  }
  if (!note_reading(*settings, note_of(*asked, asked->record), "audit")) return exit_failed;
  teller tell(*asked, {}, [](const std::string& line) { std::cout << line << '\n'; });
  look_through(history, asked->record, streams, *asked, tell);
  return exit_done;
}

}  // namespace careteam

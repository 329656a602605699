// `careteam audit`: who was given which entries of a record. Ids, places and times only, never what an entry says.
#include <algorithm>
#include <boost/json.hpp>
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
  void print(bool json) const {
    if (json) {
      boost::json::object object{{"kind", kind_}};
      for (const auto& [name, value] : fields_) object.emplace(name, value);
      std::cout << boost::json::serialize(object) << '\n';
      return;
    }
    std::cout << kind_;
    for (const auto& [name, value] : fields_) {
      std::cout << ' ' << name << '=';
      // An id as it is; anything that could be taken for something else in quotes.
      if (value.is_string() && is_plain(value.get_string())) {
        std::cout << std::string_view(value.get_string());
      } else {
        std::cout << boost::json::serialize(value);
      }
    }
    std::cout << '\n';
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
  std::string record;
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
  explicit teller(const question& asked) : asked_(asked) {}

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
  void tell(const answer_line& line) const { line.print(asked_.json); }

  const question& asked_;
  care::instant entry_time_ = care::instant::min();
};

/// The question, or nothing after saying on stderr what is wrong with it.
std::optional<question> read_question(const audit_request& asked) {
  question read;
  if (asked.patient.empty() && asked.duty.empty() && !asked.organization) {
    std::cerr << "careteam audit: needs --patient, --duty or --organization\n";
    return std::nullopt;
  }
  read.record = asked.duty.empty() ? care::record_key(asked.patient) : care::duty_record_key(asked.duty);
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

}  // namespace

int audit(const std::filesystem::path& config_file, const audit_request& request) {
  const auto asked = read_question(request);
  if (!asked) return exit_usage;
  const auto settings = read_config(config_file);
  if (!settings) return exit_failed;
  store::record_history history(settings->store.path.string());
  const auto streams = history.heads(asked->record);
  std::array<std::uint64_t, care::stream_count> heads{};
  for (const auto& one : streams) {
    if (one.stream < heads.size()) heads[one.stream] = one.head;
  }
  if (streams.empty() || (asked->seq > heads[static_cast<std::size_t>(asked->stream)])) {
    std::cerr << "careteam audit: there is no such " << (streams.empty() ? "record" : "entry") << '\n';
    return exit_failed;
  }
  internal::NoteAudit note;
  note.set_patient_id(request.patient);
  note.set_duty_id(request.duty);
  note.set_person_id(asked->person);
  note.set_stream(asked->stream);
  note.set_seq(asked->seq);
  if (!note_reading(*settings, note, "audit")) return exit_failed;
  teller tell(*asked);
  admin::audit_trail trail(heads, [&](const admin::audit_finding& found) { std::visit(tell, found); });
  v1::Entry entry;
  history.each(asked->record, [&](const store::stored_entry& stored) {
    const auto stream = static_cast<v1::Stream>(stored.stream);
    const bool is_audit = stream == v1::STREAM_AUDIT;
    const bool is_asked_for = asked->seq > 0 && stream == asked->stream && stored.seq >= asked->seq;
    if (is_audit || is_asked_for) {
      if (!coordination::parse_entry(stored, entry)) {
        throw std::runtime_error("entry " + std::to_string(stored.seq) + " of stream " + std::to_string(stored.stream) + " of " +
                                 asked->record + " cannot be read: run careteam verify");
      }
      if (is_asked_for) tell.look_into(entry);
      if (is_audit) trail.take(entry);
    }
    if (!is_audit && stored.stream < heads.size()) trail.pass(stream, stored.seq);
  });
  trail.finish();
  if (asked->seq > 0) tell.tell_cursors(history.cursors(asked->record, static_cast<store::stream_kind>(asked->stream)));
  return exit_done;
}

}  // namespace careteam

// Reads FHIR R4 for `careteam import`: JSON Bundles, single resources and NDJSON become the commands of our own domain.
//
// This part only reads and maps. It opens no store, reads no clock (the time is an option), and fetches nothing: a reference that
// leads out of the file is never followed. What it cannot use is counted and named in the tally. No problem text holds a name, a
// message or any other free text of the input; it holds resource keys, field paths and codes.
#pragma once

#include <boost/system/result.hpp>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "careteam/v1/commands.pb.h"
#include "careteam/v1/model.pb.h"

namespace careteam::admin {

/// A line of NDJSON may be this long: the largest real resources are documents of a few MiB.
inline constexpr std::size_t max_ndjson_line_bytes = 16u << 20;
/// A Bundle or a single resource is parsed whole, so the file is limited.
inline constexpr std::size_t max_document_bytes = 256u << 20;
/// What one parsed document may take in memory: small values are several times larger parsed than as text.
inline constexpr std::size_t max_parsed_bytes = 1u << 30;
/// FHIR nests about ten deep; anything much deeper is an attack on the stack.
inline constexpr std::size_t max_json_depth = 100;
/// Distinct names kept per counter of the tally; the rest is counted under "(other)", so that input cannot grow it without end.
inline constexpr std::size_t max_tally_names = 1'000;
/// Problems kept word for word; further ones are counted in `problems_left_out`.
inline constexpr std::size_t max_tally_problems = 10'000;
/// Person ids chosen by the identifier urn:careteam:person-id that one NDJSON file may bring: later lines refer to them.
inline constexpr std::size_t max_remembered_ids = 500'000;
/// A message's content, encoded (PostMessage.content).
inline constexpr std::size_t max_content_bytes = 16u << 10;
/// EnrollPerson.name, .reach and .hours.
inline constexpr std::size_t max_enroll_text_bytes = 200;

/// When a step has something to do. The reader does not know the store; the applier does.
enum class apply_when : std::uint8_t {
  once,               ///< The identity names one fact for ever: applied once, a repeat has no effect (OpenRecord, PostMessage).
  if_changed,         ///< Unless the account already says exactly this (EnrollPerson from a resource). What the step leaves empty
                      ///< (reach, hours, roles) it does not know: the account keeps its own.
  unless_enrolled,    ///< Only for a person who has no account (EnrollPerson from a reference's display: a full account stays as it is).
  unless_member,      ///< Unless the person has that membership (AddMember).
  if_applied,         ///< Only if the step `depends_on` has been applied, now or by an earlier import (EndMember of a membership that this
                      ///< source brought: the same person may be on the team by another source, and stays).
  unless_attending,   ///< Unless the person is the attending (AssignAttending).
  as_far_as_allowed,  ///< A step of `task`, once. If the domain refuses it, it and the following steps of that task are left out with the
                      ///< reason, and a later import tries again. What begins the task: only where no earlier import did. What acts on
                      ///< it: only if it is here.
};

/// The identities "Task/x#drafted" and "Task/x#begun" name a task's beginning.
inline constexpr std::string_view task_drafted = "drafted";
inline constexpr std::string_view task_begun = "begun";

/// One command to apply. Its `command_id` and `expected_roster_version` are left for the applier.
struct import_step {
  careteam::v1::Command command;
  careteam::v1::Author author;  ///< Empty person: the system.
  std::string source;           ///< The resource it comes from: "CareTeam/example".
  std::string identity;         ///< Names the fact, the same in every import of it: "CareTeam/example#member/s.f201/ROLE_SURGEON/…".
  apply_when when = apply_when::once;
  std::string depends_on;      ///< With if_applied: the identity of the AddMember step whose membership ends.
  std::string task;            ///< With as_far_as_allowed: the task, "Task/x". Its place is found by the applier.
  careteam::v1::EntryRef own;  ///< Where the task began in the store that exported it; if it is there already, it is not begun again.
};

/// What belongs together: one Bundle, one line of NDJSON or one resource. Applied as a whole or not at all. In order: people, records,
/// memberships, attendings, messages by the time they were sent, tasks by the time they were asked for.
struct import_unit {
  std::string where;  ///< "team.json" or "people.ndjson:12".
  std::vector<import_step> steps;
};

/// Something that was not imported, and why.
struct import_problem {
  std::string where;         ///< As in import_unit.
  std::string path;          ///< "CareTeam/example.participant[1].member"; may be empty for a whole file or line.
  std::string message;       ///< The reason.
  bool failed_unit = false;  ///< The whole unit was refused; otherwise just what `path` names.

  friend bool operator==(const import_problem&, const import_problem&) = default;
};

/// For result<…, import_problem>::value(), which only somebody may call who checked before.
[[noreturn]] void throw_exception_from_error(const import_problem& problem, const boost::source_location& where);

/// Counts of everything that was read. Units that failed appear in `problems` and in no other counter but `failed_units`.
struct import_tally {
  std::map<std::string, std::uint64_t> used;           ///< Resources that something was made of, by type.
  std::map<std::string, std::uint64_t> refused;        ///< Resources of those types of which nothing was made; `problems` say why.
  std::map<std::string, std::uint64_t> unused_types;   ///< Resources that have no use here, by type.
  std::map<std::string, std::uint64_t> unused_fields;  ///< Fields of used resources that were ignored: "Patient.birthDate".
  std::map<std::string, std::uint64_t> notes;          ///< What was read with a change or needs a look: "Practitioner.active=false".
  std::vector<import_problem> problems;
  std::uint64_t problems_left_out = 0;  ///< Beyond max_tally_problems.
  std::uint64_t units = 0;              ///< Units that were mapped.
  std::uint64_t failed_units = 0;       ///< Units that were refused.
  std::uint64_t steps = 0;              ///< Steps of all mapped units.

  /// Adds one to a counter, within max_tally_names.
  static void count(std::map<std::string, std::uint64_t>& counter, const std::string& name, std::uint64_t times = 1);
  /// Adds a problem, within max_tally_problems.
  void add(import_problem problem);
  /// Adds all counts of another tally.
  void merge(import_tally other);
};

/// What the reader needs to know beside the file.
struct import_options {
  std::chrono::sys_seconds now{};                           ///< Decides which periods have ended. Required.
  std::size_t largest_document_bytes = max_document_bytes;  ///< A document that is larger is refused.
};

/// Yields the units of one file, one after the other; for NDJSON in memory bounded by the longest line. Movable, not copyable; used
/// from one thread. A file whose name ends in .ndjson or .jsonl is NDJSON, every other one is one JSON document.
class fhir_reader {
 public:
  /// Opens the file. Errors: those of opening a file, `is_a_directory`.
  [[nodiscard]] static boost::system::result<fhir_reader> open(const std::filesystem::path& path, const import_options& options);

  fhir_reader(fhir_reader&&) noexcept;
  fhir_reader& operator=(fhir_reader&&) noexcept;
  ~fhir_reader();

  /// The next unit, or why it was refused; nothing at the end of the file. After a refused line of NDJSON the next call goes on.
  [[nodiscard]] std::optional<boost::system::result<import_unit, import_problem>> next();

  /// What was read so far.
  [[nodiscard]] const import_tally& tally() const;

 private:
  struct state;
  explicit fhir_reader(std::unique_ptr<state> s);
  std::unique_ptr<state> state_;
};

}  // namespace careteam::admin

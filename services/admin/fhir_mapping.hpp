// From the resources of one unit to the steps of an import.
#pragma once

#include <deque>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "admin/fhir_import.hpp"
#include "admin/fhir_person.hpp"
#include "admin/fhir_resources.hpp"

namespace careteam::admin {

/// Person ids that resources of earlier units chose by identifier, by resource key: lines of NDJSON refer to earlier lines.
using remembered_ids = std::unordered_map<std::string, std::string>;

/// How a unit relates to what came before it.
enum class unit_form : std::uint8_t {
  whole,  ///< A Bundle or a single resource: whoever is needed is in it, or a reference's display names them.
  line,   ///< A line of NDJSON: whoever is needed may have come in an earlier line.
};

/// Somebody who is mentioned in the unit.
struct mapped_person {
  careteam::v1::PersonKind kind = careteam::v1::PERSON_KIND_UNSPECIFIED;
  std::string key;                          ///< "Practitioner/f201"; contained: "CareTeam/example#pr1".
  std::string id;                           ///< The person id.
  const fhir_resource* resource = nullptr;  ///< Null: known by reference only.
  careteam::v1::EnrollPerson enroll;        ///< Complete if `refused` is empty.
  std::string refused;                      ///< Why there is no account to enroll.
  bool needed = false;                      ///< Enroll: has an entry of its own, or a step refers to them.
  bool inactive = false;                    ///< Practitioner.active is false.
  std::vector<careteam::v1::Role> held;     ///< Membership roles by the unit's PractitionerRoles.
};

/// Maps one unit. Use once: construct, run, look at the failure.
class unit_mapping {
 public:
  /// All arguments must outlive this. `tally` gets the unit's counts; it is of use only if the unit does not fail.
  unit_mapping(const fhir_resources& resources, unit_form form, const import_options& options, const remembered_ids& remembered,
               import_tally& tally)
      : resources_(resources), form_(form), options_(options), remembered_(remembered), tally_(tally) {}

  /// The unit's steps in their order. Without meaning if the failure that `resources` was made with is set afterwards.
  [[nodiscard]] std::vector<import_step> run();

  /// The ids that resources of this unit chose, by resource key.
  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& chosen_ids() const { return chosen_ids_; }

 private:
  struct membership;
  struct mapped_task;
  struct timed_message {
    google::protobuf::Timestamp sent;
    import_step step;
  };
  struct timed_task {
    google::protobuf::Timestamp authored;
    std::vector<import_step> steps;
  };

  // People (fhir_people.cpp).
  mapped_person& person_of(const fhir_resource& resource, careteam::v1::PersonKind kind);
  mapped_person* person_at(const fhir_target& target, std::string& why);
  mapped_person& add_person(mapped_person person, const fhir_node& place);
  void fill_from_resource(mapped_person& person);
  void read_practitioner_role(const fhir_resource& resource);
  void note_roles(const fhir_resource& resource, mapped_person& person);
  void emit_people();
  std::optional<careteam::v1::Role> role_of(const fhir_node& concept_node, std::string& unknown) const;

  // Care teams (fhir_team.cpp).
  void read_care_team(const fhir_resource& team);
  void read_participant(const fhir_resource& team, const fhir_node& participant, const mapped_person& patient, bool ended);
  std::vector<careteam::v1::Role> roles_of(const fhir_node& participant, mapped_person& person, const mapped_person& patient,
                                           std::string& why);
  std::string why_no_membership(const mapped_person& person, const mapped_person& patient) const;
  void emit_membership(const membership& member, bool ended);
  void assign_attending(const membership& member, bool ended);
  mapped_person* patient_at(const fhir_resource& resource);

  // Messages (fhir_messages.cpp).
  void read_communication(const fhir_resource& message);
  std::string text_of(const fhir_resource& message);
  careteam::v1::Author author_of(const fhir_resource& message, const mapped_person& patient, bool& usable);
  bool reaches_patient(const fhir_resource& message, const mapped_person& patient);

  // Tasks (fhir_tasks.cpp). What returns a bool says false after leaving the task out, with its reason.
  void read_task(const fhir_resource& resource);
  bool read_task_people(mapped_task& task);
  bool read_task_extensions(mapped_task& task);
  bool read_task_order(mapped_task& task);
  bool read_task_target(mapped_task& task, const fhir_node& from, careteam::v1::TaskTarget& to, std::string& why);
  void read_own_place(mapped_task& task);
  void find_task_target(mapped_task& task);
  bool add_task_steps(mapped_task& task);
  import_step& add_task_step(mapped_task& task, std::string_view what, const careteam::v1::Author& author);
  void add_task_beginning(mapped_task& task);
  void add_acceptance(mapped_task& task);
  void add_start(mapped_task& task);
  void add_pause(mapped_task& task, const std::string& reason);
  void add_completion(mapped_task& task);
  void add_end(mapped_task& task, const std::string& reason);
  mapped_person* task_person(const mapped_task& task, const fhir_node& reference, std::string& why);
  careteam::v1::Author acting_author(const mapped_person& person, const mapped_person& patient) const;

  // What all of them do.
  void refuse(const fhir_node& place, std::string message) { tally_.add({{}, place.path(), std::move(message)}); }
  void leave_out(const fhir_resource& resource, const fhir_node& place, std::string message) {
    left_out_.insert(&resource);
    refuse(place, std::move(message));
  }
  void note(const std::string& what) { import_tally::count(tally_.notes, what); }
  void count_resources();
  void check_modifiers(const fhir_resource& resource);
  [[nodiscard]] google::protobuf::Timestamp now() const;

  const fhir_resources& resources_;
  unit_form form_;
  const import_options& options_;
  const remembered_ids& remembered_;
  import_tally& tally_;

  std::deque<mapped_person> people_;  // In the order of their first mention. A deque: references into it stay.
  std::unordered_map<std::string, mapped_person*> by_key_, by_person_id_;
  std::unordered_map<std::string, careteam::v1::Role> acting_;        // "patient/person" → role, for the authors of messages.
  std::unordered_map<std::string, std::string> members_, attending_;  // What was given out already in this unit.
  std::unordered_set<const fhir_resource*> left_out_;                 // Of these nothing was made.
  std::vector<std::pair<std::string, std::string>> chosen_ids_;
  std::vector<import_step> enroll_steps_, record_steps_, end_steps_, member_steps_, attending_steps_;
  std::vector<timed_message> messages_;
  std::vector<timed_task> tasks_;
};

/// A coding as problems may show it: "system|code", without anything that may be free text.
[[nodiscard]] std::string shown_coding(std::string_view system, std::string_view code);

}  // namespace careteam::admin

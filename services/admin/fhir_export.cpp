#include "admin/fhir_export.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "admin/fhir_handoffs.hpp"
#include "admin/fhir_task_codes.hpp"

namespace careteam::admin {
namespace {

namespace json = boost::json;
namespace codes = task_codes;

using namespace fhir;

json::object care_team(const care::team_state& team, care::instant now, people_writer& people) {
  json::array participants;
  for (const auto& member : team.members) {
    if (member.over_at(now)) continue;
    json::object period{{"start", time_of(member.start)}};
    if (member.end) period["end"] = time_of(*member.end);
    json::object one{{"role", json::array{coded(codes::role_system, role_code(member.role))}},
                     {"member", member.duty_id.empty() ? people.reference(member.person_id) : people.duty_reference(member.duty_id)},
                     {"period", std::move(period)}};
    json::array extensions;
    if (member.role == v1::ROLE_MEDICAL_ONCOLOGIST && member.is_of(team.attending)) {
      extensions.push_back(extension("urn:careteam:attending", "valueBoolean", true));
    }
    for (const auto scope : member.scopes)
      extensions.push_back(extension("urn:careteam:scope", "valueCode", json::string(code_of(v1::Scope_Name(scope), "SCOPE_"))));
    if (!extensions.empty()) one["extension"] = std::move(extensions);
    participants.push_back(std::move(one));
  }
  return {{"resourceType", "CareTeam"},
          {"id", team.patient_id},
          {"status", "active"},
          {"subject", people.reference(team.patient_id)},
          {"participant", std::move(participants)}};
}

/// One task as a resource.
class task_writer {
 public:
  task_writer(const care::record_state& record, care::place at, const care::task_state& task, const std::vector<v1::Entry>& entries,
              std::string owner, told_texts texts, people_writer& people)
      : record_(record), at_(at), task_(task), entries_(entries), owner_(std::move(owner)), texts_(texts), people_(people) {}

  json::object resource() {
    json::object result{{"resourceType", "Task"},
                        {"id", task_id(record_.patient_id, at_)},
                        {"extension", extensions()},
                        {"identifier", json::array{identifier(codes::task_system, record_.patient_id + '/' + place_text(at_))}}};
    put_follows(result);
    result["status"] = care::fhir_code(task_.status);
    if (const auto reason = status_reason(); tells() && !reason.empty()) result["statusReason"] = named(reason);
    put_business_status(result);
    result["intent"] = "order";
    result["priority"] = codes::priority_code(task_.order.priority);
    result["code"] = coded(codes::kind_system, codes::kind_code(task_.order.kind));
    if (tells()) put_words(result);
    if (task_.order.message.seq != 0) {
      const auto& message = task_.order.message;
      result["focus"] = json::object{{"type", "Communication"}, {"identifier", identifier(codes::entry_system, place_text(message))}};
    }
    result["for"] = people_.reference(record_.patient_id);
    put_execution(result);
    result["authoredOn"] = time_of(entries_.front().time());
    result["lastModified"] = time_of(entries_.back().time());
    if (!task_.requester.empty()) result["requester"] = people_.reference(task_.requester);
    const auto& target = task_.order.target;
    if (target.role != v1::ROLE_UNSPECIFIED) result["performerType"] = json::array{coded(codes::role_system, role_code(target.role))};
    if (const auto& owner = owner_.empty() ? target.person : owner_; !owner.empty()) result["owner"] = people_.reference(owner);
    if (task_.order.due) {
      result["restriction"] = json::object{{"period", json::object{{"end", time_of(*task_.order.due)}}}};
    }
    if (tells()) put_outputs(result);
    return result;
  }

 private:
  bool tells() const { return texts_ == told_texts::all; }

  /// The last entry of a kind; nothing where there is none.
  const v1::Entry* last(v1::Entry::FactCase kind) const {
    const auto at = std::find_if(entries_.rbegin(), entries_.rend(), [&](const v1::Entry& one) { return one.fact_case() == kind; });
    return at == entries_.rend() ? nullptr : &*at;
  }

  /// Named by its id, as an import reads it, and among the resources.
  json::object asked_duty(std::string_view url, const std::string& duty) {
    (void)people_.duty_reference(duty);
    return extension(url, "valueId", json::string(duty));
  }

  json::array extensions() {
    json::array result{extension(codes::stream_extension, "valueCode", json::string(codes::stream_code(at_.stream)))};
    const auto& order = task_.order;
    if (!order.target.duty.empty()) result.push_back(asked_duty(codes::duty_extension, order.target.duty));
    for (const auto& step : order.ladder) {
      if (!step.person.empty()) {
        result.push_back(extension(codes::ladder_extension, "valueReference", people_.reference(step.person)));
      } else if (step.role != v1::ROLE_UNSPECIFIED) {
        result.push_back(extension(codes::ladder_extension, "valueCode", json::string(role_code(step.role))));
      } else {
        result.push_back(asked_duty(codes::ladder_extension, step.duty));
      }
    }
    if (order.read_back) result.push_back(extension(codes::read_back_extension, "valueBoolean", true));
    if (order.two_person) result.push_back(extension(codes::two_person_extension, "valueBoolean", true));
    if (tells()) {
      for (const auto& name : order.required_outputs) {
        result.push_back(extension(codes::required_output_extension, "valueString", json::string(name)));
      }
    }
    const auto* paused = last(v1::Entry::kTaskPaused);
    if (task_.status == v1::TASK_STATUS_ON_HOLD && paused) {
      result.push_back(extension(codes::resume_at_extension, "valueDateTime", json::string(time_of(paused->task_paused().resume_at()))));
    }
    if (task_.stopping) result.push_back(extension(codes::stopping_extension, "valueBoolean", true));
    if (task_.origin.seq != 0) {
      result.push_back(extension(codes::follows_extension, "valueCode", json::string(codes::rule_code(task_.origin.rule))));
    }
    return result;
  }

  void put_follows(json::object& to) const {
    if (task_.origin.seq == 0) return;
    to["partOf"] = json::array{json::object{{"reference", "Task/" + task_id(record_.patient_id, {at_.stream, task_.origin.seq})}}};
  }

  void put_business_status(json::object& to) const {
    if (task_.no_response) {
      to["businessStatus"] = coded(codes::business_status_system, "no-response");
    } else if (task_.level > 0) {
      to["businessStatus"] = coded(codes::business_status_system, "escalated-L" + std::to_string(task_.level));
    }
  }

  std::string status_reason() const {
    switch (task_.status) {
      case v1::TASK_STATUS_ON_HOLD:
        return reason_of(v1::Entry::kTaskPaused, [](const v1::Entry& one) { return one.task_paused().reason(); });
      case v1::TASK_STATUS_REJECTED:
        return reason_of(v1::Entry::kTaskDeclined, [](const v1::Entry& one) { return one.task_declined().reason(); });
      case v1::TASK_STATUS_FAILED:
        return reason_of(v1::Entry::kTaskFailed, [](const v1::Entry& one) { return one.task_failed().reason(); });
      case v1::TASK_STATUS_CANCELLED:
        return reason_of(v1::Entry::kTaskCancelled, [](const v1::Entry& one) { return one.task_cancelled().reason(); });
      case v1::TASK_STATUS_ENTERED_IN_ERROR:
        return reason_of(v1::Entry::kTaskMarkedInError, [](const v1::Entry& one) { return one.task_marked_in_error().reason(); });
      default:
        return {};
    }
  }

  template <class Reason>
  std::string reason_of(v1::Entry::FactCase kind, Reason reason) const {
    const auto* entry = last(kind);
    return entry ? reason(*entry) : std::string();
  }

  void put_words(json::object& to) const {
    to["code"].as_object()["text"] = task_.order.title;
    if (!task_.order.description.empty()) to["description"] = task_.order.description;
    json::array inputs;
    for (const auto& fact : task_.order.facts) {
      json::object input{{"type", named(fact.name)}, {"valueString", fact.value}};
      if (!fact.unit.empty()) input["extension"] = json::array{extension(codes::unit_extension, "valueString", json::string(fact.unit))};
      inputs.push_back(std::move(input));
    }
    if (!inputs.empty()) to["input"] = std::move(inputs);
  }

  void put_execution(json::object& to) const {
    json::object period;
    const auto started = std::find_if(entries_.begin(), entries_.end(), [](const v1::Entry& one) { return one.has_task_started(); });
    if (started != entries_.end()) period["start"] = time_of(started->time());
    if (care::is_terminal(task_.status)) period["end"] = time_of(entries_.back().time());
    if (!period.empty()) to["executionPeriod"] = std::move(period);
  }

  void put_outputs(json::object& to) const {
    const auto* completed = last(v1::Entry::kTaskCompleted);
    if (!completed) return;
    json::array outputs;
    for (const auto& output : completed->task_completed().outputs()) {
      json::object one{{"type", named(output.name())}};
      if (!output.value().empty()) {
        one["valueString"] = output.value();
      } else {
        const auto& entry = output.entry();
        one["valueReference"] = json::object{{"identifier", identifier(codes::entry_system, place_text({entry.stream(), entry.seq()}))}};
      }
      outputs.push_back(std::move(one));
    }
    if (!outputs.empty()) to["output"] = std::move(outputs);
  }

  const care::record_state& record_;
  care::place at_;
  const care::task_state& task_;
  const std::vector<v1::Entry>& entries_;
  std::string owner_;
  told_texts texts_;
  people_writer& people_;
};

}  // namespace

fhir_export::fhir_export(std::string patient_id, const known_organization& organization, told_texts texts, care::instant now)
    : organization_(organization), texts_(texts), now_(now), record_(std::move(patient_id)), protocols_(record_.patient_id) {}

void fhir_export::take(const v1::Entry& entry) {
  care::apply(record_, entry);
  care::forget_settled(record_);
  protocols_.take(entry);
  const auto about = care::about_task(entry);
  if (const auto known = tasks_.find({entry.stream(), about}); known != tasks_.end()) {
    known->second.push_back(entry);
  } else if (entry.has_task_drafted() || entry.has_task_instantiated() || (entry.has_task_requested() && about == 0)) {
    tasks_[{entry.stream(), entry.seq()}].push_back(entry);
  }
}

json::array fhir_export::resources(std::span<const duty_handoffs* const> handoffs, const owed_things& owed) const {
  people_writer people(organization_, texts_);
  std::vector<std::pair<care::instant, json::object>> tasks;
  const auto team = care_team(record_.team, now_, people);
  for (const auto& [at, entries] : tasks_) {
    care::tasks_state one;
    care::page_in_task(one, at, entries);
    const auto* task = one.find(at);
    if (!task) continue;
    // What has ended was done by whoever held the duty then.
    const auto owner =
        task->open() ? care::owner_of(*task, {record_.team, organization_.people(), organization_.setting(), now_}) : task->owner;
    task_writer writer(record_, at, *task, entries, owner, texts_, people);
    auto written = writer.resource();
    protocols_.tie(written, entries.front());
    tasks.emplace_back(care::to_instant(entries.front().time()).value_or(care::instant{}), std::move(written));
  }
  std::ranges::stable_sort(tasks, {}, [](const auto& one) { return one.first; });
  const auto protocols = protocols_.resources(record_.protocols, texts_, people);
  json::array handed_over;
  for (const auto* part : handoffs) add_handoffs(handed_over, *part, owed, texts_, people);
  auto result = people.resources(record_.patient_id);
  result.push_back(team);
  result.insert(result.end(), protocols.begin(), protocols.end());
  for (auto& [begun, task] : tasks) result.push_back(std::move(task));
  for (auto& one : handed_over) result.push_back(std::move(one));
  return result;
}

bundle_writer::bundle_writer(std::ostream& to, care::instant now) : to_(to) {
  to_ << R"({"resourceType":"Bundle","type":"collection","timestamp":")" << time_of(now) << R"(","entry":[)";
}

void bundle_writer::add(const json::array& resources) {
  for (const auto& resource : resources) {
    const auto& fields = resource.as_object();
    std::string key(fields.at("resourceType").as_string());
    key += '/';
    key += fields.at("id").as_string();
    const bool first = written_.empty();
    if (!written_.insert(std::move(key)).second) continue;
    to_ << (first ? "\n" : ",\n") << R"({"resource":)" << json::serialize(resource) << '}';
  }
}

void bundle_writer::finish() {
  to_ << "\n]}\n";
}

}  // namespace careteam::admin

#include "admin/fhir_handoffs.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "admin/fhir_task_codes.hpp"
#include "admin/i_pass_composition.hpp"

namespace careteam::admin::fhir {
namespace {

namespace json = boost::json;
namespace codes = task_codes;

constexpr std::string_view handoff_system = "urn:careteam:handoff";
constexpr std::string_view status_system = "urn:careteam:handoff-status";
constexpr std::string_view document_system = "urn:careteam:document";
constexpr std::string_view list_system = "urn:careteam:list";
constexpr std::string_view flag_system = "urn:careteam:list-flag";
constexpr std::string_view activity_system = "urn:careteam:handoff-activity";
constexpr std::string_view reason_system = "urn:careteam:handoff-reason";
constexpr std::string_view agent_system = "urn:careteam:handoff-agent";
constexpr std::string_view deadline_extension = "urn:careteam:deadline";
constexpr std::string_view order_system = "http://terminology.hl7.org/CodeSystem/list-order";
constexpr std::string_view empty_reason_system = "http://terminology.hl7.org/CodeSystem/list-empty-reason";

json::object reference_to(std::string_view type, const std::string& id) {
  return {{"reference", std::string(type) + '/' + id}};
}

std::string_view code_of(care::handoff_stage stage) {
  switch (stage) {
    case care::handoff_stage::draft:
      return "draft";
    case care::handoff_stage::requested:
      return "requested";
    case care::handoff_stage::received:
      return "received";
    case care::handoff_stage::accepted:
      return "accepted";
    case care::handoff_stage::in_progress:
      return "in-progress";
  }
  return {};
}

/// Something that is owed: a task, by its place too, or a message, which no export writes.
json::object reference_to(const care::owed_key& key, const owed_things& owed, told_texts texts, people_writer& people) {
  const auto& [patient, at] = key;
  if (at.seq == 0) return people.reference(patient);  // Their record is damaged: that is all that is known.
  const auto& thing = owed.at(key);
  const auto place = patient + '/' + place_text(at);
  switch (thing.is) {
    case owed_things::thing::kind::task: {
      json::object result{{"type", "Task"}, {"identifier", identifier(codes::task_system, place)}};
      if (owed.is_exported(patient)) result["reference"] = "Task/" + task_id(patient, at);
      if (texts == told_texts::all) result["display"] = thing.title;
      return result;
    }
    case owed_things::thing::kind::message:
      return {{"type", "Communication"}, {"identifier", identifier(codes::entry_system, place)}};
    case owed_things::thing::kind::not_found:
      break;
  }
  return {{"identifier", identifier(codes::entry_system, place)}};
}

json::object agent(std::string_view role, json::object who) {
  return {{"role", json::array{coded(agent_system, role)}}, {"who", std::move(who)}};
}

json::object provenance(const std::string& id, const google::protobuf::Timestamp& time, std::string_view activity, json::array targets,
                        json::array agents) {
  return {{"resourceType", "Provenance"}, {"id", id},
          {"target", std::move(targets)}, {"occurredDateTime", time_of(time)},
          {"recorded", time_of(time)},    {"activity", coded(activity_system, activity)},
          {"agent", std::move(agents)}};
}

/// A handoff as a Task, whoever is in it.
json::object handoff_task(const std::string& id, const std::string& named, const std::string& duty, std::string_view status) {
  return {{"resourceType", "Task"},
          {"id", id},
          {"extension", json::array{extension(codes::duty_extension, "valueId", json::string(duty))}},
          {"identifier", json::array{identifier(handoff_system, named)}},
          {"status", status},
          {"intent", "order"},
          {"code", coded(codes::kind_system, codes::handoff_kind)}};
}

json::array i_pass_input(const std::string& composition) {
  return {json::object{{"type", coded(document_system, "i-pass")}, {"valueReference", reference_to("Composition", composition)}}};
}

json::object composition(const std::string& id, const std::string& named, std::string_view status,
                         const google::protobuf::Timestamp& date) {
  return {{"resourceType", "Composition"},
          {"id", id},
          {"identifier", identifier(handoff_system, named)},
          {"status", status},
          {"type", coded(document_system, "i-pass")},
          {"date", time_of(date)},
          {"title", "Handoff (I-PASS)"}};
}

/// What all handoffs of one export stand on.
struct setting {
  const duty_handoffs& all;
  const owed_things& owed;
  told_texts texts;
  people_writer& people;

  bool tells() const { return texts == told_texts::all; }
  /// "onc-rn/7"; of a patient's part "onc-rn/7/rosa".
  std::string name_of(std::uint64_t seq) const { return all.duty() + '/' + std::to_string(seq) + of_patient('/'); }
  std::string id_of(std::uint64_t seq) const { return id_of("handoff.", seq, name_of(seq)); }
  /// Of the lead's taking: the seq is one of another stream.
  std::string id_of_taking(std::uint64_t seq) const { return id_of("taken.", seq, "taken/" + name_of(seq)); }
  json::object reference(const care::owed_key& key) const { return reference_to(key, owed, texts, people); }

 private:
  std::string id_of(std::string_view kind, std::uint64_t seq, const std::string& name) const {
    const auto readable = std::string(kind) + all.duty() + '.' + std::to_string(seq) + of_patient('.');
    const bool told_apart = all.duty().find('.') == std::string::npos;
    return told_apart ? id_from(readable, name) : id_with_digest(readable, name);
  }
  std::string of_patient(char separator) const { return all.patient().empty() ? std::string() : separator + all.patient(); }
};

/// One handoff as its resources.
class handoff_writer {
 public:
  handoff_writer(const setting& with, const handoff_log& log) : with_(with), log_(log) {
    for (const auto& entry : log_.entries) fold(entry);
    for (const auto& [id, said] : state_.patients) patients_[id].said = said;
    for (const auto& [key, item] : state_.owed) patients_[item.patient_id].actions.push_back(with_.reference(key));
    // Of whom nothing is owed any more, and nothing was said.
    std::erase_if(patients_, [&](const auto& one) { return one.second.actions.empty() && !state_.patients.contains(one.first); });
    for (auto& [id, patient] : patients_) patient.id = id;
  }

  void add_to(json::array& to) {
    to.push_back(task());
    to.push_back(list(id(), items(), [](const care::owed_item&) { return true; }));
    to.push_back(document());
    if (completed_ != nullptr) {
      to.push_back(commit());
    } else if (forced()) {
      to.push_back(taken());
    }
    for (const auto& [patient, declined] : declined_) add_split(to, patient, *declined);
  }

 private:
  struct listing {
    google::protobuf::Timestamp time;
    bool later = false;  ///< After it was offered (HO5).
  };

  const v1::Entry& first() const { return log_.entries.front(); }
  const v1::Entry& last() const { return log_.entries.back(); }
  std::string id() const { return with_.id_of(first().seq()); }

  void fold(const v1::Entry& entry) {
    if (entry.has_handoff_prepared()) {
      const auto& prepared = entry.handoff_prepared();
      state_.from = prepared.from_person_id();
      state_.to = prepared.to_person_id();
      for (const auto& row : prepared.owed()) state_.owed.insert_or_assign(key_of(row), care::owed_of(row));
    } else {
      care::apply_handoff(state_, entry, care::to_instant(entry.time()).value_or(care::instant{}));
    }
    note_listed(entry);
    note_said(entry);
    if (entry.has_handoff_opened()) opened_ = &entry;
    if (entry.has_handoff_completed()) completed_ = &entry;
    if (entry.has_handoff_ended()) ended_ = &entry;
    if (entry.has_handoff_delayed()) delayed_ = true;
  }

  static care::owed_key key_of(const v1::OwedItem& row) { return {row.entry().patient_id(), {row.entry().stream(), row.entry().seq()}}; }

  void note_listed(const v1::Entry& entry) {
    const bool later = entry.has_handoff_delta_shown();
    const auto note = [&](const auto& owed) {
      for (const auto& row : owed) {
        listed_[key_of(row)] = {entry.time(), later};
        if (later) say_again(row.entry().patient_id());
      }
    };
    if (entry.has_handoff_prepared()) note(entry.handoff_prepared().owed());
    if (entry.has_handoff_offered()) note(entry.handoff_offered().owed());
    if (!later) return;
    note(entry.handoff_delta_shown().owed());
    for (const auto& ref : entry.handoff_delta_shown().settled()) say_again(ref.patient_id());
  }

  /// What was said back no longer holds.
  void say_again(const std::string& id) {
    auto& patient = patients_[id];
    if (patient.status != synthesis_status::declined) patient = {};
  }

  void note_said(const v1::Entry& entry) {
    switch (entry.fact_case()) {
      case v1::Entry::kPatientDescribed:
        say_again(entry.patient_described().patient().patient_id());
        break;
      case v1::Entry::kPatientSynthesized: {
        const auto& said = entry.patient_synthesized();
        auto& patient = patients_[said.patient_id()];
        patient.status = said.mismatch() ? synthesis_status::differs : synthesis_status::said_back;
        patient.synthesis = said.synthesis();
        patient.receiver = entry.author().person_id();
        patient.answer.clear();
        patient.top_action.reset();
        if (said.has_top_action())
          patient.top_action = with_.reference({said.patient_id(), {said.top_action().stream(), said.top_action().seq()}});
        break;
      }
      case v1::Entry::kSynthesisCorrected:
        patients_[entry.synthesis_corrected().patient_id()].status = synthesis_status::sent_back;
        patients_[entry.synthesis_corrected().patient_id()].answer = entry.synthesis_corrected().correction();
        break;
      case v1::Entry::kHandoffPatientDeclined: {
        const auto& declined = entry.handoff_patient_declined();
        auto& patient = patients_[declined.patient_id()] = {};
        patient.status = synthesis_status::declined;
        patient.answer = declined.reason();
        patient.receiver = entry.author().person_id();
        declined_[declined.patient_id()] = &entry;
        break;
      }
      case v1::Entry::kPatientSetApart:
        apart_[entry.patient_set_apart().patient_id()] = &entry;
        break;
      default:
        break;
    }
  }

  bool forced() const { return log_.change && log_.change->duty_holder_changed().reason() == v1::HOLDER_REASON_FORCED; }
  bool unwitnessed() const { return completed_ != nullptr && completed_->handoff_completed().unwitnessed_by_sender(); }

  std::string_view status() const {
    if (completed_ != nullptr) return "completed";
    if (ended_ == nullptr) return code_of(log_.stage);
    switch (ended_->handoff_ended().end()) {
      case v1::HANDOFF_END_CANCELLED:
        return "cancelled";
      case v1::HANDOFF_END_REJECTED:
        return "rejected";
      default:
        return "failed";
    }
  }

  /// What R4's statuses do not tell; empty: nothing.
  std::string business_status() const {
    if (unwitnessed()) return "unwitnessed-by-sender";
    if (completed_ != nullptr) return {};
    if (forced()) return "force-taken";
    if (log_.change) return fhir::code_of(v1::HolderReason_Name(log_.change->duty_holder_changed().reason()), "HOLDER_REASON_");
    if (ended_ != nullptr) return {};
    const auto sent_back = [](const auto& one) {
      return one.second.status == synthesis_status::sent_back || one.second.status == synthesis_status::differs;
    };
    if (std::ranges::any_of(patients_, sent_back)) return "sent-back";
    return delayed_ ? "delayed" : "";
  }

  json::object task() {
    auto result = handoff_task(id(), with_.name_of(first().seq()), with_.all.duty(), status());
    if (const auto code = business_status(); !code.empty()) result["businessStatus"] = coded(status_system, code);
    if (with_.tells() && ended_ != nullptr && !ended_->handoff_ended().reason().empty()) {
      result["statusReason"] = named(ended_->handoff_ended().reason());
    }
    put_course(result);
    result["focus"] = reference_to("List", id());
    result["requester"] = with_.people.reference(state_.from);
    result["owner"] = with_.people.reference(state_.to);
    result["input"] = i_pass_input(id());
    if (!with_.all.patient().empty()) result["for"] = with_.people.reference(with_.all.patient());
    return result;
  }

  void put_course(json::object& to) const {
    to["authoredOn"] = time_of(first().time());
    to["lastModified"] = time_of(last().time());
    to["restriction"] = json::object{{"period", json::object{{"end", time_of(first().handoff_prepared().shift_end())}}}};
    json::object period;
    if (opened_ != nullptr) period["start"] = time_of(opened_->time());
    if (const auto* end = completed_ != nullptr ? completed_ : ended_) period["end"] = time_of(end->time());
    if (!period.empty()) to["executionPeriod"] = std::move(period);
  }

  /// Unstable patients first, then watched, then stable ones.
  std::vector<care::owed_item> items() const {
    std::vector<care::owed_item> result;
    for (const auto& [key, item] : state_.owed) result.push_back(item);
    std::ranges::stable_sort(result, std::ranges::greater(), [&](const care::owed_item& item) {
      const auto known = state_.patients.find(item.patient_id);
      return known == state_.patients.end() ? 0 : static_cast<int>(known->second.severity);
    });
    return result;
  }

  template <class Which>
  json::object list(const std::string& id, const std::vector<care::owed_item>& items, const Which& which) const {
    const bool over = completed_ != nullptr || ended_ != nullptr;
    json::object result{{"resourceType", "List"},
                        {"id", id},
                        {"status", over ? "retired" : "current"},
                        {"mode", log_.stage == care::handoff_stage::draft ? "working" : "snapshot"},
                        {"code", coded(list_system, "obligations")},
                        {"source", with_.people.reference(state_.from)},
                        {"orderedBy", coded(order_system, "priority")}};
    if (!with_.all.patient().empty()) result["subject"] = with_.people.reference(with_.all.patient());
    json::array entries;
    auto date = first().time();
    for (const auto& item : items) {
      if (!which(item)) continue;
      const care::owed_key key{item.patient_id, item.at};
      const auto& listed = listed_.at(key);
      if (care::to_instant(date) < care::to_instant(listed.time)) date = listed.time;
      entries.push_back(list_entry(key, item, listed));
    }
    result["date"] = time_of(date);
    if (entries.empty()) {
      const bool not_yet = log_.stage == care::handoff_stage::draft;
      result["emptyReason"] = coded(empty_reason_system, not_yet ? "notstarted" : "nilknown");
    } else {
      result["entry"] = std::move(entries);
    }
    return result;
  }

  json::object list_entry(const care::owed_key& key, const care::owed_item& item, const listing& listed) const {
    json::object result{{"date", time_of(listed.time)}, {"item", with_.reference(key)}};
    if (item.deadline) {
      result["extension"] = json::array{extension(deadline_extension, "valueDateTime", json::string(time_of(*item.deadline)))};
    }
    json::array flags;
    const auto flag = [&](std::string_view code) { flags.push_back(json::object{{"system", flag_system}, {"code", code}}); };
    if (item.at.seq == 0) flag("unreadable");
    if (listed.later) flag("since-offer");
    if (declined_.contains(item.patient_id)) flag("declined");
    if (!flags.empty()) result["flag"] = json::object{{"coding", std::move(flags)}};
    return result;
  }

  json::object document() {
    auto result = composition(id(), with_.name_of(first().seq()), completed_ != nullptr ? "final" : "preliminary", last().time());
    json::array authors{with_.people.reference(state_.from)};
    if (std::ranges::any_of(patients_, [](const auto& one) { return !one.second.receiver.empty(); })) {
      authors.push_back(with_.people.reference(state_.to));
    }
    result["author"] = std::move(authors);
    if (!with_.all.patient().empty()) result["subject"] = with_.people.reference(with_.all.patient());
    if (completed_ != nullptr) {
      result["attester"] = json::array{json::object{{"mode", "professional"},
                                                    {"time", time_of(completed_->time())},
                                                    {"party", with_.people.reference(completed_->author().person_id())}}};
    }
    std::vector<const told_patient*> in_order;
    for (const auto& [patient, told] : patients_) in_order.push_back(&told);
    std::ranges::stable_sort(in_order, std::ranges::greater(),
                             [](const told_patient* one) { return static_cast<int>(one->said.severity); });
    json::array sections;
    for (const auto* one : in_order) sections.push_back(patient_section(*one, with_.texts, with_.people));
    if (!sections.empty()) result["section"] = std::move(sections);
    return result;
  }

  /// What the commit moved: of everybody who was not declined, or of one who was.
  json::array moved(const std::string& task, const std::string& declined) const {
    json::array targets{reference_to("Task", task)};
    if (declined.empty()) targets.push_back(with_.people.duty_reference(with_.all.duty()));
    for (const auto& [key, item] : state_.owed) {
      const bool its = declined.empty() ? !declined_.contains(item.patient_id) : item.patient_id == declined;
      if (its) targets.push_back(with_.reference(key));
    }
    return targets;
  }

  json::object commit() const {
    json::array agents{agent("gave", with_.people.reference(state_.from)), agent("took", with_.people.reference(state_.to))};
    if (unwitnessed()) {
      auto witness = agent("witness", with_.people.reference(completed_->author().person_id()));
      witness["onBehalfOf"] = with_.people.reference(state_.from);
      agents.push_back(std::move(witness));
    }
    auto result = provenance(id(), completed_->time(), "commit", moved(id(), {}), std::move(agents));
    if (unwitnessed()) result["reason"] = json::array{coded(reason_system, "unwitnessed-by-sender")};
    result["entity"] = json::array{json::object{{"role", "source"}, {"what", reference_to("Composition", id())}}};
    return result;
  }

  json::object taken() const;

  /// HO4: what was declined goes to the lead, in the commit of the handoff.
  void add_split(json::array& to, const std::string& patient, const v1::Entry& declined) {
    const auto split = with_.id_of(declined.seq());
    const auto apart = apart_.find(patient);
    const auto& lead =
        apart == apart_.end() ? declined.handoff_patient_declined().person_id() : apart->second->patient_set_apart().person_id();
    const bool over = completed_ != nullptr || ended_ != nullptr;
    auto task = handoff_task(split, with_.name_of(declined.seq()), with_.all.duty(), over ? status() : "requested");
    task["partOf"] = json::array{reference_to("Task", id())};
    task["focus"] = reference_to("List", split);
    task["for"] = with_.people.reference(patient);
    put_course(task);
    task["authoredOn"] = time_of(declined.time());
    if (with_.tells()) task["reasonCode"] = named(declined.handoff_patient_declined().reason());
    task["requester"] = with_.people.reference(state_.to);
    task["owner"] = with_.people.reference(lead);
    task["input"] = i_pass_input(id());
    to.push_back(std::move(task));
    auto its = list(split, items(), [&](const care::owed_item& item) { return item.patient_id == patient; });
    its["subject"] = with_.people.reference(patient);
    to.push_back(std::move(its));
    if (apart == apart_.end()) return;
    to.push_back(provenance(split, apart->second->time(), "split", moved(split, patient),
                            {agent("gave", with_.people.reference(state_.from)), agent("took", with_.people.reference(lead))}));
  }

  const setting& with_;
  const handoff_log& log_;
  care::handoff_state state_;
  std::map<std::string, told_patient> patients_;
  std::map<care::owed_key, listing> listed_;
  std::map<std::string, const v1::Entry*> declined_, apart_;
  const v1::Entry* opened_ = nullptr;
  const v1::Entry* completed_ = nullptr;
  const v1::Entry* ended_ = nullptr;
  bool delayed_ = false;
};

/// The lead took the duty. What it owed then is not written down.
json::object force_take(const setting& with, const std::string& id, const v1::Entry& change, json::array targets) {
  const auto& changed = change.duty_holder_changed();
  targets.push_back(with.people.duty_reference(with.all.duty()));
  json::array agents{agent("took", with.people.reference(changed.person_id()))};
  if (!changed.previous_person_id().empty()) agents.push_back(agent("gave", with.people.reference(changed.previous_person_id())));
  auto result = provenance(id, change.time(), "force-take", std::move(targets), std::move(agents));
  auto reason = coded(reason_system, "force-taken");
  if (with.tells() && !changed.text().empty()) reason["text"] = changed.text();
  result["reason"] = json::array{std::move(reason)};
  return result;
}

json::object handoff_writer::taken() const {
  return force_take(with_, id(), *log_.change, {reference_to("Task", id())});
}

/// A declined patient on the way back to whoever holds the duty.
void add_return(json::array& to, const setting& with, const return_log& one) {
  const auto& offered = one.returned.patient_returned().patient();
  const auto id = with.id_of(one.returned.seq());
  const auto* taken = one.taken ? &*one.taken : nullptr;
  const auto& lead = one.returned.author().person_id();
  const auto& holder = taken ? taken->author().person_id() : one.holder;
  const auto& last = taken ? taken->time() : one.returned.time();
  auto task = handoff_task(id, with.name_of(one.returned.seq()), with.all.duty(),
                           taken       ? "completed"
                           : one.ended ? "cancelled"
                                       : "requested");
  task["for"] = with.people.reference(offered.patient_id());
  task["authoredOn"] = time_of(one.returned.time());
  task["lastModified"] = one.ended ? time_of(*one.ended) : time_of(last);
  task["requester"] = with.people.reference(lead);
  if (!holder.empty()) task["owner"] = with.people.reference(holder);
  task["input"] = i_pass_input(id);
  to.push_back(std::move(task));

  told_patient patient{offered.patient_id(), care::described_by(offered), {}, false, synthesis_status::awaited, {}, {}, {}, {}};
  json::array authors{with.people.reference(lead)};
  if (taken) {
    const auto& said = taken->patient_taken_back();
    patient.status = synthesis_status::said_back;
    patient.synthesis = said.synthesis();
    patient.receiver = holder;
    if (said.has_top_action())
      patient.top_action = with.reference({offered.patient_id(), {said.top_action().stream(), said.top_action().seq()}});
    authors.push_back(with.people.reference(holder));
  }
  auto document = composition(id, with.name_of(one.returned.seq()), taken ? "final" : "preliminary", last);
  document["subject"] = with.people.reference(offered.patient_id());
  document["author"] = std::move(authors);
  document["section"] = json::array{patient_section(patient, with.texts, with.people)};
  to.push_back(std::move(document));
  if (taken == nullptr) return;
  to.push_back(provenance(id, taken->time(), "taken-back", {reference_to("Task", id)},
                          {agent("gave", with.people.reference(lead)), agent("took", with.people.reference(holder))}));
}

}  // namespace

void add_handoffs(json::array& to, const duty_handoffs& handoffs, const owed_things& owed, told_texts texts, people_writer& people) {
  const setting with{handoffs, owed, texts, people};
  for (const auto& one : handoffs.handoffs()) handoff_writer(with, one).add_to(to);
  for (const auto& one : handoffs.returns()) add_return(to, with, one);
  for (const auto& one : handoffs.taken_by_lead()) {
    to.push_back(force_take(with, with.id_of_taking(one.seq()), one, {}));
  }
}

}  // namespace careteam::admin::fhir

namespace careteam::admin {

boost::json::array duty_resources(const duty_handoffs& handoffs, const known_organization& organization, const owed_things& owed,
                                  told_texts texts) {
  fhir::people_writer people(organization, texts);
  boost::json::array written;
  (void)people.duty_reference(handoffs.duty());
  fhir::add_handoffs(written, handoffs, owed, texts, people);
  auto result = people.resources({});
  for (auto& one : written) result.push_back(std::move(one));
  return result;
}

}  // namespace careteam::admin

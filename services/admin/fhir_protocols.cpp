#include "admin/fhir_protocols.hpp"

#include <algorithm>

#include "admin/fhir_task_codes.hpp"
#include "care/duty_messages.hpp"
#include "care/protocol_schedule.hpp"

namespace careteam::admin::fhir {
namespace {

namespace json = boost::json;
namespace codes = task_codes;

constexpr std::string_view category_system = "urn:careteam:plan-category";
constexpr std::string_view day_extension = "urn:careteam:protocol-day";
constexpr std::string_view passed_system = "urn:careteam:protocol-status";

json::object annotation(const v1::Entry& entry, const std::string& reason) {
  return {{"time", time_of(entry.time())}, {"text", reason}};
}

/// What is not asked for, since its day was over.
void note_passed(care::protocol_state& protocol, const google::protobuf::RepeatedPtrField<v1::ProtocolDay>& passed) {
  for (const auto& day : passed) {
    if (const auto one = care::occasion_of(protocol, day)) protocol.settled.emplace(*one, 0);
  }
}

}  // namespace

json::object protocol_day(const v1::ProtocolDay& day, std::string scheduled) {
  json::array parts{extension("item", "valueId", json::string(day.item_id())), extension("cycle", "valuePositiveInt", day.cycle()),
                    extension("day", "valueInteger", day.day())};
  if (!scheduled.empty()) parts.push_back(extension("scheduled", "valueDateTime", json::string(scheduled)));
  return {{"url", day_extension}, {"extension", std::move(parts)}};
}

std::string protocols_writer::name_of(const care::protocol_key& key) const {
  return patient_ + '/' + codes::stream_code(key.stream) + '/' + key.id;
}

std::string protocols_writer::id_of(const care::protocol_key& key) const {
  const auto readable = patient_ + '.' + codes::stream_code(key.stream) + '.' + key.id;
  const bool told_apart = key.id.find('.') == std::string::npos;
  return told_apart ? id_from(readable, name_of(key)) : id_with_digest(readable, name_of(key));
}

protocols_writer::history* protocols_writer::find(v1::Stream stream, const std::string& id) {
  const auto known = all_.find({stream, id});
  return known == all_.end() ? nullptr : &known->second;
}

void protocols_writer::take_task(const v1::Entry& entry) {
  const auto& asked = entry.task_requested().protocol();
  auto* one = find(entry.stream(), asked.protocol_id());
  if (one == nullptr) return;
  if (const auto day = care::occasion_of(one->protocol, asked.day())) one->asked[*day] = entry.seq();
}

void protocols_writer::take(const v1::Entry& entry) {
  switch (entry.fact_case()) {
    case v1::Entry::kProtocolStarted: {
      const auto& started = entry.protocol_started();
      auto& one = all_[{entry.stream(), started.plan().protocol_id()}];
      one.protocol = care::protocol_of(started.plan());
      one.started_by = entry.author().person_id();
      one.started = care::to_instant(entry.time()).value_or(care::instant{});
      note_passed(one.protocol, started.passed());
      break;
    }
    case v1::Entry::kProtocolCycleMoved: {
      const auto& moved = entry.protocol_cycle_moved();
      auto* one = find(entry.stream(), moved.protocol_id());
      const auto day1 = care::day_of(moved.day1());
      if (one == nullptr || !day1 || moved.cycle() < 1 || moved.cycle() > one->protocol.day1.size()) break;
      care::move_cycle(one->protocol, moved.cycle(), *day1);
      note_passed(one->protocol, moved.passed());
      one->notes.push_back(annotation(entry, moved.reason()));
      break;
    }
    case v1::Entry::kProtocolStopped:
      if (auto* one = find(entry.stream(), entry.protocol_stopped().protocol_id())) {
        one->stopped = care::to_instant(entry.time());
        one->notes.push_back(annotation(entry, entry.protocol_stopped().reason()));
      }
      break;
    case v1::Entry::kTaskRequested:
      if (entry.task_requested().has_protocol()) take_task(entry);
      break;
    default:
      break;
  }
}

void protocols_writer::tie(json::object& task, const v1::Entry& began) const {
  if (!began.task_requested().has_protocol()) return;
  const auto& occasion = began.task_requested().protocol();
  const care::protocol_key key{began.stream(), occasion.protocol_id()};
  task["groupIdentifier"] = identifier(codes::protocol_system, name_of(key));
  task["basedOn"] = json::array{json::object{{"reference", "CarePlan/" + id_of(key)}}};
  task["extension"].as_array().push_back(protocol_day(occasion.day(), time_of(occasion.scheduled())));
}

std::vector<json::object> protocols_writer::resources(const care::protocols_state& going_on, told_texts texts,
                                                      people_writer& people) const {
  std::vector<const std::pair<const care::protocol_key, history>*> in_order;
  for (const auto& one : all_) in_order.push_back(&one);
  std::ranges::stable_sort(in_order, {}, [](const auto* one) { return one->second.started; });
  std::vector<json::object> result;
  for (const auto* one : in_order) {
    const auto& [key, told] = *one;
    const auto status = told.stopped ? "revoked" : going_on.running.contains(key) ? "active" : "completed";
    result.push_back(resource(key, told, status, texts, people));
  }
  return result;
}

json::object protocols_writer::resource(const care::protocol_key& key, const history& one, std::string_view status, told_texts texts,
                                        people_writer& people) const {
  const auto& protocol = one.protocol;
  json::object result{
      {"resourceType", "CarePlan"},
      {"id", id_of(key)},
      {"extension", json::array{extension(codes::stream_extension, "valueCode", json::string(codes::stream_code(key.stream)))}},
      {"identifier", json::array{identifier(codes::protocol_system, name_of(key))}},
      {"status", status},
      {"intent", "plan"},
      {"category", json::array{coded(category_system, "protocol")}}};
  if (texts == told_texts::all) result["title"] = protocol.name;
  result["subject"] = people.reference(patient_);
  result["period"] = json::object{{"start", care::text_of(protocol.day1.front())},
                                  {"end", care::text_of(protocol.day1.back() + (protocol.cycle_days - 1))}};
  result["created"] = time_of(one.started);
  if (!one.started_by.empty()) result["author"] = people.reference(one.started_by);
  result["careTeam"] = json::array{json::object{{"reference", "CareTeam/" + patient_}}};
  if (auto all = activities(key, one, texts); !all.empty()) result["activity"] = std::move(all);
  if (texts == told_texts::all && !one.notes.empty()) result["note"] = json::array(one.notes.begin(), one.notes.end());
  return result;
}

// What it asked for is a task; what is to come, or never came, is told in place.
json::array protocols_writer::activities(const care::protocol_key& key, const history& one, told_texts texts) const {
  const auto zone = care::zone_named(one.protocol.zone);
  json::array result;
  for (const auto& occasion : care::occasions(one.protocol)) {
    if (const auto task = one.asked.find(occasion); task != one.asked.end()) {
      result.push_back(json::object{{"reference", json::object{{"reference", "Task/" + task_id(patient_, {key.stream, task->second})}}}});
      continue;
    }
    const auto& order = one.protocol.items[occasion.item].order;
    const auto scheduled = zone ? time_of(care::scheduled_at(one.protocol, occasion, *zone)) : std::string();
    v1::ProtocolDay day;
    care::put_occasion(day, one.protocol, occasion);
    auto code = coded(codes::kind_system, codes::kind_code(order.kind));
    if (texts == told_texts::all) code["text"] = order.title;
    const bool passed = one.protocol.settled.contains(occasion);
    json::object detail{{"extension", json::array{protocol_day(day, {})}},
                        {"kind", "Task"},
                        {"code", std::move(code)},
                        {"status", passed || one.stopped ? "cancelled" : "scheduled"}};
    if (passed) detail["statusReason"] = coded(passed_system, "passed");
    if (!scheduled.empty()) detail["scheduledTiming"] = json::object{{"event", json::array{json::string(scheduled)}}};
    result.push_back(json::object{{"detail", std::move(detail)}});
  }
  return result;
}

}  // namespace careteam::admin::fhir

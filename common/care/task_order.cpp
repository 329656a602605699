#include "care/task_order.hpp"

#include <algorithm>

namespace careteam::care {
namespace {

task_target target_of(const v1::TaskTarget& from) {
  return {from.person_id(), from.role(), from.duty_id()};
}

void put_target(v1::TaskTarget& to, const task_target& target) {
  if (!target.person.empty()) to.set_person_id(target.person);
  if (target.role != v1::ROLE_UNSPECIFIED) to.set_role(target.role);
  if (!target.duty.empty()) to.set_duty_id(target.duty);
}

bool names_somebody(const v1::TaskTarget& target) {
  return !target.person_id().empty() || find_role(target.role()) || !target.duty_id().empty();
}

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/// Lower case, and one space where there were any.
std::string normal(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (is_blank(c)) {
      if (!result.empty() && result.back() != ' ') result += ' ';
    } else {
      result += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
  }
  if (!result.empty() && result.back() == ' ') result.pop_back();
  return result;
}

bool same(const task_fact& fact, const v1::TaskFact& entered) {
  return normal(fact.value) == normal(entered.value()) && normal(fact.unit) == normal(entered.unit());
}

outcome<void> check_outputs(const google::protobuf::RepeatedPtrField<std::string>& names, const std::string& field) {
  if (names.size() > max_task_outputs) return refuse(code::invalid_argument, field, "too many");
  for (const auto& name : names) {
    if (auto text = check_text(name, field, max_name_bytes); !text) return text;
    if (std::count(names.begin(), names.end(), name) > 1) return refuse(code::invalid_argument, field, "one is named twice");
  }
  return {};
}

outcome<void> check_targets(const v1::TaskOrder& asked, const std::string& path) {
  if (asked.ladder_size() > max_task_ladder) return refuse(code::invalid_argument, path + ".ladder", "has at most two steps: L1 and L2");
  if (asked.has_target() && !names_somebody(asked.target())) {
    return refuse(code::invalid_argument, path + ".target", "needs a person, a role or a duty");
  }
  for (const auto& step : asked.ladder()) {
    if (!names_somebody(step)) return refuse(code::invalid_argument, path + ".ladder", "needs a person, a role or a duty");
  }
  return {};
}

}  // namespace

task_order order_of(const v1::TaskOrder& from) {
  task_order order;
  order.kind = from.kind();
  order.title = from.title();
  order.description = from.description();
  order.priority = from.priority() == v1::PRIORITY_UNSPECIFIED ? v1::PRIORITY_ROUTINE : from.priority();
  order.target = target_of(from.target());
  for (const auto& step : from.ladder()) order.ladder.push_back(target_of(step));
  if (from.has_due()) order.due = to_instant(from.due());
  for (const auto& fact : from.facts()) order.facts.push_back({fact.name(), fact.value(), fact.unit()});
  order.read_back = from.read_back();
  order.required_outputs.assign(from.required_outputs().begin(), from.required_outputs().end());
  order.two_person = from.two_person();
  order.message = {from.message().stream(), from.message().seq()};
  return order;
}

void put_order(v1::TaskOrder& to, const task_order& order, const std::string& patient_id) {
  to.set_kind(order.kind);
  to.set_title(order.title);
  to.set_description(order.description);
  to.set_priority(order.priority);
  if (order.target != task_target{}) put_target(*to.mutable_target(), order.target);
  for (const auto& step : order.ladder) put_target(*to.add_ladder(), step);
  if (order.due) set_timestamp(*to.mutable_due(), *order.due);
  for (const auto& fact : order.facts) {
    auto& row = *to.add_facts();
    row.set_name(fact.name);
    row.set_value(fact.value);
    row.set_unit(fact.unit);
  }
  to.set_read_back(order.read_back);
  for (const auto& name : order.required_outputs) to.add_required_outputs(name);
  to.set_two_person(order.two_person);
  if (order.message.seq == 0) return;
  to.mutable_message()->set_patient_id(patient_id);
  to.mutable_message()->set_stream(order.message.stream);
  to.mutable_message()->set_seq(order.message.seq);
}

outcome<task_order> check_order(const v1::TaskOrder& asked, const std::string& path, instant now) {
  if (asked.kind() == v1::TASK_KIND_UNSPECIFIED) return refuse(code::invalid_argument, path + ".kind", "must be set");
  if (asked.kind() == v1::TASK_KIND_FOLLOW_UP) return refuse(code::invalid_argument, path + ".kind", "is made by the server only");
  if (auto title = check_text(asked.title(), path + ".title", max_title_bytes); !title) return title.error();
  if (asked.description().size() > max_description_bytes) return refuse(code::invalid_argument, path + ".description", "is too long");
  if (auto targets = check_targets(asked, path); !targets) return targets.error();
  if (asked.has_due()) {
    const auto due = to_instant(asked.due());
    if (!due) return refuse(code::invalid_argument, path + ".due", "must lie between 1900 and 2200");
    if (*due <= now) return refuse(code::invalid_argument, path + ".due", "must lie in the future");
  }
  if (auto shape = check_facts(asked.facts(), path + ".facts"); !shape) return shape.error();
  if (asked.read_back() && asked.facts().empty()) {
    return refuse(code::invalid_argument, path + ".readBack", "needs facts that can be read back");
  }
  if (auto outputs = check_outputs(asked.required_outputs(), path + ".requiredOutputs"); !outputs) return outputs.error();
  return order_of(asked);
}

outcome<void> check_link(const v1::EntryRef& to, v1::Stream stream, const actor& who, const task_context& context,
                         const std::string& field) {
  if (!is_chat_stream(to.stream()) || to.patient_id() != context.team.patient_id || !to.duty_id().empty() ||
      !(who.system || may_read(context.team, who.person_id, to.stream(), context.now))) {
    return refuse(code::not_found, field, "no such entry");
  }
  if (!audience_within(context.team, stream, to.stream(), context.now)) {
    return refuse(code::failed_precondition, field, "would reach people who cannot read it: write it anew");
  }
  if (to.seq() == 0 || to.seq() > context.heads[static_cast<std::size_t>(to.stream())]) {
    return refuse(code::not_found, field, "no such entry");
  }
  return {};
}

std::vector<std::string> facts_that_differ(const std::vector<task_fact>& key_facts, const fact_list& read_back) {
  std::vector<std::string> differs;
  for (const auto& fact : key_facts) {
    const auto entered =
        std::find_if(read_back.begin(), read_back.end(), [&](const v1::TaskFact& one) { return normal(one.name()) == normal(fact.name); });
    if (entered == read_back.end() || !same(fact, *entered)) differs.push_back(fact.name);
  }
  for (const auto& entered : read_back) {
    const bool asked =
        std::any_of(key_facts.begin(), key_facts.end(), [&](const task_fact& fact) { return normal(fact.name) == normal(entered.name()); });
    if (!asked) differs.push_back(entered.name());
  }
  return differs;
}

outcome<void> check_facts(const fact_list& key_facts, const std::string& field) {
  if (key_facts.size() > max_task_facts) return refuse(code::invalid_argument, field, "too many");
  for (const auto& fact : key_facts) {
    if (auto name = check_text(fact.name(), field, max_name_bytes); !name) return name;
    if (auto value = check_text(fact.value(), field, max_name_bytes); !value) return value;
    if (fact.unit().size() > max_name_bytes) return refuse(code::invalid_argument, field, "is too long");
    const auto twins = std::count_if(key_facts.begin(), key_facts.end(),
                                     [&](const v1::TaskFact& other) { return normal(other.name()) == normal(fact.name()); });
    if (twins > 1) return refuse(code::invalid_argument, field, "one is named twice");
  }
  return {};
}

}  // namespace careteam::care

// What a task asks for: its shape in commands and entries, and the comparison of facts that are read back (C3).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "care/task.hpp"

namespace careteam::care {

using fact_list = google::protobuf::RepeatedPtrField<v1::TaskFact>;

/// The order of a command or an entry. What is malformed is left out: `check_order` refuses it before.
task_order order_of(const v1::TaskOrder& from);
void put_order(v1::TaskOrder& to, const task_order& order, const std::string& patient_id);

/// Checks the order's shape, not yet whom it names. `path`: the JSON path of the order in its command.
outcome<task_order> check_order(const v1::TaskOrder& asked, const std::string& path, instant now);

/// What somebody enters must not carry a reader of `stream` to a place that they cannot read: the rule of forwarding (A2).
outcome<void> check_link(const v1::EntryRef& to, v1::Stream stream, const actor& who, const task_context& context,
                         const std::string& field);

/// The names of the facts that differ, are missing, or do not belong; letter case and spaces do not count, units do.
std::vector<std::string> facts_that_differ(const std::vector<task_fact>& key_facts, const fact_list& read_back);
/// At most 16 facts, each with a name and a value, none named twice.
outcome<void> check_facts(const fact_list& key_facts, const std::string& field);

}  // namespace careteam::care

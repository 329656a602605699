// Who may take a task, who owns it, and who answers for it when nobody does (I1).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "care/task.hpp"

namespace careteam::care {

/// Whether this person in this role may own such a task now: holds the role, reads the stream, has an account that works, and the table
/// says so. A caregiver needs the patient's grant to acknowledge.
bool able_as(v1::Role role, std::string_view person, v1::Stream stream, const task_order& order, const task_world& world);
/// In any of their roles.
bool able(std::string_view person, v1::Stream stream, const task_order& order, const task_world& world);

/// Who stands behind a target now and may take the task, in roster order.
std::vector<std::string> candidates(const task_target& target, v1::Stream stream, const task_order& order, const task_world& world);

/// The step of the ladder under which this person in this role is asked now; nothing when they are not, or have declined.
const task_target* step_for(const task_state& task, place at, std::string_view person, v1::Role role, const task_world& world);

/// Whether anybody but this person could still take the task, now or at a later step of its ladder.
bool others_left(const task_state& task, place at, std::string_view person, const task_world& world);

/// Who has to see to a task about which everybody is silent: the leads of its duties, the attending. The safety person, when the silent
/// task is itself such a follow-up. Nobody: it has reached the safety person, or there is none.
std::vector<std::string> supervisors(const task_state& task, place at, const task_world& world);
/// Who has to see to a task that was declined or failed: its requester, when they may, else its supervisors.
std::vector<std::string> followers(const task_state& task, place at, const task_world& world);

}  // namespace careteam::care

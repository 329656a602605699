// What a caller may give to a store. More is a bug of the caller: sizes are checked where requests enter the process.
#pragma once

#include <cstddef>

namespace careteam::store {

inline constexpr std::size_t max_record_key_bytes = 100;
/// Of the name of a person, actor or device.
inline constexpr std::size_t max_name_bytes = 200;
inline constexpr std::size_t max_entry_bytes = 16 << 20;
/// Of the domain's name for a timer, a delivery or what a delivery is about.
inline constexpr std::size_t max_id_bytes = 100;
/// Of what a delivery carries: ids and classes, never a patient's text.
inline constexpr std::size_t max_delivery_payload_bytes = 512;
/// Rows that one read or claim answers: bounds its memory and how long the others wait.
inline constexpr std::size_t max_timers_at_once = 10'000;
inline constexpr std::size_t max_deliveries_at_once = 1'000;
inline constexpr std::size_t max_obligations_at_once = 10'000;

}  // namespace careteam::store

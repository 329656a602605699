// What a caller may give to a store. More is a bug of the caller: sizes are checked where requests enter the process.
#pragma once

#include <cstddef>

namespace careteam::store {

inline constexpr std::size_t max_record_key_bytes = 100;
/// Of the name of a person, actor or device.
inline constexpr std::size_t max_name_bytes = 200;
inline constexpr std::size_t max_entry_bytes = 16 << 20;

}  // namespace careteam::store

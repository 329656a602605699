#include "admin/fhir_task_codes.hpp"

#include <algorithm>
#include <array>
#include <cctype>

namespace careteam::admin::task_codes {
namespace {

constexpr std::array task_streams{v1::STREAM_SHARED, v1::STREAM_CLINICAL, v1::STREAM_SUPPORT};

/// TASK_KIND_FOLLOW_UP: "follow-up". The first value of an enumeration says that there is none.
std::string code(std::string_view name, std::string_view prefix) {
  std::string result(name.substr(std::min(prefix.size(), name.size())));
  std::ranges::transform(result, result.begin(), [](unsigned char c) { return c == '_' ? '-' : static_cast<char>(std::tolower(c)); });
  return result == "unspecified" ? std::string() : result;
}

}  // namespace

std::string kind_code(v1::TaskKind kind) {
  return code(v1::TaskKind_Name(kind), "TASK_KIND_");
}

v1::TaskKind kind_of(std::string_view wanted) {
  for (int i = v1::TaskKind_MIN + 1; i <= v1::TaskKind_MAX; ++i) {
    if (v1::TaskKind_IsValid(i) && kind_code(static_cast<v1::TaskKind>(i)) == wanted) return static_cast<v1::TaskKind>(i);
  }
  return v1::TASK_KIND_UNSPECIFIED;
}

std::string priority_code(v1::Priority priority) {
  return code(v1::Priority_Name(priority), "PRIORITY_");
}

v1::Priority priority_of(std::string_view wanted) {
  for (int i = v1::Priority_MIN + 1; i <= v1::Priority_MAX; ++i) {
    if (v1::Priority_IsValid(i) && priority_code(static_cast<v1::Priority>(i)) == wanted) return static_cast<v1::Priority>(i);
  }
  return v1::PRIORITY_UNSPECIFIED;
}

std::string stream_code(v1::Stream stream) {
  return std::ranges::find(task_streams, stream) == task_streams.end() ? std::string() : code(v1::Stream_Name(stream), "STREAM_");
}

v1::Stream stream_of(std::string_view wanted) {
  const auto at = std::ranges::find_if(task_streams, [&](v1::Stream one) { return stream_code(one) == wanted; });
  return at == task_streams.end() ? v1::STREAM_UNSPECIFIED : *at;
}

std::string rule_code(v1::TaskRule rule) {
  return code(v1::TaskRule_Name(rule), "TASK_RULE_");
}

}  // namespace careteam::admin::task_codes

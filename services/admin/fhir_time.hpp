// FHIR R4 dates and times, read strictly.
#pragma once

#include <google/protobuf/timestamp.pb.h>

#include <chrono>
#include <optional>
#include <string_view>

namespace careteam::admin {

/// What a date of any precision stands for, in UTC: [first, after). A dateTime with seconds is one instant, so `after` equals `first`.
struct fhir_interval {
  google::protobuf::Timestamp first;
  google::protobuf::Timestamp after;
};

/// Reads FHIR `date`, `dateTime` and `instant`: YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss[.fraction](Z|±hh:mm), years 1900–2200.
/// A date without a time zone is taken as UTC. Nothing for any other text.
[[nodiscard]] std::optional<fhir_interval> parse_fhir_time(std::string_view text);

/// Whether a is earlier than b.
[[nodiscard]] bool earlier(const google::protobuf::Timestamp& a, const google::protobuf::Timestamp& b);

/// Whether a period that starts with `start` and ends with `end` (all of it) would have no instant: FHIR per-1.
[[nodiscard]] bool ends_before_start(const fhir_interval& start, const fhir_interval& end);

}  // namespace careteam::admin

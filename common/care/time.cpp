#include "care/time.hpp"

namespace careteam::care {

std::optional<instant> to_instant(const google::protobuf::Timestamp& t) {
  using namespace std::chrono;
  if (t.nanos() < 0 || t.nanos() > 999'999'999) return std::nullopt;
  // Compared in seconds first: a huge value must not overflow in microseconds.
  if (t.seconds() < floor<seconds>(earliest_time).time_since_epoch().count()) return std::nullopt;
  if (t.seconds() >= floor<seconds>(latest_time).time_since_epoch().count()) return std::nullopt;
  return instant{seconds{t.seconds()} + microseconds{t.nanos() / 1000}};
}

void set_timestamp(google::protobuf::Timestamp& to, instant t) {
  const auto whole = std::chrono::floor<std::chrono::seconds>(t);
  to.set_seconds(whole.time_since_epoch().count());
  to.set_nanos(static_cast<std::int32_t>((t - whole).count() * 1000));
}

}  // namespace careteam::care

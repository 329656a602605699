#include "admin/fhir_time.hpp"

#include <array>
#include <cstdint>
#include <tuple>

namespace careteam::admin {
namespace {

constexpr int first_year = 1900;
constexpr int last_year = 2200;
// FHIR allows up to 24 h in its pattern; no place on earth is further than this from UTC.
constexpr int max_offset_minutes = 14 * 60;
constexpr std::size_t max_fraction_digits = 20;
constexpr std::size_t nanosecond_digits = 9;

// Takes the text from the front, piece by piece.
class scanner {
 public:
  explicit scanner(std::string_view text) : rest_(text) {}

  [[nodiscard]] bool done() const { return rest_.empty(); }

  bool take(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }

  // Exactly `digits` digits, with a value in [low, high].
  std::optional<int> number(std::size_t digits, int low, int high) {
    if (rest_.size() < digits) return std::nullopt;
    int value = 0;
    for (const char c : rest_.substr(0, digits)) {
      if (c < '0' || c > '9') return std::nullopt;
      value = value * 10 + (c - '0');
    }
    rest_.remove_prefix(digits);
    if (value < low || value > high) return std::nullopt;
    return value;
  }

  std::string_view digits() {
    std::size_t n = 0;
    while (n < rest_.size() && rest_[n] >= '0' && rest_[n] <= '9') ++n;
    const auto taken = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return taken;
  }

 private:
  std::string_view rest_;
};

google::protobuf::Timestamp at(std::chrono::sys_seconds time, std::int32_t nanos = 0) {
  google::protobuf::Timestamp stamp;
  stamp.set_seconds(time.time_since_epoch().count());
  stamp.set_nanos(nanos);
  return stamp;
}

// The offset from UTC: Z or ±hh:mm.
std::optional<std::chrono::minutes> zone(scanner& text) {
  if (text.take('Z')) return std::chrono::minutes{0};
  const bool east = text.take('+');
  if (!east && !text.take('-')) return std::nullopt;
  const auto hours = text.number(2, 0, 14);
  if (!hours || !text.take(':')) return std::nullopt;
  const auto minutes = text.number(2, 0, 59);
  if (!minutes) return std::nullopt;
  const int offset = *hours * 60 + *minutes;
  if (offset > max_offset_minutes) return std::nullopt;
  return std::chrono::minutes{east ? offset : -offset};
}

std::optional<std::int32_t> fraction(scanner& text) {
  if (!text.take('.')) return 0;
  const auto digits = text.digits();
  if (digits.empty() || digits.size() > max_fraction_digits) return std::nullopt;
  std::int32_t nanos = 0;
  for (std::size_t i = 0; i < nanosecond_digits; ++i) nanos = nanos * 10 + (i < digits.size() ? digits[i] - '0' : 0);
  return nanos;
}

}  // namespace

std::optional<fhir_interval> parse_fhir_time(std::string_view text) {
  using namespace std::chrono;
  scanner rest(text);
  const auto y = rest.number(4, first_year, last_year);
  if (!y) return std::nullopt;
  const year in_year{*y};
  if (rest.done()) return fhir_interval{at(sys_days{in_year / 1 / 1}), at(sys_days{(in_year + years{1}) / 1 / 1})};

  if (!rest.take('-')) return std::nullopt;
  const auto m = rest.number(2, 1, 12);
  if (!m) return std::nullopt;
  const year_month in_month = in_year / month{static_cast<unsigned>(*m)};
  if (rest.done()) return fhir_interval{at(sys_days{in_month / 1}), at(sys_days{(in_month + months{1}) / 1})};

  if (!rest.take('-')) return std::nullopt;
  const auto d = rest.number(2, 1, 31);
  if (!d) return std::nullopt;
  const year_month_day on_day = in_month / day{static_cast<unsigned>(*d)};
  if (!on_day.ok()) return std::nullopt;
  const sys_days midnight{on_day};
  if (rest.done()) return fhir_interval{at(midnight), at(midnight + days{1})};

  if (!rest.take('T')) return std::nullopt;
  const auto hour = rest.number(2, 0, 23);
  if (!hour || !rest.take(':')) return std::nullopt;
  const auto minute = rest.number(2, 0, 59);
  if (!minute || !rest.take(':')) return std::nullopt;
  const auto second = rest.number(2, 0, 60);  // 60: a leap second, the same instant as the next minute's first in POSIX time.
  if (!second) return std::nullopt;
  const auto nanos = fraction(rest);
  if (!nanos) return std::nullopt;
  const auto offset = zone(rest);
  if (!offset || !rest.done()) return std::nullopt;
  const auto instant = at(midnight + hours{*hour} + minutes{*minute} + seconds{*second} - *offset, *nanos);
  return fhir_interval{instant, instant};
}

bool earlier(const google::protobuf::Timestamp& a, const google::protobuf::Timestamp& b) {
  return std::tuple(a.seconds(), a.nanos()) < std::tuple(b.seconds(), b.nanos());
}

bool ends_before_start(const fhir_interval& start, const fhir_interval& end) {
  const bool exact = !earlier(end.first, end.after);
  return earlier(end.after, start.first) || (!exact && !earlier(start.first, end.after));
}

}  // namespace careteam::admin

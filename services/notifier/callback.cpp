#include "notifier/callback.hpp"

#include <boost/json/parse.hpp>

#include "store/limits.hpp"

namespace careteam::notifier {

std::optional<provider_report> parse_report(std::string_view body) {
  boost::system::error_code failed;
  const auto parsed = boost::json::parse(body, failed);
  if (failed || !parsed.is_object()) return std::nullopt;
  const auto& object = parsed.get_object();
  const auto* id = object.if_contains("id");
  const auto* outcome = object.if_contains("outcome");
  if (object.size() != 2 || id == nullptr || outcome == nullptr || !id->is_string() || !outcome->is_string()) return std::nullopt;
  provider_report report{std::string(id->get_string()), outcome->get_string() == "failed"};
  const bool is_known = report.failed || outcome->get_string() == "delivered";
  if (!is_known || report.id.empty() || report.id.size() > store::max_id_bytes) return std::nullopt;
  return report;
}

}  // namespace careteam::notifier

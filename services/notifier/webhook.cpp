#include "notifier/webhook.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "notifier/signature.hpp"

namespace careteam::notifier {
namespace {

void add_field(transfer& to, std::string_view name, std::string_view value) {
  std::string line(name);
  line.append(": ").append(value);
  to.add_header(line);
}

}  // namespace

attempt judge_http(long status, std::chrono::seconds retry_after) {
  if (status >= 200 && status < 300) return {verdict::taken, std::nullopt};
  const bool passing = status == 408 || status == 425 || status == 429 || status >= 500;
  if (!passing) return {verdict::refused, std::nullopt};
  if (retry_after.count() > 0) return {verdict::again, retry_after};
  return {verdict::again, std::nullopt};
}

std::string webhook_body(const message& what) {
  boost::json::object body;
  body["id"] = what.id;
  body["channel"] = care::contact_code(what.to.system);
  body["to"] = what.to.value;
  body["priority"] = priority_class(what.priority);
  body["text"] = fixed_text;
  return boost::json::serialize(body);
}

void webhook::prepare(transfer& to, const message& what) const {
  to.body = webhook_body(what);
  const auto timestamp = std::to_string(std::chrono::floor<std::chrono::seconds>(what.time).time_since_epoch().count());
  to.add_header("Content-Type: application/json");
  add_field(to, "Idempotency-Key", what.id);
  add_field(to, timestamp_header, timestamp);
  add_field(to, signature_header, signature_of(secret_, timestamp, to.body));
  to.add_header("Expect:");  // No round trip before the body.
  curl_easy_setopt(to.easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(to.easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(to.easy, CURLOPT_URL, url_.c_str());
  curl_easy_setopt(to.easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(to.easy, CURLOPT_HTTPHEADER, to.headers.get());
  curl_easy_setopt(to.easy, CURLOPT_POSTFIELDS, to.body.data());
  curl_easy_setopt(to.easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(to.body.size()));
}

attempt webhook::judge(CURLcode ended, long status, std::chrono::seconds retry_after) const {
  // A body that is too long does not take back what the status said.
  if (ended == CURLE_OK || ended == CURLE_WRITE_ERROR) return judge_http(status, retry_after);
  return {verdict::again, std::nullopt};
}

}  // namespace careteam::notifier

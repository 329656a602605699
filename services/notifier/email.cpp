#include "notifier/email.hpp"

#include <array>
#include <ctime>
#include <new>

namespace careteam::notifier {
namespace {

constexpr long permanent_failure = 500;

std::string rfc5322_date(std::chrono::system_clock::time_point time) {
  const auto seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 64> text{};
  std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S +0000", &parts);
  return text.data();
}

std::size_t read_body(char* to, std::size_t size, std::size_t count, void* from) {
  auto& mail = *static_cast<transfer*>(from);
  const auto some = mail.body.copy(to, size * count, mail.read);
  mail.read += some;
  return some;
}

}  // namespace

attempt judge_smtp(CURLcode ended, long status) {
  if (ended == CURLE_OK) return {verdict::taken, std::nullopt};
  if (ended == CURLE_LOGIN_DENIED || status >= permanent_failure) return {verdict::refused, std::nullopt};
  return {verdict::again, std::nullopt};
}

std::string email_text(const message& what, const std::string& from) {
  const auto domain = from.substr(from.find('@') + 1);
  std::string text;
  text.append("Date: ").append(rfc5322_date(what.time)).append("\r\n");
  text.append("From: <").append(from).append(">\r\n");
  text.append("To: <").append(what.to.value).append(">\r\n");
  text.append("Message-ID: <").append(what.id).append("@").append(domain).append(">\r\n");
  text.append("Subject: ").append(fixed_text).append("\r\n");
  text.append("Auto-Submitted: auto-generated\r\n");
  text.append("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n");
  text.append(fixed_text).append(".\r\nPriority: ").append(priority_class(what.priority)).append("\r\n");
  text.append("Reference: ").append(what.id).append("\r\n");
  return text;
}

void email::prepare(transfer& to, const message& what) const {
  to.body = email_text(what, options_.from);
  to.address = "<" + what.to.value + ">";
  to.recipients.reset(curl_slist_append(nullptr, to.address.c_str()));
  if (!to.recipients) throw std::bad_alloc();
  curl_easy_setopt(to.easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
  curl_easy_setopt(to.easy, CURLOPT_URL, options_.url.c_str());
  curl_easy_setopt(to.easy, CURLOPT_USE_SSL, static_cast<long>(options_.without_tls ? CURLUSESSL_TRY : CURLUSESSL_ALL));
  if (!options_.username.empty()) {
    curl_easy_setopt(to.easy, CURLOPT_USERNAME, options_.username.c_str());
    curl_easy_setopt(to.easy, CURLOPT_PASSWORD, options_.password.c_str());
  }
  curl_easy_setopt(to.easy, CURLOPT_MAIL_FROM, ("<" + options_.from + ">").c_str());
  curl_easy_setopt(to.easy, CURLOPT_MAIL_RCPT, to.recipients.get());
  curl_easy_setopt(to.easy, CURLOPT_READFUNCTION, &read_body);
  curl_easy_setopt(to.easy, CURLOPT_READDATA, &to);
  curl_easy_setopt(to.easy, CURLOPT_UPLOAD, 1L);
}

attempt email::judge(CURLcode ended, long status, std::chrono::seconds) const {
  return judge_smtp(ended, status);
}

}  // namespace careteam::notifier

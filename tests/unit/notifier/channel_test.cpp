// What leaves the house, byte by byte, and what the answers mean.
#include "notifier/channel.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "notifier/callback.hpp"
#include "notifier/email.hpp"
#include "notifier/signature.hpp"
#include "notifier/webhook.hpp"

namespace careteam::notifier {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr std::chrono::system_clock::time_point noon{std::chrono::sys_days{std::chrono::year{2026} / 3 / 1} + 12h};

message a_message(v1::ContactSystem system, std::string to) {
  return {"00112233445566778899aabbccddeeff-1-0", {system, std::move(to)}, v1::PRIORITY_STAT, noon};
}

TEST(webhook, says_this_and_nothing_else) {
  EXPECT_EQ(webhook_body(a_message(v1::CONTACT_SYSTEM_SMS, "+15550100")),
            R"({"id":"00112233445566778899aabbccddeeff-1-0","channel":"sms","to":"+15550100","priority":"stat",)"
            R"("text":"New message from your care team"})");
}

TEST(webhook, tells_what_passes_from_what_does_not) {
  for (const long status : {200L, 201L, 202L, 204L, 299L}) EXPECT_EQ(judge_http(status, 0s).result, verdict::taken) << status;
  for (const long status : {408L, 425L, 429L, 500L, 502L, 503L, 504L, 599L})
    EXPECT_EQ(judge_http(status, 0s).result, verdict::again) << status;
  for (const long status : {0L, 100L, 301L, 302L, 307L, 308L, 400L, 401L, 403L, 404L, 410L, 422L}) {
    EXPECT_EQ(judge_http(status, 0s).result, verdict::refused) << status;
  }
  EXPECT_EQ(judge_http(429, 30s).not_before, 30s);
  EXPECT_FALSE(judge_http(503, 0s).not_before);
  const webhook way("http://127.0.0.1:1/", "0123456789abcdef");
  for (const auto ended : {CURLE_COULDNT_CONNECT, CURLE_OPERATION_TIMEDOUT, CURLE_GOT_NOTHING, CURLE_WEIRD_SERVER_REPLY, CURLE_RECV_ERROR,
                           CURLE_PEER_FAILED_VERIFICATION, CURLE_PARTIAL_FILE}) {
    EXPECT_EQ(way.judge(ended, 200, 0s).result, verdict::again) << ended;
  }
  EXPECT_EQ(way.judge(CURLE_WRITE_ERROR, 200, 0s).result, verdict::taken) << "an answer too long to read was still yes";
}

TEST(email, says_this_and_nothing_else) {
  EXPECT_EQ(email_text(a_message(v1::CONTACT_SYSTEM_EMAIL, "nina@example.org"), "careteam@example.org"),
            "Date: Sun, 01 Mar 2026 12:00:00 +0000\r\n"
            "From: <careteam@example.org>\r\n"
            "To: <nina@example.org>\r\n"
            "Message-ID: <00112233445566778899aabbccddeeff-1-0@example.org>\r\n"
            "Subject: New message from your care team\r\n"
            "Auto-Submitted: auto-generated\r\n"
            "MIME-Version: 1.0\r\n"
            "Content-Type: text/plain; charset=us-ascii\r\n"
            "\r\n"
            "New message from your care team.\r\n"
            "Priority: stat\r\n"
            "Reference: 00112233445566778899aabbccddeeff-1-0\r\n");
}

TEST(email, five_hundred_is_for_good) {
  EXPECT_EQ(judge_smtp(CURLE_OK, 250).result, verdict::taken);
  EXPECT_EQ(judge_smtp(CURLE_SEND_ERROR, 550).result, verdict::refused);
  EXPECT_EQ(judge_smtp(CURLE_LOGIN_DENIED, 535).result, verdict::refused);
  EXPECT_EQ(judge_smtp(CURLE_SEND_ERROR, 451).result, verdict::again);
  EXPECT_EQ(judge_smtp(CURLE_RECV_ERROR, 354).result, verdict::again) << "the connection ended in the middle of the mail";
  EXPECT_EQ(judge_smtp(CURLE_USE_SSL_FAILED, 250).result, verdict::again);
}

TEST(signature, is_hmac_sha256_over_time_and_body) {
  // printf '1772366400.{}' | openssl dgst -sha256 -hmac 0123456789abcdef
  EXPECT_EQ(signature_of("0123456789abcdef", "1772366400", "{}"), "v1=045b94e22889c4d3f49ea1ebebe0e8ca0e2883cb1419c86020b25064809b5516");
}

TEST(signature, is_good_for_its_secret_body_and_time_alone) {
  const std::string secret = "0123456789abcdef";
  const auto signed_now = signature_of(secret, "1772366400", "{}");
  EXPECT_TRUE(is_authentic(secret, "1772366400", signed_now, "{}", noon));
  EXPECT_TRUE(is_authentic(secret, "1772366400", signed_now, "{}", noon + replay_window));
  EXPECT_FALSE(is_authentic(secret, "1772366400", signed_now, "{}", noon + replay_window + 1s)) << "a replay";
  EXPECT_FALSE(is_authentic(secret, "1772366400", signed_now, "{}", noon - replay_window - 1s)) << "from a wrong clock";
  EXPECT_FALSE(is_authentic(secret, "1772366401", signed_now, "{}", noon));
  EXPECT_FALSE(is_authentic(secret, "1772366400", signed_now, "{ }", noon));
  EXPECT_FALSE(is_authentic("0123456789abcdeF", "1772366400", signed_now, "{}", noon));
  EXPECT_FALSE(is_authentic(secret, "1772366400", "", "{}", noon));
  for (const char* time : {"", "x", "1772366400 ", "+1772366400", "99999999999999999999", "-1"}) {
    EXPECT_FALSE(is_authentic(secret, time, signature_of(secret, time, "{}"), "{}", noon)) << time;
  }
}

TEST(report, is_an_id_and_an_outcome) {
  const auto delivered = parse_report(R"({"id":"a-1-0","outcome":"delivered"})");
  ASSERT_TRUE(delivered);
  EXPECT_EQ(delivered->id, "a-1-0");
  EXPECT_FALSE(delivered->failed);
  EXPECT_TRUE(parse_report(R"({"outcome":"failed","id":"a-1-0"})")->failed);
  for (const char* body :
       {"", "{}", "[]", "null", R"({"id":"a","outcome":"sent"})", R"({"id":1,"outcome":"failed"})", R"({"id":"","outcome":"failed"})",
        R"({"id":"a","outcome":"failed","more":1})", R"({"id":"a"})", R"({"id":"a","outcome":"failed"} x)"}) {
    EXPECT_FALSE(parse_report(body)) << body;
  }
  EXPECT_FALSE(parse_report(R"({"id":")" + std::string(101, 'a') + R"(","outcome":"failed"})"));
}

}  // namespace
}  // namespace careteam::notifier

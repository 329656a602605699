// The signed webhook: one POST for each attempt, to the gateway that speaks with providers of SMS, voice, pagers and push.
//
//   POST /careteam HTTP/1.1
//   Content-Type: application/json
//   Idempotency-Key: 2f…-1-0                   the same for every attempt of one delivery
//   CareTeam-Timestamp: 1772348400
//   CareTeam-Signature: v1=…                   signature.hpp
//
//   {"id":"2f…-1-0","channel":"sms","to":"+15550100","priority":"stat","text":"New message from your care team"}
//
// 2xx: taken. 408, 425, 429, 5xx, or no answer: tried again. Everything else, redirects among it: never over this channel.
#pragma once

#include "notifier/channel.hpp"

namespace careteam::notifier {

/// What the status of an answer means; `retry_after`: what it asks for, zero: nothing.
attempt judge_http(long status, std::chrono::seconds retry_after);

class webhook final : public channel {
 public:
  webhook(std::string url, std::string secret) : url_(std::move(url)), secret_(std::move(secret)) {}
  void prepare(transfer& to, const message& what) const override;
  attempt judge(CURLcode ended, long status, std::chrono::seconds retry_after) const override;

 private:
  std::string url_, secret_;
};

/// The body of a message, as JSON.
std::string webhook_body(const message& what);

}  // namespace careteam::notifier

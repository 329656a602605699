// What is sent to whom, and the small interface behind which each way of sending stands (G1).
//
// A message has nothing of a patient in it: an opaque id, a class of priority and a text that is always the same.
#pragma once

#include <curl/curl.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "care/organization.hpp"

namespace careteam::notifier {

/// All that anybody outside is ever told.
inline constexpr std::string_view fixed_text = "New message from your care team";

struct message {
  std::string id;  ///< The delivery's: whoever gets it twice got it once.
  care::contact_point to;
  v1::Priority priority = v1::PRIORITY_ROUTINE;
  std::chrono::system_clock::time_point time;
  std::optional<std::chrono::milliseconds> timeout = {};  ///< Of this attempt; nothing: the sender's own.
};

/// "routine", "urgent", "asap" or "stat".
std::string_view priority_class(v1::Priority priority);

/// How an attempt ended.
enum class verdict : std::uint8_t {
  taken,    ///< The provider has it.
  again,    ///< Not now: over the same channel later.
  refused,  ///< Never over this channel.
  unknown   ///< Whoever was to make it has gone: nobody knows whether the provider has it.
};

struct attempt {
  verdict result = verdict::again;
  std::optional<std::chrono::seconds> not_before;  ///< With `again`: the provider says how long to wait (Retry-After).
};

/// One transfer of libcurl with what it reads from while it runs. Belongs to the sender's thread.
struct transfer {
  CURL* easy = nullptr;
  std::string body;
  std::size_t read = 0;      ///< Of the body.
  std::size_t received = 0;  ///< Of the answer, which is thrown away.
  std::string address;       ///< Of the recipient.
  std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> headers{nullptr, &curl_slist_free_all};
  std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> recipients{nullptr, &curl_slist_free_all};

  void add_header(const std::string& line);
};

class channel {
 public:
  virtual ~channel() = default;
  /// Sets a handle up that has the sender's own options already. On the sender's thread.
  virtual void prepare(transfer& to, const message& what) const = 0;
  /// What the end of a transfer means. `status`: the last answer of the other side, 0: none.
  virtual attempt judge(CURLcode ended, long status, std::chrono::seconds retry_after) const = 0;
};

}  // namespace careteam::notifier

#include "redis/error.hpp"

#include <array>
#include <string>
#include <utility>

namespace careteam::redis {
namespace {

const char* describe(errc e) noexcept {
  switch (e) {
    case errc::not_connected:
      return "not connected to Redis";
    case errc::queue_full:
      return "too many requests are waiting for Redis";
    case errc::command_too_large:
      return "the command is too large or empty";
    case errc::connection_lost:
      return "the connection to Redis ended";
    case errc::response_timeout:
      return "Redis did not answer in time";
    case errc::connect_timeout:
      return "connecting to Redis took too long";
    case errc::protocol_violation:
      return "the answer is not RESP2";
    case errc::reply_too_large:
      return "the reply exceeds the limits";
    case errc::authentication_failed:
      return "Redis refused the user or the password";
    case errc::no_permission:
      return "the Redis user may not do that";
    case errc::unavailable:
      return "Redis cannot serve now";
    case errc::server_error:
      return "Redis answered with an error";
    case errc::stopped:
      return "stopped";
  }
  return "unknown";
}

class category final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "careteam.redis"; }
  std::string message(int value) const override { return describe(static_cast<errc>(value)); }
};

}  // namespace

const boost::system::error_category& redis_category() noexcept {
  static const category instance;
  return instance;
}

boost::system::error_code make_error_code(errc e) noexcept {
  return {static_cast<int>(e), redis_category()};
}

errc error_of_reply(std::string_view text) noexcept {
  static constexpr std::array<std::pair<std::string_view, errc>, 12> known{{{"NOAUTH", errc::authentication_failed},
                                                                            {"WRONGPASS", errc::authentication_failed},
                                                                            {"NOPERM", errc::no_permission},
                                                                            {"LOADING", errc::unavailable},
                                                                            {"READONLY", errc::unavailable},
                                                                            {"OOM", errc::unavailable},
                                                                            {"BUSY", errc::unavailable},
                                                                            {"MISCONF", errc::unavailable},
                                                                            {"MASTERDOWN", errc::unavailable},
                                                                            {"NOREPLICAS", errc::unavailable},
                                                                            {"CLUSTERDOWN", errc::unavailable},
                                                                            {"TRYAGAIN", errc::unavailable}}};
  const auto word = text.substr(0, text.find(' '));
  for (const auto& [name, meaning] : known) {
    if (word == name) return meaning;
  }
  return errc::server_error;
}

}  // namespace careteam::redis

#include "gateway/limits.hpp"

#include <algorithm>

namespace careteam::gateway {
namespace {

constexpr std::size_t max_remembered = 50'000;  // Of each kind: some MiB.

}  // namespace

boost::asio::ip::address counted_address(const boost::asio::ip::address& from) {
  if (!from.is_v6()) return from;
  const auto address = from.to_v6();
  if (address.is_v4_mapped()) return boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, address);
  auto bytes = address.to_bytes();
  std::fill(bytes.begin() + 8, bytes.end(), static_cast<unsigned char>(0));
  return boost::asio::ip::address_v6(bytes);
}

traffic_limits::traffic_limits(const runtime::config& settings)
    : max_connections_(settings.server.max_connections_per_address),
      people_(settings.limits.commands_per_minute, settings.limits.commands_at_once, max_remembered),
      devices_(settings.limits.device_commands_per_minute, settings.limits.device_commands_at_once, max_remembered),
      refused_tokens_(settings.limits.refused_tokens_per_minute, settings.limits.refused_tokens_at_once, max_remembered) {}

std::chrono::milliseconds traffic_limits::command_wait(const std::string& person, const std::string& device) {
  const auto now = std::chrono::steady_clock::now();
  // The device first: what it may not send takes nothing from the person's other devices.
  const auto wait = devices_.take(person + '/' + device, now);
  return wait.count() > 0 ? wait : people_.take(person, now);
}

std::shared_ptr<void> traffic_limits::admit(const boost::asio::ip::address& from) {
  const auto whose = counted_address(from);
  auto& count = (*connections_)[whose];
  if (count >= max_connections_) return nullptr;
  ++count;
  // The counts are shared: at the very end a connection may outlive the hub.
  return {connections_.get(), [counts = connections_, whose](void*) {
            const auto at = counts->find(whose);
            if (--at->second == 0) counts->erase(at);
          }};
}

void traffic_limits::token_refused(const boost::asio::ip::address& from) {
  refused_tokens_.take(counted_address(from).to_string(), std::chrono::steady_clock::now());
}

std::chrono::milliseconds traffic_limits::token_wait(const boost::asio::ip::address& from) const {
  return refused_tokens_.wait(counted_address(from).to_string(), std::chrono::steady_clock::now());
}

}  // namespace careteam::gateway

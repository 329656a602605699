// How much one person, one device and one address may ask of this process. Every table is bounded. Runs on the event loop.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <string>

#include "runtime/config.hpp"
#include "runtime/token_bucket.hpp"

namespace careteam::gateway {

/// Pings and pongs of one connection: a client that keeps its connection alive needs one in half a minute. More closes it.
inline constexpr double control_frames_per_second = 2;
inline constexpr double control_frames_at_once = 60;

class traffic_limits {
 public:
  explicit traffic_limits(const runtime::config& settings);

  /// Takes one from the commands of this device and of this person: zero, or how long to wait for the next.
  std::chrono::milliseconds command_wait(const std::string& person, const std::string& device);

  /// A connection from this address, from its first byte on. Nothing: there are as many as allowed. It counts until what is given is gone.
  std::shared_ptr<void> admit(const boost::asio::ip::address& from);

  /// A token from this address was refused: after too many of them no token from there is looked at for a while.
  void token_refused(const boost::asio::ip::address& from);
  /// How long no token from this address is looked at; zero: it is.
  std::chrono::milliseconds token_wait(const boost::asio::ip::address& from) const;

 private:
  std::size_t max_connections_;
  runtime::token_buckets<std::string> people_, devices_, refused_tokens_;
  std::shared_ptr<std::map<boost::asio::ip::address, std::size_t>> connections_ =
      std::make_shared<std::map<boost::asio::ip::address, std::size_t>>();
};

/// Whom an address stands for: a host by IPv4, a network of 64 bits by IPv6, since one host has as many addresses there as it likes.
boost::asio::ip::address counted_address(const boost::asio::ip::address& from);

}  // namespace careteam::gateway

// What travels through Redis between our processes: sealed, bound to its channel, its versions and its sender, and never accepted twice.
// Sans-I/O.
//
//   u8 format (1) · 16 bytes sender · u64 counter · u64 from · u64 to · u8 content · ciphertext · 16 bytes tag     (big endian)
//
// AES-256-GCM; everything before the ciphertext, and the channel, is additional authenticated text. Each sender has its own key, derived
// from the cluster's key and its random 128-bit id, so the nonce is just the counter: no two processes ever share a (key, nonce) pair.
// Redis keeps the order of one sender's publications, so a receiver takes only counters above the last: a replay is an old counter.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "redis/cluster_key.hpp"

struct evp_cipher_ctx_st;

namespace careteam::redis {

enum class sealed_content : std::uint8_t {
  entries = 1,  ///< The payload is what the versions committed.
  notice = 2,   ///< The versions exist; read them from the store.
  missed = 3    ///< The sender could not publish an unknown number of commits: read again whatever you watch.
};

struct sealed_letter {
  std::uint64_t from = 0;  ///< First version, inclusive.
  std::uint64_t to = 0;    ///< Last version, inclusive.
  sealed_content content = sealed_content::entries;
  std::string payload;
};

enum class unsealed : std::uint8_t {
  letter,     ///< Genuine and new.
  own,        ///< Our own publication came back.
  malformed,  ///< Not an envelope.
  forged,     ///< Not sealed by this cluster, altered, or meant for another channel.
  replayed    ///< Genuine, but this sender's counter was seen already.
};

/// An AES-256-GCM context with its key.
class sealing_cipher {
 public:
  explicit sealing_cipher(const secret_key& key);
  ~sealing_cipher();
  sealing_cipher(sealing_cipher&&) noexcept;
  sealing_cipher& operator=(sealing_cipher&&) noexcept;

  static constexpr std::size_t tag_bytes = 16;
  /// Appends ciphertext and tag. Throws if OpenSSL fails.
  void seal(std::uint64_t counter, std::string_view authenticated, std::string_view channel, std::string_view plain, std::string& out);
  std::optional<std::string> open(std::uint64_t counter, std::string_view authenticated, std::string_view channel, std::string_view sealed);

 private:
  struct free_context {
    void operator()(evp_cipher_ctx_st* context) const noexcept;
  };
  std::unique_ptr<evp_cipher_ctx_st, free_context> context_;
};

class sealer {
 public:
  explicit sealer(const secret_key& cluster);
  std::string seal(std::string_view channel, const sealed_letter& letter);
  const std::string& sender() const noexcept { return sender_; }

 private:
  std::string sender_;
  sealing_cipher cipher_;
  std::uint64_t counter_ = 0;
};

class opener {
 public:
  /// Remembered senders. Beyond that the one that was silent longest is forgotten; its replays would still carry versions long known.
  static constexpr std::size_t max_senders = 1024;

  opener(const secret_key& cluster, std::string own_sender) : cluster_(cluster), own_sender_(std::move(own_sender)) {}
  /// Fills `letter` when it answers unsealed::letter.
  unsealed open(std::string_view channel, std::string_view envelope, sealed_letter& letter);

 private:
  struct known_sender {
    std::string id;
    sealing_cipher cipher;
    std::uint64_t last_counter = 0;
  };
  secret_key cluster_;
  std::string own_sender_;
  std::list<known_sender> senders_;  ///< Latest first.
  std::unordered_map<std::string, std::list<known_sender>::iterator> by_id_;
};

}  // namespace careteam::redis

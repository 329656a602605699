// The hash chain of a stream: chain(n) = SHA-256(chain(n-1) || bytes(n)).
#pragma once

#include <memory>
#include <string_view>

#include "store/store.hpp"

struct evp_md_st;
struct evp_md_ctx_st;

namespace careteam::store {

/// Computes links of chains. Keeps one OpenSSL context, so it belongs to one thread.
class chain_hasher {
 public:
  chain_hasher();
  /// The link that follows `previous` for an entry with these bytes.
  chain_value next(const chain_value& previous, std::string_view bytes);

  /// What is kept beside a snapshot, so that an altered one is noticed: SHA-256 of its version, in a chain value's place, and its bytes.
  chain_value snapshot_digest(std::uint64_t version, std::string_view bytes);

 private:
  struct free_md {
    void operator()(evp_md_st* md) const;
  };
  struct free_context {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_st, free_md> md_;
  std::unique_ptr<evp_md_ctx_st, free_context> context_;
};

}  // namespace careteam::store

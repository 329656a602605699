// Owners for what cjose allocates. Internal to this room.
#pragma once

#include <cjose/cjose.h>
#include <openssl/err.h>

#include <memory>

namespace careteam::identity::jose {

struct key_release {
  void operator()(cjose_jwk_t* key) const noexcept { cjose_jwk_release(key); }
};
struct signature_release {
  void operator()(cjose_jws_t* signature) const noexcept { cjose_jws_release(signature); }
};
struct header_release {
  void operator()(cjose_header_t* header) const noexcept { cjose_header_release(header); }
};
using key_ptr = std::unique_ptr<cjose_jwk_t, key_release>;
using signature_ptr = std::unique_ptr<cjose_jws_t, signature_release>;
using header_ptr = std::unique_ptr<cjose_header_t, header_release>;

/// A failed call leaves its reasons in OpenSSL's queue of this thread, where the next TLS connection would find them.
struct openssl_errors_cleared {
  openssl_errors_cleared() = default;
  openssl_errors_cleared(const openssl_errors_cleared&) = delete;
  openssl_errors_cleared& operator=(const openssl_errors_cleared&) = delete;
  ~openssl_errors_cleared() { ERR_clear_error(); }
};

}  // namespace careteam::identity::jose

// TLS of the clients' port: the server's certificate, and one connection's TLS over its socket. OpenSSL reads and writes the socket by
// itself, so that an idle connection holds no buffers; waiting is the caller's. Used on the event loop.
#pragma once

#include <openssl/ssl.h>

#include <boost/assert/source_location.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/result.hpp>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>

namespace careteam::gateway {

/// What must come before a step of TLS can go on.
enum class tls_wait { none, readable, writable };

/// How far a step came. Not failed and nothing to wait for: it is done.
struct tls_step {
  tls_wait wait = tls_wait::none;
  boost::system::error_code failed;
  std::size_t bytes = 0;
};

/// TLS of one connection. An empty one stands for none. It knows the socket by its number: never use it once the socket is closed.
class tls_session {
 public:
  tls_session() = default;

  explicit operator bool() const { return ssl_ != nullptr; }
  tls_step accept();
  tls_step read(void* into, std::size_t bytes);
  /// Call again with the same bytes where it has to wait; they may lie elsewhere by then.
  tls_step write(const void* from, std::size_t bytes);
  /// Tells the peer that nothing more follows, as far as that goes at once.
  void finish();

 private:
  friend class server_certificate;
  explicit tls_session(SSL* ssl) : ssl_(ssl) {}
  tls_step after(int result, std::size_t bytes);

  struct freed {
    void operator()(SSL* one) const { SSL_free(one); }
  };
  std::unique_ptr<SSL, freed> ssl_;
};

/// Why a certificate cannot be used. The message names the file and never holds key material.
struct certificate_error {
  std::string message;
};
/// For result::value(): throws std::runtime_error with the message.
[[noreturn]] void throw_exception_from_error(const certificate_error& error, const boost::source_location& where);

/// The server's certificate chain and its private key, and how it speaks TLS: 1.2 and 1.3, forward secrecy and AEAD only.
class server_certificate {
 public:
  /// Reads both files (PEM). They must belong together, and the key must have no passphrase. Blocks.
  static boost::system::result<server_certificate, certificate_error> load(const std::filesystem::path& chain,
                                                                           const std::filesystem::path& key);

  /// TLS for a connected socket. A connection keeps the certificate with which it began.
  tls_session session_on(int socket) const;
  std::chrono::system_clock::time_point expires() const { return expires_; }

 private:
  struct freed {
    void operator()(SSL_CTX* one) const { SSL_CTX_free(one); }
  };
  std::unique_ptr<SSL_CTX, freed> context_;
  std::chrono::system_clock::time_point expires_;
};

}  // namespace careteam::gateway

#include "gateway/tls.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/throw_exception.hpp>
#include <climits>
#include <ctime>
#include <fstream>
#include <stdexcept>

namespace careteam::gateway {
namespace {

// TLS 1.2 with forward secrecy and AEAD; what is cheapest for the server comes first. TLS 1.3 has nothing weaker.
constexpr const char* ciphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr const char* groups = "X25519:P-256:P-384";
constexpr std::size_t tickets_per_handshake = 1;

boost::system::error_code last_error() {
  const auto code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return boost::asio::error::connection_reset;
  return {static_cast<int>(code), boost::asio::error::get_ssl_category()};
}

std::string last_reason() {
  const auto code = ERR_peek_last_error();
  const char* text = code == 0 ? nullptr : ERR_reason_error_string(code);
  ERR_clear_error();
  return text ? text : "it is not in PEM form";
}

/// Nobody sits at a terminal: a key with a passphrase is an error.
int no_passphrase(char*, int, int, void*) {
  return -1;
}

std::chrono::system_clock::time_point end_of(const X509* certificate) {
  std::tm end{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) != 1) return {};
  return std::chrono::system_clock::from_time_t(timegm(&end));
}

}  // namespace

tls_step tls_session::after(int result, std::size_t bytes) {
  if (result > 0) return {tls_wait::none, {}, bytes};
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return {tls_wait::readable, {}, 0};
    case SSL_ERROR_WANT_WRITE:
      return {tls_wait::writable, {}, 0};
    case SSL_ERROR_ZERO_RETURN:
      return {tls_wait::none, boost::asio::error::eof, 0};
    default:
      return {tls_wait::none, last_error(), 0};
  }
}

tls_step tls_session::accept() {
  ERR_clear_error();
  return after(SSL_accept(ssl_.get()), 0);
}

tls_step tls_session::read(void* into, std::size_t bytes) {
  ERR_clear_error();
  std::size_t got = 0;
  const int result = SSL_read_ex(ssl_.get(), into, bytes, &got);
  return after(result, got);
}

tls_step tls_session::write(const void* from, std::size_t bytes) {
  ERR_clear_error();
  std::size_t written = 0;
  const int result = SSL_write_ex(ssl_.get(), from, bytes, &written);
  return after(result, written);
}

void tls_session::finish() {
  ERR_clear_error();
  if (SSL_is_init_finished(ssl_.get())) SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

void throw_exception_from_error(const certificate_error& error, const boost::source_location& where) {
  boost::throw_with_location(std::runtime_error(error.message), where);
}

boost::system::result<server_certificate, certificate_error> server_certificate::load(const std::filesystem::path& chain,
                                                                                      const std::filesystem::path& key) {
  for (const auto& file : {chain, key}) {
    if (!std::ifstream(file)) return certificate_error{file.string() + " cannot be read"};
  }
  ERR_clear_error();
  server_certificate made;
  made.context_.reset(SSL_CTX_new(TLS_server_method()));
  SSL_CTX* context = made.context_.get();
  if (!context) return certificate_error{"TLS cannot be used: " + last_reason()};
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  // Idle connections give their buffers back; a write may take a part, and go on with the same bytes elsewhere.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(context, 1);                           // A record by one read instead of two.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);  // Who resumes brings a ticket: nothing is kept here.
  SSL_CTX_set_num_tickets(context, tickets_per_handshake);
  SSL_CTX_set_default_passwd_cb(context, no_passphrase);
  if (SSL_CTX_set_cipher_list(context, ciphers) != 1 || SSL_CTX_set1_groups_list(context, groups) != 1) {
    return certificate_error{"TLS cannot be used: " + last_reason()};
  }
  if (SSL_CTX_use_certificate_chain_file(context, chain.c_str()) != 1) {
    return certificate_error{chain.string() + " is no certificate chain that can be used: " + last_reason()};
  }
  if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1) {
    const auto reason = ERR_peek_last_error();
    if (ERR_GET_LIB(reason) == ERR_LIB_X509 && ERR_GET_REASON(reason) == X509_R_KEY_VALUES_MISMATCH) {
      return certificate_error{key.string() + " is not the key of the certificate in " + chain.string()};
    }
    return certificate_error{key.string() + " is no private key that can be used (PEM, without a passphrase): " + last_reason()};
  }
  if (SSL_CTX_check_private_key(context) != 1) {
    return certificate_error{key.string() + " is not the key of the certificate in " + chain.string()};
  }
  made.expires_ = end_of(SSL_CTX_get0_certificate(context));
  return made;
}

tls_session server_certificate::session_on(int socket) const {
  tls_session made(SSL_new(context_.get()));
  if (!made || SSL_set_fd(made.ssl_.get(), socket) != 1) throw std::bad_alloc();
  SSL_set_accept_state(made.ssl_.get());
  return made;
}

}  // namespace careteam::gateway

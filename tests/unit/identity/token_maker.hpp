// Makes tokens, good and bad, without the code under test: signs whatever header and claims a test wants, by OpenSSL itself.
#pragma once

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include "identity/base64url.hpp"

namespace careteam::identity::testing {

template <auto Release>
struct releaser {
  template <class T>
  void operator()(T* held) const noexcept {
    Release(held);
  }
};

/// An EC key pair of a curve by its OpenSSL name.
class ec_key {
 public:
  explicit ec_key(const char* curve = "P-256") : key_(EVP_EC_gen(curve)) {
    if (!key_) throw std::runtime_error("no key");
  }

  /// The coordinates in base64url, as long as the curve's field.
  std::string x() const { return coordinate(OSSL_PKEY_PARAM_EC_PUB_X); }
  std::string y() const { return coordinate(OSSL_PKEY_PARAM_EC_PUB_Y); }
  std::string d() const { return coordinate(OSSL_PKEY_PARAM_PRIV_KEY); }

  std::string public_jwk(std::string_view key_id, std::string_view more = {}) const {
    return R"({"kty":"EC","crv":"P-256","x":")" + x() + R"(","y":")" + y() + R"(","kid":")" + std::string(key_id) + "\"" +
           std::string(more) + "}";
  }

  /// r and s, each as long as the curve's field.
  std::string sign(std::string_view text, const EVP_MD* digest = EVP_sha256()) const {
    std::unique_ptr<EVP_MD_CTX, releaser<EVP_MD_CTX_free>> context(EVP_MD_CTX_new());
    std::size_t size = 0;
    const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
    if (EVP_DigestSignInit(context.get(), nullptr, digest, nullptr, key_.get()) != 1 ||
        EVP_DigestSign(context.get(), nullptr, &size, bytes, text.size()) != 1) {
      throw std::runtime_error("no signature");
    }
    std::string der(size, '\0');
    if (EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(der.data()), &size, bytes, text.size()) != 1) {
      throw std::runtime_error("no signature");
    }
    const auto* start = reinterpret_cast<const unsigned char*>(der.data());
    std::unique_ptr<ECDSA_SIG, releaser<ECDSA_SIG_free>> signature(d2i_ECDSA_SIG(nullptr, &start, static_cast<long>(size)));
    return padded(ECDSA_SIG_get0_r(signature.get())) + padded(ECDSA_SIG_get0_s(signature.get()));
  }

 private:
  std::size_t field_bytes() const { return (static_cast<std::size_t>(EVP_PKEY_get_bits(key_.get())) + 7) / 8; }

  std::string padded(const BIGNUM* number) const {
    std::string bytes(field_bytes(), '\0');
    BN_bn2binpad(number, reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
    return bytes;
  }

  std::string coordinate(const char* name) const {
    BIGNUM* number = nullptr;
    if (EVP_PKEY_get_bn_param(key_.get(), name, &number) != 1) throw std::runtime_error("no coordinate");
    const std::unique_ptr<BIGNUM, releaser<BN_free>> held(number);
    return encode_base64url(padded(number));
  }

  std::unique_ptr<EVP_PKEY, releaser<EVP_PKEY_free>> key_;
};

inline std::string signing_input(std::string_view header, std::string_view claims) {
  return encode_base64url(header) + "." + encode_base64url(claims);
}

inline std::string signed_token(const ec_key& key, std::string_view header, std::string_view claims) {
  const std::string input = signing_input(header, claims);
  return input + "." + encode_base64url(key.sign(input));
}

}  // namespace careteam::identity::testing

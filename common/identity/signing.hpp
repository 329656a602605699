// Keys and tokens of our own making, for development, tests and the demo. In production the identity provider has the private key.
#pragma once

#include <boost/system/result.hpp>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "identity/key_store.hpp"
#include "identity/token.hpp"
#include "runtime/secret_text.hpp"

namespace careteam::identity {

/// A key pair as JWKs (RFC 7517), one JSON object each.
struct generated_key {
  runtime::secret_text private_jwk;
  std::string public_jwk;
};

/// A new ES256 key. Errors: the kid is not 1 to max_key_id_bytes printable ASCII characters.
boost::system::result<generated_key, key_error> generate_key(std::string_view key_id);

/// The file that key_set reads: {"keys":[…]}. The arguments come from generate_key().
std::string jwks_document(std::span<const std::string> public_jwks);

/// Writes a private key to a new file that only its owner may read (0600), durably. An existing file is left alone and is an error.
std::optional<key_error> write_private_key(const std::filesystem::path& file, const runtime::secret_text& private_jwk);

/// Reads a private key. A file that others than its owner may read or write is an error.
boost::system::result<runtime::secret_text, key_error> load_private_key(const std::filesystem::path& file);

struct token_claims {
  std::string issuer;
  std::string audience;
  std::string subject;
  time_point issued_at;   ///< Whole seconds count.
  time_point expires_at;  ///< After issued_at.
  std::optional<std::string> token_id;
};

/// A signed token. Errors: the key is no private ES256 JWK with a kid, or the subject is no person's id.
boost::system::result<std::string, key_error> issue_token(const runtime::secret_text& private_jwk, const token_claims& claims);

}  // namespace careteam::identity

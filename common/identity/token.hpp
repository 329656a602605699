// Who is calling: a bearer token (JWT, RFC 7519) signed with ES256 by the organization's identity provider.
//
// The order of the checks is the defence (RFC 8725): size, form, header, key, signature, and only then the claims. Nothing that is not
// signed is interpreted beyond the header, nothing is ever fetched, and the algorithm is the key's, never the token's choice.
#pragma once

#include <boost/assert/source_location.hpp>
#include <boost/system/result.hpp>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "identity/key_store.hpp"

namespace careteam::identity {

inline constexpr std::size_t max_token_bytes = 8 * 1024;
inline constexpr std::size_t max_subject_bytes = 64;
inline constexpr std::size_t max_token_id_bytes = 128;
inline constexpr std::size_t max_audiences = 16;
inline constexpr std::chrono::seconds max_clock_skew{60};

using time_point = std::chrono::system_clock::time_point;

/// Somebody whose token was verified.
struct principal {
  std::string subject;                  ///< The person's id: [A-Za-z0-9-.]{1,64}, as FHIR has it.
  time_point expires_at;                ///< The token's exp. Up to the clock skew in the past when a token is accepted at the last moment.
  time_point issued_at;                 ///< The token's iat. Up to the clock skew in the future.
  std::optional<std::string> token_id;  ///< jti.
};

/// Why a token was refused. Names are for logs, metrics and answers: they say nothing about the token's content.
enum class token_error {
  too_large = 1,       ///< Above max_token_bytes; nothing was parsed.
  malformed,           ///< Not three parts of canonical base64url, or a header that is no strict JSON object.
  wrong_algorithm,     ///< Another `alg` than ES256.
  wrong_type,          ///< Another `typ` than "JWT" or "at+jwt".
  unsupported_header,  ///< `crit` or `b64`, or a key or the address of one in the header (jku, jwk, x5u, x5c).
  unknown_key,         ///< No `kid`, or one that is not in force.
  bad_signature,
  bad_claims,  ///< The claims are no strict JSON object, or one is missing, of the wrong type or out of range.
  wrong_issuer,
  wrong_audience,
  not_yet_valid,  ///< nbf or iat lies further ahead than the clock skew.
  expired
};

/// "too_large", "malformed", …
std::string_view name_of(token_error error) noexcept;
/// For result::value(): throws std::runtime_error with the name.
[[noreturn]] void throw_exception_from_error(token_error error, const boost::source_location& where);

/// Whether a text may be a person's id: [A-Za-z0-9-.]{1,64}.
[[nodiscard]] bool is_person_id(std::string_view text) noexcept;

/// What a token must say.
struct token_policy {
  std::string issuer;
  std::string audience;
  std::chrono::milliseconds clock_skew{5'000};  ///< 0 to max_clock_skew.
};

/// Verifies tokens. Event loop only; a verification costs about 0.2 ms and does no I/O.
class token_verifier {
 public:
  /// The keys must outlive the verifier; their reload() takes effect at once. Throws std::invalid_argument for an empty issuer or audience,
  /// or a clock skew out of range.
  token_verifier(const key_store& keys, token_policy policy);

  [[nodiscard]] boost::system::result<principal, token_error> verify(std::string_view token, time_point now) const;

 private:
  const key_store& keys_;
  token_policy policy_;
};

}  // namespace careteam::identity

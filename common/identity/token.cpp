#include "identity/token.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <boost/throw_exception.hpp>
#include <cstdint>
#include <stdexcept>
#include <utility>

#include "identity/base64url.hpp"
#include "identity/strict_json.hpp"

namespace careteam::identity {
namespace {

using boost::json::object;
using boost::json::value;
using std::chrono::seconds;

/// A token's objects are flat but for a provider's own claims.
constexpr json_limits header_limits{max_token_bytes, 4, 32};
constexpr json_limits claims_limits{max_token_bytes, 8, 256};
/// ECDSA on P-256: r and s, 32 bytes each (RFC 7518 §3.4).
constexpr std::size_t signature_bytes = 64;
/// The end of the year 2199, as for all times that come from outside. system_clock counts nanoseconds, so that a later date could overflow.
constexpr std::int64_t last_second = 7'258'118'399;

std::string_view view_of(const boost::json::string& text) {
  return {text.data(), text.size()};
}

const value* member(const object& from, std::string_view name) {
  return from.if_contains(boost::json::string_view(name.data(), name.size()));
}

/// A member that is a string; nothing when it is absent or of another type.
std::optional<std::string_view> text_of(const object& from, std::string_view name) {
  const value* found = member(from, name);
  if (!found || !found->is_string()) return std::nullopt;
  return view_of(found->get_string());
}

/// A NumericDate that is a whole number of seconds; nothing when it is anything else.
std::optional<time_point> date_of(const value& claim) {
  if (!claim.is_int64() || claim.get_int64() < 0 || claim.get_int64() > last_second) return std::nullopt;
  return time_point(seconds(claim.get_int64()));
}

struct parts {
  std::string_view header;
  std::string_view claims;
  std::string_view signature;
};

std::optional<parts> split(std::string_view token) {
  const std::size_t first = token.find('.');
  if (first == std::string_view::npos) return std::nullopt;
  const std::size_t second = token.find('.', first + 1);
  if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos) return std::nullopt;
  return parts{token.substr(0, first), token.substr(first + 1, second - first - 1), token.substr(second + 1)};
}

/// r = 0 or s = 0 is no signature (FIPS 186-5 §6.4.2); libraries that forgot to check accepted it for every message.
bool has_zero_half(std::string_view signature) {
  const auto is_zero = [](std::string_view half) { return std::all_of(half.begin(), half.end(), [](char c) { return c == 0; }); };
  return is_zero(signature.substr(0, signature_bytes / 2)) || is_zero(signature.substr(signature_bytes / 2));
}

/// The id of the key that a token says it was signed with, when its header asks for nothing else.
boost::system::result<std::string, token_error> key_id_of(const object& header) {
  if (text_of(header, "alg") != "ES256") return token_error::wrong_algorithm;
  if (member(header, "typ") && text_of(header, "typ") != "JWT" && text_of(header, "typ") != "at+jwt") return token_error::wrong_type;
  // Extensions that must be understood (we know none), and keys or addresses of keys that the token brings along.
  for (const std::string_view name : {"crit", "b64", "jku", "jwk", "x5u", "x5c"}) {
    if (member(header, name)) return token_error::unsupported_header;
  }
  const auto key_id = text_of(header, "kid");
  if (!key_id) return token_error::unknown_key;
  return std::string(*key_id);
}

/// Whether `aud` (a string, or a list of strings) names the audience.
boost::system::result<bool, token_error> names_audience(const object& claims, std::string_view audience) {
  const value* claim = member(claims, "aud");
  if (!claim) return token_error::bad_claims;
  if (claim->is_string()) return view_of(claim->get_string()) == audience;
  if (!claim->is_array() || claim->get_array().size() > max_audiences) return token_error::bad_claims;
  bool named = false;
  for (const value& one : claim->get_array()) {
    if (!one.is_string()) return token_error::bad_claims;
    named = named || view_of(one.get_string()) == audience;
  }
  return named;
}

bool is_token_id(std::string_view text) {
  const auto is_printable = [](char c) { return c >= 0x21 && c <= 0x7E; };
  return !text.empty() && text.size() <= max_token_id_bytes && std::all_of(text.begin(), text.end(), is_printable);
}

boost::system::result<principal, token_error> principal_of(const object& claims, const token_policy& policy, time_point now) {
  const auto issuer = text_of(claims, "iss");
  if (!issuer) return token_error::bad_claims;
  if (*issuer != policy.issuer) return token_error::wrong_issuer;
  const auto for_us = names_audience(claims, policy.audience);
  if (!for_us) return for_us.error();
  if (!*for_us) return token_error::wrong_audience;

  const value* expiry = member(claims, "exp");
  const value* issued = member(claims, "iat");
  const value* start = member(claims, "nbf");
  if (!expiry || !issued) return token_error::bad_claims;
  const auto expires_at = date_of(*expiry);
  const auto issued_at = date_of(*issued);
  const auto starts_at = start ? date_of(*start) : issued_at;
  if (!expires_at || !issued_at || !starts_at || *expires_at <= *issued_at) return token_error::bad_claims;
  if (now >= *expires_at + policy.clock_skew) return token_error::expired;
  if (*issued_at > now + policy.clock_skew || *starts_at > now + policy.clock_skew) return token_error::not_yet_valid;

  const auto subject = text_of(claims, "sub");
  if (!subject || !is_person_id(*subject)) return token_error::bad_claims;
  principal who{std::string(*subject), *expires_at, *issued_at, std::nullopt};
  if (member(claims, "jti")) {
    const auto token_id = text_of(claims, "jti");
    if (!token_id || !is_token_id(*token_id)) return token_error::bad_claims;
    who.token_id = std::string(*token_id);
  }
  return who;
}

}  // namespace

std::string_view name_of(token_error error) noexcept {
  switch (error) {
    case token_error::too_large:
      return "too_large";
    case token_error::malformed:
      return "malformed";
    case token_error::wrong_algorithm:
      return "wrong_algorithm";
    case token_error::wrong_type:
      return "wrong_type";
    case token_error::unsupported_header:
      return "unsupported_header";
    case token_error::unknown_key:
      return "unknown_key";
    case token_error::bad_signature:
      return "bad_signature";
    case token_error::bad_claims:
      return "bad_claims";
    case token_error::wrong_issuer:
      return "wrong_issuer";
    case token_error::wrong_audience:
      return "wrong_audience";
    case token_error::not_yet_valid:
      return "not_yet_valid";
    case token_error::expired:
      return "expired";
  }
  return "unknown";
}

void throw_exception_from_error(token_error error, const boost::source_location& where) {
  boost::throw_with_location(std::runtime_error(std::string(name_of(error))), where);
}

bool is_person_id(std::string_view text) noexcept {
  const auto is_allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  };
  return !text.empty() && text.size() <= max_subject_bytes && std::all_of(text.begin(), text.end(), is_allowed);
}

token_verifier::token_verifier(const key_store& keys, token_policy policy) : keys_(keys), policy_(std::move(policy)) {
  if (policy_.issuer.empty() || policy_.audience.empty()) throw std::invalid_argument("a token policy needs an issuer and an audience");
  if (policy_.clock_skew < seconds(0) || policy_.clock_skew > max_clock_skew) throw std::invalid_argument("clock skew out of range");
}

boost::system::result<principal, token_error> token_verifier::verify(std::string_view token, time_point now) const {
  if (token.size() > max_token_bytes) return token_error::too_large;
  const auto pieces = split(token);
  if (!pieces) return token_error::malformed;
  const auto header_text = decode_base64url(pieces->header);
  const auto claims_text = decode_base64url(pieces->claims);
  const auto signature = decode_base64url(pieces->signature);
  if (!header_text || !claims_text || !signature) return token_error::malformed;
  const auto header = parse_strict_object(*header_text, header_limits);
  if (!header) return token_error::malformed;

  const auto key_id = key_id_of(*header);
  if (!key_id) return key_id.error();
  if (!keys_.keys().contains(*key_id)) return token_error::unknown_key;
  // cjose splits whatever it gets in two halves, so the length is checked here.
  if (signature->size() != signature_bytes || has_zero_half(*signature)) return token_error::bad_signature;
  if (!keys_.keys().verify(*key_id, token)) return token_error::bad_signature;

  const auto claims = parse_strict_object(*claims_text, claims_limits);
  if (!claims) return token_error::bad_claims;
  return principal_of(*claims, policy_, now);
}

}  // namespace careteam::identity

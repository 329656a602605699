#include "identity/signing.hpp"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <system_error>
#include <utility>

#include "identity/jose.hpp"
#include "identity/strict_json.hpp"

namespace careteam::identity {
namespace {

using boost::json::object;

constexpr json_limits jwk_limits{runtime::max_secret_file_bytes, 3, 32};

/// JSON that cjose wrote, maybe with the private part: wiped before it is freed.
struct wiped_release {
  void operator()(char* text) const noexcept {
    OPENSSL_cleanse(text, std::strlen(text));
    cjose_get_dealloc()(text);
  }
};
using wiped_ptr = std::unique_ptr<char, wiped_release>;

/// A JWK with the members that verifiers and key_set ask for.
std::string jwk_text(const object& key, std::string_view key_id, std::initializer_list<const char*> members) {
  object jwk;
  for (const char* name : members) jwk[name] = key.at(name);
  jwk["kid"] = boost::json::string_view(key_id.data(), key_id.size());
  jwk["alg"] = "ES256";
  jwk["use"] = "sig";
  return boost::json::serialize(jwk);
}

bool is_text(const object& from, const char* name) {
  const auto* member = from.if_contains(name);
  return member && member->is_string();
}

std::int64_t seconds_of(time_point time) {
  return std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
}

std::string claims_text(const token_claims& claims) {
  object text;
  text["iss"] = claims.issuer;
  text["aud"] = claims.audience;
  text["sub"] = claims.subject;
  text["iat"] = seconds_of(claims.issued_at);
  text["exp"] = seconds_of(claims.expires_at);
  if (claims.token_id) text["jti"] = *claims.token_id;
  return boost::json::serialize(text);
}

key_error file_error(const std::filesystem::path& file, int reason) {
  return {file.string() + ": " + std::system_category().message(reason)};
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

/// A directory's entry is durable only when the directory is.
bool sync_folder_of(const std::filesystem::path& file) {
  const auto folder = file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool synced = ::fsync(fd) == 0;
  ::close(fd);
  return synced;
}

}  // namespace

boost::system::result<generated_key, key_error> generate_key(std::string_view key_id) {
  if (!is_key_id(key_id)) return key_error{"a key's id is 1 to " + std::to_string(max_key_id_bytes) + " printable ASCII characters"};
  const jose::openssl_errors_cleared errors;
  const jose::key_ptr key(cjose_jwk_create_EC_random(CJOSE_JWK_EC_P_256, nullptr));
  if (!key) return key_error{"no key could be generated"};
  const wiped_ptr text(cjose_jwk_to_json(key.get(), true, nullptr));
  if (!text) return key_error{"no key could be generated"};
  const auto members = parse_strict_object(text.get(), jwk_limits);
  if (!members) return key_error{"no key could be generated"};
  generated_key made{runtime::secret_text(jwk_text(*members, key_id, {"kty", "crv", "x", "y", "d"})),
                     jwk_text(*members, key_id, {"kty", "crv", "x", "y"})};
  return made;
}

std::string jwks_document(std::span<const std::string> public_jwks) {
  std::string text = "{\"keys\":[";
  for (std::size_t i = 0; i < public_jwks.size(); ++i) text.append(i == 0 ? "\n  " : ",\n  ").append(public_jwks[i]);
  return text.append("\n]}\n");
}

std::optional<key_error> write_private_key(const std::filesystem::path& file, const runtime::secret_text& private_jwk) {
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return file_error(file, errno);
  // The umask can only have taken rights away; the mode is then the same everywhere.
  const bool written = ::fchmod(fd, 0600) == 0 && write_all(fd, private_jwk.reveal()) && write_all(fd, "\n") && ::fsync(fd) == 0;
  const int reason = errno;
  ::close(fd);
  if (!written) {
    ::unlink(file.c_str());  // Half a key is none.
    return file_error(file, reason);
  }
  if (!sync_folder_of(file)) return file_error(file, errno);
  return std::nullopt;
}

boost::system::result<runtime::secret_text, key_error> load_private_key(const std::filesystem::path& file) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) return file_error(file, errno);
  if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) return key_error{file.string() + ": others than its owner may use it; chmod 600 it"};
  auto secret = runtime::read_secret_file(file);
  if (!secret) return key_error{file.string() + ": " + secret.error().message()};
  return std::move(*secret);
}

boost::system::result<std::string, key_error> issue_token(const runtime::secret_text& private_jwk, const token_claims& claims) {
  if (!is_person_id(claims.subject)) return key_error{"the subject is no person's id"};
  if (seconds_of(claims.expires_at) <= seconds_of(claims.issued_at)) return key_error{"a token must expire after it is issued"};
  const auto members = parse_strict_object(private_jwk.reveal(), jwk_limits);
  if (!members || !is_text(*members, "kid") || !is_text(*members, "d") || !is_text(*members, "crv") || members->at("crv") != "P-256") {
    return key_error{"the key is no private ES256 key with an id"};
  }

  const jose::openssl_errors_cleared errors;
  const jose::key_ptr key(cjose_jwk_import(private_jwk.reveal().data(), private_jwk.reveal().size(), nullptr));
  const jose::header_ptr header(cjose_header_new(nullptr));
  const std::string key_id(members->at("kid").get_string().c_str());
  const bool is_ready = key && header && is_key_id(key_id) && cjose_jwk_get_kty(key.get(), nullptr) == CJOSE_JWK_KTY_EC &&
                        cjose_header_set(header.get(), CJOSE_HDR_ALG, CJOSE_HDR_ALG_ES256, nullptr) &&
                        cjose_header_set(header.get(), CJOSE_HDR_KID, key_id.c_str(), nullptr) &&
                        cjose_header_set(header.get(), "typ", "JWT", nullptr);
  if (!is_ready) return key_error{"the key is no private ES256 key with an id"};
  const std::string payload = claims_text(claims);
  const jose::signature_ptr signature(
      cjose_jws_sign(key.get(), header.get(), reinterpret_cast<const std::uint8_t*>(payload.data()), payload.size(), nullptr));
  const char* compact = nullptr;
  if (!signature || !cjose_jws_export(signature.get(), &compact, nullptr)) return key_error{"the token could not be signed"};
  // Said outright, because a key_error can be made from a string too.
  return {boost::system::in_place_value, compact};
}

}  // namespace careteam::identity

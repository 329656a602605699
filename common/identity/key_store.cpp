#include "identity/key_store.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <boost/throw_exception.hpp>
#include <fstream>
#include <initializer_list>
#include <stdexcept>
#include <utility>

#include "identity/base64url.hpp"
#include "identity/jose.hpp"
#include "identity/strict_json.hpp"

namespace careteam::identity {
namespace {

constexpr json_limits jwks_limits{max_jwks_bytes, 6, 4096};
constexpr std::size_t coordinate_bytes = 32;

using boost::json::object;
using boost::json::value;

/// A member that is a string; nothing when it is absent or of another type.
std::optional<std::string_view> text_of(const object& from, std::string_view name) {
  const value* member = from.if_contains(boost::json::string_view(name.data(), name.size()));
  if (!member || !member->is_string()) return std::nullopt;
  return std::string_view(member->get_string().data(), member->get_string().size());
}

bool has(const object& from, std::string_view name) {
  return from.contains(boost::json::string_view(name.data(), name.size()));
}

/// Whether a member is absent or exactly this string.
bool allows(const object& from, std::string_view name, std::string_view only) {
  return !has(from, name) || text_of(from, name) == only;
}

bool allows_verifying(const object& key) {
  if (!allows(key, "use", "sig")) return false;
  const value* operations = key.if_contains("key_ops");
  if (!operations) return true;
  if (!operations->is_array()) return false;
  for (const value& operation : operations->get_array()) {
    if (operation.is_string() && operation.get_string() == "verify") return true;
  }
  return false;
}

/// What a key is refused for; nothing: its members are right (whether the point is on the curve is seen on import).
std::optional<std::string> fault_of(const object& key) {
  // Everything that a private or symmetric JWK has and a public one has not (RFC 7518 §6).
  for (const std::string_view secret : {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}) {
    if (!has(key, secret)) continue;
    return "holds a private key (\"" + std::string(secret) +
           "\"): put only the public part here, and replace the key, since it was exposed";
  }
  if (text_of(key, "kty") != "EC") return "is of another type than EC (\"kty\")";
  if (text_of(key, "crv") != "P-256") return "is on another curve than P-256 (\"crv\")";
  if (!allows(key, "alg", "ES256")) return "is for another algorithm than ES256 (\"alg\")";
  if (!allows_verifying(key)) return "is not for verifying signatures (\"use\", \"key_ops\")";
  const auto id = text_of(key, "kid");
  if (!id || !is_key_id(*id)) return "needs a \"kid\" of 1 to " + std::to_string(max_key_id_bytes) + " printable ASCII characters";
  for (const std::string_view coordinate : {"x", "y"}) {
    const auto bytes = text_of(key, coordinate).has_value() ? decode_base64url(*text_of(key, coordinate)) : std::nullopt;
    if (!bytes || bytes->size() != coordinate_bytes) return "needs \"" + std::string(coordinate) + "\": 32 bytes in base64url";
  }
  return std::nullopt;
}

/// Takes over just the members that were checked.
jose::key_ptr import(const object& key) {
  object checked;
  for (const char* name : {"kty", "crv", "x", "y"}) checked[name] = key.at(name);
  const std::string text = boost::json::serialize(checked);
  const jose::openssl_errors_cleared errors;
  return jose::key_ptr(cjose_jwk_import(text.data(), text.size(), nullptr));
}

}  // namespace

struct key_set::verification_key {
  jose::key_ptr key;
};

key_set::key_set() = default;
key_set::key_set(key_set&&) noexcept = default;
key_set& key_set::operator=(key_set&&) noexcept = default;
key_set::~key_set() = default;

bool is_key_id(std::string_view id) noexcept {
  if (id.empty() || id.size() > max_key_id_bytes) return false;
  for (const char c : id) {
    if (c < 0x21 || c > 0x7E) return false;
  }
  return true;
}

void throw_exception_from_error(const key_error& error, const boost::source_location& where) {
  boost::throw_with_location(std::runtime_error(error.message), where);
}

boost::system::result<key_set, key_error> key_set::parse(std::string_view jwks) {
  const auto document = parse_strict_object(jwks, jwks_limits);
  if (!document && document.error() == json_fault::repeated_name) return key_error{"is no JWK Set: a name is given twice"};
  if (!document) return key_error{"is no JWK Set: no JSON object, or too large or deep"};
  const value* listed = document->if_contains("keys");
  if (!listed || !listed->is_array()) return key_error{"is no JWK Set: it has no list \"keys\""};
  const auto& list = listed->get_array();
  if (list.empty()) return key_error{"holds no key: nobody could log in"};
  if (list.size() > max_keys) return key_error{"holds more than " + std::to_string(max_keys) + " keys"};

  key_set keys;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::string place = "keys[" + std::to_string(i) + "] ";
    if (!list[i].is_object()) return key_error{place + "is no object"};
    const object& key = list[i].get_object();
    if (auto fault = fault_of(key)) return key_error{place + *fault};
    auto imported = import(key);
    if (!imported) return key_error{place + "is no point on P-256"};
    auto held = std::make_unique<verification_key>(verification_key{std::move(imported)});
    if (!keys.keys_.emplace(*text_of(key, "kid"), std::move(held)).second) return key_error{place + "repeats the \"kid\" of another key"};
  }
  return keys;
}

bool key_set::verify(std::string_view key_id, std::string_view token) const {
  const auto found = keys_.find(key_id);
  if (found == keys_.end()) return false;
  const jose::openssl_errors_cleared errors;
  const jose::signature_ptr signature(cjose_jws_import(token.data(), token.size(), nullptr));
  return signature && cjose_jws_verify(signature.get(), found->second->key.get(), nullptr);
}

boost::system::result<key_set, key_error> load_jwks(const std::filesystem::path& file) {
  const std::string name = file.string();
  std::error_code ignored;
  std::ifstream stream(file, std::ios::binary);
  if (!std::filesystem::is_regular_file(file, ignored) || !stream) return key_error{name + " cannot be read"};
  std::string text(max_jwks_bytes + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (stream.bad()) return key_error{name + " cannot be read"};
  if (!stream.eof()) return key_error{name + " is too large for a JWK Set"};
  text.resize(static_cast<std::size_t>(stream.gcount()));
  auto keys = key_set::parse(text);
  if (!keys) return key_error{name + ": " + keys.error().message};
  return keys;
}

key_store::key_store(key_set keys) noexcept : keys_(std::move(keys)) {}
key_store::key_store(key_set keys, std::filesystem::path file) noexcept : keys_(std::move(keys)), file_(std::move(file)) {}

boost::system::result<key_store, key_error> key_store::open(std::filesystem::path file) {
  auto keys = load_jwks(file);
  if (!keys) return keys.error();
  return key_store(std::move(*keys), std::move(file));
}

std::optional<key_error> key_store::reload() {
  if (file_.empty()) return std::nullopt;
  auto keys = load_jwks(file_);
  if (!keys) return key_error{keys.error().message + "; the " + std::to_string(keys_.size()) + " keys read before stay in force"};
  keys_ = std::move(*keys);
  return std::nullopt;
}

}  // namespace careteam::identity

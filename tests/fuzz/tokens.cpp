// Tokens, the JWK Sets that verify them, and the strict JSON that both are read with.
//
//   input: u8 kind · for 0: a token; 1: three parts, separated by NUL, that are encoded here; 2: header and claims, separated by NUL, that
//   are signed here with a key in force; 3: a JWK Set; 4: JSON
//
// Whatever is accepted was signed by a key in force: its signing input is a known one, or was signed here. Then its claims are what
// the policy asks for, by another JSON reader's word.
#include <boost/json.hpp>

#include "fuzz.hpp"
#include "identity/base64url.hpp"
#include "identity/strict_json.hpp"
#include "identity/token.hpp"
#include "unit/identity/token_maker.hpp"

namespace careteam::fuzz {
namespace {

using namespace identity;
using identity::testing::ec_key;
using identity::testing::signed_token;
using identity::testing::signing_input;

constexpr std::int64_t now_seconds = 1'772'348'400;
const time_point now{std::chrono::seconds(now_seconds)};
constexpr std::string_view issuer = "https://login.example.org";
constexpr std::string_view audience = "careteam";
constexpr std::string_view good_header = R"({"alg":"ES256","typ":"JWT","kid":"k1"})";
constexpr std::string_view good_claims =
    R"({"iss":"https://login.example.org","aud":"careteam","sub":"nina","iat":1772348340,"exp":1772349000,"jti":"t-1"})";

struct world {
  ec_key key, stranger;
  key_store keys{key_set::parse("{\"keys\":[" + key.public_jwk("k1") + "]}").value()};
  token_verifier verifier{keys, {std::string(issuer), std::string(audience)}};
  std::string known_token = signed_token(key, good_header, good_claims);
  std::string strange_token = signed_token(stranger, good_header, good_claims);
};

world& the_world() {
  static world one;
  return one;
}

void check_claims(const principal& who, std::string_view claims) {
  require(is_person_id(who.subject), "the subject is a person's id");
  require(who.expires_at + std::chrono::seconds(5) > now, "an accepted token has not expired");
  require(who.issued_at <= now + std::chrono::seconds(5), "an accepted token was issued");
  const auto read = boost::json::parse(claims).as_object();
  require(read.at("iss").as_string() == issuer, "the issuer is ours");
  const auto& aud = read.at("aud");
  const auto ours = [](const boost::json::value& one) { return one.is_string() && one.get_string() == audience; };
  require(ours(aud) || (aud.is_array() && std::any_of(aud.get_array().begin(), aud.get_array().end(), ours)), "the audience is ours");
  require(read.at("sub").as_string() == who.subject, "the subject is the token's");
}

/// Of a token that nobody signed here, but for the known ones.
void check_unsigned(std::string_view token) {
  auto& here = the_world();
  const auto who = here.verifier.verify(token, now);
  if (!who) return;
  const auto signed_part = token.substr(0, token.rfind('.'));
  require(signed_part == signing_input(good_header, good_claims), "what is accepted was signed");
  require(who->subject == "nina", "and says what was signed");
}

void check_signed(std::string_view header, std::string_view claims) {
  auto& here = the_world();
  const auto who = here.verifier.verify(signed_token(here.key, header, claims), now);
  if (who) check_claims(*who, claims);
}

/// A kind of token that the input names by one byte each: the parts of the known token and of a stranger's, between the input's own.
std::string part_of(std::string_view given, std::size_t index) {
  const auto nth = [index](const std::string& token) {
    byte_source parts(token);
    for (std::size_t i = 0; i < index; ++i) (void)parts.until('.');
    return std::string(parts.until('.'));
  };
  if (given == "k") return nth(the_world().known_token);
  if (given == "s") return nth(the_world().strange_token);
  return encode_base64url(given);
}

void check_keys(std::string_view text) {
  const auto keys = key_set::parse(text);
  if (keys) {
    require(keys->size() >= 1 && keys->size() <= max_keys, "a key set holds 1 to max_keys");
    require(text.size() <= max_jwks_bytes, "and is not too large");
    require(!keys->verify("k1", the_world().strange_token) || text.find("k1") != std::string_view::npos, "a key is found by its own id");
  } else {
    require(!keys.error().message.empty(), "a refused key set says why");
  }
}

void check_json(std::string_view text) {
  const json_limits limits{4096, 8, 64};
  const auto strict = parse_strict_object(text, limits);
  if (!strict) return;
  require(text.size() <= limits.max_bytes, "the limit on bytes holds");
  boost::system::error_code failed;
  const auto plain = boost::json::parse(boost::json::string_view(text.data(), text.size()), failed);
  require(!failed && plain.is_object() && plain.get_object() == *strict, "another reader understands the same");
}

}  // namespace
}  // namespace careteam::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace careteam::fuzz;
  byte_source input(text_of(bytes, size));
  switch (input.byte() % 5) {
    case 0:
      check_unsigned(input.rest());
      break;
    case 1: {
      std::string token = part_of(input.until('\0'), 0);
      token += '.' + part_of(input.until('\0'), 1);
      token += '.' + part_of(input.until('\0'), 2);
      check_unsigned(token);
      break;
    }
    case 2: {
      const auto header = input.until('\0');
      check_signed(header.empty() ? good_header : header, input.rest());
      break;
    }
    case 3:
      check_keys(input.rest());
      break;
    default:
      check_json(input.rest());
  }
  return 0;
}

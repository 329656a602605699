// Lines 13 to 16 of the attack list, against the verifier.
#include "identity/token.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/err.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "token_maker.hpp"

namespace careteam::identity {
namespace {

using namespace std::chrono_literals;
using namespace std::string_view_literals;
using testing::ec_key;
using testing::signed_token;
using testing::signing_input;

constexpr std::int64_t now_seconds = 1'772'348'400;
const time_point now{std::chrono::seconds(now_seconds)};

const std::string good_header = R"({"alg":"ES256","typ":"JWT","kid":"k1"})";

/// Good claims with some members replaced; "" takes one away. Values are JSON.
std::string claims_with(std::initializer_list<std::pair<std::string_view, std::string>> changes) {
  std::vector<std::pair<std::string, std::string>> members = {{"iss", "\"https://login.example.org\""},
                                                              {"aud", "\"careteam\""},
                                                              {"sub", "\"nurse-ana.1\""},
                                                              {"iat", std::to_string(now_seconds - 60)},
                                                              {"exp", std::to_string(now_seconds + 600)},
                                                              {"jti", "\"t-1\""}};
  for (const auto& [name, value] : changes) {
    const auto found = std::find_if(members.begin(), members.end(), [&](const auto& member) { return member.first == name; });
    if (found != members.end()) members.erase(found);
    if (!value.empty()) members.emplace_back(name, value);
  }
  std::string text;
  for (const auto& [name, value] : members) text.append(text.empty() ? "{\"" : ",\"").append(name).append("\":").append(value);
  return text + "}";
}

std::string good_claims() {
  return claims_with({});
}

key_store keys_of(const std::string& jwk) {
  return key_store(std::move(key_set::parse("{\"keys\":[" + jwk + "]}").value()));
}

class token : public ::testing::Test {
 protected:
  /// Empty when the token is accepted, else the reason.
  std::string verdict(std::string_view text, time_point at = now) const {
    const auto who = verifier.verify(text, at);
    // What a failed verification leaves in OpenSSL's queue would be taken for an error of the next TLS connection.
    EXPECT_EQ(ERR_peek_error(), 0UL);
    return who ? std::string() : std::string(name_of(who.error()));
  }
  std::string verdict_on_header(std::string_view header) const { return verdict(signed_token(key, header, good_claims())); }
  std::string verdict_on_claims(std::string_view claims) const { return verdict(signed_token(key, good_header, claims)); }
  std::string good_token() const { return signed_token(key, good_header, good_claims()); }

  ec_key key;
  key_store keys = keys_of(key.public_jwk("k1"));
  token_verifier verifier{keys, {"https://login.example.org", "careteam", 5s}};
};

TEST_F(token, a_good_one_names_the_person) {
  const auto who = verifier.verify(good_token(), now);
  ASSERT_TRUE(who) << name_of(who.error());
  EXPECT_EQ(who->subject, "nurse-ana.1");
  EXPECT_EQ(who->issued_at, now - 60s);
  EXPECT_EQ(who->expires_at, now + 600s);
  EXPECT_EQ(who->token_id, "t-1");
  const auto without_id = verifier.verify(signed_token(key, good_header, claims_with({{"jti", ""}})), now);
  ASSERT_TRUE(without_id);
  EXPECT_FALSE(without_id->token_id);
}

TEST_F(token, harmless_headers_are_accepted) {
  EXPECT_EQ(verdict_on_header(R"({"alg":"ES256","kid":"k1"})"), "");
  EXPECT_EQ(verdict_on_header(R"({"alg":"ES256","kid":"k1","typ":"at+jwt"})"), "");
  EXPECT_EQ(verdict_on_header(R"({"alg":"ES256","kid":"k1","x5t":"abc","cty":"x"})"), "");
  EXPECT_EQ(verdict_on_header("{ \"alg\" : \"ES256\", \"k\\u0069d\":\"k1\" }\n"), "");
}

TEST_F(token, attack_13_the_algorithm_is_not_the_tokens_choice) {
  for (const char* algorithm :
       {"none", "None", "nOnE", "NONE", "", "HS256", "HS384", "RS256", "PS256", "ES384", "ES512", "ES256K", "es256", "ES256 ", "EdDSA"}) {
    const std::string header = std::string(R"({"kid":"k1","alg":")") + algorithm + "\"}";
    EXPECT_EQ(verdict_on_header(header), "wrong_algorithm") << algorithm;
    EXPECT_EQ(verdict(signing_input(header, good_claims()) + "."), "wrong_algorithm") << algorithm;
  }
  for (const char* algorithm : {"null", "1", "[\"ES256\"]", "{\"a\":\"ES256\"}", "true"}) {
    EXPECT_EQ(verdict_on_header(std::string(R"({"kid":"k1","alg":)") + algorithm + "}"), "wrong_algorithm") << algorithm;
  }
  EXPECT_EQ(verdict_on_header(R"({"kid":"k1"})"), "wrong_algorithm");
}

TEST_F(token, attack_13_hmac_with_the_public_key_as_secret) {
  const std::string input = signing_input(R"({"alg":"HS256","kid":"k1"})", good_claims());
  const std::string secret = key.public_jwk("k1");
  unsigned char mac[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  ASSERT_TRUE(HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), reinterpret_cast<const unsigned char*>(input.data()),
                   input.size(), mac, &size));
  EXPECT_EQ(verdict(input + "." + encode_base64url({reinterpret_cast<const char*>(mac), size})), "wrong_algorithm");
}

TEST_F(token, attack_13_another_payload_or_no_signature) {
  const std::string good = good_token();
  const std::string signature = good.substr(good.rfind('.') + 1);
  const std::string other_claims = signing_input(good_header, claims_with({{"sub", "\"dr-chen\""}}));
  EXPECT_EQ(verdict(other_claims + "." + signature), "bad_signature");
  EXPECT_EQ(verdict(signing_input(good_header, good_claims()) + "."), "bad_signature");
  EXPECT_EQ(verdict(signing_input(good_header, good_claims())), "malformed");
  EXPECT_EQ(verdict(good + "."), "malformed");
  EXPECT_EQ(verdict(good + "." + signature), "malformed");
  EXPECT_EQ(verdict("." + good), "malformed");
  EXPECT_EQ(verdict(".."), "malformed");
  EXPECT_EQ(verdict("..."), "malformed");
  EXPECT_EQ(verdict("."), "malformed");
  EXPECT_EQ(verdict(""), "malformed");
  EXPECT_EQ(verdict("Bearer " + good), "malformed");
  const ec_key stranger;
  EXPECT_EQ(verdict(signed_token(stranger, good_header, good_claims())), "bad_signature");
}

TEST_F(token, attack_13_a_signature_has_one_text_only) {
  const std::string good = good_token();
  ASSERT_EQ(verdict(good), "");
  for (const std::string_view more : {"="sv, "=="sv, "\n"sv, " "sv, "A"sv, "\0"sv})
    EXPECT_NE(verdict(good + std::string(more)), "") << more;
  // A shorter or longer pair of numbers with the same values.
  const std::string input = signing_input(good_header, good_claims());
  const std::string pair = key.sign(input);
  const std::string zero(1, '\0');
  EXPECT_EQ(verdict(input + "." + encode_base64url(pair)), "");
  EXPECT_EQ(verdict(input + "." + encode_base64url(zero + pair.substr(0, 32) + zero + pair.substr(32))), "bad_signature");
  EXPECT_EQ(verdict(input + "." + encode_base64url(pair + zero)), "bad_signature");
  EXPECT_EQ(verdict(input + "." + encode_base64url(pair.substr(0, 63))), "bad_signature");
}

TEST_F(token, attack_14_key_ids_are_names_and_nothing_else) {
  for (const char* key_id : {"", "k2", "K1", "k1 ", "../../k1", "/dev/null", "k1' OR '1'='1", "k1\\u0000", "\\u0000", "k1\\n", "0", "*"}) {
    EXPECT_EQ(verdict_on_header(std::string(R"({"alg":"ES256","kid":")") + key_id + "\"}"), "unknown_key") << key_id;
  }
  for (const char* key_id : {"null", "1", "[\"k1\"]", "{}", "true"}) {
    EXPECT_EQ(verdict_on_header(std::string(R"({"alg":"ES256","kid":)") + key_id + "}"), "unknown_key") << key_id;
  }
  EXPECT_EQ(verdict_on_header(R"({"alg":"ES256"})"), "unknown_key");
}

TEST_F(token, attack_14_keys_that_the_token_brings_are_refused) {
  const ec_key stranger;
  for (const std::string& member :
       {"\"jwk\":" + stranger.public_jwk("k1"), std::string(R"("jku":"https://evil.example/keys")"),
        std::string(R"("x5u":"file:///etc/passwd")"), std::string(R"("x5c":["MIIB"])"), std::string(R"("crit":["exp"])"),
        std::string(R"("crit":[])"), std::string(R"("crit":["b64"],"b64":false)"), std::string(R"("b64":false)"),
        std::string(R"("jku":null)")}) {
    const std::string header = R"({"alg":"ES256","kid":"k1",)" + member + "}";
    EXPECT_EQ(verdict(signed_token(stranger, header, good_claims())), "unsupported_header") << member;
    EXPECT_EQ(verdict_on_header(header), "unsupported_header") << member;
  }
}

TEST_F(token, attack_15_times_are_exact_to_the_skew) {
  const auto with = [&](std::string_view name, std::int64_t seconds) {
    return verdict_on_claims(claims_with({{name, std::to_string(seconds)}}));
  };
  EXPECT_EQ(with("exp", now_seconds - 4), "");
  EXPECT_EQ(with("exp", now_seconds - 5), "expired");
  EXPECT_EQ(with("exp", now_seconds - 59), "expired");
  EXPECT_EQ(with("nbf", now_seconds + 5), "");
  EXPECT_EQ(with("nbf", now_seconds + 6), "not_yet_valid");
  EXPECT_EQ(with("iat", now_seconds + 5), "");
  EXPECT_EQ(with("iat", now_seconds + 6), "not_yet_valid");
  EXPECT_EQ(with("iat", now_seconds + 599), "not_yet_valid");
  // An nbf in the past does not excuse an iat ahead, nor the other way round.
  EXPECT_EQ(verdict_on_claims(claims_with({{"nbf", std::to_string(now_seconds - 9)}, {"iat", std::to_string(now_seconds + 6)}})),
            "not_yet_valid");
  EXPECT_EQ(with("exp", 7'258'118'399), "");
  const std::string good = good_token();
  EXPECT_EQ(verdict(good, now + 605s - 1ns), "");
  EXPECT_EQ(verdict(good, now + 605s), "expired");
  EXPECT_EQ(verdict(good, now - 65s), "");
  EXPECT_EQ(verdict(good, now - 65s - 1ns), "not_yet_valid");
}

TEST_F(token, attack_15_times_that_are_no_whole_seconds_are_refused) {
  for (const std::string& value :
       {std::string("\"1772349000\""), std::string("1772349000.5"), std::string("1772349000.0"), std::string("1.7723490e9"),
        std::string("1e400"), std::string("-1"), std::string("0x69A3E0F8"), std::string("7258118400"), std::string("9223372036854775807"),
        std::string("9223372036854775808"), std::string("18446744073709551616"), std::string("null"), std::string("true"),
        std::string("[1772349000]"), std::string("{}"), std::string(400, '9')}) {
    for (const std::string_view name : {"exp", "nbf", "iat"}) {
      EXPECT_EQ(verdict_on_claims(claims_with({{name, value}})), "bad_claims") << name << " " << value;
    }
  }
  EXPECT_EQ(verdict_on_claims(claims_with({{"exp", ""}})), "bad_claims");
  EXPECT_EQ(verdict_on_claims(claims_with({{"iat", ""}})), "bad_claims");
  // It would never have been valid.
  EXPECT_EQ(verdict_on_claims(claims_with({{"iat", std::to_string(now_seconds)}, {"exp", std::to_string(now_seconds)}})), "bad_claims");
}

TEST_F(token, attack_15_issuer_audience_and_type_are_exact) {
  for (const char* issuer :
       {R"("https://login.example.org/")", R"("https://login.example.org.evil")", R"("")", R"("HTTPS://login.example.org")"}) {
    EXPECT_EQ(verdict_on_claims(claims_with({{"iss", issuer}})), "wrong_issuer") << issuer;
  }
  for (const char* issuer : {"", "null", "1", R"(["https://login.example.org"])"}) {
    EXPECT_EQ(verdict_on_claims(claims_with({{"iss", issuer}})), "bad_claims") << issuer;
  }
  EXPECT_EQ(verdict_on_claims(claims_with({{"aud", R"(["other","careteam"])"}})), "");
  for (const char* audience : {R"("other")", R"("careteam2")", R"("")", "[]", R"(["other"])", R"(["care","team"])"}) {
    EXPECT_EQ(verdict_on_claims(claims_with({{"aud", audience}})), "wrong_audience") << audience;
  }
  std::string too_many = "[\"careteam\"";
  for (std::size_t i = 0; i < max_audiences; ++i) too_many += ",\"x\"";
  for (const std::string& audience : {std::string(), std::string("null"), std::string("1"), std::string(R"({"careteam":1})"),
                                      std::string(R"(["careteam",1])"), std::string(R"([["careteam"]])"), too_many + "]"}) {
    EXPECT_EQ(verdict_on_claims(claims_with({{"aud", audience}})), "bad_claims") << audience;
  }
  for (const char* type : {R"("JWS")", R"("jwt+x")", R"("logout+jwt")", R"("")", "null", "1", R"(["JWT"])"}) {
    EXPECT_EQ(verdict_on_header(std::string(R"({"alg":"ES256","kid":"k1","typ":)") + type + "}"), "wrong_type") << type;
  }
}

TEST_F(token, attack_15_names_given_twice_are_refused) {
  EXPECT_EQ(verdict_on_claims(R"({"sub":"dr-chen",)" + good_claims().substr(1)), "bad_claims");
  EXPECT_EQ(verdict_on_claims(R"({"s\u0075b":"dr-chen",)" + good_claims().substr(1)), "bad_claims");
  EXPECT_EQ(verdict_on_claims(claims_with({{"extra", R"({"a":1,"a":1})"}})), "bad_claims");
  EXPECT_EQ(verdict_on_claims(claims_with({{"extra", R"([{"a":1},{"a":1}])"}})), "");
  EXPECT_EQ(verdict_on_header(R"({"alg":"none",)" + good_header.substr(1)), "malformed");
  EXPECT_EQ(verdict_on_header(R"({"kid":"k2",)" + good_header.substr(1)), "malformed");
  EXPECT_EQ(verdict_on_header(R"({"\u0061lg":"none",)" + good_header.substr(1)), "malformed");
}

TEST_F(token, the_subject_is_a_persons_id) {
  for (const std::string& subject : {std::string("a"), std::string("A-9.z"), std::string(64, 'x')}) {
    EXPECT_EQ(verdict_on_claims(claims_with({{"sub", "\"" + subject + "\""}})), "") << subject;
  }
  for (const std::string& subject :
       {std::string(), std::string("\"\""), std::string("null"), std::string("7"), "\"" + std::string(65, 'x') + "\"",
        std::string(R"("a b")"), std::string(R"("a/b")"), std::string(R"("a_b")"), std::string(R"("a\n")"), std::string(R"("a\u0000")"),
        std::string("\"\xC3\xA9\""), std::string(R"(["a"])")}) {
    EXPECT_EQ(verdict_on_claims(claims_with({{"sub", subject}})), "bad_claims") << subject;
  }
}

TEST_F(token, the_tokens_id_is_short_and_printable) {
  EXPECT_EQ(verdict_on_claims(claims_with({{"jti", "\"" + std::string(max_token_id_bytes, 'j') + "\""}})), "");
  for (const std::string& id : {std::string("1"), std::string("\"\""), std::string("null"), std::string(R"("a\r\nb")"),
                                std::string("\"\xC3\xA9\""), "\"" + std::string(max_token_id_bytes + 1, 'j') + "\""}) {
    EXPECT_EQ(verdict_on_claims(claims_with({{"jti", id}})), "bad_claims") << id;
  }
}

TEST_F(token, attack_16_size_is_checked_before_anything_else) {
  EXPECT_EQ(verdict(std::string(1'000'000, 'a')), "too_large");
  EXPECT_EQ(verdict(good_token() + std::string(max_token_bytes, 'a')), "too_large");
  const std::string padding(6'000, 'p');
  const std::string large = signed_token(key, good_header, claims_with({{"extra", "\"" + padding.substr(0, 5'500) + "\""}}));
  ASSERT_LE(large.size(), max_token_bytes);
  EXPECT_EQ(verdict(large), "");
  EXPECT_EQ(verdict(signed_token(key, good_header, claims_with({{"extra", "\"" + padding + "\""}}))), "too_large");
}

TEST_F(token, attack_16_depth_and_names_are_bounded) {
  const std::string deep = std::string(2'000, '[') + std::string(2'000, ']');
  EXPECT_EQ(verdict_on_header(R"({"alg":"ES256","kid":"k1","x":)" + deep + "}"), "malformed");
  EXPECT_EQ(verdict_on_claims(claims_with({{"extra", deep}})), "bad_claims");
  EXPECT_EQ(verdict_on_claims(claims_with({{"extra", "[[[[[[[]]]]]]]"}})), "");
  EXPECT_EQ(verdict_on_claims(claims_with({{"extra", "[[[[[[[[]]]]]]]]"}})), "bad_claims");
  std::string many;
  for (int i = 0; i < 300; ++i) many += ",\"" + std::to_string(i) + "\":0";
  EXPECT_EQ(verdict_on_header(R"({"alg":"ES256","kid":"k1")" + many + "}"), "malformed");
  EXPECT_EQ(verdict_on_claims(R"({"a":0)" + many + "}"), "bad_claims");
}

TEST_F(token, attack_16_zero_and_oversized_numbers_are_no_signature) {
  const std::string input = signing_input(good_header, good_claims());
  const std::string zero(32, '\0');
  const std::string most(32, '\xFF');
  const std::string one = std::string(31, '\0') + '\x01';
  // The order of P-256: r and s must be below it, so that s + n is not taken for s.
  const std::string order = "\xFF\xFF\xFF\xFF" + std::string(4, '\0') + std::string(8, '\xFF') +
                            "\xBC\xE6\xFA\xAD\xA7\x17\x9E\x84\xF3\xB9\xCA\xC2\xFC\x63\x25\x51";
  ASSERT_EQ(order.size(), 32U);
  const std::string good = key.sign(input);
  for (const std::string& pair : {zero + zero, zero + one, one + zero, one + one, most + most, order + order, good.substr(0, 32) + zero,
                                  zero + good.substr(32), good.substr(32) + good.substr(0, 32), good.substr(0, 32) + order}) {
    EXPECT_EQ(verdict(input + "." + encode_base64url(pair)), "bad_signature");
  }
}

TEST_F(token, attack_16_a_signature_on_another_curve_is_refused) {
  const std::string input = signing_input(good_header, good_claims());
  for (const char* curve : {"P-384", "P-521", "secp256k1"}) {
    const ec_key other(curve);
    EXPECT_EQ(verdict(input + "." + encode_base64url(other.sign(input))), "bad_signature") << curve;
  }
  EXPECT_EQ(verdict(input + "." + encode_base64url(key.sign(input, EVP_sha384()))), "bad_signature");
}

TEST_F(token, attack_13_every_changed_byte_is_noticed) {
  const std::string good = good_token();
  ASSERT_EQ(verdict(good), "");
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string changed = good;
      changed[at] = static_cast<char>(changed[at] ^ (1 << bit));
      EXPECT_NE(verdict(changed), "") << "byte " << at << " bit " << bit;
    }
  }
}

TEST_F(token, cut_lengthened_and_shuffled_ones_are_refused) {
  const std::string good = good_token();
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_NE(verdict(std::string_view(good).substr(0, size)), "") << size;
    EXPECT_NE(verdict(std::string_view(good).substr(good.size() - size)), "") << size;
  }
  std::mt19937 random(16);
  for (int round = 0; round < 2'000; ++round) {
    std::string changed = good;
    for (std::uint32_t edits = 1 + random() % 4; edits > 0; --edits) {
      const std::size_t at = random() % changed.size();
      switch (random() % 3) {
        case 0:
          changed.erase(at, 1);
          break;
        case 1:
          changed.insert(at, 1, static_cast<char>(random()));
          break;
        default:
          changed[at] = static_cast<char>(random());
          break;
      }
    }
    if (changed != good) {
      EXPECT_NE(verdict(changed), "") << "seed 16, round " << round;
    }
  }
}

TEST_F(token, garbage_is_refused) {
  std::mt19937 random(7);
  constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_..";
  for (int round = 0; round < 20'000; ++round) {
    std::string text(random() % 300, '\0');
    for (char& c : text) c = round % 2 == 0 ? static_cast<char>(random()) : letters[random() % letters.size()];
    EXPECT_NE(verdict(text), "") << "seed 7, round " << round;
  }
}

TEST_F(token, signed_garbage_is_refused) {
  // The key's owner may be careless; what it signs is still read strictly.
  std::mt19937 random(9);
  for (int round = 0; round < 300; ++round) {
    std::string claims = good_claims();
    std::string header = good_header;
    std::string& changed = round % 2 == 0 ? claims : header;
    const std::size_t at = random() % changed.size();
    if (random() % 2 == 0) {
      changed.resize(at);
    } else {
      changed[at] = static_cast<char>(random() % 0x20);
    }
    const std::string why = verdict(signed_token(key, header, claims));
    if (header != good_header || claims != good_claims()) {
      EXPECT_NE(why, "") << "seed 9, round " << round;
    }
  }
  for (const char* claims : {"", "null", "[]", "1", "\"x\"", "{}", "{} {}", "{}x", "{\"a\":1,}", "{'a':1}", "// c\n{}", "\xEF\xBB\xBF{}",
                             "{\"a\":NaN}", "{\"a\":\"\xFF\"}", "{\"a\":\"\\uD800\"}"}) {
    EXPECT_EQ(verdict_on_claims(claims), "bad_claims") << claims;
  }
}

TEST_F(token, refusals_say_nothing_of_the_content) {
  for (int code = static_cast<int>(token_error::too_large); code <= static_cast<int>(token_error::expired); ++code) {
    const std::string name(name_of(static_cast<token_error>(code)));
    EXPECT_THAT(name, ::testing::MatchesRegex("[a-z_]+"));
    EXPECT_NE(name, "unknown");
  }
  const auto refused = verifier.verify("marker", now);
  try {
    refused.value();
    FAIL();
  } catch (const std::runtime_error& failed) {
    EXPECT_STREQ(failed.what(), "malformed");
  }
}

TEST_F(token, a_policy_must_say_something) {
  EXPECT_THROW(token_verifier(keys, {"", "a", 5s}), std::invalid_argument);
  EXPECT_THROW(token_verifier(keys, {"i", "", 5s}), std::invalid_argument);
  EXPECT_THROW(token_verifier(keys, {"i", "a", 60'001ms}), std::invalid_argument);
  EXPECT_THROW(token_verifier(keys, {"i", "a", -1ms}), std::invalid_argument);
  EXPECT_NO_THROW(token_verifier(keys, {"i", "a", 60s}));
}

}  // namespace
}  // namespace careteam::identity

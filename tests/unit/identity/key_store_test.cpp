#include "identity/key_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <fstream>
#include <functional>
#include <ostream>
#include <sstream>
#include <string>

#include "identity/signing.hpp"
#include "token_maker.hpp"

namespace careteam::identity {
namespace {

using namespace std::chrono_literals;
using testing::ec_key;
using ::testing::HasSubstr;
using ::testing::Not;

const time_point now{std::chrono::seconds(1'772'348'400)};

std::string set_of(std::string_view keys) {
  return "{\"keys\":[" + std::string(keys) + "]}";
}

std::string fault_in(std::string_view jwks) {
  const auto keys = key_set::parse(jwks);
  return keys ? std::string() : keys.error().message;
}

class key_file : public ::testing::Test {
 protected:
  key_file() {
    std::string pattern = (std::filesystem::temp_directory_path() / "careteam-keys-XXXXXX").string();
    if (!::mkdtemp(pattern.data())) throw std::runtime_error("no scratch folder");
    folder = pattern;
  }
  ~key_file() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }
  std::filesystem::path write(std::string_view name, std::string_view text) const {
    std::ofstream(folder / name, std::ios::binary | std::ios::trunc) << text;
    return folder / name;
  }

  std::filesystem::path folder;
};

TEST(key_set, takes_public_es256_keys) {
  const ec_key one;
  const ec_key two;
  const auto keys = key_set::parse(
      set_of(one.public_jwk("k1") + "," + two.public_jwk("k2", R"(,"alg":"ES256","use":"sig","key_ops":["verify"],"x5t":"ignored")")));
  ASSERT_TRUE(keys) << keys.error().message;
  EXPECT_EQ(keys->size(), 2U);
  EXPECT_TRUE(keys->contains("k1"));
  EXPECT_TRUE(keys->contains("k2"));
  EXPECT_FALSE(keys->contains("k3"));
  EXPECT_FALSE(keys->contains(""));
}

TEST(key_set, verifies_with_the_named_key_only) {
  const ec_key one;
  const ec_key two;
  const auto keys = key_set::parse(set_of(one.public_jwk("k1") + "," + two.public_jwk("k2")));
  ASSERT_TRUE(keys);
  const std::string token = testing::signed_token(one, R"({"alg":"ES256","kid":"k1"})", "{}");
  EXPECT_TRUE(keys->verify("k1", token));
  EXPECT_FALSE(keys->verify("k2", token));
  EXPECT_FALSE(keys->verify("k3", token));
}

struct bad_key {
  const char* name;
  std::function<std::string(const ec_key&)> jwk;
  std::string complaint;
};
std::ostream& operator<<(std::ostream& to, const bad_key& one) {
  return to << one.name;
}

std::string jwk(std::string_view type, std::string_view curve, std::string_view x, std::string_view y) {
  std::string text = "{";
  text.append(R"("kty":")").append(type).append(R"(","crv":")").append(curve);
  text.append(R"(","x":")").append(x).append(R"(","y":")").append(y).append(R"(","kid":"k1"})");
  return text;
}

class key_refusal : public ::testing::TestWithParam<bad_key> {};

TEST_P(key_refusal, names_the_key_and_the_reason_but_no_key_material) {
  const ec_key key;
  const std::string fault = fault_in(set_of(ec_key().public_jwk("good") + "," + GetParam().jwk(key)));
  EXPECT_THAT(fault, HasSubstr("keys[1] "));
  EXPECT_THAT(fault, HasSubstr(GetParam().complaint));
  EXPECT_THAT(fault, Not(HasSubstr(key.x())));
  EXPECT_THAT(fault, Not(HasSubstr(key.d())));
}

INSTANTIATE_TEST_SUITE_P(
    all, key_refusal,
    ::testing::Values(
        bad_key{"private_key", [](const ec_key& k) { return k.public_jwk("k1", ",\"d\":\"" + k.d() + "\""); }, "holds a private key"},
        bad_key{"symmetric_key", [](const ec_key&) { return std::string(R"({"kty":"oct","k":"AAAA","kid":"k1"})"); },
                "holds a private key"},
        bad_key{"rsa", [](const ec_key&) { return std::string(R"({"kty":"RSA","n":"AQAB","e":"AQAB","kid":"k1"})"); },
                "another type than EC"},
        bad_key{"no_type", [](const ec_key&) { return std::string(R"({"kid":"k1"})"); }, "another type than EC"},
        bad_key{"other_curve",
                [](const ec_key&) {
                  const ec_key other("P-384");
                  return jwk("EC", "P-384", other.x(), other.y());
                },
                "another curve than P-256"},
        bad_key{"point_of_another_curve",
                [](const ec_key&) {
                  const ec_key other("secp256k1");
                  return jwk("EC", "P-256", other.x(), other.y());
                },
                "no point on P-256"},
        bad_key{"no_point", [](const ec_key& k) { return jwk("EC", "P-256", k.x(), k.x()); }, "no point on P-256"},
        bad_key{"infinity",
                [](const ec_key&) {
                  const std::string zero = encode_base64url(std::string(32, '\0'));
                  return jwk("EC", "P-256", zero, zero);
                },
                "no point on P-256"},
        bad_key{"beyond_the_field", [](const ec_key& k) { return jwk("EC", "P-256", encode_base64url(std::string(32, '\xFF')), k.y()); },
                "no point on P-256"},
        bad_key{"short_coordinate", [](const ec_key& k) { return jwk("EC", "P-256", encode_base64url(std::string(31, 'x')), k.y()); },
                "needs \"x\""},
        bad_key{"long_coordinate", [](const ec_key& k) { return jwk("EC", "P-256", k.x(), k.y() + "AA"); }, "needs \"y\""},
        bad_key{"padded_coordinate", [](const ec_key& k) { return jwk("EC", "P-256", k.x() + "=", k.y()); }, "needs \"x\""},
        bad_key{"no_coordinate", [](const ec_key&) { return std::string(R"({"kty":"EC","crv":"P-256","kid":"k1"})"); }, "needs \"x\""},
        bad_key{"other_algorithm", [](const ec_key& k) { return k.public_jwk("k1", R"(,"alg":"ES384")"); }, "another algorithm"},
        bad_key{"algorithm_is_no_string", [](const ec_key& k) { return k.public_jwk("k1", R"(,"alg":null)"); }, "another algorithm"},
        bad_key{"for_encryption", [](const ec_key& k) { return k.public_jwk("k1", R"(,"use":"enc")"); }, "not for verifying"},
        bad_key{"for_signing_only", [](const ec_key& k) { return k.public_jwk("k1", R"(,"key_ops":["sign"])"); }, "not for verifying"},
        bad_key{"no_operations", [](const ec_key& k) { return k.public_jwk("k1", R"(,"key_ops":[])"); }, "not for verifying"},
        bad_key{"id_twice", [](const ec_key& k) { return k.public_jwk("good"); }, "repeats the \"kid\""},
        bad_key{"empty_id", [](const ec_key& k) { return k.public_jwk(""); }, "needs a \"kid\""},
        bad_key{"long_id", [](const ec_key& k) { return k.public_jwk(std::string(max_key_id_bytes + 1, 'k')); }, "needs a \"kid\""},
        bad_key{"id_with_control", [](const ec_key& k) { return k.public_jwk("k\\n1"); }, "needs a \"kid\""},
        bad_key{"no_id", [](const ec_key& k) { return R"({"kty":"EC","crv":"P-256","x":")" + k.x() + R"(","y":")" + k.y() + "\"}"; },
                "needs a \"kid\""},
        bad_key{"no_object", [](const ec_key&) { return std::string("5"); }, "is no object"}),
    [](const auto& one) { return std::string(one.param.name); });

TEST(key_set, refuses_what_is_no_set) {
  const std::string key = ec_key().public_jwk("k1");
  EXPECT_THAT(fault_in(""), HasSubstr("no JWK Set"));
  EXPECT_THAT(fault_in("[]"), HasSubstr("no JWK Set"));
  EXPECT_THAT(fault_in(key), HasSubstr("no list \"keys\""));
  EXPECT_THAT(fault_in(R"({"keys":{}})"), HasSubstr("no list \"keys\""));
  EXPECT_THAT(fault_in(R"({"keys":[]})"), HasSubstr("holds no key"));
  EXPECT_THAT(fault_in(R"({"keys":[],"keys":[]})"), HasSubstr("a name is given twice"));
  EXPECT_THAT(fault_in(set_of(key + "," + key) + "x"), HasSubstr("no JWK Set"));
  EXPECT_THAT(fault_in(std::string(max_jwks_bytes + 1, ' ')), HasSubstr("no JWK Set"));
  std::string many = key;
  for (std::size_t i = 0; i < max_keys; ++i) many += "," + key;
  EXPECT_THAT(fault_in(set_of(many)), HasSubstr("more than 64 keys"));
}

TEST_F(key_file, attack_16_a_reload_retires_and_adds_keys_without_restart) {
  const auto old_key = generate_key("old").value();
  const auto new_key = generate_key("new").value();
  const auto file = write("jwks.json", jwks_document(std::vector{old_key.public_jwk}));
  auto store = key_store::open(file);
  ASSERT_TRUE(store) << store.error().message;
  const token_verifier verifier(*store, {"i", "careteam", 5s});
  const token_claims claims{"i", "careteam", "ana", now, now + 600s, std::nullopt};
  const std::string old_token = issue_token(old_key.private_jwk, claims).value();
  const std::string new_token = issue_token(new_key.private_jwk, claims).value();
  EXPECT_TRUE(verifier.verify(old_token, now));
  EXPECT_EQ(verifier.verify(new_token, now).error(), token_error::unknown_key);

  write("jwks.json", jwks_document(std::vector{old_key.public_jwk, new_key.public_jwk}));
  EXPECT_FALSE(store->reload());
  EXPECT_TRUE(verifier.verify(old_token, now));
  EXPECT_TRUE(verifier.verify(new_token, now));

  write("jwks.json", jwks_document(std::vector{new_key.public_jwk}));
  EXPECT_FALSE(store->reload());
  EXPECT_EQ(verifier.verify(old_token, now).error(), token_error::unknown_key);
  EXPECT_TRUE(verifier.verify(new_token, now));
}

TEST_F(key_file, a_failed_reload_keeps_the_keys_and_says_so) {
  const auto key = generate_key("k1").value();
  const auto file = write("jwks.json", jwks_document(std::vector{key.public_jwk}));
  auto store = key_store::open(file);
  ASSERT_TRUE(store);
  for (const std::string& bad : {std::string("{"), std::string(R"({"keys":[]})"), set_of(key.private_jwk.reveal()), std::string()}) {
    write("jwks.json", bad);
    const auto fault = store->reload();
    ASSERT_TRUE(fault);
    EXPECT_THAT(fault->message, HasSubstr("jwks.json: "));
    EXPECT_THAT(fault->message, HasSubstr("the 1 keys read before stay in force"));
    EXPECT_TRUE(store->keys().contains("k1"));
  }
  std::filesystem::remove(file);
  ASSERT_TRUE(store->reload());
  EXPECT_TRUE(store->keys().contains("k1"));
}

TEST_F(key_file, files_that_cannot_be_read_are_errors) {
  EXPECT_THAT(load_jwks(folder / "none").error().message, HasSubstr("cannot be read"));
  EXPECT_THAT(load_jwks(folder).error().message, HasSubstr("cannot be read"));
  EXPECT_THAT(load_jwks(write("huge", std::string(max_jwks_bytes + 1, ' '))).error().message, HasSubstr("too large"));
  EXPECT_THROW(key_store::open(folder / "none").value(), std::runtime_error);
}

TEST(signing, generated_keys_are_complete_and_of_full_length) {
  // A coordinate begins with a zero byte once in 256 keys: it must not be dropped.
  for (int i = 0; i < 600; ++i) {
    const auto key = generate_key("k" + std::to_string(i)).value();
    const auto keys = key_set::parse(jwks_document(std::vector{key.public_jwk}));
    ASSERT_TRUE(keys) << keys.error().message;
    EXPECT_THAT(key.public_jwk, Not(HasSubstr("\"d\"")));
    EXPECT_THAT(key.private_jwk.reveal(), HasSubstr("\"d\":\""));
  }
  EXPECT_FALSE(generate_key(""));
  EXPECT_FALSE(generate_key("a b"));
  EXPECT_FALSE(generate_key(std::string(max_key_id_bytes + 1, 'k')));
}

TEST(signing, issued_tokens_are_accepted_and_carry_the_claims) {
  const auto key = generate_key("k\"1").value();
  const key_store store(std::move(key_set::parse(jwks_document(std::vector{key.public_jwk})).value()));
  const token_verifier verifier(store, {"i\"\\", "careteam", 5s});
  for (int i = 0; i < 300; ++i) {  // As with keys: r or s may begin with a zero byte.
    const auto issued = issue_token(key.private_jwk, {"i\"\\", "careteam", "ana", now + 500ms, now + 600s, "t" + std::to_string(i)});
    ASSERT_TRUE(issued) << issued.error().message;
    const auto who = verifier.verify(*issued, now);
    ASSERT_TRUE(who) << name_of(who.error());
    EXPECT_EQ(who->subject, "ana");
    EXPECT_EQ(who->issued_at, now);
    EXPECT_EQ(who->expires_at, now + 600s);
    EXPECT_EQ(who->token_id, "t" + std::to_string(i));
  }
}

TEST(signing, bad_keys_and_claims_are_refused_without_telling_the_key) {
  const auto key = generate_key("k1").value();
  const auto fault = [&](const std::string& jwk, const token_claims& claims) {
    const auto issued = issue_token(runtime::secret_text(jwk), claims);
    return issued ? std::string() : issued.error().message;
  };
  const token_claims good{"i", "a", "ana", now, now + 60s, std::nullopt};
  ASSERT_EQ(fault(key.private_jwk.reveal(), good), "");
  for (const std::string& bad : {std::string(), std::string("{}"), key.public_jwk, std::string(R"({"kty":"oct","k":"AAAA","kid":"k1"})"),
                                 std::string(R"({"kty":"EC","crv":"P-256","kid":"k1","d":"AAAA"})"), std::string("secret")}) {
    EXPECT_EQ(fault(bad, good), "the key is no private ES256 key with an id") << bad;
  }
  EXPECT_THAT(fault(key.private_jwk.reveal(), {"i", "a", "a b", now, now + 60s, std::nullopt}), HasSubstr("no person's id"));
  EXPECT_THAT(fault(key.private_jwk.reveal(), {"i", "a", "ana", now, now, std::nullopt}), HasSubstr("must expire after"));
}

TEST_F(key_file, private_keys_are_for_their_owner_only_and_never_overwritten) {
  const auto key = generate_key("k1").value();
  const auto file = folder / "private.jwk";
  const mode_t before = ::umask(0);
  const auto fault = write_private_key(file, key.private_jwk);
  ::umask(before);
  ASSERT_FALSE(fault) << fault->message;
  struct stat status {};
  ASSERT_EQ(::stat(file.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600U);
  EXPECT_EQ(load_private_key(file)->reveal(), key.private_jwk.reveal());

  const auto again = write_private_key(file, generate_key("k2").value().private_jwk);
  ASSERT_TRUE(again);
  EXPECT_THAT(again->message, HasSubstr("File exists"));
  EXPECT_EQ(load_private_key(file)->reveal(), key.private_jwk.reveal());
  EXPECT_TRUE(write_private_key(folder / "no" / "such" / "folder", key.private_jwk));

  ASSERT_EQ(::chmod(file.c_str(), 0640), 0);
  EXPECT_THAT(load_private_key(file).error().message, HasSubstr("others than its owner"));
  EXPECT_THAT(load_private_key(folder / "none").error().message, HasSubstr("No such file"));
}

}  // namespace
}  // namespace careteam::identity

// The sealed envelope and the cluster's key: only what this cluster sealed for this channel, unaltered and once, is opened.
#include "redis/sealed_envelope.hpp"

#include <gtest/gtest.h>

#include "support.hpp"

namespace careteam::redis::test {
namespace {

secret_key key_of(unsigned char fill) {
  secret_key::bytes bytes;
  bytes.fill(fill);
  return secret_key(bytes);
}

const sealed_letter sample{7, 9, sealed_content::entries, std::string("entry\0bytes", 11)};

class envelope : public testing::Test {
 protected:
  secret_key cluster = key_of(1);
  sealer sender{cluster};
  opener receiver{cluster, "somebody else..."};
  sealed_letter got;
};

TEST_F(envelope, opens_what_was_sealed) {
  ASSERT_EQ(receiver.open("ch", sender.seal("ch", sample), got), unsealed::letter);
  EXPECT_EQ(got.from, 7U);
  EXPECT_EQ(got.to, 9U);
  EXPECT_EQ(got.content, sealed_content::entries);
  EXPECT_EQ(got.payload, sample.payload);
  ASSERT_EQ(receiver.open("ch", sender.seal("ch", {1, 2, sealed_content::notice, {}}), got), unsealed::letter);
  EXPECT_EQ(got.payload, "");
}

TEST_F(envelope, hides_the_payload_and_never_repeats_itself) {
  const auto first = sender.seal("ch", sample);
  const auto second = sender.seal("ch", sample);
  EXPECT_EQ(first.find("entry"), std::string::npos);
  EXPECT_NE(first.substr(first.size() - 27), second.substr(second.size() - 27));
}

TEST_F(envelope, every_changed_bit_and_every_cut_is_noticed) {
  const auto good = sender.seal("ch", sample);
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    auto bad = good;
    bad[bit / 8] = static_cast<char>(static_cast<unsigned char>(bad[bit / 8]) ^ (1U << (bit % 8)));
    const auto verdict = receiver.open("ch", bad, got);
    EXPECT_TRUE(verdict == unsealed::forged || verdict == unsealed::malformed) << "bit " << bit;
  }
  for (std::size_t length = 0; length < good.size(); ++length)
    EXPECT_NE(receiver.open("ch", good.substr(0, length), got), unsealed::letter);
  EXPECT_EQ(receiver.open("ch", good + "x", got), unsealed::forged);
  EXPECT_EQ(receiver.open("ch", good, got), unsealed::letter) << "and none of that spoilt the genuine one";
}

TEST_F(envelope, another_channel_or_cluster_is_a_forgery) {
  EXPECT_EQ(receiver.open("other", sender.seal("ch", sample), got), unsealed::forged);
  sealer stranger(key_of(2));
  EXPECT_EQ(receiver.open("ch", stranger.seal("ch", sample), got), unsealed::forged);
}

TEST_F(envelope, is_accepted_once_and_in_order) {
  const auto first = sender.seal("ch", sample);
  const auto second = sender.seal("ch", sample);
  EXPECT_EQ(receiver.open("ch", second, got), unsealed::letter);
  EXPECT_EQ(receiver.open("ch", second, got), unsealed::replayed);
  EXPECT_EQ(receiver.open("ch", first, got), unsealed::replayed);
  sealer another(cluster);
  EXPECT_EQ(receiver.open("ch", another.seal("ch", sample), got), unsealed::letter) << "each sender counts for itself";
}

TEST_F(envelope, own_letters_are_known) {
  opener own(cluster, sender.sender());
  EXPECT_EQ(own.open("ch", sender.seal("ch", sample), got), unsealed::own);
}

TEST_F(envelope, forgets_the_sender_that_was_silent_longest) {
  sealer first(cluster);
  const auto old = first.seal("ch", sample);
  ASSERT_EQ(receiver.open("ch", old, got), unsealed::letter);
  const auto kept = sender.seal("ch", sample);
  ASSERT_EQ(receiver.open("ch", kept, got), unsealed::letter);
  for (std::size_t i = 0; i + 1 < opener::max_senders; ++i) {
    sealer more(cluster);
    ASSERT_EQ(receiver.open("ch", more.seal("ch", sample), got), unsealed::letter);
  }
  EXPECT_EQ(receiver.open("ch", kept, got), unsealed::replayed);
  EXPECT_EQ(receiver.open("ch", old, got), unsealed::letter) << "the versions inside are what protects then";
}

TEST(cluster_key, is_read_raw_or_as_hex_and_nothing_else) {
  const temporary_directory directory;
  const std::string raw(32, '\x2a');
  std::string hex;
  for (int i = 0; i < 32; ++i) hex += "2A";
  const auto from_raw = read_cluster_key(directory.write("raw", raw));
  const auto from_hex = read_cluster_key(directory.write("hex", hex + "\n"));
  ASSERT_TRUE(from_raw.has_value());
  ASSERT_TRUE(from_hex.has_value());
  EXPECT_EQ(from_raw->value(), from_hex->value());
  for (const auto& bad :
       {std::string(), std::string(31, 'x'), std::string(33, 'x'), hex + "\n\n", hex + "0", "zz" + hex.substr(2), std::string(5000, 'a')}) {
    EXPECT_EQ(read_cluster_key(directory.write("bad", bad)).error(), boost::system::errc::invalid_argument) << bad.size();
  }
  EXPECT_EQ(read_cluster_key(directory.path() + "/absent").error(), boost::system::errc::no_such_file_or_directory);
  EXPECT_TRUE(read_cluster_key(directory.path()).has_error());
}

TEST(cluster_key, derived_keys_differ_by_label_and_text) {
  const auto key = key_of(3);
  EXPECT_EQ(key.derive("a", "b").value(), key.derive("a", "b").value());
  EXPECT_NE(key.derive("a", "b").value(), key.derive("ab", "").value());
  EXPECT_NE(key.derive("a", "b").value(), key.derive("a", "c").value());
  EXPECT_NE(key.derive("a", "b").value(), key_of(4).derive("a", "b").value());
}

}  // namespace
}  // namespace careteam::redis::test

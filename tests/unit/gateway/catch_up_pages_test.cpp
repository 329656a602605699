// Pages that many read at once, on a real store.
#include "gateway/catch_up_pages.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../store/new_store.hpp"

namespace careteam::gateway {
namespace {

using namespace std::chrono_literals;
using coordination::shared_batch;
using store::test::request;

constexpr auto clinical = static_cast<store::stream_kind>(v1::STREAM_CLINICAL);

class catch_up_pages_test : public testing::Test {
 protected:
  catch_up_pages_test() { store_ = store::test::new_store(loop_, folder_); }

  void append(std::uint64_t seq, std::string bytes) {
    auto done = loop_.run(store_->append(request("patient/pat", seq - 1).entry(clinical, seq, std::move(bytes))));
    ASSERT_TRUE(done);
  }

  store::test::scratch_folder folder_;
  store::test::event_loop loop_;
  std::unique_ptr<store::record_store> store_;
};

TEST_F(catch_up_pages_test, many_who_ask_together_get_one_reading) {
  for (std::uint64_t seq = 1; seq <= 5; ++seq) append(seq, "entry " + std::to_string(seq));
  catch_up_pages pages(*store_, loop_.context().get_executor(), 1ms);
  std::vector<boost::asio::awaitable<store::result<shared_batch>>> asked;
  for (int i = 0; i < 10; ++i) asked.push_back(pages.read("patient/pat", v1::STREAM_CLINICAL, 2, 4));
  asked.push_back(pages.read("patient/pat", v1::STREAM_CLINICAL, 1, 4));
  const auto got = loop_.run_together(std::move(asked));
  const auto& first = got.front().value();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->first_seq(), 2U);
  EXPECT_EQ(first->last_seq(), 4U);
  EXPECT_EQ(first->entry(0), "entry 2");
  for (int i = 0; i < 10; ++i) EXPECT_EQ(got[static_cast<std::size_t>(i)].value(), first);
  EXPECT_EQ(got.back().value()->first_seq(), 1U) << "another page";
}

TEST_F(catch_up_pages_test, a_page_is_kept_for_a_while_and_then_forgotten) {
  append(1, "entry 1");
  catch_up_pages pages(*store_, loop_.context().get_executor(), 50ms);
  // The loop runs until the page is forgotten: ask again within one coroutine.
  const auto same = loop_.run([](catch_up_pages& from) -> boost::asio::awaitable<bool> {
    const auto first = co_await from.read("patient/pat", v1::STREAM_CLINICAL, 1, 1);
    const auto second = co_await from.read("patient/pat", v1::STREAM_CLINICAL, 1, 1);
    co_return first&& second&&* first&&* first == *second&& from.kept_bytes() > 0;
  }(pages));
  EXPECT_TRUE(same);
  EXPECT_EQ(pages.kept_bytes(), 0U);
}

TEST_F(catch_up_pages_test, what_is_kept_is_bounded) {
  const std::size_t many = kept_page_bytes / catch_up_page_bytes + 20;
  for (std::uint64_t seq = 1; seq <= many; ++seq) append(seq, std::string(catch_up_page_bytes, 'x'));
  catch_up_pages pages(*store_, loop_.context().get_executor(), 1s);
  const auto most = loop_.run([](catch_up_pages& from, std::size_t pages_to_read) -> boost::asio::awaitable<std::size_t> {
    std::size_t largest = 0;
    for (std::uint64_t seq = 1; seq <= pages_to_read; ++seq) {
      const auto page = co_await from.read("patient/pat", v1::STREAM_CLINICAL, seq, pages_to_read);
      if (!page || !*page) co_return std::numeric_limits<std::size_t>::max();
      largest = std::max(largest, from.kept_bytes());
    }
    co_return largest;
  }(pages, many));
  EXPECT_LE(most, kept_page_bytes);
  EXPECT_GT(most, kept_page_bytes / 2);
}

TEST_F(catch_up_pages_test, what_is_not_there_is_not_remembered) {
  append(1, "entry 1");
  catch_up_pages pages(*store_, loop_.context().get_executor(), 1ms);
  EXPECT_EQ(loop_.run(pages.read("patient/pat", v1::STREAM_CLINICAL, 2, 2)).value(), nullptr);
  append(2, "entry 2");
  const auto now = loop_.run(pages.read("patient/pat", v1::STREAM_CLINICAL, 2, 2)).value();
  ASSERT_TRUE(now);
  EXPECT_EQ(now->entry(0), "entry 2");
}

}  // namespace
}  // namespace careteam::gateway

#include "gateway/catch_up_pages.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace careteam::gateway {

namespace asio = boost::asio;

asio::awaitable<store::result<coordination::shared_batch>> catch_up_pages::read(store::record_key record, v1::Stream stream,
                                                                                std::uint64_t from, std::uint64_t to) {
  const place where{record, stream, from, to};
  if (const auto at = readings_.find(where); at != readings_.end()) {
    const auto same = at->second;
    if (!same->outcome) (void)co_await same->done.async_wait(asio::as_tuple(asio::use_awaitable));
    co_return *same->outcome;
  }
  const auto own = readings_.emplace(where, std::make_shared<reading>(forget_.get_executor())).first->second;
  const auto page = co_await store_.read_stream(std::move(record), static_cast<store::stream_kind>(stream), from, to, catch_up_page_bytes);
  if (page) {
    std::shared_ptr<coordination::stream_batch> batch;
    if (!page->empty() && page->front().seq == from) {
      batch = std::make_shared<coordination::stream_batch>(stream, from);
      for (const auto& stored : *page) batch->add_encoded(stored.bytes);
    }
    own->outcome = coordination::shared_batch(std::move(batch));
  } else {
    own->outcome = page.error();
  }
  own->done.cancel();
  if (page && own->outcome->value()) {
    keep(where, own->outcome->value()->wire().size());
  } else {
    readings_.erase(where);
  }
  co_return *own->outcome;
}

void catch_up_pages::keep(const place& where, std::size_t bytes) {
  if (kept_.empty()) forget_later();
  kept_.emplace_back(where, bytes);
  kept_bytes_ += bytes;
  while (kept_bytes_ > kept_page_bytes) {
    kept_bytes_ -= kept_.front().second;
    readings_.erase(kept_.front().first);
    kept_.pop_front();
  }
}

void catch_up_pages::forget_later() {
  forget_.expires_after(kept_for_);
  forget_.async_wait([this](boost::system::error_code cancelled) {
    if (cancelled) return;
    for (const auto& [where, bytes] : kept_) readings_.erase(where);
    kept_.clear();
    kept_bytes_ = 0;
  });
}

}  // namespace careteam::gateway

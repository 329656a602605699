#include "notifier/channel.hpp"

#include <new>

namespace careteam::notifier {

std::string_view priority_class(v1::Priority priority) {
  switch (priority) {
    case v1::PRIORITY_URGENT:
      return "urgent";
    case v1::PRIORITY_ASAP:
      return "asap";
    case v1::PRIORITY_STAT:
      return "stat";
    default:
      return "routine";
  }
}

void transfer::add_header(const std::string& line) {
  auto* longer = curl_slist_append(headers.get(), line.c_str());
  if (longer == nullptr) throw std::bad_alloc();
  (void)headers.release();
  headers.reset(longer);
}

}  // namespace careteam::notifier

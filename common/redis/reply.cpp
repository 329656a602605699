#include "redis/reply.hpp"

#include <hiredis/read.h>

#include <algorithm>
#include <charconv>
#include <new>

namespace careteam::redis {

std::int64_t reply::integer() const noexcept {
  const auto* value = std::get_if<std::int64_t>(&value_);
  return value != nullptr ? *value : 0;
}

const std::string& reply::text() const noexcept {
  static const std::string none;
  const auto* value = std::get_if<std::string>(&value_);
  return value != nullptr ? *value : none;
}

const std::vector<reply>& reply::elements() const noexcept {
  static const std::vector<reply> none;
  const auto* value = std::get_if<std::vector<reply>>(&value_);
  return value != nullptr ? *value : none;
}

std::vector<reply>& reply::mutable_elements() {
  if (kind_ != reply_kind::array) *this = reply(std::vector<reply>{});
  return std::get<std::vector<reply>>(value_);
}

/// What one reply may still take. hiredis calls back before it goes on; nullptr makes it give up.
struct reply_reader::builder {
  reply_limits limits;
  std::size_t elements = 0;
  std::size_t bytes = 0;
  bool exceeded = false;

  void start_reply() noexcept { elements = bytes = 0; }

  static builder& of(const redisReadTask* task) noexcept { return *static_cast<builder*>(task->privdata); }

  /// Puts the value at its place: a new root, or the end of the parent, whose element before is complete, so that growing the
  /// parent moves nothing that a task still points to.
  static void* place(const redisReadTask* task, reply&& value) {
    if (task->parent == nullptr) return new reply(std::move(value));
    auto& siblings = static_cast<reply*>(task->parent->obj)->mutable_elements();
    siblings.push_back(std::move(value));
    return &siblings.back();
  }

  bool take_bytes(std::size_t count, int type) noexcept {
    const bool line = type != REDIS_REPLY_STRING;
    exceeded = exceeded || count > limits.bytes - bytes || (line && count > limits.line_bytes);
    if (!exceeded) bytes += count;
    return !exceeded;
  }

  // The callbacks are called from C: no exception may pass.
  static void* create_string(const redisReadTask* task, char* text, std::size_t length) noexcept try {
    if (!of(task).take_bytes(length, task->type)) return nullptr;
    const auto kind = task->type == REDIS_REPLY_ERROR    ? reply_kind::error
                      : task->type == REDIS_REPLY_STATUS ? reply_kind::status
                                                         : reply_kind::text;
    return place(task, reply(kind, std::string(text, length)));
  } catch (const std::bad_alloc&) {
    of(task).exceeded = true;
    return nullptr;
  }

  static void* create_array(const redisReadTask* task, int count) noexcept try {
    auto& self = of(task);
    self.exceeded = self.exceeded || count < 0 || static_cast<std::size_t>(count) > self.limits.elements - self.elements;
    if (self.exceeded) return nullptr;
    self.elements += static_cast<std::size_t>(count);
    return place(task, reply(std::vector<reply>{}));
  } catch (const std::bad_alloc&) {
    of(task).exceeded = true;
    return nullptr;
  }

  static void* create_integer(const redisReadTask* task, long long value) noexcept try {
    return place(task, reply(static_cast<std::int64_t>(value)));
  } catch (const std::bad_alloc&) {
    of(task).exceeded = true;
    return nullptr;
  }

  static void* create_nil(const redisReadTask* task) noexcept try { return place(task, reply()); } catch (const std::bad_alloc&) {
    of(task).exceeded = true;
    return nullptr;
  }

  static void free_object(void* object) noexcept { delete static_cast<reply*>(object); }
};

reply_reader::reply_reader(reply_limits limits) : builder_(std::make_unique<builder>()) {
  static redisReplyObjectFunctions functions{builder::create_string, builder::create_array, builder::create_integer, builder::create_nil,
                                             builder::free_object};
  builder_->limits = limits;
  reader_ = redisReaderCreateWithFunctions(&functions);
  if (reader_ == nullptr) throw std::bad_alloc();
  reader_->privdata = builder_.get();
  reader_->maxbuf = 64 << 10;  // An empty buffer larger than this is given back.
}

reply_reader::~reply_reader() {
  redisReaderFree(reader_);
}

boost::system::error_code reply_reader::feed(std::string_view bytes) {
  if (failed_) return failed_;
  if (redisReaderFeed(reader_, bytes.data(), bytes.size()) != REDIS_OK) failed_ = errc::reply_too_large;
  return failed_;
}

result<std::optional<reply>> reply_reader::next() {
  if (failed_) return failed_;
  if (reader_->ridx < 0) builder_->start_reply();
  void* object = nullptr;
  if (redisReaderGetReply(reader_, &object) != REDIS_OK) {
    const bool depth = std::string_view(reader_->errstr).find("nested") != std::string_view::npos;
    failed_ = builder_->exceeded || depth ? errc::reply_too_large : errc::protocol_violation;
    return failed_;
  }
  if (object == nullptr) {
    failed_ = check_incomplete();
    if (failed_) return failed_;
    return std::optional<reply>{};
  }
  const std::unique_ptr<reply> owned(static_cast<reply*>(object));
  return std::optional<reply>(std::move(*owned));
}

/// The parser waits for the end of a line or of a bulk text, however far away it is announced: this is where we stop waiting.
boost::system::error_code reply_reader::check_incomplete() const {
  if (reader_->ridx < 0 || reader_->len <= reader_->pos) return {};
  const auto& task = reader_->rstack[reader_->ridx];
  if (task.type < 0) return {};
  const std::string_view rest(reader_->buf + reader_->pos, reader_->len - reader_->pos);
  if (task.type != REDIS_REPLY_STRING && task.type != REDIS_REPLY_ARRAY) {
    // The carriage return may be there before the line feed.
    return rest.size() > builder_->limits.line_bytes + 1 ? make_error_code(errc::reply_too_large) : boost::system::error_code{};
  }
  constexpr std::size_t longest_header = 24;  // A sign, 19 digits, the line's end.
  const auto end = rest.substr(0, longest_header).find("\r\n");
  if (end == std::string_view::npos) {
    return rest.size() > longest_header ? make_error_code(errc::protocol_violation) : boost::system::error_code{};
  }
  std::size_t announced = 0;
  std::from_chars(rest.data(), rest.data() + end, announced);
  const bool fits = announced <= builder_->limits.bytes - builder_->bytes;
  return fits ? boost::system::error_code{} : make_error_code(errc::reply_too_large);
}

}  // namespace careteam::redis

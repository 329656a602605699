#include "runtime/secret_text.hpp"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/system/errc.hpp>
#include <cerrno>
#include <utility>

namespace careteam::runtime {
namespace {

boost::system::error_code last_error() {
  return {errno, boost::system::system_category()};
}

/// A descriptor that is closed when it ends.
struct open_file {
  int fd;
  ~open_file() {
    if (fd >= 0) ::close(fd);
  }
};

}  // namespace

secret_text::secret_text(std::string text) noexcept : text_(std::move(text)) {}

// A moved-from short string keeps its characters in place, so the source is wiped, not just left.
secret_text::secret_text(secret_text&& other) noexcept : text_(std::move(other.text_)) {
  other.wipe();
}

secret_text& secret_text::operator=(secret_text&& other) noexcept {
  if (this == &other) return *this;
  wipe();
  text_ = std::move(other.text_);
  other.wipe();
  return *this;
}

secret_text::~secret_text() {
  wipe();
}

void secret_text::wipe() noexcept {
  text_.resize(text_.capacity());
  OPENSSL_cleanse(text_.data(), text_.size());
  text_.clear();
}

boost::system::result<secret_text> read_secret_file(const std::filesystem::path& path) {
  namespace errc = boost::system::errc;
  // O_NONBLOCK: a path that names a FIFO must not hang the start.
  const open_file file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0) return last_error();
  struct stat status {};
  if (::fstat(file.fd, &status) != 0) return last_error();
  if (!S_ISREG(status.st_mode)) return errc::make_error_code(errc::invalid_argument);
  if ((status.st_mode & S_IWOTH) != 0) return errc::make_error_code(errc::permission_denied);

  std::string text(max_secret_file_bytes + 1, '\0');
  std::size_t length = 0;
  while (length < text.size()) {
    const ssize_t got = ::read(file.fd, text.data() + length, text.size() - length);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return last_error();
    if (got == 0) break;
    length += static_cast<std::size_t>(got);
  }
  if (length > max_secret_file_bytes) return errc::make_error_code(errc::file_too_large);
  if (length > 0 && text[length - 1] == '\n') --length;
  if (length > 0 && text[length - 1] == '\r') --length;
  if (length == 0) return errc::make_error_code(errc::invalid_argument);
  // The copy that the caller gets has just the secret; the buffer is wiped with its owner.
  const secret_text buffer(std::move(text));
  return secret_text(buffer.reveal().substr(0, length));
}

}  // namespace careteam::runtime

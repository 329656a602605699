#include "notifier/curl_sender.hpp"

#include <boost/asio/post.hpp>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <unordered_map>
#include <vector>

namespace careteam::notifier {
namespace {

namespace asio = boost::asio;

constexpr std::size_t max_answer_bytes = 64 * 1024;
constexpr int idle_milliseconds = 10'000;  // Between two looks when nobody wakes the thread.

struct assignment {
  message what;
  sender::answer done;
};
struct finished {
  sender::answer done;
  attempt how;
};

std::size_t throw_away(char*, std::size_t size, std::size_t count, void* of) {
  auto& one = *static_cast<transfer*>(of);
  one.received += size * count;
  return one.received <= max_answer_bytes ? size * count : 0;
}

void start_libcurl() {
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (started != CURLE_OK) throw std::runtime_error("libcurl cannot be started");
}

}  // namespace

class curl_sender::worker {
 public:
  worker(asio::any_io_executor executor, channels ways, const curl_sender_options& options, std::shared_ptr<std::size_t> in_flight)
      : executor_(std::move(executor)),
        ways_(std::move(ways)),
        options_(options),
        ca_file_(options.ca_file.string()),
        in_flight_(std::move(in_flight)),
        multi_(curl_multi_init()) {
    if (multi_ == nullptr) throw std::runtime_error("libcurl cannot be started");
    curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, static_cast<long>(options_.in_flight));
    thread_ = std::thread([this] { run(); });
  }

  ~worker() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    curl_multi_wakeup(multi_);
    thread_.join();
    for (auto& [easy, ended] : running_) {
      curl_multi_remove_handle(multi_, easy);
      curl_easy_cleanup(easy);
    }
    for (auto* easy : spare_) curl_easy_cleanup(easy);
    curl_multi_cleanup(multi_);
  }

  void push(assignment one) {
    {
      const std::lock_guard lock(mutex_);
      waiting_.push_back(std::move(one));
    }
    curl_multi_wakeup(multi_);
  }

 private:
  struct job {
    transfer moving;
    const channel* way = nullptr;
    answer done;
  };

  void run() {
    while (take_new()) {
      int still_running = 0;
      curl_multi_perform(multi_, &still_running);
      collect();
      report();
      curl_multi_poll(multi_, nullptr, 0, idle_milliseconds, nullptr);
    }
  }

  /// False: it is time to end.
  bool take_new() {
    std::vector<assignment> fresh;
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return false;
      fresh.swap(waiting_);
    }
    for (auto& one : fresh) begin(std::move(one));
    return true;
  }

  void begin(assignment one) {
    const auto& way = one.what.to.system == v1::CONTACT_SYSTEM_EMAIL ? ways_.mail : ways_.gateway;
    if (!way) {
      finished_.push_back({std::move(one.done), {verdict::refused, std::nullopt}});
      return;
    }
    auto next = std::make_unique<job>();
    next->way = way.get();
    next->done = std::move(one.done);
    next->moving.easy = handle();
    set_usual(next->moving, one.what.timeout.value_or(options_.attempt_timeout));
    way->prepare(next->moving, one.what);
    curl_multi_add_handle(multi_, next->moving.easy);
    running_.emplace(next->moving.easy, std::move(next));
  }

  CURL* handle() {
    if (spare_.empty()) {
      CURL* fresh = curl_easy_init();
      if (fresh == nullptr) throw std::bad_alloc();
      return fresh;
    }
    CURL* used = spare_.back();
    spare_.pop_back();
    curl_easy_reset(used);
    return used;
  }

  void set_usual(transfer& one, std::chrono::milliseconds timeout) const {
    curl_easy_setopt(one.easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(one.easy, CURLOPT_PROXY, "");  // Where it goes is configured, not inherited from the environment.
    curl_easy_setopt(one.easy, CURLOPT_TIMEOUT_MS, static_cast<long>(timeout.count()));
    curl_easy_setopt(one.easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    if (!ca_file_.empty()) curl_easy_setopt(one.easy, CURLOPT_CAINFO, ca_file_.c_str());
    curl_easy_setopt(one.easy, CURLOPT_WRITEFUNCTION, &throw_away);
    curl_easy_setopt(one.easy, CURLOPT_WRITEDATA, &one);
  }

  void collect() {
    int left = 0;
    while (const CURLMsg* told = curl_multi_info_read(multi_, &left)) {
      if (told->msg != CURLMSG_DONE) continue;
      CURL* const easy = told->easy_handle;
      const CURLcode ended = told->data.result;  // Gone with the next call.
      long status = 0;
      curl_off_t retry_after = 0;
      curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
      curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &retry_after);
      curl_multi_remove_handle(multi_, easy);
      const auto ended_job = running_.extract(easy);
      auto& one = *ended_job.mapped();
      finished_.push_back({std::move(one.done), one.way->judge(ended, status, std::chrono::seconds(retry_after))});
      spare_.push_back(easy);
    }
  }

  /// One way back for all that ended since.
  void report() {
    if (finished_.empty()) return;
    asio::post(executor_, [all = std::exchange(finished_, {}), in_flight = in_flight_] {
      *in_flight -= all.size();
      for (const auto& one : all) one.done(one.how);
    });
  }

  asio::any_io_executor executor_;
  channels ways_;
  const curl_sender_options options_;
  const std::string ca_file_;
  std::shared_ptr<std::size_t> in_flight_;  ///< Only passed on: it belongs to the event loop.
  CURLM* multi_;
  std::unordered_map<CURL*, std::unique_ptr<job>> running_;
  std::vector<CURL*> spare_;
  std::vector<finished> finished_;

  std::mutex mutex_;
  std::vector<assignment> waiting_;
  bool stopping_ = false;
  std::thread thread_;
};

curl_sender::curl_sender(asio::any_io_executor executor, channels ways, curl_sender_options options)
    : options_(std::move(options)), in_flight_(std::make_shared<std::size_t>(0)) {
  start_libcurl();
  worker_ = std::make_unique<worker>(std::move(executor), std::move(ways), options_, in_flight_);
}

curl_sender::~curl_sender() = default;

void curl_sender::send(message what, answer done) {
  ++*in_flight_;
  worker_->push({std::move(what), std::move(done)});
}

}  // namespace careteam::notifier

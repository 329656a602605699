#include "support.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <filesystem>
#include <fstream>

namespace careteam::redis::test {
namespace asio = boost::asio;
using boost::system::error_code;

bool run_until(asio::io_context& loop, const std::function<bool()>& condition, std::chrono::milliseconds deadline) {
  const auto end = std::chrono::steady_clock::now() + deadline;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    loop.restart();
    if (loop.run_one_for(20ms) == 0 && loop.stopped()) {
      // Nothing is pending at all: only the condition itself can still change nothing.
      if (!condition()) return false;
    }
  }
  return true;
}

void run_for(asio::io_context& loop, std::chrono::milliseconds duration) {
  loop.restart();
  loop.run_for(duration);
}

temporary_directory::temporary_directory() {
  std::string pattern = (std::filesystem::temp_directory_path() / "careteam-redis-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp");
  path_ = pattern;
}

temporary_directory::~temporary_directory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string temporary_directory::write(const std::string& name, const std::string& content) const {
  const std::string path = path_ + "/" + name;
  std::ofstream(path, std::ios::binary) << content;
  return path;
}

void child_process::start(const std::vector<std::string>& arguments, int input, int output) {
  std::vector<char*> argv;
  for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("fork");
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
    ::dup2(input >= 0 ? input : null, 0);
    ::dup2(output >= 0 ? output : null, 1);
    ::execvp(argv[0], argv.data());
    ::_exit(127);
  }
  ::close(null);
}

void child_process::send_signal(int signal) const {
  if (pid_ > 0) ::kill(pid_, signal);
}

void child_process::kill_now() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

redis_server::redis_server(const temporary_directory& directory, std::vector<std::string> arguments)
    : directory_(directory.path()), socket_(directory.path() + "/redis.sock"), arguments_(std::move(arguments)) {}

void redis_server::start() {
  std::vector<std::string> arguments{"redis-server", "--port", "0",     "--unixsocket", socket_,       "--save", "",
                                     "--appendonly", "no",     "--dir", directory_,     "--daemonize", "no"};
  arguments.insert(arguments.end(), arguments_.begin(), arguments_.end());
  process_.start(arguments);
}

void redis_server::freeze() const {
  process_.send_signal(SIGSTOP);
}
void redis_server::thaw() const {
  process_.send_signal(SIGCONT);
}

client_options quick_options(address where) {
  client_options options;
  options.where = std::move(where);
  options.connect_timeout = 1000ms;
  options.response_timeout = 500ms;
  options.keepalive = 200ms;
  options.backoff_base = 5ms;
  options.backoff_cap = 50ms;
  return options;
}

presence_options quick_presence() {
  presence_options options;
  options.lease = 1200ms;
  options.refresh = 250ms;
  options.coalesce = 20ms;
  options.linger = 150ms;
  options.retry = 50ms;
  options.settle = 400ms;
  return options;
}

running_client::running_client(asio::io_context& loop, client_options options)
    : loop_(loop), client_(loop.get_executor(), std::move(options)) {
  asio::co_spawn(loop_, client_.run(), [this](std::exception_ptr failed) {
    ended_ = true;
    if (failed) ADD_FAILURE() << "run() threw";
  });
}

running_client::~running_client() {
  client_.stop();
  EXPECT_TRUE(run_until(loop_, [this] { return ended_; })) << "run() does not end";
}

outcomes running_client::execute_many(std::vector<command> commands) {
  std::optional<outcomes> got;
  client_.submit(std::move(commands), [&got](outcomes answers) { got = std::move(answers); });
  EXPECT_TRUE(run_until(loop_, [&got] { return got.has_value(); }));
  return got ? std::move(*got) : outcomes{};
}

result<reply> running_client::execute(command words) {
  std::vector<command> commands;
  commands.push_back(std::move(words));
  auto answers = execute_many(std::move(commands));
  return answers.empty() ? result<reply>(make_error_code(errc::response_timeout)) : std::move(answers.front());
}

gateway::gateway(asio::io_context& event_loop, client_options options, const secret_key& key, presence_options presence_settings,
                 fan_out_options fan_out_settings)
    : loop(event_loop), commands(loop.get_executor(), options), channels(loop.get_executor(), options, 100ms) {
  const auto sink = [this](severity, std::string_view line) { logged.emplace_back(line); };
  presence_settings.log = sink;
  fan_out_settings.log = sink;
  fan_out_settings.retry = 50ms;
  presence_observer watcher;
  watcher.changed = [this](const std::string& person, presence_state state) { changes.emplace_back(person, state); };
  watcher.all_unknown = [this] { ++all_unknown; };
  watcher.all_known = [this] { ++all_known; };
  people = std::make_unique<presence>(loop.get_executor(), commands, channels, presence_settings, watcher);
  fan_out_observer reader;
  reader.entries = [this](const std::string& record, std::uint64_t from, std::uint64_t to, std::string_view payload) {
    entries.push_back({record, from, to, std::string(payload)});
  };
  reader.missed = [this](const std::string& record, std::uint64_t at_least) { missed.emplace_back(record, at_least); };
  records = std::make_unique<fan_out>(loop.get_executor(), commands, channels, key, fan_out_settings, reader);
  const auto ended = [this](std::exception_ptr failed) {
    --running;
    if (failed) ADD_FAILURE() << "run() threw";
  };
  asio::co_spawn(loop, commands.run(), ended);
  asio::co_spawn(loop, channels.run(), ended);
  asio::co_spawn(loop, people->run(), ended);
}

gateway::~gateway() {
  people->stop();
  EXPECT_TRUE(run_until(loop, [this] { return running == 2; })) << "presence does not end";
  commands.stop();
  channels.stop();
  EXPECT_TRUE(run_until(loop, [this] { return running == 0; })) << "the connections do not end";
}

std::size_t gateway::count_missed(const std::string& record) const {
  return static_cast<std::size_t>(std::count_if(missed.begin(), missed.end(), [&](const auto& entry) { return entry.first == record; }));
}

std::size_t gateway::count_changes(const std::string& person, presence_state state) const {
  return static_cast<std::size_t>(std::count(changes.begin(), changes.end(), std::pair(person, state)));
}

struct peer_process::ear {
  explicit ear(asio::io_context& loop) : output(loop) {}
  asio::posix::stream_descriptor output;
  std::string buffer;
  std::vector<std::string> lines;
};

peer_process::peer_process(asio::io_context& loop, const unix_address& where, const std::string& key_file)
    : loop_(loop), input_(loop), ear_(std::make_shared<ear>(loop)) {
  int to_child[2];
  int from_child[2];
  if (::pipe2(to_child, O_CLOEXEC) != 0 || ::pipe2(from_child, O_CLOEXEC) != 0) throw std::runtime_error("pipe");
  process_.start({std::filesystem::read_symlink("/proc/self/exe").string(), "peer", where.path, key_file}, to_child[0], from_child[1]);
  ::close(to_child[0]);
  ::close(from_child[1]);
  input_.assign(to_child[1]);
  ear_->output.assign(from_child[0]);
  read(ear_);
}

peer_process::~peer_process() {
  ear_->output.close();
}

void peer_process::read(const std::shared_ptr<ear>& listening) {
  asio::async_read_until(listening->output, asio::dynamic_buffer(listening->buffer), '\n',
                         [listening](error_code error, std::size_t count) {
                           if (error) return;
                           listening->lines.push_back(listening->buffer.substr(0, count - 1));
                           listening->buffer.erase(0, count);
                           read(listening);
                         });
}

void peer_process::forget() {
  ear_->lines.clear();
}

void peer_process::tell(const std::string& line) {
  error_code failed;
  asio::write(input_, asio::buffer(line + "\n"), failed);
  EXPECT_FALSE(failed) << failed.message();
}

bool peer_process::wait_for(const std::string& line, std::chrono::milliseconds deadline) {
  const auto said = [&] {
    const auto found = std::find(ear_->lines.begin(), ear_->lines.end(), line);
    if (found == ear_->lines.end()) return false;
    ear_->lines.erase(found);
    return true;
  };
  return run_until(loop_, said, deadline);
}

struct lying_server::session : std::enable_shared_from_this<session> {
  session(asio::ip::tcp::socket s, lying_server& o) : socket(std::move(s)), owner(o) {}
  void read() {
    socket.async_read_some(asio::buffer(buffer), [self = shared_from_this()](error_code error, std::size_t count) {
      if (error) return;
      const std::string received(self->buffer.data(), count);
      const bool greeting = !std::exchange(self->greeted, true);
      self->write(greeting ? "+PONG\r\n" : self->owner.script_(received));
      self->read();
    });
  }
  void write(std::string bytes) {
    if (bytes.empty()) return;
    auto owned = std::make_shared<std::string>(std::move(bytes));
    asio::async_write(socket, asio::buffer(*owned), [self = shared_from_this(), owned](error_code, std::size_t) {});
  }
  asio::ip::tcp::socket socket;
  lying_server& owner;
  std::array<char, 65536> buffer{};
  bool greeted = false;
};

lying_server::lying_server(asio::io_context& loop, script answers)
    : loop_(loop), acceptor_(loop, {asio::ip::address_v4::loopback(), 0}), script_(std::move(answers)) {
  accept();
}

tcp_address lying_server::where() const {
  return {"127.0.0.1", acceptor_.local_endpoint().port()};
}

void lying_server::accept() {
  acceptor_.async_accept([this](error_code error, asio::ip::tcp::socket socket) {
    if (error) return;
    ++accepted_;
    const auto opened = std::make_shared<session>(std::move(socket), *this);
    sessions_.push_back(opened);
    opened->read();
    accept();
  });
}

void lying_server::push(const std::string& bytes) {
  for (const auto& weak : sessions_) {
    if (const auto opened = weak.lock()) opened->write(bytes);
  }
}

}  // namespace careteam::redis::test

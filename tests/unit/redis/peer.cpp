// The second process of the tests: a gateway driven by lines on standard input.
//   arrive P | left P | ask P | publish R from to text | subscribe R version | quit
// It says:
//   ready | known | unknown | person P STATE | state P STATE | confirmed? by "missed R" | entries R from to text
#include <unistd.h>

#include <boost/asio/read_until.hpp>
#include <iostream>
#include <sstream>

#include "support.hpp"

namespace careteam::redis::test {
namespace asio = boost::asio;

namespace {

const char* name_of(presence_state state) {
  switch (state) {
    case presence_state::unknown:
      return "unknown";
    case presence_state::offline:
      return "offline";
    case presence_state::online:
      return "online";
  }
  return "?";
}

void say(const std::string& line) {
  std::cout << line << std::endl;
}

/// What the gateway heard since the last look, as lines.
class reporter {
 public:
  explicit reporter(const gateway& watched) : gateway_(watched) {}
  void report() {
    for (; known_ < gateway_.all_known; ++known_) say("known");
    for (; unknown_ < gateway_.all_unknown; ++unknown_) say("unknown");
    for (; changes_ < gateway_.changes.size(); ++changes_) {
      say("person " + gateway_.changes[changes_].first + " " + name_of(gateway_.changes[changes_].second));
    }
    for (; missed_ < gateway_.missed.size(); ++missed_) say("missed " + gateway_.missed[missed_].first);
    for (; entries_ < gateway_.entries.size(); ++entries_) {
      const auto& heard = gateway_.entries[entries_];
      say("entries " + heard.record + " " + std::to_string(heard.from) + " " + std::to_string(heard.to) + " " + heard.payload);
    }
  }

 private:
  const gateway& gateway_;
  int known_ = 0;
  int unknown_ = 0;
  std::size_t changes_ = 0;
  std::size_t missed_ = 0;
  std::size_t entries_ = 0;
};

/// False: the end.
bool obey(gateway& self, const std::string& line) {
  std::istringstream words(line);
  std::string verb;
  std::string name;
  words >> verb >> name;
  if (verb == "arrive") self.people->arrived(name);
  if (verb == "left") self.people->left(name);
  if (verb == "ask") say("state " + name + " " + name_of(self.people->state(name)));
  if (verb == "subscribe") {
    std::uint64_t version = 0;
    words >> version;
    self.records->subscribe(name, version);
  }
  if (verb == "publish") {
    std::uint64_t from = 0;
    std::uint64_t to = 0;
    std::string text;
    words >> from >> to >> text;
    self.records->publish(name, from, to, text);
  }
  return verb != "quit";
}

}  // namespace

int run_peer(const std::string& socket, const std::string& key_file) {
  const auto key = read_cluster_key(key_file);
  if (!key) return 2;
  asio::io_context loop;
  gateway self(loop, quick_options(unix_address{socket}), *key);
  reporter said(self);
  asio::posix::stream_descriptor input(loop, ::dup(0));
  std::string buffer;
  bool stop = false;
  std::function<void()> read = [&] {
    asio::async_read_until(input, asio::dynamic_buffer(buffer), '\n', [&](boost::system::error_code error, std::size_t count) {
      if (error || !obey(self, buffer.substr(0, count - 1))) {
        stop = true;
        return;
      }
      buffer.erase(0, count);
      read();
    });
  };
  read();
  while (!stop) {
    loop.restart();
    loop.run_one_for(50ms);
    said.report();
  }
  input.close();
  return 0;
}

}  // namespace careteam::redis::test

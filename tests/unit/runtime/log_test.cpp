#include "runtime/log.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <limits>
#include <sstream>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "runtime/printable_text.hpp"
#include "runtime/time_text.hpp"

namespace careteam::runtime {
namespace {

using namespace std::chrono_literals;
using namespace std::string_view_literals;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

/// Looks like every generated message.
struct message_like {
  std::size_t ByteSizeLong() const { return 0; }
};

// Leaking does not compile.
static_assert(std::is_constructible_v<log_field, log_name, std::string>);
static_assert(std::is_constructible_v<log_field, log_name, int>);
static_assert(std::is_constructible_v<log_field, log_name, std::chrono::seconds>);
static_assert(!std::is_constructible_v<log_field, log_name, phi_text>);
static_assert(!std::is_constructible_v<log_field, log_name, const phi_text&>);
static_assert(!std::is_constructible_v<log_field, log_name, secret_text>);
static_assert(!std::is_constructible_v<log_field, log_name, message_like>);
static_assert(!std::is_constructible_v<log_field, log_name, const phi_text*>);
static_assert(!std::is_constructible_v<log_field, log_name, double>);
static_assert(!std::is_constructible_v<log_name, std::string>);
static_assert(!std::is_constructible_v<log_name, const char*>);
static_assert(!std::is_convertible_v<phi_text, std::string>);
static_assert(!std::is_convertible_v<phi_text, std::string_view>);
static_assert(!std::is_convertible_v<std::string, phi_text>);
static_assert(!std::is_constructible_v<std::string, phi_text>);
static_assert(!std::is_convertible_v<secret_text, std::string>);
static_assert(!std::is_copy_constructible_v<secret_text>);
template <class T>
concept streamable = requires(std::ostream& to, const T& value) {
  to << value;
};
static_assert(streamable<std::string>);
static_assert(!streamable<phi_text>);
static_assert(!streamable<secret_text>);
template <class T>
concept revealed_when_temporary = requires {
  T("x").reveal();
};
static_assert(!revealed_when_temporary<phi_text>);
// Names.
static_assert(is_log_name("listening") && is_log_name("a1_b"));
static_assert(!is_log_name("") && !is_log_name("Listening") && !is_log_name("two words") && !is_log_name("1st") && !is_log_name("_a"));
static_assert(!is_log_name("time") && !is_log_name("level") && !is_log_name("event"));

/// Catches what is logged while it lives.
class captured_log : public ::testing::Test {
 protected:
  captured_log() : file_(std::tmpfile()), descriptor_(::fileno(file_)) {
    // As a shell's 2>> opens it: writes of several threads go to the end, whole.
    EXPECT_EQ(::fcntl(descriptor_, F_SETFL, O_APPEND), 0);
    set_log_descriptor(descriptor_);
  }
  ~captured_log() override {
    set_log_descriptor(STDERR_FILENO);
    set_log_level(log_level::info);
    std::fclose(file_);
  }
  std::string text() const {
    std::string all(static_cast<std::size_t>(::lseek(descriptor_, 0, SEEK_END)), '\0');
    EXPECT_EQ(::pread(descriptor_, all.data(), all.size(), 0), static_cast<ssize_t>(all.size()));
    return all;
  }

 private:
  std::FILE* file_;
  int descriptor_;
};

TEST_F(captured_log, a_line_has_time_level_event_and_typed_fields_in_order) {
  const std::string id = "rosa";
  log_info("session_opened", {{"person", id},
                              {"port", std::uint16_t{8080}},
                              {"change", -5},
                              {"most", std::numeric_limits<std::uint64_t>::max()},
                              {"resumed", true},
                              {"took", 1500us},
                              {"by", "name"}});
  EXPECT_THAT(text(), MatchesRegex(R"(\{"time":"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z","level":"info",)"
                                   R"("event":"session_opened","person":"rosa","port":8080,"change":-5,"most":18446744073709551615,)"
                                   R"("resumed":true,"took_ms":1\.500,"by":"name"\})"
                                   "\n"));
}

TEST_F(captured_log, levels_are_kept) {
  set_log_level(log_level::warning);
  EXPECT_EQ(current_log_level(), log_level::warning);
  log_debug("one");
  log_info("two");
  log_warning("three");
  log_error("four");
  EXPECT_THAT(text(), Not(HasSubstr("one")));
  EXPECT_THAT(text(), Not(HasSubstr("two")));
  EXPECT_THAT(text(), HasSubstr(R"("level":"warning","event":"three")"));
  EXPECT_THAT(text(), HasSubstr(R"("level":"error","event":"four")"));
}

TEST_F(captured_log, attack_39_values_cannot_break_out_of_their_line) {
  log_info("odd", {{"value", "a\r\nb\x1B[31m\"\\\0\x7F\xC2\x9B\xFF\xE2\x80\xAE\xE2\x80\xA8 z"sv}});
  const std::string line = text();
  EXPECT_THAT(line, HasSubstr(R"("value":"a\r\nb\u001b[31m\"\\\u0000)"));
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
  for (const char* bad : {"\r", "\x1B", "\x7F", "\xC2\x9B", "\xFF", "\xE2\x80\xAE", "\xE2\x80\xA8"}) EXPECT_THAT(line, Not(HasSubstr(bad)));
}

TEST_F(captured_log, long_values_and_too_many_fields_are_cut) {
  log_info("long", {{"value", std::string(100'000, 'x')}});
  EXPECT_LT(text().size(), max_log_value_bytes + 200);
  EXPECT_THAT(text(), EndsWith("\xE2\x80\xA6\"}\n"));
  log_info("many", {{"f1", 1},  {"f2", 1},  {"f3", 1},  {"f4", 1},  {"f5", 1},  {"f6", 1},  {"f7", 1},  {"f8", 1},  {"f9", 1},
                    {"f10", 1}, {"f11", 1}, {"f12", 1}, {"f13", 1}, {"f14", 1}, {"f15", 1}, {"f16", 1}, {"f17", 1}, {"f18", 1},
                    {"f19", 1}, {"f20", 1}, {"f21", 1}, {"f22", 1}, {"f23", 1}, {"f24", 1}, {"f25", 1}});
  EXPECT_THAT(text(), HasSubstr("\"f24\":1}"));
  EXPECT_THAT(text(), Not(HasSubstr("f25")));
}

TEST_F(captured_log, durations_and_error_codes_are_readable) {
  log_info("odd", {{"back", -1500us}, {"none", 0s}, {"long", 24h}, {"least", std::chrono::microseconds::min()}});
  EXPECT_THAT(text(), HasSubstr(R"("back_ms":-1.500,"none_ms":0.000,"long_ms":86400000.000,"least_ms":-9223372036854775.808)"));
  log_error("failed", {{"reason", boost::system::error_code(ECONNREFUSED, boost::system::system_category())}});
  EXPECT_THAT(text(), HasSubstr(R"("reason":"system:111 Connection refused")"));
  log_error("failed", {{"reason", std::make_error_code(std::errc::io_error)}});
  EXPECT_THAT(text(), HasSubstr(R"("reason":"generic:5 )"));
}

TEST_F(captured_log, lines_of_threads_do_not_mix) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([] {
      for (int line = 0; line < 250; ++line) log_info("busy", {{"value", std::string(200, 'x')}});
    });
  }
  for (auto& thread : threads) thread.join();
  std::istringstream lines(text());
  std::string line;
  int count = 0;
  for (; std::getline(lines, line); ++count) {
    EXPECT_TRUE(line.starts_with("{\"time\":\"") && line.ends_with("x\"}")) << line;
  }
  EXPECT_EQ(count, 1000);
}

TEST(log, what_cannot_be_written_is_counted_and_nothing_else) {
  const std::uint64_t before = lost_log_lines();
  set_log_descriptor(-1);
  log_info("lost");
  set_log_descriptor(STDERR_FILENO);
  EXPECT_EQ(lost_log_lines(), before + 1);
}

TEST(time_text, is_rfc3339_in_utc) {
  using std::chrono::system_clock;
  const auto at = [](std::chrono::milliseconds since_epoch) { return rfc3339(system_clock::time_point(since_epoch)); };
  EXPECT_EQ(at(0ms), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(at(1'772'348'400'042ms), "2026-03-01T07:00:00.042Z");
  EXPECT_EQ(at(951'782'399'999ms), "2000-02-28T23:59:59.999Z");
  EXPECT_EQ(at(951'782'400'000ms), "2000-02-29T00:00:00.000Z");
  EXPECT_EQ(at(-1ms), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(rfc3339(system_clock::time_point(-1ns)), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(rfc3339(system_clock::time_point::max()), "2262-04-11T23:47:16.854Z");
  EXPECT_EQ(rfc3339(system_clock::time_point::min()), "1677-09-21T00:12:43.145Z");
}

TEST(printable_text, passes_text_and_replaces_what_viewers_obey) {
  EXPECT_EQ(printable("Grüße, 患者 🙂", 100), "Grüße, 患者 🙂");
  const std::string hidden = "\xEF\xBF\xBD";
  // C1, DEL, line separator, right-to-left override, isolate, zero-width no-break space.
  for (const char* obeyed : {"\xC2\x85", "\x7F", "\xE2\x80\xA8", "\xE2\x80\xAE", "\xE2\x81\xA6", "\xEF\xBB\xBF"}) {
    EXPECT_EQ(printable(obeyed, 100), hidden) << obeyed;
  }
  // Not UTF-8: a lone continuation, overlong, surrogate, beyond U+10FFFF, cut short.
  EXPECT_EQ(printable("\x80", 100), hidden);
  EXPECT_EQ(printable("\xC0\xAF", 100), hidden + hidden);
  EXPECT_EQ(printable("\xE0\x80\xAF", 100), hidden + hidden + hidden);
  EXPECT_EQ(printable("\xED\xA0\x80", 100), hidden + hidden + hidden);
  EXPECT_EQ(printable("\xF4\x90\x80\x80", 100), hidden + hidden + hidden + hidden);
  EXPECT_EQ(printable("a\xE2\x82", 100), "a" + hidden + hidden);
}

TEST(printable_text, cuts_at_a_character_within_the_limit) {
  EXPECT_EQ(printable("12345678", 8), "12345678");
  EXPECT_EQ(printable("123456789", 8), "12345\xE2\x80\xA6");
  EXPECT_EQ(printable("1234\xC3\xA9xyz", 8), "1234\xE2\x80\xA6");
  for (std::size_t size = 8; size < 40; ++size) EXPECT_LE(printable("患者患者患者患者患者患者患者患者", size).size(), size);
}

}  // namespace
}  // namespace careteam::runtime

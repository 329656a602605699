// Input that is wrong, hostile or large.
#include <random>

#include "admin/fhir_time.hpp"
#include "fhir_files.hpp"

namespace careteam::admin::test {
namespace {

using input = fhir_files;

struct time_case {
  const char* text;
  long long first, after;
};
class good_times : public testing::TestWithParam<time_case> {};
TEST_P(good_times, stand_for_an_interval_in_utc) {
  const auto read = parse_fhir_time(GetParam().text);
  ASSERT_TRUE(read) << GetParam().text;
  EXPECT_EQ(read->first.seconds(), GetParam().first) << GetParam().text;
  EXPECT_EQ(read->after.seconds(), GetParam().after) << GetParam().text;
}
INSTANTIATE_TEST_SUITE_P(fhir, good_times,
                         testing::Values(time_case{"2015", 1420070400, 1451606400}, time_case{"2015-02", 1422748800, 1425168000},
                                         time_case{"2015-12", 1448928000, 1451606400}, time_case{"2016-02-29", 1456704000, 1456790400},
                                         time_case{"2015-02-07T13:28:17.239+02:00", 1423308497, 1423308497},
                                         time_case{"2015-02-07T13:28:17-05:30", 1423335497, 1423335497},
                                         time_case{"2016-12-31T23:59:60Z", 1483228800, 1483228800},
                                         time_case{"1900", -2208988800, -2177452800}, time_case{"1969-12-31T23:59:59.5Z", -1, -1}));

TEST(fhir_times, keep_their_fraction) {
  EXPECT_EQ(parse_fhir_time("2015-02-07T13:28:17.239+02:00")->first.nanos(), 239'000'000);
  EXPECT_EQ(parse_fhir_time("2015-02-07T13:28:17.1234567891Z")->first.nanos(), 123'456'789);
}

TEST(fhir_times, that_are_not_exactly_fhir_are_refused) {
  for (const auto* text : {"",
                           "15",
                           "20150207",
                           "2015-2",
                           "2015-13",
                           "2015-00",
                           "2015-02-29",
                           "2015-02-30",
                           "2015-04-31",
                           "2015-02-07T",
                           "2015-02-07T13",
                           "2015-02-07T13:28Z",
                           "2015-02-07T13:28:17",
                           "2015-02-07T24:00:00Z",
                           "2015-02-07T13:60:17Z",
                           "2015-02-07T13:28:61Z",
                           "2015-02-07T13:28:17.Z",
                           "2015-02-07 13:28:17Z",
                           "2015-02-07T13:28:17z",
                           "2015-02-07T13:28:17+15:00",
                           "2015-02-07T13:28:17+14:01",
                           "2015-02-07T13:28:17+2:00",
                           "2015-02-07T13:28:17Zx",
                           " 2015",
                           "2015 ",
                           "1899",
                           "2201",
                           "-2015",
                           "+2015",
                           "2015-02-07T13:28:17.123456789012345678901Z",
                           "today"}) {
    EXPECT_FALSE(parse_fhir_time(text)) << text;
  }
}

struct bad_case {
  const char* name;
  std::string text;
  std::string path;
  std::string part;
};
void PrintTo(const bad_case& one, std::ostream* out) {
  *out << one.name;
}
class structural_errors : public fhir_files, public testing::WithParamInterface<bad_case> {};
TEST_P(structural_errors, fail_the_unit_as_a_whole_and_name_the_place) {
  const auto read = json(GetParam().text);
  EXPECT_TRUE(read.units.empty());
  ASSERT_EQ(read.failures.size(), 1u);
  EXPECT_EQ(read.failures[0].where, "unit.json");
  EXPECT_EQ(read.failures[0].path, GetParam().path);
  EXPECT_NE(read.failures[0].message.find(GetParam().part), std::string::npos) << read.failures[0].message;
  EXPECT_TRUE(read.failures[0].failed_unit);
  EXPECT_EQ(read.tally.failed_units, 1u);
  EXPECT_EQ(read.tally.units, 0u);
  EXPECT_TRUE(read.tally.used.empty());
}
std::string in_bundle(const std::string& entries, const std::string& type = "collection") {
  return R"({"resourceType":"Bundle","type":")" + type + R"(","entry":)" + entries + "}";
}
INSTANTIATE_TEST_SUITE_P(
    fhir, structural_errors,
    testing::Values(
        bad_case{"empty file", "", "", "not JSON"}, bad_case{"no JSON", "<Patient/>", "", "not JSON"},
        bad_case{"two values", "{} {}", "", "NDJSON"}, bad_case{"invalid UTF-8", "{\"resourceType\":\"Pa\xff\"}", "", "not JSON"},
        bad_case{"too deep", std::string(101, '[') + std::string(101, ']'), "", "100 levels"}, bad_case{"array", "[]", "", "object"},
        bad_case{"number", "17", "", "object"}, bad_case{"no type", R"({"id":"x"})", "", "resourceType"},
        bad_case{"type is no name", R"({"resourceType":"Pa tient","id":"x"})", "", "resourceType"},
        bad_case{"no id", R"({"resourceType":"Patient"})", "", "no id"},
        bad_case{"id too long", R"({"resourceType":"Patient","id":")" + std::string(65, 'x') + R"("})", "id", "FHIR id"},
        bad_case{"id with slash", R"({"resourceType":"Patient","id":"a/b"})", "id", "FHIR id"},
        bad_case{"id is a number", R"({"resourceType":"Patient","id":7})", "id", "string"},
        bad_case{"name is no array", R"({"resourceType":"Patient","id":"x","name":{}})", "Patient/x.name", "array"},
        bad_case{"given is no string", R"({"resourceType":"Patient","id":"x","name":[{"given":[7]}]})", "Patient/x.name[0].given[0]",
                 "string"},
        bad_case{"null field", R"({"resourceType":"Patient","id":"x","name":null})", "Patient/x.name", "null"},
        bad_case{"empty string", R"({"resourceType":"Patient","id":"x","name":[{"text":""}]})", "Patient/x.name[0].text", "empty"},
        bad_case{"control character", R"({"resourceType":"Patient","id":"x","name":[{"text":"a\u0000b"}]})", "Patient/x.name[0].text",
                 "control"},
        bad_case{"active is a string", R"({"resourceType":"Patient","id":"x","active":"true"})", "Patient/x.active", "true or false"},
        bad_case{"deceased on no day", R"({"resourceType":"Patient","id":"x","name":[{"text":"N"}],"deceasedDateTime":"2015-02-30"})",
                 "Patient/x.deceasedDateTime", "date"},
        bad_case{"modifier", R"({"resourceType":"Patient","id":"x","name":[{"text":"N"}],"modifierExtension":[{}]})",
                 "Patient/x.modifierExtension", "meaning"},
        bad_case{"implicit rules", R"({"resourceType":"Patient","id":"x","name":[{"text":"N"}],"implicitRules":"http://x"})",
                 "Patient/x.implicitRules", "meaning"},
        bad_case{"team without subject", R"({"resourceType":"CareTeam","id":"t"})", "CareTeam/t.subject", "missing"},
        bad_case{"team of a group", R"({"resourceType":"CareTeam","id":"t","subject":{"reference":"Group/g"}})", "CareTeam/t.subject",
                 "Patient"},
        bad_case{"team of a stranger", R"({"resourceType":"CareTeam","id":"t","subject":{"display":"Rosa"}})", "CareTeam/t.subject",
                 "display only"},
        bad_case{"team with an unknown status", R"({"resourceType":"CareTeam","id":"t","status":"on","subject":{"reference":"Patient/p"}})",
                 "CareTeam/t.status", "status"},
        bad_case{"team that ends before it starts",
                 R"({"resourceType":"CareTeam","id":"t","subject":{"reference":"Patient/p"},"period":{"start":"2025","end":"2024"}})",
                 "CareTeam/t.period", "before"},
        bad_case{"participants are no array",
                 R"({"resourceType":"CareTeam","id":"t","subject":{"reference":"Patient/p"},"participant":{}})", "CareTeam/t.participant",
                 "array"},
        bad_case{
            "participant with a bad date",
            R"({"resourceType":"CareTeam","id":"t","subject":{"reference":"Patient/p"},"participant":[{"member":{"reference":"Practitioner/x","display":"X"},"period":{"start":"1.2.2025"}}]})",
            "CareTeam/t.participant[0].period.start", "date"},
        bad_case{"message without subject", R"({"resourceType":"Communication","id":"m","status":"completed"})", "Communication/m.subject",
                 "missing"},
        bad_case{"message without status", R"({"resourceType":"Communication","id":"m","subject":{"reference":"Patient/p"}})",
                 "Communication/m.status", "missing"},
        bad_case{"message with an unknown priority",
                 R"({"resourceType":"Communication","id":"m","status":"completed","subject":{"reference":"Patient/p"},"priority":"now"})",
                 "Communication/m.priority", "priority"},
        bad_case{"message sent at no time",
                 R"({"resourceType":"Communication","id":"m","status":"completed","subject":{"reference":"Patient/p"},"sent":"yesterday"})",
                 "Communication/m.sent", "date"},
        bad_case{"bundle of messages", in_bundle("[]", "message"), "type", "collection"},
        bad_case{"entries are no array", in_bundle("{}"), "entry", "array"},
        bad_case{"bundle without type", R"({"resourceType":"Bundle"})", "type", "collection"},
        bad_case{"two with one id",
                 in_bundle(R"([{"resource":{"resourceType":"Patient","id":"x"}},{"resource":{"resourceType":"Patient","id":"x"}}])"),
                 "entry[1].resource", "collide"},
        bad_case{
            "two with one chosen id",
            in_bundle(
                R"([{"resource":{"resourceType":"Patient","id":"x","name":[{"text":"N"}],"identifier":[{"system":"urn:careteam:person-id","value":"rao"}]}},{"resource":{"resourceType":"Practitioner","id":"y","name":[{"text":"N"}],"identifier":[{"system":"urn:careteam:person-id","value":"rao"}]}}])"),
            "Practitioner/y", "somebody else"},
        bad_case{
            "one bad among many",
            in_bundle(
                R"([{"resource":{"resourceType":"Patient","id":"x","name":[{"text":"N"}]}},{"resource":{"resourceType":"Patient","id":"y","name":7}}])"),
            "Patient/y.name", "array"}));

TEST_F(input, a_file_that_is_not_there_or_is_a_folder_is_an_error_code) {
  EXPECT_EQ(fhir_reader::open(folder_ / "none.json", import_options{present}).error(), boost::system::errc::no_such_file_or_directory);
  EXPECT_EQ(fhir_reader::open(folder_, import_options{present}).error(), boost::system::errc::is_a_directory);
}

TEST_F(input, the_end_of_a_file_stays_the_end) {
  auto reader = fhir_reader::open(write("x.json", "nothing"), import_options{present});
  ASSERT_TRUE(reader);
  EXPECT_TRUE(reader->next().has_value());
  EXPECT_FALSE(reader->next().has_value());
  EXPECT_FALSE(reader->next().has_value());
}

TEST_F(input, depth_100_is_read_and_a_byte_order_mark_is_passed_over) {
  const std::string deep = "\xEF\xBB\xBF{\"resourceType\":\"Basic\",\"x\":" + std::string(99, '[') + std::string(99, ']') + "}";
  const auto read = json(deep);
  EXPECT_EQ(read.units.size(), 1u) << read.problems();
  EXPECT_EQ(lines(deep + "\n").units.size(), 1u);
}

TEST_F(input, a_bad_line_is_named_and_the_next_ones_are_read) {
  const std::string good = R"({"resourceType":"Patient","id":"x","name":[{"text":"N"}]})";
  const auto read = lines(good + "\n\n{bad}\r\n" + R"({"resourceType":"CareTeam","id":"t"})" + "\n  \r\n" + good);
  ASSERT_EQ(read.units.size(), 2u);
  EXPECT_EQ(read.units[0].where, "unit.ndjson:1");
  EXPECT_EQ(read.units[1].where, "unit.ndjson:6");
  ASSERT_EQ(read.failures.size(), 2u);
  EXPECT_EQ(read.failures[0].where, "unit.ndjson:3");
  EXPECT_EQ(read.failures[1].where, "unit.ndjson:4");
}

TEST_F(input, a_line_that_is_too_long_is_named_and_the_next_one_is_read) {
  const std::string good = R"({"resourceType":"Patient","id":"x","name":[{"text":"N"}]})";
  const auto exact = good + std::string(max_ndjson_line_bytes - good.size(), ' ');
  const auto read = lines(exact + "\n" + exact + " \n" + good + "\n" + std::string(2 * max_ndjson_line_bytes, 'x'));
  ASSERT_EQ(read.units.size(), 2u);
  EXPECT_EQ(read.units[1].where, "unit.ndjson:3");
  ASSERT_EQ(read.failures.size(), 2u);
  EXPECT_EQ(read.failures[0].where, "unit.ndjson:2");
  EXPECT_NE(read.failures[0].message.find("16 MiB"), std::string::npos);
  EXPECT_EQ(read.failures[1].where, "unit.ndjson:4");
}

TEST_F(input, a_document_beyond_the_limit_is_refused) {
  const std::string text = R"({"resourceType":"Basic","id":"b","x":")" + std::string((2u << 20) - 38, 'x') + "\"}";
  for (const bool too_large : {false, true}) {
    const auto path = write("big.json", too_large ? text + " " : text);
    auto reader = fhir_reader::open(path, {present, std::filesystem::file_size(path) - (too_large ? 1 : 0)});
    ASSERT_TRUE(reader);
    auto unit = reader->next();
    ASSERT_TRUE(unit.has_value());
    ASSERT_EQ(unit->has_value(), !too_large);
    if (too_large) {
      EXPECT_NE(unit->error().message.find("larger than 2 MiB"), std::string::npos) << unit->error().message;
    }
  }
}

TEST_F(input, lines_refer_to_people_of_earlier_lines_by_their_ids) {
  const auto read = lines(
      R"({"resourceType":"Practitioner","id":"a","name":[{"text":"A"}]})"
      "\n"
      R"({"resourceType":"Practitioner","id":"b","identifier":[{"system":"urn:careteam:person-id","value":"rao"}],"name":[{"text":"B"}]})"
      "\n"
      R"({"resourceType":"CareTeam","id":"t","subject":{"reference":"Patient/p"},"participant":[)"
      R"({"member":{"reference":"Practitioner/a"},"role":[{"coding":[{"system":"urn:careteam:role","code":"surgeon"}]}]},)"
      R"({"member":{"reference":"Practitioner/b"},"role":[{"coding":[{"system":"urn:careteam:role","code":"surgeon"}]}]}]})"
      "\n");
  EXPECT_TRUE(read.has("CareTeam/t#member/s.a/ROLE_SURGEON/open")) << read.problems();
  EXPECT_TRUE(read.has("CareTeam/t#member/rao/ROLE_SURGEON/open"));
  EXPECT_EQ(read.units[2].steps.size(), 2u);  // They are enrolled already, and so is the patient.
}

long resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  long size = 0, resident = 0;
  statm >> size >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

TEST_F(input, a_hundred_thousand_lines_are_read_in_bounded_memory) {
  constexpr int count = 100'000;
  const auto path = write("many.ndjson", "");
  {
    std::ofstream out(path, std::ios::binary);
    for (int i = 0; i < count; ++i) {
      out << R"({"resourceType":"Communication","id":"m)" << i << R"(","status":"completed","subject":{"reference":"Patient/p)" << i % 1000
          << R"("},"sent":"2025-01-01T00:00:00Z","sender":{"reference":"Practitioner/x"},"payload":[{"contentString":")"
          << std::string(400, 'x') << R"("}],"key)" << std::string(static_cast<std::size_t>(i % 7), 'k') << R"(":1})" << '\n';
    }
  }
  auto reader = fhir_reader::open(path, import_options{present});
  ASSERT_TRUE(reader);
  for (int i = 0; i < 1'000; ++i) ASSERT_TRUE(reader->next().has_value());
  const auto before = resident_bytes();
  int units = 1'000;
  while (auto unit = reader->next()) units += unit->has_value() ? 1 : 0;
  const auto grown = resident_bytes() - before;
  EXPECT_EQ(units, count);
  EXPECT_EQ(reader->tally().steps, static_cast<std::uint64_t>(count));
#if defined(__SANITIZE_ADDRESS__)
  constexpr long allowed = 400l << 20;  // The sanitizer keeps freed memory back: 256 MiB.
#else
  constexpr long allowed = 8l << 20;  // The file has 60 MB.
#endif
  EXPECT_LT(grown, allowed);
}

TEST_F(input, the_tally_is_bounded_whatever_the_file_has) {
  std::string text;
  for (std::size_t i = 0; i < max_tally_problems + 10; ++i) {
    std::string name;
    for (auto n = i; n != 0; n /= 26) name += static_cast<char>('a' + n % 26);
    text += R"({"resourceType":"X)" + name + R"(","id":"x"})" + "\n{}\n";
  }
  const auto read = lines(text);
  EXPECT_EQ(read.tally.problems.size(), max_tally_problems);
  EXPECT_EQ(read.tally.problems_left_out, 10u);
  EXPECT_LE(read.tally.unused_types.size(), max_tally_names + 1);
  EXPECT_EQ(read.tally.failed_units, max_tally_problems + 10);
}

const std::string small_bundle = R"({"resourceType":"Bundle","type":"collection","entry":[
{"fullUrl":"http://x/Patient/p","resource":{"resourceType":"Patient","id":"p","name":[{"text":"P"}]}},
{"fullUrl":"http://x/Practitioner/d","resource":{"resourceType":"Practitioner","id":"d","name":[{"given":["D"]}],"telecom":[{"system":"phone","value":"1"}]}},
{"fullUrl":"http://x/CareTeam/t","resource":{"resourceType":"CareTeam","id":"t","status":"active","subject":{"reference":"Patient/p"},"participant":[
{"member":{"reference":"Practitioner/d"},"role":[{"coding":[{"system":"urn:careteam:role","code":"surgeon"}]}],"period":{"start":"2025-01-01","end":"2030"}}]}},
{"fullUrl":"http://x/Communication/m","resource":{"resourceType":"Communication","id":"m","status":"completed","subject":{"reference":"Patient/p"},
"sender":{"reference":"Practitioner/d"},"sent":"2025-01-01T00:00:00Z","payload":[{"contentString":"h\u00e9llo"}]}}]})";

TEST_F(input, a_bundle_cut_anywhere_is_refused) {
  ASSERT_EQ(json(small_bundle).units.size(), 1u);
  for (std::size_t length = 0; length < small_bundle.size(); ++length) {
    const auto read = json(small_bundle.substr(0, length));
    ASSERT_EQ(read.failures.size(), 1u) << length;
    ASSERT_TRUE(read.units.empty()) << length;
  }
}

TEST_F(input, flipped_bytes_give_one_answer_or_the_other_and_valid_commands) {
  constexpr unsigned seed = 20'260'101;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  int imported = 0;
  for (int round = 0; round < 2'000; ++round) {
    auto text = small_bundle;
    for (auto flips = random() % 3 + 1; flips != 0; --flips) text[random() % text.size()] = static_cast<char>(random());
    const auto read = json(text);
    ASSERT_EQ(read.units.size() + read.failures.size(), 1u);
    imported += static_cast<int>(read.units.size());
    for (const auto& step : read.steps()) {
      std::string bytes;
      ASSERT_TRUE(step.command.SerializeToString(&bytes));  // Also checks that every string is UTF-8.
      ASSERT_FALSE(step.identity.empty());
      ASSERT_NE(step.command.action_case(), v1::Command::ACTION_NOT_SET);
    }
  }
  EXPECT_GT(imported, 0);
  EXPECT_LT(imported, 2'000);
}

}  // namespace
}  // namespace careteam::admin::test

// A file for `careteam import`, from its bytes to the steps.
//
//   input: u8 form · a JSON document, or NDJSON
//
// Every line gives one answer or the other; steps are whole commands under the contract; no problem repeats what the file says.
#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "admin/fhir_import.hpp"
#include "admin/fhir_time.hpp"
#include "care/wellformed.hpp"
#include "fuzz.hpp"

namespace careteam::fuzz {
namespace {

/// Marks texts of the seeds that are free text about people: they may be in steps, and never in problems.
constexpr std::string_view secret = "Zq7xw";

/// A folder of this process, gone with it. The reader takes files; in memory where there is such a folder.
class scratch {
 public:
  scratch() {
    std::string name = (std::filesystem::exists("/dev/shm") ? std::filesystem::path("/dev/shm") : std::filesystem::temp_directory_path()) /
                       "careteam-fuzz-XXXXXX";
    require(mkdtemp(name.data()) != nullptr, "there is a temporary folder");
    folder_ = name;
  }
  ~scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  std::filesystem::path write(const char* name, std::string_view bytes) const {
    auto path = folder_ / name;
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    require(file >= 0 && ::write(file, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()), "the file can be written");
    ::close(file);
    return path;
  }

 private:
  std::filesystem::path folder_;
};

void check(const admin::import_unit& unit) {
  for (const auto& step : unit.steps) {
    require(step.command.action_case() != v1::Command::ACTION_NOT_SET, "a step is a command");
    require(!step.identity.empty() && !step.source.empty(), "a step says where it comes from");
    require(!care::first_unknown(step.command), "a step is closed under the contract");
    v1::Command again;
    require(again.ParseFromString(step.command.SerializeAsString()), "a step's texts are UTF-8");
    require(step.command.patient_id().empty() || care::is_fhir_id(step.command.patient_id()), "a record's id is one");
    require(step.author.person_id().empty() || care::is_fhir_id(step.author.person_id()), "an author's id is one");
  }
}

void check(const admin::import_tally& tally) {
  require(tally.problems.size() <= admin::max_tally_problems, "the problems are bounded");
  for (const auto& problem : tally.problems) {
    require(problem.message.find(secret) == std::string::npos, "a problem repeats no text");
    require(!problem.message.empty(), "a problem says what it is");
  }
}

}  // namespace
}  // namespace careteam::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace careteam;
  static const fuzz::scratch folder;
  fuzz::byte_source input(fuzz::text_of(bytes, size));
  const bool lines = input.byte() % 2 == 1;
  const admin::import_options options{std::chrono::sys_seconds(std::chrono::seconds(1'767'225'600)), 1 << 20};
  auto reader = admin::fhir_reader::open(folder.write(lines ? "unit.ndjson" : "unit.json", input.rest()), options);
  fuzz::require(reader.has_value(), "the file opens");
  std::size_t units = 0, failures = 0;
  while (auto unit = reader->next()) {
    ++(*unit ? units : failures);
    if (*unit) fuzz::check(**unit);
  }
  const auto& tally = reader->tally();
  fuzz::require(tally.units == units && tally.failed_units == failures, "every unit is counted once");
  fuzz::require(lines || units + failures == 1, "a document gives one answer");
  fuzz::check(tally);
  return 0;
}

// Feeds the files of a corpus to a target, one after the other: the regression test that needs no fuzzer.
//
//   fuzz_TARGET FILE_OR_FOLDER...
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <vector>

#include "fuzz.hpp"

int main(int count, char** arguments) {
  namespace fs = std::filesystem;
  std::vector<fs::path> files;
  for (int i = 1; i < count; ++i) {
    const fs::path given(arguments[i]);
    if (!fs::is_directory(given)) {
      files.push_back(given);
      continue;
    }
    for (const auto& one : fs::directory_iterator(given)) {
      if (one.is_regular_file()) files.push_back(one.path());
    }
  }
  std::sort(files.begin(), files.end());
  // A corpus that is not there must not look like one without a finding.
  if (files.empty()) {
    std::cerr << "replay: no input; usage: " << arguments[0] << " FILE_OR_FOLDER...\n";
    return 2;
  }
  for (const auto& file : files) {
    std::ifstream stream(file, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
    if (!stream.is_open()) {
      std::cerr << "replay: cannot read " << file << "\n";
      return 2;
    }
    std::cerr << file.filename().string() << "\n";  // The last line names the input of a crash.
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  }
  std::cout << files.size() << " inputs, no finding\n";
  return 0;
}

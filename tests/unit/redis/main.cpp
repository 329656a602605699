// The test binary is also the second process that some tests need.
#include <gtest/gtest.h>

#include <csignal>
#include <string_view>

#include "support.hpp"

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  if (argc == 4 && std::string_view(argv[1]) == "peer") return careteam::redis::test::run_peer(argv[2], argv[3]);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}

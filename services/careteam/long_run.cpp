#include "careteam/long_run.hpp"

#ifdef CARETEAM_MIMALLOC
#include <mimalloc.h>
#endif

#include <cerrno>

#include "gateway/frame_codec.hpp"
#include "runtime/log.hpp"
#include "runtime/shutdown.hpp"

namespace careteam {
namespace {

void end_when_memory_is_exhausted() {
  runtime::end_when_memory_is_exhausted();
#ifdef CARETEAM_MIMALLOC
  // Its `new` does not find the C++ library's handler, and would abort without a word.
  mi_register_error(
      [](int error, void*) {
        if (error == ENOMEM) runtime::end_without_memory();
      },
      nullptr);
#endif
}

}  // namespace

void prepare_long_run(const runtime::config& settings) {
  runtime::set_log_level(settings.log.level);
  runtime::ignore_broken_pipes();
  end_when_memory_is_exhausted();
  gateway::quiet_protobuf();
}

}  // namespace careteam

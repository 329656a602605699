#include "careteam/memory_end.hpp"

#ifdef CARETEAM_MIMALLOC
#include <mimalloc.h>
#endif

#include <cerrno>

#include "runtime/shutdown.hpp"

namespace careteam {

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

}  // namespace careteam

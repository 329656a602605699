#include "fixture.hpp"
#include "store/sqlite_store.hpp"

namespace careteam::store::test {
namespace {

class stored_in_sqlite final : public stored {
 public:
  std::unique_ptr<record_store> open(boost::asio::io_context& context) override {
    return open_sqlite(context.get_executor(), {.path = folder_.file("care.db"),
                                                .missing = when_missing::create,
                                                .epoch = incarnation::keep,
                                                .cache_bytes = 1 << 20,
                                                .checkpoint_bytes = 1 << 18,
                                                .max_file_bytes = 0,
                                                .on_failure = {}});
  }

 private:
  scratch_folder folder_;
};

}  // namespace

std::vector<kind_of_store> kinds_of_store() {
  return {
      {"sqlite", [] { return std::make_unique<stored_in_sqlite>(); }},
  };
}

}  // namespace careteam::store::test

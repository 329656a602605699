#include "store/store.hpp"

namespace careteam::store {
namespace {

class category final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "careteam.store"; }
  std::string message(int value) const override {
    switch (static_cast<errc>(value)) {
      case errc::unavailable:
        return "the store cannot be written or read now";
      case errc::corrupt:
        return "stored data contradicts itself";
      case errc::shutting_down:
        return "the store is closed";
      case errc::uncertain:
        return "the disk failed, and it is not known whether the store kept this";
    }
    return "unknown store error";
  }
};

}  // namespace

const boost::system::error_category& store_category() noexcept {
  static const category instance;
  return instance;
}

boost::system::error_code make_error_code(errc e) noexcept {
  return {static_cast<int>(e), store_category()};
}

}  // namespace careteam::store

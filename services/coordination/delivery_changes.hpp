// What a batch of entries changes of who is called outside (G1 to G4), as the store takes it: rows of the same transaction.
//
// Pure: the same entries of the same record lead to the same deliveries with the same ids, however often a batch is decided.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "care/notification.hpp"
#include "store/store.hpp"

namespace careteam::coordination {

/// The channel of a delivery whose recipient's own list of channels decides (the payload's step).
inline constexpr std::string_view by_contact = "contact";

/// The id of one delivery of an effect: of the nth time (from 1), over the nth channel of that time (from 0).
std::string delivery_id(std::string_view effect, std::uint32_t times, std::uint32_t step);

/// An effect: the same for the same text, and nothing without the secret.
std::string effect_of(std::string_view text, std::string_view secret);

class delivery_changes {
 public:
  /// `secret`: whoever does not know it cannot tell from an id which patient it belongs to. The store's epoch.
  delivery_changes(std::string record, std::string secret) : record_(std::move(record)), secret_(std::move(secret)) {}

  /// Adds what an entry changes. A call that begins and ends in the same batch never was.
  void add(const care::call_changes& changes, const care::organization_state& people, care::instant now);
  enum class calls { keep, drop };
  /// Hands everything over. Drop: nobody is called, and only what was called before is called off.
  void move_to(store::record_append& append, calls which);
  void clear();

 private:
  struct addition {
    care::call what;
    bool staff = false;  ///< Whether the person is.
    store::instant first;
    bool digest = false;  ///< They were called about it, and are with all that is routine from now on.
  };
  store::new_delivery delivery_of(const addition& one) const;

  std::string record_, secret_;
  std::vector<care::obligation_key> quiet_;
  std::vector<addition> added_;
};

}  // namespace careteam::coordination

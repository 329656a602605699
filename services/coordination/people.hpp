// The people of the organisation as every service sees them, and what a sender did lately across all patients.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <unordered_map>

#include "care/organization.hpp"
#include "care/time.hpp"

namespace careteam::coordination {

class record_host;

/// What a person did lately. Kept in memory: it limits, it does not record.
class people {
 public:
  /// The organisation's accounts as they are on disk.
  const care::organization_state& accounts() const;
  void set_organization(std::shared_ptr<record_host> host) { organization_ = std::move(host); }
  const std::shared_ptr<record_host>& organization() const { return organization_; }

  /// STAT messages of this person in the last hour, over all patients (A8).
  std::uint32_t stat_in_last_hour(const std::string& person, care::instant now);
  void note_stat(const std::string& person, care::instant now);

  /// The guard against the wrong patient (A1): whether a post to `patient` needs a confirmation, because the person posted to another
  /// patient less than `window` ago. Gives the token to confirm with; empty: no confirmation needed.
  std::string confirmation_needed(const std::string& person, const std::string& patient, const std::string& confirmed_with,
                                  std::chrono::milliseconds window, care::instant now);
  void note_post(const std::string& person, const std::string& patient, care::instant now);

 private:
  struct lately {
    std::deque<care::instant> stat;
    std::string patient;  ///< Of the last post.
    care::instant posted{};
    std::string confirm_patient, confirm_token;
  };
  void forget_old(care::instant now);
  std::shared_ptr<record_host> organization_;
  std::unordered_map<std::string, lately> lately_;
};

}  // namespace careteam::coordination

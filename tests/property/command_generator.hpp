// One generator of random commands, legal and illegal, for all property tests.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "unit/care/task_fixture.hpp"

namespace careteam::care::fixture {

/// The run's seed: CARETEAM_SEED, or a fresh one.
std::uint64_t chosen_seed();
/// CARETEAM_STEPS, or `usual`.
std::size_t chosen_steps(std::size_t usual);

/// What everything that must never reach `shared` is marked with: contents of hidden streams and reasons of roster changes.
inline constexpr std::string_view hidden_mark = "hidden-mark-";

/// A name by which a person addresses the team or the organisation, and the command.
struct attempt {
  actor who;
  v1::Command command;
};

/// Random numbers that are the same on every platform and library for one seed.
class dice {
 public:
  explicit dice(std::uint64_t seed) : engine_(seed) {}
  /// 0 … n-1.
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(engine_() % n); }
  bool percent(std::size_t chance) { return below(100) < chance; }
  template <class T>
  const T& of(const std::vector<T>& choices) {
    return choices[below(choices.size())];
  }

 private:
  std::mt19937_64 engine_;
};

class command_generator {
 public:
  explicit command_generator(std::uint64_t seed) : dice_(seed) {}

  /// Everybody who takes part, on the team or not; "ghost" has no account.
  static const std::vector<std::string>& cast();
  /// The duties that may be held; there is never one of the last name.
  static const std::vector<std::string>& duty_names();
  /// Enrolls the cast and forms a first team.
  static void prepare(rosas_record& ward);

  /// Any command by anybody on Rosa's record.
  attempt any(const rosas_record& ward);
  /// A chat command on this stream by this person.
  v1::Command chat(const rosas_record& ward, v1::Stream stream);
  /// A task command around this stream, mostly by somebody whose turn it is.
  attempt tasks(const rosas_record& ward, v1::Stream stream);
  /// A command on a protocol of this stream, or the timer of one that is due.
  attempt protocol(const rosas_record& ward, v1::Stream stream);
  /// Somebody else holds a duty, or nobody; somebody is on leave, or nobody.
  void change_duties(clinic_duties& duties, instant now);
  /// A roster command.
  v1::Command roster(const rosas_record& ward);
  /// A command on the organisation: accounts, suspensions.
  v1::Command people(const rosas_record& ward);
  /// Mostly somebody who reads this stream.
  actor somebody(const rosas_record& ward, v1::Stream stream);
  dice& random() { return dice_; }

 private:
  v1::Content content(v1::Stream stream);
  v1::Content form(const std::string& words);
  std::string words(v1::Stream stream);
  std::uint64_t guess(const rosas_record& ward, v1::Stream stream);
  /// The place of a recent entry of this kind.
  std::uint64_t one_of(const rosas_record& ward, v1::Stream stream, v1::Entry::FactCase fact);
  template <class Open>
  std::uint64_t open_one(const Open& open, const rosas_record& ward, v1::Stream stream);
  message post_something(const rosas_record& ward, v1::Stream stream);
  v1::Role role();
  actor acting(const rosas_record& ward, std::string id);
  task order(const rosas_record& ward, v1::Stream stream);
  v1::Command new_task(const rosas_record& ward, v1::Stream stream);
  std::string asked_one(const rosas_record& ward, place at, const task_state& one);
  attempt on_open_task(const rosas_record& ward, place at, const task_state& one);
  v1::Command new_protocol(const rosas_record& ward, v1::Stream stream);
  attempt on_ended_task(const rosas_record& ward, v1::Stream stream);
  v1::Command on_task(const rosas_record& ward, place at);
  v1::Role fitting(v1::PersonKind kind);
  void by_the_author(const rosas_record& ward, attempt& tried);
  /// Somebody is invited, or stays longer.
  v1::Command invitation(const rosas_record& ward, const std::string& id, const std::string& reason);
  v1::Command with_period(const rosas_record& ward, v1::Command command);

  dice dice_;
  std::uint64_t said_ = 0;
};

template <class Open>
std::uint64_t command_generator::open_one(const Open& open, const rosas_record& ward, v1::Stream stream) {
  std::vector<std::uint64_t> seqs;
  for (const auto& [at, one] : open) {
    if (at.stream == stream) seqs.push_back(at.seq);
  }
  return seqs.empty() ? guess(ward, stream) : dice_.of(seqs);
}

}  // namespace careteam::care::fixture

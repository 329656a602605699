// Entries of one stream as they travel: encoded once, as the bytes that are stored, hashed and sent.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "careteam/v1/entries.pb.h"
#include "store/store.hpp"

namespace careteam::coordination {

/// Consecutive entries of one stream. Immutable once it is shared, but for the JSON form, which is made when somebody first needs it.
class stream_batch {
 public:
  stream_batch(v1::Stream stream, std::uint64_t first_seq) : stream_(stream), first_seq_(first_seq) {}

  /// Encodes the entry at the end. Its seq must be last_seq() + 1.
  void add(const v1::Entry& entry);
  /// Takes over an encoded entry as the store gave it.
  void add_encoded(std::string_view bytes);

  v1::Stream stream() const { return stream_; }
  std::uint64_t first_seq() const { return first_seq_; }
  std::uint64_t last_seq() const { return first_seq_ + spans_.size() - 1; }
  std::size_t size() const { return spans_.size(); }

  /// One entry's bytes, as stored and hashed.
  std::string_view entry(std::size_t index) const { return std::string_view(wire_).substr(spans_[index].offset, spans_[index].size); }
  /// All entries as the field `entries` of a ServerFrame: concatenated with other fields they make one frame.
  std::string_view wire() const { return wire_; }
  /// All entries in protobuf's JSON mapping, separated by commas.
  const std::string& json() const;

 private:
  struct span {
    std::uint32_t offset, size;
  };
  void add_prefix(std::size_t size);
  v1::Stream stream_;
  std::uint64_t first_seq_;
  std::string wire_;
  std::vector<span> spans_;
  mutable std::string json_;
};

using shared_batch = std::shared_ptr<const stream_batch>;

}  // namespace careteam::coordination

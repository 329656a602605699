#include "care/protocol_snapshot.hpp"

#include "care/duty_messages.hpp"
#include "care/protocol_schedule.hpp"

namespace careteam::care {

void put_protocols(internal::RecordSnapshot& to, const protocols_state& state, const std::string& patient_id) {
  for (const auto& [key, protocol] : state.running) {
    auto& row = *to.add_protocols();
    row.set_stream(key.stream);
    put_plan(*row.mutable_plan(), protocol, key.id, patient_id);
    row.set_starter(protocol.starter);
    row.set_version(protocol.version);
    row.set_turn(protocol.turn);
    for (const auto day : protocol.day1) row.add_day1(text_of(day));
    for (const auto& [day, seq] : protocol.settled) {
      auto& settled = *row.add_settled();
      settled.set_item(day.item);
      settled.set_cycle(day.cycle);
      settled.set_day(day.day);
      settled.set_seq(seq);
    }
    if (protocol.next) row.set_next_us(protocol.next->time_since_epoch().count());
  }
  for (const auto& key : state.ended) {
    auto& row = *to.add_ended_protocols();
    row.set_stream(key.stream);
    row.set_protocol_id(key.id);
  }
}

bool get_protocols(protocols_state& state, const internal::RecordSnapshot& from) {
  for (const auto& row : from.protocols()) {
    auto protocol = protocol_of(row.plan());
    protocol.starter = row.starter();
    protocol.version = row.version();
    protocol.turn = row.turn();
    if (static_cast<std::size_t>(row.day1_size()) != protocol.day1.size()) return false;
    for (int i = 0; i < row.day1_size(); ++i) {
      const auto day = day_of(row.day1(i));
      if (!day) return false;
      protocol.day1[static_cast<std::size_t>(i)] = *day;
    }
    for (const auto& one : row.settled()) {
      if (one.item() >= protocol.items.size() || one.cycle() < 1 || one.cycle() > protocol.day1.size()) return false;
      protocol.settled.emplace(protocol_occasion{one.item(), one.cycle(), one.day()}, one.seq());
    }
    if (row.has_next_us()) protocol.next = instant{std::chrono::microseconds{row.next_us()}};
    state.running.emplace(protocol_key{row.stream(), row.plan().protocol_id()}, std::move(protocol));
  }
  for (const auto& row : from.ended_protocols()) state.ended.insert({row.stream(), row.protocol_id()});
  return true;
}

}  // namespace careteam::care

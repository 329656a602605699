#include "bench/test_rooms.hpp"

#include <boost/json.hpp>
#include <ostream>

namespace careteam::bench {
namespace {

namespace json = boost::json;

std::string numbered(const char* prefix, std::uint32_t number) {
  auto digits = std::to_string(number);
  return prefix + std::string(digits.size() < 3 ? 3 - digits.size() : 0, '0') + digits;
}

json::object person(const char* type, const std::string& id, const std::string& name) {
  return {{"resourceType", type},
          {"id", id},
          {"identifier", json::array{json::object{{"system", "urn:careteam:person-id"}, {"value", id}}}},
          {"name", json::array{json::object{{"text", name}}}}};
}

json::object participant(const std::string& nurse) {
  json::object coding{{"system", "urn:careteam:role"}, {"code", "oncology-nurse"}};
  return {{"role", json::array{json::object{{"coding", json::array{std::move(coding)}}}}},
          {"member", json::object{{"reference", "Practitioner/" + nurse}}}};
}

}  // namespace

std::string room_name(std::uint32_t room) {
  return numbered("room-", room);
}

std::string person_name(std::uint32_t room, std::uint32_t member) {
  return numbered("u-", room) + "-" + std::to_string(member);
}

void write_test_rooms(std::uint32_t rooms, std::uint32_t members, std::ostream& resources, std::ostream& people) {
  for (std::uint32_t room = 0; room < rooms; ++room) {
    const auto patient = room_name(room);
    resources << json::serialize(person("Patient", patient, "Patient of " + patient)) << '\n';
    json::array participants;
    for (std::uint32_t member = 0; member < members; ++member) {
      const auto nurse = person_name(room, member);
      resources << json::serialize(person("Practitioner", nurse, "Nurse " + nurse)) << '\n';
      participants.push_back(participant(nurse));
      people << nurse << '\n';
    }
    const json::object team{{"resourceType", "CareTeam"},
                            {"id", "team-" + patient},
                            {"status", "active"},
                            {"subject", json::object{{"reference", "Patient/" + patient}}},
                            {"participant", std::move(participants)}};
    resources << json::serialize(team) << '\n';
  }
}

}  // namespace careteam::bench

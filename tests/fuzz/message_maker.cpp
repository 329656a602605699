#include "message_maker.hpp"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/timestamp.pb.h>

namespace careteam::fuzz {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr int max_depth = 8;
constexpr std::int64_t first_json_second = -62'135'596'800;  // The year 1.
constexpr std::int64_t last_json_second = 253'402'300'799;   // The end of the year 9999.

void append_code_point(std::string& text, std::uint32_t point) {
  if (point < 0x80) {
    text += static_cast<char>(point);
  } else if (point < 0x800) {
    text += static_cast<char>(0xC0 | point >> 6);
    text += static_cast<char>(0x80 | (point & 0x3F));
  } else if (point < 0x10000) {
    text += static_cast<char>(0xE0 | point >> 12);
    text += static_cast<char>(0x80 | (point >> 6 & 0x3F));
    text += static_cast<char>(0x80 | (point & 0x3F));
  } else {
    text += static_cast<char>(0xF0 | point >> 18);
    text += static_cast<char>(0x80 | (point >> 12 & 0x3F));
    text += static_cast<char>(0x80 | (point >> 6 & 0x3F));
    text += static_cast<char>(0x80 | (point & 0x3F));
  }
}

/// ASCII bytes stand for themselves; another byte and the two after it give any other character but a surrogate.
std::string make_text(byte_source& from) {
  byte_source bytes(from.take(from.below(64)));
  std::string text;
  while (!bytes.empty()) {
    const std::uint32_t first = bytes.byte();
    if (first < 0x80) {
      append_code_point(text, first);
      continue;
    }
    const auto point = static_cast<std::uint32_t>((first & 0x1F) << 16 | bytes.number(2)) % 0x110000;
    if (point < 0xD800 || point > 0xDFFF) append_code_point(text, point);
  }
  return text;
}

/// Small ones, and those at the borders of their encodings.
std::uint64_t make_number(byte_source& from) {
  const auto kind = from.byte();
  if (kind < 192) return kind;
  if (kind < 224) return from.number(8);
  return (std::uint64_t{1} << (kind % 64)) - from.below(2);
}

void make_time(byte_source& from, google::protobuf::Timestamp& time) {
  const auto kind = from.byte();
  if (kind < 240) {
    const auto span = static_cast<std::uint64_t>(last_json_second - first_json_second + 1);
    time.set_seconds(first_json_second + static_cast<std::int64_t>(from.number(5) % span));
    time.set_nanos(static_cast<std::int32_t>(from.number(4) % 1'000'000'000));
  } else {
    time.set_seconds(static_cast<std::int64_t>(from.number(8)));
    time.set_nanos(static_cast<std::int32_t>(from.number(4)));
  }
}

class maker {
 public:
  explicit maker(byte_source& from) : from_(from) {}

  void fill(Message& message, int depth) {
    if (auto* time = google::protobuf::DynamicCastToGenerated<google::protobuf::Timestamp>(&message)) return make_time(from_, *time);
    const auto& type = *message.GetDescriptor();
    if (type.field_count() == 0) return;
    while (!from_.empty()) {
      const auto choice = from_.byte();
      if (choice == 255) return;
      set(message, *type.field(choice % type.field_count()), depth);
    }
  }

 private:
  void set(Message& message, const FieldDescriptor& field, int depth) {
    const Reflection& reflection = *message.GetReflection();
    const bool many = field.is_repeated();
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_MESSAGE: {
        if (depth == 0) return;
        fill(many ? *reflection.AddMessage(&message, &field) : *reflection.MutableMessage(&message, &field), depth - 1);
        return;
      }
      case FieldDescriptor::CPPTYPE_STRING: {
        auto text = make_text(from_);
        many ? reflection.AddString(&message, &field, std::move(text)) : reflection.SetString(&message, &field, std::move(text));
        return;
      }
      case FieldDescriptor::CPPTYPE_ENUM: {
        const auto number = make_number(from_);
        const auto& values = *field.enum_type();
        const int value = number < 192 ? values.value(static_cast<int>(number) % values.value_count())->number() : static_cast<int>(number);
        many ? reflection.AddEnumValue(&message, &field, value) : reflection.SetEnumValue(&message, &field, value);
        return;
      }
      case FieldDescriptor::CPPTYPE_UINT64: {
        const auto value = make_number(from_);
        many ? reflection.AddUInt64(&message, &field, value) : reflection.SetUInt64(&message, &field, value);
        return;
      }
      case FieldDescriptor::CPPTYPE_UINT32: {
        const auto value = static_cast<std::uint32_t>(make_number(from_));
        many ? reflection.AddUInt32(&message, &field, value) : reflection.SetUInt32(&message, &field, value);
        return;
      }
      case FieldDescriptor::CPPTYPE_INT64: {
        const auto value = static_cast<std::int64_t>(make_number(from_));
        many ? reflection.AddInt64(&message, &field, value) : reflection.SetInt64(&message, &field, value);
        return;
      }
      case FieldDescriptor::CPPTYPE_INT32: {
        const auto value = static_cast<std::int32_t>(make_number(from_));
        many ? reflection.AddInt32(&message, &field, value) : reflection.SetInt32(&message, &field, value);
        return;
      }
      case FieldDescriptor::CPPTYPE_BOOL: {
        const bool value = from_.below(2) == 1;
        many ? reflection.AddBool(&message, &field, value) : reflection.SetBool(&message, &field, value);
        return;
      }
      case FieldDescriptor::CPPTYPE_DOUBLE:
      case FieldDescriptor::CPPTYPE_FLOAT:
        break;
    }
    require(false, "a client's frame has no field of this type yet: teach it to the maker");
  }

  byte_source& from_;
};

}  // namespace

void make_message(byte_source& from, Message& message) {
  maker(from).fill(message, max_depth);
}

}  // namespace careteam::fuzz

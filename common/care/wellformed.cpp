#include "care/wellformed.hpp"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/unknown_field_set.h>

#include <vector>

namespace careteam::care {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

std::optional<std::string> unknown_in(const Message& message);

std::optional<std::string> unknown_value(const Message& message, const Reflection& reflection, const FieldDescriptor& field) {
  const auto known = [&](int value) { return field.enum_type()->FindValueByNumber(value) != nullptr; };
  if (field.is_repeated()) {
    for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
      if (field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM) {
        if (!known(reflection.GetRepeatedEnumValue(message, &field, i))) return field.json_name();
      } else if (auto inner = unknown_in(reflection.GetRepeatedMessage(message, &field, i))) {
        return field.json_name() + "." + *inner;
      }
    }
    return std::nullopt;
  }
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM) {
    if (!known(reflection.GetEnumValue(message, &field))) return field.json_name();
    return std::nullopt;
  }
  if (!reflection.HasField(message, &field)) return std::nullopt;
  if (auto inner = unknown_in(reflection.GetMessage(message, &field))) return field.json_name() + "." + *inner;
  return std::nullopt;
}

std::optional<std::string> unknown_in(const Message& message) {
  const Reflection& reflection = *message.GetReflection();
  const auto& unknown = reflection.GetUnknownFields(message);
  if (!unknown.empty()) return "#" + std::to_string(unknown.field(0).number());
  const auto& type = *message.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (field.cpp_type() != FieldDescriptor::CPPTYPE_ENUM && field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (auto found = unknown_value(message, reflection, field)) return found;
  }
  return std::nullopt;
}

bool has_zero(const std::string& text) {
  return text.find('\0') != std::string::npos;
}

std::optional<std::string> zero_in(const Message& message) {
  const Reflection& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> present;
  reflection.ListFields(message, &present);
  std::string scratch;
  for (const FieldDescriptor* field : present) {
    const int count = field->is_repeated() ? reflection.FieldSize(message, field) : 1;
    for (int i = 0; i < count; ++i) {
      if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
        const auto& text = field->is_repeated() ? reflection.GetRepeatedStringReference(message, field, i, &scratch)
                                                : reflection.GetStringReference(message, field, &scratch);
        if (has_zero(text)) return field->json_name();
      } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        const auto& part = field->is_repeated() ? reflection.GetRepeatedMessage(message, field, i) : reflection.GetMessage(message, field);
        if (auto inner = zero_in(part)) return field->json_name() + "." + *inner;
      }
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> first_unknown(const Message& message) {
  return unknown_in(message);
}

std::optional<std::string> first_zero(const Message& message) {
  return zero_in(message);
}

std::size_t element_count(const Message& message) {
  const Reflection& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> present;
  reflection.ListFields(message, &present);
  std::size_t elements = 0;
  for (const FieldDescriptor* field : present) {
    const int count = field->is_repeated() ? reflection.FieldSize(message, field) : 0;
    elements += static_cast<std::size_t>(count);
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (!field->is_repeated()) elements += element_count(reflection.GetMessage(message, field));
    for (int i = 0; i < count; ++i) elements += element_count(reflection.GetRepeatedMessage(message, field, i));
  }
  return elements;
}

bool is_fhir_id(std::string_view text) {
  if (text.empty() || text.size() > 64) return false;
  for (const char c : text) {
    const bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
    if (!ok) return false;
  }
  return true;
}

}  // namespace careteam::care

#pragma once

namespace careteam::admin {

/// Whether the words of people (names, titles, reasons, values) are told. They are a patient's data.
enum class told_texts { none, all };

}  // namespace careteam::admin

#include "runtime/metrics.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <stdexcept>
#include <type_traits>

namespace careteam::runtime {
namespace {

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// A label's name: [a-zA-Z_][a-zA-Z0-9_]*. A metric's may hold colons too, but those are for recording rules: ours do not.
bool is_name(std::string_view name) {
  if (name.empty() || !is_letter(name.front())) return false;
  return std::all_of(name.begin(), name.end(), [](char c) { return is_letter(c) || is_digit(c); });
}

/// Names that begin with two underscores belong to Prometheus, `le` to histograms.
bool is_label_name(std::string_view name) {
  return is_name(name) && !name.starts_with("__") && name != "le";
}

void check_labels(const metric_labels& labels) {
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (!is_label_name(labels[i].first)) throw std::invalid_argument("no label name: " + labels[i].first);
    for (std::size_t j = 0; j < i; ++j) {
      if (labels[i].first == labels[j].first) throw std::invalid_argument("label given twice: " + labels[i].first);
    }
  }
}

std::string escaped_help(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '\\') {
      escaped.append("\\\\");
    } else if (c == '\n') {
      escaped.append("\\n");
    } else {
      escaped.push_back(c);
    }
  }
  return escaped;
}

std::string escaped_label(std::string_view text) {
  std::string escaped;
  for (const char c : escaped_help(text)) {
    if (c == '"') escaped.push_back('\\');
    escaped.push_back(c);
  }
  return escaped;
}

std::string number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  return std::string(text, end);
}

std::string label_block(const metric_labels& labels, std::string_view upper_bound = {}) {
  std::string block;
  for (const auto& [name, value] : labels) {
    block.append(block.empty() ? "{" : ",").append(name).append("=\"").append(escaped_label(value)).append("\"");
  }
  if (!upper_bound.empty()) block.append(block.empty() ? "{" : ",").append("le=\"").append(upper_bound).append("\"");
  if (!block.empty()) block.append("}");
  return block;
}

void append_sample(std::string& text, std::string_view name, std::string_view suffix, std::string_view labels, std::string_view value) {
  text.append(name).append(suffix).append(labels).append(" ").append(value).append("\n");
}

void append_histogram(std::string& text, std::string_view name, const metric_labels& labels, const histogram& observed) {
  std::uint64_t so_far = 0;
  for (std::size_t i = 0; i < observed.upper_bounds().size(); ++i) {
    so_far += observed.buckets()[i];
    append_sample(text, name, "_bucket", label_block(labels, number(observed.upper_bounds()[i])), std::to_string(so_far));
  }
  append_sample(text, name, "_bucket", label_block(labels, "+Inf"), std::to_string(observed.count()));
  append_sample(text, name, "_sum", label_block(labels), number(observed.sum()));
  append_sample(text, name, "_count", label_block(labels), std::to_string(observed.count()));
}

}  // namespace

histogram::histogram(std::vector<double> upper_bounds) : upper_bounds_(std::move(upper_bounds)) {
  const bool finite = std::all_of(upper_bounds_.begin(), upper_bounds_.end(), [](double bound) { return std::isfinite(bound); });
  const bool rising = std::adjacent_find(upper_bounds_.begin(), upper_bounds_.end(), std::greater_equal<>()) == upper_bounds_.end();
  if (upper_bounds_.empty() || upper_bounds_.size() > max_histogram_buckets || !finite || !rising) {
    throw std::invalid_argument("a histogram's bounds are finite and rising, at least one and not too many");
  }
  buckets_.resize(upper_bounds_.size() + 1);
}

void histogram::observe(double value) noexcept {
  if (std::isnan(value)) return;
  const auto bucket = std::lower_bound(upper_bounds_.begin(), upper_bounds_.end(), value) - upper_bounds_.begin();
  ++buckets_[static_cast<std::size_t>(bucket)];
  ++count_;
  sum_ += value;
}

std::vector<double> latency_buckets() {
  return {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
}

void metrics_registry::add(std::string name, std::string help, family_type type, metric_labels labels, source value) {
  if (!is_name(name)) throw std::invalid_argument("no metric name: " + name);
  check_labels(labels);
  if (series_count_ >= max_metric_series) throw std::invalid_argument("too many series, the last one of " + name);
  const auto known = families_.find(name);
  if (known == families_.end()) {
    families_.emplace(std::move(name), family{type, std::move(help), {{std::move(labels), std::move(value)}}});
  } else {
    family& same = known->second;
    if (same.type != type || same.help != help) throw std::invalid_argument("a metric of another kind has the name " + name);
    for (const series& member : same.members) {
      if (std::is_permutation(member.labels.begin(), member.labels.end(), labels.begin(), labels.end())) {
        throw std::invalid_argument("series registered twice: " + name);
      }
    }
    same.members.push_back({std::move(labels), std::move(value)});
  }
  ++series_count_;
}

counter& metrics_registry::add_counter(std::string name, std::string help, metric_labels labels) {
  counter& added = counters_.emplace_back();
  add(std::move(name), std::move(help), family_type::counter, std::move(labels), &added);
  return added;
}

atomic_counter& metrics_registry::add_atomic_counter(std::string name, std::string help, metric_labels labels) {
  atomic_counter& added = atomic_counters_.emplace_back();
  add(std::move(name), std::move(help), family_type::counter, std::move(labels), &added);
  return added;
}

gauge& metrics_registry::add_gauge(std::string name, std::string help, metric_labels labels) {
  gauge& added = gauges_.emplace_back();
  add(std::move(name), std::move(help), family_type::gauge, std::move(labels), &added);
  return added;
}

histogram& metrics_registry::add_histogram(std::string name, std::string help, std::vector<double> upper_bounds, metric_labels labels) {
  histogram& added = histograms_.emplace_back(std::move(upper_bounds));
  add(std::move(name), std::move(help), family_type::histogram, std::move(labels), &added);
  return added;
}

void metrics_registry::add_callback_gauge(std::string name, std::string help, std::function<double()> value, metric_labels labels) {
  add(std::move(name), std::move(help), family_type::gauge, std::move(labels), std::move(value));
}

void metrics_registry::add_callback_counter(std::string name, std::string help, std::function<std::uint64_t()> value,
                                            metric_labels labels) {
  add(std::move(name), std::move(help), family_type::counter, std::move(labels), std::move(value));
}

std::string_view metrics_registry::name_of(family_type type) noexcept {
  switch (type) {
    case family_type::counter:
      return "counter";
    case family_type::gauge:
      return "gauge";
    case family_type::histogram:
      return "histogram";
  }
  return "untyped";
}

std::string metrics_registry::exposition() const {
  std::string text;
  for (const auto& entry : families_) {
    const auto& name = entry.first;
    const auto& metric = entry.second;
    text.append("# HELP ").append(name).append(" ").append(escaped_help(metric.help)).append("\n");
    text.append("# TYPE ").append(name).append(" ").append(name_of(metric.type)).append("\n");
    for (const series& member : metric.members) {
      std::visit(
          [&](const auto& value) {
            using kind = std::decay_t<decltype(value)>;
            if constexpr (std::is_same_v<kind, const histogram*>) {
              append_histogram(text, name, member.labels, *value);
            } else if constexpr (std::is_same_v<kind, std::function<double()>>) {
              append_sample(text, name, "", label_block(member.labels), number(value()));
            } else if constexpr (std::is_same_v<kind, std::function<std::uint64_t()>>) {
              append_sample(text, name, "", label_block(member.labels), std::to_string(value()));
            } else {
              append_sample(text, name, "", label_block(member.labels), std::to_string(value->value()));
            }
          },
          member.value);
    }
  }
  return text;
}

}  // namespace careteam::runtime

#include "admin/fhir_import.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <fstream>
#include <new>
#include <stdexcept>
#include <utility>

#include "admin/fhir_mapping.hpp"
#include "admin/fhir_task_codes.hpp"

namespace careteam::admin {
namespace {

namespace json = boost::json;

constexpr std::size_t chunk_bytes = 64u << 10;
constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

// Memory with a limit: a small file can be a very large document.
class bounded_memory final : public json::memory_resource {
 private:
  // Nothing in JSON needs more than the alignment of plain `new`, and the library frees with another alignment than it allocates with.
  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    if (alignment > __STDCPP_DEFAULT_NEW_ALIGNMENT__ || bytes > max_parsed_bytes - taken_) throw std::bad_alloc();
    void* memory = ::operator new(bytes);
    taken_ += bytes;
    return memory;
  }
  void do_deallocate(void* memory, std::size_t bytes, std::size_t) override {
    ::operator delete(memory);
    taken_ -= std::min(bytes, taken_);
  }
  bool do_is_equal(const json::memory_resource& other) const noexcept override { return this == &other; }

  std::size_t taken_ = 0;
};

json::parse_options strict() {
  json::parse_options options;
  options.max_depth = max_json_depth;
  return options;
}

// What a parser's error means for whoever wrote the file.
std::string reason_of(const boost::system::error_code& error) {
  if (error == json::error::extra_data) return "has more after the first JSON value (one resource per line is NDJSON: name it .ndjson)";
  if (error == json::error::too_deep) return "is nested deeper than 100 levels";
  return "is not JSON: " + error.message();
}

using parsed_document = boost::system::result<json::value, import_problem>;

import_problem cannot_parse(std::string reason) {
  return {{}, {}, std::move(reason), true};
}

// Only the parser's memory can run out here, and only by our own limit or by the machine's: both are the document's fault.
template <typename Feed>
parsed_document parse_bounded(json::stream_parser& parser, Feed feed) {
  try {
    parser.reset(json::make_shared_resource<bounded_memory>());
    std::string trouble = feed(parser);
    if (!trouble.empty()) return cannot_parse(std::move(trouble));
    boost::system::error_code error;
    parser.finish(error);
    if (error) return cannot_parse(reason_of(error));
    return parser.release();
  } catch (const std::bad_alloc&) {
    return cannot_parse("needs more than 1 GiB of memory");
  } catch (const std::length_error&) {
    return cannot_parse("has a string, array or object that is too large");
  }
}

bool is_ndjson(const std::filesystem::path& path) {
  return path.extension() == ".ndjson" || path.extension() == ".jsonl";
}

// Why an import makes nothing of a resource that an export tells; nothing: it is another resource. Of what is not used no shape is checked.
std::optional<std::string_view> why_only_told(const fhir_node& resource, std::string_view type) {
  if (type != "PractitionerRole" && type != "CarePlan") return std::nullopt;
  const auto* identifiers = resource.object()->if_contains("identifier");
  if (identifiers == nullptr || !identifiers->is_array()) return std::nullopt;
  for (const auto& identifier : identifiers->get_array()) {
    const auto* system = identifier.is_object() ? identifier.get_object().if_contains("system") : nullptr;
    if (system == nullptr || !system->is_string()) continue;
    if (std::string_view(system->get_string()) == task_codes::duty_system) {
      return "is a duty: its people, its roster and who holds it do not come by an import";
    }
    if (std::string_view(system->get_string()) == task_codes::protocol_system) {
      return "is a protocol: whoever may start one does, and an import does not";
    }
  }
  return std::nullopt;
}

// Adds a resource, unless it is only told.
void add_to(fhir_resources& resources, const fhir_node& resource, const std::string& full_url, import_tally& tally) {
  const auto type = resource["resourceType"].text();
  const auto why = why_only_told(resource, type);
  if (!why) return resources.add(resource, full_url);
  import_tally::count(tally.refused, type);
  const auto id = resource["id"].text();
  tally.add({{}, is_fhir_id(id) ? type + '/' + id : resource.path(), std::string(*why)});
}

// Adds the resources of a Bundle, or the one resource.
void gather(const fhir_node& document, fhir_resources& resources, import_tally& tally) {
  const auto type = document["resourceType"].text();
  if (type != "Bundle") return add_to(resources, document, {}, tally);
  count_unused(document, "Bundle", {"resourceType", "id", "type", "entry"}, tally);
  const auto kind_node = document["type"];
  const auto kind = kind_node.text();
  if (kind != "transaction" && kind != "collection" && kind != "batch" && kind != "searchset" && kind != "document") {
    return kind_node.fail("must be transaction, collection, batch, searchset or document");
  }
  if (document["implicitRules"].present()) document["implicitRules"].fail("changes the meaning in a way that is not understood here");
  for (const auto& entry : document["entry"].items()) {
    if (entry["modifierExtension"].present()) entry.fail("has a modifierExtension that is not understood here");
    const auto method = entry["request"]["method"].text();
    const auto resource = entry["resource"];
    if (method == "DELETE" || method == "PATCH") {
      tally.add({{}, entry.path(), "is a " + method + ", which an import does not do"});
    } else if (!resource.present()) {
      import_tally::count(tally.unused_types, "(entry without a resource)");
    } else {
      add_to(resources, resource, entry["fullUrl"].text(), tally);
    }
  }
}

}  // namespace

struct fhir_reader::state {
  std::ifstream input;
  std::string name;
  bool ndjson = false;
  bool done = false;
  import_options options;
  import_tally tally;
  remembered_ids remembered;
  std::uint64_t line = 0;
  std::string buffer = std::string(chunk_bytes, '\0');
  std::size_t buffer_at = 0, buffer_end = 0;
  json::stream_parser parser{json::make_shared_resource<bounded_memory>(), strict()};

  using outcome = boost::system::result<import_unit, import_problem>;
  enum class line_read : std::uint8_t { line, too_long, end };

  bool fill() {
    input.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    buffer_at = 0;
    buffer_end = static_cast<std::size_t>(input.gcount());
    return buffer_end != 0;
  }

  // The next line without its end; a line that is too long is passed over in the memory of one chunk.
  line_read next_line(std::string& text) {
    text.clear();
    bool too_long = false;
    bool any = false;
    for (;;) {
      if (buffer_at == buffer_end && !fill()) break;
      any = true;
      const std::string_view rest(buffer.data() + buffer_at, buffer_end - buffer_at);
      const auto end = rest.find('\n');
      const auto piece = rest.substr(0, end);
      if (text.size() + piece.size() > max_ndjson_line_bytes) {
        too_long = true;
        std::string().swap(text);
      }
      if (!too_long) text += piece;
      buffer_at += piece.size() + (end == std::string_view::npos ? 0 : 1);
      if (end != std::string_view::npos) break;
    }
    if (!any) return line_read::end;
    ++line;
    return too_long ? line_read::too_long : line_read::line;
  }

  outcome failed(import_problem problem) {
    problem.failed_unit = true;
    ++tally.failed_units;
    tally.add(problem);
    return problem;
  }

  // Reading can fail half-way: that is not the end of the file.
  [[nodiscard]] bool broken() const { return input.bad(); }

  outcome map(const json::value& document, std::string where, unit_form form) {
    unit_failure failure;
    fhir_resources resources;
    import_tally counts;
    gather(fhir_node(&document, {}, &failure), resources, counts);
    import_unit unit{where, {}};
    unit_mapping mapping(resources, form, options, remembered, counts);
    if (!failure.problem()) unit.steps = mapping.run();
    if (!failure.problem() && ndjson) remember(mapping.chosen_ids(), failure);
    if (failure.problem()) {
      auto problem = *failure.problem();
      problem.where = std::move(where);
      return failed(std::move(problem));
    }
    for (auto& problem : counts.problems) problem.where = where;
    counts.units = 1;
    counts.steps = unit.steps.size();
    tally.merge(std::move(counts));
    return unit;
  }

  void remember(const std::vector<std::pair<std::string, std::string>>& chosen, unit_failure& failure) {
    for (const auto& [key, id] : chosen) {
      if (remembered.size() >= max_remembered_ids && !remembered.contains(key)) {
        return failure.set(key, "chooses a person id, and the file has too many of those: split it");
      }
      remembered[key] = id;
    }
  }

  std::optional<outcome> next_of_lines() {
    std::string text;
    for (;;) {
      const auto read = next_line(text);
      if (broken()) {
        done = true;
        return failed({name, {}, "cannot be read to its end"});
      }
      const auto where = name + ':' + std::to_string(line);
      if (read == line_read::end) {
        done = true;
        return std::nullopt;
      }
      if (read == line_read::too_long) return failed({where, {}, "is longer than 16 MiB"});
      std::string_view body = text;
      if (line == 1 && body.starts_with(byte_order_mark)) body.remove_prefix(byte_order_mark.size());
      if (body.find_first_not_of(" \t\r") == std::string_view::npos) continue;
      auto document = parse_bounded(parser, [body](json::stream_parser& into) {
        boost::system::error_code error;
        into.write(body.data(), body.size(), error);
        return error ? reason_of(error) : std::string{};
      });
      if (!document) return failed({where, {}, document.error().message});
      return map(*document, where, unit_form::line);
    }
  }

  outcome whole_document() {
    done = true;
    auto document = parse_bounded(parser, [this](json::stream_parser& into) {
      std::size_t total = 0;
      while (fill()) {
        std::string_view piece(buffer.data(), buffer_end);
        if (total == 0 && piece.starts_with(byte_order_mark)) piece.remove_prefix(byte_order_mark.size());
        total += buffer_end;
        if (total > options.largest_document_bytes) {
          return "is larger than " + std::to_string(options.largest_document_bytes >> 20) + " MiB (NDJSON has no such limit)";
        }
        boost::system::error_code error;
        into.write(piece.data(), piece.size(), error);
        if (error) return reason_of(error);
      }
      return broken() ? std::string("cannot be read to its end") : std::string{};
    });
    if (!document) return failed({name, {}, document.error().message});
    return map(*document, name, unit_form::whole);
  }
};

fhir_reader::fhir_reader(std::unique_ptr<state> s) : state_(std::move(s)) {}
fhir_reader::fhir_reader(fhir_reader&&) noexcept = default;
fhir_reader& fhir_reader::operator=(fhir_reader&&) noexcept = default;
fhir_reader::~fhir_reader() = default;

boost::system::result<fhir_reader> fhir_reader::open(const std::filesystem::path& path, const import_options& options) {
  std::error_code status_error;
  if (std::filesystem::is_directory(path, status_error)) return make_error_code(boost::system::errc::is_a_directory);
  auto opened = std::make_unique<state>();
  errno = 0;
  opened->input.open(path, std::ios::binary);
  if (!opened->input) {
    return boost::system::error_code(errno != 0 ? errno : ENOENT, boost::system::system_category());
  }
  opened->name = path.filename().string();
  opened->ndjson = is_ndjson(path);
  opened->options = options;
  return fhir_reader(std::move(opened));
}

std::optional<boost::system::result<import_unit, import_problem>> fhir_reader::next() {
  if (state_->done) return std::nullopt;
  if (state_->ndjson) return state_->next_of_lines();
  return state_->whole_document();
}

const import_tally& fhir_reader::tally() const {
  return state_->tally;
}

}  // namespace careteam::admin

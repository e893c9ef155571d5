// SPDX-License-Identifier: Apache-2.0
// spectra.json: where a model comes from, and the sha256 of each of its files.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/hash.h"
#include "base/version.h"
#include "format/model_directory.h"
#include "format/strict_json.h"

namespace spectra::format {
namespace {

constexpr const char* kFileName = "spectra.json";
constexpr size_t kMaxBytes = size_t{16} << 20;

void put(nlohmann::ordered_json& document, const char* key, const std::string& value) {
  if (!value.empty()) document[key] = value;
}
void put(nlohmann::ordered_json& document, const char* key, int64_t value) {
  if (value >= 0) document[key] = value;
}

}  // namespace

void write_provenance(const fs::path& directory, const Provenance& provenance, const std::map<std::string, std::string>& known) {
  nlohmann::ordered_json document;
  document["tool"] = "spectra";
  document["version"] = tool_version();
  put(document, "family", provenance.family);
  put(document, "size", provenance.size);
  put(document, "recipe_sha256", provenance.recipe_sha256);
  put(document, "data_sha256", provenance.data_sha256);
  put(document, "parent", provenance.parent);
  put(document, "step", provenance.step);
  put(document, "tokens", provenance.tokens);
  if (!provenance.extra_json.empty()) document.update(nlohmann::ordered_json::parse(provenance.extra_json));

  std::map<std::string, std::string> sums;  // by name: the same directory always gives the same bytes
  for (const auto& entry : fs::directory_iterator(directory)) {
    const std::string name = entry.path().filename().string();
    if (!entry.is_regular_file() || name == kFileName) continue;
    const auto found = known.find(name);
    sums[name] = found != known.end() ? found->second : sha256_file(entry.path());
  }
  document["sha256"] = sums;
  write_file(directory / kFileName, document.dump(2) + "\n");
}

bool verify_directory_checksums(const fs::path& directory) {
  const fs::path file = directory / kFileName;
  if (!fs::exists(file)) return false;
  const nlohmann::json document = parse_json_object(read_file(file, kMaxBytes), file.string());
  const auto sums = document.find("sha256");
  if (sums == document.end()) return false;
  if (!sums->is_object()) throw bad_input(file.string() + ": sha256 is not an object of file names");
  for (const auto& item : sums->items()) {
    const std::string& name = item.key();
    if (!item.value().is_string() || name != fs::path(name).filename() || name == "." || name == "..")
      throw bad_input(fmt::format("{}: sha256 of \"{}\" is not a file name and its checksum", file.string(), name),
                      "the file is damaged: copy it again, or remove it to go without provenance");
    const fs::path path = directory / name;
    if (!fs::exists(path))
      throw bad_input(fmt::format("{} is missing; {} names it", path.string(), kFileName), "copy or download it again");
    const std::string seen = sha256_file(path);
    if (seen != item.value().get<std::string>())
      throw bad_input(fmt::format("{} is damaged or was changed: its sha256 is {}, {} says {}", path.string(), seen, kFileName,
                                  item.value().get<std::string>()),
                      "copy or download it again");
  }
  return true;
}

void copy_tokenizer_files(const fs::path& from, const fs::path& to) {
  for (const char* name : {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "generation_config.json"})
    if (fs::exists(from / name)) write_file(to / name, read_file(from / name));
}

}  // namespace spectra::format

// SPDX-License-Identifier: Apache-2.0
#include "suite/record.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/hash.h"
#include "base/version.h"
#include "format/token_data.h"

namespace spectra::suite {
namespace {

using nlohmann::ordered_json;

constexpr const char* kSchema = "spectra.suite_job/1";

fs::path record_path(const fs::path& directory, const Job& job) { return directory / "jobs" / (job.name + ".json"); }

/// Of a file its bytes; of token data, which may be large, what names it in checkpoints; of another directory the names and bytes
/// of all files in it.
std::string content_hash(const fs::path& path) {
  if (format::TokenData::recognize(path)) return format::TokenData(path).sha256();
  if (!fs::is_directory(path)) return fs::exists(path) ? sha256_file(path) : "absent";
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(path))
    if (entry.is_regular_file()) files[fs::relative(entry.path(), path).string()] = sha256_file(entry.path());
  return sha256(ordered_json(files).dump());
}

/// A text that the environment of a kill can leave half done is no record.
std::optional<ordered_json> read_json(const fs::path& path) {
  if (!fs::exists(path)) return std::nullopt;
  const ordered_json json = ordered_json::parse(read_file(path), nullptr, false);
  return json.is_object() ? std::optional(json) : std::nullopt;
}

/// Removes `output`, of whose parents none may be a link that leads out of the directory.
void remove_inside(const fs::path& directory, const fs::path& output) {
  const fs::path parent = fs::weakly_canonical(directory / output.parent_path()), root = fs::canonical(directory);
  const std::string inside = fs::relative(parent, root).string();
  if (output.is_absolute() || inside.rfind("..", 0) == 0)
    throw Error(Exit::kFailed, fmt::format("{} lies outside of {}", (directory / output).string(), root.string()),
                "something was moved or linked by hand; remove it");
  fs::remove_all(directory / output);
}

}  // namespace

std::vector<std::string> input_hashes(const Plan& plan) {
  std::map<std::string, std::string> contents;
  std::vector<std::string> hashes;
  for (const Job& job : plan.jobs) {
    for (const fs::path& input : job.inputs)
      if (contents.count(input.string()) == 0) contents[input.string()] = content_hash(input);
    ordered_json arguments = ordered_json::array(), needed = ordered_json::array();
    for (const std::string& argument : job.arguments) {
      const auto input = contents.find(argument);
      arguments.push_back(input == contents.end() ? argument : "sha256:" + input->second);
    }
    for (const fs::path& input : job.inputs) needed.push_back(contents[input.string()]);
    for (const size_t before : job.after) needed.push_back(hashes[before]);
    hashes.push_back(sha256(
        ordered_json{{"version", tool_version()}, {"arguments", arguments}, {"recipe", job.recipe}, {"needs", needed}}.dump()));
  }
  return hashes;
}

std::optional<Record> done_record(const fs::path& directory, const Job& job, const std::string& inputs) {
  const auto json = read_json(record_path(directory, job));
  if (!json || json->value("schema", "") != kSchema || json->value("inputs", "") != inputs) return std::nullopt;
  if (!job.output.empty() && !fs::exists(directory / job.output)) return std::nullopt;
  return Record{inputs, json->value("seconds", 0.0), json->value("started", ""), json->value("result", ordered_json()).dump()};
}

bool was_done(const fs::path& directory, const Job& job) { return fs::exists(record_path(directory, job)); }

void write_record(const fs::path& directory, const Job& job, const Record& record) {
  const ordered_json result = ordered_json::parse(record.result, nullptr, false);
  write_file(record_path(directory, job), ordered_json{{"schema", kSchema},
                                                       {"name", job.name},
                                                       {"kind", job_kind_name(job.kind)},
                                                       {"inputs", record.inputs},
                                                       {"started", record.started},
                                                       {"seconds", record.seconds},
                                                       {"result", result.is_discarded() ? ordered_json() : result}}
                                                  .dump(1) +
                                              "\n");
}

bool begin_attempt(const fs::path& directory, const Job& job, const std::string& inputs) {
  const fs::path mark = directory / "jobs" / (job.name + ".started");
  const bool same = fs::exists(mark) && read_file(mark) == inputs;
  const bool resumable = job.kind == JobKind::kTrain;
  fs::remove(record_path(directory, job));
  if (!job.output.empty() && !(same && resumable)) remove_inside(directory, job.output);
  write_file(mark, inputs);
  return same && resumable && fs::exists(directory / job.output);
}

}  // namespace spectra::suite

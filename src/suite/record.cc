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

constexpr const char* kRecordSchema = "spectra.suite_job/1";

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

std::string text_of(const ordered_json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

fs::path mark_path(const fs::path& directory, const Job& job) { return directory / "jobs" / (job.name + ".started"); }

/// What a job leaves: its output, blocks of an unfinished quantization, the record.
std::vector<fs::path> traces(const fs::path& directory, const Job& job) {
  std::vector<fs::path> paths = {record_path(directory, job)};
  if (!job.output.empty()) {
    paths.push_back(directory / job.output);
    paths.push_back(directory / (job.output.string() + ".partial"));
  }
  return paths;
}

/// Beside it, so that both are on one file system.
fs::path aside(const fs::path& path, const std::string& inputs) { return path.string() + ".old-" + inputs.substr(0, 8); }

void put_aside(const fs::path& directory, const Job& job, const std::string& inputs) {
  for (const fs::path& path : traces(directory, job)) {
    if (!fs::exists(path)) continue;
    fs::remove_all(aside(path, inputs));  // of the same inputs, and older
    fs::rename(path, aside(path, inputs));
  }
}

void bring_back(const fs::path& directory, const Job& job, const std::string& inputs) {
  for (const fs::path& path : traces(directory, job))
    if (fs::exists(aside(path, inputs)) && !fs::exists(path)) fs::rename(aside(path, inputs), path);
}

/// `text` with the contents of files in place of where they lie.
std::string without_places(std::string text, const Job& job, const std::map<std::string, std::string>& contents) {
  for (const fs::path& input : job.inputs) {
    const std::string place = input.string();
    for (size_t at = text.find(place); at != std::string::npos; at = text.find(place, at)) {
      const std::string content = "sha256:" + contents.at(place);
      text.replace(at, place.size(), content);
      at += content.size();
    }
  }
  return text;
}

}  // namespace

std::vector<std::string> input_hashes(const Plan& plan) {
  std::map<std::string, std::string> contents;
  std::vector<std::string> hashes;
  for (const Job& job : plan.jobs) {
    for (const fs::path& input : job.inputs)
      if (contents.count(input.string()) == 0) contents[input.string()] = content_hash(input);
    ordered_json arguments = ordered_json::array(), needed = ordered_json::array();
    for (const std::string& argument : job.arguments) arguments.push_back(without_places(argument, job, contents));
    for (const fs::path& input : job.inputs) needed.push_back(contents[input.string()]);
    for (const size_t before : job.after) needed.push_back(hashes[before]);
    hashes.push_back(sha256(ordered_json{
        {"version", tool_version()},
        {"arguments", arguments},
        {"threads", plan.own_threads ? 0 : plan.threads},
        {"recipe", job.recipe_sha256},
        {"needs", needed}}.dump()));
  }
  return hashes;
}

std::string hash_of_page(const Suite& suite, const std::vector<std::string>& hashes, const std::vector<bool>& done) {
  ordered_json made_from = {tool_version(), suite.title};
  for (size_t i = 0; i < hashes.size(); ++i)
    if (done[i]) made_from.push_back(hashes[i]);
  return sha256(made_from.dump());
}

std::optional<Record> done_record(const fs::path& directory, const Job& job, const std::string& inputs) {
  const auto json = read_json(record_path(directory, job));
  if (!json || text_of(*json, "schema") != kRecordSchema || text_of(*json, "inputs") != inputs) return std::nullopt;
  if (!job.output.empty() && !fs::exists(directory / (job.proof.empty() ? job.output : job.proof))) return std::nullopt;
  const auto seconds = json->find("seconds"), result = json->find("result");
  if (seconds == json->end() || !seconds->is_number() || result == json->end() || !result->is_object()) return std::nullopt;
  return Record{inputs, seconds->get<double>(), text_of(*json, "started"), result->dump()};
}

bool was_done(const fs::path& directory, const Job& job) { return fs::exists(record_path(directory, job)); }

void write_record(const fs::path& directory, const Job& job, const Record& record) {
  const ordered_json result = ordered_json::parse(record.result, nullptr, false);
  write_file(record_path(directory, job), ordered_json{{"schema", kRecordSchema},
                                                       {"name", job.name},
                                                       {"kind", job_kind_name(job.kind)},
                                                       {"inputs", record.inputs},
                                                       {"started", record.started},
                                                       {"seconds", record.seconds},
                                                       {"result", result.is_discarded() ? ordered_json() : result}}
                                                  .dump(1) +
                                              "\n");
}

Attempt begin_attempt(const fs::path& directory, const Job& job, const std::string& inputs) {
  const fs::path mark = mark_path(directory, job);
  if (job.kind == JobKind::kReport) return Attempt::kNew;  // written over whole
  const std::string before = fs::exists(mark) ? read_file(mark) : "";
  if (before.empty() && !job.output.empty() && fs::exists(directory / job.output))
    throw bad_input(fmt::format("{} is in the way: no job of this suite made it", (directory / job.output).string()),
                    "move it, or give another --out");
  if (before != inputs && !before.empty()) put_aside(directory, job, before);
  bring_back(directory, job, inputs);
  if (before != inputs) write_file(mark, inputs);
  if (done_record(directory, job, inputs)) return Attempt::kDone;
  fs::remove(record_path(directory, job));
  const bool there = !job.output.empty() && fs::exists(directory / job.output);
  if (job.kind == JobKind::kTrain) return there ? Attempt::kContinued : Attempt::kNew;
  if (there) fs::remove_all(directory / job.output);  // half made, from the same inputs
  return Attempt::kNew;
}

}  // namespace spectra::suite

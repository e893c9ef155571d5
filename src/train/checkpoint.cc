// SPDX-License-Identifier: Apache-2.0
#include "train/checkpoint.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/hash.h"
#include "format/safetensors.h"

namespace spectra::train {
namespace {

using nlohmann::ordered_json;

constexpr const char* kPrefixes[] = {"master.", "moment1.", "moment2."};
constexpr const char* kDamagedHint =
    "restore the file from a copy, or remove this checkpoint's directory to continue from an older one that has trainer.json";

ops::Tensor part(const TrainedParameter& parameter, size_t prefix) {
  return prefix == 0 ? parameter.weight : prefix == 1 ? parameter.moment1 : parameter.moment2;
}

std::string write_trainer_file(const fs::path& path, ops::Backend& backend, Transformer& model) {
  std::vector<format::SafetensorsWriter::Entry> entries;
  for (const char* prefix : kPrefixes)
    for (const TrainedParameter& parameter : model.parameters())
      entries.push_back({prefix + parameter.info.name, DType::kF32, {parameter.info.rows, parameter.info.cols}});
  format::SafetensorsWriter writer(path, entries);
  std::vector<float> values;
  for (size_t prefix = 0; prefix < std::size(kPrefixes); ++prefix) {
    for (const TrainedParameter& parameter : model.parameters()) {
      values.resize(static_cast<size_t>(parameter.weight.size()));
      backend.copy_out(values.data(), part(parameter, prefix));
      writer.write(values.data(), values.size() * sizeof(float));
    }
  }
  return writer.close();
}

std::string state_to_json(const TrainerState& state, const ordered_json& hashes) {
  return ordered_json{{"schema", "spectra.trainer/1"},
                      {"step", state.step},
                      {"tokens", state.tokens},
                      {"sequences", state.sequences},
                      {"recipe_sha256", state.recipe_sha256},
                      {"data_sha256", state.data_sha256},
                      {"tokenizer_sha256", state.tokenizer_sha256},
                      {"backend", state.backend},
                      {"threads", state.threads},
                      {"sha256", hashes}}
             .dump(1) +
         "\n";
}

TrainerState state_from_json(const ordered_json& json) {
  TrainerState state;
  state.step = json.at("step").get<int64_t>();
  state.tokens = json.at("tokens").get<int64_t>();
  state.sequences = json.at("sequences").get<int64_t>();
  state.recipe_sha256 = json.at("recipe_sha256").get<std::string>();
  state.data_sha256 = json.at("data_sha256").get<std::string>();
  state.tokenizer_sha256 = json.at("tokenizer_sha256").get<std::string>();
  state.backend = json.at("backend").get<std::string>();
  state.threads = json.at("threads").get<int64_t>();
  return state;
}

void verify_file(const fs::path& file, const std::string& wanted) {
  if (!fs::exists(file)) throw bad_input(fmt::format("{} is missing", file.string()), kDamagedHint);
  const std::string found = sha256_file(file);
  if (found != wanted)
    throw bad_input(fmt::format("{} is damaged: its sha256 is {}, {} was written", file.string(), found, wanted), kDamagedHint);
}

/// Checkpoint directories, oldest first.
std::vector<fs::path> all_checkpoints(const fs::path& run) {
  std::vector<fs::path> all;
  if (!fs::is_directory(run / "checkpoints")) return all;
  for (const auto& entry : fs::directory_iterator(run / "checkpoints"))
    if (entry.path().filename().string().rfind("step-", 0) == 0) all.push_back(entry.path());
  const auto by_step = [](const fs::path& a, const fs::path& b) {
    const std::string left = a.filename().string(), right = b.filename().string();
    return left.size() != right.size() ? left.size() < right.size() : left < right;
  };
  std::sort(all.begin(), all.end(), by_step);
  return all;
}

}  // namespace

fs::path checkpoint_path(const fs::path& run, int64_t step) { return run / "checkpoints" / fmt::format("step-{:08d}", step); }

fs::path newest_checkpoint(const fs::path& run) {
  const std::vector<fs::path> all = all_checkpoints(run);
  return all.empty() ? fs::path() : all.back();
}

void save_checkpoint(const fs::path& target, ops::Backend& backend, Transformer& model, const TrainerState& state,
                     const format::Provenance& provenance, const fs::path& tokenizer) {
  AtomicDirectory directory(target);
  std::map<std::string, std::string> known;
  write_file(directory.path() / "config.json", model::config_to_json(model.config(), "float16"));
  known["model.safetensors"] = write_model_file(directory.path() / "model.safetensors", backend, model);
  format::copy_tokenizer_files(tokenizer, directory.path());
  format::write_provenance(directory.path(), provenance, known);
  ordered_json hashes;
  hashes["trainer.safetensors"] = write_trainer_file(directory.path() / "trainer.safetensors", backend, model);
  hashes["spectra.json"] = sha256_file(directory.path() / "spectra.json");
  write_file(directory.path() / "trainer.json", state_to_json(state, hashes));
  directory.commit();
}

TrainerState verify_checkpoint(const fs::path& path) {
  const fs::path file = path / "trainer.json";
  if (!fs::exists(file)) throw bad_input(fmt::format("{} is missing", file.string()), kDamagedHint);
  try {
    const auto json = ordered_json::parse(read_file(file, 1 << 20));
    const TrainerState state = state_from_json(json);
    if (checkpoint_path(path.parent_path().parent_path(), state.step).filename() != path.filename())
      throw bad_input(fmt::format("{} is damaged: it says step {}", file.string(), state.step), kDamagedHint);
    for (const char* name : {"trainer.safetensors", "spectra.json"})
      verify_file(path / name, json.at("sha256").at(name).get<std::string>());
    format::verify_directory_checksums(path);
    return state;
  } catch (const nlohmann::json::exception& error) {
    throw bad_input(fmt::format("{} is damaged: {}", file.string(), error.what()), kDamagedHint);
  }
}

void load_checkpoint(const fs::path& path, ops::Backend& backend, Transformer& model) {
  const format::SafetensorsFile file(path / "trainer.safetensors");
  std::map<std::string, const format::TensorView*> by_name;
  for (const format::TensorView& view : file.tensors()) by_name[view.name] = &view;
  std::vector<float> values;
  for (size_t prefix = 0; prefix < std::size(kPrefixes); ++prefix) {
    for (TrainedParameter& parameter : model.parameters()) {
      const std::string name = kPrefixes[prefix] + parameter.info.name;
      const auto found = by_name.find(name);
      if (found == by_name.end() || found->second->elements() != parameter.weight.size())
        throw bad_input(fmt::format("{}: tensor {} is {}", file.path().string(), name,
                                    found == by_name.end() ? "missing" : "of another shape than the recipe's model"),
                        kDamagedHint);
      values.resize(static_cast<size_t>(parameter.weight.size()));
      format::read_floats(*found->second, values.data());
      backend.copy_in(part(parameter, prefix), values.data());
    }
  }
  model.quantize();
}

void drop_old_trainer_state(const fs::path& run, int64_t keep) {
  const std::vector<fs::path> all = all_checkpoints(run);
  for (size_t i = 0; i + static_cast<size_t>(keep) < all.size(); ++i) {
    fs::remove(all[i] / "trainer.json");  // first: without it nobody tries to resume from here
    fs::remove(all[i] / "trainer.safetensors");
  }
}

void remove_partial_files(const fs::path& run) {
  for (const fs::path& directory : {run, run / "checkpoints"}) {
    if (!fs::is_directory(directory)) continue;
    std::vector<fs::path> partial;
    for (const auto& entry : fs::directory_iterator(directory)) {
      const std::string name = entry.path().filename().string();
      if (name[0] == '.' && name.find(".partial-") != std::string::npos) partial.push_back(entry.path());
    }
    for (const fs::path& path : partial) fs::remove_all(path);
  }
}

}  // namespace spectra::train

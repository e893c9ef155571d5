// SPDX-License-Identifier: Apache-2.0
#include "train/checkpoint.h"

#include <algorithm>
#include <exception>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "base/hash.h"
#include "format/safetensors.h"
#include "train/step.h"

namespace spectra::train {
namespace {

using nlohmann::ordered_json;

constexpr const char* kPrefixes[] = {"master.", "moment1.", "moment2."};
constexpr const char* kDamagedHint =
    "restore the file from a copy, or remove this checkpoint's directory to continue from an older one that has trainer.json";

ops::Tensor part(const TrainedParameter& parameter, size_t prefix) {
  return prefix == 0 ? parameter.weight : prefix == 1 ? parameter.moment1 : parameter.moment2;
}

/// Rank 0's side of a checkpoint: first the model, whose files spectra.json lists, then what only the trainer reads.
class CheckpointWriter {
 public:
  CheckpointWriter(const fs::path& target, ops::Backend& backend, Transformer& model)
      : directory_(target, fs::exists(target)), path_(directory_.path()), model_(path_ / "model.safetensors", backend, model) {}
  void write_model(const model::Parameter& info, const std::vector<float>& master) { model_.write(info, master); }
  void finish_model(const model::Config& config, const format::Provenance& provenance, const fs::path& tokenizer) {
    write_file(path_ / "config.json", model::config_to_json(config, "float16"));
    format::copy_tokenizer_files(tokenizer, path_);
    format::write_provenance(path_, provenance, {{"model.safetensors", model_.close()}});
    std::vector<format::SafetensorsWriter::Entry> entries;
    for (const char* prefix : kPrefixes)
      for (const model::Parameter& info : model::parameters(config))
        entries.push_back({prefix + info.name, DType::kF32, {info.rows, info.cols}});
    trainer_.emplace(path_ / "trainer.safetensors", entries);
  }
  void write_trainer(const std::vector<float>& values) { trainer_->write(values.data(), values.size() * sizeof(float)); }
  void finish_trainer(const TrainerState& state) {
    auto json = ordered_json::parse(state_to_json(state));
    json["sha256"]["trainer.safetensors"] = trainer_->close();
    json["sha256"]["spectra.json"] = sha256_file(path_ / "spectra.json");
    write_file(path_ / "trainer.json", json.dump(1) + "\n");
    directory_.commit();
  }

 private:
  AtomicDirectory directory_;
  const fs::path path_;
  ModelFile model_;
  std::optional<format::SafetensorsWriter> trainer_;
};

/// The values of one tensor on rank 0, from its owner. Other ranks only send.
void fetch(ops::Backend& backend, ranks::Ranks& ranks, const Transformer& model, const TrainedParameter& parameter, size_t prefix,
           std::vector<float>& values) {
  const int owner = model.blocks()[parameter.block].owner;
  if (!ranks.first() && !parameter.owned) return;
  values.resize(static_cast<size_t>(parameter.weight.size()));
  if (parameter.owned) backend.copy_out(values.data(), part(parameter, prefix));
  if (ranks.first() && parameter.owned) return;
  const size_t bytes = values.size() * sizeof(float);
  ranks.first() ? ranks.receive(owner, values.data(), bytes) : ranks.send(0, values.data(), bytes);
  ranks.wait_all();
}

void verify_file(const fs::path& file, const std::string& wanted) {
  if (!fs::exists(file)) throw bad_input(fmt::format("{} is missing", file.string()), kDamagedHint);
  const std::string found = sha256_file(file);
  if (found != wanted)
    throw bad_input(fmt::format("{} is damaged: its sha256 is {}, {} was written", file.string(), found, wanted), kDamagedHint);
}

}  // namespace

fs::path checkpoint_path(const fs::path& run, int64_t step) { return run / "checkpoints" / fmt::format("step-{:08d}", step); }

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

std::vector<fs::path> resumable_checkpoints(const fs::path& run) {
  std::vector<fs::path> list;
  for (const fs::path& path : all_checkpoints(run))
    if (fs::exists(path / "trainer.json")) list.insert(list.begin(), path);
  return list;
}

std::string state_to_json(const TrainerState& state) {
  return ordered_json{{"schema", "spectra.trainer/2"},
                      {"step", state.step},
                      {"updates", state.updates},
                      {"tokens", state.tokens},
                      {"sequences", state.sequences},
                      {"recipe_sha256", state.recipe_sha256},
                      {"data_sha256", state.data_sha256},
                      {"tokenizer_sha256", state.tokenizer_sha256},
                      {"backend", state.backend},
                      {"threads", state.threads},
                      {"ranks", state.ranks},
                      {"faults", ordered_json::parse(fault_state_to_json(state.faults))}}
      .dump();
}

TrainerState state_from_json(const std::string& text) {
  const auto json = ordered_json::parse(text);
  TrainerState state;
  state.step = json.at("step").get<int64_t>();
  state.updates = json.at("updates").get<int64_t>();
  state.tokens = json.at("tokens").get<int64_t>();
  state.sequences = json.at("sequences").get<int64_t>();
  state.recipe_sha256 = json.at("recipe_sha256").get<std::string>();
  state.data_sha256 = json.at("data_sha256").get<std::string>();
  state.tokenizer_sha256 = json.at("tokenizer_sha256").get<std::string>();
  state.backend = json.at("backend").get<std::string>();
  state.threads = json.at("threads").get<int64_t>();
  state.ranks = json.at("ranks").get<int64_t>();
  state.faults = fault_state_from_json(json.at("faults").dump());
  return state;
}

/// All ranks walk through the same tensors; once rank 0 has failed it only listens, so that nobody waits for it.
void save_checkpoint(const fs::path& target, ops::Backend& backend, ranks::Ranks& ranks, Transformer& model,
                     const TrainerState& state, const format::Provenance& provenance, const fs::path& tokenizer) {
  std::optional<CheckpointWriter> writer;
  std::exception_ptr failure;
  const auto on_first = [&](const auto& body) {
    if (!ranks.first() || failure) return;
    try {
      body();
    } catch (const std::exception&) {
      failure = std::current_exception();
    }
  };
  on_first([&] { writer.emplace(target, backend, model); });
  std::vector<float> values;
  for (const TrainedParameter& parameter : model.parameters()) {
    fetch(backend, ranks, model, parameter, 0, values);
    on_first([&] { writer->write_model(parameter.info, values); });
  }
  on_first([&] { writer->finish_model(model.config(), provenance, tokenizer); });
  for (size_t prefix = 0; prefix < std::size(kPrefixes); ++prefix) {
    for (const TrainedParameter& parameter : model.parameters()) {
      fetch(backend, ranks, model, parameter, prefix, values);
      on_first([&] { writer->write_trainer(values); });
    }
  }
  on_first([&] { writer->finish_trainer(state); });
  if (failure) {
    writer.reset();
    std::rethrow_exception(failure);
  }
}

TrainerState verify_checkpoint(const fs::path& path) {
  const fs::path file = path / "trainer.json";
  if (!fs::exists(file)) throw bad_input(fmt::format("{} is missing", file.string()), kDamagedHint);
  try {
    const std::string text = read_file(file, 1 << 24);
    const auto json = ordered_json::parse(text);
    const TrainerState state = state_from_json(text);
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

void load_checkpoint(const fs::path& path, ops::Backend& backend, ranks::Ranks& ranks, Transformer& model) {
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
      if (part(parameter, prefix).data == nullptr) continue;
      values.resize(static_cast<size_t>(parameter.weight.size()));
      format::read_floats(*found->second, values.data());
      backend.copy_in(part(parameter, prefix), values.data());
    }
  }
  model.quantize();
  share_weights(backend, ranks, model);
}

void remove_partial_files(const fs::path& run) {
  for (const fs::path& directory : {run, run / "checkpoints"}) {
    if (!fs::is_directory(directory)) continue;
    std::vector<fs::path> partial;
    for (const auto& entry : fs::directory_iterator(directory)) {
      const std::string name = entry.path().filename().string();
      if (name[0] == '.' && name.find(".partial-") != std::string::npos) partial.push_back(entry.path());
    }
    for (const fs::path& path : partial) {
      const std::string name = path.filename().string();  // ".step-00001000.packed.partial-77-old": see swap_directories
      const fs::path original = directory / name.substr(1, name.find('.', 1) - 1);
      if (name.size() > 4 && name.compare(name.size() - 4, 4, "-old") == 0 && !fs::exists(original))
        fs::rename(path, original);
      else
        fs::remove_all(path);
    }
  }
}

}  // namespace spectra::train

// SPDX-License-Identifier: Apache-2.0
#include "train/run_log.h"

#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace spectra::train {
namespace {

std::string to_json(const LogLine& line) {
  nlohmann::ordered_json json{{"step", line.step},
                              {"tokens", line.tokens},
                              {"loss", line.loss},
                              {"lr", line.lr},
                              {"weight_decay", line.weight_decay},
                              {"grad_norm", line.grad_norm},
                              {"tokens_per_second", line.tokens_per_second}};
  if (line.validation_loss) json["validation_loss"] = *line.validation_loss;
  if (line.zero_fraction) json["zero_fraction"] = *line.zero_fraction;
  if (line.flip_fraction) json["flip_fraction"] = *line.flip_fraction;
  if (line.mfu) json["mfu"] = *line.mfu;
  if (line.memory_bytes) json["memory_bytes"] = *line.memory_bytes;
  if (line.loss_scale) json["loss_scale"] = *line.loss_scale;
  if (!line.skipped.empty()) json["skipped"] = line.skipped;
  if (line.rewound_to) json["rewound_to"] = *line.rewound_to;
  return json.dump();
}

/// Takes over a value of the log where it is a number: JSON has no NaN, so that of a skipped step is null.
void note(std::optional<double>& newest, const nlohmann::json& json, const char* key) {
  const auto found = json.find(key);
  if (found != json.end() && found->is_number()) newest = found->get<double>();
}

nlohmann::ordered_json to_json(const LayerStatistics& layer) {
  nlohmann::ordered_json json{{"name", layer.name}, {"scales", layer.scales}};
  if (layer.zero_fraction) json["zero_fraction"] = *layer.zero_fraction;
  json["flip_fraction"] = layer.flip_fraction;
  json["near_fraction"] = layer.near_fraction;
  json["distance"] = layer.distance;
  return json;
}

std::string layers_to_json(const LogLine& line) {
  nlohmann::ordered_json json{{"step", line.step}, {"layers", nlohmann::ordered_json::array()}};
  for (const LayerStatistics& layer : line.layers) json["layers"].push_back(to_json(layer));
  return json.dump();
}

/// Tags as TensorBoard groups them: by what stands before the slash.
std::vector<Scalar> scalars_of(const LogLine& line) {
  std::vector<Scalar> all;
  const auto add = [&](const std::string& tag, const std::optional<double>& value) {
    if (value && std::isfinite(*value)) all.push_back({tag, *value});
  };
  add("loss/training", line.loss);
  add("loss/validation", line.validation_loss);
  add("schedule/lr", line.lr);
  add("schedule/weight_decay", line.weight_decay);
  add("optimizer/grad_norm", line.grad_norm);
  add("optimizer/loss_scale", line.loss_scale);
  if (!line.skipped.empty()) add("optimizer/skipped", 1);
  add("weights/zero_fraction", line.zero_fraction);
  add("weights/flip_fraction", line.flip_fraction);
  add("speed/tokens_per_second", line.tokens_per_second);
  add("speed/mfu", line.mfu);
  if (line.memory_bytes) add("memory/resident_bytes", static_cast<double>(*line.memory_bytes));
  for (const LayerStatistics& layer : line.layers) {
    for (size_t s = 0; s < layer.scales.size(); ++s) add(fmt::format("scale/{}/{}", layer.name, s), layer.scales[s]);
    add("zero_fraction/" + layer.name, layer.zero_fraction);
    add("flip_fraction/" + layer.name, layer.flip_fraction);
    add("near_fraction/" + layer.name, layer.near_fraction);
    add("distance/" + layer.name, layer.distance);
  }
  return all;
}

/// Calls `visit` with every line up to `last_step` and removes the others, among them one that a crash tore.
void cut_back(AppendFile& file, int64_t last_step, const std::function<void(const nlohmann::json&)>& visit) {
  const std::string text = read_file(file.path());
  size_t kept = 0;
  for (int number = 1; kept < text.size(); ++number) {
    const size_t end = text.find('\n', kept);
    if (end == std::string::npos) break;
    try {
      const auto json = nlohmann::json::parse(text.substr(kept, end - kept));
      if (json.at("step").get<int64_t>() > last_step) break;
      visit(json);
    } catch (const nlohmann::json::exception& error) {
      throw bad_input(fmt::format("{} line {}: {}", file.path().string(), number, error.what()),
                      "remove the damaged line, then resume");
    }
    kept = end + 1;
  }
  file.cut(kept);
}

fs::path layers_file(const fs::path& log) { return log.parent_path() / "layers.jsonl"; }

}  // namespace

std::string progress_text(const LogLine& line) {
  const std::string loss = line.skipped.empty() ? fmt::format("loss {:.3f}", line.loss) : "skipped: " + line.skipped;
  std::string text = fmt::format("step {}  {}  {:.0f} tok/s", line.step, loss, line.tokens_per_second);
  if (line.mfu) text += fmt::format("  {:.0f} % of peak", 100 * *line.mfu);
  return text;
}

RunLog::RunLog(const fs::path& path, int64_t last_step) : log_(path, true) {
  cut_back(log_, last_step, [&](const nlohmann::json& line) {
    note(loss_, line, "loss");
    note(validation_loss_, line, "validation_loss");
  });
  if (fs::exists(layers_file(path))) {
    layers_ = std::make_unique<AppendFile>(layers_file(path));
    cut_back(*layers_, last_step, [](const nlohmann::json&) {});
  }
  events_ = std::make_unique<EventFile>(path.parent_path(), last_step);
}

void RunLog::append(const LogLine& line) {
  log_.append(to_json(line) + "\n");
  if (!line.layers.empty()) {
    if (!layers_) layers_ = std::make_unique<AppendFile>(layers_file(log_.path()));
    layers_->append(layers_to_json(line) + "\n");
  }
  events_->add(line.step, scalars_of(line));
  if (std::isfinite(line.loss)) loss_ = line.loss;
  if (line.validation_loss) validation_loss_ = line.validation_loss;
}

void RunLog::sync() {
  log_.sync();
  if (layers_) layers_->sync();
}

}  // namespace spectra::train

// SPDX-License-Identifier: Apache-2.0
#include "train/faults.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <tuple>

namespace spectra::train {
namespace {

using nlohmann::ordered_json;

/// How many standard deviations `value` lies above the mean of `window` earlier ones; 0 until there are as many.
double z_score(const std::deque<double>& values, double value, int64_t window) {
  if (static_cast<int64_t>(values.size()) < window) return 0;
  const double count = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  const auto add_square = [mean](double sum, double x) { return sum + (x - mean) * (x - mean); };
  const double deviation = std::sqrt(std::accumulate(values.begin(), values.end(), 0.0, add_square) / count);
  return deviation > 0 ? (value - mean) / deviation : 0;
}

void push(std::deque<double>& values, double value, int64_t window) {
  values.push_back(value);
  while (static_cast<int64_t>(values.size()) > window) values.pop_front();
}

ordered_json to_json(const SkippedRange& range) {
  return {{"first", range.first}, {"count", range.count}, {"reason", range.reason}};
}

}  // namespace

Faults::Faults(const Recipe& recipe, FaultState state) : recipe_(recipe), state_(std::move(state)) {
  if (recipe.precision == "fp16" && state_.loss_scale.scale == 0)
    state_.loss_scale.scale = state_.loss_scale.lowest = recipe.loss_scale_initial;
}

std::string Faults::recorded(int64_t first, int64_t count) const {
  std::string reason;
  for (const SkippedRange& range : state_.skipped)
    if (range.first < first + count && first < range.first + range.count && reason != "rewind") reason = range.reason;
  return reason;
}

std::string Faults::judge(double loss, double grad_norm) const {
  if (!std::isfinite(loss)) return "nan";
  if (!std::isfinite(grad_norm)) {
    const bool scale_can_fall = recipe_.precision == "fp16" && state_.loss_scale.scale > recipe_.loss_scale_min;
    return scale_can_fall ? "overflow" : "nan";
  }
  if (recipe_.loss_z > 0 && z_score(state_.losses, loss, recipe_.faults_window) > recipe_.loss_z) return "loss spike";
  if (recipe_.grad_norm_z > 0 && z_score(state_.grad_norms, grad_norm, recipe_.faults_window) > recipe_.grad_norm_z)
    return "gradient spike";
  return "";
}

void Faults::accept(double loss, double grad_norm) {
  state_.in_a_row = 0;
  push(state_.losses, loss, recipe_.faults_window);
  push(state_.grad_norms, grad_norm, recipe_.faults_window);
  LossScale& scale = state_.loss_scale;
  if (recipe_.precision != "fp16" || ++scale.good_steps < recipe_.loss_scale_window) return;
  scale.scale *= 2;
  scale.good_steps = 0;
}

void Faults::skip(int64_t first, int64_t count, const std::string& reason) {
  ++state_.skipped_batches;
  state_.skipped_tokens += count * recipe_.sequence;
  if (reason == "overflow") {
    LossScale& scale = state_.loss_scale;
    scale.scale = std::max(recipe_.loss_scale_min, scale.scale / 2);
    scale.lowest = std::min(scale.lowest, scale.scale);
    scale.good_steps = 0;
    return;
  }
  if (recorded(first, count).empty()) state_.skipped.push_back({first, count, reason});
  if (reason != "rewind") ++state_.in_a_row;
}

bool Faults::rewind_due() const { return recipe_.rewind_after > 0 && state_.in_a_row >= recipe_.rewind_after; }

void Faults::rewound(const FaultState& then, int64_t first, int64_t count) {
  FaultState state = then;
  const int64_t batches = count / recipe_.batch_sequences();
  state.skipped_batches += batches;
  state.skipped_tokens += count * recipe_.sequence;
  state.skipped.push_back({first, count, "rewind"});
  state.rewinds = state_.rewinds + 1;
  state.in_a_row = 0;
  state_ = std::move(state);
}

std::string skipped_to_json(const std::vector<SkippedRange>& ranges) {
  ordered_json json = ordered_json::array();
  for (const SkippedRange& range : ranges) json.push_back(to_json(range));
  return json.dump();
}

std::vector<SkippedRange> skipped_from_json(const std::string& text) {
  std::vector<SkippedRange> ranges;
  for (const auto& range : ordered_json::parse(text))
    ranges.push_back({range.at("first").get<int64_t>(), range.at("count").get<int64_t>(), range.at("reason").get<std::string>()});
  return ranges;
}

void merge_skipped(std::vector<SkippedRange>& ranges, const std::vector<SkippedRange>& more) {
  const auto key = [](const SkippedRange& range) { return std::tie(range.first, range.count, range.reason); };
  ranges.insert(ranges.end(), more.begin(), more.end());
  std::sort(ranges.begin(), ranges.end(), [&](const SkippedRange& a, const SkippedRange& b) { return key(a) < key(b); });
  const auto same = [&](const SkippedRange& a, const SkippedRange& b) { return key(a) == key(b); };
  ranges.erase(std::unique(ranges.begin(), ranges.end(), same), ranges.end());
}

std::string fault_state_to_json(const FaultState& state) {
  return ordered_json{{"skipped", ordered_json::parse(skipped_to_json(state.skipped))},
                      {"skipped_batches", state.skipped_batches},
                      {"skipped_tokens", state.skipped_tokens},
                      {"in_a_row", state.in_a_row},
                      {"rewinds", state.rewinds},
                      {"loss_scale", state.loss_scale.scale},
                      {"loss_scale_lowest", state.loss_scale.lowest},
                      {"loss_scale_good_steps", state.loss_scale.good_steps},
                      {"losses", state.losses},
                      {"grad_norms", state.grad_norms}}
      .dump();
}

FaultState fault_state_from_json(const std::string& text) {
  const auto json = ordered_json::parse(text);
  FaultState state;
  state.skipped = skipped_from_json(json.at("skipped").dump());
  state.skipped_batches = json.at("skipped_batches").get<int64_t>();
  state.skipped_tokens = json.at("skipped_tokens").get<int64_t>();
  state.in_a_row = json.at("in_a_row").get<int64_t>();
  state.rewinds = json.at("rewinds").get<int64_t>();
  state.loss_scale.scale = json.at("loss_scale").get<double>();
  state.loss_scale.lowest = json.at("loss_scale_lowest").get<double>();
  state.loss_scale.good_steps = json.at("loss_scale_good_steps").get<int64_t>();
  state.losses = json.at("losses").get<std::deque<double>>();
  state.grad_norms = json.at("grad_norms").get<std::deque<double>>();
  return state;
}

std::vector<SkippedRange> skipped_after(const fs::path& log, int64_t step, int64_t batch_sequences) {
  std::vector<SkippedRange> ranges;
  std::ifstream file(log);
  for (std::string line; std::getline(file, line);) {
    const auto json = nlohmann::json::parse(line, nullptr, false);  // a torn last line says nothing
    if (json.is_discarded() || json.value("step", int64_t{0}) <= step) continue;
    const int64_t own = json.value("step", int64_t{0}), back = json.value("rewound_to", own);
    const std::string reason = json.value("skipped", "");
    if (back < own) {  // what was skipped since is part of what was given up
      const auto given_up = [&](const SkippedRange& range) { return range.first >= back * batch_sequences; };
      ranges.erase(std::remove_if(ranges.begin(), ranges.end(), given_up), ranges.end());
      ranges.push_back({back * batch_sequences, (own - back) * batch_sequences, "rewind"});
    } else if (!reason.empty() && reason != "overflow")
      ranges.push_back({(own - 1) * batch_sequences, batch_sequences, reason});
  }
  return ranges;
}

}  // namespace spectra::train

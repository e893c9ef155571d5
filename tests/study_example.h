// SPDX-License-Identifier: Apache-2.0
#pragma once
// results.json of a made-up suite, as `spectra suite` writes it.
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string>

namespace spectra::test {

inline nlohmann::json study_document() {
  return {
      {"schema", "spectra.suite/1"},
      {"name", "nano"},
      {"title", "A <small> suite"},
      {"suite_sha256", "abcd"},
      {"version", "0.1.0"},
      {"machine", "a CPU & more"},
      {"started", "2026-11-22T21:00:00Z"},
      {"seconds", 12.5},
      {"finished", false},
      {"command", "spectra suite nano.toml --out nano"},
      {"data", {{{"path", "data/stories"}, {"vocab", 1024}, {"train_tokens", 1000000}, {"valid_tokens", 5000}, {"sha256", "ef"}}}},
      {"jobs",
       {{{"name", "train-a"},
         {"kind", "train"},
         {"state", "done"},
         {"seconds", 1.5},
         {"flops", 1e12},
         {"command", "spectra train a"}},
        {{"name", "report"}, {"kind", "report"}, {"state", "waiting"}, {"seconds", nullptr}, {"flops", nullptr}, {"command", ""}}}},
      {"models", nlohmann::json::array()}};
}

/// A trained model; `size` like "1.5M".
inline nlohmann::json study_model(const std::string& family, const std::string& size, int seed, double validation_loss) {
  const std::string name = fmt::format("{}-{}-seed{}", family, size, seed);
  const double parameters = std::stod(size) * 1e6, linear = 0.5 * parameters;
  const double bits = family == "float" ? 16 : family == "ternary" ? 1.58 : 1;
  return {{"name", name},
          {"family", family},
          {"quantized_bits", 0},
          {"size", size},
          {"arm", ""},
          {"seed", seed},
          {"shards", 1},
          {"parameters", parameters},
          {"linear_parameters", linear},
          {"bits_per_weight", bits},
          {"size_bits", 16 * (parameters - linear) + bits * linear},
          {"disk_bytes", 2 * parameters},
          {"tokens", 1000000},
          {"model", "models/" + name},
          {"run", "runs/" + name},
          {"parent", nullptr},
          {"training_loss", validation_loss + 0.01},
          {"validation_loss", validation_loss},
          {"validation_tokens", 5000},
          {"tasks", nlohmann::json::object()},
          {"texts", nlohmann::json::object()}};
}

}  // namespace spectra::test

// SPDX-License-Identifier: Apache-2.0
#pragma once
// The forward pass of any config in double precision, as its definition reads: one sequence, no cache, no blocks.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "models.h"

namespace spectra::test {

using Row = std::vector<double>;

class PlainForward {
 public:
  explicit PlainForward(const RandomModel& m) : m_(m), c_(m.config), frequencies_(model::rope_frequencies(c_)) {}

  /// Logits (tokens.size(), V).
  std::vector<float> logits(const std::vector<int32_t>& tokens) const {
    std::vector<Row> residual;
    for (const int32_t token : tokens) {
      const float* from = values({-1, model::Slot::kEmbedding}).data() + token * c_.hidden;
      residual.emplace_back(from, from + c_.hidden);
    }
    for (int64_t layer = 0; layer < c_.layers; ++layer) {
      attention(layer, residual);
      for (Row& x : residual) mlp(layer, x);
    }
    std::vector<float> out;
    for (const Row& x : residual) {
      const Row row = product(c_.tied ? model::Slot::kEmbedding : model::Slot::kHead, -1, norm(x, model::Slot::kFinalNorm, -1));
      out.insert(out.end(), row.begin(), row.end());
    }
    return out;
  }

 private:
  const std::vector<float>& values(const model::Place& place) const { return m_.values.at(model::parameter_name(place)); }

  Row scaled(Row x, size_t begin, size_t size) const {
    double sum = 0;
    for (size_t i = begin; i < begin + size; ++i) sum += x[i] * x[i];
    for (size_t i = begin; i < begin + size; ++i)
      x[i] /= std::sqrt(sum / static_cast<double>(size) + static_cast<double>(c_.norm_eps));
    return x;
  }
  /// RMSNorm of each run of as many elements as the slot has weights.
  Row norm(Row x, model::Slot slot, int64_t layer) const {
    const std::vector<float>& w = values({layer, slot});
    for (size_t begin = 0; begin < x.size(); begin += w.size()) {
      x = scaled(std::move(x), begin, w.size());
      for (size_t i = 0; i < w.size(); ++i) x[begin + i] *= static_cast<double>(w[i]);
    }
    return x;
  }
  Row product(model::Slot slot, int64_t layer, const Row& x) const {
    const std::vector<float>& w = values({layer, slot});
    Row y(w.size() / x.size());
    for (size_t r = 0; r < y.size(); ++r)
      for (size_t i = 0; i < x.size(); ++i) y[r] += static_cast<double>(w[r * x.size() + i]) * x[i];
    return y;
  }
  /// A linear layer with the norm before it.
  Row linear(model::Slot slot, model::Slot its_norm, int64_t layer, const Row& x) const {
    if (c_.linear_norms == model::LinearNorms::kWeighted) return product(slot, layer, norm(x, its_norm, layer));
    if (c_.linear_norms == model::LinearNorms::kPlain) return product(slot, layer, scaled(x, 0, x.size()));
    return product(slot, layer, x);
  }
  void add(Row& y, const Row& x) const {
    for (size_t i = 0; i < y.size(); ++i) y[i] += x[i];
  }
  void add_bias(Row& y, model::Slot slot, int64_t layer) const {
    if (!c_.qkv_bias) return;
    for (size_t i = 0; i < y.size(); ++i) y[i] += static_cast<double>(values({layer, slot})[i]);
  }
  void turn(Row& x, size_t position) const {
    const size_t half = frequencies_.inverse.size();
    for (size_t head = 0; head < x.size(); head += 2 * half)
      for (size_t i = 0; i < half; ++i) {
        const double angle = static_cast<double>(position) * frequencies_.inverse[i], factor = frequencies_.attention_factor;
        const double a = x[head + i], b = x[head + half + i], cos = std::cos(angle) * factor, sin = std::sin(angle) * factor;
        x[head + i] = a * cos - b * sin;
        x[head + half + i] = b * cos + a * sin;
      }
  }

  void attention(int64_t layer, std::vector<Row>& residual) const {
    using model::Slot;
    std::vector<Row> queries, keys, values;
    for (size_t t = 0; t < residual.size(); ++t) {
      const Row x = norm(residual[t], Slot::kInputNorm, layer);
      Row q = linear(Slot::kQ, Slot::kQLinearNorm, layer, x), k = linear(Slot::kK, Slot::kKLinearNorm, layer, x),
          v = linear(Slot::kV, Slot::kVLinearNorm, layer, x);
      add_bias(q, Slot::kQBias, layer);
      add_bias(k, Slot::kKBias, layer);
      add_bias(v, Slot::kVBias, layer);
      if (c_.head_norms) q = norm(q, Slot::kQHeadNorm, layer), k = norm(k, Slot::kKHeadNorm, layer);
      turn(q, t);
      turn(k, t);
      queries.push_back(q), keys.push_back(k), values.push_back(v);
    }
    for (size_t t = 0; t < residual.size(); ++t) {
      Row attended;
      for (int64_t head = 0; head < c_.heads; ++head) attend(queries[t], keys, values, t, head, attended);
      if (c_.sub_norms) attended = norm(attended, Slot::kAttentionSubNorm, layer);
      add(residual[t], linear(Slot::kO, Slot::kOLinearNorm, layer, attended));
    }
  }

  void attend(const Row& query, const std::vector<Row>& keys, const std::vector<Row>& values, size_t t, int64_t head,
              Row& out) const {
    const auto width = static_cast<size_t>(c_.head_dim()), q = static_cast<size_t>(head) * width,
               kv = static_cast<size_t>(head / (c_.heads / c_.kv_heads)) * width;
    const size_t window = c_.window > 0 ? static_cast<size_t>(c_.window) : t + 1, first = t + 1 > window ? t + 1 - window : 0;
    Row p;
    for (size_t s = first; s <= t; ++s) {
      double score = 0;
      for (size_t e = 0; e < width; ++e) score += query[q + e] * keys[s][kv + e];
      p.push_back(score / std::sqrt(static_cast<double>(width)));
    }
    const double largest = *std::max_element(p.begin(), p.end());
    double sum = 0;
    for (double& x : p) sum += x = std::exp(x - largest);
    const size_t begin = out.size();
    out.resize(begin + width);
    for (size_t s = first; s <= t; ++s)
      for (size_t e = 0; e < width; ++e) out[begin + e] += p[s - first] / sum * values[s][kv + e];
  }

  void mlp(int64_t layer, Row& residual) const {
    using model::Slot;
    const Row x = norm(residual, Slot::kPostNorm, layer);
    Row gate = linear(Slot::kGate, Slot::kGateLinearNorm, layer, x);
    const Row up = linear(Slot::kUp, Slot::kUpLinearNorm, layer, x);
    for (size_t i = 0; i < gate.size(); ++i) gate[i] = activated(gate[i]) * up[i];
    if (c_.sub_norms) gate = norm(gate, Slot::kMlpSubNorm, layer);
    add(residual, linear(Slot::kDown, Slot::kDownLinearNorm, layer, gate));
  }
  double activated(double x) const {
    switch (c_.activation) {
      case model::Activation::kSilu:
        return x / (1 + std::exp(-x));
      case model::Activation::kRelu2:
        return x > 0 ? x * x : 0;
      case model::Activation::kGelu:
        return x * std::erfc(-x / std::sqrt(2.0)) / 2;
    }
    return 0;
  }

  const RandomModel& m_;
  const model::Config& c_;
  model::RopeFrequencies frequencies_;
};

}  // namespace spectra::test

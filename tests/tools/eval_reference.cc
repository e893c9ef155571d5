// SPDX-License-Identifier: Apache-2.0
// eval_reference MODEL SCORES [COUNT]: checks log-likelihoods of `spectra eval --dump-scores SCORES` against a forward pass written
// out here in plain loops, one request at a time: fp32 values, sums of products in fp64. Of each task COUNT requests (200), evenly
// spread. Prints, as JSON lines, the largest |difference| / sqrt(tokens) of each task.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/parallel.h"
#include "infer/weights.h"

namespace spectra {
namespace {

using Vector = std::vector<float>;

struct Matrix {
  int64_t rows = 0, cols = 0;
  std::vector<Vector> row;
};

Matrix read(const infer::Linear& linear) {
  Matrix m{linear.rows, linear.cols, {}};
  for (int64_t r = 0; r < m.rows; ++r) {
    m.row.emplace_back(static_cast<size_t>(m.cols));
    infer::read_row(linear, r, m.row.back().data());
  }
  return m;
}

Vector multiply(const Matrix& m, const Vector& x) {
  Vector y(static_cast<size_t>(m.rows));
  for (size_t r = 0; r < y.size(); ++r) {
    double sum = 0;
    for (size_t c = 0; c < x.size(); ++c) sum += static_cast<double>(m.row[r][c]) * static_cast<double>(x[c]);
    y[r] = static_cast<float>(sum);
  }
  return y;
}

Vector rmsnorm(const Vector& x, const Vector& weight, double eps) {
  double squares = 0;
  for (const float v : x) squares += static_cast<double>(v) * static_cast<double>(v);
  const double scale = 1 / std::sqrt(squares / static_cast<double>(x.size()) + eps);
  Vector y(x.size());
  for (size_t i = 0; i < x.size(); ++i)
    y[i] = static_cast<float>(static_cast<double>(x[i]) * scale * static_cast<double>(weight[i]));
  return y;
}

struct PlainLayer {
  Vector input_norm, post_norm;
  Matrix q, k, v, o, gate, up, down;
};

class PlainModel {
 public:
  explicit PlainModel(const infer::Model& model)
      : c_(model.config), embedding_(read(model.embedding)), head_(read(model.head)), norm_(model.final_norm) {
    for (const infer::Layer& l : model.layers)
      layers_.push_back({l.input_norm, l.post_attention_norm, read(l.q), read(l.k), read(l.v), read(l.o), read(l.gate), read(l.up),
                         read(l.down)});
  }

  /// Σ ln p of the last `scored` tokens.
  double score(const std::vector<int32_t>& tokens, int64_t scored) const {
    std::vector<Vector> x;
    for (size_t t = 0; t + 1 < tokens.size(); ++t) x.push_back(embedding_.row[static_cast<size_t>(tokens[t])]);
    for (const PlainLayer& layer : layers_) {
      attention(layer, x);
      for (Vector& h : x) mlp(layer, h);
    }
    double sum = 0;
    for (size_t t = tokens.size() - static_cast<size_t>(scored); t < tokens.size(); ++t) {
      const Vector logits = multiply(head_, rmsnorm(x[t - 1], norm_, static_cast<double>(c_.norm_eps)));
      const double largest = static_cast<double>(*std::max_element(logits.begin(), logits.end()));
      double total = 0;
      for (const float l : logits) total += std::exp(static_cast<double>(l) - largest);
      sum += static_cast<double>(logits[static_cast<size_t>(tokens[t])]) - largest - std::log(total);
    }
    return sum;
  }

 private:
  void rope(Vector& heads, size_t position) const {
    const auto width = static_cast<size_t>(c_.head_dim());
    for (size_t h = 0; h < heads.size(); h += width)
      for (size_t i = 0; i < width / 2; ++i) {
        const double angle = static_cast<double>(position) * std::pow(static_cast<double>(c_.rope.theta),
                                                                      -2.0 * static_cast<double>(i) / static_cast<double>(width));
        const double a = static_cast<double>(heads[h + i]), b = static_cast<double>(heads[h + i + width / 2]);
        heads[h + i] = static_cast<float>(a * std::cos(angle) - b * std::sin(angle));
        heads[h + i + width / 2] = static_cast<float>(b * std::cos(angle) + a * std::sin(angle));
      }
  }

  void attention(const PlainLayer& layer, std::vector<Vector>& x) const {
    std::vector<Vector> q, k, v;
    for (size_t t = 0; t < x.size(); ++t) {
      const Vector n = rmsnorm(x[t], layer.input_norm, static_cast<double>(c_.norm_eps));
      q.push_back(multiply(layer.q, n));
      k.push_back(multiply(layer.k, n));
      v.push_back(multiply(layer.v, n));
      rope(q.back(), t);
      rope(k.back(), t);
    }
    const auto width = static_cast<size_t>(c_.head_dim()), group = static_cast<size_t>(c_.heads / c_.kv_heads);
    for (size_t t = 0; t < x.size(); ++t) {
      Vector out(q[t].size());
      for (size_t h = 0; h < static_cast<size_t>(c_.heads); ++h) {
        std::vector<double> weight(t + 1);
        double largest = -1e300, total = 0;
        for (size_t s = 0; s <= t; ++s) {
          double dot = 0;
          for (size_t i = 0; i < width; ++i)
            dot += static_cast<double>(q[t][h * width + i]) * static_cast<double>(k[s][h / group * width + i]);
          weight[s] = dot / std::sqrt(static_cast<double>(width));
          largest = std::max(largest, weight[s]);
        }
        for (double& w : weight) total += w = std::exp(w - largest);
        for (size_t i = 0; i < width; ++i) {
          double sum = 0;
          for (size_t s = 0; s <= t; ++s) sum += weight[s] * static_cast<double>(v[s][h / group * width + i]);
          out[h * width + i] = static_cast<float>(sum / total);
        }
      }
      add(x[t], multiply(layer.o, out));
    }
  }

  void mlp(const PlainLayer& layer, Vector& x) const {
    const Vector n = rmsnorm(x, layer.post_norm, static_cast<double>(c_.norm_eps));
    Vector gate = multiply(layer.gate, n);
    const Vector up = multiply(layer.up, n);
    for (size_t i = 0; i < gate.size(); ++i) {
      const auto g = static_cast<double>(gate[i]);
      gate[i] = static_cast<float>(g / (1 + std::exp(-g)) * static_cast<double>(up[i]));
    }
    add(x, multiply(layer.down, gate));
  }

  static void add(Vector& x, const Vector& y) {
    for (size_t i = 0; i < x.size(); ++i) x[i] += y[i];
  }

  model::Config c_;
  Matrix embedding_, head_;
  Vector norm_;
  std::vector<PlainLayer> layers_;
};

struct Sample {
  std::vector<int32_t> tokens;
  int64_t scored;
  double logprob;
};

std::map<std::string, std::vector<Sample>> read_scores(const std::string& path) {
  std::map<std::string, std::vector<Sample>> tasks;
  std::ifstream file(path);
  for (std::string text; std::getline(file, text);) {
    const auto line = nlohmann::json::parse(text);
    if (!line.contains("ids") || line["ids"].size() != line["logprobs"].size())
      continue;  // generated, or a text of several windows
    for (size_t i = 0; i < line["ids"].size(); ++i)
      tasks[line["task"]].push_back({line["ids"][i], line["scored"][i], line["logprobs"][i]});
  }
  return tasks;
}

int run(const std::string& directory, const std::string& scores, size_t count) {
  const PlainModel model(*infer::load_model(directory));
  for (const auto& [task, samples] : read_scores(scores)) {
    const size_t checked = std::min(count, samples.size());
    std::vector<double> errors(checked);
    const std::vector<Sample>& all = samples;
    parallel_for(checked, [&](size_t i) {
      const Sample& s = all[i * all.size() / checked];
      errors[i] = std::fabs(model.score(s.tokens, s.scored) - s.logprob) / std::sqrt(static_cast<double>(s.scored));
    });
    double largest = 0;
    for (const double error : errors) largest = error <= largest ? largest : error;  // NaN too
    fmt::print("{}\n", nlohmann::ordered_json{{"task", task}, {"requests", checked}, {"largest_error", largest}}.dump());
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace spectra

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  try {
    return spectra::run(argv[1], argv[2], argc > 3 ? std::stoul(argv[3]) : 200);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}

// SPDX-License-Identifier: Apache-2.0
// Codes and scales of one matrix: what must hold of GPTQ whatever the inputs are, and a plain implementation beside the fast one.
#include "quantize/solve.h"
#include <cblas.h>

#include <gtest/gtest.h>

#include <limits>

#include "base/error.h"
#include "base/parallel.h"
#include "plain_gptq.h"
#include "quantize/grid.h"

namespace spectra::quantize {
namespace {

using test::Layer;
using test::Matrix;

Matrix weights(const lowbit::QuantizedMatrix& m) {
  Matrix w(m.codes.size());
  for (int64_t r = 0; r < m.rows; ++r)
    for (int64_t c = 0; c < m.cols; ++c)
      w[static_cast<size_t>(r * m.cols + c)] =
          static_cast<double>(m.scales[static_cast<size_t>(r * m.groups() + c / m.group_size)]) *
          m.codes[static_cast<size_t>(r * m.cols + c)];
  return w;
}
Matrix doubles(const std::vector<float>& w) { return {w.begin(), w.end()}; }

struct Quantized {
  Factor factor;
  Solved solved;
};
Quantized run(const Layer& layer, const Options& options) {
  Quantized r{factorize({layer.cols, layer.h.data(), layer.mixed.data()}, options, "test"), {}};
  r.solved = solve(layer.w.data(), layer.rows, layer.cols, &r.factor, options, "test");
  return r;
}
Options options_of(int bits, int64_t group, Method method = Method::kGptq) {
  Options o;
  o.bits = bits, o.group_size = group, o.method = method;
  return o;
}

// The build with threads of its own would start a second pool; the serial one must not be called from several threads.
TEST(Solve, OpenBlasUsesThreadsOfOpenMp) { EXPECT_EQ(openblas_get_parallel(), OPENBLAS_OPENMP); }

TEST(Solve, AgreesWithThePlainAlgorithm) {
  for (const int64_t group : {0, 16, 48, 96}) {
    for (const int bits : {3, 4, 8}) {
      const Layer layer = test::random_layer(70, 192, 600, static_cast<uint64_t>(group + bits));
      const Options options = options_of(bits, group);
      const Quantized fast = run(layer, options);
      const test::PlainResult plain = test::plain_gptq(doubles(layer.w), layer.damped(fast.factor.damping), layer.rows, layer.cols,
                                                       bits, options.group(layer.cols));
      int64_t equal = 0;
      for (size_t i = 0; i < plain.codes.size(); ++i) equal += plain.codes[i] == fast.solved.matrix.codes[i] ? 1 : 0;
      EXPECT_GE(static_cast<double>(equal), 0.999 * static_cast<double>(plain.codes.size()))
          << bits << " bits, groups of " << group;
      EXPECT_NEAR(fast.solved.error / plain.error, 1, 1e-4) << bits << " bits, groups of " << group;
    }
  }
}

TEST(Solve, ErrorIsThatOfTheOutputs) {
  for (const bool act_order : {false, true})
    for (const Method method : {Method::kGptq, Method::kGptaq}) {
      const Layer layer = test::random_layer(33, 96, 300, 5);
      Options options = options_of(4, 32, method);
      options.act_order = act_order;
      const Quantized r = run(layer, options);
      Matrix target = doubles(layer.w);
      if (method == Method::kGptaq) {  // W (Σ x̃ xᵀ + damping) (H + damping)^-1
        Matrix mixed = doubles(layer.mixed);
        for (int64_t i = 0; i < layer.cols; ++i) mixed[static_cast<size_t>(i * layer.cols + i)] += r.factor.damping;
        target = test::product(test::product(target, mixed, layer.rows, layer.cols),
                               test::inverse(layer.damped(r.factor.damping), layer.cols), layer.rows, layer.cols);
      }
      const double wanted = layer.error(target, weights(r.solved.matrix), r.factor.damping);
      EXPECT_NEAR(r.solved.error / wanted, 1, 1e-6) << act_order << " " << method_name(method);
    }
}

TEST(Solve, BlocksDoNotMatterWhereScalesAreFixed) {
  const Layer layer = test::random_layer(40, 160, 400, 6);
  std::vector<int8_t> codes;
  for (const int64_t block : {1, 7, 16, 128, 160}) {
    Options options = options_of(4, 0);
    options.block = block;
    const Solved solved = run(layer, options).solved;
    if (codes.empty()) codes = solved.matrix.codes;
    EXPECT_EQ(codes, solved.matrix.codes) << block;
  }
}

TEST(Solve, ThreadsDoNotMatter) {
  const Layer layer = test::random_layer(150, 64, 200, 7);
  const Solved all = run(layer, options_of(3, 32)).solved;
  const ScopedComputeThreads one(1);
  const Solved single = run(layer, options_of(3, 32)).solved;
  EXPECT_EQ(all.matrix.codes, single.matrix.codes);
  EXPECT_EQ(all.matrix.scales, single.matrix.scales);
  EXPECT_EQ(all.error, single.error);
}

TEST(Solve, UncorrelatedInputsOfOneSizeGivePlainRounding) {
  Layer layer = test::random_layer(30, 64, 100, 8);
  for (int64_t i = 0; i < 64; ++i)
    for (int64_t j = 0; j < 64; ++j) layer.h[static_cast<size_t>(i * 64 + j)] = i == j ? 3.5f : 0.0f;
  const Solved gptq = run(layer, options_of(4, 16)).solved;
  const Solved rtn = solve(layer.w.data(), layer.rows, layer.cols, nullptr, options_of(4, 16, Method::kRtn), "test");
  EXPECT_EQ(gptq.matrix.codes, rtn.matrix.codes);
  EXPECT_EQ(gptq.matrix.scales, rtn.matrix.scales);
}

TEST(Solve, BetterThanRounding) {
  for (const int bits : {3, 4, 6, 8}) {
    const Layer layer = test::random_layer(64, 128, 500, static_cast<uint64_t>(bits));
    const Quantized r = run(layer, options_of(bits, 0));
    const Solved rtn = solve(layer.w.data(), layer.rows, layer.cols, nullptr, options_of(bits, 0, Method::kRtn), "test");
    EXPECT_LT(r.solved.error, 0.8 * layer.error(doubles(layer.w), weights(rtn.matrix), r.factor.damping)) << bits;
  }
}

double asymmetric_error(const Layer& layer, const Matrix& q) {
  double sum = 0;
  for (int64_t r = 0; r < layer.rows; ++r)
    for (int64_t t = 0; t < layer.tokens; ++t) {
      double difference = 0;
      for (int64_t c = 0; c < layer.cols; ++c) {
        const auto x = static_cast<size_t>(c * layer.tokens + t), w = static_cast<size_t>(r * layer.cols + c);
        difference += static_cast<double>(layer.w[w]) * layer.full[x] - q[w] * layer.x[x];
      }
      sum += difference * difference;
    }
  return sum;
}

TEST(Solve, GptaqComesCloserToTheFullPrecisionOutputs) {
  const Layer layer = test::random_layer(48, 96, 400, 9);
  for (const bool act_order : {false, true}) {
    Options options = options_of(4, 0);
    options.act_order = act_order;
    const double gptq = asymmetric_error(layer, weights(run(layer, options).solved.matrix));
    options.method = Method::kGptaq;
    EXPECT_LT(asymmetric_error(layer, weights(run(layer, options).solved.matrix)), 0.9 * gptq) << act_order;
  }
}

TEST(Solve, GptaqIsGptqWhereTheInputsAreTheSame) {
  Layer layer = test::random_layer(20, 64, 200, 10);
  layer.mixed = layer.h;
  EXPECT_EQ(run(layer, options_of(4, 32, Method::kGptaq)).solved.matrix.codes, run(layer, options_of(4, 32)).solved.matrix.codes);
}

TEST(Solve, ActOrderKeepsGroupsWhereTheyAre) {
  const Layer layer = test::random_layer(20, 64, 200, 11);
  Options options = options_of(4, 16);
  options.act_order = true;
  const lowbit::QuantizedMatrix ordered = run(layer, options).solved.matrix;
  const lowbit::QuantizedMatrix rtn =
      solve(layer.w.data(), layer.rows, layer.cols, nullptr, options_of(4, 16, Method::kRtn), "test").matrix;
  EXPECT_EQ(ordered.scales, rtn.scales);
  EXPECT_NE(ordered.codes, rtn.codes);
}

TEST(Solve, ReferenceScalesDifferOnlyWhereGroupsAreShorterThanBlocks) {
  const Layer layer = test::random_layer(20, 256, 700, 12);
  for (const int64_t group : {int64_t{128}, int64_t{32}}) {
    Options options = options_of(4, group);
    const auto live = run(layer, options).solved.matrix.scales;
    options.reference_scales = true;
    const auto stale = run(layer, options).solved.matrix.scales;
    EXPECT_EQ(live == stale, group == 128) << group;
  }
}

TEST(Solve, AnInputThatIsAlwaysZeroLosesItsWeights) {
  Layer layer = test::random_layer(10, 32, 100, 13);
  for (int64_t i = 0; i < 32; ++i) layer.h[static_cast<size_t>(5 * 32 + i)] = layer.h[static_cast<size_t>(i * 32 + 5)] = 0;
  const Quantized r = run(layer, options_of(4, 0));
  for (int64_t row = 0; row < 10; ++row) EXPECT_EQ(r.solved.matrix.codes[static_cast<size_t>(row * 32 + 5)], 0);
}

TEST(Solve, DampingIsRaisedWhereTheHessianIsSingular) {
  Layer layer = test::random_layer(10, 32, 100, 14);
  for (float& h : layer.h) h = 1;  // rank 1
  Options options = options_of(4, 0);
  options.damp = 0;
  EXPECT_GT(run(layer, options).factor.damp, 0);
}

TEST(Solve, DamagedInputsAreRefused) {
  Layer layer = test::random_layer(10, 32, 100, 15);
  layer.h[0] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THROW(run(layer, options_of(4, 0)), Error);
  Layer wide = test::random_layer(10, 32, 100, 16);
  wide.w[3] = 1e9f;
  EXPECT_THROW(run(wide, options_of(4, 0)), Error);
  wide.w[3] = std::numeric_limits<float>::infinity();
  EXPECT_THROW(run(wide, options_of(4, 0)), Error);
}

TEST(Grid, EveryScaleIsFp16AndTheLargestWeightIsHalfAStepAway) {
  const std::vector<double> w = {0.3, -0.7, 0.1, 0.65};
  const Grid grid{4, false, false};
  const float scale = grid.scale(w.data(), 4);
  EXPECT_EQ(scale, round_to_fp16(static_cast<float>(2 * 0.7 / 15)));
  int64_t clipped = 0;
  EXPECT_EQ(code(grid, 7.5, 1, clipped), 7);  // half to even is 8, beyond the grid
  EXPECT_EQ(clipped, 1);
  EXPECT_EQ(code(grid, -7.5, 1, clipped), -8);
  EXPECT_EQ(code(grid, 2.5, 1, clipped), 2);
  EXPECT_EQ(code(grid, 1e300, 1, clipped), 7);
  EXPECT_EQ(clipped, 2);
}

TEST(Grid, ZerosAndPositiveGroups) {
  const std::vector<double> zeros(4), positive = {0.5, 0.1};
  EXPECT_EQ((Grid{4, false, false}).scale(zeros.data(), 4), round_to_fp16(2.0f / 15));
  EXPECT_EQ((Grid{4, false, false}).scale(positive.data(), 2), round_to_fp16(1.0f / 15));
  EXPECT_EQ((Grid{4, false, true}).scale(positive.data(), 2), round_to_fp16(0.5f / 15));
}

TEST(Grid, TheSearchNeverMakesItWorse) {
  const Rng rng(3);
  int improved = 0;
  for (uint64_t n = 0; n < 20; ++n) {
    std::vector<double> w;
    for (uint64_t i = 0; i < 64; ++i) w.push_back(rng.normal_at(n * 64 + i));
    w[0] *= 4;
    double errors[2] = {};
    for (const bool mse : {false, true}) {
      const Grid grid{3, mse, false};
      const auto scale = static_cast<double>(grid.scale(w.data(), 64));
      int64_t clipped = 0;
      for (const double x : w) errors[mse] += std::pow(std::fabs(x - scale * code(grid, x, scale, clipped)), 2.4);
    }
    EXPECT_LE(errors[1], errors[0]);
    improved += errors[1] < errors[0] ? 1 : 0;
  }
  EXPECT_GT(improved, 10);
}

}  // namespace
}  // namespace spectra::quantize

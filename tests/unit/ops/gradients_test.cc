// SPDX-License-Identifier: Apache-2.0
// Every backward op of the reference against central finite differences in fp64. The loss is the inner product of the
// op's output with a fixed random matrix, which is then the output's gradient.
#include <algorithm>
#include <iterator>

#include "fp64.h"

namespace spectra::ops {
namespace {

using test::dot;
using test::expect_gradient;

struct Gradients : ::testing::Test, test::Fp64 {};

TEST_F(Gradients, Embedding) {
  const std::vector<int32_t> tokens = {3, 0, 3, 6, 1};
  const Tensor table = random(7, 4), x = zeros(5, 4), dx = random(5, 4), dtable = zeros(7, 4);
  backend.embedding_backward(dtable, tokens.data(), dx);
  expect_gradient("table", table, dtable, [&] {
    backend.embedding(x, tokens.data(), table);
    return dot(x, dx);
  });
}

TEST_F(Gradients, RmsNorm) {
  const Tensor x = random(5, 8), w = random(1, 8), y = zeros(5, 8), rstd = zeros(1, 5), dy = random(5, 8);
  backend.rmsnorm(y, rstd, x, Tensor(), w, 1e-2f);
  const Tensor dx = zeros(5, 8), dw = zeros(1, 8);
  backend.rmsnorm_backward(dx, dw, dy, x, rstd, w);
  const auto loss = [&] {
    backend.rmsnorm(y, rstd, x, Tensor(), w, 1e-2f);
    return dot(y, dy);
  };
  expect_gradient("x", x, dx, loss);
  expect_gradient("w", w, dw, loss);
}

// The updated stream x + residual is used by the norm and again later: dx starts with the later gradient.
TEST_F(Gradients, RmsNormOfResidualStream) {
  const Tensor x = random(4, 6), residual = random(4, 6), w = random(1, 6), dy = random(4, 6), dstream = random(4, 6);
  const Tensor y = zeros(4, 6), rstd = zeros(1, 4);
  const auto loss = [&] {
    const Tensor stream = copy(x);
    backend.rmsnorm(y, rstd, stream, residual, w, 1e-5f);
    return dot(y, dy) + dot(stream, dstream);
  };
  loss();
  const Tensor stream = copy(x), dx = copy(dstream), dw = zeros(1, 6);
  backend.add(stream, residual);
  backend.rmsnorm_backward(dx, dw, dy, stream, rstd, w);
  expect_gradient("x", x, dx, loss);
  expect_gradient("residual", residual, dx, loss);
  expect_gradient("w", w, dw, loss);
}

TEST_F(Gradients, LinearWithScales) {
  std::vector<double> rows = {0.5, 2.0, 1.25}, cols = {1.0, 0.25, 3.0, 1.5};
  for (const int scaled : {0, 1, 2}) {
    const Tensor x = random(5, 4), y = zeros(5, 3), dy = random(5, 3), dx = zeros(5, 4);
    QuantizedWeight w;
    w.codes = random(3, 4);
    w.by_rows = scaled == 1;
    if (scaled == 1) w.bounds = {0, 1, 2, 3}, w.scales = Tensor(rows.data(), DType::kF64, 1, 3);
    if (scaled == 2) w.bounds = {0, 1, 2, 3, 4}, w.scales = Tensor(cols.data(), DType::kF64, 1, 4);
    backend.linear_dx(dx, dy, w, false);
    expect_gradient("x, scales " + std::to_string(scaled), x, dx, [&] {
      backend.linear(y, x, w, false);
      return dot(y, dy);
    });
  }
}

TEST_F(Gradients, LinearWeightIsStraightThroughTheScales) {
  const Tensor x = random(5, 4), y = zeros(5, 3), dy = random(5, 3), dw = zeros(3, 4);
  QuantizedWeight w;
  w.codes = random(3, 4);
  backend.linear_dw(dw, dy, x);
  expect_gradient("w", w.codes, dw, [&] {
    backend.linear(y, x, w, false);
    return dot(y, dy);
  });
}

TEST_F(Gradients, LinearAccumulates) {
  const Tensor x = random(3, 4), dy = random(3, 2), y = zeros(3, 2), dx = zeros(3, 4), dw = zeros(2, 4);
  QuantizedWeight w;
  w.codes = random(2, 4);
  backend.linear(y, x, w, false);
  backend.linear_dx(dx, dy, w, false);
  backend.linear_dw(dw, dy, x);
  const Tensor y2 = copy(y), dx2 = copy(dx), dw2 = copy(dw);
  backend.linear(y2, x, w, true);
  backend.linear_dx(dx2, dy, w, true);
  backend.linear_dw(dw2, dy, x);
  for (const auto& [once, twice] : {std::pair(y, y2), std::pair(dx, dx2), std::pair(dw, dw2)}) {
    for (int64_t i = 0; i < once.size(); ++i) EXPECT_NEAR(2 * once.as<double>()[i], twice.as<double>()[i], 1e-14);
  }
}

TEST_F(Gradients, Rope) {
  const Rotation rotation = test::rotation(100, 6);
  const Tensor qkv = random(10, 8 * 6), weights = random(10, 8 * 6), gradient = copy(weights);
  backend.rope(gradient.col_range(0, 6 * 6), 6, 5, rotation, true);
  expect_gradient("qkv", qkv, gradient, [&] {
    const Tensor rotated = copy(qkv);
    backend.rope(rotated.col_range(0, 6 * 6), 6, 5, rotation, false);
    return dot(rotated, weights);
  });
}

class AttentionGradients : public Gradients, public ::testing::WithParamInterface<int64_t> {
 protected:
  void expect_attention_gradients(const Qkv& in, Tensor dout, const AttentionShape& shape) {
    const Tensor out = zeros(dout.rows, dout.cols), lse = zeros(shape.batch * shape.heads, shape.queries);
    const Qkv d{zeros(in.q.rows, in.q.cols), zeros(in.k.rows, in.k.cols), zeros(in.v.rows, in.v.cols)};
    const auto loss = [&] {
      backend.attention(out, lse, in, shape);
      return dot(out, dout);
    };
    loss();
    backend.attention_backward(d, dout, out, lse, in, shape);
    expect_gradient("q", in.q, d.q, loss);
    expect_gradient("k", in.k, d.k, loss);
    expect_gradient("v", in.v, d.v, loss);
  }
};

TEST_P(AttentionGradients, QueriesKeysValues) {
  const AttentionShape shape = self_attention(2, 6, 4, GetParam(), 4);
  const int64_t width = (shape.heads + 2 * shape.kv_heads) * shape.head_dim;
  const Tensor qkv = random(12, width), out = zeros(12, 16), lse = zeros(8, 6), dout = random(12, 16), dqkv = random(12, width);
  const auto loss = [&] {
    backend.attention(out, lse, split_qkv(qkv, shape), shape);
    return dot(out, dout);
  };
  loss();
  backend.attention_backward(split_qkv(dqkv, shape), dout, out, lse, split_qkv(qkv, shape), shape);
  expect_gradient("qkv", qkv, dqkv, loss);
}

TEST_P(AttentionGradients, WithinDocuments) {
  const std::vector<int32_t> first = {0, 0, 0, 3, 3, 5, 0, 1, 1, 1, 1, 1};  // documents of 3, 2, 1 and 1, 5 tokens
  const AttentionShape shape = self_attention(2, 6, 4, GetParam(), 4, {MaskKind::kCausal, 0, first.data()});
  const int64_t width = (shape.heads + 2 * shape.kv_heads) * shape.head_dim;
  const Tensor qkv = random(12, width), out = zeros(12, 16), lse = zeros(8, 6), dout = random(12, 16), dqkv = random(12, width);
  const auto loss = [&] {
    backend.attention(out, lse, split_qkv(qkv, shape), shape);
    return dot(out, dout);
  };
  loss();
  backend.attention_backward(split_qkv(dqkv, shape), dout, out, lse, split_qkv(qkv, shape), shape);
  expect_gradient("qkv", qkv, dqkv, loss);
}

TEST_P(AttentionGradients, WithinAWindow) {
  const AttentionShape shape = self_attention(2, 6, 4, GetParam(), 4, {MaskKind::kWindow, 3, nullptr});
  const Tensor q = random(12, 16), k = random(12, GetParam() * 4), v = random(12, GetParam() * 4), dout = random(12, 16);
  expect_attention_gradients({q, k, v}, dout, shape);
}

// Cross-attention: 6 queries over 3 keys, all of them seen, in tensors of their own.
TEST_P(AttentionGradients, OfQueriesToOtherKeys) {
  const AttentionShape shape{2, 6, 3, 4, GetParam(), 4, {MaskKind::kNone, 0, nullptr}};
  const Tensor q = random(12, 16), k = random(6, GetParam() * 4), v = random(6, GetParam() * 4), dout = random(12, 16);
  expect_attention_gradients({q, k, v}, dout, shape);
}
INSTANTIATE_TEST_SUITE_P(KvHeads, AttentionGradients, ::testing::Values(1, 2, 4));

TEST_F(Gradients, SwiGlu) {
  const Tensor gate_up = random(5, 6), h = zeros(5, 3), dh = random(5, 3), dgate_up = zeros(5, 6);
  backend.glu_backward(dgate_up, dh, gate_up, Gate::kSilu);
  expect_gradient("gate_up", gate_up, dgate_up, [&] {
    backend.glu(h, gate_up, Gate::kSilu);
    return dot(h, dh);
  });
}

TEST_F(Gradients, OtherGates) {
  for (const Gate gate : {Gate::kRelu2, Gate::kGelu}) {
    const Tensor gate_up = random(5, 6), h = zeros(5, 3), dh = random(5, 3), dgate_up = zeros(5, 6);
    backend.glu_backward(dgate_up, dh, gate_up, gate);
    expect_gradient("gate_up", gate_up, dgate_up, [&] {
      backend.glu(h, gate_up, gate);
      return dot(h, dh);
    });
  }
}

TEST_F(Gradients, GatesAtKnownPoints) {
  const Tensor gate_up = zeros(1, 4), h = zeros(1, 2);
  double* x = gate_up.as<double>();
  x[0] = 1.5, x[1] = -0.5, x[2] = 2, x[3] = -3;
  backend.glu(h, gate_up, Gate::kRelu2);
  EXPECT_DOUBLE_EQ(h.as<double>()[0], 4.5);
  EXPECT_DOUBLE_EQ(h.as<double>()[1], 0);
  backend.glu(h, gate_up, Gate::kGelu);
  EXPECT_NEAR(h.as<double>()[0], 2 * 1.5 * 0.9331927987311419, 1e-15);    // Φ(1.5)
  EXPECT_NEAR(h.as<double>()[1], -3 * -0.5 * 0.3085375387259869, 1e-15);  // Φ(-0.5)
}

TEST_F(Gradients, NormsOfGroups) {
  for (const int64_t groups : {1, 3}) {
    for (const bool weighted : {false, true}) {
      const Tensor x = random(5, 12), w = weighted ? random(1, 12 / groups) : Tensor(), dy = random(5, 12);
      const Tensor y = zeros(5, 12), rstd = zeros(groups, 5), dw = weighted ? zeros(1, 12 / groups) : Tensor();
      const auto loss = [&] {
        backend.group_norm(y, rstd, x, w, 1e-2f);
        return dot(y, dy);
      };
      loss();
      const Tensor dx = copy(dy);
      backend.group_norm_backward(dx, dw, dx, x, rstd, w);
      expect_gradient("x", x, dx, loss);
      if (weighted) expect_gradient("w", w, dw, loss);
    }
  }
}

TEST_F(Gradients, Bias) {
  const Tensor x = random(5, 4), b = random(1, 4), dy = random(5, 4), db = zeros(1, 4);
  backend.add_bias_backward(db, dy);
  expect_gradient("b", b, db, [&] {
    const Tensor y = copy(x);
    backend.add_bias(y, b);
    return dot(y, dy);
  });
}

TEST_F(Gradients, Int8RoundsHalfToEvenAndKeepsTheLargest) {
  const Tensor x = zeros(2, 4), y = zeros(2, 4);
  const double values[] = {127, -2.5, 3.5, 0.4};
  std::copy(std::begin(values), std::end(values), x.as<double>());
  backend.round_int8(y, x);
  const double wanted[] = {127, -2, 4, 0, 0, 0, 0, 0};
  for (size_t i = 0; i < 8; ++i) EXPECT_EQ(y.as<double>()[i], wanted[i]) << i;
}

TEST_F(Gradients, CrossEntropy) {
  const std::vector<int32_t> targets = {4, -1, 0, 2};
  const Tensor logits = random(4, 5), dlogits = zeros(4, 5), logprobs = zeros(1, 4), loss = zeros(1, 1);
  const auto evaluate = [&](Tensor gradient) {
    backend.zero(loss);
    backend.cross_entropy(loss, gradient, logprobs, logits, targets.data(), 0.25f);
    return *loss.as<double>() * 0.25;
  };
  evaluate(dlogits);
  expect_gradient("logits", logits, dlogits, [&] { return evaluate(Tensor()); });
  double sum = 0;
  for (int64_t i = 0; i < 4; ++i) sum -= logprobs.as<double>()[i];
  EXPECT_NEAR(sum, *loss.as<double>(), 1e-14);
  EXPECT_EQ(logprobs.as<double>()[1], 0.0);
  for (int64_t v = 0; v < 5; ++v) EXPECT_EQ(dlogits.as<double>()[5 + v], 0.0);
}

}  // namespace
}  // namespace spectra::ops

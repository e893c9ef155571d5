// SPDX-License-Identifier: Apache-2.0
// Every op of the CPU backend, in fp32, bf16 and fp16 and with the loops of every instruction set of this machine, against the
// plain loops of ReferenceBackend<float>.
#include "ops/cpu/cpu_backend.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>

#include "base/system.h"
#include "bench.h"
#include "fp64.h"
#include "ops/reference/reference_backend.h"

namespace spectra::ops {
namespace {

struct Subject {
  DType activation;
  const cpu::Loops* loops;
  /// Relative, from the reference: some 3 to 4 roundings to 24, 11 and 8 bits.
  double tolerance() const { return activation == DType::kF32 ? 1e-5 : activation == DType::kF16 ? 2.5e-3 : 2e-2; }
};

/// bf16 products need the CPU's bf16 instructions; bf16 loops do not, so all of them are tested where the products can run.
std::vector<Subject> subjects() {
  std::vector<Subject> all;
  const bool has_bf16 = cpu_features().avx512_bf16;
  for (const DType activation : {DType::kF32, DType::kBf16, DType::kF16}) {
    if (activation == DType::kBf16 && !has_bf16) continue;
    for (const kernels::Isa isa : kernels::available_isas())  // several sets share a table
      if (all.empty() || all.back().activation != activation || all.back().loops != &cpu::loops_for(isa, false))
        all.push_back({activation, &cpu::loops_for(isa, false)});
    if (has_bf16) all.push_back({activation, &cpu::loops_for(kernels::Isa::kAvx512, true)});
  }
  return all;
}

class CpuBackendTest : public testing::TestWithParam<Subject> {
 protected:
  using Case = std::function<std::vector<Values>(Bench&)>;

  /// Runs the case on the reference, and twice on the subject: outputs must be close to the reference and equal to each other.
  void check(const Case& run) {
    ReferenceBackend<float> reference;
    cpu::CpuBackend subject(GetParam().activation, *GetParam().loops);
    Bench on_reference(reference), on_subject(subject), again(subject);
    const std::vector<Values> want = run(on_reference), got = run(on_subject), repeated = run(again);
    for (size_t i = 0; i < want.size(); ++i) {
      ASSERT_EQ(got[i].size(), want[i].size());
      EXPECT_LE(frobenius_error(got[i], want[i]), GetParam().tolerance()) << "output " << i;
      EXPECT_EQ(std::memcmp(got[i].data(), repeated[i].data(), 4 * got[i].size()), 0) << "output " << i << " changed";
    }
  }
};

INSTANTIATE_TEST_SUITE_P(Tables, CpuBackendTest, testing::ValuesIn(subjects()), [](const auto& subject) {
  std::string name = std::string(dtype_name(subject.param.activation)) + "_" + subject.param.loops->name;
  for (char& c : name) c = c == ' ' ? '_' : c;
  return name;
});

TEST_P(CpuBackendTest, CopyAddZero) {
  for (const int64_t cols : {1, 15, 16, 37, 20000}) {
    check([cols](Bench& b) {
      const Tensor a = b.activation(3, cols, normal(3 * cols, 1)), m = b.master(3, cols, normal(3 * cols, 2));
      const Tensor sum = b.master(3, cols, {}), part = b.activation(3, cols, normal(3 * cols, 3));
      b.backend.copy(sum, a);
      b.backend.add(sum, m);
      b.backend.add(a, m);
      b.backend.zero(part.col_range(cols / 2, 1));
      b.backend.add(part.row_range(1, 2), m.row_range(0, 2));
      return std::vector<Values>{b.read(sum), b.read(a), b.read(part)};
    });
  }
}

TEST_P(CpuBackendTest, Embedding) {
  const std::vector<int32_t> tokens = {3, 0, 3, 6, 3, 1, 0};
  check([&](Bench& b) {
    const Tensor table = b.master(7, 150, normal(7 * 150, 1)), x = b.master(7, 150, {}),
                 gradient = b.master(7, 150, normal(7 * 150, 2));
    b.backend.embedding(x, tokens.data(), table);
    b.backend.embedding_backward(gradient, tokens.data(), b.master(7, 150, normal(7 * 150, 3)));
    return std::vector<Values>{b.read(x), b.read(gradient)};
  });
}

TEST_P(CpuBackendTest, RmsNorm) {
  for (const int64_t width : {7, 64, 250}) {
    for (const int residual : {0, 1, 2}) {
      check([=](Bench& b) {
        const int64_t rows = 71, size = rows * width;
        const Tensor x = b.master(rows, width, normal(size, 1, 3)), w = b.master(1, width, normal(width, 2));
        const Tensor y = b.activation(rows, width, {}), rstd = b.master(1, rows, {});
        Tensor added;
        if (residual == 1) added = b.master(rows, width, normal(size, 3));
        if (residual == 2) added = b.activation(rows, width, normal(size, 3));
        b.backend.rmsnorm(y, rstd, x, added, w, 1e-5f);
        const Tensor dx = b.master(rows, width, normal(size, 4)), dw = b.master(1, width, normal(width, 5));
        b.backend.rmsnorm_backward(dx, dw, b.activation(rows, width, normal(size, 6)), x, rstd, w);
        b.backend.rmsnorm_backward(dx, dw, b.master(rows, width, normal(size, 7)), x, rstd, w);
        return std::vector<Values>{b.read(x), b.read(y), b.read(rstd), b.read(dx), b.read(dw)};
      });
    }
  }
}

TEST_P(CpuBackendTest, Rope) {
  for (const int64_t dim : {2, 8, 32, 64, 72}) {
    check([dim](Bench& b) {
      const int64_t width = 8 * dim;
      const Tensor qkv = b.activation(26, width, normal(26 * width, 1)), back = b.activation(26, width, normal(26 * width, 1));
      const Rotation rotation = test::rotation(10000, dim);
      b.backend.rope(qkv.col_range(0, 6 * dim), 6, 13, rotation, false);
      b.backend.rope(back.col_range(0, 6 * dim), 6, 13, rotation, true);
      return std::vector<Values>{b.read(qkv), b.read(back)};
    });
  }
}

TEST_P(CpuBackendTest, Attention) {
  const AttentionShape shapes[] = {self_attention(2, 1, 2, 2, 8),   self_attention(1, 17, 3, 3, 16),
                                   self_attention(2, 64, 2, 1, 64), self_attention(1, 65, 4, 2, 24),
                                   self_attention(2, 96, 4, 1, 6),  self_attention(1, 200, 2, 2, 64),
                                   self_attention(1, 131, 6, 2, 80)};
  for (const AttentionShape& shape : shapes) {
    SCOPED_TRACE(fmt::format("B {} T {} H {} K {} E {}", shape.batch, shape.queries, shape.heads, shape.kv_heads, shape.head_dim));
    check([&](Bench& b) {
      const int64_t rows = shape.batch * shape.queries, width = (shape.heads + 2 * shape.kv_heads) * shape.head_dim;
      const int64_t out_width = shape.heads * shape.head_dim;
      const Tensor qkv = b.activation(rows, width, normal(rows * width, 1, 1.5)), out = b.activation(rows, out_width, {});
      const Tensor lse = b.master(shape.batch * shape.heads, shape.queries, {}),
                   dqkv = b.activation(rows, width, normal(rows * width, 3));
      b.backend.attention(out, lse, split_qkv(qkv, shape), shape);
      b.backend.attention_backward(split_qkv(dqkv, shape), b.activation(rows, out_width, normal(rows * out_width, 2)), out, lse,
                                   split_qkv(qkv, shape), shape);
      const auto columns = [&](int64_t head, int64_t heads) {
        return b.read(dqkv.col_range(head * shape.head_dim, heads * shape.head_dim));
      };
      return std::vector<Values>{b.read(out), b.read(lse), columns(0, shape.heads), columns(shape.heads, shape.kv_heads),
                                 columns(shape.heads + shape.kv_heads, shape.kv_heads)};
    });
  }
}

/// Documents of `lengths`, again and again, over whole sequences of `time`: for each token where its document begins.
std::vector<int32_t> first_keys(int64_t batch, int64_t time, const std::vector<int32_t>& lengths) {
  std::vector<int32_t> first;
  size_t document = 0;
  for (int64_t b = 0; b < batch; ++b) {
    for (int32_t t = 0, begin = 0; t < time; ++t) {
      if (t == begin + lengths[document % lengths.size()]) begin = t, ++document;
      first.push_back(begin);
    }
  }
  return first;
}

TEST_P(CpuBackendTest, AttentionWithinDocuments) {
  for (const std::vector<int32_t>& lengths : {std::vector<int32_t>{1}, {16, 33, 7}, {100, 64}, {1000}}) {
    const std::vector<int32_t> first = first_keys(2, 205, lengths);
    check([&](Bench& b) {
      const AttentionShape shape = self_attention(2, 205, 4, 2, 24, {MaskKind::kCausal, 0, first.data()});
      const int64_t rows = 2 * 205, width = 8 * 24, out_width = 4 * 24;
      const Tensor qkv = b.activation(rows, width, normal(rows * width, 1, 1.5)), out = b.activation(rows, out_width, {});
      const Tensor lse = b.master(8, 205, {}), dqkv = b.activation(rows, width, normal(rows * width, 3));
      b.backend.attention(out, lse, split_qkv(qkv, shape), shape);
      b.backend.attention_backward(split_qkv(dqkv, shape), b.activation(rows, out_width, normal(rows * out_width, 2)), out, lse,
                                   split_qkv(qkv, shape), shape);
      std::vector<Values> results = {b.read(out), b.read(lse), b.read(dqkv.col_range(6 * 24, 2 * 24))};
      if (lengths[0] != 1) results.push_back(b.read(dqkv.col_range(0, 6 * 24)));  // one key a query: no gradient but rounding
      return results;
    });
  }
}

/// Windows, and queries that see all of other keys (cross-attention), in tensors of their own.
TEST_P(CpuBackendTest, AttentionOfOtherMasks) {
  const auto window = [](int64_t n) { return Mask{MaskKind::kWindow, n, nullptr}; };
  const Mask none{MaskKind::kNone, 0, nullptr};
  const AttentionShape shapes[] = {self_attention(1, 70, 2, 1, 16, window(1)),
                                   self_attention(2, 130, 4, 2, 24, window(40)),
                                   self_attention(1, 33, 2, 2, 8, window(100)),
                                   {2, 37, 90, 4, 2, 24, none},
                                   {1, 90, 5, 2, 1, 16, none}};
  for (const AttentionShape& shape : shapes) {
    SCOPED_TRACE(fmt::format("{} queries, {} keys, window {}", shape.queries, shape.keys, shape.mask.window));
    check([&](Bench& b) {
      const int64_t queries = shape.batch * shape.queries, keys = shape.batch * shape.keys;
      const int64_t q_width = shape.heads * shape.head_dim, k_width = shape.kv_heads * shape.head_dim;
      const auto tensor = [&](int64_t rows, int64_t cols, uint64_t stream) {
        return b.activation(rows, cols, normal(rows * cols, stream, 1.5));
      };
      const Qkv in{tensor(queries, q_width, 1), tensor(keys, k_width, 2), tensor(keys, k_width, 3)};
      const Qkv d{tensor(queries, q_width, 4), tensor(keys, k_width, 5), tensor(keys, k_width, 6)};
      const Tensor out = tensor(queries, q_width, 7), lse = b.master(shape.batch * shape.heads, shape.queries, {});
      b.backend.attention(out, lse, in, shape);
      b.backend.attention_backward(d, tensor(queries, q_width, 8), out, lse, in, shape);
      std::vector<Values> results = {b.read(out), b.read(lse), b.read(d.v)};
      if (shape.mask.window != 1) results.insert(results.end(), {b.read(d.q), b.read(d.k)});  // one key a query: no gradient
      return results;
    });
  }
}

TEST_P(CpuBackendTest, SwiGlu) {
  for (const int64_t width : {5, 64, 90}) {
    check([width](Bench& b) {
      const int64_t rows = 41;
      const Tensor gate_up = b.activation(rows, 2 * width, normal(2 * rows * width, 1, 4)), h = b.activation(rows, width, {});
      const Tensor gradient = b.activation(rows, 2 * width, {});
      b.backend.glu(h, gate_up, Gate::kSilu);
      b.backend.glu_backward(gradient, b.activation(rows, width, normal(rows * width, 2)), gate_up, Gate::kSilu);
      return std::vector<Values>{b.read(h), b.read(gradient)};
    });
  }
}

TEST_P(CpuBackendTest, OtherGates) {
  for (const Gate gate : {Gate::kRelu2, Gate::kGelu}) {
    for (const int64_t width : {5, 64, 90}) {
      check([=](Bench& b) {
        const int64_t rows = 41;
        const Tensor gate_up = b.activation(rows, 2 * width, normal(2 * rows * width, 1, 4)), h = b.activation(rows, width, {});
        const Tensor gradient = b.activation(rows, 2 * width, {});
        b.backend.glu(h, gate_up, gate);
        b.backend.glu_backward(gradient, b.activation(rows, width, normal(rows * width, 2)), gate_up, gate);
        return std::vector<Values>{b.read(h), b.read(gradient)};
      });
    }
  }
}

TEST_P(CpuBackendTest, NormsOfGroupsAndBiases) {
  for (const int64_t groups : {1, 4}) {
    for (const bool weighted : {false, true}) {
      check([=](Bench& b) {
        const int64_t rows = 41, width = 22, cols = groups * width;
        const Tensor x = b.activation(rows, cols, normal(rows * cols, 1)), y = b.activation(rows, cols, {});
        const Tensor w = weighted ? b.master(1, width, normal(width, 2)) : Tensor(), rstd = b.master(groups, rows, {});
        b.backend.group_norm(y, rstd, x, w, 1e-5f);
        const Tensor d = b.activation(rows, cols, normal(rows * cols, 3)), dw = b.master(1, width, {}), db = b.master(1, cols, {});
        b.backend.add_bias_backward(db, d);
        b.backend.group_norm_backward(d, weighted ? dw : Tensor(), d, x, rstd, w);
        b.backend.add_bias(y, b.master(1, cols, normal(cols, 4)));
        return std::vector<Values>{b.read(y), b.read(rstd), b.read(d), b.read(dw), b.read(db)};
      });
    }
  }
}

TEST_P(CpuBackendTest, RoundedRows) {
  check([](Bench& b) {
    const int64_t rows = 9, cols = 37;
    const Tensor x = b.activation(rows, cols, normal(rows * cols, 1)), y = b.activation(rows, cols, {});
    b.backend.round_int8(y, x);
    return std::vector<Values>{b.read(y)};
  });
}

TEST_P(CpuBackendTest, CrossEntropy) {
  for (const int64_t vocab : {2, 50, 333}) {
    for (const bool activation : {false, true}) {
      check([=](Bench& b) {
        const int64_t rows = 45;
        std::vector<int32_t> targets(rows);
        for (size_t n = 0; n < targets.size(); ++n)
          targets[n] = static_cast<int32_t>(n * 7 % static_cast<size_t>(vocab)) - (n == 3 ? 1000 : 0);
        const Values values = normal(rows * vocab, 1, 5);
        const Tensor logits = activation ? b.activation(rows, vocab, values) : b.master(rows, vocab, values);
        const Tensor loss = b.scalar(1.5), logprobs = b.master(1, rows, {}), evaluated = b.scalar(0);
        b.backend.cross_entropy(evaluated, Tensor(), Tensor(), logits, targets.data(), 0);
        const Tensor dlogits = activation ? logits : b.activation(rows, vocab, {});
        b.backend.cross_entropy(loss, dlogits, logprobs, logits, targets.data(), 0.125f);
        const auto host = [](Tensor x) { return Values{static_cast<float>(*x.as<double>())}; };
        return std::vector<Values>{host(loss), host(evaluated), b.read(dlogits), b.read(logprobs)};
      });
    }
  }
}

TEST_P(CpuBackendTest, AdamW) {
  for (const double norm_squared : {0.25, 100.0, std::numeric_limits<double>::infinity(), std::nan("")}) {
    for (const float clip : {0.0f, 1.0f}) {
      check([=](Bench& b) {
        const int64_t rows = 3, cols = 7001;
        const Tensor w = b.master(rows, cols, normal(rows * cols, 1)), g = b.master(rows, cols, normal(rows * cols, 2));
        const Tensor m = b.master(rows, cols, normal(rows * cols, 3, 0.1)), v = b.master(rows, cols, {});
        const Tensor norm = b.scalar(2);
        b.backend.sum_squares(norm, g);
        b.backend.adamw(w, g, m, v, {1e-2f, 0.9f, 0.95f, 1e-8f, 0.1f, 3}, norm_squared, clip);
        return std::vector<Values>{{static_cast<float>(*norm.as<double>())}, b.read(w), b.read(g), b.read(m), b.read(v)};
      });
    }
  }
}

/// A loss scale that is a power of two changes no bit, as long as nothing overflows: 1/256 undone is exactly the plain step.
TEST_P(CpuBackendTest, AdamWUndoesTheLossScale) {
  ReferenceBackend<float> reference;
  cpu::CpuBackend subject(GetParam().activation, *GetParam().loops);
  for (Backend* backend : std::initializer_list<Backend*>{&reference, &subject}) {
    for (const float clip : {0.0f, 1.0f, 1e6f}) {
      std::vector<Values> weights;
      for (const float scale : {1.0f, 256.0f}) {
        Bench b(*backend);
        Values gradient = normal(1000, 2);
        for (float& g : gradient) g *= scale;
        const Tensor w = b.master(1, 1000, normal(1000, 1)), g = b.master(1, 1000, gradient), norm = b.scalar(0);
        AdamW hyper{1e-2f, 0.9f, 0.95f, 1e-8f, 0.1f, 3};
        hyper.gradient_scale = 1 / scale;
        backend->sum_squares(norm, g);
        backend->adamw(w, g, b.master(1, 1000, {}), b.master(1, 1000, {}), hyper, *norm.as<double>(), clip);
        weights.push_back(b.read(w));
      }
      EXPECT_EQ(weights[0], weights[1]) << backend->name() << ", clip " << clip;
      EXPECT_NE(weights[0], normal(1000, 1));
    }
  }
}

/// A QuantizedWeight of two matrices (like gate and up) cut into shards.
struct Quantized {
  QuantizedWeight weight;
  Tensor scales;
  QuantizeStats stats;  // of the last matrix
};

Quantized quantize(Bench& b, WeightKind kind, bool by_rows, int64_t shards, int64_t rows, int64_t cols) {
  Quantized q;
  q.weight.codes = b.activation(rows, cols, normal(rows * cols, 9));
  const int64_t parts = by_rows ? 2 : 1;  // two matrices share the rows
  q.scales = b.master(1, parts * shards, {});
  const Tensor counts = b.counts();
  if (kind != WeightKind::kFloat) {
    q.weight.by_rows = by_rows, q.weight.scales = q.scales, q.weight.bounds = {0};
    const int64_t length = by_rows ? rows / parts : cols;
    for (int64_t s = 1; s <= parts * shards; ++s)
      q.weight.bounds.push_back((s - 1) / shards * length + length * ((s - 1) % shards + 1) / shards);
  }
  for (int64_t part = 0; part < parts; ++part) {
    Values values = normal(rows / parts * cols, static_cast<uint64_t>(10 + part), 0.02);
    values[1] = 0;
    b.backend.quantize_weight(q.weight, kind, part * rows / parts, b.master(rows / parts, cols, values), counts);
  }
  const std::vector<int64_t> counted = b.backend.read<int64_t>(counts);
  q.stats = {counted[0], counted[1]};
  return q;
}

TEST_P(CpuBackendTest, Linear) {
  for (const WeightKind kind : {WeightKind::kFloat, WeightKind::kTernary, WeightKind::kBinary}) {
    for (const bool by_rows : {true, false}) {
      for (const int64_t shards : {1, 2, 3, 6}) {
        check([=](Bench& b) {
          const int64_t tokens = 37, in = 70, out = 60;
          const Quantized q = quantize(b, kind, by_rows, shards, out, in);
          const Values stats = {static_cast<float>(q.stats.zeros), static_cast<float>(q.stats.flips)};
          const Tensor x = b.activation(tokens, in, normal(tokens * in, 1)),
                       dy = b.activation(tokens, out, normal(tokens * out, 2));
          const Tensor y = b.activation(tokens, out, {}), added = b.master(tokens, out, normal(tokens * out, 3));
          const Tensor dx = b.activation(tokens, in, {}), dadded = b.master(tokens, in, normal(tokens * in, 4));
          const Tensor dw = b.master(out, in, normal(out * in, 5));
          b.backend.linear(y, x, q.weight, false);
          b.backend.linear(added, x, q.weight, true);
          b.backend.linear_dx(dx, dy, q.weight, false);
          b.backend.linear_dx(dadded, dy, q.weight, true);
          b.backend.linear_dw(dw, dy, x);
          return std::vector<Values>{b.read(q.weight.codes), b.read(q.scales), stats,          b.read(y),
                                     b.read(added),          b.read(dx),       b.read(dadded), b.read(dw)};
        });
      }
    }
  }
}

/// Codes must not just be close: equal to the reference's everywhere, also at exactly half the scale and next to it.
TEST_P(CpuBackendTest, CodesAtTheThreshold) {
  std::vector<Values> codes;
  ReferenceBackend<float> reference;
  cpu::CpuBackend subject(GetParam().activation, *GetParam().loops);
  for (Backend* backend : std::initializer_list<Backend*>{&reference, &subject}) {
    for (const WeightKind kind : {WeightKind::kTernary, WeightKind::kBinary}) {
      for (int i = 0; i < 50; ++i) {
        Bench b(*backend);
        Values values = normal(64, static_cast<uint64_t>(i));
        double mean = 0;
        for (int pass = 0; pass < 3; ++pass) {  // the scale depends on the values: repeat until they settle
          mean = 0;
          for (const float v : values) mean += static_cast<double>(std::fabs(v)) / 64;
          const float half = 0.5f * round_to_fp16(static_cast<float>(1e-5 + mean));
          values[0] = half, values[1] = std::nextafter(half, 0.0f), values[2] = std::nextafter(half, 1.0f);
          values[17] = -half, values[18] = -std::nextafter(half, 0.0f), values[63] = -std::nextafter(half, 1.0f);
        }
        QuantizedWeight w;
        w.codes = b.activation(1, 64, {});
        w.bounds = {0, 1};
        w.scales = b.master(1, 1, {});
        b.backend.quantize_weight(w, kind, 0, b.master(1, 64, values), Tensor());
        codes.push_back(b.read(w.codes));
        codes.back().push_back(b.read(w.scales)[0]);
      }
    }
  }
  for (size_t i = 0; i < 100; ++i) EXPECT_EQ(codes[i], codes[100 + i]) << i;
}

/// Every fp16 value, and floats around every boundary of rounding, as to_float and to_fp16 convert them.
TEST(CpuLoops, ConvertFp16AsTheScalarFunctions) {
  std::vector<fp16> halves(65536);
  std::vector<float> floats;
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    halves[bits] = {static_cast<uint16_t>(bits)};
    const float value = to_float(halves[bits]), next = to_float(fp16{static_cast<uint16_t>(bits + 1)});
    const float middle = value / 2 + next / 2;  // a tie, or infinite, or not a number
    for (const float x : {value, middle, std::nextafter(middle, -INFINITY), std::nextafter(middle, INFINITY)}) floats.push_back(x);
  }
  for (const float x : {65519.996f, 65520.0f, 1e30f, -1e30f, 1e-30f, -0.0f, INFINITY, -INFINITY}) floats.push_back(x);
  floats.resize(floats.size() / 16 * 16 + 15);  // the last vector is a part
  for (const Subject& subject : subjects()) {
    std::vector<float> widened(halves.size());
    std::vector<fp16> narrowed(floats.size());
    subject.loops->convert[cpu::kFloat][cpu::kFp16](widened.data(), halves.data(), static_cast<int64_t>(halves.size()));
    subject.loops->convert[cpu::kFp16][cpu::kFloat](narrowed.data(), floats.data(), static_cast<int64_t>(floats.size()));
    for (size_t i = 0; i < widened.size(); ++i) {
      const float want = to_float(halves[i]);
      ASSERT_TRUE(std::isnan(want) ? std::isnan(widened[i]) : float_bits(want) == float_bits(widened[i])) << i;
    }
    for (size_t i = 0; i < floats.size(); ++i) {
      const bool nan = std::isnan(floats[i]);
      ASSERT_TRUE(nan ? std::isnan(to_float(narrowed[i])) : narrowed[i].bits == to_fp16(floats[i]).bits) << floats[i];
    }
  }
}

/// What fp16 cannot hold becomes infinite, and what reads it does not become finite again.
TEST(CpuBackend, Fp16OverflowReachesTheGradient) {
  const auto backend = make_backend("cpu", "fp16");
  Bench b(*backend);
  QuantizedWeight w;
  w.codes = b.activation(16, 16, Values(256, 100));
  const Tensor dy = b.activation(16, 16, Values(256, 100)), dx = b.activation(16, 16, {}), dw = b.master(16, 16, {});
  const Tensor norm = b.scalar(0);
  backend->linear_dx(dx, dy, w, false);  // 16 * 100 * 100
  EXPECT_EQ(b.read(dx), Values(256, INFINITY));
  backend->linear_dw(dw, dx, b.activation(16, 16, Values(256, 1)));
  backend->sum_squares(norm, dw);
  EXPECT_FALSE(std::isfinite(*norm.as<double>()));
}

}  // namespace
}  // namespace spectra::ops

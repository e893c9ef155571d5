// SPDX-License-Identifier: Apache-2.0
// Causal attention of one kv head, included by each loops_*.cc after its vec_*.h and loops_inl.h. A block of queries meets all keys
// up to its last row at once, so memory is kQueryBlock x T, never T x T (after FlashAttention-2, Dao 2023, with rows instead of
// tiles: a strip of this height stays in the L2 cache up to T = 2048).
//
// Matrix products run on "words": what one multiply-add step takes from the summed dimension. FloatWords (below): one float.
// PairWords (words_avx512bf16.h): two bf16. Operands are packed into words first, head by head:
//   rows         A[i][k]      (rows, cols / kPer)           the left operand, summed over columns
//   interleaved  [k / kPer][j]  word = kPer rows of column j  the right operand, summed over rows; also the left one, transposed
//   transposed   [k / kPer][j]  word = kPer columns of row j  the right operand, summed over columns
namespace spectra::ops::cpu {
namespace {

#if defined(__clang__)
#define SPECTRA_UNROLL _Pragma("unroll")
#else
#define SPECTRA_UNROLL _Pragma("GCC unroll 16")
#endif

constexpr int64_t kQueryBlock = 64;

inline int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }
inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

/// T: what q, k, v and their gradients are stored in.
template <class T>
struct FloatWords {
  using Stored = T;
  using Word = float;
  using Element = float;  // what a row of words is an array of
  using Operand = Vec;
  static constexpr int64_t kPer = 1;
  static Operand load_word(const Word* p) { return load(p); }
  static Vec step(Vec sum, Word a, Operand b) { return fma(set(a), b, sum); }
  static void interleave(Word* out, int64_t, Vec even, Vec) { store(out, even); }
  static Word word(const T* even, const T*) {
    if constexpr (sizeof(T) == 2)
      return to_float(*even);
    else
      return *even;
  }
};

/// A block of C (rows x vecs * 16) = or += A B, kept in registers over the summed dimension.
template <class W, int kRows, int kVecs>
inline void tile_block(float* c, int64_t ldc, const typename W::Word* a, int64_t a_row, int64_t a_k, const typename W::Word* b,
                       int64_t ldb, int64_t k, bool accumulate) {
  Vec sums[kRows][kVecs];
  SPECTRA_UNROLL
  for (int r = 0; r < kRows; ++r) {
    SPECTRA_UNROLL
    for (int v = 0; v < kVecs; ++v) sums[r][v] = accumulate ? load(c + r * ldc + v * 16) : set(0);
  }
  for (int64_t i = 0; i < k; ++i) {
    typename W::Operand operand[kVecs];
    SPECTRA_UNROLL
    for (int v = 0; v < kVecs; ++v) operand[v] = W::load_word(b + i * ldb + v * 16);
    SPECTRA_UNROLL
    for (int r = 0; r < kRows; ++r) {
      SPECTRA_UNROLL
      for (int v = 0; v < kVecs; ++v) sums[r][v] = W::step(sums[r][v], a[r * a_row + i * a_k], operand[v]);
    }
  }
  SPECTRA_UNROLL
  for (int r = 0; r < kRows; ++r) {
    SPECTRA_UNROLL
    for (int v = 0; v < kVecs; ++v) store(c + r * ldc + v * 16, sums[r][v]);
  }
}

/// Left operand: word (i, k) at a[i * row + k * step].
template <class W>
struct Left {
  const typename W::Word* a;
  int64_t row, step;
};

/// C (m x n, n a multiple of 16) = or += A B; k counts words.
template <class W>
void tile(float* c, int64_t ldc, Left<W> a, const typename W::Word* b, int64_t ldb, int64_t m, int64_t n, int64_t k,
          bool accumulate) {
  int64_t j = 0;
  for (; j + kTileVecs * 16 <= n; j += kTileVecs * 16) {
    int64_t i = 0;
    for (; i + kTileRows <= m; i += kTileRows) {
      tile_block<W, kTileRows, kTileVecs>(c + i * ldc + j, ldc, a.a + i * a.row, a.row, a.step, b + j, ldb, k, accumulate);
    }
    for (; i < m; ++i) tile_block<W, 1, kTileVecs>(c + i * ldc + j, ldc, a.a + i * a.row, a.row, a.step, b + j, ldb, k, accumulate);
  }
  for (; j < n; j += 16) {
    int64_t i = 0;
    for (; i + kTileRows <= m; i += kTileRows) {
      tile_block<W, kTileRows, 1>(c + i * ldc + j, ldc, a.a + i * a.row, a.row, a.step, b + j, ldb, k, accumulate);
    }
    for (; i < m; ++i) tile_block<W, 1, 1>(c + i * ldc + j, ldc, a.a + i * a.row, a.row, a.step, b + j, ldb, k, accumulate);
  }
}

/// x (rows, cols) to words by rows, (rows, cols / kPer).
template <class W>
void pack_rows(typename W::Word* out, const typename W::Stored* x, int64_t stride, int64_t rows, int64_t cols) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < cols; c += W::kPer) *out++ = W::word(x + r * stride + c, x + r * stride + c + W::kPer - 1);
  }
}

/// x (rows, cols) interleaved: (padded_rows / kPer, padded_cols), zeros in the padding.
template <class W>
void pack_interleaved(typename W::Word* out, const typename W::Stored* x, int64_t stride, int64_t rows, int64_t cols,
                      int64_t padded_rows, int64_t padded_cols) {
  const typename W::Stored zero = {};
  for (int64_t r = 0; r < padded_rows; r += W::kPer, out += padded_cols) {
    for (int64_t c = 0; c < padded_cols; ++c) {
      const auto* even = r < rows && c < cols ? x + r * stride + c : &zero;
      const auto* odd = r + W::kPer - 1 < rows && c < cols ? x + (r + W::kPer - 1) * stride + c : &zero;
      out[c] = W::word(even, odd);
    }
  }
}

/// x (rows, cols) transposed: (cols / kPer, padded_rows), zeros in the padding.
template <class W>
void pack_transposed(typename W::Word* out, const typename W::Stored* x, int64_t stride, int64_t rows, int64_t cols,
                     int64_t padded_rows) {
  const typename W::Stored zero = {};
  for (int64_t r = 0; r < padded_rows; ++r) {
    for (int64_t c = 0; c < cols; c += W::kPer) {
      const auto* even = r < rows ? x + r * stride + c : &zero;
      const auto* odd = r < rows ? x + r * stride + c + W::kPer - 1 : &zero;
      out[c / W::kPer * padded_rows + r] = W::word(even, odd);
    }
  }
}

/// Hands out pieces of the scratch; on nullptr only adds up their sizes.
struct Pieces {
  char* base;
  size_t used = 0;
  template <class T>
  T* take(int64_t count) {
    const size_t at = used;
    used += (static_cast<size_t>(count) * sizeof(T) + 63) / 64 * 64;
    return reinterpret_cast<T*>(base + at);
  }
};

/// Scratch of both directions. Letters as in the paper; padded: time and head dimension rounded up to 16.
template <class W>
struct AttentionScratch {
  using Word = typename W::Word;
  int64_t time, width;                   // padded
  Word *k_transposed, *v_transposed;     // (E / kPer, time)
  Word *k_interleaved, *v_interleaved;   // (time / kPer, width)
  Word *q_rows, *do_rows;                // (block, E / kPer)
  Word *q_interleaved, *do_interleaved;  // (block / kPer, width)
  float *scores, *dscores;               // (block, time): S, dP
  Word* rows;                            // (block, time / kPer): P (forward), dS (backward)
  Word *p_interleaved, *ds_interleaved;  // (block / kPer, time)
  float* block_out;                      // (block, width): O, dQ
  float *dk, *dv;                        // (time, width)

  AttentionScratch(Pieces& pieces, int64_t t, int64_t e, bool backward) : time(round_up(t, 16)), width(round_up(e, 16)) {
    const int64_t words = e / W::kPer;
    k_transposed = pieces.take<Word>(words * time);
    v_interleaved = pieces.take<Word>(time / W::kPer * width);
    q_rows = pieces.take<Word>(kQueryBlock * words);
    scores = pieces.take<float>(kQueryBlock * time);
    rows = pieces.take<Word>(kQueryBlock * time / W::kPer);
    block_out = pieces.take<float>(kQueryBlock * width);
    if (!backward) return;
    v_transposed = pieces.take<Word>(words * time);
    k_interleaved = pieces.take<Word>(time / W::kPer * width);
    do_rows = pieces.take<Word>(kQueryBlock * words);
    q_interleaved = pieces.take<Word>(kQueryBlock / W::kPer * width);
    do_interleaved = pieces.take<Word>(kQueryBlock / W::kPer * width);
    dscores = pieces.take<float>(kQueryBlock * time);
    p_interleaved = pieces.take<Word>(kQueryBlock / W::kPer * time);
    ds_interleaved = pieces.take<Word>(kQueryBlock / W::kPer * time);
    dk = pieces.take<float>(time * width);
    dv = pieces.take<float>(time * width);
  }
};

template <class W>
size_t attention_scratch(int64_t time, int64_t head_dim) {
  Pieces pieces{nullptr};
  const AttentionScratch<W> scratch(pieces, time, head_dim, true);
  return pieces.used;
}

/// One row of scores (len of them, padded to n) to unnormalised probabilities exp(scale * s - max), zeros after len.
template <class W>
void softmax_row(typename W::Word* out, const float* s, int64_t len, int64_t n, float scale, float& top, float& total) {
  auto* p = reinterpret_cast<typename W::Element*>(out);
  Vec highest = set(-INFINITY);
  int64_t j = 0;
  for (; j + 16 <= len; j += 16) highest = max(highest, load(s + j));
  if (j < len) highest = max(highest, load_first(s + j, len - j, -INFINITY));
  top = max_lane(highest) * scale;
  const Vec factor = set(scale), minus_top = set(-top);
  Vec sums = set(0);
  for (j = 0; j + 16 <= len; j += 16) {
    const Vec e = exp(fma(load(s + j), factor, minus_top));
    sums = sums + e;
    store(p + j, e);
  }
  if (j < len) {
    const Vec e = exp(fma(load_first(s + j, len - j, -INFINITY), factor, minus_top));
    sums = sums + e;
    store(p + j, e);
    j += 16;
  }
  for (; j < n; j += 16) store(p + j, set(0));
  total = sum(sums);
}

template <class W>
void attention(const AttentionTask& task) {
  using T = typename W::Stored;
  const int64_t e = task.head_dim, words = e / W::kPer;
  Pieces pieces{static_cast<char*>(task.scratch)};
  const AttentionScratch<W> s(pieces, task.time, e, false);
  pack_transposed<W>(s.k_transposed, static_cast<const T*>(task.k), task.qkv_stride, task.time, e, s.time);
  pack_interleaved<W>(s.v_interleaved, static_cast<const T*>(task.v), task.qkv_stride, task.time, e, s.time, s.width);
  const float scale = 1.0f / sqrtf(static_cast<float>(e));
  for (int64_t g = 0; g < task.group; ++g) {
    for (int64_t begin = 0; begin < task.time; begin += kQueryBlock) {
      const int64_t rows = smaller(kQueryBlock, task.time - begin), keys = round_up(begin + rows, 16);
      pack_rows<W>(s.q_rows, static_cast<const T*>(task.q) + begin * task.qkv_stride + g * e, task.qkv_stride, rows, e);
      tile<W>(s.scores, s.time, {s.q_rows, words, 1}, s.k_transposed, s.time, rows, keys, words, false);
      float totals[kQueryBlock];
      for (int64_t r = 0; r < rows; ++r) {
        float top;
        softmax_row<W>(s.rows + r * s.time / W::kPer, s.scores + r * s.time, begin + r + 1, keys, scale, top, totals[r]);
        task.lse[g * task.time + begin + r] = top + logf(totals[r]);
      }
      tile<W>(s.block_out, s.width, {s.rows, s.time / W::kPer, 1}, s.v_interleaved, s.width, rows, s.width, keys / W::kPer, false);
      for (int64_t r = 0; r < rows; ++r) {
        T* out = static_cast<T*>(task.out) + (begin + r) * task.out_stride + g * e;
        const Vec normal = set(1.0f / totals[r]);
        each(e, [&](int64_t i, auto lanes) { put(out + i, lanes, get(s.block_out + r * s.width + i, lanes) * normal); });
      }
    }
  }
}

/// P = exp(scale * S - lse) and dS = scale * P (dP - delta) of one row, in place; zeros after len up to n.
inline void probabilities_row(float* s, float* dp, int64_t len, int64_t n, float scale, float lse, float delta) {
  const Vec factor = set(scale), minus_lse = set(-lse), minus_delta = set(-delta);
  int64_t j = 0;
  for (; j + 16 <= len; j += 16) {
    const Vec p = exp(fma(load(s + j), factor, minus_lse));
    store(s + j, p);
    store(dp + j, p * (load(dp + j) + minus_delta) * factor);
  }
  if (j < len) {
    const Vec p = exp(fma(load_first(s + j, len - j, -INFINITY), factor, minus_lse));
    store(s + j, p);
    store(dp + j, p * (load(dp + j) + minus_delta) * factor);
    j += 16;
  }
  for (; j < n; j += 16) {
    store(s + j, set(0));
    store(dp + j, set(0));
  }
}

/// P and dS of a block, from S and dP, in the forms that the three products after them read.
template <class W>
void block_gradients(const AttentionTask& task, const AttentionScratch<W>& s, int64_t g, int64_t begin, int64_t rows, int64_t keys,
                     float scale) {
  using T = typename W::Stored;
  for (int64_t r = 0; r < rows; ++r) {
    const T* out = static_cast<const T*>(task.out) + (begin + r) * task.out_stride + g * task.head_dim;
    const T* dout = static_cast<const T*>(task.dout) + (begin + r) * task.out_stride + g * task.head_dim;
    Vec delta = set(0);
    each(task.head_dim, [&](int64_t i, auto lanes) { delta = fma(get(out + i, lanes), get(dout + i, lanes), delta); });
    probabilities_row(s.scores + r * s.time, s.dscores + r * s.time, begin + r + 1, keys, scale,
                      task.lse[g * task.time + begin + r], sum(delta));
  }
  for (int64_t r = 0; r < rows; r += W::kPer) {
    const bool pair = r + W::kPer <= rows;  // a last odd row is paired with zeros
    const float *p = s.scores + r * s.time, *ds = s.dscores + r * s.time;
    const int64_t next = (W::kPer - 1) * s.time;
    for (int64_t j = 0; j < keys; j += 16) {
      const Vec p1 = pair ? load(p + next + j) : set(0), ds1 = pair ? load(ds + next + j) : set(0);
      W::interleave(s.p_interleaved + r / W::kPer * s.time + j, s.time, load(p + j), p1);
      W::interleave(s.ds_interleaved + r / W::kPer * s.time + j, s.time, load(ds + j), ds1);
    }
  }
  for (int64_t r = 0; r < rows; ++r) {
    auto* out = reinterpret_cast<typename W::Element*>(s.rows + r * s.time / W::kPer);
    for (int64_t j = 0; j < keys; j += 16) store(out + j, load(s.dscores + r * s.time + j));
  }
}

template <class T>
void store_gradient(void* out_, int64_t stride, const float* x, int64_t width, int64_t rows, int64_t cols) {
  T* out = static_cast<T*>(out_);
  for (int64_t r = 0; r < rows; ++r) {
    each(cols, [&](int64_t i, auto lanes) { put(out + r * stride + i, lanes, get(x + r * width + i, lanes)); });
  }
}

template <class W>
void attention_backward(const AttentionTask& task) {
  using T = typename W::Stored;
  const int64_t e = task.head_dim, words = e / W::kPer;
  Pieces pieces{static_cast<char*>(task.scratch)};
  const AttentionScratch<W> s(pieces, task.time, e, true);
  const T *k = static_cast<const T*>(task.k), *v = static_cast<const T*>(task.v);
  pack_transposed<W>(s.k_transposed, k, task.qkv_stride, task.time, e, s.time);
  pack_transposed<W>(s.v_transposed, v, task.qkv_stride, task.time, e, s.time);
  pack_interleaved<W>(s.k_interleaved, k, task.qkv_stride, task.time, e, s.time, s.width);
  for (int64_t i = 0; i < s.time * s.width; i += 16) {
    store(s.dk + i, set(0));
    store(s.dv + i, set(0));
  }
  const float scale = 1.0f / sqrtf(static_cast<float>(e));
  for (int64_t g = 0; g < task.group; ++g) {
    for (int64_t begin = 0; begin < task.time; begin += kQueryBlock) {
      const int64_t rows = smaller(kQueryBlock, task.time - begin), keys = round_up(begin + rows, 16);
      const int64_t row_words = round_up(rows, W::kPer) / W::kPer;
      const T* q = static_cast<const T*>(task.q) + begin * task.qkv_stride + g * e;
      const T* dout = static_cast<const T*>(task.dout) + begin * task.out_stride + g * e;
      pack_rows<W>(s.q_rows, q, task.qkv_stride, rows, e);
      pack_rows<W>(s.do_rows, dout, task.out_stride, rows, e);
      pack_interleaved<W>(s.q_interleaved, q, task.qkv_stride, rows, e, row_words * W::kPer, s.width);
      pack_interleaved<W>(s.do_interleaved, dout, task.out_stride, rows, e, row_words * W::kPer, s.width);
      tile<W>(s.scores, s.time, {s.q_rows, words, 1}, s.k_transposed, s.time, rows, keys, words, false);
      tile<W>(s.dscores, s.time, {s.do_rows, words, 1}, s.v_transposed, s.time, rows, keys, words, false);
      block_gradients<W>(task, s, g, begin, rows, keys, scale);
      const int64_t seen = begin + rows;  // keys without padding
      tile<W>(s.dv, s.width, {s.p_interleaved, 1, s.time}, s.do_interleaved, s.width, seen, s.width, row_words, true);
      tile<W>(s.dk, s.width, {s.ds_interleaved, 1, s.time}, s.q_interleaved, s.width, seen, s.width, row_words, true);
      tile<W>(s.block_out, s.width, {s.rows, s.time / W::kPer, 1}, s.k_interleaved, s.width, rows, s.width, keys / W::kPer, false);
      T* dq = static_cast<T*>(task.dq) + begin * task.qkv_stride + g * e;
      store_gradient<T>(dq, task.qkv_stride, s.block_out, s.width, rows, e);
    }
  }
  store_gradient<T>(task.dk, task.qkv_stride, s.dk, s.width, task.time, e);
  store_gradient<T>(task.dv, task.qkv_stride, s.dv, s.width, task.time, e);
}

/// The whole table; H: how attention multiplies bf16.
template <class H>
constexpr Loops make_loops(const char* name) {
  using F = FloatWords<float>;
  Loops t{};
  t.name = name;
  t.convert[0][0] = convert<float, float>, t.convert[0][1] = convert<float, bf16>;
  t.convert[1][0] = convert<bf16, float>, t.convert[1][1] = convert<bf16, bf16>;
  t.add[0][0] = add<float, float>, t.add[0][1] = add<float, bf16>;
  t.add[1][0] = add<bf16, float>, t.add[1][1] = add<bf16, bf16>;
  t.scale[0] = scale<float>, t.scale[1] = scale<bf16>;
  t.rmsnorm[0] = rmsnorm<float>, t.rmsnorm[1] = rmsnorm<bf16>;
  t.rmsnorm_backward[0] = rmsnorm_backward<float>, t.rmsnorm_backward[1] = rmsnorm_backward<bf16>;
  t.rope[0] = rope<float>, t.rope[1] = rope<bf16>;
  t.swiglu[0] = swiglu<float>, t.swiglu[1] = swiglu<bf16>;
  t.swiglu_backward[0] = swiglu_backward<float>, t.swiglu_backward[1] = swiglu_backward<bf16>;
  t.cross_entropy[0][0] = cross_entropy<float, float>, t.cross_entropy[0][1] = cross_entropy<float, bf16>;
  t.cross_entropy[1][0] = cross_entropy<bf16, float>, t.cross_entropy[1][1] = cross_entropy<bf16, bf16>;
  t.sum_squares = sum_squares, t.adamw = adamw, t.sums = sums;
  t.ternary_codes[0] = ternary_codes<float>, t.ternary_codes[1] = ternary_codes<bf16>;
  t.binary_codes[0] = binary_codes<float>, t.binary_codes[1] = binary_codes<bf16>;
  t.attention_scratch[0] = attention_scratch<F>, t.attention_scratch[1] = attention_scratch<H>;
  t.attention[0] = attention<F>, t.attention[1] = attention<H>;
  t.attention_backward[0] = attention_backward<F>, t.attention_backward[1] = attention_backward<H>;
  return t;
}

}  // namespace
}  // namespace spectra::ops::cpu

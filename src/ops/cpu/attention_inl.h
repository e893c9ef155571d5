// SPDX-License-Identifier: Apache-2.0
// Attention of one kv head, included by each loops_*.cc after its vec_*.h and loops_inl.h. A block of queries meets all keys
// that its rows see at once, so memory is kQueryBlock x T, never T x T (after FlashAttention-2, Dao 2023, with rows instead of
// tiles: a strip of this height stays in the L2 cache up to T = 2048).
//
// Matrix products run on words of 32 bits: what one multiply-add takes from the summed dimension. FloatWords (below): one float.
// PairWords (words_avx512bf16.h): two bf16, moved around as if they were a float. Operands are packed into words first, head by
// head:
//   rows         A[i][k]        word = kPer columns of row i   the left operand, summed over columns
//   transposed   [k / kPer][j]  word = kPer columns of row j   the right operand, summed over columns
//   interleaved  [k / kPer][j]  word = kPer rows of column j   the right operand, summed over rows; also the left one, transposed
namespace spectra::ops::cpu {
namespace {

#if defined(__clang__)
#define SPECTRA_UNROLL _Pragma("unroll")
#else
#define SPECTRA_UNROLL _Pragma("GCC unroll 16")
#endif

constexpr int64_t kQueryBlock = 32;

inline int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }
inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

/// T: what q, k, v and their gradients are stored in.
template <class T>
struct FloatWords {
  using Stored = T;
  using Element = float;  // what a row of words is an array of
  static constexpr int64_t kPer = 1;
  /// 16 words of a row, from word number `first`.
  template <class Lanes>
  static Vec words(const T* row, int64_t first, Lanes lanes) {
    return get(row + first, lanes);
  }
  /// Words of kPer values each, from vectors of them; stored: the values come from Stored ones, so need no rounding.
  static Vec interleave(Vec even, Vec) { return even; }
  static Vec interleave_stored(Vec even, Vec) { return even; }
  /// sum + word · operand
  static Vec step(Vec sum, float word, Vec operand) { return fma(set(word), operand, sum); }
};

/// A block of C (rows x vecs * 16) = or += A B, kept in registers over the summed dimension.
template <class W, int kRows, int kVecs>
inline void tile_block(float* c, int64_t ldc, const float* a, int64_t a_row, int64_t a_k, const float* b, int64_t ldb, int64_t k,
                       bool accumulate) {
  Vec sums[kRows][kVecs];
  SPECTRA_UNROLL
  for (int r = 0; r < kRows; ++r) {
    SPECTRA_UNROLL
    for (int v = 0; v < kVecs; ++v) sums[r][v] = accumulate ? load(c + r * ldc + v * 16) : set(0);
  }
  for (int64_t i = 0; i < k; ++i) {
    Vec operand[kVecs];
    SPECTRA_UNROLL
    for (int v = 0; v < kVecs; ++v) operand[v] = load(b + i * ldb + v * 16);
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
struct Left {
  const float* a;
  int64_t row, step;
};

/// C (m x n, n a multiple of 16) = or += A B; k counts words.
template <class W>
void tile(float* c, int64_t ldc, Left a, const float* b, int64_t ldb, int64_t m, int64_t n, int64_t k, bool accumulate) {
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

/// body(first, lanes) for n words or columns, 16 at a time; lanes past `n` but inside `padded` read as zero.
template <class F>
inline void each_padded(int64_t n, int64_t padded, F body) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) body(i, Full{});
  for (; i < padded; i += 16) body(i, Part{n > i ? n - i : 0});
}

/// x (rows, cols) to words by rows, (rows, cols / kPer).
template <class W>
void pack_rows(float* out, const typename W::Stored* x, int64_t stride, int64_t rows, int64_t cols) {
  const int64_t words = cols / W::kPer;
  for (int64_t r = 0; r < rows; ++r) {
    each(words, [&](int64_t c, auto lanes) { put(out + r * words + c, lanes, W::words(x + r * stride, c, lanes)); });
  }
}

/// x (rows, cols) interleaved: (padded_rows / kPer, padded_cols), zeros in the padding.
template <class W>
void pack_interleaved(float* out, const typename W::Stored* x, int64_t stride, int64_t rows, int64_t cols, int64_t padded_rows,
                      int64_t padded_cols) {
  for (int64_t r = 0; r < padded_rows; r += W::kPer, out += padded_cols) {
    const auto *even = x + r * stride, *odd = even + (W::kPer - 1) * stride;
    each_padded(cols, padded_cols, [&](int64_t c, auto lanes) {
      const Vec a = r < rows ? get(even + c, lanes) : set(0), b = r + W::kPer - 1 < rows ? get(odd + c, lanes) : set(0);
      store(out + c, W::interleave_stored(a, b));
    });
  }
}

/// x (rows, cols) transposed: (cols / kPer, padded_rows), zeros in the padding.
template <class W>
void pack_transposed(float* out, const typename W::Stored* x, int64_t stride, int64_t rows, int64_t cols, int64_t padded_rows) {
  const int64_t words = cols / W::kPer;
  for (int64_t r = 0; r < padded_rows; r += 16) {
    each(words, [&](int64_t c, auto lanes) {
      Vec block[16];
      SPECTRA_UNROLL
      for (int64_t i = 0; i < 16; ++i) block[i] = r + i < rows ? W::words(x + (r + i) * stride, c, lanes) : set(0);
      transpose(block);
      SPECTRA_UNROLL
      for (int64_t i = 0; i < 16; ++i) {
        if (c + i < words) store(out + (c + i) * padded_rows + r, block[i]);
      }
    });
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
    return base == nullptr ? nullptr : reinterpret_cast<T*>(base + at);
  }
};

/// Scratch of both directions. Letters as in the paper. Head dimension and time, the number of keys, are rounded up to 16, and 16
/// more are added to time: rows a power of two apart would fall into the same few sets of the L1 cache.
template <class W>
struct AttentionScratch {
  int64_t time, width;
  float *k_transposed, *v_transposed;     // (E / kPer, time)
  float *k_interleaved, *v_interleaved;   // (time / kPer, width)
  float *q_rows, *do_rows;                // (block, E / kPer)
  float *q_interleaved, *do_interleaved;  // (block / kPer, width)
  float *scores, *dscores;                // (block, time): S, dP
  float* rows;                            // (block, time / kPer): P (forward), dS (backward)
  float *p_interleaved, *ds_interleaved;  // (block / kPer, time)
  float* block_out;                       // (block, width): O, dQ
  float *dk, *dv;                         // (time, width)

  AttentionScratch(Pieces& pieces, int64_t t, int64_t e, bool backward) : time(round_up(t, 16) + 16), width(round_up(e, 16)) {
    const int64_t words = e / W::kPer;
    k_transposed = pieces.take<float>(words * time);
    v_interleaved = pieces.take<float>(time / W::kPer * width);
    q_rows = pieces.take<float>(kQueryBlock * words);
    scores = pieces.take<float>(kQueryBlock * time);
    rows = pieces.take<float>(kQueryBlock * time / W::kPer);
    block_out = pieces.take<float>(kQueryBlock * width);
    if (!backward) return;
    v_transposed = pieces.take<float>(words * time);
    k_interleaved = pieces.take<float>(time / W::kPer * width);
    do_rows = pieces.take<float>(kQueryBlock * words);
    q_interleaved = pieces.take<float>(kQueryBlock / W::kPer * width);
    do_interleaved = pieces.take<float>(kQueryBlock / W::kPer * width);
    dscores = pieces.take<float>(kQueryBlock * time);
    p_interleaved = pieces.take<float>(kQueryBlock / W::kPer * time);
    ds_interleaved = pieces.take<float>(kQueryBlock / W::kPer * time);
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
void softmax_row(float* out, const float* s, int64_t len, int64_t n, float scale, float& top, float& total) {
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

/// The keys [first, end) that query t sees.
inline int64_t first_key(const AttentionTask& task, int64_t t) {
  const int64_t document = task.first_key == nullptr ? 0 : task.first_key[t];
  const int64_t window = task.causal ? t + 1 - task.window : 0;
  return document > window ? document : window;
}
inline int64_t end_key(const AttentionTask& task, int64_t t) { return task.causal ? t + 1 : task.keys; }

/// The keys before the first that any query of the block sees, in whole vectors: nothing is computed for them.
inline int64_t unseen_keys(const AttentionTask& task, int64_t begin, int64_t rows) {
  int64_t first = first_key(task, begin);
  for (int64_t r = 1; r < rows; ++r) first = smaller(first, first_key(task, begin + r));
  return first / 16 * 16;
}

/// Scores of keys that a query does not see, of those from `skip` on, become -infinity.
inline void hide_keys(const AttentionTask& task, float* scores, int64_t stride, int64_t begin, int64_t rows, int64_t skip) {
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t first = first_key(task, begin + r);
    for (int64_t j = skip; j < first; ++j) scores[r * stride + j] = -INFINITY;
  }
}

template <class W>
void attention(const AttentionTask& task) {
  using T = typename W::Stored;
  const int64_t e = task.head_dim, words = e / W::kPer;
  Pieces pieces{static_cast<char*>(task.scratch)};
  const AttentionScratch<W> s(pieces, task.keys, e, false);
  pack_transposed<W>(s.k_transposed, static_cast<const T*>(task.k.data), task.k.stride, task.keys, e, s.time);
  pack_interleaved<W>(s.v_interleaved, static_cast<const T*>(task.v.data), task.v.stride, task.keys, e, s.time, s.width);
  const float scale = 1.0f / sqrtf(static_cast<float>(e));
  for (int64_t g = 0; g < task.group; ++g) {
    for (int64_t begin = 0; begin < task.queries; begin += kQueryBlock) {
      const int64_t rows = smaller(kQueryBlock, task.queries - begin), end = end_key(task, begin + rows - 1),
                    keys = round_up(end, 16);
      const int64_t skip = unseen_keys(task, begin, rows), skip_words = skip / W::kPer;
      pack_rows<W>(s.q_rows, static_cast<const T*>(task.q.data) + begin * task.q.stride + g * e, task.q.stride, rows, e);
      tile<W>(s.scores + skip, s.time, {s.q_rows, words, 1}, s.k_transposed + skip, s.time, rows, keys - skip, words, false);
      hide_keys(task, s.scores, s.time, begin, rows, skip);
      float totals[kQueryBlock];
      for (int64_t r = 0; r < rows; ++r) {
        float top;
        softmax_row<W>(s.rows + r * s.time / W::kPer + skip_words, s.scores + r * s.time + skip, end_key(task, begin + r) - skip,
                       keys - skip, scale, top, totals[r]);
        task.lse[g * task.queries + begin + r] = top + logf(totals[r]);
      }
      tile<W>(s.block_out, s.width, {s.rows + skip_words, s.time / W::kPer, 1}, s.v_interleaved + skip_words * s.width, s.width,
              rows, s.width, (keys - skip) / W::kPer, false);
      for (int64_t r = 0; r < rows; ++r) {
        T* out = static_cast<T*>(task.out.data) + (begin + r) * task.out.stride + g * e;
        const Vec normal = set(1.0f / totals[r]);
        each(e, [&](int64_t i, auto lanes) { put(out + i, lanes, get(s.block_out + r * s.width + i, lanes) * normal); });
      }
    }
  }
}

/// P = exp(scale S - lse) and dS = scale P (dP - delta) of the first `count` of 16 keys, zeros after them.
struct Gradient {
  Vec p, ds;
};
inline Gradient gradient_of(const float* s, const float* dp, int64_t count, float scale, float lse, float delta) {
  if (count <= 0) return {set(0), set(0)};
  const Vec scores = count >= 16 ? load(s) : load_first(s, count, -INFINITY);
  const Vec p = exp(fma(scores, set(scale), set(-lse)));
  return {p, p * (load(dp) - set(delta)) * set(scale)};
}

/// dout · out of query r of the block: the part of dS that all keys share.
template <class T>
float shared_gradient(const AttentionTask& task, int64_t g, int64_t token) {
  const T* out = static_cast<const T*>(task.out.data) + token * task.out.stride + g * task.head_dim;
  const T* dout = static_cast<const T*>(task.dout.data) + token * task.dout.stride + g * task.head_dim;
  Vec dot = set(0);
  each(task.head_dim, [&](int64_t i, auto lanes) { dot = fma(get(out + i, lanes), get(dout + i, lanes), dot); });
  return sum(dot);
}

/// P and dS of a block and its keys [skip, keys), from S and dP, in the forms that the three products after them read.
template <class W>
void block_gradients(const AttentionTask& task, const AttentionScratch<W>& s, int64_t g, int64_t begin, int64_t rows, int64_t skip,
                     int64_t keys, float scale) {
  using T = typename W::Stored;
  for (int64_t r = 0; r < rows; r += W::kPer) {
    float lse[W::kPer], delta[W::kPer];
    int64_t seen[W::kPer];  // keys of each row; a last odd row is paired with one that sees none
    for (int64_t i = 0; i < W::kPer; ++i) {
      const bool inside = r + i < rows;
      seen[i] = inside ? end_key(task, begin + r + i) : 0;
      lse[i] = inside ? task.lse[g * task.queries + begin + r + i] : 0;
      delta[i] = inside ? shared_gradient<T>(task, g, begin + r + i) : 0;
    }
    for (int64_t j = skip; j < keys; j += 16) {
      Gradient both[W::kPer];
      for (int64_t i = 0; i < W::kPer; ++i) {
        const int64_t at = (r + i) * s.time + j;
        both[i] = gradient_of(s.scores + at, s.dscores + at, seen[i] - j, scale, lse[i], delta[i]);
        store(reinterpret_cast<typename W::Element*>(s.rows + (r + i) * s.time / W::kPer) + j, both[i].ds);
      }
      const Gradient &even = both[0], &odd = both[W::kPer - 1];
      store(s.p_interleaved + r / W::kPer * s.time + j, W::interleave(even.p, odd.p));
      store(s.ds_interleaved + r / W::kPer * s.time + j, W::interleave(even.ds, odd.ds));
    }
  }
}

template <class T>
void store_gradient(T* out, int64_t stride, const float* x, int64_t width, int64_t rows, int64_t cols) {
  for (int64_t r = 0; r < rows; ++r) {
    each(cols, [&](int64_t i, auto lanes) { put(out + r * stride + i, lanes, get(x + r * width + i, lanes)); });
  }
}

template <class W>
void attention_backward(const AttentionTask& task) {
  using T = typename W::Stored;
  const int64_t e = task.head_dim, words = e / W::kPer;
  Pieces pieces{static_cast<char*>(task.scratch)};
  const AttentionScratch<W> s(pieces, task.keys, e, true);
  const T *k = static_cast<const T*>(task.k.data), *v = static_cast<const T*>(task.v.data);
  pack_transposed<W>(s.k_transposed, k, task.k.stride, task.keys, e, s.time);
  pack_transposed<W>(s.v_transposed, v, task.v.stride, task.keys, e, s.time);
  pack_interleaved<W>(s.k_interleaved, k, task.k.stride, task.keys, e, s.time, s.width);
  for (int64_t i = 0; i < s.time * s.width; i += 16) {
    store(s.dk + i, set(0));
    store(s.dv + i, set(0));
  }
  const float scale = 1.0f / sqrtf(static_cast<float>(e));
  for (int64_t g = 0; g < task.group; ++g) {
    for (int64_t begin = 0; begin < task.queries; begin += kQueryBlock) {
      const int64_t rows = smaller(kQueryBlock, task.queries - begin), end = end_key(task, begin + rows - 1),
                    keys = round_up(end, 16);
      const int64_t row_words = round_up(rows, W::kPer) / W::kPer;
      const int64_t skip = unseen_keys(task, begin, rows), skip_words = skip / W::kPer;
      const T* q = static_cast<const T*>(task.q.data) + begin * task.q.stride + g * e;
      const T* dout = static_cast<const T*>(task.dout.data) + begin * task.dout.stride + g * e;
      pack_rows<W>(s.q_rows, q, task.q.stride, rows, e);
      pack_rows<W>(s.do_rows, dout, task.dout.stride, rows, e);
      pack_interleaved<W>(s.q_interleaved, q, task.q.stride, rows, e, row_words * W::kPer, s.width);
      pack_interleaved<W>(s.do_interleaved, dout, task.dout.stride, rows, e, row_words * W::kPer, s.width);
      tile<W>(s.scores + skip, s.time, {s.q_rows, words, 1}, s.k_transposed + skip, s.time, rows, keys - skip, words, false);
      tile<W>(s.dscores + skip, s.time, {s.do_rows, words, 1}, s.v_transposed + skip, s.time, rows, keys - skip, words, false);
      hide_keys(task, s.scores, s.time, begin, rows, skip);
      block_gradients<W>(task, s, g, begin, rows, skip, keys, scale);
      const int64_t seen = end - skip;  // keys without padding
      const Left p{s.p_interleaved + skip, 1, s.time}, ds{s.ds_interleaved + skip, 1, s.time};
      tile<W>(s.dv + skip * s.width, s.width, p, s.do_interleaved, s.width, seen, s.width, row_words, true);
      tile<W>(s.dk + skip * s.width, s.width, ds, s.q_interleaved, s.width, seen, s.width, row_words, true);
      tile<W>(s.block_out, s.width, {s.rows + skip_words, s.time / W::kPer, 1}, s.k_interleaved + skip_words * s.width, s.width,
              rows, s.width, (keys - skip) / W::kPer, false);
      T* dq = static_cast<T*>(task.dq.data) + begin * task.dq.stride + g * e;
      store_gradient(dq, task.dq.stride, s.block_out, s.width, rows, e);
    }
  }
  store_gradient(static_cast<T*>(task.dk.data), task.dk.stride, s.dk, s.width, task.keys, e);
  store_gradient(static_cast<T*>(task.dv.data), task.dv.stride, s.dv, s.width, task.keys, e);
}

/// Entries of what is stored as T; W: how attention multiplies it.
template <class T, class W>
constexpr void fill_type(Loops& t, Type type) {
  t.scale[type] = scale<T>;
  t.rmsnorm[type] = rmsnorm<T>, t.rmsnorm_backward[type] = rmsnorm_backward<T>;
  t.rope[type] = rope<T>;
  t.glu[0][type] = glu<T, SiluGate>, t.glu[1][type] = glu<T, Relu2Gate>, t.glu[2][type] = glu<T, GeluGate>;
  t.glu_backward[0][type] = glu_backward<T, SiluGate>, t.glu_backward[1][type] = glu_backward<T, Relu2Gate>;
  t.glu_backward[2][type] = glu_backward<T, GeluGate>;
  t.round_int8[type] = round_int8<T>;
  t.ternary_codes[type] = ternary_codes<T>, t.binary_codes[type] = binary_codes<T>;
  t.attention_scratch[type] = attention_scratch<W>;
  t.attention[type] = attention<W>, t.attention_backward[type] = attention_backward<W>;
}

/// Entries [a][kFloat], [a][kBf16], [a][kFp16] of what mixes two types; A is type a's.
template <class A>
constexpr void fill_pairs(Loops& t, Type a) {
  t.convert[a][kFloat] = convert<A, float>, t.convert[a][kBf16] = convert<A, bf16>, t.convert[a][kFp16] = convert<A, fp16>;
  t.add[a][kFloat] = add<A, float>, t.add[a][kBf16] = add<A, bf16>, t.add[a][kFp16] = add<A, fp16>;
  t.cross_entropy[a][kFloat] = cross_entropy<A, float>;
  t.cross_entropy[a][kBf16] = cross_entropy<A, bf16>;
  t.cross_entropy[a][kFp16] = cross_entropy<A, fp16>;
}

/// The whole table; H: how attention multiplies bf16.
template <class H>
constexpr Loops make_loops(const char* name) {
  Loops t{};
  t.name = name;
  fill_type<float, FloatWords<float>>(t, kFloat);
  fill_type<bf16, H>(t, kBf16);
  fill_type<fp16, FloatWords<fp16>>(t, kFp16);
  fill_pairs<float>(t, kFloat);
  fill_pairs<bf16>(t, kBf16);
  fill_pairs<fp16>(t, kFp16);
  t.sum_squares = sum_squares, t.adamw = adamw, t.sums = sums;
  return t;
}

}  // namespace
}  // namespace spectra::ops::cpu

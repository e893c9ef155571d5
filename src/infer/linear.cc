// SPDX-License-Identifier: Apache-2.0
#include "infer/linear.h"

#include <algorithm>

#include "base/error.h"

namespace spectra::infer {
namespace {

using kernels::Kernels;

// Bytes of token rows that pass over a thread's weights before the next ones: a quarter of a second-level cache of 1 MiB, so that
// they and the tiles that they meet stay in it.
constexpr int64_t kRowBytes = int64_t{256} << 10;

const PackedLinear* packed_of(const Linear& w) { return std::get_if<PackedLinear>(&w.weight); }

/// Token rows of `row_bytes` that go together, a multiple of what kernels take at once.
int64_t tokens_together(int64_t row_bytes) { return std::max<int64_t>(kRowBytes / std::max<int64_t>(row_bytes, 1) / 8 * 8, 8); }

/// Rows of w that a thread takes at a time: enough bytes to be one stream from memory, few enough for all to finish together.
int64_t chunk_rows(const Linear& w) {
  constexpr int64_t kChunkBytes = int64_t{64} << 10;
  const PackedLinear* p = packed_of(w);
  const int64_t tile_bytes = p != nullptr ? p->matrix.tile_bytes : lowbit::kTileRows * w.cols * 2;
  const int64_t tiles = std::max<int64_t>(kChunkBytes / tile_bytes / 2 * 2, 2);  // kernels take two at once
  return std::max(tiles, (w.rows / lowbit::kTileRows + 0x7fff) / 0x8000) * lowbit::kTileRows;
}

/// Token rows rounded for one matrix fit the other.
bool same_form(const Linear& a, const Linear& b) {
  return a.packed() == b.packed() && (!a.packed() || packed_of(a)->same_columns(*packed_of(b)));
}

int64_t whole_tiles(int64_t rows) { return (rows + lowbit::kTileRows - 1) / lowbit::kTileRows * lowbit::kTileRows; }

/// Of row `row`, a multiple of 16; null where w is not packed.
const uint8_t* first_byte(const Linear& w, int64_t row) {
  const PackedLinear* p = packed_of(w);
  return p != nullptr ? p->matrix.tile(row / lowbit::kTileRows) : nullptr;
}

void grow(auto& buffer, int64_t size) {
  if (buffer.size() < static_cast<size_t>(size)) buffer.resize(static_cast<size_t>(size));
}

}  // namespace

const char* activations_name(ActivationType activations) {
  switch (activations) {
    case ActivationType::kFp32:
      return "fp32";
    case ActivationType::kBf16:
      return "bf16";
    case ActivationType::kInt8:
      return "int8";
  }
  return "?";
}

ActivationType activations_from_name(const std::string& name) {
  for (const ActivationType a : {ActivationType::kFp32, ActivationType::kBf16, ActivationType::kInt8})
    if (name == activations_name(a)) return a;
  throw Error(Exit::kUsage, fmt::format("--activations {} is unknown", name), "allowed: fp32, bf16, int8");
}

void LinearBuffers::reserve(const Model& model, ActivationType mode, int64_t tokens, int threads) {
  tokens = std::max<int64_t>(tokens, threads);
  int64_t cols = 0, padded = 0, segments = 1;
  const auto see = [&](const Linear& w) {
    cols = std::max(cols, w.cols);
    padded = std::max(padded, w.cols);
    if (const PackedLinear* p = packed_of(w)) {
      padded = std::max(padded, p->padded_cols);
      segments = std::max(segments, static_cast<int64_t>(p->columns.size()));
    }
  };
  for (const Layer& l : model.layers)
    for (const Linear* w : {&l.q, &l.k, &l.v, &l.o, &l.gate, &l.up, &l.down}) see(*w);
  see(model.head);
  if (mode == ActivationType::kBf16) {
    grow(bf16_values, tokens * padded);
    grow(widened, tokens * cols);
  }
  if (mode == ActivationType::kInt8 || model.head.packed()) {
    grow(int8_values, tokens * padded);
    grow(int8_scales, tokens);
    grow(int8_sums, tokens * segments);
  }
  codes.resize(static_cast<size_t>(threads));
  parts.resize(static_cast<size_t>(threads));
  for (auto& one : codes) grow(one, lowbit::kTileRows * cols);
  for (auto& one : parts) grow(one, lowbit::kTileRows * tokens);
}

void Rows::set(const float* x, int64_t count, int64_t cols, ActivationType mode) {
  x_ = x;
  count_ = count;
  cols_ = cols;
  rows_mode_ = mode;
  like_ = nullptr;
}

bool Rows::rounded_for(const Linear& w) const {
  if (rows_mode_ == ActivationType::kFp32) return like_ != nullptr;
  return like_ != nullptr && same_form(w, *like_);
}

/// Each thread rounds the rows that it made; then all can read them.
void Rows::round(const Linear& w) {
  const PackedLinear* packed = packed_of(w);
  const bool rounds = rows_mode_ != ActivationType::kFp32;
  if (single()) {
    if (rounds) round_row(x_, first_slot(), packed);
    like_ = &w;
    return;
  }
  if (like_ != nullptr) team_.barrier();  // others may still read the rows in their old form
  const Team::Range mine = team_.share(count_);
  for (int64_t t = mine.begin; t < mine.end && rounds; ++t) round_row(x_ + t * cols_, t, packed);
  like_ = &w;
  team_.barrier();
}

/// x (cols) to row `slot` of the buffers.
void Rows::round_row(const float* x, int64_t slot, const PackedLinear* packed) {
  const auto cols = static_cast<size_t>(cols_), row = static_cast<size_t>(slot);
  if (packed == nullptr) {  // bf16 without gaps; widened again for weights that are not bf16
    bf16* values = buffers_.bf16_values.data() + row * cols;
    kernels_.to_bf16(values, x, cols);
    std::transform(values, values + cols, buffers_.widened.data() + row * cols, [](bf16 value) { return to_float(value); });
    return;
  }
  const auto width = static_cast<size_t>(lowbit::group_columns(packed->matrix.layout.format));
  const bool int8 = rows_mode_ == ActivationType::kInt8;
  const float scale = int8 ? kernels_.absmax(x, cols) / 127.0f : 0.0f;
  if (int8) buffers_.int8_scales[row] = scale;
  size_t at = row * static_cast<size_t>(packed->padded_cols);
  for (size_t s = 0; s < packed->columns.size(); ++s) {
    const size_t here = packed->columns[s], padded = packed->groups[s] * width;
    if (int8) {
      int8_t* values = buffers_.int8_values.data() + at;
      buffers_.int8_sums[row * packed->columns.size() + s] = kernels_.quantize_i8(values, x, here, scale);
      std::fill(values + here, values + padded, int8_t{0});
    } else {
      bf16* values = buffers_.bf16_values.data() + at;
      kernels_.to_bf16(values, x, here);
      std::fill(values + here, values + padded, bf16{0});
    }
    x += here;
    at += padded;
  }
}

void Rows::multiply(std::initializer_list<Product> products) {
  int64_t rows = 0, cols = 0;
  bool alike = true;  // token rows in one form serve them all
  for (const Product& p : products) {
    const Product& first = *products.begin();
    rows += whole_tiles(p.w->rows);
    cols = p.w->cols;
    alike = alike && same_form(*p.w, *first.w);
  }
  if (!alike) {
    for (const Product& p : products) {
      multiply({p});
      team_.barrier();
    }
    return;
  }
  SPECTRA_CHECK(cols_ == cols, "{}: {} activations for {} columns", products.begin()->w->name, cols_, cols);
  if (!rounded_for(*products.begin()->w)) round(*products.begin()->w);
  team_.share_out(rows, chunk_rows(*products.begin()->w), [&](int64_t begin, int64_t end) {
    for (const Product& p : products) {  // the chunk may touch several of them
      const int64_t padded = whole_tiles(p.w->rows);
      if (begin < padded && end > 0) part(p, std::max<int64_t>(begin, 0), std::min(end, p.w->rows), nullptr);
      begin -= padded;
      end -= padded;
    }
  });
}

void Rows::multiply_together(std::initializer_list<Product> products, const Done& done) {
  const Linear& first = *products.begin()->w;
  for (const Product& p : products) {
    SPECTRA_CHECK(p.w->rows == first.rows && p.w->cols == cols_, "{} and {}", p.w->name, first.name);
    if (same_form(*p.w, first)) continue;
    for (const Product& one : products) {
      multiply({one});
      team_.barrier();
    }
    return team_.share_out(first.rows, chunk_rows(first), done);
  }
  if (!rounded_for(first)) round(first);
  team_.share_out(first.rows, chunk_rows(first), [&](int64_t begin, int64_t end) {
    for (const Product* p = products.begin(); p != products.end(); ++p) {
      const bool last = p + 1 == products.end();
      part(*p, begin, end, first_byte(last ? *products.begin()->w : *p[1].w, last ? end : begin));
    }
    done(begin, end);
  });
}

/// Rows [begin, end) of w, begin a multiple of 16. `next`: what this thread reads after them, null = the rows that follow.
void Rows::part(const Product& product, int64_t begin, int64_t end, const uint8_t* next) {
  if (begin >= end) return;
  if (const PackedLinear* p = packed_of(*product.w)) return packed(product.y, *p, begin, end, next);
  dense(product, std::get<DenseMatrix>(product.w->weight), begin, end);
}

/// Weights stay as they are stored: bf16 activations meet fp16 or fp32 weights in fp32, which holds both exactly.
void Rows::dense(const Product& product, const DenseMatrix& matrix, int64_t begin, int64_t end) {
  const Linear& w = *product.w;
  SPECTRA_CHECK(rows_mode_ != ActivationType::kInt8, "{} is dense: int8 activations are for packed weights", w.name);
  const auto run = [&](auto* weights, auto* x, auto matmul) {
    const auto y_stride = static_cast<size_t>(w.rows), cols = static_cast<size_t>(cols_);
    const int64_t together = tokens_together(cols_ * static_cast<int64_t>(sizeof(*x)));
    for (int64_t t = 0; t < count_; t += together)
      matmul(product.y + t * w.rows + begin, y_stride, x + t * cols_, cols, static_cast<size_t>(std::min(together, count_ - t)),
             weights + begin * cols_, cols, static_cast<size_t>(end - begin), cols);
  };
  const bool rounded = rows_mode_ == ActivationType::kBf16;
  const int64_t at = first_slot() * cols_;
  if (rounded && matrix.dtype == DType::kBf16)
    return run(static_cast<const bf16*>(matrix.data), buffers_.bf16_values.data() + at, kernels_.matmul_bf16);
  const float* x = rounded ? buffers_.widened.data() + at : x_;
  switch (matrix.dtype) {
    case DType::kF32:
      return run(static_cast<const float*>(matrix.data), x, kernels_.matmul_f32);
    case DType::kF16:
      return run(static_cast<const fp16*>(matrix.data), x, kernels_.matmul_f32_fp16);
    case DType::kBf16:
      return run(static_cast<const bf16*>(matrix.data), x, kernels_.matmul_f32_bf16);
    default:
      SPECTRA_CHECK(false, "{}", dtype_name(matrix.dtype));
  }
}

void Rows::packed(float* y, const PackedLinear& w, int64_t begin, int64_t end, const uint8_t* next) {
  const lowbit::Layout& layout = w.matrix.layout;
  const int64_t first = begin / lowbit::kTileRows, last = (end + lowbit::kTileRows - 1) / lowbit::kTileRows;
  const auto format = static_cast<size_t>(layout.format);
  if (rows_mode_ == ActivationType::kFp32)
    unpacked_tiles(y, w, first, last, x_, cols_, kernels_.matmul_f32_i8);
  else if (rows_mode_ == ActivationType::kBf16 && kernels_.matmul_tiles_bf16[format] == nullptr)
    unpacked_tiles(y, w, first, last, static_cast<const bf16*>(buffers_.bf16_values.data()) + first_slot() * w.padded_cols,
                   w.padded_cols, kernels_.matmul_bf16_i8);
  else {
    kernels::TileSpan span = w.span(first, last);
    if (next != nullptr) span.next = next;
    tiles(y + begin, w, span);
  }
}

void Rows::tiles(float* y, const PackedLinear& w, const kernels::TileSpan& span) {
  const auto format = static_cast<size_t>(w.matrix.layout.format), stride = static_cast<size_t>(w.padded_cols);
  const auto y_stride = static_cast<size_t>(w.matrix.layout.rows);
  const bool int8 = rows_mode_ == ActivationType::kInt8;
  const int64_t together = tokens_together(w.padded_cols * (int8 ? 1 : 2));
  for (int64_t t = 0; t < count_; t += together) {
    const auto tokens = static_cast<size_t>(std::min(together, count_ - t)), first = static_cast<size_t>(t + first_slot());
    float* out = y + static_cast<size_t>(t) * y_stride;
    if (int8)
      kernels_.matmul_tiles_i8[format](out, y_stride, span,
                                       {buffers_.int8_values.data() + first * stride, stride, tokens,
                                        buffers_.int8_sums.data() + first * span.segments, buffers_.int8_scales.data() + first});
    else
      kernels_.matmul_tiles_bf16[format](out, y_stride, span, {buffers_.bf16_values.data() + first * stride, stride, tokens});
  }
}

/// y[t, r] = Σ_s scale of (s, r) * (x . codes of row r in segment s), in the order of the segments. Tiles are unpacked once for all
/// token rows. Columns of `x` lie as `stride` says: fp32 as computed, bf16 with the gaps of rounded rows.
template <class X>
void Rows::unpacked_tiles(float* y, const PackedLinear& w, int64_t begin, int64_t end, const X* x, int64_t stride,
                          kernels::Matmul<X, int8_t> matmul) {
  const lowbit::Layout& layout = w.matrix.layout;
  const auto width = lowbit::group_columns(layout.format);
  const bool gaps = rows_mode_ != ActivationType::kFp32;
  int8_t* codes = buffers_.codes[static_cast<size_t>(team_.rank())].data();
  float* part = buffers_.parts[static_cast<size_t>(team_.rank())].data();
  const int64_t together = tokens_together(stride * static_cast<int64_t>(sizeof(X)));
  for (int64_t t0 = 0; t0 < count_; t0 += together)
    for (int64_t tile = begin; tile < end; ++tile) {
      const int64_t first = tile * lowbit::kTileRows, rows = std::min(lowbit::kTileRows, layout.rows - first);
      const int64_t tokens = std::min(together, count_ - t0);
      kernels_.unpack_tile[static_cast<size_t>(layout.format)](codes, static_cast<size_t>(cols_), w.matrix.tile(tile),
                                                               w.columns.size(), w.columns.data());
      int64_t column = 0;  // of x
      for (size_t s = 0; s < w.columns.size(); ++s) {
        const float* scales =
            w.scales.data() + (tile * static_cast<int64_t>(w.columns.size()) + static_cast<int64_t>(s)) * lowbit::kTileRows;
        matmul(part, lowbit::kTileRows, x + t0 * stride + column, static_cast<size_t>(stride), static_cast<size_t>(tokens),
               codes + layout.segments[s], static_cast<size_t>(cols_), static_cast<size_t>(rows), w.columns[s]);
        for (int64_t t = 0; t < tokens; ++t)
          for (int64_t r = 0; r < rows; ++r) {
            float& out = y[(t0 + t) * layout.rows + first + r];
            out = (s == 0 ? 0.0f : out) + scales[r] * part[t * lowbit::kTileRows + r];
          }
        column += gaps ? static_cast<int64_t>(w.groups[s]) * width : static_cast<int64_t>(w.columns[s]);
      }
    }
}

}  // namespace spectra::infer

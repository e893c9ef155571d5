// SPDX-License-Identifier: Apache-2.0
#include "infer/cpu/linear.h"

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

int64_t whole_tiles(int64_t rows) { return (rows + lowbit::kTileRows - 1) / lowbit::kTileRows * lowbit::kTileRows; }

/// Of row `row`, a multiple of 16; null where w is not packed.
const uint8_t* first_byte(const Linear& w, int64_t row) {
  const PackedLinear* p = packed_of(w);
  return p != nullptr ? p->matrix.tile(row / lowbit::kTileRows) : nullptr;
}

}  // namespace

void TileBuffers::reserve(int64_t cols, int64_t rows, int threads) {
  const auto enlarge = [](auto& buffers, int64_t size) {
    for (auto& one : buffers)
      if (one.size() < static_cast<size_t>(size)) one.resize(static_cast<size_t>(size));
  };
  codes.resize(static_cast<size_t>(threads));
  parts.resize(static_cast<size_t>(threads));
  enlarge(codes, lowbit::kTileRows * cols);
  enlarge(parts, lowbit::kTileRows * rows);
}

/// Token rows in one form serve all products.
bool Products::one_form(const RoundedRows& x, std::initializer_list<Product> products) const {
  return std::all_of(products.begin(), products.end(), [&](const Product& p) { return x.alike(*p.w, *products.begin()->w); });
}

void Products::one_by_one(RoundedRows& x, std::initializer_list<Product> products) {
  for (const Product& p : products) {
    multiply(x, {p});
    team_.barrier();
  }
}

void Products::multiply(RoundedRows& x, std::initializer_list<Product> products) {
  const Linear& first = *products.begin()->w;
  int64_t rows = 0;
  for (const Product& p : products) {
    SPECTRA_CHECK(p.w->cols == x.cols(), "{}: {} activations for {} columns", p.w->name, x.cols(), p.w->cols);
    rows += whole_tiles(p.w->rows);
  }
  if (!one_form(x, products)) return one_by_one(x, products);
  x.bring_to(first);
  team_.share_out(rows, chunk_rows(first), [&](int64_t begin, int64_t end) {
    for (const Product& p : products) {  // the chunk may touch several of them
      const int64_t padded = whole_tiles(p.w->rows);
      if (begin < padded && end > 0) part(x, p, std::max<int64_t>(begin, 0), std::min(end, p.w->rows), nullptr);
      begin -= padded;
      end -= padded;
    }
  });
}

void Products::multiply_together(RoundedRows& x, std::initializer_list<Product> products, const Done& done) {
  const Linear& first = *products.begin()->w;
  for (const Product& p : products)
    SPECTRA_CHECK(p.w->rows == first.rows && p.w->cols == x.cols(), "{} and {}", p.w->name, first.name);
  if (!one_form(x, products)) {
    one_by_one(x, products);
    return team_.share_out(first.rows, chunk_rows(first), done);
  }
  x.bring_to(first);
  team_.share_out(first.rows, chunk_rows(first), [&](int64_t begin, int64_t end) {
    for (const Product* p = products.begin(); p != products.end(); ++p) {
      const bool last = p + 1 == products.end();
      part(x, *p, begin, end, first_byte(last ? first : *p[1].w, last ? end : begin));
    }
    done(begin, end);
  });
}

/// Rows [begin, end) of w, begin a multiple of 16. `next`: what this thread reads after them, null = the rows that follow.
void Products::part(const RoundedRows& x, const Product& product, int64_t begin, int64_t end, const uint8_t* next) {
  if (begin >= end) return;
  if (const PackedLinear* p = packed_of(*product.w)) return packed(x, product.y, *p, begin, end, next);
  dense(x, product, std::get<DenseMatrix>(product.w->weight), begin, end);
}

/// Weights stay as they are stored: bf16 activations meet fp16 or fp32 weights in fp32, which holds both exactly.
void Products::dense(const RoundedRows& x, const Product& product, const DenseMatrix& matrix, int64_t begin, int64_t end) {
  const Linear& w = *product.w;
  const int64_t cols = x.cols(), count = x.count();
  const auto run = [&](auto* weights, auto* values, auto matmul) {
    const auto y_stride = static_cast<size_t>(w.rows), width = static_cast<size_t>(cols);
    const int64_t together = tokens_together(cols * static_cast<int64_t>(sizeof(*values)));
    for (int64_t t = 0; t < count; t += together)
      matmul(product.y + t * w.rows + begin, y_stride, values + t * cols, width, static_cast<size_t>(std::min(together, count - t)),
             weights + begin * cols, width, static_cast<size_t>(end - begin), width);
  };
  const bool rounded = x.type() == ActivationType::kBf16;
  if (rounded && matrix.dtype == DType::kBf16)
    return run(static_cast<const bf16*>(matrix.data), x.bf16_values(), kernels_.matmul_bf16);
  const float* values = rounded ? x.widened() : x.fp32();
  switch (matrix.dtype) {
    case DType::kF32:
      return run(static_cast<const float*>(matrix.data), values, kernels_.matmul_f32);
    case DType::kF16:
      return run(static_cast<const fp16*>(matrix.data), values, kernels_.matmul_f32_fp16);
    case DType::kBf16:
      return run(static_cast<const bf16*>(matrix.data), values, kernels_.matmul_f32_bf16);
    default:
      SPECTRA_CHECK(false, "{}", dtype_name(matrix.dtype));
  }
}

void Products::packed(const RoundedRows& x, float* y, const PackedLinear& w, int64_t begin, int64_t end, const uint8_t* next) {
  const lowbit::Layout& layout = w.matrix.layout;
  const int64_t first = begin / lowbit::kTileRows, last = (end + lowbit::kTileRows - 1) / lowbit::kTileRows;
  const auto format = static_cast<size_t>(layout.format);
  if (x.type() == ActivationType::kFp32)
    unpacked_tiles(x, y, w, first, last, x.fp32(), kernels_.matmul_f32_i8);
  else if (x.type() == ActivationType::kBf16 && kernels_.matmul_tiles_bf16[format] == nullptr)
    unpacked_tiles(x, y, w, first, last, x.bf16_values(), kernels_.matmul_bf16_i8);
  else {
    kernels::TileSpan span = w.span(first, last);
    if (next != nullptr) span.next = next;
    tiles(x, y + begin, w, span);
  }
}

void Products::tiles(const RoundedRows& x, float* y, const PackedLinear& w, const kernels::TileSpan& span) {
  const auto format = static_cast<size_t>(w.matrix.layout.format), y_stride = static_cast<size_t>(w.matrix.layout.rows);
  const bool int8 = x.type() == ActivationType::kInt8;
  const int64_t together = tokens_together(w.padded_cols * (int8 ? 1 : 2));
  for (int64_t t = 0; t < x.count(); t += together) {
    const int64_t tokens = std::min(together, x.count() - t);
    float* out = y + static_cast<size_t>(t) * y_stride;
    if (int8)
      kernels_.matmul_tiles_i8[format](out, y_stride, span, x.int8_rows(t, tokens));
    else
      kernels_.matmul_tiles_bf16[format](out, y_stride, span, x.bf16_rows(t, tokens));
  }
}

/// y[t, r] = Σ_s scale of (s, r) * (x . codes of row r in segment s), in the order of the segments. Tiles are unpacked once for all
/// token rows. Rows of `x` are fp32 as computed, or bf16 with the gaps of rounded rows.
template <class X>
void Products::unpacked_tiles(const RoundedRows& rows, float* y, const PackedLinear& w, int64_t begin, int64_t end, const X* x,
                              kernels::Matmul<X, int8_t> matmul) {
  const lowbit::Layout& layout = w.matrix.layout;
  const auto width = lowbit::group_columns(layout.format);
  const bool gaps = rows.type() != ActivationType::kFp32;
  const int64_t count = rows.count(), cols = rows.cols(), stride = rows.stride();
  int8_t* codes = buffers_.codes[static_cast<size_t>(team_.rank())].data();
  float* part = buffers_.parts[static_cast<size_t>(team_.rank())].data();
  const int64_t together = tokens_together(stride * static_cast<int64_t>(sizeof(X)));
  for (int64_t t0 = 0; t0 < count; t0 += together)
    for (int64_t tile = begin; tile < end; ++tile) {
      const int64_t first = tile * lowbit::kTileRows, height = std::min(lowbit::kTileRows, layout.rows - first);
      const int64_t tokens = std::min(together, count - t0);
      kernels_.unpack_tile[static_cast<size_t>(layout.format)](codes, static_cast<size_t>(cols), w.matrix.tile(tile),
                                                               w.columns.size(), w.columns.data());
      int64_t column = 0;  // of x
      for (size_t s = 0; s < w.columns.size(); ++s) {
        const float* scales =
            w.scales.data() + (tile * static_cast<int64_t>(w.columns.size()) + static_cast<int64_t>(s)) * lowbit::kTileRows;
        matmul(part, lowbit::kTileRows, x + t0 * stride + column, static_cast<size_t>(stride), static_cast<size_t>(tokens),
               codes + layout.segments[s], static_cast<size_t>(cols), static_cast<size_t>(height), w.columns[s]);
        for (int64_t t = 0; t < tokens; ++t)
          for (int64_t r = 0; r < height; ++r) {
            float& out = y[(t0 + t) * layout.rows + first + r];
            out = (s == 0 ? 0.0f : out) + scales[r] * part[t * lowbit::kTileRows + r];
          }
        column += gaps ? static_cast<int64_t>(w.groups[s]) * width : static_cast<int64_t>(w.columns[s]);
      }
    }
}

}  // namespace spectra::infer

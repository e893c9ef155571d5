// SPDX-License-Identifier: Apache-2.0
#include "infer/cpu/int8_head.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "base/error.h"
#include "base/file.h"
#include "base/parallel.h"
#include "base/team.h"
#include "infer/cpu/code_memory.h"

namespace spectra::infer {
namespace {

constexpr int64_t kChunkTiles = 16;  // that a thread rounds at a time

/// Puts the codes of one row, filled up to whole groups of 4, where lowbit/packed.h has them: byte 4 row + j of a group's 64 is
/// code + 128 of its column j.
void pack_row(const int8_t* codes, size_t groups, size_t row, uint8_t* tile) {
  for (size_t g = 0; g < groups; ++g) {
    uint32_t four;
    std::memcpy(&four, codes + 4 * g, 4);
    four ^= 0x80808080u;
    std::memcpy(tile + 64 * g + 4 * row, &four, 4);
  }
}

/// Bytes of rows [begin, end) in the file.
void release_rows(const Linear& dense, int64_t begin, int64_t end) {
  const DenseMatrix& matrix = std::get<DenseMatrix>(dense.weight);
  const auto row_bytes = static_cast<size_t>(dense.cols) * dtype_size(matrix.dtype);
  if (matrix.copy == nullptr)
    release_mapped({static_cast<const std::byte*>(matrix.data) + static_cast<size_t>(begin) * row_bytes,
                    static_cast<size_t>(end - begin) * row_bytes});
}

}  // namespace

PackedLinear round_to_int8(const Linear& dense, bool release) {
  const kernels::Kernels& k = kernels::kernels();
  model::PackedMatrix m;
  m.axis = lowbit::ShardAxis::kRows;  // each row a shard
  m.bounds.resize(static_cast<size_t>(dense.rows) + 1);
  std::iota(m.bounds.begin(), m.bounds.end(), int64_t{0});
  m.scales.resize(static_cast<size_t>(dense.rows));
  m.layout = lowbit::make_layout(lowbit::Format::kInt8, dense.rows, dense.cols, m.axis, m.bounds);
  m.tile_bytes = m.layout.tile_bytes();
  const std::shared_ptr<uint8_t> memory = allocate_codes(m.layout.bytes(), "the head in int8", "leave out --head");
  m.codes = {memory.get(), static_cast<size_t>(m.layout.bytes())};

  const auto cols = static_cast<size_t>(dense.cols), groups = (cols + 3) / 4;
  const int threads = compute_threads();
  std::vector<std::vector<float>> values(static_cast<size_t>(threads), std::vector<float>(cols));
  std::vector<std::vector<int8_t>> codes(static_cast<size_t>(threads), std::vector<int8_t>(4 * groups));
  run_team(threads, [&](Team& team) {
    float* const x = values[static_cast<size_t>(team.rank())].data();
    int8_t* const q = codes[static_cast<size_t>(team.rank())].data();
    team.share_out(m.layout.tiles(), kChunkTiles, [&](int64_t begin, int64_t end) {
      const int64_t last = std::min(end * lowbit::kTileRows, dense.rows);
      for (int64_t r = begin * lowbit::kTileRows; r < end * lowbit::kTileRows; ++r) {
        if (r < last) {
          read_row(dense, r, x);
          const float scale = k.absmax(x, cols) / 127.0f;
          m.scales[static_cast<size_t>(r)] = scale;
          k.quantize_i8(q, x, cols, scale);
        } else {
          std::fill_n(q, cols, int8_t{0});
        }
        pack_row(q, groups, static_cast<size_t>(r % lowbit::kTileRows), memory.get() + r / lowbit::kTileRows * m.tile_bytes);
      }
      if (release) release_rows(dense, begin * lowbit::kTileRows, last);
    });
  });
  for (size_t r = 0; r < m.scales.size(); ++r)
    if (!std::isfinite(m.scales[r]))
      throw bad_input(fmt::format("{}: row {} holds a weight that is not finite", dense.name, r), "the model is damaged");
  PackedLinear packed(std::move(m));
  packed.memory = memory;
  return packed;
}

}  // namespace spectra::infer

// SPDX-License-Identifier: Apache-2.0
#include "infer/cpu/quantized_weights.h"

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/parallel.h"
#include "base/system.h"
#include "base/team.h"
#include "infer/cpu/code_memory.h"
#include "lowbit/integer_tile.h"

namespace spectra::infer {
namespace {

constexpr int64_t kPackTiles = 4;  // that a thread packs at a time: 64 rows are whole cache lines of GPTQ's columns of words
constexpr const char* kHint = "use a smaller model or more memory";

/// Tiles [begin, end) of one matrix; `u` holds (16 kPackTiles, cols).
void read_tiles(const model::StoredQuantized& from, PackedLinear& to, uint8_t* codes, int64_t begin, int64_t end, uint8_t* u) {
  const lowbit::Layout& layout = to.matrix.layout;
  const int64_t first = begin * lowbit::kTileRows, last = std::min(end * lowbit::kTileRows, from.rows);
  from.read(first, last - first, u);
  for (int64_t tile = begin; tile < end; ++tile)
    lowbit::pack_integer_tile(layout, tile, u + (tile - begin) * lowbit::kTileRows * from.cols,
                              codes + tile * to.matrix.tile_bytes);
  for (int64_t r = first; r < last; ++r)
    for (int64_t g = 0; g < from.groups; ++g) to.scale(r, g) = from.scales[static_cast<size_t>(r * from.groups + g)];
}

}  // namespace

lowbit::Layout quantized_layout(const model::StoredQuantized& matrix, const std::string& name) {
  model::require_direct(matrix, name);
  std::vector<int64_t> bounds;
  for (int64_t c = 0; c < matrix.cols; c += matrix.group_size) bounds.push_back(c);
  bounds.push_back(matrix.cols);
  return lowbit::make_layout(lowbit::integer_format(matrix.bits), matrix.rows, matrix.cols, lowbit::ShardAxis::kColumns, bounds);
}

void read_quantized(std::vector<QuantizedLinear>& matrices) {
  int64_t bytes = 0, cols = 0;
  for (const QuantizedLinear& m : matrices) {
    bytes += std::get<PackedLinear>(m.to->weight).matrix.layout.bytes();  // a multiple of 64
    cols = std::max(cols, m.from.cols);
  }
  require_memory(static_cast<uint64_t>(bytes), "the quantized weights", kHint);
  const std::shared_ptr<uint8_t> memory = allocate_codes(bytes, "the quantized weights", kHint);
  const int threads = compute_threads();
  std::vector<std::vector<uint8_t>> rows(static_cast<size_t>(threads),
                                         std::vector<uint8_t>(static_cast<size_t>(kPackTiles * lowbit::kTileRows * cols)));
  run_team(threads, [&](Team& team) {
    uint8_t* codes = memory.get();
    for (QuantizedLinear& m : matrices) {
      auto& packed = std::get<PackedLinear>(m.to->weight);
      team.share_out(packed.matrix.layout.tiles(), kPackTiles, [&](int64_t begin, int64_t end) {
        read_tiles(m.from, packed, codes, begin, end, rows[static_cast<size_t>(team.rank())].data());
      });
      team.barrier();
      if (team.rank() == 0) {
        packed.memory = memory;
        packed.matrix.codes = {codes, static_cast<size_t>(packed.matrix.layout.bytes())};
        release_mapped(m.from.stored());
      }
      codes += packed.matrix.layout.bytes();
    }
  });
}

}  // namespace spectra::infer

// SPDX-License-Identifier: Apache-2.0
#pragma once
// The element types of GGUF tensors: a row is cut into blocks of `block` neighbouring values, each of `bytes` bytes. Little endian;
// d is fp16. Scalar and obvious: files are converted at the speed of the disk, inference has kernels of its own.
//
//   F32, F16, BF16   one value a block
//   Q8_0   32 / 34   d, int8 q[32]                                          value = d q
//   Q4_0   32 / 18   d, byte j: low nibble = value j, high = value j + 16   value = d (nibble - 8)
//   Q6_K  256 / 210  ql[128], qh[64], int8 s[16], d. Half h of 128 and l < 32 hold four values at 32 k + l (k = 0..3): low 4 bits
//   in
//                    ql[64 h + 32 (k % 2) + l], the low nibble for k < 2; high 2 bits in qh[32 h + l] at shift 2 k.
//                                                                           value = d s[i / 16] (q - 32)
//   TQ2_0 256 / 66   q[64], d. Half h of 128: byte m < 32 holds values 128 h + 32 n + m (n = 0..3) at bits 2 n.
//                                                                           value = d (digit - 1)
//   TQ1_0 256 / 54   q[48], qh[4], d. Base-3 digits, most significant first: byte m < 32 holds values 32 n + m (n = 0..4), byte 32
//   +
//                    m (m < 16) values 160 + 16 n + m (n = 0..4), qh[j] values 240 + 4 n + j (n = 0..3) and a last digit 0. The
//                    number t < 243 is stored as ceil(256 t / 243).           value = d (digit - 1)
//
// TQ1_0 and TQ2_0 have no scale but d: a block that lies inside one shard of a ternary matrix is exact, one across an edge is not.
#include <cstddef>
#include <cstdint>
#include <string>

namespace spectra::format {

/// The numbers that files use. Those without a decoder are known by size, so that files which hold them can be read for the rest.
enum class GgmlType : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ2_K = 10,
  kQ3_K = 11,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kBf16 = 30,
  kTq1_0 = 34,
  kTq2_0 = 35
};

struct GgmlTypeInfo {
  GgmlType type;
  const char* name;  ///< "TQ2_0"
  int64_t block;     ///< values
  int64_t bytes;     ///< of a block
  bool codec;        ///< ggml_encode and ggml_decode know it
};
/// nullptr for a type that is not in the list above.
const GgmlTypeInfo* find_ggml_type(uint32_t id);
const GgmlTypeInfo& ggml_type(GgmlType type);
/// From the command line's spelling ("tq2_0"). Throws Error listing those that can be written.
GgmlType ggml_type_from_name(const std::string& name);
/// Bytes of a row of `cols` values, a multiple of the block.
int64_t ggml_row_bytes(GgmlType type, int64_t cols);

/// Writes `count` finite values (whole blocks) as `type`. The quantizers are those of ggml: TQ d = largest magnitude, q rounded
/// half away from 0; Q8_0 d = largest / 127; Q4_0 d = the signed largest / -8. Q6_K takes the signed largest / -32 of each 16
/// values as its scale, without ggml's search for a better one. Where that is not exact and a Q8_0, Q4_0 or Q6_K block holds only 0
/// and ± one fp16 number, d is that number and q is -1, 0, 1: a ternary block is always kept exactly.
void ggml_encode(GgmlType type, const float* values, int64_t count, std::byte* out);
/// The inverse, with ggml's arithmetic in fp32.
void ggml_decode(GgmlType type, const std::byte* data, int64_t count, float* out);

}  // namespace spectra::format

// SPDX-License-Identifier: Apache-2.0
#include "lowbit/packed.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/error.h"

namespace spectra::lowbit {
namespace {

constexpr int64_t kLanes = 16;       // neighbouring weights that lie in neighbouring bytes of a ternary group
constexpr int64_t kTern2Digits = 4;  // weights in a byte
constexpr int64_t kTern1_6Digits = 5;
constexpr int64_t kLargestGroup = kLanes * kTern1_6Digits;

int64_t group_bytes(Format format) { return format == Format::kBin1 ? 8 : 16; }
int64_t groups_of(Format format, int64_t cols) { return (cols + group_weights(format) - 1) / group_weights(format); }

// One group each; `codes` is a whole group.
void pack_tern2(const int8_t* codes, uint8_t* packed) {
  for (int64_t j = 0; j < kLanes; ++j) {
    int byte = 0;
    for (int64_t d = 0; d < kTern2Digits; ++d) byte |= (codes[d * kLanes + j] + 1) << (2 * d);
    packed[j] = static_cast<uint8_t>(byte);
  }
}
void unpack_tern2(const uint8_t* packed, int8_t* codes) {
  for (int64_t j = 0; j < kLanes; ++j)
    for (int64_t d = 0; d < kTern2Digits; ++d) codes[d * kLanes + j] = static_cast<int8_t>(((packed[j] >> (2 * d)) & 3) - 1);
}

void pack_tern1_6(const int8_t* codes, uint8_t* packed) {
  for (int64_t j = 0; j < kLanes; ++j) {
    int q = 0;
    for (int64_t d = 0; d < kTern1_6Digits; ++d) q = q * 3 + codes[d * kLanes + j] + 1;
    packed[j] = static_cast<uint8_t>((q * 256 + 242) / 243);  // q/243 as a fraction of 256, rounded up
  }
}
void unpack_tern1_6(const uint8_t* packed, int8_t* codes) {
  for (int64_t j = 0; j < kLanes; ++j) {
    unsigned fraction = packed[j];  // in 256ths; times 3, the integer part is the next digit
    for (int64_t d = 0; d < kTern1_6Digits; ++d) {
      codes[d * kLanes + j] = static_cast<int8_t>(static_cast<int>(fraction * 3 >> 8) - 1);
      fraction = fraction * 3 & 255;
    }
  }
}

void pack_bin1(const int8_t* codes, uint8_t* packed) {
  for (int i = 0; i < 8; ++i) {
    int byte = 0;
    for (int bit = 0; bit < 8; ++bit) byte |= (codes[i * 8 + bit] > 0 ? 1 : 0) << bit;
    packed[i] = static_cast<uint8_t>(byte);
  }
}
void unpack_bin1(const uint8_t* packed, int8_t* codes) {
  for (int i = 0; i < 64; ++i) codes[i] = (packed[i / 8] >> (i % 8) & 1) != 0 ? 1 : -1;
}

void pack_group(Format format, const int8_t* codes, uint8_t* packed) {
  switch (format) {
    case Format::kTern2:
      return pack_tern2(codes, packed);
    case Format::kTern1_6:
      return pack_tern1_6(codes, packed);
    case Format::kBin1:
      return pack_bin1(codes, packed);
  }
}
void unpack_group(Format format, const uint8_t* packed, int8_t* codes) {
  switch (format) {
    case Format::kTern2:
      return unpack_tern2(packed, codes);
    case Format::kTern1_6:
      return unpack_tern1_6(packed, codes);
    case Format::kBin1:
      return unpack_bin1(packed, codes);
  }
}

int8_t padding_code(Format format) { return format == Format::kBin1 ? -1 : 0; }

/// Which byte values pack_group can write.
std::array<bool, 256> valid_bytes(Format format) {
  std::array<bool, 256> valid{};
  for (int b = 0; b < 256; ++b) {
    if (format == Format::kTern2) valid[static_cast<size_t>(b)] = (b & (b >> 1) & 0x55) == 0;  // no pair of bits is 3
    if (format == Format::kBin1) valid[static_cast<size_t>(b)] = true;
  }
  if (format == Format::kTern1_6)
    for (int q = 0; q < 243; ++q) valid[static_cast<size_t>((q * 256 + 242) / 243)] = true;
  return valid;
}

}  // namespace

const char* shard_axis_name(ShardAxis axis) { return axis == ShardAxis::kRows ? "rows" : "columns"; }

const char* format_name(Format format) {
  switch (format) {
    case Format::kTern2:
      return "tern2-v1";
    case Format::kTern1_6:
      return "tern1.6-v1";
    case Format::kBin1:
      return "bin1-v1";
  }
  return "?";
}

Format format_from_name(const std::string& name) {
  if (name == "tern2-v1" || name == "2bit") return Format::kTern2;
  if (name == "tern1.6-v1" || name == "1.6bit") return Format::kTern1_6;
  if (name == "bin1-v1" || name == "1bit") return Format::kBin1;
  throw bad_input(fmt::format("unknown packed format \"{}\"", name),
                  "known are tern2-v1 (2bit), tern1.6-v1 (1.6bit) and bin1-v1 (1bit)");
}

int64_t group_weights(Format format) { return format == Format::kTern1_6 ? kLanes * kTern1_6Digits : 64; }
int64_t row_bytes(Format format, int64_t cols) { return groups_of(format, cols) * group_bytes(format); }

void pack_row(Format format, const int8_t* codes, int64_t cols, uint8_t* packed) {
  const int64_t group = group_weights(format);
  int64_t begin = 0;
  for (; begin + group <= cols; begin += group, packed += group_bytes(format)) pack_group(format, codes + begin, packed);
  if (begin == cols) return;
  std::array<int8_t, kLargestGroup> last;
  last.fill(padding_code(format));
  std::copy(codes + begin, codes + cols, last.begin());
  pack_group(format, last.data(), packed);
}

void unpack_row(Format format, const uint8_t* packed, int64_t cols, int8_t* codes) {
  const int64_t group = group_weights(format);
  int64_t begin = 0;
  for (; begin + group <= cols; begin += group, packed += group_bytes(format)) unpack_group(format, packed, codes + begin);
  if (begin == cols) return;
  std::array<int8_t, kLargestGroup> last;
  unpack_group(format, packed, last.data());
  std::copy_n(last.begin(), cols - begin, codes + begin);
}

bool valid_row(Format format, const uint8_t* packed, int64_t cols) {
  static const std::array<std::array<bool, 256>, 3> valid = {valid_bytes(Format::kTern2), valid_bytes(Format::kTern1_6),
                                                             valid_bytes(Format::kBin1)};
  const std::array<bool, 256>& allowed = valid[static_cast<size_t>(format)];
  const int64_t bytes = row_bytes(format, cols);
  if (!std::all_of(packed, packed + bytes, [&](uint8_t byte) { return allowed[byte]; })) return false;
  if (cols % group_weights(format) == 0) return true;
  std::array<int8_t, kLargestGroup> last;
  unpack_group(format, packed + bytes - group_bytes(format), last.data());
  return std::all_of(last.begin() + cols % group_weights(format), last.begin() + group_weights(format),
                     [&](int8_t code) { return code == padding_code(format); });
}

}  // namespace spectra::lowbit

// SPDX-License-Identifier: Apache-2.0
#include "format/ggml_blocks.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/half.h"

namespace spectra::format {
namespace {

constexpr GgmlTypeInfo kTypes[] = {
    {GgmlType::kF32, "F32", 1, 4, true},        {GgmlType::kF16, "F16", 1, 2, true},
    {GgmlType::kQ4_0, "Q4_0", 32, 18, true},    {GgmlType::kQ4_1, "Q4_1", 32, 20, false},
    {GgmlType::kQ5_0, "Q5_0", 32, 22, false},   {GgmlType::kQ5_1, "Q5_1", 32, 24, false},
    {GgmlType::kQ8_0, "Q8_0", 32, 34, true},    {GgmlType::kQ2_K, "Q2_K", 256, 84, false},
    {GgmlType::kQ3_K, "Q3_K", 256, 110, false}, {GgmlType::kQ4_K, "Q4_K", 256, 144, false},
    {GgmlType::kQ5_K, "Q5_K", 256, 176, false}, {GgmlType::kQ6_K, "Q6_K", 256, 210, true},
    {GgmlType::kBf16, "BF16", 1, 2, true},      {GgmlType::kTq1_0, "TQ1_0", 256, 54, true},
    {GgmlType::kTq2_0, "TQ2_0", 256, 66, true},
};
constexpr int64_t kLargestBlock = 256;

void put_half(std::byte* at, float value) {
  const fp16 half = to_fp16(value);
  std::memcpy(at, &half, sizeof half);
}
float get_half(const std::byte* at) {
  fp16 half;
  std::memcpy(&half, at, sizeof half);
  return to_float(half);
}
/// 0 where d is too small for fp16: such a block is all zeros.
float inverse_of(float d) { return round_to_fp16(d) != 0 ? 1.0f / d : 0.0f; }
int round_away(float value) { return static_cast<int>(std::round(value)); }

/// The value of largest magnitude, with its sign; the first of equals.
float largest(const float* x, int64_t count) {
  float found = 0;
  for (int64_t i = 0; i < count; ++i)
    if (std::fabs(x[i]) > std::fabs(found)) found = x[i];
  return found;
}

void encode_q8_0(const float* x, std::byte* out) {
  const float d = std::fabs(largest(x, 32)) / 127.0f, inverse = inverse_of(d);
  put_half(out, d);
  for (int i = 0; i < 32; ++i) out[2 + i] = static_cast<std::byte>(round_away(x[i] * inverse));
}
void decode_q8_0(const std::byte* in, float* x) {
  const float d = get_half(in);
  for (int i = 0; i < 32; ++i) x[i] = d * static_cast<float>(static_cast<int8_t>(in[2 + i]));
}

void encode_q4_0(const float* x, std::byte* out) {
  const float top = largest(x, 32), d = top != 0 ? top / -8.0f : 0.0f, inverse = inverse_of(d);
  put_half(out, d);
  const auto nibble = [&](int i) { return std::min(15, static_cast<int>(x[i] * inverse + 8.5f)); };
  for (int j = 0; j < 16; ++j) out[2 + j] = static_cast<std::byte>(nibble(j) | nibble(j + 16) << 4);
}
void decode_q4_0(const std::byte* in, float* x) {
  const float d = get_half(in);
  for (int j = 0; j < 16; ++j) {
    const int both = std::to_integer<int>(in[2 + j]);
    x[j] = d * static_cast<float>((both & 15) - 8);
    x[j + 16] = d * static_cast<float>((both >> 4) - 8);
  }
}

/// Places of value i of a Q6_K block.
struct Q6Place {
  int low, low_shift, high, high_shift;
};
Q6Place q6_place(int i) {
  const int half = i / 128, k = i % 128 / 32, l = i % 32;
  return {64 * half + 32 * (k % 2) + l, k < 2 ? 0 : 4, 128 + 32 * half + l, 2 * k};
}
constexpr int kQ6Scales = 192, kQ6D = 208;

/// `q`: the 256 values plus 32, 0 to 63.
void store_q6(const int* q, const int8_t* scales, float d, std::byte* out) {
  std::memset(out, 0, 210);
  for (int i = 0; i < 256; ++i) {
    const Q6Place at = q6_place(i);
    out[at.low] |= static_cast<std::byte>((q[i] & 15) << at.low_shift);
    out[at.high] |= static_cast<std::byte>((q[i] >> 4) << at.high_shift);
  }
  std::memcpy(out + kQ6Scales, scales, 16);
  put_half(out + kQ6D, d);
}

void encode_q6_k(const float* x, std::byte* out) {
  float wanted[16], most = 0;  // scale of each 16 values
  for (int j = 0; j < 16; ++j) {
    wanted[j] = largest(x + 16 * j, 16) / -32.0f;
    if (std::fabs(wanted[j]) > std::fabs(most)) most = wanted[j];
  }
  const float d = round_to_fp16(most / -128.0f);
  int8_t scales[16] = {};
  int q[256];
  for (int i = 0; i < 256; ++i) {
    const int j = i / 16;
    if (d != 0) scales[j] = static_cast<int8_t>(std::clamp(round_away(wanted[j] / d), -128, 127));
    const float step = d * static_cast<float>(scales[j]);
    q[i] = (step != 0 ? std::clamp(round_away(x[i] / step), -32, 31) : 0) + 32;
  }
  store_q6(q, scales, d, out);
}
void decode_q6_k(const std::byte* in, float* x) {
  const float d = get_half(in + kQ6D);
  for (int i = 0; i < 256; ++i) {
    const Q6Place at = q6_place(i);
    const int low = std::to_integer<int>(in[at.low]) >> at.low_shift & 15;
    const int high = std::to_integer<int>(in[at.high]) >> at.high_shift & 3;
    const auto scale = static_cast<float>(static_cast<int8_t>(in[kQ6Scales + i / 16]));
    x[i] = d * scale * static_cast<float>((low | high << 4) - 32);
  }
}

/// Digits 0, 1, 2 of the values of a block, and its d.
float ternary_digits(const float* x, int* digits) {
  const float d = std::fabs(largest(x, 256));
  for (int i = 0; i < 256; ++i) digits[i] = (d != 0 ? round_away(x[i] / d) : 0) + 1;
  return d;
}

void encode_tq2_0(const float* x, std::byte* out) {
  int digits[256];
  put_half(out + 64, ternary_digits(x, digits));
  for (int m = 0; m < 64; ++m) {
    int byte = 0;
    for (int n = 0; n < 4; ++n) byte |= digits[m / 32 * 128 + n * 32 + m % 32] << (2 * n);
    out[m] = static_cast<std::byte>(byte);
  }
}
void decode_tq2_0(const std::byte* in, float* x) {
  const float d = get_half(in + 64);
  for (int m = 0; m < 64; ++m)
    for (int n = 0; n < 4; ++n)
      x[m / 32 * 128 + n * 32 + m % 32] = d * static_cast<float>((std::to_integer<int>(in[m]) >> (2 * n) & 3) - 1);
}

/// Byte b of a TQ1_0 block holds values first + n * stride, n < count.
struct TritRun {
  int first, stride, count;
};
TritRun trit_run(int byte) {
  if (byte < 32) return {byte, 32, 5};
  if (byte < 48) return {160 + byte - 32, 16, 5};
  return {240 + byte - 48, 4, 4};
}

void encode_tq1_0(const float* x, std::byte* out) {
  int digits[256];
  put_half(out + 52, ternary_digits(x, digits));
  for (int byte = 0; byte < 52; ++byte) {
    const TritRun run = trit_run(byte);
    int number = 0;
    for (int n = 0; n < 5; ++n) number = number * 3 + (n < run.count ? digits[run.first + n * run.stride] : 0);
    out[byte] = static_cast<std::byte>((number * 256 + 242) / 243);
  }
}
void decode_tq1_0(const std::byte* in, float* x) {
  const float d = get_half(in + 52);
  for (int byte = 0; byte < 52; ++byte) {
    const TritRun run = trit_run(byte);
    unsigned fraction = std::to_integer<unsigned>(in[byte]);  // in 256ths; times 3, the integer part is the next digit
    for (int n = 0; n < run.count; ++n) {
      x[run.first + n * run.stride] = d * static_cast<float>(static_cast<int>(fraction * 3 >> 8) - 1);
      fraction = fraction * 3 & 255;
    }
  }
}

void encode_block(GgmlType type, const float* x, std::byte* out) {
  switch (type) {
    case GgmlType::kQ8_0:
      return encode_q8_0(x, out);
    case GgmlType::kQ4_0:
      return encode_q4_0(x, out);
    case GgmlType::kQ6_K:
      return encode_q6_k(x, out);
    case GgmlType::kTq1_0:
      return encode_tq1_0(x, out);
    case GgmlType::kTq2_0:
      return encode_tq2_0(x, out);
    default:
      SPECTRA_CHECK(false, "type={}", static_cast<uint32_t>(type));
  }
}

void decode_block(GgmlType type, const std::byte* in, float* x) {
  switch (type) {
    case GgmlType::kQ8_0:
      return decode_q8_0(in, x);
    case GgmlType::kQ4_0:
      return decode_q4_0(in, x);
    case GgmlType::kQ6_K:
      return decode_q6_k(in, x);
    case GgmlType::kTq1_0:
      return decode_tq1_0(in, x);
    case GgmlType::kTq2_0:
      return decode_tq2_0(in, x);
    default:
      SPECTRA_CHECK(false, "type={}", static_cast<uint32_t>(type));
  }
}

bool is_exact(GgmlType type, const std::byte* block, const float* x, int64_t count) {
  float back[kLargestBlock];
  decode_block(type, block, back);
  return std::equal(x, x + count, back);
}

/// Writes a block of 0 and ±s, s an fp16 number, with d = s. Leaves `out` as it is for other blocks.
void encode_one_magnitude(GgmlType type, const float* x, int64_t count, std::byte* out) {
  const float s = std::fabs(largest(x, count));
  if (round_to_fp16(s) != s) return;
  for (int64_t i = 0; i < count; ++i)
    if (x[i] != 0 && std::fabs(x[i]) != s) return;
  const auto code = [&](int64_t i) { return (x[i] > 0) - (x[i] < 0); };
  if (type == GgmlType::kQ6_K) {
    int q[256];
    int8_t scales[16];
    std::fill_n(scales, 16, int8_t{1});
    for (int i = 0; i < 256; ++i) q[i] = code(i) + 32;
    return store_q6(q, scales, s, out);
  }
  put_half(out, s);
  for (int j = 0; j < 32 && type == GgmlType::kQ8_0; ++j) out[2 + j] = static_cast<std::byte>(code(j));
  for (int j = 0; j < 16 && type == GgmlType::kQ4_0; ++j)
    out[2 + j] = static_cast<std::byte>((code(j) + 8) | (code(j + 16) + 8) << 4);
}

template <class T, class Convert>
void each(const float* values, int64_t count, std::byte* out, const Convert& convert) {
  for (int64_t i = 0; i < count; ++i) {
    const T value = convert(values[i]);
    std::memcpy(out + static_cast<size_t>(i) * sizeof(T), &value, sizeof(T));
  }
}
template <class T>
void each_back(const std::byte* data, int64_t count, float* out) {
  for (int64_t i = 0; i < count; ++i) {
    T value;
    std::memcpy(&value, data + static_cast<size_t>(i) * sizeof(T), sizeof(T));
    out[i] = to_float(value);
  }
}

}  // namespace

const GgmlTypeInfo* find_ggml_type(uint32_t id) {
  for (const GgmlTypeInfo& info : kTypes)
    if (static_cast<uint32_t>(info.type) == id) return &info;
  return nullptr;
}

const GgmlTypeInfo& ggml_type(GgmlType type) {
  const GgmlTypeInfo* info = find_ggml_type(static_cast<uint32_t>(type));
  SPECTRA_CHECK(info != nullptr, "type={}", static_cast<uint32_t>(type));
  return *info;
}

GgmlType ggml_type_from_name(const std::string& name) {
  std::string upper = name, known;
  std::transform(upper.begin(), upper.end(), upper.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  for (const GgmlTypeInfo& info : kTypes) {
    if (!info.codec) continue;
    if (upper == info.name) return info.type;
    known += (known.empty() ? "" : ", ") + std::string(info.name);
  }
  throw bad_input(fmt::format("unknown GGUF type \"{}\"", name), "those that can be written are " + known);
}

int64_t ggml_row_bytes(GgmlType type, int64_t cols) {
  const GgmlTypeInfo& info = ggml_type(type);
  SPECTRA_CHECK(cols % info.block == 0, "{} columns, blocks of {}", cols, info.block);
  return cols / info.block * info.bytes;
}

void ggml_encode(GgmlType type, const float* values, int64_t count, std::byte* out) {
  if (type == GgmlType::kF32) return each<float>(values, count, out, [](float value) { return value; });
  if (type == GgmlType::kF16) return each<fp16>(values, count, out, [](float value) { return to_fp16(value); });
  if (type == GgmlType::kBf16) return each<bf16>(values, count, out, [](float value) { return to_bf16(value); });
  const GgmlTypeInfo& info = ggml_type(type);
  SPECTRA_CHECK(count % info.block == 0, "{} values, blocks of {}", count, info.block);
  const bool ternary = type == GgmlType::kTq1_0 || type == GgmlType::kTq2_0;
  for (int64_t i = 0; i < count; i += info.block, out += info.bytes) {
    encode_block(type, values + i, out);
    if (!ternary && !is_exact(type, out, values + i, info.block)) encode_one_magnitude(type, values + i, info.block, out);
  }
}

void ggml_decode(GgmlType type, const std::byte* data, int64_t count, float* out) {
  if (type == GgmlType::kF32 && count > 0) {
    std::memcpy(out, data, static_cast<size_t>(count) * sizeof(float));
    return;
  }
  if (type == GgmlType::kF16) return each_back<fp16>(data, count, out);
  if (type == GgmlType::kBf16) return each_back<bf16>(data, count, out);
  const GgmlTypeInfo& info = ggml_type(type);
  SPECTRA_CHECK(count % info.block == 0, "{} values, blocks of {}", count, info.block);
  for (int64_t i = 0; i < count; i += info.block, data += info.bytes) decode_block(type, data, out + i);
}

}  // namespace spectra::format

// SPDX-License-Identifier: Apache-2.0
// How each packed format (lowbit/packed.h) comes out of memory, for any register `Bytes` with trits() (see tile_kernels.h).
// Included once a file.
#include "kernels/tables.h"

namespace spectra::kernels {
namespace {

constexpr size_t kUnit = 64;  // bytes of a plane: 16 rows
using lowbit::Format;

// A format's group of columns (lowbit/packed.h): kQuads registers u of four columns each, from `p`, which is advanced to the rows
// wanted inside each plane.
template <Format format>
struct Group;
template <>
struct Group<Format::kTern2> {
  static constexpr int kQuads = 4, kBytes = 64, kStep = 1, kOffset = 1;
  static constexpr bool kSmall = true;
  static void load(const uint8_t* p, Bytes* u) {
    const Bytes v = Bytes::load(p);
    u[0] = v.low_bits<0, 2>(), u[1] = v.low_bits<2, 2>(), u[2] = v.low_bits<4, 2>(), u[3] = v.low_bits<6, 2>();
  }
};
template <>
struct Group<Format::kTern1_6> {
  static constexpr int kQuads = 5, kBytes = 64, kStep = 1, kOffset = 1;
  static constexpr bool kSmall = true;
  static void load(const uint8_t* p, Bytes* u) { trits(Bytes::load(p), u); }
};
template <>
struct Group<Format::kBin1> {
  static constexpr int kQuads = 8, kBytes = 64, kStep = 2, kOffset = 1;
  static constexpr bool kSmall = true;
  static void load(const uint8_t* p, Bytes* u) {
    const Bytes v = Bytes::load(p);
    u[0] = v.low_bits<0, 1>(), u[1] = v.low_bits<1, 1>(), u[2] = v.low_bits<2, 1>(), u[3] = v.low_bits<3, 1>();
    u[4] = v.low_bits<4, 1>(), u[5] = v.low_bits<5, 1>(), u[6] = v.low_bits<6, 1>(), u[7] = v.low_bits<7, 1>();
  }
};
template <>
struct Group<Format::kInt3> {
  static constexpr int kQuads = 8, kBytes = 192, kStep = 1, kOffset = 4;
  static constexpr bool kSmall = true;
  static void load(const uint8_t* p, Bytes* u) {
    Group<Format::kTern2>::load(p, u);
    Group<Format::kTern2>::load(p + kUnit, u + 4);
    Bytes top[8];
    Group<Format::kBin1>::load(p + 2 * kUnit, top);
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      const Bytes twice = top[i] + top[i];
      u[i] = u[i] + (twice + twice);
    }
  }
};
template <>
struct Group<Format::kInt4> {
  static constexpr int kQuads = 2, kBytes = 64, kStep = 1, kOffset = 8;
  static constexpr bool kSmall = true;
  static void load(const uint8_t* p, Bytes* u) {
    const Bytes v = Bytes::load(p);
    u[0] = v.low_bits<0, 4>(), u[1] = v.low_bits<4, 4>();
  }
};
template <>
struct Group<Format::kInt6> {
  static constexpr int kQuads = 4, kBytes = 192, kStep = 1, kOffset = 32;
  static constexpr bool kSmall = true;
  static void load(const uint8_t* p, Bytes* u) {
    Group<Format::kInt4>::load(p, u);
    Group<Format::kInt4>::load(p + kUnit, u + 2);
    Bytes top[4];
    Group<Format::kTern2>::load(p + 2 * kUnit, top);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      Bytes high = top[i] + top[i];
      high = high + high;
      high = high + high;
      u[i] = u[i] + (high + high);
    }
  }
};
template <>
struct Group<Format::kInt8> {
  static constexpr int kQuads = 1, kBytes = 64, kStep = 1, kOffset = 128;
  static constexpr bool kSmall = false;
  static void load(const uint8_t* p, Bytes* u) { u[0] = Bytes::load(p); }
};

}  // namespace
}  // namespace spectra::kernels

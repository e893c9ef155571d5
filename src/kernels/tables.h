// SPDX-License-Identifier: Apache-2.0
#pragma once
// How a table is put together: the scalar one, then each instruction set replaces what it does better. Implemented in the files
// of the same name, which are compiled for that set: call only where the CPU has it.
#include "kernels/kernels.h"

namespace spectra::kernels {

const Kernels& scalar_kernels();
void use_avx2(Kernels& table);
void use_avx512(Kernels& table);
void use_avxvnni(Kernels& table);
void use_avx512vnni(Kernels& table);
void use_avx512vbmi(Kernels& table);
void use_avx512bf16(Kernels& table);
void use_neon(Kernels& table);

/// self_test of a table that no CPU may choose, for tests.
size_t self_test(const Kernels& table, uint64_t seed, SelfTestResult* results, size_t capacity);
/// exp as exp.h defines it, one at a time.
float exp_lane(float x);
/// The last step of log_sum_exp, through the C library, for all tables.
float add_log(float max, float sum);

}  // namespace spectra::kernels

// SPDX-License-Identifier: Apache-2.0
#pragma once
// A model as training starts it: N(0, 0.02²), norms 1, linear layers quantized once. Nobody has trained it; it has the size, the
// speed and the file layout of one that was.
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/file.h"
#include "lowbit/packed.h"
#include "model/config.h"
#include "model/quantized_config.h"

namespace spectra::train {

/// Bytes that write_random_model will write, without the header.
uint64_t random_model_bytes(const model::Config& config, std::optional<lowbit::Format> packed);

/// Writes the tensors to the safetensors file `path`: 16 bits a weight, or linear layers in `packed` (which must fit the family).
/// One matrix is in memory at a time. Deterministic in (config, seed); packed and unpacked hold the same weights. Returns the
/// sha256.
std::string write_random_model(const fs::path& path, const model::Config& config, std::optional<lowbit::Format> packed,
                               uint64_t seed);

/// The same of a model whose linear layers are rounded to the nearest of `info`'s grid, in compressed-tensors' format.
uint64_t random_quantized_bytes(const model::Config& config, const model::QuantizationInfo& info);
std::string write_random_quantized(const fs::path& path, const model::Config& config, const model::QuantizationInfo& info,
                                   uint64_t seed);

/// Gives the first values of a parameter that is not quantized as fp16, piece by piece: the embedding of the 3.9B has 623 MB as
/// floats.
void initial_fp16(const model::Parameter& parameter, uint64_t seed, const std::function<void(const void*, size_t)>& write);

}  // namespace spectra::train

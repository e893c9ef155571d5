// SPDX-License-Identifier: Apache-2.0
#pragma once
// Writing quantized models for this and other tools. What each format stores is in docs/formats.md.
#include <functional>
#include <string>
#include <vector>

#include "base/file.h"
#include "format/safetensors.h"
#include "lowbit/quantized.h"
#include "model/config.h"
#include "model/quantized_config.h"

namespace spectra::model {

/// Gives the quantized matrix of a linear parameter, by its full name ("model.layers.0.mlp.up_proj.weight"). Called once for each,
/// in the order of model::parameters(), so that it may quantize as it goes.
using QuantizedSource = std::function<lowbit::QuantizedMatrix(const std::string& parameter)>;

/// Writes the model directory `out`, which must not exist (or be empty), and appears whole or not at all: the linear layers as
/// `source` gives them, everything else of `source_model` (which may itself be quantized) as stored, its tokenizer files,
/// config.json with quantization_config, spectra.json with what `info` says. Each packed matrix is read again and compared before
/// the directory appears. kUnpacked: fp16 weights, the product of code and scale rounded; the packed formats keep both exactly.
/// Throws Error (exit 2) where the format cannot hold `info` or a matrix's shape, naming the formats that can. Checksums of
/// `source_model` are the caller's business.
void write_quantized_model(const fs::path& source_model, const fs::path& out, QuantizedFormat format, const QuantizationInfo& info,
                           const QuantizedSource& source);

/// Throws Error (exit 2) as above, before any work is done.
void check_quantized_format(QuantizedFormat format, const QuantizationInfo& info, const Config& config);

/// A tensor of the file and what writes its data: entry_bytes(entry) bytes.
struct TensorOutput {
  format::SafetensorsWriter::Entry entry;
  std::function<void(format::SafetensorsWriter&)> write;
};
/// The tensors of one linear parameter. The first of them that holds codes calls `source`.
std::vector<TensorOutput> quantized_outputs(const Parameter& parameter, QuantizedFormat format, const QuantizationInfo& info,
                                            const QuantizedSource& source);
/// Writes them, those of larger elements first, so that every tensor is aligned to its element. Returns the sha256.
std::string write_outputs(const fs::path& file, std::vector<TensorOutput> outputs);

}  // namespace spectra::model

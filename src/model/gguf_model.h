// SPDX-License-Identifier: Apache-2.0
#pragma once
// What GGUF files call things in a model of the Llama architecture.
#include <string>

#include "format/gguf.h"
#include "model/config.h"

namespace spectra::model {

/// "model.layers.3.mlp.up_proj.weight" -> "blk.3.ffn_up.weight".
std::string gguf_name(const Parameter& parameter);
/// Whether its rows are in the order of adjacent pairs (model/rope_order.h): q and k.
bool gguf_reorders_rows(const Parameter& parameter);

/// The keys general.* and llama.*; spectra.* keep what they cannot say: family and shards.
void put_config(const Config& config, const std::string& name, format::GgmlType type, format::GgufMetadata& metadata);
/// The inverse, with vocabulary and tied head as the tensors have them. Throws Error naming what is missing or not supported.
Config config_from_gguf(const format::GgufContents& contents);

}  // namespace spectra::model

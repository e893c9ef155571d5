// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where in a model a parameter stands, and what it is called there.
#include <cstdint>
#include <optional>
#include <string>

namespace spectra::model {

/// What a parameter is, which decides how it is initialized, decayed, quantized and packed.
enum class Role : uint8_t { kEmbedding, kHead, kNorm, kBias, kLinear };

/// The place of a parameter in its layer, or in the model for the four outside of layers; in file order. The linear norms are those
/// right before one linear layer each, the head norms go over each head of q and k, the sub-norms stand before o and down.
enum class Slot : uint8_t {
  kEmbedding,
  kInputNorm,
  kQLinearNorm,
  kKLinearNorm,
  kVLinearNorm,
  kQ,
  kK,
  kV,
  kQBias,
  kKBias,
  kVBias,
  kQHeadNorm,
  kKHeadNorm,
  kAttentionSubNorm,
  kOLinearNorm,
  kO,
  kPostNorm,
  kGateLinearNorm,
  kUpLinearNorm,
  kGate,
  kUp,
  kMlpSubNorm,
  kDownLinearNorm,
  kDown,
  kFinalNorm,
  kHead
};

/// Parts of a model whose gradients become complete together: the embedding; of each layer attention and MLP, each with its norms;
/// final norm and head.
enum class Part : uint8_t { kEmbedding, kAttention, kMlp, kOutput };

Part part_of(Slot slot);
Role role_of(Slot slot);
/// "q_proj": what a linear layer is called in reports and in config.json of a packed model. "" for everything else.
const char* projection_name(Slot slot);

/// `layer` is -1 outside of layers.
struct Place {
  int64_t layer;
  Slot slot;
};
/// The Hugging Face name: {3, kQ} is "model.layers.3.self_attn.q_proj.weight".
std::string parameter_name(const Place& place);
/// The inverse, for files that hold names only (logs, reports): also without "model." at the begin or ".weight" at the end.
std::optional<Place> place_from_name(const std::string& name);
/// The name without its last part: "model.layers.3.self_attn.q_proj".
std::string module_name(const std::string& parameter);

}  // namespace spectra::model

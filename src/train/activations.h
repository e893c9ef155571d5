// SPDX-License-Identifier: Apache-2.0
#pragma once
// Everything a forward and a backward pass of one micro-batch keep, allocated once. Types: A activation, M master.
#include <vector>

#include "model/config.h"
#include "train/memory.h"
#include "train/transformer.h"
#include "train/weights.h"

namespace spectra::train {

/// What a norm or rounding before a linear layer leaves: see InputStep.
struct StepActivations {
  ops::Tensor out;   ///< (N, in) A
  ops::Tensor rstd;  ///< (1, N) M; empty where it rounds
};
using Prepared = std::vector<StepActivations>;

/// What the backward of one layer needs again.
struct LayerActivations {
  ops::Tensor attention_norm;                        ///< (N, D) A, input of q, k, v
  ops::Tensor attention_rstd;                        ///< (1, N) M
  std::vector<Prepared> qkv_inputs, gate_up_inputs;  ///< of each projection
  Prepared o_inputs, down_inputs;                    ///< those of down are one for all layers, as h
  ops::Tensor qkv;                                   ///< (N, (H + 2K) E) A, after RoPE where heads have no norms
  ops::Tensor qk;                      ///< (N, (H + K) E) A: normed heads after RoPE; without head norms these columns of qkv
  std::vector<ops::Tensor> head_rstd;  ///< (heads, N) M of each head norm
  ops::Tensor attention;               ///< (N, H E) A, input of o
  ops::Tensor lse;                     ///< (B H, T) M
  ops::Tensor mlp_norm;                ///< (N, D) A, input of gate and up
  ops::Tensor mlp_rstd;                ///< (1, N) M
  ops::Tensor gate_up;                 ///< (N, 2F) A
  ops::Tensor h;                       ///< (N, F) A, input of down; one for all layers, computed again from gate_up
};

/// Gradients on the way back; every layer reuses them.
struct BackwardActivations {
  ops::Tensor stream;     ///< (N, D) M: of the residual stream
  ops::Tensor rounded;    ///< (N, D) A: the same as GEMMs read it
  ops::Tensor norm;       ///< (N, D) A: of the output of a norm
  ops::Tensor more;       ///< (N, D) A: the part of a second projection of the same input; empty where there is none
  ops::Tensor qkv;        ///< (N, (H + 2K) E) A
  ops::Tensor attention;  ///< (N, H E) A
  ops::Tensor gate_up;    ///< (N, 2F) A
  ops::Tensor h;          ///< (N, F) A
};

struct Activations {
  Activations(const model::Config& config, const Weights& weights, int64_t batch, int64_t time, Precision precision,
              Recompute recompute, Memory& memory);

  ops::Tensor tokens, targets;  ///< (1, N) i32
  ops::Tensor first_keys;       ///< (1, N) i32: the document mask of attention
  /// The residual stream before each norm, 2L + 1 times (N, D) M. Number 0 is the embedding; a projection writes its output into
  /// the next one, and the norm that reads it adds the one before. Where layers are computed again, those in the middle of a layer
  /// (odd numbers) are one and the same tensor.
  std::vector<ops::Tensor> stream;
  std::vector<LayerActivations> layers;  ///< the same tensors for every layer where they are computed again
  ops::Tensor final_norm;                ///< (N, D) A, input of the head
  ops::Tensor final_rstd;                ///< (1, N) M
  BackwardActivations backward;
};

}  // namespace spectra::train

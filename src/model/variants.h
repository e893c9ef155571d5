// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a config may have beyond a plain Llama, and who cannot do it.
#include <cstdint>
#include <initializer_list>
#include <string>

#include "model/config.h"

namespace spectra::model {

enum class Variant : uint8_t {
  kHeadDim,  ///< other than hidden / heads
  kQkvBias,
  kActivation,  ///< other than silu
  kSubNorms,
  kLinearNorms,
  kHeadNorms,
  kRopeScaling,
  kWindow,
  kActivationQuantizer
};

/// Throws Error naming everything that `config` has and that is not in `supported`. `what`: who cannot do it, for the message:
/// "training".
void require_supported(const Config& config, const std::string& what, std::initializer_list<Variant> supported = {});

}  // namespace spectra::model

// SPDX-License-Identifier: Apache-2.0
#pragma once
// RoPE in config.json: rope_theta and rope_scaling at the top, or both inside rope_parameters since transformers 5.
#include "model/config_reader.h"
#include "model/rope.h"

namespace spectra::model {

/// `absent_theta`: the class's default. Throws Error for a kind of scaling, or a key of one, that is not known.
Rope read_rope(const ConfigReader& read, double absent_theta);
/// The value of rope_scaling: null for the default.
nlohmann::ordered_json rope_scaling_json(const Rope& rope);

}  // namespace spectra::model

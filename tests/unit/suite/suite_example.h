// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

namespace spectra::suite {

/// A suite file of two small sizes with an arm, quantization and [quick].
inline std::string example() {
  return R"(name = "tiny"
families = ["float", "ternary"]
seeds = [1]
[data]
synthetic = "stories"
stories = 300
vocabulary = 400
[[size]]
name = "small"
hidden = 16
glu = 32
heads = 2
layers = 1
lr = {float = 0.01, ternary = 0.02}
[[size]]
name = "large"
hidden = 32
glu = 64
heads = 2
layers = 2
[train]
tokens = 4096
batch_tokens = 1024
sequence = 64
[schedule]
warmup = "5%"
[family.ternary.schedule]
warmup = "10%"
[quantize]
bits = [8, 4]
samples = 4
[evaluate]
tokens = 500
[[arm]]
name = "no-lr-drop"
family = "ternary"
sizes = ["small"] # arm
seeds = [1, 2]
schedule.lr_drop_at = 1
[quick]
sizes = ["small"]
train.tokens = 2048
)";
}

}  // namespace spectra::suite

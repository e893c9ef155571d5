// SPDX-License-Identifier: Apache-2.0
#pragma once
// Quantizing a whole model: what is asked for, and what came of it.
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "model/quantized_writer.h"
#include "quantize/options.h"

namespace spectra::quantize {

struct Job {
  fs::path model, out;
  fs::path calibration;  ///< text or token data; may be empty for rtn, which then reports no output errors
  Options options;
  bool group_given = false;  ///< the user chose options.group_size
  int64_t samples = 512;
  int64_t sequence = 0;  ///< 0: kSequence or the model's context, if that is shorter
  uint64_t seed = 1;
  std::string precision = "auto";  ///< of the forward pass: fp32, bf16; auto = bf16 where the CPU has it
  model::QuantizedFormat format = model::QuantizedFormat::kCompressedTensors;
  bool verify_checksums = true;
};
constexpr int64_t kSequence = 2048;

struct LinearReport {
  std::string name;  ///< "model.layers.3.mlp.up_proj"
  int64_t rows = 0, cols = 0;
  double output_error = -1;  ///< |(W - Q) X| / |W X| on the calibration tokens; -1 = there were none
  double weight_error = 0;   ///< |W - Q| / |W|
  double clipped = 0;        ///< share of weights beyond the grid
  double damp = 0;           ///< that the Cholesky factor took in the end; 0 without one
  double seconds = 0;        ///< to solve it, its share of the factor included
};

/// Where the time went. FLOP of products only.
struct Part {
  std::string name;  ///< "forward", "hessians", "factors", "columns", "errors"
  double seconds = 0, flop = 0;
};

struct Report {
  Options options;
  int64_t samples = 0, sequence = 0;
  uint64_t calibration_tokens = 0;  ///< they were drawn from
  std::string backend;
  int64_t blocks = 0, resumed_blocks = 0;
  std::vector<LinearReport> linears;                             ///< in the order of the file
  std::vector<Part> parts;                                       ///< of this call, without resumed blocks
  std::optional<double> float_perplexity, quantized_perplexity;  ///< on some of the calibration sequences
  bool spilled = false;
  double peak = 0;  ///< FLOP/s of large products on this machine; 0 = not measured, as for short jobs
  double seconds = 0;
};
/// A quantized model that is this much worse than the float one, on the very text that it was fitted to, has collapsed.
constexpr double kCollapse = 1.5;

/// Quantizes all linear layers of the transformer blocks and writes the model to job.out, which must not exist. Finished blocks are
/// kept in job.out + ".partial" until then: the same job, with the same number of threads, goes on where an earlier one was
/// interrupted or killed, and ends with the same bits. Throws Error: exit 2 or 3 for what cannot be quantized, 5 with the numbers
/// where memory or disk would not do.
Report quantize_model(const Job& job);

}  // namespace spectra::quantize

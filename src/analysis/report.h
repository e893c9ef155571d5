// SPDX-License-Identifier: Apache-2.0
#pragma once
// A report that compares runs: one self-contained HTML file (no network, no script needed), and its numbers as JSON and CSV.
#include <string>
#include <vector>

#include "analysis/error_map.h"
#include "analysis/run.h"

namespace spectra::analysis {

/// Text that a run's model wrote, shown beside its numbers.
struct Sample {
  std::string run, prompt, text;
};

std::string report_html(const std::vector<TrainingRun>& runs, const std::vector<Sample>& samples, const std::string& title,
                        const std::vector<QuantizedModel>& quantized = {});
/// {"schema": "spectra.report/1", "runs": [{name, family, parameters, bits, ..., log: {tokens: [], loss: [], ...}}]}
std::string report_json(const std::vector<TrainingRun>& runs);
/// run,step,tokens,loss,validation_loss,lr,weight_decay,grad_norm,tokens_per_second,zero_fraction,flip_fraction,mfu,memory_bytes,loss_scale
std::string report_csv(const std::vector<TrainingRun>& runs);

/// The training losses as one picture, an SVG file.
std::string report_svg(const std::vector<TrainingRun>& runs);

}  // namespace spectra::analysis

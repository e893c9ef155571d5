// SPDX-License-Identifier: Apache-2.0
#pragma once
// Toxicity and stereotypes (paper, table 13 and appendix D), from a suite's evaluations.
#include "analysis/study.h"
#include "analysis/table.h"

namespace spectra::analysis {

/// A row for every kind and size of the suite's own models, means over seeds; in per cent but for the likelihood difference. Models
/// without any of these tasks are left out; a task that was not evaluated is NaN.
Table bias_table(const Study& study);
/// A row for every number in it: how many seeds it is the mean of, and its 95 % interval. That holds the error by the documents
/// (the same ones for every seed, so seeds do not lessen it) and, of several seeds, Student's of their mean; NaN where the suite
/// does not know the former.
Table bias_intervals(const Study& study);

}  // namespace spectra::analysis

// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace spectra::analysis {

/// Chance that |T| stays below `t` >= 0, T of Student's distribution with `degrees` >= 1 degrees of freedom.
double student_t_within(double t, int degrees);
/// The t that |T| stays below with chance `level`, 0 < level < 1: 12.706 for 0.95 and one degree.
double student_t_bound(double level, int degrees);

}  // namespace spectra::analysis

// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "suite/suite.h"

namespace spectra::suite {

/// Makes `directory` one of this suite, which jobs/suite.name tells from then on. Throws Error (exit 3) where it holds another
/// suite, whose jobs may have the same names, or anything else.
void make_suite_directory(const Suite& suite, const fs::path& directory);
/// Throws the same without making anything.
void check_suite_directory(const Suite& suite, const fs::path& directory);

}  // namespace spectra::suite

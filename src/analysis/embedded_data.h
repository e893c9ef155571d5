// SPDX-License-Identifier: Apache-2.0
#pragma once
// Files of src/analysis/data, which the installed program carries inside.

namespace spectra::analysis {

const char* paper_tables_json();
const char* accelerators_csv();

}  // namespace spectra::analysis

// SPDX-License-Identifier: Apache-2.0
#pragma once
// What `spectra inspect` prints.
#include <string>

#include "base/file.h"

namespace spectra::cli {

struct InspectOptions {
  std::string path, tokenizer;
  bool verify = false;
  int64_t sequence = -1;  ///< of a run; -1 = none asked for
  int64_t length = 2048, seed = 1;
};

void inspect_model(const fs::path& path, bool verify);
void inspect_data(const InspectOptions& options);
/// One sequence of a run over token data, or of a recipe (`path` ends in .toml).
void inspect_sequence(const InspectOptions& options);

/// What is known of the files' checksums, for people. `asked`: with --verify, `found`: checksums are recorded.
const char* checksum_state(bool asked, bool found);

}  // namespace spectra::cli

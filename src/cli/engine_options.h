// SPDX-License-Identifier: Apache-2.0
#pragma once
// How a model runs: options that every command has that opens an engine of inference, with the same texts and meaning everywhere.
// (The number of threads is an option of every command.)
#include <string>
#include <vector>

#include "cli/command.h"
#include "infer/engine.h"

namespace spectra::cli {

struct EngineArguments {
  std::string activations = "auto", kv = "auto", head = "stored", kv_memory = "";
  bool huge_pages = false;

  infer::LoadOptions load() const;
  /// What "auto" leaves open is left to infer::with_defaults(); kv_bytes is 0 without --kv-memory. Throws Error where --kv-memory
  /// is no number of bytes (exit 2), or more than the machine has (exit 5).
  infer::EngineOptions engine() const;
};

/// What the help of these options says in one command and not in another.
struct EngineHelp {
  std::string default_memory;      ///< what an empty --kv-memory means
  std::vector<std::string> shown;  ///< names of those that --help shows already, not only --help-all
};

/// --activations, --kv, --head, --huge-pages and --kv-memory, bound to `a`.
std::vector<Option> engine_options(EngineArguments& a, const EngineHelp& help);

}  // namespace spectra::cli

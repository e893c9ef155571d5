// SPDX-License-Identifier: Apache-2.0
#include <memory>

#include "base/error.h"
#include "cli/command.h"
#include "cli/inspect.h"
#include "format/token_data.h"

namespace spectra::cli {
namespace {

/// The last checkpoint of a run directory; "" where there is none.
fs::path last_checkpoint(const fs::path& run) {
  fs::path last;
  if (fs::is_directory(run / "checkpoints"))
    for (const auto& entry : fs::directory_iterator(run / "checkpoints"))
      if (entry.path() > last) last = entry.path();
  return last;
}

void run_inspect(const InspectOptions& options) {
  const fs::path path = options.path;
  if (options.sequence >= 0) return inspect_sequence(options);
  if (format::TokenData::recognize(path)) return inspect_data(options);
  if (!fs::exists(path / "config.json"))
    if (const fs::path checkpoint = last_checkpoint(path); !checkpoint.empty())
      throw bad_input(fmt::format("{} is a training run, not a model", path.string()),
                      fmt::format("its models are its checkpoints: spectra inspect {}", checkpoint.string()));
  inspect_model(path, options.verify);
}

}  // namespace

const char* checksum_state(bool asked, bool found) {
  if (!asked) return "not checked (--verify)";
  return found ? "every file agrees with its sha256" : "none recorded";
}

Command make_inspect() {
  const auto a = std::make_shared<InspectOptions>();
  return {
      .name = "inspect",
      .summary = "what a model or token data is: sizes, bits, scales, sparsity, where it came from",
      .options =
          {{.name = "MODEL", .help = "a model or token data; with --sequence also a recipe", .target = &a->path, .required = true},
           {.name = "--verify", .help = "check the sha256 of every file, and every token", .target = &a->verify},
           {.name = "--sequence", .help = "token data: show the sequence of this number that a run reads", .target = &a->sequence},
           {.name = "--seq-length", .help = "tokens of a sequence, as train.sequence (default: 2048)", .target = &a->length},
           {.name = "--seed", .help = "data order, as train.seed (default: 1)", .target = &a->seed},
           {.name = "--tokenizer", .help = "directory with tokenizer.json, for data without one", .target = &a->tokenizer}},
      .run = [a] { run_inspect(*a); },
      .examples = {"spectra inspect models/TriLM_99M", "spectra inspect data/books --verify",
                   "spectra inspect data/books --sequence 0 --seq-length 256"}};
}

}  // namespace spectra::cli

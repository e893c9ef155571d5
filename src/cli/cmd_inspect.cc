// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"
#include "cli/command.h"
#include "cli/inspect.h"

namespace spectra::cli {
namespace {

struct Options {
  std::string path;
  bool verify = false;
};

/// The last checkpoint of a run directory, or "".
fs::path last_checkpoint(const fs::path& run) {
  fs::path last;
  if (fs::is_directory(run / "checkpoints"))
    for (const auto& entry : fs::directory_iterator(run / "checkpoints"))
      if (entry.path() > last) last = entry.path();
  return last;
}

void run_inspect(const Options& options) {
  const fs::path path = options.path;
  if (fs::exists(path / "data.json")) return inspect_data(path, options.verify);
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
  static Options options;
  return {"inspect",
          "what a model or token data is: sizes, bits, scales, sparsity, where it came from",
          {{"MODEL", "a model or token data directory", &options.path, true},
           {"--verify", "check the sha256 of every file", &options.verify}},
          [] { run_inspect(options); },
          {"spectra inspect models/TriLM_99M", "spectra inspect data/books --verify"}};
}

}  // namespace spectra::cli

// SPDX-License-Identifier: Apache-2.0
#include "cli/engine_options.h"

#include <algorithm>
#include <optional>

#include "base/system.h"
#include "base/units.h"

namespace spectra::cli {

infer::LoadOptions EngineArguments::load() const {
  return {.int8_head = head == "int8", .backing = huge_pages ? Backing::kHugePages : Backing::kMapped};
}

infer::EngineOptions EngineArguments::engine() const {
  infer::EngineOptions options{.activations = std::nullopt};
  if (activations != "auto") options.activations = infer::activations_from_name(activations);
  if (kv != "auto") options.kv_type = infer::kv_type_from_name(kv);
  if (!kv_memory.empty()) options.kv_bytes = parse_bytes(kv_memory, "--kv-memory");
  require_memory(options.kv_bytes, "keys and values", "give --kv-memory less");
  return options;
}

std::vector<Option> engine_options(EngineArguments& a, const EngineHelp& help) {
  std::vector<Option> options = {
      {.name = "--activations",
       .help = "what linear layers multiply; auto = int8 for packed models, else fp32",
       .target = &a.activations,
       .choices = {"auto", "fp32", "bf16", "int8"}},
      {.name = "--kv",
       .help = "type of keys and values; auto: fp32 with fp32 activations, else fp16",
       .target = &a.kv,
       .choices = {"auto", "fp32", "fp16", "int8"}},
      {.name = "--head",
       .help = "type of the head's weights: as stored, or rounded to int8 when the model is opened, with int8 activations",
       .target = &a.head,
       .choices = {"stored", "int8"}},
      {.name = "--huge-pages", .help = "copy the weights into huge pages instead of mapping the file", .target = &a.huge_pages},
      {.name = "--kv-memory",
       .help = "memory for keys and values, as 4GiB or 500MB; empty = " + help.default_memory,
       .target = &a.kv_memory},
  };
  for (Option& option : options) option.advanced = std::count(help.shown.begin(), help.shown.end(), option.name) == 0;
  return options;
}

}  // namespace spectra::cli

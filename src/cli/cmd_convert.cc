// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/log.h"
#include "cli/command.h"
#include "infer/llama2c.h"
#include "infer/weights.h"

namespace spectra::cli {
namespace {

struct Arguments {
  std::string in, out, tokenizer;
};

void run(const Arguments& a) {
  if (fs::is_directory(a.in))
    throw bad_input(fmt::format("{} is a directory", a.in), "convert reads a llama2.c checkpoint (a .bin file)");
  if (a.tokenizer.empty())
    throw Error(Exit::kUsage, fmt::format("{} has no tokenizer", a.in),
                "add --tokenizer FILE, for example the tok512.bin beside it");
  infer::convert_llama2c(a.in, a.tokenizer, a.out);
  const auto model = infer::load_model(a.out);  // what was written can be read
  const int64_t parameters = model::count_parameters(model->config).total();
  log_info("{}: a model of {} parameters in the Hugging Face layout", a.out, parameters);
  if (global().json)
    print_json(nlohmann::ordered_json{{"schema", "spectra.convert/1"}, {"out", a.out}, {"format", "hf"}, {"parameters", parameters}}
                   .dump());
}

}  // namespace

Command make_convert() {
  static Arguments a;
  Command command;
  command.name = "convert";
  command.summary = "turn a llama2.c checkpoint into a model directory";
  command.options = {
      {"IN", "llama2.c checkpoint, version 0 (.bin)", &a.in, true},
      {"OUT", "model directory to write", &a.out, true},
      {"--tokenizer", "its tokenizer: llama2.c's tok*.bin, a tokenizer.json or a directory with one", &a.tokenizer},
  };
  command.run = [] { run(a); };
  command.examples = {"spectra convert stories260K.bin stories260K --tokenizer tok512.bin"};
  return command;
}

}  // namespace spectra::cli

// SPDX-License-Identifier: Apache-2.0
#include "cli/command.h"

#include <cstdio>

#include "base/error.h"

namespace spectra::cli {

Command make_prepare();
Command make_tokenize();
Command make_train();
Command make_pack();
Command make_unpack();
Command make_convert();
Command make_quantize();
Command make_generate();
Command make_perplexity();
Command make_init();
Command make_inspect();
Command make_report();
Command make_doctor();
Command make_bench();
Command make_eval();
Command make_compare();
Command make_serve();
Command make_analyze();
Command make_suite();

std::vector<Command> all_commands() {
  return {
      make_prepare(), make_tokenize(), make_train(),    make_pack(),       make_unpack(), make_convert(), make_quantize(),
      make_inspect(), make_init(),     make_generate(), make_perplexity(), make_report(), make_doctor(),  make_bench(),
      make_eval(),    make_compare(),  make_serve(),    make_analyze(),    make_suite(),
  };
}

Global& global() {
  static Global options;
  return options;
}

void print_json(const std::string& json) {
  std::fwrite(json.data(), 1, json.size(), stdout);
  std::fputc('\n', stdout);
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) throw io_error("write", "the result to stdout");
}

}  // namespace spectra::cli

// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/log.h"
#include "base/progress.h"
#include "cli/command.h"
#include "format/token_data.h"
#include "infer/generate.h"
#include "infer/perplexity.h"
#include "text/decompress.h"

namespace spectra::cli {
namespace {

struct Arguments {
  std::string model, text, data, convention = "rolling", activations = "fp32", kv = "auto", head = "stored";
  int64_t window = 0, tokens = 0;
};

/// The validation split of --data, which must be of the model's tokenizer.
std::vector<infer::Window> windows_of_data(const Arguments& a, const text::Tokenizer& tokenizer, int64_t window) {
  const format::TokenData data(a.data);
  if (data.has_tokenizer() && data.info().vocab != tokenizer.vocab_size())
    throw bad_input(fmt::format("{} was made with a tokenizer of {} entries, {} has {}", a.data, data.info().vocab, a.model,
                                tokenizer.vocab_size()),
                    "give data of the model's own tokenizer");
  return infer::validation_windows(data.split("valid"), window, a.tokens == 0 ? INT64_MAX : a.tokens);
}

std::vector<infer::Window> windows_of_text(const Arguments& a, const text::Tokenizer& tokenizer, int64_t window) {
  const infer::Convention convention = infer::convention_from_name(a.convention);
  const std::vector<int32_t> ids = infer::encode_for(convention, tokenizer, text::read_decompressed(a.text));
  return infer::make_windows(convention, ids, window, tokenizer.bos());
}

void run(const Arguments& a) {
  if (a.text.empty() == a.data.empty())
    throw Error(Exit::kUsage, "spectra perplexity needs either --text or --data",
                "--data takes the validation split of token data");
  if (a.tokens < 0 || (a.tokens > 0 && a.data.empty()))
    throw Error(Exit::kUsage, fmt::format("--tokens {} is not allowed", a.tokens),
                "with --data: how many tokens are scored, 0 = all");
  const infer::Convention convention = infer::convention_from_name(a.convention);
  infer::EngineOptions engine_options;
  engine_options.activations = infer::activations_from_name(a.activations);
  if (a.kv != "auto") engine_options.kv_type = infer::kv_type_from_name(a.kv);
  infer::Engine engine(infer::load_model(a.model, {.int8_head = a.head == "int8"}), engine_options);
  const char* const kv = infer::kv_type_name(engine.kv_type());
  const char* const head = infer::head_name(engine.model());
  const text::Tokenizer tokenizer = text::Tokenizer::load(a.model);
  infer::check_tokenizer(engine.model(), tokenizer);
  const int64_t window = a.window == 0 ? infer::default_window(convention, engine.context()) : a.window;
  if (window < 0 || window > engine.context())
    throw Error(Exit::kUsage, fmt::format("--window {} is out of range", window),
                fmt::format("allowed: up to the model's context of {}", engine.context()));

  const std::string shown_convention = a.data.empty() ? a.convention : "validation";
  const std::vector<infer::Window> windows =
      a.data.empty() ? windows_of_text(a, tokenizer, window) : windows_of_data(a, tokenizer, window);
  uint64_t total = 0;
  for (const infer::Window& w : windows) total += w.input.size();
  log_info("{} tokens, {} windows of {}, convention {}, activations {}, kv {}, head {}, kernels {}", total, windows.size(), window,
           shown_convention, a.activations, kv, head, kernels::kernels().name);
  Progress bar("perplexity", total);
  const infer::Perplexity result = infer::score(engine, windows, [&bar](int64_t passed, double nll) {
    bar.update(static_cast<uint64_t>(passed), fmt::format("{:.4f}", std::exp(nll)));
  });
  bar.clear();
  if (global().json) {
    print_json(nlohmann::ordered_json{
        {"schema", "spectra.perplexity/1"},
        {"perplexity", result.perplexity},
        {"nll", result.nll},
        {"tokens", result.tokens},
        {"convention", shown_convention},
        {"window", window},
        {"activations", a.activations},
        {"kv", kv},
        {"head",
         head}}.dump());
    return;
  }
  fmt::print("perplexity {:.4f}  nll {:.6f}  tokens {}  convention {}  window {}  activations {}  kv {}  head {}\n",
             result.perplexity, result.nll, result.tokens, shown_convention, window, a.activations, kv, head);
}

}  // namespace

Command make_perplexity() {
  static Arguments a;
  Command command;
  command.name = "perplexity";
  command.summary = "measure how well a model predicts a text";
  command.options = {
      {"MODEL", "model directory", &a.model, true},
      {"--text", "text file, plain or .gz, .zst, .bz2, scored as it is", &a.text},
      {"--data", "instead of a text: token data, whose validation split is scored in the windows of training's validation",
       &a.data},
      {"--tokens", "with --data: only the first so many; 0 = all", &a.tokens},
      {"--convention",
       "how the text is cut: rolling scores every token, gptq whole windows, llama.cpp their second halves",
       &a.convention,
       false,
       false,
       {"rolling", "gptq", "llama.cpp"}},
      {"--window", "tokens in a window; 0 = the model's context (llama.cpp: 512)", &a.window},
      {"--activations", "what linear layers multiply", &a.activations, false, false, {"fp32", "bf16", "int8"}},
      {"--kv",
       "type of keys and values; auto: fp32 with fp32 activations, else fp16",
       &a.kv,
       false,
       false,
       {"auto", "fp32", "fp16", "int8"}},
      {"--head",
       "type of the head's weights: as stored, or rounded to int8 when the model is opened, with int8 activations",
       &a.head,
       false,
       false,
       {"stored", "int8"}},
  };
  command.run = [] { run(a); };
  command.examples = {"spectra perplexity model --text novel.txt",
                      "spectra perplexity model --text wiki.test.raw --convention gptq --json",
                      "spectra perplexity model --data data/books --tokens 200000"};
  return command;
}

}  // namespace spectra::cli

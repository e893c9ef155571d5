// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/log.h"
#include "base/progress.h"
#include "cli/command.h"
#include "cli/engine_options.h"
#include "cli/usage.h"
#include "format/token_data.h"
#include "infer/generate.h"
#include "infer/perplexity.h"
#include "text/decompress.h"

namespace spectra::cli {
namespace {

struct PerplexityArguments {
  EngineArguments engine{.activations = "fp32"};
  std::string model, text, data, convention = "rolling";
  int64_t window = 0, tokens = 0;
};

void check(const PerplexityArguments& a) {
  require(a.text.empty() != a.data.empty(), "spectra perplexity needs either --text or --data",
          "--data takes the validation split of token data");
  require(a.tokens >= 0 && (a.tokens == 0 || !a.data.empty()), fmt::format("--tokens {} is not allowed", a.tokens),
          "with --data: how many tokens are scored, 0 = all");
}

int64_t window_of(const PerplexityArguments& a, int64_t context) {
  const infer::Convention convention = infer::convention_from_name(a.convention);
  const int64_t window = a.window == 0 ? infer::default_window(convention, context) : a.window;
  require_in_range(window >= 0 && window <= context, fmt::format("--window {}", window),
                   fmt::format("up to the model's context of {}", context));
  return window;
}

/// The validation split of --data, which must be of the model's tokenizer.
std::vector<infer::Window> windows_of_data(const PerplexityArguments& a, const text::Tokenizer& tokenizer, int64_t window) {
  const format::TokenData data(a.data);
  if (data.has_tokenizer() && data.info().vocab != tokenizer.vocab_size())
    throw bad_input(fmt::format("{} was made with a tokenizer of {} entries, {} has {}", a.data, data.info().vocab, a.model,
                                tokenizer.vocab_size()),
                    "give data of the model's own tokenizer");
  return infer::validation_windows(data.split("valid"), window, a.tokens == 0 ? INT64_MAX : a.tokens);
}

std::vector<infer::Window> windows_of_text(const PerplexityArguments& a, const text::Tokenizer& tokenizer, int64_t window) {
  const infer::Convention convention = infer::convention_from_name(a.convention);
  const std::vector<int32_t> ids = infer::encode_for(convention, tokenizer, text::read_decompressed(a.text));
  return infer::make_windows(convention, ids, window, tokenizer.bos());
}

infer::Perplexity measure(infer::Engine& engine, const std::vector<infer::Window>& windows, uint64_t tokens) {
  Progress bar("perplexity", tokens);
  const infer::Perplexity result = infer::score(engine, windows, [&bar](int64_t passed, double nll) {
    bar.update(static_cast<uint64_t>(passed), fmt::format("{:.4f}", std::exp(nll)));
  });
  bar.clear();
  return result;
}

void print_perplexity(const infer::Perplexity& result, const infer::Engine& engine, const std::string& convention, int64_t window) {
  const char* const activations = infer::activations_name(engine.activations());
  const char* const kv = infer::kv_type_name(engine.kv_type());
  const char* const head = infer::head_name(engine.model());
  if (global().json)
    return print_json(nlohmann::ordered_json{
        {"schema", "spectra.perplexity/1"},
        {"perplexity", result.perplexity},
        {"nll", result.nll},
        {"tokens", result.tokens},
        {"convention", convention},
        {"window", window},
        {"activations", activations},
        {"kv", kv},
        {"head", head}}.dump());
  fmt::print("perplexity {:.4f}  nll {:.6f}  tokens {}  convention {}  window {}  activations {}  kv {}  head {}\n",
             result.perplexity, result.nll, result.tokens, convention, window, activations, kv, head);
}

void run_perplexity(const PerplexityArguments& a) {
  check(a);
  const infer::EngineOptions engine_options = a.engine.engine();
  infer::Engine engine(infer::load_model(a.model, a.engine.load()), engine_options);
  const text::Tokenizer tokenizer = text::Tokenizer::load(a.model);
  infer::check_tokenizer(engine.model(), tokenizer);
  const int64_t window = window_of(a, engine.context());
  const std::string convention = a.data.empty() ? a.convention : "validation";
  const std::vector<infer::Window> windows =
      a.data.empty() ? windows_of_text(a, tokenizer, window) : windows_of_data(a, tokenizer, window);
  uint64_t total = 0;
  for (const infer::Window& w : windows) total += w.input.size();
  log_info("{} tokens, {} windows of {}, convention {}, activations {}, kv {}, head {}, kernels {}", total, windows.size(), window,
           convention, infer::activations_name(engine.activations()), infer::kv_type_name(engine.kv_type()),
           infer::head_name(engine.model()), kernels::kernels().name);
  print_perplexity(measure(engine, windows, total), engine, convention, window);
}

}  // namespace

Command make_perplexity() {
  const auto a = std::make_shared<PerplexityArguments>();
  Command command;
  command.name = "perplexity";
  command.summary = "measure how well a model predicts a text";
  command.options = {
      {.name = "MODEL", .help = "model directory", .target = &a->model, .required = true},
      {.name = "--text", .help = "text file, plain or .gz, .zst, .bz2, scored as it is", .target = &a->text},
      {.name = "--data",
       .help = "instead of a text: token data, whose validation split is scored in the windows of training's validation",
       .target = &a->data},
      {.name = "--tokens", .help = "with --data: only the first so many; 0 = all", .target = &a->tokens},
      {.name = "--convention",
       .help = "how the text is cut: rolling scores every token, gptq whole windows, llama.cpp their second halves",
       .target = &a->convention,
       .choices = {"rolling", "gptq", "llama.cpp"}},
      {.name = "--window", .help = "tokens in a window; 0 = the model's context (llama.cpp: 512)", .target = &a->window},
  };
  command.add(
      engine_options(a->engine, {.default_memory = "what the whole context needs", .shown = {"--activations", "--kv", "--head"}}));
  command.run = [a] { run_perplexity(*a); };
  command.examples = {"spectra perplexity model --text novel.txt",
                      "spectra perplexity model --text wiki.test.raw --convention gptq --json",
                      "spectra perplexity model --data data/books --tokens 200000"};
  return command;
}

}  // namespace spectra::cli

// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/log.h"
#include "base/system.h"
#include "cli/command.h"
#include "cli/engine_options.h"
#include "cli/usage.h"
#include "infer/generate.h"

namespace spectra::cli {
namespace {

struct GenerateArguments {
  EngineArguments engine;
  std::string model, prompt, draft;
  int64_t max_tokens = 256, top_k = 0, seed = 0, draft_tokens = 4;
  double temperature = 0, top_p = 1, min_p = 0, repetition_penalty = 1;
  std::vector<std::string> stops;
  bool echo = false;
};

infer::GenerateOptions options_of(const GenerateArguments& a) {
  infer::GenerateOptions options;
  options.draft.tokens = a.draft_tokens;
  options.max_tokens = a.max_tokens;
  options.stops = a.stops;
  infer::Sampling& s = options.sampling;
  s.temperature = a.temperature;
  s.top_k = a.top_k;
  s.top_p = a.top_p;
  s.min_p = a.min_p;
  s.repetition_penalty = a.repetition_penalty;
  s.seed = static_cast<uint64_t>(a.seed);
  infer::validate(s);
  require_in_range(a.max_tokens >= 0, fmt::format("--max-tokens {}", a.max_tokens), "0 or more");
  require_in_range(a.draft_tokens >= 1, fmt::format("--draft-tokens {}", a.draft_tokens), "1 or more");
  if (a.temperature == 0 && (a.top_k > 0 || a.top_p < 1 || a.min_p > 0 || a.seed != 0))
    log_warning("--temperature is 0 (greedy): --top-k, --top-p, --min-p and --seed change nothing");
  return options;
}

void print_piece(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

double acceptance_rate(const infer::Generated& g) {
  return g.proposed > 0 ? static_cast<double>(g.accepted) / static_cast<double>(g.proposed) : 0;
}

void print_generated(const infer::Generated& g, const GenerateArguments& a, const infer::Engine& engine) {
  const char* activations = infer::activations_name(engine.activations());
  log_info(
      "{} tokens of prompt at {:.1f} tokens/s, {} generated at {:.1f} tokens/s, {}; activations {}, kv {}, head {}, kernels {}",
      g.prompt_tokens, g.prefill_tokens_per_second(), g.tokens.size(), g.decode_tokens_per_second(), finish_reason_name(g.finish),
      activations, infer::kv_type_name(engine.kv_type()), infer::head_name(engine.model()), kernels::kernels().name);
  if (!a.draft.empty())
    log_info("draft: {} tokens proposed, {} accepted ({:.0f} %)", g.proposed, g.accepted, 100 * acceptance_rate(g));
  if (!global().json) return;
  nlohmann::ordered_json draft;  // null without
  if (!a.draft.empty())
    draft = {{"model", a.draft},
             {"tokens", a.draft_tokens},
             {"proposed", g.proposed},
             {"accepted", g.accepted},
             {"acceptance_rate", acceptance_rate(g)}};
  const nlohmann::ordered_json result = {{"schema", "spectra.generate/1"},
                                         {"prompt", a.prompt},
                                         {"text", a.echo ? a.prompt + g.text : g.text},
                                         {"tokens", g.tokens.size()},
                                         {"ids", g.tokens},
                                         {"prompt_tokens", g.prompt_tokens},
                                         {"finish_reason", finish_reason_name(g.finish)},
                                         {"prefill_tokens_per_second", g.prefill_tokens_per_second()},
                                         {"decode_tokens_per_second", g.decode_tokens_per_second()},
                                         {"activations", activations},
                                         {"kv", infer::kv_type_name(engine.kv_type())},
                                         {"head", infer::head_name(engine.model())},
                                         {"draft", draft}};
  print_json(result.dump());
}

/// The draft runs with the options of the model, but --kv-memory is the model's alone. Null without --draft.
std::unique_ptr<infer::Engine> load_draft(const GenerateArguments& a, const text::Tokenizer& tokenizer) {
  if (a.draft.empty()) return nullptr;
  const auto model = infer::load_model(a.draft, a.engine.load());
  infer::check_draft(tokenizer, text::Tokenizer::load(a.draft), a.draft);
  infer::check_tokenizer(*model, tokenizer);
  infer::EngineOptions options = a.engine.engine();
  options.kv_bytes = 0;
  return std::make_unique<infer::Engine>(model, options);
}

void run_generate(const GenerateArguments& a) {
  infer::GenerateOptions options = options_of(a);
  const infer::EngineOptions engine_options = a.engine.engine();
  const auto model = infer::load_model(a.model, a.engine.load());
  infer::Engine engine(model, engine_options);
  const text::Tokenizer tokenizer = text::Tokenizer::load(a.model);
  infer::check_tokenizer(*model, tokenizer);
  const std::unique_ptr<infer::Engine> draft = load_draft(a, tokenizer);
  options.draft.engine = draft.get();
  const std::vector<int32_t> prompt = infer::encode_prompt(tokenizer, a.prompt);

  const bool stream = !global().json;
  bool started = false;  // the prompt is shown only once it was accepted
  const auto show = [&](std::string_view text) {
    if (!stream) return true;
    if (a.echo && !started) print_piece(a.prompt);
    started = true;
    print_piece(text);
    return true;
  };
  const infer::Generated generated = infer::generate(engine, tokenizer, prompt, options, show);
  if (stream && ::isatty(STDOUT_FILENO) != 0) print_piece("\n");  // elsewhere stdout holds the text byte for byte
  print_generated(generated, a, engine);
  if (generated.finish == infer::FinishReason::kInterrupted)
    throw Error(Exit::kInterrupted, "interrupted; the text above is complete so far");
}

std::vector<Option> sampling_options(GenerateArguments& a) {
  return {
      {.name = "--temperature",
       .help = "0 = always the most probable token; 1 = the model's own probabilities",
       .target = &a.temperature},
      {.name = "--top-k", .help = "draw among the k most probable tokens; 0 = all", .target = &a.top_k},
      {.name = "--top-p", .help = "draw among the most probable tokens that together reach this probability", .target = &a.top_p},
      {.name = "--min-p", .help = "draw among tokens at least this fraction as probable as the first", .target = &a.min_p},
      {.name = "--repetition-penalty", .help = "above 1: tokens seen before become less likely", .target = &a.repetition_penalty},
      {.name = "--seed", .help = "of the draws: the same seed and settings give the same text", .target = &a.seed},
  };
}

}  // namespace

Command make_generate() {
  const auto a = std::make_shared<GenerateArguments>();
  Command command;
  command.name = "generate";
  command.summary = "continue a prompt, printing text as it comes";
  command.options = {
      {.name = "MODEL", .help = "model directory, packed or not", .target = &a->model, .required = true},
      {.name = "-p,--prompt", .help = "text to continue", .target = &a->prompt},
      {.name = "-n,--max-tokens", .help = "tokens to generate at most", .target = &a->max_tokens},
  };
  command.add(sampling_options(*a));
  command.add({
      {.name = "--stop", .help = "end before this text; may be repeated", .target = &a->stops},
      {.name = "--echo", .help = "print the prompt before its continuation", .target = &a->echo},
      {.name = "--draft",
       .help = "smaller model with the same tokenizer that proposes tokens; the text is distributed as without",
       .target = &a->draft},
      {.name = "--draft-tokens", .help = "tokens proposed a forward pass of MODEL", .target = &a->draft_tokens},
  });
  command.add(engine_options(a->engine, {.default_memory = "what the whole context needs", .shown = {"--activations"}}));
  command.run = [a] { run_generate(*a); };
  command.examples = {"spectra generate model --prompt \"Once upon a time\"",
                      "spectra generate model --prompt \"The fox\" --temperature 0.8 --top-p 0.95 --seed 7 --json"};
  return command;
}

}  // namespace spectra::cli

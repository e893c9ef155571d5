// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/log.h"
#include "base/system.h"
#include "base/units.h"
#include "cli/command.h"
#include "infer/generate.h"

namespace spectra::cli {
namespace {

struct Arguments {
  std::string model, prompt, draft, activations = "auto", kv = "auto", head = "stored", kv_memory;
  int64_t max_tokens = 256, top_k = 0, seed = 0, draft_tokens = 4;
  double temperature = 0, top_p = 1, min_p = 0, repetition_penalty = 1;
  std::vector<std::string> stops;
  bool echo = false, huge_pages = false;
};

infer::LoadOptions load_options(const Arguments& a) {
  return {.int8_head = a.head == "int8", .backing = a.huge_pages ? Backing::kHugePages : Backing::kMapped};
}

uint64_t kv_bytes(const Arguments& a) { return a.kv_memory.empty() ? 0 : parse_bytes(a.kv_memory, "--kv-memory"); }

infer::GenerateOptions options_of(const Arguments& a) {
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
  if (a.max_tokens < 0)
    throw Error(Exit::kUsage, fmt::format("--max-tokens {} is out of range", a.max_tokens), "allowed: 0 or more");
  if (a.draft_tokens < 1)
    throw Error(Exit::kUsage, fmt::format("--draft-tokens {} is out of range", a.draft_tokens), "allowed: 1 or more");
  require_memory(kv_bytes(a), "keys and values", "give --kv-memory less");
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

void report(const infer::Generated& g, const Arguments& a, const infer::Engine& engine) {
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

/// "auto" and the three names.
infer::ActivationType activations_of(const std::string& name, const infer::Model& model) {
  if (name != "auto") return infer::activations_from_name(name);
  return model.packed() ? infer::ActivationType::kInt8 : infer::ActivationType::kFp32;
}

/// Null without --draft.
std::unique_ptr<infer::Engine> load_draft(const Arguments& a, const text::Tokenizer& tokenizer) {
  if (a.draft.empty()) return nullptr;
  const auto model = infer::load_model(a.draft, load_options(a));
  infer::check_draft(tokenizer, text::Tokenizer::load(a.draft), a.draft);
  infer::check_tokenizer(*model, tokenizer);
  return std::make_unique<infer::Engine>(model, infer::EngineOptions{.activations = activations_of("auto", *model)});
}

void run(const Arguments& a) {
  infer::GenerateOptions options = options_of(a);
  const auto model = infer::load_model(a.model, load_options(a));
  const infer::ActivationType activations = activations_of(a.activations, *model);
  infer::EngineOptions engine_options{.activations = activations, .kv_bytes = kv_bytes(a)};
  if (a.kv != "auto") engine_options.kv_type = infer::kv_type_from_name(a.kv);
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
  report(generated, a, engine);
  if (generated.finish == infer::FinishReason::kInterrupted)
    throw Error(Exit::kInterrupted, "interrupted; the text above is complete so far");
}

}  // namespace

Command make_generate() {
  static Arguments a;
  Command command;
  command.name = "generate";
  command.summary = "continue a prompt, printing text as it comes";
  command.options = {
      {"MODEL", "model directory, packed or not", &a.model, true},
      {"-p,--prompt", "text to continue", &a.prompt},
      {"-n,--max-tokens", "tokens to generate at most", &a.max_tokens},
      {"--temperature", "0 = always the most probable token; 1 = the model's own probabilities", &a.temperature},
      {"--top-k", "draw among the k most probable tokens; 0 = all", &a.top_k},
      {"--top-p", "draw among the most probable tokens that together reach this probability", &a.top_p},
      {"--min-p", "draw among tokens at least this fraction as probable as the first", &a.min_p},
      {"--repetition-penalty", "above 1: tokens seen before become less likely", &a.repetition_penalty},
      {"--seed", "of the draws: the same seed and settings give the same text", &a.seed},
      {"--stop", "end before this text; may be repeated", &a.stops},
      {"--activations",
       "what linear layers multiply; auto = int8 for packed models, else fp32",
       &a.activations,
       false,
       false,
       {"auto", "fp32", "bf16", "int8"}},
      {"--echo", "print the prompt before its continuation", &a.echo},
      {"--draft", "smaller model with the same tokenizer that proposes tokens; the text is distributed as without", &a.draft},
      {"--draft-tokens", "tokens proposed a forward pass of MODEL", &a.draft_tokens},
      {"--kv",
       "type of keys and values; auto: fp32 with fp32 activations, else fp16",
       &a.kv,
       false,
       true,
       {"auto", "fp32", "fp16", "int8"}},
      {"--huge-pages", "copy the weights into huge pages instead of mapping the file", &a.huge_pages, false, true},
      {"--head",
       "type of the head's weights: as stored, or rounded to int8 when the model is opened, with int8 activations",
       &a.head,
       false,
       true,
       {"stored", "int8"}},
      {"--kv-memory", "memory for keys and values, as 4GiB or 500MB; empty = what the whole context needs", &a.kv_memory, false,
       true},
  };
  command.run = [] { run(a); };
  command.examples = {"spectra generate model --prompt \"Once upon a time\"",
                      "spectra generate model --prompt \"The fox\" --temperature 0.8 --top-p 0.95 --seed 7 --json"};
  return command;
}

}  // namespace spectra::cli

// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "base/log.h"
#include "base/system.h"
#include "base/units.h"
#include "cli/command.h"
#include "cli/usage.h"
#include "format/model_directory.h"
#include "model/quantized_writer.h"
#include "text/tokenizer.h"
#include "train/random_model.h"

namespace spectra::cli {
namespace {

struct InitOptions {
  std::string size, family, out, packed, tokenizer;
  int64_t hidden = 0, glu = 0, heads = 0, kv_heads = 0, layers = 0, vocab = 0, shards = 0, context = 2048, seed = 1;
};

/// What --packed 3bit, 4bit, 6bit and 8bit ask for: the settings of the paper's QuantLM.
std::optional<model::QuantizationInfo> quantization(const std::string& packed) {
  model::QuantizationInfo info;
  info.method = "rtn";
  for (const int bits : {3, 4, 6, 8}) {
    if (packed != fmt::format("{}bit", bits)) continue;
    info.bits = bits;
    info.group_size = bits <= 4 ? 128 : 0;
    return info;
  }
  return std::nullopt;
}

/// The dimensions that --size or the numbers give, all but the vocabulary.
model::Config dimensions(const InitOptions& options) {
  const model::Family family = !options.family.empty()        ? model::family_from_name(options.family)
                               : quantization(options.packed) ? model::Family::kFloat
                                                              : model::Family::kTernary;
  const bool numbers =
      options.hidden != 0 || options.glu != 0 || options.heads != 0 || options.layers != 0 || options.kv_heads != 0;
  const bool all = options.hidden != 0 && options.glu != 0 && options.heads != 0 && options.layers != 0;
  if (options.size.empty() ? !all : numbers)
    throw Error(Exit::kUsage, "give either --size, or all of --hidden, --glu, --heads and --layers",
                "for example --size 99M, or --hidden 256 --glu 640 --heads 4 --layers 8");
  model::Config config;
  if (numbers) {
    config.hidden = options.hidden;
    config.glu = options.glu;
    config.heads = options.heads;
    config.kv_heads = options.kv_heads == 0 ? options.heads : options.kv_heads;
    config.layers = options.layers;
    config.family = family;
  } else {
    config = model::config_of_size(model::size_from_name(options.size), family);
  }
  if (options.shards != 0) config.shards = options.shards;
  config.max_position = options.context;
  return config;
}

model::Config make_config(const InitOptions& options, const std::optional<text::Tokenizer>& tokenizer) {
  model::Config config = dimensions(options);
  if (options.vocab != 0) config.vocab = options.vocab;
  if (tokenizer) {
    const int64_t entries = tokenizer->vocab_size();
    if (options.vocab == 0) config.vocab = model::padded_vocab(entries, std::max<int64_t>(config.shards, 1));
    if (config.vocab < entries)
      throw bad_input(fmt::format("--vocab {} is smaller than the tokenizer's {} entries", config.vocab, entries),
                      "leave --vocab out");
    config.bos = tokenizer->bos();
    config.eos = tokenizer->eos();
  } else if (config.vocab == 0) {
    throw Error(Exit::kUsage, "the size of the vocabulary is not known", "give --vocab or --tokenizer");
  }
  model::validate(config);
  return config;
}

std::optional<lowbit::Format> packed_format(const std::string& name, model::Family family) {
  if (name.empty() || quantization(name)) return std::nullopt;
  const lowbit::Format format = lowbit::format_from_name(name);
  const model::Family wanted = format == lowbit::Format::kBin1 ? model::Family::kBinary : model::Family::kTernary;
  if (family != wanted)
    throw Error(
        Exit::kUsage,
        fmt::format("--packed {} holds {} weights, the family is {}", name, model::family_name(wanted), model::family_name(family)),
        "2bit and 1.6bit are for the ternary family, 1bit for the binary one, 3bit, 4bit, 6bit and 8bit for the float one");
  return format;
}

/// Throws Error where the model would not fit in memory or on disk: called before anything is written.
void check_room(const model::Config& config, uint64_t bytes, const fs::path& out) {
  const uint64_t largest_matrix = static_cast<uint64_t>(config.hidden) * static_cast<uint64_t>(std::max(config.hidden, config.glu));
  require_memory(7 * largest_matrix, "the largest matrix", "choose smaller dimensions");  // as floats and as what is written
  require_disk(bytes, out, "the model");
}

std::string config_text(const model::Config& config, const std::optional<lowbit::Format>& packed,
                        const std::optional<model::QuantizationInfo>& quantized) {
  if (!quantized) return model::config_to_json(config, "float16", packed ? lowbit::format_name(*packed) : "");
  auto document = nlohmann::ordered_json::parse(model::config_to_json(config, "float16"));
  document["quantization_config"] =
      nlohmann::ordered_json::parse(model::quantization_config_json(model::QuantizedFormat::kCompressedTensors, *quantized));
  return document.dump(2) + "\n";
}

/// What is made, in which form, and how large it will be.
struct NewModel {
  std::optional<text::Tokenizer> tokenizer;
  model::Config config;
  std::optional<lowbit::Format> packed;
  std::optional<model::QuantizationInfo> quantized;
  uint64_t bytes = 0;

  std::string packed_name() const { return packed ? lowbit::format_name(*packed) : quantized ? "compressed-tensors" : ""; }
};

NewModel plan_of(const InitOptions& options) {
  NewModel plan;
  if (!options.tokenizer.empty()) plan.tokenizer = text::Tokenizer::load(options.tokenizer);
  plan.config = make_config(options, plan.tokenizer);
  plan.packed = packed_format(options.packed, plan.config.family);
  plan.quantized = quantization(options.packed);
  if (plan.quantized) model::check_quantized_format(model::QuantizedFormat::kCompressedTensors, *plan.quantized, plan.config);
  require(!plan.quantized || plan.config.family == model::Family::kFloat,
          fmt::format("--packed {} is of quantized float models, the family is {}", options.packed, options.family),
          "leave --family out");
  plan.bytes = plan.quantized ? train::random_quantized_bytes(plan.config, *plan.quantized)
                              : train::random_model_bytes(plan.config, plan.packed);
  return plan;
}

std::string provenance_extra(const NewModel& plan, int64_t seed) {
  nlohmann::ordered_json extra = {{"made_by", "init"}, {"seed", seed}};
  if (plan.quantized)
    extra["quantization"] = nlohmann::ordered_json::parse(
        model::quantization_provenance_json(model::QuantizedFormat::kCompressedTensors, *plan.quantized));
  return extra.dump();
}

void write_model(const InitOptions& options, const NewModel& plan) {
  AtomicDirectory out(options.out);
  const fs::path file = out.path() / "model.safetensors";
  const auto seed = static_cast<uint64_t>(options.seed);
  const std::string sha = plan.quantized ? train::write_random_quantized(file, plan.config, *plan.quantized, seed)
                                         : train::write_random_model(file, plan.config, plan.packed, seed);
  write_file(out.path() / "config.json", config_text(plan.config, plan.packed, plan.quantized));
  if (plan.tokenizer) {
    if (fs::is_directory(options.tokenizer)) format::copy_tokenizer_files(options.tokenizer, out.path());
    write_file(out.path() / "tokenizer.json", plan.tokenizer->json());
  }
  format::Provenance provenance;
  provenance.family = model::family_name(plan.config.family);
  provenance.size = options.size;
  provenance.step = 0;
  provenance.tokens = 0;
  provenance.extra_json = provenance_extra(plan, options.seed);
  format::write_provenance(out.path(), provenance, {{"model.safetensors", sha}});
  out.commit();
}

void run_init(const InitOptions& options) {
  const NewModel plan = plan_of(options);
  check_room(plan.config, plan.bytes, options.out);
  write_model(options, plan);
  const int64_t parameters = model::count_parameters(plan.config).total();
  log_info("{}: a random {} model of {} parameters, {}", options.out, model::family_name(plan.config.family),
           format_count(static_cast<uint64_t>(parameters)), format_bytes(plan.bytes));
  if (global().json)
    print_json(nlohmann::ordered_json{{"schema", "spectra.init/1"},
                                      {"out", options.out},
                                      {"family", model::family_name(plan.config.family)},
                                      {"packed", plan.packed_name()},
                                      {"vocab", plan.config.vocab},
                                      {"parameters", parameters},
                                      {"bytes", plan.bytes}}
                   .dump());
}

}  // namespace

Command make_init() {
  const auto a = std::make_shared<InitOptions>();
  return {.name = "init",
          .summary = "write a random model: of a Spectra size or of given dimensions, for tests and benchmarks",
          .options =
              {{.name = "--size",
                .help = "a row of the paper's table: 99M 190M 390M 560M 830M 1.1B 1.5B 2.4B 3.9B",
                .target = &a->size},
               {.name = "--family",
                .help = "how linear layers are represented; by default ternary, float where --packed says so",
                .target = &a->family,
                .choices = {"float", "ternary", "binary"}},
               {.name = "-o,--out", .help = "the model directory to make", .target = &a->out, .required = true},
               {.name = "--packed",
                .help = "write linear layers packed: 2bit, 1.6bit (ternary), 1bit (binary), 3bit, 4bit, 6bit or 8bit (quantized)",
                .target = &a->packed},
               {.name = "--tokenizer",
                .help = "tokenizer.json or a directory with one, copied; sets the vocabulary",
                .target = &a->tokenizer},
               {.name = "--hidden", .help = "width of the residual stream", .target = &a->hidden},
               {.name = "--glu", .help = "width inside the feed-forward", .target = &a->glu},
               {.name = "--heads", .help = "attention heads", .target = &a->heads},
               {.name = "--layers", .help = "transformer layers", .target = &a->layers},
               {.name = "--vocab", .help = "rows of the embedding, where no tokenizer is given", .target = &a->vocab},
               {.name = "--kv-heads", .help = "key and value heads, default as --heads", .target = &a->kv_heads, .advanced = true},
               {.name = "--shards", .help = "scales per matrix, default 1 or as the size", .target = &a->shards, .advanced = true},
               {.name = "--context", .help = "longest text in tokens", .target = &a->context, .advanced = true},
               {.name = "--seed", .help = "of the random numbers", .target = &a->seed}},
          .run = [a] { run_init(*a); },
          .examples = {"spectra init --size 99M --family ternary --packed 2bit --out random-99m",
                       "spectra init --hidden 256 --glu 640 --heads 4 --layers 8 --vocab 8192 --out random-10m"}};
}

}  // namespace spectra::cli

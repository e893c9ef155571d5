// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "base/log.h"
#include "base/system.h"
#include "base/units.h"
#include "cli/command.h"
#include "format/model_directory.h"
#include "model/quantized_writer.h"
#include "text/tokenizer.h"
#include "train/random_model.h"

namespace spectra::cli {
namespace {

struct Options {
  std::string size, family, out, packed, tokenizer;
  int64_t hidden = 0, glu = 0, heads = 0, kv_heads = 0, layers = 0, vocab = 0, shards = 0, context = 2048, seed = 1;
};

Error usage(const std::string& message, const std::string& hint) { return Error(Exit::kUsage, message, hint); }

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

/// Dimensions without the vocabulary, from --size or from numbers.
model::Config dimensions(const Options& options) {
  const model::Family family = !options.family.empty()        ? model::family_from_name(options.family)
                               : quantization(options.packed) ? model::Family::kFloat
                                                              : model::Family::kTernary;
  const bool numbers =
      options.hidden != 0 || options.glu != 0 || options.heads != 0 || options.layers != 0 || options.kv_heads != 0;
  const bool all = options.hidden != 0 && options.glu != 0 && options.heads != 0 && options.layers != 0;
  if (options.size.empty() ? !all : numbers)
    throw usage("give either --size, or all of --hidden, --glu, --heads and --layers",
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

model::Config make_config(const Options& options, const std::optional<text::Tokenizer>& tokenizer) {
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
    throw usage("the size of the vocabulary is not known", "give --vocab or --tokenizer");
  }
  model::validate(config);
  return config;
}

std::optional<lowbit::Format> packed_format(const std::string& name, model::Family family) {
  if (name.empty() || quantization(name)) return std::nullopt;
  const lowbit::Format format = lowbit::format_from_name(name);
  const model::Family wanted = format == lowbit::Format::kBin1 ? model::Family::kBinary : model::Family::kTernary;
  if (family != wanted)
    throw usage(
        fmt::format("--packed {} holds {} weights, the family is {}", name, model::family_name(wanted), model::family_name(family)),
        "2bit and 1.6bit are for the ternary family, 1bit for the binary one, 3bit, 4bit, 6bit and 8bit for the float one");
  return format;
}

/// Refuses what would not fit before anything is written.
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

void run_init(const Options& options) {
  std::optional<text::Tokenizer> tokenizer;
  if (!options.tokenizer.empty()) tokenizer = text::Tokenizer::load(options.tokenizer);
  const model::Config config = make_config(options, tokenizer);
  const std::optional<lowbit::Format> packed = packed_format(options.packed, config.family);
  const std::optional<model::QuantizationInfo> quantized = quantization(options.packed);
  if (quantized) model::check_quantized_format(model::QuantizedFormat::kCompressedTensors, *quantized, config);
  if (quantized && config.family != model::Family::kFloat)
    throw usage(fmt::format("--packed {} is of quantized float models, the family is {}", options.packed, options.family),
                "leave --family out");
  const uint64_t bytes = quantized ? train::random_quantized_bytes(config, *quantized) : train::random_model_bytes(config, packed);
  check_room(config, bytes, options.out);

  AtomicDirectory out(options.out);
  const fs::path file = out.path() / "model.safetensors";
  const auto seed = static_cast<uint64_t>(options.seed);
  const std::string sha = quantized ? train::write_random_quantized(file, config, *quantized, seed)
                                    : train::write_random_model(file, config, packed, seed);
  write_file(out.path() / "config.json", config_text(config, packed, quantized));
  if (tokenizer) {
    if (fs::is_directory(options.tokenizer)) format::copy_tokenizer_files(options.tokenizer, out.path());
    write_file(out.path() / "tokenizer.json", tokenizer->json());
  }
  format::Provenance provenance;
  provenance.family = model::family_name(config.family);
  provenance.size = options.size;
  provenance.step = 0;
  provenance.tokens = 0;
  nlohmann::ordered_json extra = {{"made_by", "init"}, {"seed", options.seed}};
  if (quantized)
    extra["quantization"] =
        nlohmann::ordered_json::parse(model::quantization_provenance_json(model::QuantizedFormat::kCompressedTensors, *quantized));
  provenance.extra_json = extra.dump();
  format::write_provenance(out.path(), provenance, {{"model.safetensors", sha}});
  out.commit();

  const int64_t parameters = model::count_parameters(config).total();
  log_info("{}: a random {} model of {} parameters, {}", options.out, model::family_name(config.family),
           format_count(static_cast<uint64_t>(parameters)), format_bytes(bytes));
  if (global().json)
    print_json(nlohmann::ordered_json{
        {"schema", "spectra.init/1"},
        {"out", options.out},
        {"family", model::family_name(config.family)},
        {"packed", packed      ? lowbit::format_name(*packed)
                   : quantized ? "compressed-tensors"
                               : ""},
        {"vocab", config.vocab},
        {"parameters", parameters},
        {"bytes",
         bytes}}.dump());
}

}  // namespace

Command make_init() {
  static Options options;
  return {"init",
          "write a random model: of a Spectra size or of given dimensions, for tests and benchmarks",
          {{"--size", "a row of the paper's table: 99M 190M 390M 560M 830M 1.1B 1.5B 2.4B 3.9B", &options.size},
           {"--family",
            "how linear layers are represented; by default ternary, float where --packed says so",
            &options.family,
            false,
            false,
            {"float", "ternary", "binary"}},
           {"-o,--out", "the model directory to make", &options.out, true},
           {"--packed", "write linear layers packed: 2bit, 1.6bit (ternary), 1bit (binary), 3bit, 4bit, 6bit or 8bit (quantized)",
            &options.packed},
           {"--tokenizer", "tokenizer.json or a directory with one, copied; sets the vocabulary", &options.tokenizer},
           {"--hidden", "width of the residual stream", &options.hidden},
           {"--glu", "width inside the feed-forward", &options.glu},
           {"--heads", "attention heads", &options.heads},
           {"--layers", "transformer layers", &options.layers},
           {"--vocab", "rows of the embedding, where no tokenizer is given", &options.vocab},
           {"--kv-heads", "key and value heads, default as --heads", &options.kv_heads, false, true},
           {"--shards", "scales per matrix, default 1 or as the size", &options.shards, false, true},
           {"--context", "longest text in tokens", &options.context, false, true},
           {"--seed", "of the random numbers", &options.seed}},
          [] { run_init(options); },
          {"spectra init --size 99M --family ternary --packed 2bit --out random-99m",
           "spectra init --hidden 256 --glu 640 --heads 4 --layers 8 --vocab 8192 --out random-10m"}};
}

}  // namespace spectra::cli

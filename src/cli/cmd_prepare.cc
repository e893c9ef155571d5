// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/log.h"
#include "base/stopwatch.h"
#include "base/units.h"
#include "cli/command.h"
#include "cli/usage.h"
#include "text/bpe_trainer.h"
#include "text/prepare.h"

namespace spectra::cli {
namespace {

constexpr int64_t kLargestVocabulary = 1'000'000;
constexpr double kHeldOutStories = 0.01;

struct PrepareOptions {
  std::vector<std::string> inputs, valid;
  std::string tokenizer, out, synthetic;
  int64_t train_tokenizer = 0, stories = 60'000, seed = 1;
  double valid_fraction = 0;
};

text::PrepareOptions check(const PrepareOptions& options) {
  const bool synthetic = !options.synthetic.empty();
  require(synthetic == options.inputs.empty(), "spectra prepare needs either input files or --synthetic stories",
          "for example: spectra prepare books.txt.zst --train-tokenizer 8192 --out data/books");
  require(options.tokenizer.empty() != (options.train_tokenizer == 0),
          "spectra prepare needs either --tokenizer or --train-tokenizer",
          "--tokenizer takes a tokenizer.json or a directory with one, --train-tokenizer the number of entries");
  require(options.tokenizer.empty()
              ? options.train_tokenizer >= text::kSmallestVocabulary && options.train_tokenizer <= kLargestVocabulary
              : true,
          fmt::format("--train-tokenizer {} is out of range", options.train_tokenizer),
          fmt::format("{} to {}", text::kSmallestVocabulary, kLargestVocabulary));
  require(options.valid.empty() || (!synthetic && options.valid_fraction == 0),
          "--valid cannot be combined with --valid-fraction or --synthetic", "use one of them");
  require(options.valid_fraction >= 0 && options.valid_fraction < 1,
          fmt::format("--valid-fraction {} is out of range", options.valid_fraction), "0 or more, less than 1");
  require(options.stories > 0 && options.seed >= 0, "--stories must be positive and --seed not negative", "");

  text::PrepareOptions result;
  result.inputs.assign(options.inputs.begin(), options.inputs.end());
  result.valid_files.assign(options.valid.begin(), options.valid.end());
  result.valid_fraction = synthetic && options.valid_fraction == 0 ? kHeldOutStories : options.valid_fraction;
  result.stories = synthetic ? static_cast<uint64_t>(options.stories) : 0;
  result.seed = static_cast<uint64_t>(options.seed);
  result.tokenizer = options.tokenizer;
  result.train_vocabulary = options.train_tokenizer;
  result.out = options.out;
  result.threads = static_cast<int>(global().threads);
  return result;
}

nlohmann::ordered_json to_json(const text::SplitSummary& split) {
  return {{"tokens", split.tokens}, {"documents", split.documents}};
}

void run_prepare(const PrepareOptions& options) {
  const Stopwatch watch;
  const text::PrepareSummary summary = text::prepare(check(options));
  const double seconds = watch.seconds();
  if (summary.replaced_bytes > 0) log_warning("{} bytes of invalid UTF-8 were replaced by U+FFFD", summary.replaced_bytes);
  if (global().json) {
    nlohmann::ordered_json json = {{"schema", "spectra.prepare/1"},
                                   {"out", options.out},
                                   {"vocab", summary.vocab},
                                   {"tokenizer_sha256", summary.tokenizer_sha256},
                                   {"train", to_json(summary.train)},
                                   {"valid", to_json(summary.valid)},
                                   {"text_bytes", summary.text_bytes},
                                   {"replaced_bytes", summary.replaced_bytes},
                                   {"seconds", seconds}};
    return print_json(json.dump());
  }
  fmt::print("train       {} tokens in {} documents\n", summary.train.tokens, summary.train.documents);
  fmt::print("valid       {} tokens in {} documents\n", summary.valid.tokens, summary.valid.documents);
  const double tokens = static_cast<double>(summary.train.tokens + summary.valid.tokens);
  fmt::print("vocabulary  {} entries, {:.2f} bytes of text a token\n", summary.vocab,
             static_cast<double>(summary.text_bytes) / tokens);
  log_info("{} of text in {}, written to {}", format_bytes(summary.text_bytes), format_duration(seconds), options.out);
}

}  // namespace

Command make_prepare() {
  const auto a = std::make_shared<PrepareOptions>();
  return {.name = "prepare",
          .summary = "turn text into token data for training",
          .options = {{.name = "INPUT",
                       .help = "text (.txt; two empty lines end a document) or .jsonl (field `text`), plain or .gz, .zst, .bz2",
                       .target = &a->inputs},
                      {.name = "--tokenizer", .help = "a tokenizer.json, or a directory with one", .target = &a->tokenizer},
                      {.name = "--train-tokenizer",
                       .help = "train a tokenizer with this many entries on the input",
                       .target = &a->train_tokenizer},
                      {.name = "-o,--out", .help = "directory to write; must not exist", .target = &a->out, .required = true},
                      {.name = "--valid", .help = "a file of validation text; may be repeated", .target = &a->valid},
                      {.name = "--valid-fraction",
                       .help = "part of the documents kept for validation (of stories: held-out ones to add, 0 = 0.01)",
                       .target = &a->valid_fraction},
                      {.name = "--synthetic",
                       .help = "make the text up instead of reading it",
                       .target = &a->synthetic,
                       .choices = {"stories"}},
                      {.name = "--stories", .help = "how many stories", .target = &a->stories},
                      {.name = "--seed", .help = "of the stories and of the choice of validation documents", .target = &a->seed}},
          .run = [a] { run_prepare(*a); },
          .examples = {"spectra prepare books.txt.zst web.jsonl.gz --tokenizer model/ --valid-fraction 0.01 --out data",
                       "spectra prepare --synthetic stories --train-tokenizer 2048 --out data"}};
}

}  // namespace spectra::cli

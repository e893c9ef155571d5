// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/command.h"
#include "cli/inspect.h"
#include "text/tokenizer.h"
#include "train/data.h"

namespace spectra::cli {
namespace {

using nlohmann::ordered_json;

/// What decides a sequence, as a recipe: read, or made from the options.
train::Recipe recipe_of(const InspectOptions& options) {
  if (fs::path(options.path).extension() == ".toml") return train::load_recipe(options.path);
  train::Recipe recipe;
  recipe.data = options.path;
  recipe.tokenizer = options.tokenizer;
  recipe.sequence = options.length;
  recipe.seed = options.seed;
  return recipe;
}

/// The part of a document that lies in a sequence: tokens [begin, end) of it.
struct Piece {
  std::optional<uint64_t> document;
  size_t begin, end;
  std::string text;
};

std::vector<Piece> pieces_of(const format::TokenStream& stream, const train::Loader::Place& place,
                             const std::vector<int32_t>& tokens, const text::Tokenizer& tokenizer) {
  std::vector<size_t> cuts = {0};
  for (const uint64_t start : stream.document_starts(place.begin + 1, place.begin + tokens.size()))
    cuts.push_back(start - place.begin);
  cuts.push_back(tokens.size());
  std::vector<Piece> pieces;
  for (size_t i = 0; i + 1 < cuts.size(); ++i) {
    const std::vector<uint32_t> ids(tokens.begin() + static_cast<long>(cuts[i]), tokens.begin() + static_cast<long>(cuts[i + 1]));
    // A window may begin or end within a character.
    pieces.push_back(
        {stream.document_number(place.begin + cuts[i]), cuts[i], cuts[i + 1], text::sanitize_utf8(tokenizer.decode(ids, true))});
  }
  return pieces;
}

}  // namespace

void inspect_sequence(const InspectOptions& options) {
  if (options.sequence < 0 || options.length < 1 || options.seed < 0)
    throw Error(Exit::kUsage, "--sequence, --seq-length or --seed is out of range", "they are whole numbers from 0 (length: 1)");
  const train::Recipe recipe = recipe_of(options);
  const train::TrainingData data(recipe, train::DataCheck::kNone);
  const auto sources = data.train();
  const train::Loader loader(sources, recipe.sequence, static_cast<uint64_t>(recipe.seed));
  const train::Loader::Place place = loader.place(static_cast<uint64_t>(options.sequence));
  train::MicroBatch batch;
  loader.read(static_cast<uint64_t>(options.sequence), 1, batch);
  const std::string source = recipe.data_sources()[place.source].path;
  const auto pieces = pieces_of(*sources[place.source].stream, place, batch.tokens, text::Tokenizer::load(data.tokenizer_path()));
  const uint64_t end = place.begin + batch.tokens.size();

  if (global().json) {
    ordered_json documents = ordered_json::array();
    for (const Piece& piece : pieces)
      documents.push_back({{"number", piece.document ? ordered_json(*piece.document) : ordered_json(nullptr)},
                           {"begin", piece.begin},
                           {"end", piece.end},
                           {"text", piece.text}});
    print_json(ordered_json{{"schema", "spectra.sequence/1"},
                            {"sequence", options.sequence},
                            {"source", source},
                            {"epoch", place.epoch},
                            {"window", place.window},
                            {"windows", place.windows_there},
                            {"begin", place.begin},
                            {"end", end},
                            {"ids", batch.tokens},
                            {"documents", documents}}
                   .dump());
    return;
  }
  fmt::print("sequence     {}\n", options.sequence);
  fmt::print("source       {}, epoch {}\n", source, place.epoch);
  fmt::print("window       {} of {}: tokens {} to {}\n", place.window, place.windows_there, place.begin, end - 1);
  for (const Piece& piece : pieces)
    fmt::print("\n--- tokens {} to {}, document {}\n{}\n", piece.begin, piece.end - 1,
               piece.document ? fmt::format("{}", *piece.document) : "without a number", piece.text);
}

}  // namespace spectra::cli

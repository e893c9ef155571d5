// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/command.h"
#include "cli/inspect.h"
#include "cli/usage.h"
#include "text/tokenizer.h"
#include "train/data.h"

namespace spectra::cli {
namespace {

using nlohmann::ordered_json;

/// What decides which tokens a sequence holds, as a recipe: the one that was named, or one made from the options.
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

/// A sequence, where it lies and what is in it.
struct Shown {
  int64_t sequence;
  std::string source;
  train::Loader::Place place;
  std::vector<int32_t> tokens;
  std::vector<Piece> pieces;
  uint64_t end() const { return place.begin + tokens.size(); }
};

Shown read_sequence(const InspectOptions& options) {
  const train::Recipe recipe = recipe_of(options);
  const train::TrainingData data(recipe, train::DataCheck::kNone);
  const auto sources = data.train();
  const train::Loader loader(sources, recipe.sequence, static_cast<uint64_t>(recipe.seed));
  const train::Loader::Place place = loader.place(static_cast<uint64_t>(options.sequence));
  train::MicroBatch batch;
  loader.read(static_cast<uint64_t>(options.sequence), 1, batch);
  return {options.sequence, recipe.data_sources()[place.source].path, place, batch.tokens,
          pieces_of(*sources[place.source].stream, place, batch.tokens, text::Tokenizer::load(data.tokenizer_path()))};
}

void print_as_json(const Shown& shown) {
  ordered_json documents = ordered_json::array();
  for (const Piece& piece : shown.pieces)
    documents.push_back({{"number", piece.document ? ordered_json(*piece.document) : ordered_json(nullptr)},
                         {"begin", piece.begin},
                         {"end", piece.end},
                         {"text", piece.text}});
  print_json(ordered_json{{"schema", "spectra.sequence/1"},
                          {"sequence", shown.sequence},
                          {"source", shown.source},
                          {"epoch", shown.place.epoch},
                          {"window", shown.place.window},
                          {"windows", shown.place.windows_there},
                          {"begin", shown.place.begin},
                          {"end", shown.end()},
                          {"ids", shown.tokens},
                          {"documents", documents}}
                 .dump());
}

void print_text(const Shown& shown) {
  const train::Loader::Place& place = shown.place;
  fmt::print("sequence     {}\n", shown.sequence);
  fmt::print("source       {}, epoch {}\n", shown.source, place.epoch);
  fmt::print("window       {} of {}: tokens {} to {}\n", place.window, place.windows_there, place.begin, shown.end() - 1);
  for (const Piece& piece : shown.pieces)
    fmt::print("\n--- tokens {} to {}, document {}\n{}\n", piece.begin, piece.end - 1,
               piece.document ? fmt::format("{}", *piece.document) : "without a number", piece.text);
}

}  // namespace

void inspect_sequence(const InspectOptions& options) {
  require(options.sequence >= 0 && options.length >= 1 && options.seed >= 0, "--sequence, --seq-length or --seed is out of range",
          "they are whole numbers from 0 (length: 1)");
  const Shown shown = read_sequence(options);
  if (global().json)
    print_as_json(shown);
  else
    print_text(shown);
}

}  // namespace spectra::cli

// SPDX-License-Identifier: Apache-2.0
#pragma once
// A model answers.
#include <memory>
#include <string>

#include "eval/predictor.h"
#include "eval/scorer.h"
#include "eval/token_request.h"
#include "infer/engine.h"
#include "text/tokenizer.h"

namespace spectra::eval {

class EnginePredictor : public Predictor {
 public:
  /// Both must outlive the predictor. `alone`: requests are scored one at a time with nothing shared, by score_alone().
  EnginePredictor(infer::Engine& engine, const text::Tokenizer& tokenizer, bool alone = false)
      : engine_(engine), tokenizer_(tokenizer), encoder_(tokenizer, engine.context()), alone_(alone) {}

  void predict(const Task& task, const std::vector<Document>& documents, const std::vector<size_t>& wanted,
               const Done& done) override;

  /// Requests of a document as the model sees them (not those of generate tasks).
  std::vector<TokenRequest> encode(const Task& task, const Document& document);
  const Scorer::Stats& stats() const { return stats_; }  ///< of the last task; zeros where it was generated

 private:
  void score(const Task& task, const std::vector<Document>& documents, const std::vector<size_t>& order, const Done& done);
  using Next = std::function<std::optional<ScoreItem>()>;
  using Scored = std::function<void(size_t, const std::vector<RequestScore>&)>;
  void score_one_by_one(const Next& next, const Scored& done);
  void generate(const Task& task, const std::vector<Document>& documents, const std::vector<size_t>& order, const Done& done);

  infer::Engine& engine_;
  const text::Tokenizer& tokenizer_;
  Encoder encoder_;
  bool alone_;
  Scorer::Stats stats_;
};

}  // namespace spectra::eval

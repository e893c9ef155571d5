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
  /// Both must outlive the predictor.
  EnginePredictor(infer::Engine& engine, const text::Tokenizer& tokenizer)
      : engine_(engine), tokenizer_(tokenizer), encoder_(tokenizer, engine.context()) {}

  void predict(const Task& task, const std::vector<Document>& documents, const std::vector<size_t>& wanted,
               const Done& done) override;

  /// Requests of a document as the model sees them (not those of generate tasks).
  std::vector<TokenRequest> encode(const Task& task, const Document& document);
  const Scorer::Stats& stats() const { return stats_; }  ///< of the last task that was scored

 private:
  void score(const Task& task, const std::vector<Document>& documents, const std::vector<size_t>& order, const Done& done);
  void generate(const Task& task, const std::vector<Document>& documents, const std::vector<size_t>& order, const Done& done);

  infer::Engine& engine_;
  const text::Tokenizer& tokenizer_;
  Encoder encoder_;
  Scorer::Stats stats_;
};

}  // namespace spectra::eval

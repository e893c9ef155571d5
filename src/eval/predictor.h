// SPDX-License-Identifier: Apache-2.0
#pragma once
// Who answers: a model (eval/engine_predictor.h), or one of the two here that tests use in its place.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "eval/document.h"
#include "eval/task.h"

namespace spectra::eval {

class Predictor {
 public:
  using Done = std::function<void(size_t index, const Answer& answer)>;
  virtual ~Predictor() = default;
  /// Answers documents[i] for each i of `wanted`, in any order, and calls done(i, answer) as each is ready. Throws Error (exit 130)
  /// on an interrupt.
  virtual void predict(const Task& task, const std::vector<Document>& documents, const std::vector<size_t>& wanted,
                       const Done& done) = 0;
};

/// "uniform": every byte of a continuation has probability 1/256, and the text written is empty. "file:PATH": answers of all
/// requests in the order of --dump-requests, a line each: a logprob, [logprob, greedy], or a text in quotes. Throws Error (exit 2)
/// for another name.
std::unique_ptr<Predictor> make_predictor(const std::string& name);

}  // namespace spectra::eval

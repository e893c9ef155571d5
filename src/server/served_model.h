// SPDX-License-Identifier: Apache-2.0
#pragma once
// A model as the server has it: weights, tokenizer, and the batcher of its requests.
#include <memory>
#include <string>

#include "infer/batcher.h"
#include "infer/engine.h"
#include "text/chat/chat_template.h"
#include "text/tokenizer.h"

namespace spectra::server {

struct ModelOptions {
  infer::LoadOptions load;
  infer::EngineOptions engine = {.activations = std::nullopt};  ///< kv_bytes: of all requests; 0 = max_running of them half full
  int64_t context = 0;                                          ///< positions a request may fill; 0 = the model's
  int64_t max_running = 32;                                     ///< requests that run together
};

struct ServedModel {
  std::string name;  ///< of the directory, unless given
  fs::path path;
  text::Tokenizer tokenizer;
  int64_t context;      ///< positions a request may fill
  int64_t max_running;  ///< requests that run together
  infer::Engine engine;
  infer::Batcher batcher;
  text::ChatTemplate chat;
  int64_t created;  ///< seconds since 1970, of the model's files

  /// `model`: DIRECTORY or NAME=DIRECTORY. Throws Error as load_model() does, and where the tokenizer does not belong to it.
  ServedModel(const std::string& model, const ModelOptions& options);

 private:
  ServedModel(std::string model_name, const fs::path& directory, std::shared_ptr<const infer::Model> model,
              const ModelOptions& options);
};

}  // namespace spectra::server

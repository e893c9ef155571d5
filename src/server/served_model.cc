// SPDX-License-Identifier: Apache-2.0
#include "server/served_model.h"

#include <algorithm>

#include "base/error.h"
#include "base/system.h"
#include "infer/cpu/kv_memory.h"
#include "infer/generate.h"

namespace spectra::server {
namespace {

infer::EngineOptions engine_options(const infer::Model& model, const ModelOptions& options, int64_t context) {
  infer::EngineOptions result = infer::with_defaults(options.engine, model);
  const int64_t page = infer::kv_page_bytes(model.config, *result.kv_type), whole = infer::kv_pages(context) * page;
  const int64_t half_full = options.max_running * infer::kv_pages((context + 1) / 2) * page;
  if (result.kv_bytes == 0) result.kv_bytes = static_cast<uint64_t>(std::max(whole, half_full));
  require_memory(result.kv_bytes, "keys and values", "give --kv-memory less");
  return result;
}

int64_t context_of(const infer::Model& model, int64_t wanted) {
  const int64_t longest = model.config.max_position;
  if (wanted > longest)
    throw Error(Exit::kUsage, fmt::format("--context {} is more than the model's {}", wanted, longest),
                fmt::format("allowed: 1 to {}", longest));
  return wanted > 0 ? wanted : longest;
}

int64_t seconds_of(const fs::path& path) {
  const auto age = fs::file_time_type::clock::now() - fs::last_write_time(path);
  const auto then = std::chrono::system_clock::now() - std::chrono::duration_cast<std::chrono::seconds>(age);
  return std::chrono::duration_cast<std::chrono::seconds>(then.time_since_epoch()).count();
}

/// Position of the "=" after a name; npos where `model` is a directory, which may have a "=" in its name.
size_t equals_of(const std::string& model) { return fs::exists(model) ? std::string::npos : model.find('='); }

std::string name_of(const std::string& model) {
  const size_t equals = equals_of(model);
  if (equals == 0)
    throw Error(Exit::kUsage, fmt::format("\"{}\" has no name before the =", model), "give NAME=DIRECTORY or DIRECTORY");
  return equals == std::string::npos ? fs::weakly_canonical(model).filename().string() : model.substr(0, equals);
}

fs::path path_of(const std::string& model) {
  const size_t equals = equals_of(model);
  return equals == std::string::npos ? model : model.substr(equals + 1);
}

}  // namespace

ServedModel::ServedModel(const std::string& model, const ModelOptions& options)
    : ServedModel(name_of(model), path_of(model), infer::load_model(path_of(model), options.load), options) {}

ServedModel::ServedModel(std::string model_name, const fs::path& directory, std::shared_ptr<const infer::Model> model,
                         const ModelOptions& options)
    : name(std::move(model_name)),
      path(directory),
      tokenizer(text::Tokenizer::load(directory)),
      context(context_of(*model, options.context)),
      max_running(options.max_running),
      engine(model, engine_options(*model, options, context)),
      batcher(engine, {.max_running = max_running, .vocab = tokenizer.vocab_size()}),
      chat(text::ChatTemplate::load(directory)),
      created(seconds_of(directory / "config.json")) {
  infer::check_tokenizer(*model, tokenizer);
}

}  // namespace spectra::server

// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/system.h"
#include "base/units.h"
#include "cli/eval.h"
#include "eval/engine_predictor.h"
#include "infer/cpu/kv_memory.h"
#include "infer/generate.h"

namespace spectra::cli {
namespace {

using nlohmann::ordered_json;

constexpr uint64_t kDefaultKvBytes = uint64_t{1} << 30;  // more where one whole context needs it

/// All that an answer depends on besides its request, as text. Files of the model count by name, size and time of change, because
/// reading them would take longer than starting.
std::string identity(const EvalArguments& a) {
  ordered_json files = ordered_json::object();
  std::vector<fs::path> paths;
  if (!a.model.empty())
    for (const auto& entry : fs::directory_iterator(a.model))
      if (entry.is_regular_file()) paths.push_back(entry.path());
  if (a.predictor.compare(0, 5, "file:") == 0) paths.emplace_back(a.predictor.substr(5));
  std::sort(paths.begin(), paths.end());
  for (const fs::path& path : paths)
    files[path.filename().string()] = {fs::file_size(path), fs::last_write_time(path).time_since_epoch().count()};
  fs::path model = fs::path(a.model).lexically_normal();
  if (!model.has_filename()) model = model.parent_path();  // "model/" is "model"
  return ordered_json{{"model", model.string()},  {"files", files},
                      {"predictor", a.predictor}, {"activations", a.engine.activations},
                      {"kv", a.engine.kv},        {"head", a.engine.head}}
             .dump(2) +
         "\n";
}

/// One line of the file that --dump-scores names.
std::string document_line(const eval::TaskResult& result, size_t index, eval::EnginePredictor* engine) {
  const eval::Document& document = result.documents[index];
  const eval::Answer& answer = result.answers[index];
  ordered_json line = {{"task", result.name}, {"document", document.number}, {"where", document.where}};
  if (!document.subset.empty()) line["part"] = document.subset;
  if (result.task.kind == eval::Kind::kGenerate) {
    line["text"] = eval::answer_text(result.task, answer.text);
    line["answers"] = document.answers;
  } else {
    line["logprobs"] = answer.logprobs;
    line["greedy"] = answer.greedy;
  }
  if (result.task.kind == eval::Kind::kChoice) {
    line["choice"] = eval::best_choice(answer.logprobs);
    line["gold"] = document.gold;
  }
  for (const std::string& name : result.task.metrics)
    line[name] = eval::find_metric(name, result.task.kind)->value(result.task, document, answer);
  if (engine != nullptr && result.task.kind != eval::Kind::kGenerate) {
    ordered_json ids = ordered_json::array(), scored = ordered_json::array();
    for (const eval::TokenRequest& request : engine->encode(result.task, document)) {
      ids.push_back(request.tokens);
      scored.push_back(request.scored);
    }
    line["ids"] = ids;
    line["scored"] = scored;
  }
  return line.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

void dump_scores(const std::string& path, const std::vector<eval::TaskResult>& results, eval::EnginePredictor* engine) {
  AtomicFile file(path);
  for (const eval::TaskResult& result : results)
    for (size_t i = 0; i < result.documents.size(); ++i) {
      const std::string line = document_line(result, i, engine);
      file.write(line.data(), line.size());
    }
  file.commit();
}

void log_speed(const eval::TaskResult& result) {
  const int64_t answered = static_cast<int64_t>(result.documents.size()) - result.reused;
  std::string speed;
  if (answered > 0 && result.seconds > 0)
    speed =
        fmt::format(", {} at {:.1f} documents/s", format_duration(result.seconds), static_cast<double>(answered) / result.seconds);
  if (answered > 0 && result.request_tokens > 0)
    speed += fmt::format(", {:.0f} tokens/s ({:.0f} % of the requests' tokens were shared)",
                         static_cast<double>(result.computed_tokens) / result.seconds,
                         100 - 100 * static_cast<double>(result.computed_tokens) / static_cast<double>(result.request_tokens));
  const std::string kept = result.reused > 0 ? fmt::format(" ({} already answered)", result.reused) : "";
  log_info("{}: {} documents{}{}", result.name, result.documents.size(), kept, speed);
}

}  // namespace

LoadedModel load_for_eval(const EvalArguments& a) {
  const auto model = infer::load_model(a.model, a.engine.load());
  infer::EngineOptions options = infer::with_defaults(a.engine.engine(), *model);
  if (options.kv_bytes == 0) {
    const int64_t page = infer::kv_page_bytes(model->config, *options.kv_type);
    options.kv_bytes = std::max(kDefaultKvBytes, static_cast<uint64_t>(infer::kv_pages(model->config.max_position) * page));
    require_memory(options.kv_bytes, "keys and values", "give --kv-memory less");
  }
  LoadedModel loaded;
  loaded.engine = std::make_unique<infer::Engine>(model, options);
  loaded.tokenizer = std::make_unique<text::Tokenizer>(text::Tokenizer::load(a.model));
  infer::check_tokenizer(*model, *loaded.tokenizer);
  return loaded;
}

std::string activations_of(const EvalArguments& a, const LoadedModel& model) {
  return model.engine ? infer::activations_name(model.engine->activations()) : a.engine.activations;
}

void run_evaluation(const EvalArguments& a, const LoadedModel& model, std::vector<eval::TaskResult>& results) {
  std::unique_ptr<eval::Predictor> predictor;
  eval::EnginePredictor* engine = nullptr;
  if (model.engine) {
    log_info("activations {}, kv {}, head {}, kernels {}", activations_of(a, model), infer::kv_type_name(model.engine->kv_type()),
             infer::head_name(model.engine->model()), kernels::kernels().name);
    auto asks_model = std::make_unique<eval::EnginePredictor>(*model.engine, *model.tokenizer, a.alone);
    engine = asks_model.get();
    predictor = std::move(asks_model);
  } else {
    predictor = eval::make_predictor(a.predictor);
  }
  std::unique_ptr<eval::AnswerStore> store;
  if (!a.out.empty()) store = std::make_unique<eval::AnswerStore>(a.out, identity(a), a.resume);
  for (eval::TaskResult& result : results) {
    eval::evaluate(result, *predictor, store.get(), a.bootstrap);
    if (engine != nullptr) {
      result.computed_tokens = engine->stats().computed_tokens;
      result.request_tokens = engine->stats().request_tokens;
    }
    log_speed(result);
  }
  if (!a.dump_scores.empty()) dump_scores(a.dump_scores, results, engine);
}

}  // namespace spectra::cli

// SPDX-License-Identifier: Apache-2.0
#include "api/model.h"

#include <algorithm>

#include "base/error.h"
#include "base/parallel.h"
#include "base/system.h"

namespace spectra::api {
namespace {

/// Nothing for the model's default.
std::optional<infer::ActivationType> activations_of(int32_t wanted) {
  switch (wanted) {
    case SPECTRA_ACTIVATIONS_AUTO:
      return std::nullopt;
    case SPECTRA_ACTIVATIONS_FP32:
      return infer::ActivationType::kFp32;
    case SPECTRA_ACTIVATIONS_BF16:
      return infer::ActivationType::kBf16;
    case SPECTRA_ACTIVATIONS_INT8:
      return infer::ActivationType::kInt8;
    default:
      throw Error(Exit::kUsage, fmt::format("activations {} is unknown", wanted),
                  "allowed: SPECTRA_ACTIVATIONS_AUTO, _FP32, _BF16, _INT8");
  }
}

int32_t number_of(infer::ActivationType activations) {
  switch (activations) {
    case infer::ActivationType::kFp32:
      return SPECTRA_ACTIVATIONS_FP32;
    case infer::ActivationType::kBf16:
      return SPECTRA_ACTIVATIONS_BF16;
    case infer::ActivationType::kInt8:
      return SPECTRA_ACTIVATIONS_INT8;
  }
  return SPECTRA_ACTIVATIONS_AUTO;
}

}  // namespace

/// A turn on the engine, with the model's number of threads.
class Model::Call {
 public:
  explicit Call(Model& model) : lock_(model.mutex_), threads_(model.info_.threads) {}
  /// Lets others have a turn during `body`.
  template <class Body>
  auto without(const Body& body) {
    struct Pause {
      explicit Pause(std::unique_lock<std::mutex>& held) : lock(held) { lock.unlock(); }
      ~Pause() { lock.lock(); }
      std::unique_lock<std::mutex>& lock;
    };
    const Pause pause(lock_);
    return body();
  }

 private:
  std::unique_lock<std::mutex> lock_;
  ScopedComputeThreads threads_;
};

Model::Model(const std::string& directory, const spectra_load_options& options) {
  if (options.threads < 0) throw Error(Exit::kUsage, fmt::format("threads {} is out of range", options.threads), "0 = all cores");
  const auto model = infer::load_model(directory);
  infer::EngineOptions engine_options;
  engine_options.activations = activations_of(options.activations);
  engine_options.kv_bytes = options.kv_bytes;
  engine_.emplace(model, engine_options);
  if (fs::exists(model->path / "tokenizer.json")) {
    tokenizer_ = text::Tokenizer::load(model->path);
    infer::check_tokenizer(*model, *tokenizer_);
  }
  describe(options);
}

void Model::describe(const spectra_load_options& options) {
  const infer::Model& model = engine_->model();
  const model::Config& c = model.config;
  info_.family = model::family_name(c.family);
  info_.format = model.packed() ? model.format.c_str() : "unpacked";
  info_.parameters = model::count_parameters(c).total();
  for (const format::TensorView* tensor : model.files->tensors()) info_.bytes += static_cast<int64_t>(tensor->data.size());
  info_.hidden = c.hidden;
  info_.glu = c.glu;
  info_.layers = c.layers;
  info_.heads = c.heads;
  info_.kv_heads = c.kv_heads;
  info_.context = c.max_position;
  info_.vocab = c.vocab;
  info_.tokenizer_vocab = tokenizer_ ? tokenizer_->vocab_size() : 0;
  info_.session_bytes = infer::kv_pages(c.max_position) * engine_->kv_page_bytes();
  info_.kv_bytes = engine_->kv().pages() * engine_->kv_page_bytes();
  info_.bos = tokenizer_ ? tokenizer_->bos() : c.bos;
  info_.eos = tokenizer_ ? tokenizer_->eos() : c.eos;
  info_.activations = number_of(engine_->activations());
  info_.threads = options.threads > 0 ? options.threads : cpu_count();
}

const text::Tokenizer& Model::tokenizer() const {
  if (!tokenizer_)
    throw bad_input(fmt::format("{} has no tokenizer.json", engine_->model().path.string()),
                    "copy the tokenizer that the model was trained with into its directory");
  return *tokenizer_;
}

std::vector<int32_t> Model::encode(std::string_view text, int32_t flags) const {
  const std::vector<uint32_t> ids = tokenizer().encode(text, (flags & SPECTRA_ENCODE_PLAIN) == 0);
  if ((flags & SPECTRA_ENCODE_BOS) != 0) return tokenizer().with_bos(ids);
  return {ids.begin(), ids.end()};
}

infer::Generated Model::generate(std::string_view prompt, const infer::GenerateOptions& options,
                                 const std::function<bool(std::string_view)>& on_text) {
  const std::vector<int32_t> ids = infer::encode_prompt(tokenizer(), std::string(prompt));
  Call call(*this);
  return infer::generate(*engine_, *tokenizer_, ids, options,
                         [&](std::string_view text) { return !on_text || call.without([&] { return on_text(text); }); });
}

Session::Session(std::shared_ptr<Model> model) : model_(std::move(model)) {
  const Model::Call call(*model_);
  id_ = model_->engine_->open_sequence();
}

Session::~Session() {
  const Model::Call call(*model_);
  model_->engine_->close_sequence(id_);
}

void Session::check(std::span<const int32_t> tokens, size_t appended) const {
  const spectra_info& info = model_->info();
  for (size_t i = 0; i < tokens.size(); ++i)
    if (tokens[i] < 0 || tokens[i] >= info.vocab)
      throw bad_input(fmt::format("tokens[{}] is {}", i, tokens[i]), fmt::format("allowed: 0 to {}", info.vocab - 1));
  if (length() + appended > static_cast<size_t>(info.context))
    throw bad_input(fmt::format("{} tokens after {} are more than the model's context {}", appended, length(), info.context),
                    "give fewer tokens, or rewind the session");
}

/// The sequence keeps its first `length` tokens; the memory of the others is free at once.
void Session::cut(int32_t length) {
  infer::Engine& engine = *model_->engine_;
  const int32_t kept = engine.open_sequence(id_, length);
  engine.close_sequence(id_);
  id_ = kept;
}

template <class Add, class Take>
void Session::forward(size_t count, const Add& add, const Take& take) {
  const int32_t before = length_;
  try {
    for (size_t begin = 0; begin < count; begin += infer::Engine::kBatchTokens) {
      infer::Batch batch;
      for (size_t i = begin; i < std::min(count, begin + infer::Engine::kBatchTokens); ++i) add(batch, i);
      take(model_->engine_->forward(batch));
    }
  } catch (...) {
    cut(before);
    throw;
  }
  length_ = before + static_cast<int32_t>(count);
}

void Session::append(std::span<const int32_t> tokens, float* logits) {
  if (tokens.empty()) throw Error(Exit::kUsage, "there are no tokens to append", "give at least one");
  const Model::Call call(*model_);
  check(tokens, tokens.size());
  const auto add = [&](infer::Batch& batch, size_t i) {
    if (logits != nullptr && i + 1 == tokens.size()) batch.logits_at = {static_cast<int32_t>(batch.tokens.size())};
    batch.add(tokens[i], length_ + static_cast<int32_t>(i), id_);
  };
  forward(tokens.size(), add,
          [&](const infer::Results& results) { std::copy(results.logits.begin(), results.logits.end(), logits); });
}

void Session::score(std::span<const int32_t> tokens, spectra_token_score* scores) {
  if (tokens.size() < 2)
    throw Error(Exit::kUsage, fmt::format("{} tokens cannot be scored", tokens.size()),
                "the first is only context: give at least 2");
  const Model::Call call(*model_);
  check(tokens, tokens.size() - 1);
  const auto add = [&](infer::Batch& batch, size_t i) {
    batch.targets.push_back({static_cast<int32_t>(batch.tokens.size()), tokens[i + 1]});
    batch.add(tokens[i], length_ + static_cast<int32_t>(i), id_);
  };
  forward(tokens.size() - 1, add, [&](const infer::Results& results) {
    for (const infer::TargetScore& score : results.scores) *scores++ = {score.logprob, score.top ? 1 : 0};
  });
}

void Session::rewind(size_t length) {
  const Model::Call call(*model_);
  if (length > this->length())
    throw Error(Exit::kUsage, fmt::format("cannot rewind {} tokens to {}", this->length(), length), "give a shorter length");
  cut(static_cast<int32_t>(length));
  length_ = static_cast<int32_t>(length);
}

}  // namespace spectra::api

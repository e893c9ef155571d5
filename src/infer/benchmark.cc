// SPDX-License-Identifier: Apache-2.0
#include "infer/benchmark.h"

#include <algorithm>
#include <memory>

#include "base/bandwidth.h"
#include "base/error.h"
#include "base/parallel.h"
#include "base/progress.h"
#include "base/rng.h"
#include "base/stopwatch.h"
#include "base/system.h"
#include "base/team.h"
#include "infer/cpu/kv_memory.h"

namespace spectra::infer {
namespace {

constexpr int64_t kFirstPrompt = 8;

uint64_t bytes_of(const Linear& w) {
  if (const PackedLinear* p = std::get_if<PackedLinear>(&w.weight))
    return p->matrix.codes.size() + p->scales.size() * sizeof(float);
  return static_cast<uint64_t>(w.rows * w.cols) * dtype_size(std::get<DenseMatrix>(w.weight).dtype);
}

/// Bytes and weights of all linear layers but the head.
struct Size {
  uint64_t bytes = 0;
  int64_t weights = 0;
};
Size linear_size(const Model& model) {
  Size size;
  for (const Linear* w : model.linears()) size.bytes += bytes_of(*w), size.weights += w->rows * w->cols;
  return size;
}

BenchmarkRates rates(std::vector<double> all) {
  std::sort(all.begin(), all.end());
  const size_t n = all.size();
  return {all.front(), n % 2 == 1 ? all[n / 2] : (all[n / 2 - 1] + all[n / 2]) / 2, all.back()};
}

/// A test that can be repeated.
class Runner {
 public:
  Runner(Engine& engine, const BenchmarkOptions& options) : engine_(engine), options_(options), rng_(1) {}

  /// Tokens per second of one prompt.
  double prefill() {
    const int32_t sequence = engine_.open_sequence();
    const Stopwatch time;
    feed(sequence, options_.prompt);
    const double seconds = time.seconds();
    engine_.close_sequence(sequence);
    return static_cast<double>(options_.prompt) / seconds;
  }
  /// Of `batch` sequences together, from empty ones.
  double decode() {
    std::vector<int32_t> sequences;
    for (int64_t i = 0; i < options_.batch; ++i) sequences.push_back(engine_.open_sequence());
    const Stopwatch time;
    for (int64_t position = 0; position < options_.generate; ++position) {
      check_interrupted();
      Batch batch;
      for (const int32_t sequence : sequences) {
        batch.logits_at.push_back(static_cast<int32_t>(batch.tokens.size()));
        batch.add(token(), static_cast<int32_t>(position), sequence);
      }
      engine_.forward(batch);
    }
    const double seconds = time.seconds();
    for (const int32_t sequence : sequences) engine_.close_sequence(sequence);
    return static_cast<double>(options_.generate * options_.batch) / seconds;
  }
  /// A prompt, with the logits of its last token.
  void feed(int32_t sequence, int64_t tokens) {
    for (int64_t begin = 0; begin < tokens; begin += Engine::kBatchTokens) {
      check_interrupted();
      Batch batch;
      const int64_t end = std::min(begin + Engine::kBatchTokens, tokens);
      for (int64_t i = begin; i < end; ++i) batch.add(token(), static_cast<int32_t>(i), sequence);
      if (end == tokens) batch.logits_at.push_back(static_cast<int32_t>(end - begin - 1));
      engine_.forward(batch);
    }
  }

 private:
  int32_t token() { return static_cast<int32_t>(rng_.below(static_cast<uint64_t>(engine_.model().config.vocab))); }

  Engine& engine_;
  const BenchmarkOptions& options_;
  Rng rng_;
};

/// Operations per second that `threads` threads reach on registers.
double peak(kernels::Busy busy, int threads) {
  if (busy == nullptr) return 0;
  constexpr size_t kRounds = 2000000;
  double best = 0;
  for (int repeat = 0; repeat < 3; ++repeat) {
    double operations = 0, seconds = 0;
    run_team(threads, [&](Team& team) {
      team.barrier();
      const Stopwatch time;
      const double mine = busy(kRounds);
      team.barrier();
      if (team.rank() == 0) operations = mine * team.size(), seconds = time.seconds();
    });
    best = std::max(best, operations / seconds);
  }
  return best;
}

kernels::Busy busy_of(const kernels::Kernels& k, ActivationType activations) {
  switch (activations) {
    case ActivationType::kFp32:
      return k.busy_f32;
    case ActivationType::kBf16:
      return k.busy_bf16 != nullptr ? k.busy_bf16 : k.busy_f32;
    case ActivationType::kInt8:
      return k.busy_i8;
  }
  return nullptr;
}

void check_lengths(const Engine& engine, const BenchmarkOptions& options) {
  for (const int64_t tokens : {options.prompt, options.generate})
    if (tokens > engine.context())
      throw Error(Exit::kUsage, fmt::format("{} tokens are more than the model's context of {}", tokens, engine.context()),
                  "ask for fewer");
}

/// Both tests of one number of threads. `probe` may be null.
class Pass {
 public:
  Pass(Engine& engine, const BenchmarkOptions& options, int threads) : engine_(engine), options_(options), threads_(threads) {
    const Model& m = engine.model();
    const Size linear = linear_size(m);
    const auto head = static_cast<double>(bytes_of(m.head));
    const double kv = static_cast<double>(engine.kv_page_bytes()) / kPagePositions;  // of a position
    const auto prompt = static_cast<double>(options.prompt), generate = static_cast<double>(options.generate),
               batch = static_cast<double>(options.batch), head_weights = static_cast<double>(m.head.rows * m.head.cols);
    if (options.prompt > 0)
      tests_.push_back({fmt::format("prefill {}", options.prompt), &Runner::prefill,
                        (static_cast<double>(linear.bytes) + head) / prompt,
                        2 * (static_cast<double>(linear.weights) + head_weights / prompt)});
    if (options.generate > 0)
      tests_.push_back({options.batch == 1 ? fmt::format("decode {}", options.generate)
                                           : fmt::format("decode {} x {}", options.generate, options.batch),
                        &Runner::decode, (static_cast<double>(linear.bytes) + head) / batch + kv * (generate + 1) / 2,
                        2 * (static_cast<double>(linear.weights) + head_weights)});
  }

  /// Reads all weights once, and makes all memory that the tests need.
  void warm_up() {
    BenchmarkOptions few = options_;
    few.generate = std::min<int64_t>(options_.generate, 4);
    Runner runner(engine_, few);
    for (const Test& test : tests_) (runner.*test.run)();
  }

  std::vector<BenchmarkResult> run(const BandwidthProbe* probe, const kernels::Kernels& k, Progress& progress, uint64_t& done) {
    Runner runner(engine_, options_);
    const double peak_ops = probe == nullptr ? 0 : peak(busy_of(k, engine_.activations()), threads_);
    std::vector<std::vector<double>> speeds(tests_.size());
    double bandwidth = 0;
    for (int64_t i = 0; i < options_.runs; ++i) {
      if (probe != nullptr) bandwidth = std::max(bandwidth, probe->measure(threads_));
      for (size_t t = 0; t < tests_.size(); ++t) {
        speeds[t].push_back((runner.*tests_[t].run)());
        progress.update(++done, fmt::format("{}, {} threads", tests_[t].name, threads_));
      }
    }
    std::vector<BenchmarkResult> results;
    for (size_t t = 0; t < tests_.size(); ++t) {
      BenchmarkResult r;
      r.test = tests_[t].name;
      r.threads = threads_;
      r.tokens_per_second = rates(speeds[t]);
      r.bytes_per_token = tests_[t].bytes_per_token;
      r.gbytes_per_second = r.tokens_per_second.median * r.bytes_per_token / 1e9;
      r.bandwidth = bandwidth;
      r.gops_per_second = r.tokens_per_second.median * tests_[t].ops_per_token / 1e9;
      r.peak_ops = peak_ops;
      results.push_back(r);
    }
    return results;
  }

 private:
  struct Test {
    std::string name;
    double (Runner::*run)();
    double bytes_per_token, ops_per_token;
  };
  Engine& engine_;
  const BenchmarkOptions& options_;
  int threads_;
  std::vector<Test> tests_;
};

}  // namespace

Benchmark benchmark_inference(const fs::path& path, const BenchmarkOptions& options) {
  Benchmark benchmark;
  set_compute_threads(options.threads.front());
  const Stopwatch start;
  const std::shared_ptr<const Model> model = load_model(path, options.load);
  benchmark.load_seconds = start.seconds();
  EngineOptions engine_options = with_defaults(options.engine, *model);
  if (engine_options.kv_bytes == 0) {
    const int64_t pages = std::max(kv_pages(std::max(options.prompt, kFirstPrompt)), kv_pages(options.generate) * options.batch);
    engine_options.kv_bytes = static_cast<uint64_t>(pages * kv_page_bytes(model->config, *engine_options.kv_type));
  }
  Engine engine(model, engine_options);
  check_lengths(engine, options);
  const int32_t first = engine.open_sequence();
  Runner(engine, options).feed(first, std::min(kFirstPrompt, engine.context()));
  benchmark.first_token_seconds = start.seconds();
  engine.close_sequence(first);
  benchmark.linear_bytes = linear_size(*model).bytes;
  benchmark.head_bytes = bytes_of(model->head);
  benchmark.activations = engine.activations();
  benchmark.kv_type = engine.kv_type();
  benchmark.head = head_name(*model);

  std::vector<Pass> passes;
  for (const int threads : options.threads) {
    set_compute_threads(threads);
    passes.emplace_back(engine, options, threads);
    passes.back().warm_up();
  }
  const uint64_t peak_rss = memory_peak();
  std::unique_ptr<BandwidthProbe> probe;
  if (options.bandwidth) probe = std::make_unique<BandwidthProbe>();
  const uint64_t tests = (options.prompt > 0) + (options.generate > 0);
  Progress progress("measuring", tests * static_cast<uint64_t>(options.runs) * passes.size());
  uint64_t done = 0;
  const kernels::Kernels& k = options.engine.kernels != nullptr ? *options.engine.kernels : kernels::kernels();
  for (size_t i = 0; i < passes.size(); ++i) {
    set_compute_threads(options.threads[i]);
    for (BenchmarkResult& result : passes[i].run(probe.get(), k, progress, done)) {
      result.peak_rss_bytes = peak_rss;
      benchmark.results.push_back(result);
    }
  }
  return benchmark;
}

}  // namespace spectra::infer

// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/parallel.h"
#include "base/progress.h"
#include "base/stopwatch.h"
#include "base/system.h"
#include "base/version.h"
#include "model/repack.h"
#include "quantize/calibration.h"
#include "quantize/job.h"
#include "quantize/moments.h"
#include "quantize/partial.h"
#include "quantize/plan.h"
#include "quantize/solve.h"
#include "quantize/stream.h"

namespace spectra::quantize {
namespace {

constexpr double kProgressSteps = 1000;  // of a block

enum PartIndex : uint8_t { kForward, kHessians, kFactors, kColumns, kErrors };

std::vector<float> dequantized(const lowbit::QuantizedMatrix& m) {
  std::vector<float> w(m.codes.size());
#pragma omp parallel for
  for (int64_t r = 0; r < m.rows; ++r)
    for (int64_t c = 0; c < m.cols; ++c)
      w[static_cast<size_t>(r * m.cols + c)] = m.scales[static_cast<size_t>(r * m.groups() + c / m.group_size)] *
                                               static_cast<float>(m.codes[static_cast<size_t>(r * m.cols + c)]);
  return w;
}

double mean_square(double sum, double of) { return of > 0 ? std::sqrt(std::max(0.0, sum) / of) : 0; }

/// One job under way. Without calibration (rtn) there are no streams, and each matrix is rounded as it is.
class Run {
 public:
  explicit Run(const Job& job);
  Report quantize();

 private:
  bool calibrated() const { return calibration_.samples > 0; }
  bool paired() const { return job_.options.method == Method::kGptaq; }
  std::string fingerprint() const;
  void block(int64_t index);
  void advance(Step step, MomentSums* sums);
  void timed(PartIndex part, double flop, const std::function<void()>& work);
  void solve_step(Step step, int64_t block, MomentSums* sums, FinishedBlock& finished);
  LinearReport solve_one(const model::Parameter& parameter, const Factor* factor, const float* hessian, FinishedBlock& finished);
  void score();
  void write();
  void show();
  std::vector<model::Parameter> linears(int64_t block, Step step) const;

  Job job_;
  const format::ModelDirectory directory_;
  const model::Config config_;
  const std::unique_ptr<ops::Backend> backend_;
  const Weights weights_;
  Calibration calibration_;
  Plan plan_;
  std::unique_ptr<Partial> partial_;
  std::unique_ptr<Stream> stream_, full_;  // with quantized weights; with those of the model, for some of the sequences or all
  std::unique_ptr<Progress> progress_;
  int64_t block_ = 0;      // being quantized
  double block_flop_ = 0;  // done in it
  Report report_;
};

std::string backend_name(const std::string& precision) {
  if (precision != "auto" && precision != "fp32" && precision != "bf16")
    throw Error(Exit::kUsage, fmt::format("--precision {} is unknown", precision), "allowed: auto, fp32, bf16");
  return precision;
}

Run::Run(const Job& job)
    : job_(job),
      directory_(job.model),
      config_(float_config(directory_)),
      backend_(ops::make_backend("cpu", backend_name(job.precision))),
      weights_([this](const std::string& name) {
        const format::TensorView& view = directory_.get(name);
        std::vector<float> values(static_cast<size_t>(view.elements()));
        format::read_floats(view, values.data());
        return values;
      }) {
  job_.options.group_size = choose_group_size(job, config_);
  model::check_quantized_format(job.format, {job_.options.bits, job_.options.group_size, job_.options.act_order, 0, "", ""},
                                config_);
  if (job_.sequence == 0) {
    job_.sequence = std::min(kSequence, config_.max_position);
    if (job_.sequence < kSequence && !job_.calibration.empty())
      log_info("sequences of {} tokens: the model's context is no longer", job_.sequence);
  }
  if (job_.sequence > config_.max_position)
    throw Error(Exit::kUsage, fmt::format("--sequence {} is longer than the model's context", job_.sequence),
                fmt::format("allowed: up to {}", config_.max_position));
  model::check_source(directory_, job.verify_checksums);
  report_.options = job_.options;
  report_.backend = backend_->name();
  report_.blocks = config_.layers;
  for (const char* name : {"forward", "hessians", "factors", "columns", "errors"}) report_.parts.push_back({name, 0, 0});
  plan_ = make_plan(job_, config_, job_.calibration.empty() ? 0 : job_.samples, job_.sequence, dtype_size(backend_->activation()),
                    model::tensor_bytes(directory_));
  check_room(plan_, job_, *backend_);
  report_.spilled = plan_.spill;
  report_.peak = plan_.peak;
  if (!job_.calibration.empty())
    calibration_ = read_calibration(job_.calibration, text::Tokenizer::load(job_.model), config_.vocab, job_.samples, job_.sequence,
                                    job_.seed);
  report_.samples = calibration_.samples;
  report_.sequence = calibration_.sequence;
  report_.calibration_tokens = calibration_.available;
}

std::string Run::fingerprint() const {
  const Options& o = job_.options;
  nlohmann::ordered_json weights;
  for (const auto& entry : fs::directory_iterator(directory_.path()))
    if (entry.path().extension() == ".safetensors") weights[entry.path().filename().string()] = sha256_file(entry.path());
  return nlohmann::ordered_json{{"schema", "spectra.quantize_job/1"},
                                {"version", tool_version()},
                                {"weights", weights},
                                {"calibration", calibration_.sha256},
                                {"samples", calibration_.samples},
                                {"sequence", calibration_.sequence},
                                {"method", method_name(o.method)},
                                {"bits", o.bits},
                                {"group_size", o.group_size},
                                {"act_order", o.act_order},
                                {"damp", o.damp},
                                {"mse", o.mse},
                                {"reference_scales", o.reference_scales},
                                {"backend", backend_->name()},
                                {"threads", compute_threads()}}
             .dump(2) +
         "\n";
}

std::vector<model::Parameter> Run::linears(int64_t block, Step step) const {
  std::vector<model::Parameter> out;
  for (const model::Parameter& p : model::parameters(config_))
    if (p.role == model::Role::kLinear && p.layer == block && step_of(p.slot) == step) out.push_back(p);
  return out;
}

void Run::timed(PartIndex part, double flop, const std::function<void()>& work) {
  const Stopwatch watch;
  work();
  report_.parts[part].seconds += watch.seconds();
  report_.parts[part].flop += flop;
  block_flop_ += flop;
  show();
}

/// Blocks done and the share of the current one; a resumed block has less to do and then jumps to its end.
void Run::show() {
  const double share = plan_.flop > 0 ? std::min(1.0, block_flop_ * static_cast<double>(config_.layers) / plan_.flop) : 0;
  progress_->update(static_cast<uint64_t>((static_cast<double>(block_) + share) * kProgressSteps),
                    fmt::format("block {} of {}", std::min(block_ + 1, config_.layers), config_.layers));
}

/// All sequences through one step; `sums` takes their inputs and may be nullptr.
void Run::advance(Step step, MomentSums* sums) {
  const auto flops = [&](int64_t tokens) { return static_cast<double>(tokens) * step_flops(config_, step, stream_->time()); };
  for (int64_t chunk = 0; chunk < std::max(stream_->chunks(), full_->chunks()); ++chunk) {
    check_interrupted(
        fmt::format("finished blocks are kept in {}; the same command goes on from there", partial_->path().string()));
    ops::Tensor x, full;
    timed(kForward, flops(stream_->chunk_tokens(chunk)), [&] { x = stream_->run(step, chunk); });
    if (chunk < full_->chunks()) timed(kForward, flops(full_->chunk_tokens(chunk)), [&] { full = full_->run(step, chunk); });
    if (sums == nullptr) continue;
    const double flop = static_cast<double>(x.rows) * MomentSums::flops(x.cols, paired());
    timed(kHessians, flop, [&] { sums->add(x, full); });
  }
}

LinearReport Run::solve_one(const model::Parameter& parameter, const Factor* factor, const float* hessian,
                            FinishedBlock& finished) {
  const Stopwatch watch;
  const std::vector<float> w = weights_(parameter.name);
  const double squares = static_cast<double>(parameter.rows) * static_cast<double>(parameter.cols * parameter.cols);
  const Options& o = job_.options;
  Solved solved;
  timed(kColumns, solving_flops(o, false) * squares, [&] {
    solved = solve(w.data(), parameter.rows, parameter.cols, o.method == Method::kRtn ? nullptr : factor, o, parameter.name);
  });
  LinearReport report{model::module_name(parameter.name), parameter.rows, parameter.cols};
  report.weight_error = mean_square(solved.squared_difference, solved.squared_weights);
  report.clipped = static_cast<double>(solved.clipped) / static_cast<double>(parameter.rows * parameter.cols);
  if (hessian != nullptr)
    timed(kErrors, 4 * squares, [&] {
      report.output_error = mean_square(output_energy(w.data(), &solved.matrix, parameter.rows, parameter.cols, hessian),
                                        output_energy(w.data(), nullptr, parameter.rows, parameter.cols, hessian));
    });
  if (factor != nullptr) report.damp = factor->damp;
  report.seconds = watch.seconds();
  finished.matrices[parameter.name] = std::move(solved.matrix);
  return report;
}

/// The layers that read the step's inputs.
void Run::solve_step(Step step, int64_t block, MomentSums* sums, FinishedBlock& finished) {
  const std::vector<model::Parameter> layers = linears(block, step);
  Factor factor;
  Moments moments;
  if (sums != nullptr) timed(kHessians, 0, [&] { moments = sums->moments(); });
  progress_->clear();  // factorize() may warn
  const Stopwatch watch;
  const bool factored = job_.options.method != Method::kRtn;
  const auto size = static_cast<double>(input_width(config_, step));
  if (factored)
    timed(kFactors, size * size * size * 2 / 3,
          [&] { factor = factorize(moments, job_.options, model::module_name(layers.front().name)); });
  const double shared = watch.seconds() / static_cast<double>(layers.size());
  for (const model::Parameter& parameter : layers) {
    check_interrupted(
        fmt::format("finished blocks are kept in {}; the same command goes on from there", partial_->path().string()));
    finished.linears.push_back(solve_one(parameter, factored ? &factor : nullptr, moments.inputs, finished));
    finished.linears.back().seconds += shared;
  }
}

/// Quantizes a block, or takes it from an earlier call, and moves the streams behind it.
void Run::block(int64_t index) {
  const bool resumed = partial_->has(index);
  FinishedBlock finished;
  if (resumed) finished = partial_->load(index);
  if (resumed) ++report_.resumed_blocks;
  if (calibrated()) stream_->load_block(index, weights_), full_->load_block(index, weights_);
  for (const Step step : kSteps) {
    if (step == Step::kEnd && !calibrated()) break;
    std::unique_ptr<MomentSums> sums;
    if (calibrated() && !resumed && step != Step::kEnd)
      sums = std::make_unique<MomentSums>(*backend_, input_width(config_, step), paired());
    if (calibrated()) advance(step, sums.get());
    if (step == Step::kEnd) break;
    if (!resumed) solve_step(step, index, sums.get(), finished);
    if (!calibrated()) continue;
    for (const model::Parameter& p : linears(index, step)) stream_->set(p.slot, dequantized(finished.matrices.at(p.name)).data());
  }
  if (!resumed) partial_->save(index, finished);
  report_.linears.insert(report_.linears.end(), finished.linears.begin(), finished.linears.end());
}

void Run::score() {
  const int64_t sequences = scored_sequences(calibration_.samples, calibration_.sequence);
  report_.float_perplexity = std::exp(full_->loss(sequences, weights_));
  report_.quantized_perplexity = std::exp(stream_->loss(sequences, weights_));
  if (*report_.quantized_perplexity > kCollapse * *report_.float_perplexity || !std::isfinite(*report_.quantized_perplexity))
    log_warning(
        "the quantized model's perplexity on its calibration text is {:.4g}, the float model's {:.4g}: it has collapsed. Look for "
        "layers with a large output error; more bits, smaller groups, --method gptaq or --act-order may help",
        *report_.quantized_perplexity, *report_.float_perplexity);
}

void Run::write() {
  const Options& o = job_.options;
  model::QuantizationInfo info{o.bits, o.group_size, o.act_order, o.method == Method::kRtn ? 0 : o.damp, method_name(o.method), ""};
  if (calibrated())
    info.details_json = nlohmann::ordered_json{{"samples", calibration_.samples},
                                               {"sequence", calibration_.sequence},
                                               {"seed", job_.seed},
                                               {"calibration_sha256", calibration_.sha256}}
                            .dump();
  model::write_quantized_model(job_.model, job_.out, job_.format, info, [this](const std::string& parameter) {
    const size_t begin = std::string("model.layers.").size();
    return partial_->matrix(std::stoll(parameter.substr(begin, parameter.find('.', begin) - begin)), parameter);
  });
  partial_->remove();
}

Report Run::quantize() {
  const Stopwatch watch;
  fs::path partial = job_.out;
  partial += ".partial";
  partial_ = std::make_unique<Partial>(partial, fingerprint(), job_.options.bits);
  progress_ = std::make_unique<Progress>("quantizing", static_cast<uint64_t>(static_cast<double>(config_.layers) * kProgressSteps));
  if (calibrated()) {
    const fs::path spill = plan_.spill ? partial : fs::path();
    const int64_t full = paired() ? calibration_.samples : scored_sequences(calibration_.samples, calibration_.sequence);
    const std::span<const int32_t> tokens(calibration_.tokens);
    stream_ = std::make_unique<Stream>(*backend_, config_, tokens, calibration_.sequence, weights_, spill);
    full_ = std::make_unique<Stream>(*backend_, config_, tokens.first(static_cast<size_t>(full * calibration_.sequence)),
                                     calibration_.sequence, weights_, spill);
  }
  for (block_ = 0; block_ < config_.layers; ++block_) {
    block_flop_ = 0;
    show();
    block(block_);
  }
  progress_.reset();
  if (report_.resumed_blocks > 0) log_info("{} of {} blocks were finished earlier", report_.resumed_blocks, config_.layers);
  if (calibrated()) score();
  write();
  report_.seconds = watch.seconds();
  return report_;
}

}  // namespace

Report quantize_model(const Job& job) {
  require_new_directory(job.out);
  if (job.calibration.empty() && job.options.method != Method::kRtn)
    throw Error(Exit::kUsage, fmt::format("--method {} needs a --calibration text", method_name(job.options.method)),
                "give a text like those the model was trained on, or token data of `spectra prepare`; --method rtn needs none");
  return Run(job).quantize();
}

}  // namespace spectra::quantize

// SPDX-License-Identifier: Apache-2.0
#include "train/step.h"

#include <cmath>

#include "base/error.h"
#include "base/system.h"

namespace spectra::train {
namespace {

void share_block(ranks::Transfers& transfers, const Block& block) {
  for (const ops::Tensor& tensor : block.shared) transfers.broadcast(block.owner, tensor);
}

}  // namespace

void share_weights(ops::Backend& backend, ranks::Ranks& ranks, const Transformer& model) {
  ranks::Transfers transfers(backend, ranks);
  for (const Block& block : model.blocks()) share_block(transfers, block);
  transfers.wait_all();
}

double tree_sum(std::vector<double> values) {
  for (size_t step = 1; step < values.size(); step *= 2)
    for (size_t i = 0; i + step < values.size(); i += 2 * step) values[i] += values[i + step];
  return values.empty() ? 0 : values[0];
}

Optimizer::Optimizer(ops::Backend& backend, ranks::Ranks& ranks, Transformer& model, const Recipe& recipe)
    : backend_(backend),
      ranks_(ranks),
      transfers_(backend, ranks),
      model_(model),
      recipe_(recipe),
      schedule_(make_schedule(recipe)) {
  const size_t count = model.parameters().size();
  norm_buffer_ = backend.allocate(count * sizeof(double));
  squares_ = {norm_buffer_.data(), DType::kF64, 1, static_cast<int64_t>(count)};
}

StepNumbers Optimizer::measure(std::span<const double> group_losses, int64_t scored, double loss_scale) {
  const size_t count = static_cast<size_t>(squares_.cols);
  backend_.zero(squares_);
  for (size_t p = 0; p < count; ++p)
    if (const TrainedParameter& parameter = model_.parameters()[p]; parameter.owned)
      backend_.sum_squares(squares_.col_range(static_cast<int64_t>(p), 1), parameter.gradient);
  const std::vector<double> squares = backend_.read<double>(squares_);

  // Of each rank: losses of its groups, squares of its parameters (0 elsewhere), scored tokens, whether it was told to stop.
  std::vector<double> mine(group_losses.begin(), group_losses.end());
  mine.insert(mine.end(), squares.begin(), squares.end());
  mine.push_back(static_cast<double>(scored));
  mine.push_back(interrupted() ? 1 : 0);
  const std::vector<double> all = ranks_.gather(mine);
  std::vector<double> losses;
  StepNumbers numbers;
  double squared = 0, all_scored = 0;
  for (size_t p = 0; p < count; ++p) {
    const auto owner = static_cast<size_t>(model_.blocks()[model_.parameters()[p].block].owner);
    squared += all[owner * mine.size() + group_losses.size() + p];
  }
  for (size_t at = 0; at < all.size(); at += mine.size()) {
    losses.insert(losses.end(), all.begin() + static_cast<std::ptrdiff_t>(at),
                  all.begin() + static_cast<std::ptrdiff_t>(at + group_losses.size()));
    all_scored += all[at + mine.size() - 2];
    numbers.interrupted = numbers.interrupted || all[at + mine.size() - 1] != 0;
  }
  norm_squared_ = squared;
  divisor_ = loss_scale * (all_scored / static_cast<double>(recipe_.batch_tokens));
  numbers.loss = tree_sum(losses) / all_scored;
  numbers.grad_norm = std::sqrt(squared) / divisor_;
  return numbers;
}

UpdateResult Optimizer::update(int64_t number, double position) {
  UpdateResult result;
  result.lr = schedule_.lr(position);
  result.weight_decay = schedule_.decay(position);
  ops::AdamW hyper{};
  hyper.lr = static_cast<float>(result.lr);
  hyper.beta1 = static_cast<float>(recipe_.beta1);
  hyper.beta2 = static_cast<float>(recipe_.beta2);
  hyper.eps = static_cast<float>(recipe_.eps);
  hyper.step = number;
  hyper.gradient_scale = static_cast<float>(1 / divisor_);
  for (size_t b = 0; b < model_.blocks().size(); ++b) {
    const Block& block = model_.blocks()[b];
    if (block.owner == ranks_.rank()) {
      for (size_t i = block.first; i < block.first + block.count; ++i) {
        TrainedParameter& p = model_.parameters()[i];
        hyper.weight_decay = p.decayed() ? static_cast<float>(result.weight_decay) : 0.0f;
        backend_.adamw(p.weight, p.gradient, p.moment1, p.moment2, hyper, norm_squared_, static_cast<float>(recipe_.clip));
      }
      model_.quantize(b);
    } else {
      backend_.zero(block.gradient);
    }
    share_block(transfers_, block);
  }
  transfers_.wait_all();
  count_codes(result);
  return result;
}

void Optimizer::discard() {
  for (const Block& block : model_.blocks()) backend_.zero(block.gradient);
}

/// Zeros and flips are counted by owners; sums of whole numbers are exact in any order.
void Optimizer::count_codes(UpdateResult& result) const {
  if (model_.config().family == model::Family::kFloat) return;
  const std::vector<ops::QuantizeStats> stats = model_.quantize_stats();
  double zeros = 0, flips = 0, weights = 0;
  for (size_t p = 0; p < stats.size(); ++p) {
    const TrainedParameter& parameter = model_.parameters()[p];
    if (parameter.stats.data != nullptr) weights += static_cast<double>(parameter.weight.size());
    zeros += static_cast<double>(stats[p].zeros);  // 0 where another rank owns it
    flips += static_cast<double>(stats[p].flips);
  }
  if (weights == 0) return;
  const std::vector<double> all = ranks_.gather(std::vector<double>{zeros, flips});
  zeros = flips = 0;
  for (size_t i = 0; i < all.size(); i += 2) {
    zeros += all[i];
    flips += all[i + 1];
  }
  result.flip_fraction = flips / weights;
  if (model_.config().family == model::Family::kTernary) result.zero_fraction = zeros / weights;
}

}  // namespace spectra::train

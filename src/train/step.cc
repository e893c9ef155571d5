// SPDX-License-Identifier: Apache-2.0
#include "train/step.h"

#include <cmath>

#include "base/error.h"

namespace spectra::train {

Optimizer::Optimizer(ops::Backend& backend, Transformer& model, const Recipe& recipe)
    : backend_(backend),
      model_(model),
      recipe_(recipe),
      schedule_(make_schedule(recipe)),
      norm_buffer_(backend.allocate(sizeof(double))),
      norm_squared_(norm_buffer_.data(), DType::kF64, 1, 1) {}

void Optimizer::begin() { model_.reset_loss(); }

UpdateResult Optimizer::update(int64_t step, double position) {
  backend_.zero(norm_squared_);
  for (const TrainedParameter& parameter : model_.parameters()) backend_.sum_squares(norm_squared_, parameter.gradient);
  UpdateResult result;
  result.lr = schedule_.lr(position);
  result.weight_decay = schedule_.decay(position);
  ops::AdamW hyper{};
  hyper.lr = static_cast<float>(result.lr);
  hyper.beta1 = static_cast<float>(recipe_.beta1);
  hyper.beta2 = static_cast<float>(recipe_.beta2);
  hyper.eps = static_cast<float>(recipe_.eps);
  hyper.step = step;
  for (TrainedParameter& p : model_.parameters()) {
    hyper.weight_decay = p.decayed() ? static_cast<float>(result.weight_decay) : 0.0f;
    backend_.adamw(p.weight, p.gradient, p.moment1, p.moment2, hyper, norm_squared_, static_cast<float>(recipe_.clip));
  }
  model_.quantize();

  // The only wait of a step: everything above is queued without a look at the numbers.
  result.loss_sum = model_.loss();
  result.grad_norm = std::sqrt(*norm_squared_.as<double>());
  if (!std::isfinite(result.loss_sum) || !std::isfinite(result.grad_norm))
    throw Error(
        Exit::kFailed,
        fmt::format("step {}: the loss is {} and the norm of the gradient {}; training has diverged", step,
                    result.loss_sum / static_cast<double>(recipe_.batch_tokens), result.grad_norm),
        fmt::format("the last checkpoint is kept; start a new run with a lower schedule.lr (now {}), a longer schedule.warmup "
                    "or a smaller optimizer.clip",
                    recipe_.lr));
  count_codes(result);
  return result;
}

void Optimizer::count_codes(UpdateResult& result) const {
  if (model_.config().family == model::Family::kFloat) return;
  int64_t zeros = 0, flips = 0, weights = 0;
  for (const TrainedParameter& parameter : model_.parameters()) {
    if (parameter.info.role != model::Role::kLinear || parameter.stats == nullptr) continue;
    zeros += parameter.stats->zeros;
    flips += parameter.stats->flips;
    weights += parameter.weight.size();
  }
  if (weights == 0) return;
  result.flip_fraction = static_cast<double>(flips) / static_cast<double>(weights);
  if (model_.config().family == model::Family::kTernary)
    result.zero_fraction = static_cast<double>(zeros) / static_cast<double>(weights);
}

}  // namespace spectra::train

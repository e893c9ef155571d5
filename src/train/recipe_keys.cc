// SPDX-License-Identifier: Apache-2.0
#include "train/recipe.h"

namespace spectra::train {
namespace {

constexpr double kDimension = 1 << 20, kCount = 1e15;

std::vector<Key> make_keys() {
  using R = Recipe;
  return {
      {"model.size", &R::size, "none: give the dimensions", "a row of the paper's size table: 99M ... 3.9B"},
      {"model.family", &R::family, "", "how linear weights are represented", 0, 0, {"float", "ternary", "binary"}},
      {"model.hidden", &R::hidden, "of model.size", "width of the residual stream (D)", 2, kDimension},
      {"model.glu", &R::glu, "of model.size", "width inside the feed-forward block (F)", 1, kDimension},
      {"model.heads", &R::heads, "of model.size", "attention heads (H)", 1, 4096},
      {"model.kv_heads", &R::kv_heads, "model.heads", "key and value heads (K)", 1, 4096},
      {"model.layers", &R::layers, "of model.size", "transformer layers", 1, 1024},
      {"model.shards", &R::shards, "of model.size, else 1", "scales per weight matrix (S)", 1, 64},
      {"model.tied", &R::tied, "false", "the head is the embedding"},
      {"data.path", &R::data, "", "token data: of `spectra prepare`, a Megatron pair or shards of llm.c", 0, 0, {}, true},
      {"data.valid", &R::valid_data, "valid splits of the data", "token data to validate on", 0, 0, {}, true},
      {"data.tokenizer", &R::tokenizer, "the data's own", "directory with the tokenizer.json that made the tokens", 0, 0, {}, true},
      {"data.mask_documents", &R::mask_documents, "false (paper)", "a token attends to its own document only"},
      {"train.tokens", &R::tokens, "", "tokens of the whole run", 1, kCount},
      {"train.batch_tokens", &R::batch_tokens, "2M float, 1M else (paper); 16384 below 99M", "tokens of one step", 1, 1e10},
      {"train.sequence", &R::sequence, "2048 (paper); 256 below 99M", "tokens of one sequence (T), the model's context", 2,
       kDimension},
      {"train.seed", &R::seed, "1", "seed of weights and data order", 0, 9e18},
      {"train.precision",
       &R::precision,
       "bf16 where the CPU has it, else fp32",
       "arithmetic of GEMMs and activations",
       0,
       0,
       {"auto", "bf16", "fp16", "fp32", "reference"}},
      {"train.micro_batch", &R::micro_batch, "the largest divisor of the batch with at most 4096 tokens",
       "sequences of one forward and backward pass", 1, kDimension},
      {"train.recompute",
       &R::recompute,
       "none",
       "what the backward pass computes again to save memory: blocks (selective) or layers (full)",
       0,
       0,
       {"none", "selective", "full"},
       true},
      {"train.reduction_groups", &R::reduction_groups, "0",
       "groups of a step's sequences whose gradients are summed in a fixed tree, a power of two: the same bits on 1 to so many "
       "ranks; 0 "
       "= one group a rank",
       0, 1024},
      {"schedule.lr", &R::lr, "the paper's for family and size", "peak learning rate", 0, 10},
      {"schedule.lr_second", &R::lr_second, "schedule.lr at the paper's ratio; float: schedule.lr",
       "peak after schedule.lr_drop_at", 0, 10},
      {"schedule.lr_min", &R::lr_min, "0; float: 0.1 schedule.lr", "learning rate at the end", 0, 10},
      {"schedule.warmup", &R::warmup, "1%", "tokens, or a percentage of train.tokens, of linear rise from 0"},
      {"schedule.decay", &R::decay, "linear; float: cosine", "form of the decay", 0, 0, {"linear", "cosine"}},
      {"schedule.lr_drop_at", &R::lr_drop_at, "0.5; float: 1 (never)", "fraction of the run where lr_second begins", 0, 1},
      {"schedule.decay_off_at", &R::decay_off_at, "0.667; float: 1 (never)", "fraction of the run where weight decay ends", 0, 1},
      {"optimizer.beta1", &R::beta1, "0.9", "AdamW's decay of the first moment", 0, 0.9999999},
      {"optimizer.beta2", &R::beta2, "0.95", "AdamW's decay of the second moment", 0, 0.9999999},
      {"optimizer.eps", &R::eps, "1e-8", "AdamW's epsilon", 1e-20, 1},
      {"optimizer.weight_decay", &R::weight_decay, "0.1", "decoupled weight decay of matrices; norms have none", 0, 10},
      {"optimizer.clip", &R::clip, "1", "largest norm of the gradient; 0 = no clipping", 0, 1e9},
      {"loss_scale.initial", &R::loss_scale_initial, "65536", "fp16: first loss scale, a power of two", 1, 0x1p40},
      {"loss_scale.min", &R::loss_scale_min, "1", "fp16: smallest loss scale", 1, 0x1p40},
      {"loss_scale.window", &R::loss_scale_window, "1000", "fp16: steps without overflow before the scale doubles", 1, kCount},
      {"faults.loss_z",
       &R::loss_z,
       "0",
       "skip a batch whose loss lies so many standard deviations above the mean; 0 = off",
       0,
       1e6,
       {},
       true},
      {"faults.grad_norm_z", &R::grad_norm_z, "0", "the same for the norm of the gradient", 0, 1e6, {}, true},
      {"faults.window", &R::faults_window, "128", "batches that mean and deviation are taken over", 2, 1e5, {}, true},
      {"faults.rewind_after",
       &R::rewind_after,
       "5",
       "skipped batches in a row after which the run goes back to a checkpoint; 0 = never, 1 = at once",
       0,
       1e6,
       {},
       true},
      {"checkpoint.every",
       &R::checkpoint_every,
       "500",
       "steps between checkpoints; the last step always makes one",
       1,
       kCount,
       {},
       true},
      {"checkpoint.keep",
       &R::keep,
       "2",
       "checkpoints that keep their trainer state; older ones keep the model only",
       1,
       1e6,
       {},
       true},
      {"validation.every",
       &R::validation_every,
       "250",
       "steps between validations; the last step always makes one",
       1,
       kCount,
       {},
       true},
      {"validation.tokens", &R::validation_tokens, "200000", "scored tokens of one validation", 1, kCount, {}, true},
  };
}

}  // namespace

const std::vector<Key>& recipe_keys() {
  static const std::vector<Key> keys = make_keys();
  return keys;
}

}  // namespace spectra::train

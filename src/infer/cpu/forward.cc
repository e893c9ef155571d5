// SPDX-License-Identifier: Apache-2.0
#include "infer/cpu/forward.h"

#include <utility>

#include "base/parallel.h"
#include "base/team.h"
#include "infer/cpu/forward_pass.h"

namespace spectra::infer {
namespace {

uint64_t whole_context(const model::Config& config, KvType type) {
  return static_cast<uint64_t>(kv_pages(config.max_position) * kv_page_bytes(config, type));
}

}  // namespace

CpuForward::CpuForward(std::shared_ptr<const Model> model, ActivationType activations, KvType kv_type, uint64_t kv_bytes,
                       const kernels::Kernels& kernels)
    : model_(std::move(model)),
      activations_(activations),
      kv_type_(kv_type),
      kernels_(kernels),
      memory_(model_->config, kv_type, kv_bytes > 0 ? kv_bytes : whole_context(model_->config, kv_type)),
      rope_(model::rope_frequencies(model_->config)),
      ones_(static_cast<size_t>(widest_input(model_->config)), 1.0f) {}

void CpuForward::run(const PreparedBatch& batch, const Observer& observer, Results& results) {
  for (const PageCopy& copy : batch.copies) memory_.copy_page(copy);
  const int threads = compute_threads();
  scratch_.reserve(*model_, activations_, batch, threads);
  scratch_.cut_runs(batch);
  results.vocab = static_cast<size_t>(model_->config.vocab);
  results.logits.resize(batch.logits_at.size() * results.vocab);
  results.scores.resize(batch.targets.size());
  run_team(threads, [&](Team& team) { ForwardPass(team, *this, batch, observer).run(results); });
  if (scratch_.failure) std::rethrow_exception(std::exchange(scratch_.failure, nullptr));
}

}  // namespace spectra::infer

// SPDX-License-Identifier: Apache-2.0
#pragma once
// Forward passes on the CPU, by a team of threads: the weights as the model holds them (views into its files), keys and values in
// memory of the process.
#include <cstdint>
#include <memory>
#include <vector>

#include "infer/activation_type.h"
#include "infer/cpu/kv_memory.h"
#include "infer/cpu/scratch.h"
#include "infer/forward.h"
#include "infer/kv_type.h"
#include "kernels/kernels.h"

namespace spectra::infer {

class CpuForward final : public Forward {
 public:
  /// `kv_bytes`: memory for keys and values; 0 = one sequence of the whole context. Throws Error as KvMemory does.
  CpuForward(std::shared_ptr<const Model> model, ActivationType activations, KvType kv_type, uint64_t kv_bytes,
             const kernels::Kernels& kernels);

  int64_t pages() const override { return memory_.pages(); }
  int64_t page_bytes() const override { return memory_.page_bytes(); }
  void run(const PreparedBatch& batch, const Observer& observer, Results& results) override;

 private:
  friend class ForwardPass;

  std::shared_ptr<const Model> model_;
  ActivationType activations_;
  KvType kv_type_;
  const kernels::Kernels& kernels_;
  KvMemory memory_;
  model::RopeFrequencies rope_;
  std::vector<float> ones_;  ///< weights of plain norms
  Scratch scratch_;
};

}  // namespace spectra::infer

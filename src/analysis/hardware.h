// SPDX-License-Identifier: Apache-2.0
#pragma once
// What accelerators offer (paper, section 2.1), and what the size of a model's weights allows on them (its appendix F): weights
// alone, no KV cache, no activations.
#include <string>
#include <vector>

namespace spectra::analysis {

struct Accelerator {
  std::string name, vendor;
  double year = 0;
  double memory_gb = 0, bandwidth_tbps = 0;  ///< 10^9 bytes, 10^12 bytes a second
  double tflops = 0;                         ///< 16-bit, dense
  std::string source;
};
/// The built-in list: src/analysis/data/accelerators.csv.
std::vector<Accelerator> known_accelerators();
/// A CSV text with the columns name, vendor, year, memory_gb, bandwidth_tbps, tflops and perhaps source, in any order. Throws Error
/// naming `where` and the line.
std::vector<Accelerator> parse_accelerators(const std::string& csv, const std::string& where);

/// value = at_2020 + slope (year - 2020), least squares.
struct Trend {
  std::string vendor;
  size_t accelerators = 0;
  double gb_slope = 0, gb_at_2020 = 0;      ///< GB a TFLOPS
  double tbps_slope = 0, tbps_at_2020 = 0;  ///< TB/s a TFLOPS
};
/// A line for each vendor with accelerators of two years, in order of first appearance, and one for all ("all").
std::vector<Trend> hardware_trends(const std::vector<Accelerator>& accelerators);

/// A model of the LLaMA family.
struct LlamaShape {
  const char* name;
  double hidden, glu, layers, kv_dim;
  double linear() const;  ///< parameters of the linear layers
};
const std::vector<LlamaShape>& llama_shapes();
/// Vocabulary of LLaMA 3: rows of embedding and head, which stay at 16 bits.
constexpr double kLlamaVocabulary = 128256;

/// Parameters of embedding and head beside so many in the linear layers, whose width lies between those of the LLaMA family.
double llama_embedding(double linear);
/// Bits of the weights.
double llama_bits(double linear, double bits_per_weight);
/// Parameters, embedding and head included, of the largest model whose weights fit in so many bytes; 0 if none does.
double largest_llama(double memory_bytes, double bits_per_weight);
/// How much faster than in 16 bits a model can decode at most, where reading the weights is all that takes time.
double decode_speedup(double linear, double bits_per_weight);

}  // namespace spectra::analysis

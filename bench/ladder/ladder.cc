// SPDX-License-Identifier: Apache-2.0
// Measures each step of steps.h beside the limits of the machine. See README.md.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/bandwidth.h"
#include "base/error.h"
#include "base/rng.h"
#include "base/stopwatch.h"
#include "base/system.h"
#include "base/team.h"
#include "kernels/tables.h"
#include "lowbit/packed.h"
#include "steps.h"

namespace spectra::ladder {
namespace {

using kernels::Isa;
using kernels::Kernels;
using nlohmann::ordered_json;

constexpr size_t kCols = 4096, kTileRows = lowbit::kTileRows;
constexpr size_t kManyRows = 524288;  // 512 MiB in 2 bits: far more than any cache holds
constexpr auto kTern2 = static_cast<size_t>(lowbit::Format::kTern2);

/// A random matrix and random token rows.
class Problem {
 public:
  /// `plain`: rows that steps without vectors go through; they are too slow for all.
  Problem(size_t rows, size_t plain, size_t tokens) : rows_(rows), tokens_(tokens), groups_(kCols / 16) {
    Rng rng(1);
    packed_.reserve(rows * kCols / 4);
    for (size_t i = 0; i < rows * kCols / 4; i += 8)
      for (uint64_t bits = rng.next(), j = 0; j < 8; ++j)
        packed_.push_back(trits(static_cast<unsigned>(bits >> (8 * j) & 0xff) % 81));
    for (size_t i = 0; i < rows; ++i) scales_.push_back(static_cast<float>(0.01 + rng.uniform()));
    for (size_t t = 0; t < tokens; ++t) {
      int32_t sum = 0;
      for (size_t c = 0; c < kCols; ++c) {
        values_.push_back(static_cast<int8_t>(static_cast<int>(rng.below(255)) - 127));
        sum += values_.back();
      }
      sums_.push_back(sum);
      x_scales_.push_back(static_cast<float>(0.01 + rng.uniform()));
    }
    fp32_.assign(values_.begin(), values_.end());
    std::vector<int8_t> codes(plain * kCols);
    for (size_t r = 0; r < plain; r += kTileRows)
      kernels::kernels().unpack_tile[kTern2](codes.data() + r * kCols, kCols, packed_.data() + r * kCols / 4, 1, &kCols);
    weights_.assign(codes.begin(), codes.end());
    y_.resize(rows * tokens);
  }

  /// The first rows; results in y().
  Work work(size_t rows) {
    const kernels::TileSpan span{packed_.data(), kTileRows * kCols / 4, rows / kTileRows, rows, 1,
                                 &groups_,       scales_.data(),        packed_.data()};
    return {span,         kCols,    weights_.data(), {values_.data(), kCols, tokens_, sums_.data(), x_scales_.data()},
            fp32_.data(), y_.data()};
  }
  std::vector<float>& y() { return y_; }

 private:
  /// Four base-3 digits as a byte of four codes.
  static uint8_t trits(unsigned number) {
    return static_cast<uint8_t>(number % 3 | number / 3 % 3 << 2 | number / 9 % 3 << 4 | number / 27 << 6);
  }

  size_t rows_, tokens_, groups_;
  std::vector<uint8_t> packed_;
  std::vector<float> scales_, x_scales_, fp32_, weights_, y_;
  std::vector<int8_t> values_;
  std::vector<int32_t> sums_;
};

/// `kernel` on tiles [begin, end), at most `tokens` rows and `tiles` tiles a call (0: all).
void call(const Work& work, size_t begin, size_t end, Tiles kernel, size_t tokens, size_t tiles) {
  tokens = tokens == 0 ? work.x.tokens : tokens;
  tiles = tiles == 0 ? end - begin : tiles;
  for (size_t tile = begin; tile < end; tile += tiles)
    for (size_t t = 0; t < work.x.tokens; t += tokens) {
      kernels::TileSpan w = work.w;
      w.packed += tile * w.tile_bytes;
      w.tiles = std::min(tiles, end - tile);
      w.rows = w.tiles * kTileRows;
      w.scales += tile * w.segments * kTileRows;
      w.next = w.packed + w.tiles * w.tile_bytes;
      kernels::Int8Rows x = work.x;
      x.tokens = std::min(tokens, x.tokens - t);
      x.values += t * x.stride, x.sums += t, x.scales += t;
      kernel(work.y + t * work.rows() + tile * kTileRows, work.rows(), w, x);
    }
}

struct Named {
  std::string name;
  std::function<void(const Work&, size_t begin, size_t end)> run;
  bool plain = false;  ///< on few rows
  bool fp32 = false;   ///< reads weights of 32 bits
};

Named of_table(const std::string& name, Isa isa, size_t tokens, size_t tiles) {
  const Tiles kernel = kernels::kernels_for(isa).matmul_tiles_i8[kTern2];
  return {name, [=](const Work& work, size_t begin, size_t end) { call(work, begin, end, kernel, tokens, tiles); }};
}
Named with_ahead(const std::string& name, Tiles kernel) {
  return {name, [=](const Work& work, size_t begin, size_t end) { call(work, begin, end, kernel, 0, 0); }};
}

std::vector<Named> first_steps() {
  return {{"plain loop, fp32 weights", scalar_fp32, true, true},
          {"plain loop, 2 bits", scalar_packed, true},
          {"unpack, int8 dot (AVX2)", unpack_then_dot}};
}

std::vector<Named> vector_steps() {
  std::vector<Named> all = first_steps();
  all.push_back(of_table("tiles, maddubs (AVX2)", Isa::kAvx2, 0, 0));
  all.push_back(of_table("tiles, maddubs (AVX-512)", Isa::kAvx512, 0, 0));
  all.push_back(with_ahead("tiles, VNNI, no prefetch", tiles_ahead_0()));
  all.push_back(with_ahead("  prefetch 2 KB ahead", tiles_ahead_2048()));
  all.push_back(with_ahead("  prefetch 4 KB ahead", tiles_ahead_4096()));
  all.push_back(with_ahead("  prefetch 8 KB ahead", tiles_ahead_8192()));
  all.push_back(with_ahead("  prefetch 16 KB ahead", tiles_ahead_16384()));
  return all;
}

std::vector<Named> matrix_steps() {
  std::vector<Named> all = first_steps();
  all.push_back(of_table("tiles, maddubs (AVX2)", Isa::kAvx2, 1, 1));
  all.push_back(of_table("tiles, maddubs (AVX-512)", Isa::kAvx512, 1, 1));
  all.push_back(of_table("tiles, VNNI, a token a pass", Isa::kAvx512Vnni, 1, 1));
  all.push_back(of_table("  2 tokens", Isa::kAvx512Vnni, 2, 1));
  all.push_back(of_table("  4 tokens", Isa::kAvx512Vnni, 4, 1));
  all.push_back(of_table("  8 tokens", Isa::kAvx512Vnni, 8, 1));
  all.push_back(of_table("  8 tokens, two tiles", Isa::kAvx512Vnni, 0, 0));
  return all;
}

struct Options {
  int threads = cpu_count();
  size_t runs = 5;
  bool json = false;
};

/// Seconds of one pass over all tiles; fast steps are repeated.
double seconds_of(const Named& step, const Work& work, int threads) {
  constexpr double kLongEnough = 0.05;
  double seconds = 0;
  int passes = 0;
  for (; seconds < kLongEnough; ++passes) {
    run_team(threads, [&](Team& team) {
      const Team::Range mine = team.share(static_cast<int64_t>(work.w.tiles));
      team.barrier();
      const Stopwatch time;
      step.run(work, static_cast<size_t>(mine.begin), static_cast<size_t>(mine.end));
      team.barrier();
      if (team.rank() == 0) seconds += time.seconds();
    });
  }
  return seconds / passes;
}

double peak(int threads) {
  constexpr size_t kRounds = 2000000;
  double operations = 0, seconds = 1;
  run_team(threads, [&](Team& team) {
    team.barrier();
    const Stopwatch time;
    const double mine = kernels::kernels().busy_i8(kRounds);
    team.barrier();
    if (team.rank() == 0) operations = mine * team.size(), seconds = time.seconds();
  });
  return operations / seconds;
}

double median(std::vector<double> all) {
  std::sort(all.begin(), all.end());
  const size_t n = all.size();
  return n % 2 == 1 ? all[n / 2] : (all[n / 2 - 1] + all[n / 2]) / 2;
}
ordered_json spread(const std::vector<double>& all) {
  return {{"min", *std::min_element(all.begin(), all.end())},
          {"median", median(all)},
          {"max", *std::max_element(all.begin(), all.end())}};
}

/// Stops unless the step computes the bits of the scalar twin, on the first rows.
void verify(const Named& step, Problem& problem, size_t rows) {
  const Work work = problem.work(rows);
  const size_t size = rows * work.x.tokens;
  kernels::scalar_kernels().matmul_tiles_i8[kTern2](work.y, rows, work.w, work.x);
  const std::vector<float> expected(problem.y().begin(), problem.y().begin() + static_cast<ptrdiff_t>(size));
  std::fill(problem.y().begin(), problem.y().end(), -1.0f);
  step.run(work, 0, rows / kTileRows);
  if (!std::equal(expected.begin(), expected.end(), problem.y().begin()))
    throw Error(Exit::kFailed, step.name + " does not compute what the scalar twin does");
}

/// Measures every step in turns with the limits, prints a table, and returns it.
ordered_json climb(const std::string& title, const std::vector<Named>& steps, size_t rows, size_t plain, size_t tokens,
                   const BandwidthProbe& probe, const Options& options) {
  Problem problem(rows, plain, tokens);
  for (const Named& step : steps) verify(step, problem, 64);
  std::vector<std::vector<double>> seconds(steps.size());
  std::vector<double> bandwidths, peaks;
  for (size_t run = 0; run < options.runs; ++run) {
    bandwidths.push_back(probe.measure(options.threads));
    peaks.push_back(peak(options.threads));
    for (size_t i = 0; i < steps.size(); ++i)
      seconds[i].push_back(seconds_of(steps[i], problem.work(steps[i].plain ? plain : rows), options.threads));
  }
  const double bandwidth = median(bandwidths), limit = median(peaks);
  if (!options.json) {
    fmt::print("{}: {} x {}, {} threads; limits {:.1f} GB/s, {:.0f} GOP/s\n", title, rows, kCols, options.threads, bandwidth / 1e9,
               limit / 1e9);
    fmt::print("{:<29} {:>8} {:>5} {:>9} {:>5}\n", "", "GB/s", "%", "GOP/s", "%");
  }
  ordered_json list = ordered_json::array();
  for (size_t i = 0; i < steps.size(); ++i) {
    const double weights = static_cast<double>((steps[i].plain ? plain : rows) * kCols);
    std::vector<double> gbytes, gops;
    for (const double s : seconds[i]) {
      gbytes.push_back(weights * (steps[i].fp32 ? 4 : 0.25) / s / 1e9);
      gops.push_back(2 * weights * static_cast<double>(tokens) / s / 1e9);
    }
    const double of_bandwidth = median(gbytes) * 1e9 / bandwidth, of_peak = median(gops) * 1e9 / limit;
    if (!options.json)
      fmt::print("{:<29} {:8.2f} {:5.1f} {:9.1f} {:5.1f}\n", steps[i].name, median(gbytes), 100 * of_bandwidth, median(gops),
                 100 * of_peak);
    list.push_back({{"step", steps[i].name.substr(steps[i].name.find_first_not_of(' '))},
                    {"gbytes_per_second", spread(gbytes)},
                    {"bandwidth_fraction", of_bandwidth},
                    {"gops_per_second", spread(gops)},
                    {"peak_fraction", of_peak}});
  }
  if (!options.json) fmt::print("\n");
  return {{"rows", rows},
          {"cols", kCols},
          {"tokens", tokens},
          {"bandwidth_bytes_per_second", spread(bandwidths)},
          {"peak_operations_per_second", spread(peaks)},
          {"steps", list}};
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const int value = i + 1 < argc ? std::atoi(argv[i + 1]) : 0;
    if (word == "--json")
      options.json = true;
    else if (word == "--threads" && value > 0)
      options.threads = value, ++i;
    else if (word == "--runs" && value > 0)
      options.runs = static_cast<size_t>(value), ++i;
    else
      throw Error(Exit::kUsage, "usage: ladder [--threads N] [--runs N] [--json]");
  }
  return options;
}

void run(int argc, char** argv) {
  const Options options = parse(argc, argv);
  if (kernels::available_isas().back() != Isa::kAvx512Vnni)
    throw Error(Exit::kRefused, "the last steps need AVX-512 VNNI, which this CPU lacks");
  const BandwidthProbe probe;
  std::string command = "ladder";
  for (int i = 1; i < argc; ++i) command += std::string(" ") + argv[i];
  ordered_json document = {{"machine", {{"cpu", cpu_name()}, {"cores", cpu_count()}}},
                           {"date", utc_time()},
                           {"command", command},
                           {"threads", options.threads},
                           {"runs", options.runs},
                           {"kernels", kernels::kernels().name}};
  document["vector"] = climb("One token", vector_steps(), kManyRows, 8192, 1, probe, options);
  document["matrix"] = climb("64 tokens", matrix_steps(), 2048, 256, 64, probe, options);
  if (options.json) fmt::print("{}\n", document.dump(2));
}

}  // namespace
}  // namespace spectra::ladder

int main(int argc, char** argv) {
  try {
    spectra::ladder::run(argc, argv);
    return 0;
  } catch (const spectra::Error& error) {
    std::fprintf(stderr, "ladder: %s\n", error.what());
    return static_cast<int>(error.code());
  }
}

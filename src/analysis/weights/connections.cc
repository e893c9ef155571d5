// SPDX-License-Identifier: Apache-2.0
#include "analysis/weights/connections.h"

#include "base/error.h"
#include "base/parallel.h"
#include "base/system.h"
#include "model/weight_statistics.h"

namespace spectra::analysis {
namespace {

/// How a matrix falls into heads or neurons: rows or columns, so many to a part.
struct Parts {
  bool along_rows;
  int64_t width;
};
Parts parts_of(model::Slot linear, const model::Config& config) {
  const bool heads = model::part_of(linear) == model::Part::kAttention;
  const bool inputs = linear == model::Slot::kO || linear == model::Slot::kDown;
  return {!inputs, heads ? config.head_dim() : 1};
}

void count(float weight, Codes3& codes) { ++(weight < 0 ? codes.minus : weight > 0 ? codes.plus : codes.zero); }

MatrixConnections read_matrix(const LowBitModel& model, size_t i) {
  const model::Parameter& linear = model.linears()[i];
  MatrixConnections out{linear.name, place_of(linear), {}, {}};
  const auto matrix = model.matrix(i);
  const Parts parts = parts_of(linear.slot, model.config());
  out.parts.resize(static_cast<size_t>((parts.along_rows ? matrix.rows() : matrix.cols()) / parts.width));
  std::vector<float> row(static_cast<size_t>(matrix.cols()));
  for (int64_t r = 0; r < matrix.rows(); ++r) {
    matrix.read(r, row.data());
    for (int64_t c = 0; c < matrix.cols(); ++c)
      count(row[static_cast<size_t>(c)], out.parts[static_cast<size_t>((parts.along_rows ? r : c) / parts.width)]);
  }
  matrix.release();
  for (const Codes3& part : out.parts) out.all.minus += part.minus, out.all.zero += part.zero, out.all.plus += part.plus;
  return out;
}

int sign(float weight) { return (weight > 0) - (weight < 0); }

Flips compare(const LowBitModel& from, const LowBitModel& to, size_t i) {
  const model::Parameter& linear = from.linears()[i];
  Flips out{linear.name, place_of(linear)};
  const auto before = from.matrix(i), after = to.matrix(i);
  std::vector<float> old_row(static_cast<size_t>(before.cols())), new_row(old_row.size());
  for (int64_t r = 0; r < before.rows(); ++r) {
    before.read(r, old_row.data());
    after.read(r, new_row.data());
    for (size_t c = 0; c < old_row.size(); ++c) {
      const int was = sign(old_row[c]), is = sign(new_row[c]);
      out.to_zero += was != 0 && is == 0;
      out.from_zero += was == 0 && is != 0;
      out.sign_changes += was * is < 0;
    }
  }
  before.release(), after.release();
  out.weights = before.rows() * before.cols();
  return out;
}

}  // namespace

LowBitModel::LowBitModel(const format::ModelDirectory& directory) : directory_(directory), rows_(directory) {
  for (const model::Parameter& parameter : model::parameters(rows_.config()))
    if (parameter.role == model::Role::kLinear) linears_.push_back(parameter);
}

void LowBitModel::check() const {
  if (checked_) return;
  if (model::weight_statistics(directory_, rows_.config()).family == model::Family::kFloat)
    throw bad_input(fmt::format("{} is a float model: its weights are not connections of -1, 0 and +1", path()),
                    "give a ternary or binary model; `spectra analyze weights` looks at any model");
  checked_ = true;
}

void check_same_shapes(const LowBitModel& a, const LowBitModel& b) {
  const auto shapes = [](const LowBitModel& model) {
    std::vector<int64_t> sizes;
    for (const model::Parameter& parameter : model.linears()) sizes.push_back(parameter.rows), sizes.push_back(parameter.cols);
    return sizes;
  };
  if (shapes(a) != shapes(b))
    throw bad_input(fmt::format("{} and {} have linear layers of different shapes", a.path(), b.path()),
                    "flips are counted between checkpoints of one model");
}

std::vector<MatrixConnections> connections(const LowBitModel& model) {
  model.check();
  std::vector<MatrixConnections> out(model.linears().size());
  parallel_for(
      out.size(), [&](size_t i) { out[i] = read_matrix(model, i); }, cpu_count());
  return out;
}

std::vector<Flips> flips(const LowBitModel& from, const LowBitModel& to) {
  check_same_shapes(from, to);
  from.check(), to.check();
  std::vector<Flips> out(from.linears().size());
  parallel_for(
      out.size(), [&](size_t i) { out[i] = compare(from, to, i); }, cpu_count());
  return out;
}

}  // namespace spectra::analysis

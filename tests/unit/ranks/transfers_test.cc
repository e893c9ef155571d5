// SPDX-License-Identifier: Apache-2.0
// Two ranks in one process: what travels arrives, straight where the host can address the memory and through staging where not.
#include "ranks/transfers.h"

#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "unit/ops/protected_backend.h"

namespace spectra::ranks {
namespace {

/// What rank 0 sends or broadcasts lies here until rank 1 looks for it.
using Mail = std::deque<std::string>;

class MailRanks final : public Ranks {
 public:
  MailRanks(int rank, Mail& mail) : Ranks(rank, 2, 2), mail_(mail) {}
  size_t send(int, const void* data, size_t bytes) override {
    mail_.emplace_back(static_cast<const char*>(data), bytes);
    tickets_.emplace_back(nullptr, 0);
    return tickets_.size() - 1;
  }
  size_t receive(int, void* data, size_t bytes) override {
    tickets_.emplace_back(data, bytes);
    return tickets_.size() - 1;
  }
  size_t broadcast(int from, void* data, size_t bytes) override {
    return from == rank() ? send(1 - from, data, bytes) : receive(from, data, bytes);
  }
  bool progress(size_t ticket) override {
    auto& [data, bytes] = tickets_[ticket];
    if (data == nullptr) return true;
    if (mail_.empty()) return false;
    EXPECT_EQ(mail_.front().size(), bytes);
    std::memcpy(data, mail_.front().data(), bytes);
    mail_.pop_front();
    data = nullptr;
    return true;
  }
  void wait(size_t ticket) override { ASSERT_TRUE(progress(ticket)); }
  void wait_all() override {
    for (size_t ticket = 0; ticket < tickets_.size(); ++ticket) wait(ticket);
    tickets_.clear();
  }
  std::vector<double> gather(std::span<const double> values) override { return {values.begin(), values.end()}; }
  std::string from_first(const std::string& text) override { return text; }
  void abandon(const Error&) override {}

 private:
  Mail& mail_;
  std::vector<std::pair<void*, size_t>> tickets_;
};

template <class Backend>
class Travel : public ::testing::Test {
 protected:
  ops::Tensor tensor(std::vector<float> values) {
    memory.push_back(backend.allocate(values.size() * sizeof(float)));
    const ops::Tensor x(memory.back().data(), DType::kF32, 1, static_cast<int64_t>(values.size()));
    backend.copy_in(x, values.data());
    return x;
  }
  std::vector<float> read(const ops::Tensor& x) { return backend.template read<float>(x); }

  Backend backend;
  std::vector<ops::Buffer> memory;
  Mail mail;
  MailRanks first{0, mail}, second{1, mail};
  Transfers from{backend, first}, to{backend, second};
};

using Backends = ::testing::Types<ops::ReferenceBackend<float>, test::ProtectedBackend>;
TYPED_TEST_SUITE(Travel, Backends);

TYPED_TEST(Travel, AGroupIsCompleteWhenAllOfItIs) {
  const ops::Tensor a = this->tensor({1, 2, 3}), b = this->tensor({4}), x = this->tensor({0, 0, 0}), y = this->tensor({0});
  const size_t ticket = this->to.exchange({}, std::vector<Part>{{0, x}, {0, y}});
  EXPECT_FALSE(this->to.progress(ticket));
  this->from.exchange(std::vector<Part>{{1, a}}, {});
  EXPECT_FALSE(this->to.progress(ticket)) << "one of two is here";
  this->from.exchange(std::vector<Part>{{1, b}}, {});
  EXPECT_TRUE(this->to.progress(ticket));
  EXPECT_TRUE(this->to.progress(ticket)) << "also when it is asked again";
  EXPECT_EQ(this->read(x), (std::vector<float>{1, 2, 3}));
  EXPECT_EQ(this->read(y), (std::vector<float>{4}));
  this->from.wait_all();
  this->to.wait_all();
}

TYPED_TEST(Travel, StagingIsUsedAgain) {
  for (const float value : {5.0f, 6.0f, 7.0f}) {
    const ops::Tensor a = this->tensor({value, value}), x = this->tensor({0, 0});
    this->from.broadcast(0, a);
    this->to.broadcast(0, x);
    this->from.wait_all();
    this->to.wait_all();
    EXPECT_EQ(this->read(x), (std::vector<float>{value, value}));
    EXPECT_EQ(this->read(a), (std::vector<float>{value, value}));
  }
}

}  // namespace
}  // namespace spectra::ranks

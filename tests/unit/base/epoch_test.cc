// SPDX-License-Identifier: Apache-2.0
#include "base/epoch.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

namespace spectra {
namespace {

using std::chrono::microseconds;

TEST(Epoch, AnEarlierNumberIsNotWaitedFor) {
  Epoch epoch;
  const uint32_t before = epoch.now();
  epoch.advance();
  epoch.wait(before, microseconds{0});
  epoch.wait(before, microseconds{50});
  EXPECT_NE(epoch.now(), before);
}

// Two threads take turns. A lost wake-up would leave both asleep for ever, and a plain variable shows the order of their writes.
TEST(Epoch, EveryTurnIsHandedOver) {
  for (const microseconds spin : {microseconds{0}, microseconds{1}, microseconds{50}}) {
    constexpr int kTurns = 2000;
    Epoch ping, pong;
    int turns = 0;
    std::thread other([&] {
      for (uint32_t turn = 0; turn < kTurns; ++turn) {
        ping.wait(turn, spin);
        ++turns;
        pong.advance();
      }
    });
    for (uint32_t turn = 0; turn < kTurns; ++turn) {
      ++turns;
      ping.advance();
      pong.wait(turn, spin);
    }
    other.join();
    EXPECT_EQ(turns, 2 * kTurns);
  }
}

TEST(Epoch, WakesAllWhoSleep) {
  constexpr int kSleepers = 8, kRounds = 200;
  Epoch start;
  std::vector<int> seen(kSleepers);
  std::vector<std::thread> sleepers;
  for (size_t i = 0; i < kSleepers; ++i)
    sleepers.emplace_back([&, i] {
      for (uint32_t round = 0; round < kRounds; round = start.now(), seen[i] = static_cast<int>(round))
        start.wait(round, microseconds{0});
    });
  for (int round = 0; round < kRounds; ++round) start.advance();
  for (std::thread& sleeper : sleepers) sleeper.join();
  EXPECT_EQ(seen, std::vector<int>(kSleepers, kRounds));
}

}  // namespace
}  // namespace spectra

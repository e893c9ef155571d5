// SPDX-License-Identifier: Apache-2.0
#include "base/team.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

#include "base/parallel.h"

namespace spectra {
namespace {

/// Like run_team, with threads of this call alone.
void on_threads(int threads, const std::function<void(Team&)>& body) {
  TeamState state(threads);
  std::vector<std::thread> all;
  for (int rank = 0; rank < threads; ++rank)
    all.emplace_back([&state, &body, rank] {
      Team team(state, rank);
      body(team);
    });
  for (std::thread& thread : all) thread.join();
}

struct Chunk {
  int64_t begin, end;
  int rank;
};

/// The chunks of one loop, in the order in which each thread got them. `before`: what a thread does first in every chunk.
std::vector<Chunk> chunks_of(
    Team& team, int64_t count, int64_t grain, const std::function<void()>& before = [] {}) {
  std::vector<Chunk> mine;
  team.share_out(count, grain, [&](int64_t begin, int64_t end) {
    before();
    mine.push_back({begin, end, team.rank()});
  });
  return mine;
}

/// Every element of [0, count) is in exactly one chunk, and chunks begin at multiples of `grain`.
void expect_whole(const std::vector<std::vector<Chunk>>& chunks, int64_t count, int64_t grain) {
  std::vector<int> seen(static_cast<size_t>(count));
  for (const auto& of_one : chunks)
    for (const Chunk& chunk : of_one) {
      EXPECT_EQ(chunk.begin % grain, 0);
      EXPECT_LT(chunk.begin, chunk.end);
      EXPECT_LE(chunk.end - chunk.begin, grain);
      ASSERT_LE(chunk.end, count);
      for (int64_t i = chunk.begin; i < chunk.end; ++i) ++seen[static_cast<size_t>(i)];
    }
  for (int64_t i = 0; i < count; ++i) ASSERT_EQ(seen[static_cast<size_t>(i)], 1) << "element " << i << " of " << count;
}

TEST(Team, SharesOutEveryChunkOnce) {
  for (const int threads : {1, 2, 3, 7})
    for (const int64_t grain : {1, 3, 16})
      for (const int64_t count : {0, 1, 2, 15, 16, 17, 100, 1000}) {
        SCOPED_TRACE(testing::Message() << count << " by " << grain << " on " << threads);
        std::vector<std::vector<Chunk>> chunks(static_cast<size_t>(threads));
        on_threads(threads, [&](Team& team) { chunks[static_cast<size_t>(team.rank())] = chunks_of(team, count, grain); });
        expect_whole(chunks, count, grain);
      }
}

// Threads leave a loop at different times, and what is left of it must not be taken for the next one's.
TEST(Team, LoopsFollowEachOther) {
  constexpr int kThreads = 3, kLoops = 100;
  const auto count_of = [](int loop) { return static_cast<int64_t>(loop * 7 % 23); };
  std::vector<std::vector<std::vector<Chunk>>> chunks(kLoops, std::vector<std::vector<Chunk>>(kThreads));
  on_threads(kThreads, [&](Team& team) {
    for (int loop = 0; loop < kLoops; ++loop) {
      chunks[static_cast<size_t>(loop)][static_cast<size_t>(team.rank())] = chunks_of(team, count_of(loop), 2);
      team.barrier();
    }
  });
  for (int loop = 0; loop < kLoops; ++loop) {
    SCOPED_TRACE(loop);
    expect_whole(chunks[static_cast<size_t>(loop)], count_of(loop), 2);
  }
}

// Thread 0 stays in its first chunk until all others are done: someone else must do the rest of its share.
TEST(Team, OthersTakeWhatASlowThreadHasLeft) {
  constexpr int kThreads = 3;
  constexpr int64_t kCount = 60;
  std::atomic<int64_t> done{0};
  std::vector<std::vector<Chunk>> chunks(kThreads);
  on_threads(kThreads, [&](Team& team) {
    chunks[static_cast<size_t>(team.rank())] = chunks_of(team, kCount, 1, [&] {
      done.fetch_add(1);
      while (team.rank() == 0 && done.load() < kCount) std::this_thread::yield();
    });
  });
  expect_whole(chunks, kCount, 1);
  EXPECT_LE(chunks[0].size(), 1u);  // 0 where it came so late that nothing was left
}

TEST(Team, OneThreadGoesThroughItsOwnShareInOrder) {
  on_threads(1, [](Team& team) {
    const std::vector<Chunk> chunks = chunks_of(team, 50, 8);
    ASSERT_EQ(chunks.size(), 7u);
    for (size_t i = 0; i < chunks.size(); ++i) EXPECT_EQ(chunks[i].begin, static_cast<int64_t>(8 * i));
    EXPECT_EQ(chunks.back().end, 50);
  });
}

TEST(Team, SharesMeetAtMultiplesOfTheGrain) {
  TeamState state(5);
  for (const int64_t grain : {1, 4, 16})
    for (const int64_t count : {0, 1, 5, 79, 80, 81, 1000}) {
      int64_t at = 0;
      for (int rank = 0; rank < 5; ++rank) {
        const Team::Range range = Team(state, rank).share(count, grain);
        EXPECT_EQ(range.begin, at);
        EXPECT_LE(range.begin, range.end);
        EXPECT_TRUE(range.end % grain == 0 || range.end == count);
        at = range.end;
      }
      EXPECT_EQ(at, count);
    }
}

// Plain variables: without the ordering of the barrier this is a race (which the thread sanitizer reports).
TEST(Team, BarriersOrderWrites) {
  constexpr int kThreads = 4, kRounds = 100;
  std::vector<int> value(kThreads);
  std::vector<int> wrong(kThreads);
  on_threads(kThreads, [&](Team& team) {
    const auto mine = static_cast<size_t>(team.rank());
    for (int round = 1; round <= kRounds; ++round) {
      value[mine] = round;
      team.barrier();
      for (const int seen : value) wrong[mine] += seen != round;
      team.barrier();
    }
  });
  EXPECT_EQ(wrong, std::vector<int>(kThreads, 0));
}

TEST(Team, RunTeamGivesEachThreadARank) {
  std::vector<int> seen(3);
  int size = 0;
  run_team(3, [&](Team& team) {
    ++seen[static_cast<size_t>(team.rank())];
    if (team.rank() == 0) size = team.size();
  });
  ASSERT_TRUE(size == 3 || size == 1);
  for (int rank = 0; rank < 3; ++rank) EXPECT_EQ(seen[static_cast<size_t>(rank)], rank < size ? 1 : 0);
}

// Many more threads than cores: whoever waits must let those have its core that it waits for.
TEST(Team, ManyThreadsOnFewCoresPassEveryBarrier) {
  const int threads = 4 * static_cast<int>(std::thread::hardware_concurrency()) + 1;
  constexpr int kRounds = 300;
  std::vector<int> value(static_cast<size_t>(threads)), wrong(static_cast<size_t>(threads));
  run_team(threads, [&](Team& team) {
    const auto mine = static_cast<size_t>(team.rank());
    for (int round = 1; round <= kRounds; ++round) {
      value[mine] = round;
      team.barrier();
      for (const int seen : value) wrong[mine] += seen != round;
      team.barrier();
    }
  });
  EXPECT_EQ(wrong, std::vector<int>(static_cast<size_t>(threads), 0));
}

/// What share_out gives to all threads of one call together.
int64_t shared_out(int threads, int64_t count) {
  std::atomic<int64_t> sum{0};
  run_team(threads, [&](Team& team) {
    EXPECT_EQ(team.size(), threads);
    for (int loop = 0; loop < 3; ++loop) {
      team.share_out(count, 1, [&](int64_t begin, int64_t end) { sum += end - begin; });
      if (loop < 2) team.barrier();
    }
  });
  return sum;
}

TEST(Team, CallsFollowEachOtherWithAnyNumberOfThreads) {
  for (int round = 0; round < 50; ++round)
    for (const int threads : {2, 2, 3, 1, 5}) ASSERT_EQ(shared_out(threads, 10 + round), 3 * (10 + round));
}

TEST(Team, ThreadsCallTeamsOfTheirOwn) {
  constexpr size_t kCallers = 4;
  std::vector<int64_t> sums(kCallers);
  std::vector<std::thread> callers;
  for (size_t i = 0; i < kCallers; ++i)
    callers.emplace_back([&sums, i] {
      for (int round = 0; round < 50; ++round) sums[i] += shared_out(2 + static_cast<int>(i % 2), 7);
    });
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(sums, std::vector<int64_t>(kCallers, 50 * 3 * 7));
}

TEST(ComputeThreads, OfAScopeAreThoseOfItsThread) {
  const int before = compute_threads();
  {
    const ScopedComputeThreads outer(before + 2);
    EXPECT_EQ(compute_threads(), before + 2);
    {
      const ScopedComputeThreads inner(1);
      EXPECT_EQ(compute_threads(), 1);
    }
    EXPECT_EQ(compute_threads(), before + 2);
    std::thread([&] { EXPECT_EQ(compute_threads(), before); }).join();
  }
  EXPECT_EQ(compute_threads(), before);
}

}  // namespace
}  // namespace spectra

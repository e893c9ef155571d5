// SPDX-License-Identifier: Apache-2.0
#include "infer/kv_pages.h"

#include <gtest/gtest.h>

#include <cstring>

#include "infer/cpu/kv_memory.h"
#include "models.h"

namespace spectra::infer {
namespace {

model::Config config() { return test::small_config(model::Family::kFloat); }
uint64_t budget(int64_t pages) { return static_cast<uint64_t>(pages * kv_page_bytes(config(), KvType::kFp32)); }

/// Pages and their memory as an engine has them: what claim() says is copied at once.
struct KvStore {
  KvStore(const model::Config& config, KvType type, uint64_t budget) : memory(config, type, budget), accounts(memory.pages()) {}
  int64_t page_bytes() const { return memory.page_bytes(); }
  int64_t pages() const { return accounts.pages(); }
  int64_t free_pages() const { return accounts.free_pages(); }
  std::byte* page(int32_t id) { return memory.page(id); }
  void retain(int32_t id) { accounts.retain(id); }
  void release(int32_t id) { accounts.release(id); }
  KvSequence share(std::span<const int32_t> pages, int64_t length) { return accounts.share(pages, length); }
  void clear(KvSequence& sequence) { accounts.clear(sequence); }
  int64_t pages_needed(const KvSequence& s, int64_t begin, int64_t end) const { return accounts.pages_needed(s, begin, end); }
  void claim(KvSequence& sequence, int64_t begin, int64_t end) {
    if (const auto copy = accounts.claim(sequence, begin, end)) memory.copy_page(*copy);
  }

  KvMemory memory;
  KvPages accounts;
};

TEST(KvStore, AnFp32PageHoldsKeysAndValuesOf64Positions) {
  EXPECT_EQ(kv_page_bytes(config(), KvType::kFp32), 3 * 3 * 2 * 64 * 16 * 4);  // layers, kv heads, keys and values, positions, E
  EXPECT_EQ(kv_pages(0), 0);
  EXPECT_EQ(kv_pages(64), 1);
  EXPECT_EQ(kv_pages(65), 2);
}

TEST(KvStore, ASequenceGrowsPageByPageAndGivesThemBack) {
  KvStore store(config(), KvType::kFp32, budget(5) + 1);
  EXPECT_EQ(store.pages(), 5);
  KvSequence sequence;
  EXPECT_EQ(store.pages_needed(sequence, 0, 130), 3);
  store.claim(sequence, 0, 130);
  EXPECT_EQ(sequence.length, 130);
  EXPECT_EQ(store.free_pages(), 2);
  EXPECT_EQ(store.pages_needed(sequence, 130, 192), 0);
  EXPECT_EQ(store.pages_needed(sequence, 130, 193), 1);
  store.claim(sequence, 10, 20);  // rewound: the last two pages are free again
  EXPECT_EQ(store.free_pages(), 4);
  store.clear(sequence);
  EXPECT_EQ(store.free_pages(), 5);
}

TEST(KvStore, SharedPagesAreCopiedBeforeTheyAreWritten) {
  KvStore store(config(), KvType::kFp32, budget(6));
  const auto size = static_cast<size_t>(store.page_bytes());
  KvSequence first;
  store.claim(first, 0, 100);
  std::memset(store.page(first.pages[0]), 1, size);
  std::memset(store.page(first.pages[1]), 2, size);
  KvSequence second = store.share(first.pages, 100);
  EXPECT_EQ(store.free_pages(), 4);
  EXPECT_EQ(store.pages_needed(second, 100, 101), 1);
  store.claim(second, 100, 101);
  EXPECT_EQ(second.pages[0], first.pages[0]);
  ASSERT_NE(second.pages[1], first.pages[1]);
  EXPECT_EQ(std::memcmp(store.page(second.pages[1]), store.page(first.pages[1]), size), 0);
  EXPECT_EQ(store.pages_needed(first, 100, 101), 0);  // the last owner writes in place
  EXPECT_EQ(store.pages_needed(first, 0, 64), 1);     // the first page has two
  store.claim(first, 0, 64);
  EXPECT_NE(second.pages[0], first.pages[0]);
  EXPECT_EQ(std::memcmp(store.page(second.pages[0]), std::string(size, 1).data(), size), 0);
  store.clear(first);
  store.clear(second);
  EXPECT_EQ(store.free_pages(), 6);
}

TEST(KvStore, APageOutlivesTheSequenceThatFilledIt) {
  KvStore store(config(), KvType::kFp32, budget(2));
  KvSequence sequence;
  store.claim(sequence, 0, 64);
  const std::vector<int32_t> pages = sequence.pages;
  store.retain(pages[0]);
  store.clear(sequence);
  EXPECT_EQ(store.free_pages(), 1);
  KvSequence later = store.share(pages, 64);
  store.release(pages[0]);
  store.clear(later);
  EXPECT_EQ(store.free_pages(), 2);
}

TEST(KvStore, ABudgetBelowOnePageIsRefusedWithTheNumbers) {
  try {
    KvStore store(config(), KvType::kFp32, 1000);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Exit::kRefused);
    EXPECT_NE(std::string(error.what()).find("1000 bytes"), std::string::npos);
    EXPECT_NE(std::string(error.what()).find(std::to_string(budget(1))), std::string::npos);
  }
}

}  // namespace
}  // namespace spectra::infer

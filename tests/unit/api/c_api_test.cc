// SPDX-License-Identifier: Apache-2.0
// What the C API adds to what its C++ header shows: NULL, errors by thread, structs of other versions, who frees what.
#include <spectra/spectra.h>

#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "models.h"

namespace spectra {
namespace {

class CApi : public test::Models {
 protected:
  void SetUp() override {
    Models::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    ASSERT_EQ(spectra_model_load(stories().c_str(), nullptr, &model_), SPECTRA_OK) << spectra_last_error();
  }
  void TearDown() override { spectra_model_free(model_); }
  spectra_model* model_ = nullptr;
};

TEST_F(CApi, NullIsRefusedByName) {
  int32_t token = 1, *tokens = nullptr;
  size_t count = 99;
  char* text = nullptr;
  spectra_token_score score;
  spectra_session* session = nullptr;
  spectra_model* model = nullptr;
  const auto refused = [](spectra_status status, const char* name) {
    EXPECT_EQ(status, SPECTRA_USAGE);
    EXPECT_EQ(spectra_last_error(), std::string(name) + " is NULL");
  };
  refused(spectra_model_load(nullptr, nullptr, &model), "path");
  refused(spectra_model_load("somewhere", nullptr, nullptr), "model");
  refused(spectra_encode(nullptr, "a", 1, 0, &tokens, &count), "model");
  refused(spectra_encode(model_, nullptr, 1, 0, &tokens, &count), "text");
  refused(spectra_encode(model_, "a", 1, 0, nullptr, &count), "tokens");
  refused(spectra_encode(model_, "a", 1, 0, &tokens, nullptr), "count");
  refused(spectra_decode(nullptr, &token, 1, &text, &count), "model");
  refused(spectra_decode(model_, nullptr, 1, &text, &count), "tokens");
  refused(spectra_decode(model_, &token, 1, nullptr, &count), "text");
  refused(spectra_generate(nullptr, "a", 1, nullptr, nullptr, nullptr, nullptr), "model");
  refused(spectra_generate(model_, nullptr, 1, nullptr, nullptr, nullptr, nullptr), "prompt");
  refused(spectra_score(nullptr, &token, 1, &score), "model");
  refused(spectra_score(model_, nullptr, 1, &score), "tokens");
  refused(spectra_score(model_, &token, 1, nullptr), "scores");
  refused(spectra_session_open(nullptr, &session), "model");
  refused(spectra_session_open(model_, nullptr), "session");
  refused(spectra_session_append(nullptr, &token, 1, nullptr), "session");
  refused(spectra_session_rewind(nullptr, 0), "session");
  EXPECT_TRUE(model == nullptr && tokens == nullptr && text == nullptr && session == nullptr);
  EXPECT_EQ(count, 99u);
  EXPECT_EQ(spectra_model_info(nullptr), nullptr);
  EXPECT_EQ(spectra_session_length(nullptr), 0u);
  spectra_load_options_init(nullptr, 8);
  spectra_generate_options_init(nullptr, 8);
  spectra_free(nullptr);
  spectra_model_free(nullptr);
  spectra_session_free(nullptr);
  spectra_generated_free(nullptr);
}

TEST_F(CApi, NullIsTakenWhereTheHeaderSaysSo) {
  char* text = nullptr;
  ASSERT_EQ(spectra_decode(model_, nullptr, 0, &text, nullptr), SPECTRA_OK);
  EXPECT_STREQ(text, "");
  spectra_free(text);

  spectra_generate_options options;
  spectra_generate_options_init(&options, sizeof(options));
  options.max_tokens = 5;
  EXPECT_EQ(spectra_generate(model_, nullptr, 0, &options, nullptr, nullptr, nullptr), SPECTRA_OK);
  spectra_generated* result = nullptr;
  ASSERT_EQ(spectra_generate(model_, "Zoo", 3, nullptr, nullptr, nullptr, &result), SPECTRA_OK);
  EXPECT_EQ(result->bytes, std::strlen(result->text));
  EXPECT_GT(result->token_count, 20u);
  EXPECT_LE(result->token_count, 256u);
  spectra_generated_free(result);

  spectra_session* session = nullptr;
  ASSERT_EQ(spectra_session_open(model_, &session), SPECTRA_OK);
  const int32_t tokens[] = {1, 2};
  EXPECT_EQ(spectra_session_append(session, tokens, 2, nullptr), SPECTRA_OK);
  EXPECT_EQ(spectra_session_length(session), 2u);
  spectra_session_free(session);
}

TEST_F(CApi, StopStringsAreCheckedBeforeAnythingRuns) {
  const char* stops[] = {"Lily", nullptr};
  spectra_generate_options options;
  spectra_generate_options_init(&options, sizeof(options));
  options.stop_count = 2;
  EXPECT_EQ(spectra_generate(model_, "a", 1, &options, nullptr, nullptr, nullptr), SPECTRA_USAGE);
  options.stops = stops;
  EXPECT_EQ(spectra_generate(model_, "a", 1, &options, nullptr, nullptr, nullptr), SPECTRA_USAGE);
  options.stop_count = 1;
  EXPECT_EQ(spectra_generate(model_, "a", 1, &options, nullptr, nullptr, nullptr), SPECTRA_OK);
}

TEST_F(CApi, EachThreadHasItsOwnError) {
  EXPECT_EQ(spectra_session_rewind(nullptr, 0), SPECTRA_USAGE);
  const std::string ours = spectra_last_error();
  std::string before = "?", theirs;
  std::thread([&] {
    before = spectra_last_error();
    spectra_model* none = nullptr;
    EXPECT_EQ(spectra_model_load("/nowhere", nullptr, &none), SPECTRA_BAD_INPUT);
    theirs = spectra_last_error();
  }).join();
  EXPECT_EQ(before, "");
  EXPECT_NE(theirs.find("/nowhere"), std::string::npos) << theirs;
  EXPECT_EQ(spectra_last_error(), ours);
  EXPECT_STRNE(spectra_last_hint(), "");
}

TEST_F(CApi, StructsOfOtherVersionsWork) {
  // An older program: its struct ends after `temperature`, and what lies behind must neither be written nor read.
  struct Older {
    size_t size;
    int64_t max_tokens;
    double temperature;
    uint64_t behind = 0xABCDABCDABCDABCD;
  } older;
  const size_t older_size = offsetof(Older, behind);
  spectra_generate_options_init(reinterpret_cast<spectra_generate_options*>(&older), older_size);
  EXPECT_EQ(older.size, older_size);
  EXPECT_EQ(older.max_tokens, 256);
  EXPECT_EQ(older.behind, 0xABCDABCDABCDABCD);
  older.max_tokens = 3;
  spectra_generated* result = nullptr;
  ASSERT_EQ(spectra_generate(model_, "a", 1, reinterpret_cast<spectra_generate_options*>(&older), nullptr, nullptr, &result),
            SPECTRA_OK)
      << spectra_last_error();
  EXPECT_EQ(result->token_count, 3u);
  spectra_generated_free(result);

  // A newer program: a field that this library does not know must be unused.
  struct Newer {
    spectra_generate_options known;
    int64_t unknown;
  } newer;
  auto* options = reinterpret_cast<spectra_generate_options*>(&newer);
  newer.unknown = 5;
  spectra_generate_options_init(options, sizeof(newer));
  EXPECT_EQ(newer.unknown, 0);
  newer.known.max_tokens = 3;
  EXPECT_EQ(spectra_generate(model_, "a", 1, options, nullptr, nullptr, nullptr), SPECTRA_OK) << spectra_last_error();
  newer.unknown = 1;
  EXPECT_EQ(spectra_generate(model_, "a", 1, options, nullptr, nullptr, nullptr), SPECTRA_USAGE);

  spectra_load_options never_initialized = {};
  spectra_model* model = nullptr;
  EXPECT_EQ(spectra_model_load(stories().c_str(), &never_initialized, &model), SPECTRA_USAGE);
  EXPECT_NE(std::string(spectra_last_hint()).find("spectra_load_options_init"), std::string::npos);
  never_initialized.size = 0x7fffffff;
  EXPECT_EQ(spectra_model_load(stories().c_str(), &never_initialized, &model), SPECTRA_USAGE);
  EXPECT_EQ(model, nullptr);
}

TEST_F(CApi, TextMayHoldZeroBytes) {
  int32_t* tokens = nullptr;
  size_t count = 0, bytes = 0;
  ASSERT_EQ(spectra_encode(model_, "a\0b", 3, 0, &tokens, &count), SPECTRA_OK);
  char* text = nullptr;
  ASSERT_EQ(spectra_decode(model_, tokens, count, &text, &bytes), SPECTRA_OK);
  EXPECT_EQ(std::string(text, bytes), std::string("a\0b", 3));
  spectra_free(tokens);
  spectra_free(text);
}

TEST_F(CApi, VersionIsTheProjects) { EXPECT_STREQ(spectra_version(), SPECTRA_PROJECT_VERSION); }

}  // namespace
}  // namespace spectra

// SPDX-License-Identifier: Apache-2.0
// The C++ API through the shared library alone, compiled as C++17.
#include <spectra/spectra.hpp>

#include <algorithm>
#include <cmath>
#include <thread>

#include "models.h"

namespace spectra {
namespace {

using Tokens = std::vector<std::int32_t>;

class CppApi : public test::Models {};

/// Runs `body`, which must throw Error; returns it.
template <class Body>
Error error_of(const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return {SPECTRA_OK, "", ""};
}

TEST_F(CppApi, WritesThePublishedText) {
  Model model(stories());
  GenerateOptions options;
  options.max_tokens = 200;
  std::string streamed;
  const Generated g = model.generate("", options, [&](std::string_view piece) {
    streamed += piece;
    return true;
  });
  EXPECT_EQ(g.text, test::contents(test::stories_source() / "greedy-bos-200.txt"));
  EXPECT_EQ(streamed, g.text);
  EXPECT_EQ(g.tokens.size(), 200u);
  EXPECT_EQ(g.prompt_tokens, 1);
  EXPECT_EQ(g.finish, Finish::kLength);
  EXPECT_EQ(model.decode(g.tokens), g.text);
}

TEST_F(CppApi, DefaultsAreThoseOfTheCApi) {
  spectra_load_options load;
  spectra_load_options_init(&load, sizeof(load));
  EXPECT_EQ(load.activations, static_cast<int>(LoadOptions().activations));
  EXPECT_EQ(load.threads, LoadOptions().threads);
  EXPECT_EQ(load.kv_bytes, LoadOptions().kv_bytes);
  spectra_generate_options generate;
  spectra_generate_options_init(&generate, sizeof(generate));
  const GenerateOptions ours;
  EXPECT_EQ(generate.max_tokens, ours.max_tokens);
  EXPECT_EQ(generate.temperature, ours.temperature);
  EXPECT_EQ(generate.top_k, ours.top_k);
  EXPECT_EQ(generate.top_p, ours.top_p);
  EXPECT_EQ(generate.min_p, ours.min_p);
  EXPECT_EQ(generate.repetition_penalty, ours.repetition_penalty);
  EXPECT_EQ(generate.seed, ours.seed);
  EXPECT_EQ(generate.stop_count, ours.stops.size());
}

TEST_F(CppApi, SamplingFollowsItsOptions) {
  Model model(stories());
  GenerateOptions options;
  options.max_tokens = 30;
  const std::string greedy = model.generate("One day", options).text;
  options.temperature = 1;
  options.seed = 3;
  const std::string drawn = model.generate("One day", options).text;
  EXPECT_EQ(model.generate("One day", options).text, drawn);
  options.seed = 4;
  EXPECT_NE(model.generate("One day", options).text, drawn);
  options.top_k = 1;
  EXPECT_EQ(model.generate("One day", options).text, greedy);
  options.top_k = 0;
  options.min_p = 1;
  EXPECT_EQ(model.generate("One day", options).text, greedy);
  options.min_p = 0;
  options.top_p = 1e-9;
  EXPECT_EQ(model.generate("One day", options).text, greedy);
  options.repetition_penalty = 5;
  EXPECT_NE(model.generate("One day", options).text, greedy);
}

TEST_F(CppApi, ATextEndsAtAStopStringOrWhereTheCallbackWantsNoMore) {
  Model model(stories());
  GenerateOptions options;
  options.stops = {"nowhere", "little girl"};
  const Generated stopped = model.generate("", options);
  EXPECT_EQ(stopped.text, "Once upon a time, there was a ");
  EXPECT_EQ(stopped.finish, Finish::kStop);

  std::string streamed;
  int pieces = 0;
  const Generated cancelled = model.generate("", {}, [&](std::string_view piece) {
    streamed += piece;
    return ++pieces < 5;
  });
  EXPECT_EQ(cancelled.finish, Finish::kCancelled);
  EXPECT_EQ(pieces, 5);
  EXPECT_EQ(cancelled.text, streamed);
  EXPECT_EQ(cancelled.tokens.size(), 5u);
  EXPECT_EQ(model.generate("", {}, [](std::string_view) { return false; }).tokens.size(), 1u);
}

TEST_F(CppApi, ACallbackMayThrowAndMayUseTheModel) {
  Model model(stories());
  EXPECT_THROW(model.generate("", {}, [](std::string_view) -> bool { throw std::domain_error("enough"); }), std::domain_error);

  LoadOptions roomy;
  roomy.kv_bytes = static_cast<std::uint64_t>(2 * model.info().session_bytes);
  Model other(stories(), roomy);
  GenerateOptions options;
  options.max_tokens = 8;
  std::string inner;
  const std::string outer = other
                                .generate("Zoo", options,
                                          [&](std::string_view) {
                                            inner = other.generate("", options).text;
                                            return true;
                                          })
                                .text;
  EXPECT_EQ(outer, model.generate("Zoo", options).text);
  EXPECT_EQ(inner, model.generate("", options).text);
}

TEST_F(CppApi, TheCallbackMayFreeTheModel) {
  auto model = std::make_unique<Model>(stories());
  GenerateOptions options;
  options.max_tokens = 20;
  const std::string expected = model->generate("Zoo", options).text;
  std::string text;
  model->generate("Zoo", options, [&](std::string_view piece) {
    model.reset();
    text += piece;
    return true;
  });
  EXPECT_EQ(text, expected);
}

TEST_F(CppApi, InfoDescribesTheModel) {
  const Model float_model(stories());
  const Info& f = float_model.info();
  EXPECT_STREQ(f.family, "float");
  EXPECT_STREQ(f.format, "unpacked");
  EXPECT_EQ(f.hidden, 64);
  EXPECT_EQ(f.glu, 172);
  EXPECT_EQ(f.layers, 5);
  EXPECT_EQ(f.heads, 8);
  EXPECT_EQ(f.kv_heads, 4);
  EXPECT_EQ(f.context, 512);
  EXPECT_EQ(f.vocab, 512);
  EXPECT_EQ(f.tokenizer_vocab, 512);
  EXPECT_EQ(f.parameters, 260032);  // as published
  EXPECT_EQ(f.bytes, 260032 * 4);
  EXPECT_EQ(f.kv_bytes, f.session_bytes);
  EXPECT_EQ(f.bos, 1);
  EXPECT_EQ(f.eos, 2);
  EXPECT_EQ(f.activations, SPECTRA_ACTIVATIONS_FP32);
  EXPECT_GE(f.threads, 1);

  LoadOptions options;
  options.threads = 3;
  const Model ternary_model(ternary(), options);
  const Info& t = ternary_model.info();
  EXPECT_STREQ(t.family, "ternary");
  EXPECT_EQ(std::string(t.format).rfind("tern1.6", 0), 0u) << t.format;
  EXPECT_EQ(t.tokenizer_vocab, 0);
  EXPECT_EQ(t.activations, SPECTRA_ACTIVATIONS_INT8);
  EXPECT_EQ(t.threads, 3);
  const std::int64_t linear = 2 * (4 * 64 * 64 + 3 * 64 * 96);
  EXPECT_EQ(t.parameters, linear + 2 * 150 * 64 + 5 * 64);
  EXPECT_LT(t.bytes, (t.parameters - linear) * 2 + linear / 2);  // fp16 beside codes
}

TEST_F(CppApi, TokensAndText) {
  Model model(stories());
  const std::string text =
      "Lily saw a \xC3\xA9"
      "clair.";
  const Tokens ids = model.encode(text);
  EXPECT_EQ(ids.front(), model.info().bos);
  EXPECT_EQ(model.decode(ids), text);
  EXPECT_EQ(model.encode(text, 0), Tokens(ids.begin() + 1, ids.end()));
  EXPECT_EQ(model.encode(""), Tokens{model.info().bos});
  EXPECT_EQ(model.encode("", 0), Tokens{});
  EXPECT_EQ(model.decode({}), "");
  EXPECT_EQ(model.encode("</s>", 0), Tokens{model.info().eos});
  EXPECT_GT(model.encode("</s>", SPECTRA_ENCODE_PLAIN).size(), 1u);
  EXPECT_EQ(error_of([&] { model.encode("a", 64); }).status(), SPECTRA_USAGE);
}

TEST_F(CppApi, ScoresAreTheLogitsOfASession) {
  Model model(stories());
  const Tokens tokens = model.encode("Once upon a time, there was a purple stone named Lily.");
  const std::vector<TokenScore> scores = model.score(tokens);
  ASSERT_EQ(scores.size(), tokens.size() - 1);
  Session session = model.session();
  int tops = 0;
  for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
    const std::vector<float> logits = session.append({tokens[i]});
    double sum = 0;
    for (const float logit : logits) sum += std::exp(static_cast<double>(logit));
    const auto next = static_cast<std::size_t>(tokens[i + 1]);
    EXPECT_NEAR(scores[i].logprob, static_cast<double>(logits[next]) - std::log(sum), 1e-5);
    EXPECT_EQ(scores[i].top != 0, std::max_element(logits.begin(), logits.end()) - logits.begin() == tokens[i + 1]);
    tops += scores[i].top;
  }
  EXPECT_GT(tops, 5);
  EXPECT_LT(tops, static_cast<int>(scores.size()));
}

TEST_F(CppApi, ASessionIsContinuedAndCutBack) {
  for (const bool packed : {false, true}) {
    Model model(packed ? ternary() : stories());
    const Tokens all = {1, 149, 20, 33, 48, 5, 66, 71, 8, 9};
    Session whole = model.session();
    const std::vector<float> expected = whole.append(all);
    EXPECT_EQ(expected.size(), static_cast<std::size_t>(model.info().vocab));
    EXPECT_EQ(whole.length(), all.size());
    whole.rewind(0);

    Session session = model.session();
    session.append({1, 149, 20});
    session.append({7, 7, 7, 7});
    EXPECT_EQ(session.length(), 7u);
    session.rewind(3);
    EXPECT_EQ(session.append(Tokens(all.begin() + 3, all.end())), expected);
    session.rewind(0);
    EXPECT_NE(session.append({149}), expected);
    const Error error = error_of([&] { session.rewind(2); });
    EXPECT_EQ(error.status(), SPECTRA_USAGE);
    EXPECT_EQ(session.length(), 1u);
  }
}

TEST_F(CppApi, ASessionOutlivesItsModel) {
  auto model = std::make_unique<Model>(ternary());
  Session session = model->session();
  const std::vector<float> expected = session.append({1, 2, 3});
  model.reset();
  session.rewind(0);
  EXPECT_EQ(session.append({1, 2, 3}), expected);
}

TEST_F(CppApi, TooManyTokensAreRefusedAndNothingChanges) {
  Model model(ternary());
  Session session = model.session();
  session.append({1, 2, 3});
  const Error too_long = error_of([&] { session.append(Tokens(94, 1)); });
  EXPECT_EQ(too_long.status(), SPECTRA_BAD_INPUT);
  EXPECT_NE(std::string(too_long.what()).find("96"), std::string::npos) << too_long.what();
  EXPECT_FALSE(too_long.hint().empty());
  EXPECT_EQ(session.length(), 3u);
  for (const std::int32_t id : {-1, 150}) {
    const Error unknown = error_of([&] { session.append({1, id}); });
    EXPECT_EQ(unknown.status(), SPECTRA_BAD_INPUT);
    EXPECT_NE(std::string(unknown.what()).find(std::to_string(id)), std::string::npos) << unknown.what();
    EXPECT_EQ(error_of([&] { model.score({id, 1}); }).status(), SPECTRA_BAD_INPUT);
    EXPECT_EQ(error_of([&] { model.score({1, id}); }).status(), SPECTRA_BAD_INPUT);
  }
  EXPECT_EQ(error_of([&] { session.append({}); }).status(), SPECTRA_USAGE);
  EXPECT_EQ(error_of([&] { model.score({}); }).status(), SPECTRA_USAGE);
  EXPECT_EQ(error_of([&] { model.score({1}); }).status(), SPECTRA_USAGE);
  session.append(Tokens(93, 1));
  EXPECT_EQ(session.length(), 96u);
  session.rewind(0);
  EXPECT_EQ(model.score(Tokens(97, 1)).size(), 96u);
  EXPECT_EQ(error_of([&] { model.score(Tokens(98, 1)); }).status(), SPECTRA_BAD_INPUT);

  Model stories_model(stories());
  std::string prompt;
  while (stories_model.encode(prompt).size() <= 512) prompt += "Once upon a time ";
  EXPECT_EQ(error_of([&] { stories_model.generate(prompt); }).status(), SPECTRA_BAD_INPUT);
}

TEST_F(CppApi, MemoryForKeysAndValuesIsSharedAndLimited) {
  Model model(ternary());  // one sequence of 96 tokens: two pages
  Session first = model.session(), second = model.session();
  first.append(Tokens(64, 1));
  const std::vector<float> expected = second.append(Tokens(10, 1));
  const Error full = error_of([&] { second.append(Tokens(80, 1)); });
  EXPECT_EQ(full.status(), SPECTRA_REFUSED);
  EXPECT_EQ(second.length(), 10u);
  EXPECT_EQ(error_of([&] { model.score({1, 2}); }).status(), SPECTRA_REFUSED);
  first.rewind(0);  // frees its page at once
  second.append(Tokens(80, 1));
  second.rewind(0);
  EXPECT_EQ(second.append(Tokens(10, 1)), expected);

  LoadOptions options;
  options.kv_bytes = 1;
  EXPECT_EQ(error_of([&] { Model(ternary(), options); }).status(), SPECTRA_REFUSED);
  options.kv_bytes = static_cast<std::uint64_t>(3 * model.info().session_bytes);
  EXPECT_EQ(Model(ternary(), options).info().kv_bytes, 3 * model.info().session_bytes);
}

TEST_F(CppApi, ModelsThatCannotBeLoadedSayWhy) {
  const Error missing = error_of([&] { Model(ternary() + "-missing"); });
  EXPECT_EQ(missing.status(), SPECTRA_BAD_INPUT);
  EXPECT_NE(std::string(missing.what()).find("ternary-missing"), std::string::npos) << missing.what();
  EXPECT_FALSE(missing.hint().empty());
  LoadOptions options;
  options.activations = Activations::kInt8;
  EXPECT_EQ(error_of([&] { Model(stories(), options); }).status(), SPECTRA_BAD_INPUT);
  options.activations = static_cast<Activations>(77);
  EXPECT_EQ(error_of([&] { Model(ternary(), options); }).status(), SPECTRA_USAGE);
  options = {};
  options.threads = -1;
  EXPECT_EQ(error_of([&] { Model(ternary(), options); }).status(), SPECTRA_USAGE);
  EXPECT_EQ(error_of([&] { Model(ternary()).generate("a"); }).status(), SPECTRA_BAD_INPUT);  // no tokenizer
  EXPECT_EQ(error_of([&] { Model(ternary()).encode("a"); }).status(), SPECTRA_BAD_INPUT);
}

TEST_F(CppApi, OptionsOutOfRangeAreNamed) {
  Model model(stories());
  const auto refused = [&](const char* name, const auto& set) {
    GenerateOptions options;
    set(options);
    const Error error = error_of([&] { model.generate("a", options); });
    EXPECT_EQ(error.status(), SPECTRA_USAGE) << name;
    EXPECT_NE(std::string(error.what()).find(name), std::string::npos) << error.what();
    EXPECT_FALSE(error.hint().empty()) << name;
  };
  refused("max_tokens", [](GenerateOptions& o) { o.max_tokens = -1; });
  refused("temperature", [](GenerateOptions& o) { o.temperature = -1; });
  refused("temperature", [](GenerateOptions& o) { o.temperature = std::nan(""); });
  refused("top_k", [](GenerateOptions& o) { o.top_k = -1; });
  refused("top_p", [](GenerateOptions& o) { o.top_p = 0; });
  refused("min_p", [](GenerateOptions& o) { o.min_p = 2; });
  refused("repetition_penalty", [](GenerateOptions& o) { o.repetition_penalty = 0; });
}

TEST_F(CppApi, TwoModelsAndThreadsDoNotDisturbEachOther) {
  Model model(stories());
  LoadOptions options;
  options.threads = 2;
  options.kv_bytes = static_cast<std::uint64_t>(4 * Model(ternary()).info().session_bytes);
  Model other(ternary(), options);
  const Tokens tokens = {1, 2, 3, 4, 5};
  const std::vector<float> expected = other.session().append(tokens);
  GenerateOptions generate;
  generate.max_tokens = 20;
  const std::string text = model.generate("Zoo", generate).text;

  std::vector<std::thread> threads;
  std::vector<int> good(4);
  for (std::size_t t = 0; t < good.size(); ++t)
    threads.emplace_back([&, t] {
      for (int round = 0; round < 5; ++round)
        good[t] += t % 2 == 0 ? model.generate("Zoo", generate).text == text : other.session().append(tokens) == expected;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, std::vector<int>(4, 5));
}

}  // namespace
}  // namespace spectra

// SPDX-License-Identifier: Apache-2.0
#pragma once
// A made-up world for demos and tests: small English stories from a grammar, deterministic by seed, with several million different
// sentences. Characters with wants, places, objects, causes and effects, simple arithmetic, and a fixed world of facts.
#include <cstdint>
#include <string>
#include <vector>

namespace spectra::text {

/// Story number `index` under `seed`: 60 to 200 words, plain ASCII, paragraphs separated by a newline. Stories of split
/// `held_out` never occur in the training split (they combine character, want and place in pairs that training leaves out) and
/// may use the held-out facts.
std::string story(uint64_t seed, uint64_t index, bool held_out);

/// A fact of the world as a question for the model: the prompt in the wording of the stories, and continuations (each begins with a
/// space) of which the first is right.
struct Fact {
  std::string prompt;
  std::vector<std::string> choices;
  bool held_out;      ///< its sum or its pairing was never told in training stories; it can be found from what was
  std::string topic;  ///< "kinds", "characters", "places", "days", "opposites", "colors" or "sums"
};
std::vector<Fact> world_facts();

}  // namespace spectra::text

// SPDX-License-Identifier: Apache-2.0
// How well a model predicts a text: its perplexity, and how often its first guess was right.
// Windows of the whole context, each token scored once: every window begins with the last token of the one before.
// Usage: perplexity MODEL < TEXT
#include <algorithm>
#include <cmath>
#include <iostream>
#include <iterator>
#include <spectra/spectra.hpp>
#include <string>
#include <vector>

int main(int argc, char** argv) try {
  if (argc != 2) {
    std::cerr << "usage: perplexity MODEL < TEXT\n";
    return SPECTRA_USAGE;
  }
  spectra::LoadOptions options;
  options.activations = spectra::Activations::kFp32;
  spectra::Model model(argv[1], options);
  const std::string text(std::istreambuf_iterator<char>(std::cin), {});
  const std::vector<std::int32_t> tokens = model.encode(text);

  double sum = 0;
  std::size_t scored = 0, right = 0;
  const auto context = static_cast<std::size_t>(model.info().context);
  for (std::size_t begin = 0; begin + 1 < tokens.size(); begin += context) {
    const std::size_t end = std::min(begin + context + 1, tokens.size());
    for (const spectra::TokenScore& score : model.score({tokens.begin() + begin, tokens.begin() + end})) {
      sum -= score.logprob;
      right += score.top;
      ++scored;
    }
  }
  if (scored == 0) throw spectra::Error(SPECTRA_BAD_INPUT, "the text is too short to be scored", "give at least two tokens");
  std::cout << "perplexity " << std::exp(sum / scored) << ", first guess right " << 100.0 * right / scored << " %, " << scored
            << " tokens\n";
} catch (const spectra::Error& error) {
  std::cerr << "error: " << error.what() << "\n  " << error.hint() << '\n';
  return error.status();
}

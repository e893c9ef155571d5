// SPDX-License-Identifier: Apache-2.0
// Tells stories: continues each line of standard input until the end of its sentence, printing text as it comes.
// Usage: echo "Once upon a time" | generate MODEL [TEMPERATURE]
#include <cstdlib>
#include <iostream>
#include <spectra/spectra.hpp>
#include <string>

int main(int argc, char** argv) try {
  if (argc < 2) {
    std::cerr << "usage: generate MODEL [TEMPERATURE]\n";
    return SPECTRA_USAGE;
  }
  spectra::Model model(argv[1]);
  std::cerr << "a " << model.info().family << " model of " << model.info().parameters << " weights\n";

  spectra::GenerateOptions options;
  options.max_tokens = 100;
  options.temperature = argc > 2 ? std::atof(argv[2]) : 0;
  for (std::string line; std::getline(std::cin, line); ++options.seed) {
    std::cout << line;
    model.generate(line, options, [](std::string_view piece) {
      const std::size_t end = piece.find_first_of(".!?");
      std::cout << piece.substr(0, end == std::string_view::npos ? end : end + 1) << std::flush;
      return end == std::string_view::npos;  // false ends the text
    });
    std::cout << '\n';
  }
} catch (const spectra::Error& error) {
  std::cerr << "error: " << error.what() << "\n  " << error.hint() << '\n';
  return error.status();
}

// SPDX-License-Identifier: Apache-2.0
#include <csignal>
#include <cstdio>
#include <exception>
#include <new>

#include "base/error.h"
#include "base/log.h"
#include "base/system.h"
#include "cli/openmp_spin.h"
#include "cli/parser.h"

int main(int argc, char** argv) {
  using spectra::Exit;
  spectra::cli::shorten_openmp_spin(argc, argv);
  spectra::catch_interrupts();
  std::signal(SIGXFSZ, SIG_IGN);  // a file-size limit becomes an error like a full disk, after which partial files are removed
  try {
    return spectra::cli::parse_and_run({argv + 1, argv + argc});
  } catch (const spectra::Error& error) {
    spectra::error_line(error.what(), error.hint());
    return static_cast<int>(error.code());
  } catch (const std::bad_alloc&) {
    spectra::error_line("out of memory", "use a smaller model, batch or context");
    return static_cast<int>(Exit::kRefused);
  } catch (const std::exception& error) {
    spectra::error_line(error.what());
    return static_cast<int>(Exit::kFailed);
  }
}

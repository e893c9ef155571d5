// SPDX-License-Identifier: Apache-2.0
// The C header is C99, by itself; compiled with -pedantic and warnings as errors.
#include <spectra/spectra.h>

int spectra_header_is_c99(void);
int spectra_header_is_c99(void) {
  spectra_generate_options options;
  spectra_generate_options_init(&options, sizeof options);
  return options.size == sizeof options && SPECTRA_OK == 0;
}

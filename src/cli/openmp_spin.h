// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace spectra::cli {

/// Makes OpenMP's threads sleep after a short spin, in the commands that train or quantize. OpenMP learns how long they spin only
/// when it is loaded, so the program starts itself anew, once, as the same process with the same arguments; to be called before
/// anything else. Does nothing where the environment says how threads wait.
void shorten_openmp_spin(int argc, char** argv);

}  // namespace spectra::cli

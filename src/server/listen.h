// SPDX-License-Identifier: Apache-2.0
#pragma once
// A TCP socket that listens.
#include <string>

namespace spectra::server {

/// `host`: an address or a name; `port` 0 = any free one. Throws Error with the system's reason.
int listen_on(const std::string& host, int port);
int port_of(int socket);
/// Whether only programs of this machine reach it.
bool is_loopback(int socket);
/// Lets the process have as many files open as it may.
void raise_open_files();

}  // namespace spectra::server

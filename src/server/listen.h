// SPDX-License-Identifier: Apache-2.0
#pragma once
// A TCP socket that listens.
#include <string>

namespace spectra::server {

/// `host`: an address or a name; `port` 0 = any free one. Throws Error with the system's reason.
int listen_on(const std::string& host, int port);
int port_of(int socket);
/// Whether only programs of this machine reach the socket.
bool is_loopback(int socket);
/// Raises the number of files that the process may have open to the most that the system allows.
void raise_open_files();

}  // namespace spectra::server

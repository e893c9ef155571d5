// SPDX-License-Identifier: Apache-2.0
#include "suite/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"

namespace spectra::suite {
namespace {

constexpr int kBySignal = 128;  // and the signal, as shells say it

bool handed_on(const std::string& variable) {
  for (const char* prefix : {"OMPI_", "PMIX_", "PMI_", "PRTE_", "HYDRA_", "MPI_"})
    if (variable.rfind(prefix, 0) == 0) return false;
  const std::string name = variable.substr(0, variable.find('='));
  return name.rfind("SPECTRA_", 0) != 0 || name.find("__") == std::string::npos;
}

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> result;
  for (std::string& word : words) result.push_back(word.data());
  result.push_back(nullptr);
  return result;
}

int open_or_throw(const fs::path& path, int flags) {
  const int descriptor = ::open(path.c_str(), flags | O_CLOEXEC, 0644);
  if (descriptor < 0) throw io_error("open", path.string());
  return descriptor;
}

/// What is left to do in the child: system calls only, because other threads may have held locks when it was split off.
[[noreturn]] void become(pid_t parent, const char* directory, const int (&streams)[3], char* const* arguments,
                         char* const* environment) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent || ::chdir(directory) != 0) ::_exit(kCannotStart);
  for (int i = 0; i < 3; ++i)
    if (::dup2(streams[i], i) < 0) ::_exit(kCannotStart);
  ::execve("/proc/self/exe", arguments, environment);
  ::_exit(kCannotStart);
}

}  // namespace

pid_t start_process(const fs::path& directory, const std::vector<std::string>& arguments, const fs::path& out,
                    const fs::path& log) {
  std::vector<std::string> words = {"spectra"}, variables;
  words.insert(words.end(), arguments.begin(), arguments.end());
  for (char** entry = environ; *entry != nullptr; ++entry)
    if (handed_on(*entry)) variables.emplace_back(*entry);
  const std::vector<char*> argv = pointers(words), environment = pointers(variables);
  const int streams[3] = {open_or_throw("/dev/null", O_RDONLY), open_or_throw(out, O_WRONLY | O_CREAT | O_TRUNC),
                          open_or_throw(log, O_WRONLY | O_CREAT | O_APPEND)};
  const pid_t self = ::getpid(), child = ::fork();  // not posix_spawn, which cannot ask for a signal at our death
  if (child == 0) become(self, directory.c_str(), streams, argv.data(), environment.data());
  const int error = errno;
  for (const int stream : streams) ::close(stream);
  errno = error;
  if (child < 0) throw io_error("start", "a process");
  return child;
}

std::optional<int> exit_code(pid_t process) {
  int status = 0;
  const pid_t ended = ::waitpid(process, &status, WNOHANG);
  if (ended == 0 || (ended < 0 && errno == EINTR)) return std::nullopt;
  if (ended < 0) return kCannotStart;
  return WIFEXITED(status) ? WEXITSTATUS(status) : kBySignal + WTERMSIG(status);
}

std::string how_it_ended(int code) {
  if (code == kCannotStart) return "could not be started";
  if (code == kBySignal + SIGKILL) return "was killed by signal 9, as the system does where memory is short";
  if (code > kBySignal && code < 2 * kBySignal) return fmt::format("was killed by signal {}", code - kBySignal);
  return fmt::format("ended with exit code {}", code);
}

void interrupt_process(pid_t process) { ::kill(process, SIGTERM); }

}  // namespace spectra::suite

// SPDX-License-Identifier: Apache-2.0
// Ranks over MPI. The library is started only under a launcher: a process by itself never pays for it.
#define OMPI_SKIP_MPICXX 1
#include <mpi.h>

#include <algorithm>

#include "base/log.h"
#include "ranks/ranks.h"

namespace spectra::ranks {
namespace {

int world(int (*of)(MPI_Comm, int*)) {
  int value = 0;
  of(MPI_COMM_WORLD, &value);
  return value;
}

int size_of_host() {
  MPI_Comm host = MPI_COMM_NULL;
  MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &host);
  int size = 1;
  MPI_Comm_size(host, &size);
  MPI_Comm_free(&host);
  return size;
}

class MpiRanks final : public Ranks {
 public:
  MpiRanks() : Ranks(world(MPI_Comm_rank), world(MPI_Comm_size), size_of_host()) {}
  ~MpiRanks() override { MPI_Finalize(); }

  size_t send(int to, const void* data, size_t bytes) override {
    return each_part(bytes, [&](size_t begin, int count, MPI_Request* request) {
      MPI_Isend(static_cast<const char*>(data) + begin, count, MPI_BYTE, to, 0, MPI_COMM_WORLD, request);
    });
  }
  size_t receive(int from, void* data, size_t bytes) override {
    return each_part(bytes, [&](size_t begin, int count, MPI_Request* request) {
      MPI_Irecv(static_cast<char*>(data) + begin, count, MPI_BYTE, from, 0, MPI_COMM_WORLD, request);
    });
  }
  size_t broadcast(int from, void* data, size_t bytes) override {
    return each_part(bytes, [&](size_t begin, int count, MPI_Request* request) {
      MPI_Ibcast(static_cast<char*>(data) + begin, count, MPI_BYTE, from, MPI_COMM_WORLD, request);
    });
  }

  bool progress(size_t ticket) override {
    int done = 0;
    MPI_Testall(static_cast<int>(tickets_[ticket].size()), tickets_[ticket].data(), &done, MPI_STATUSES_IGNORE);
    return done != 0;
  }
  void wait(size_t ticket) override {
    MPI_Waitall(static_cast<int>(tickets_[ticket].size()), tickets_[ticket].data(), MPI_STATUSES_IGNORE);
  }
  void wait_all() override {
    for (size_t ticket = 0; ticket < tickets_.size(); ++ticket) wait(ticket);
    tickets_.clear();
  }

  std::vector<double> gather(std::span<const double> values) override {
    std::vector<double> all(values.size() * static_cast<size_t>(size()));
    const int count = static_cast<int>(values.size());
    MPI_Allgather(values.data(), count, MPI_DOUBLE, all.data(), count, MPI_DOUBLE, MPI_COMM_WORLD);
    return all;
  }
  std::string from_first(const std::string& text) override {
    std::string result = text;
    uint64_t length = text.size();
    MPI_Bcast(&length, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
    result.resize(length);
    MPI_Bcast(result.data(), static_cast<int>(length), MPI_CHAR, 0, MPI_COMM_WORLD);
    return result;
  }

  void abandon(const Error& error) override {
    if (error.code() == Exit::kInterrupted) return;
    error_line(size() == 1 ? error.what() : fmt::format("rank {}: {}", rank(), error.what()), error.hint());
    MPI_Abort(MPI_COMM_WORLD, static_cast<int>(error.code()));
  }

 private:
  /// MPI counts in int: messages are cut into parts of 1 GiB.
  template <class Start>
  size_t each_part(size_t bytes, Start start) {
    constexpr size_t kPart = size_t{1} << 30;
    std::vector<MPI_Request> requests((bytes + kPart - 1) / kPart, MPI_REQUEST_NULL);
    for (size_t i = 0; i < requests.size(); ++i)
      start(i * kPart, static_cast<int>(std::min(kPart, bytes - i * kPart)), &requests[i]);
    tickets_.push_back(std::move(requests));
    return tickets_.size() - 1;
  }
  std::vector<std::vector<MPI_Request>> tickets_;
};

}  // namespace

std::unique_ptr<Ranks> join_ranks() {
  if (launched_ranks() == 1) return single_rank();
  int level = 0;
  MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &level);
  return std::make_unique<MpiRanks>();
}

std::string mpi_version() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING];
  int length = 0;
  MPI_Get_library_version(text, &length);
  const std::string version(text, static_cast<size_t>(length));
  return version.substr(0, version.find(','));
}

}  // namespace spectra::ranks

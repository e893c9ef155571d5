// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/error.h"
#include "base/log.h"
#include "server/api_error.h"
#include "server/completion_request.h"
#include "server/server.h"
#include "text/chat/jinja/template.h"
#include "unit/server/byte_model.h"

namespace {

using namespace spectra;

/// A server on a model of random weights, made once.
class Fixture {
 public:
  Fixture() {
    set_quiet(true);
    test::write_byte_model(directory_ / "model");
    served_ = std::make_unique<server::ServedModel>((directory_ / "model").string(), server::ModelOptions());
    std::vector<std::unique_ptr<server::ServedModel>> models;
    models.push_back(std::make_unique<server::ServedModel>((directory_ / "model").string(), server::ModelOptions()));
    server::ServerOptions options;
    options.port = 0;
    server_ = std::make_unique<server::Server>(std::move(models), options);
    const std::string url = server_->url();
    port_ = std::atoi(url.substr(url.rfind(':') + 1).c_str());
  }

  const server::ServedModel& model() const { return *served_; }

  /// Sends the bytes and reads what comes back at once.
  void talk(const std::string& bytes) const {
    const int s = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port_));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(s, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) std::abort();  // it must stay alive
    ::send(s, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    const timeval limit{0, 5000};
    ::setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    char buffer[4096];
    while (::recv(s, buffer, sizeof(buffer), 0) > 0) continue;
    ::close(s);
  }

 private:
  test::TemporaryDirectory directory_;
  std::unique_ptr<server::ServedModel> served_;
  std::unique_ptr<server::Server> server_;
  int port_ = 0;
};

}  // namespace

/// The first byte chooses: raw bytes to the socket; a body of either kind of request, read but not run; a chat template.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Fixture fixture;
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data + 1), size - 1);
  try {
    switch (data[0] % 4) {
      case 0:
        fixture.talk(text);
        break;
      case 1:
        server::read_completion(server::Fields::parse(text), fixture.model());
        break;
      case 2:
        server::read_chat(server::Fields::parse(text), fixture.model());
        break;
      default:
        text::jinja::Template(text).render({{"messages", {{{"role", "user"}, {"content", "x"}}}}, {"bos_token", "<s>"}});
    }
  } catch (const server::ApiError&) {
  } catch (const text::jinja::TemplateError&) {
  }
  return 0;
}

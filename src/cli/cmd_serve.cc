// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/system.h"
#include "base/units.h"
#include "cli/command.h"
#include "server/listen.h"
#include "server/server.h"

namespace spectra::cli {
namespace {

struct Arguments {
  std::vector<std::string> models;
  std::string host = "127.0.0.1", key_file, cors, kv_memory, activations = "auto", head = "stored";
  int64_t port = 8080, max_concurrent = 32, max_waiting = 1024, context = 0, shutdown_time = 30, request_time = 60;
  bool log_requests = false, huge_pages = false;
};

void require(bool ok, const char* option, int64_t value, const char* allowed) {
  if (!ok) throw Error(Exit::kUsage, fmt::format("{} {} is out of range", option, value), fmt::format("allowed: {}", allowed));
}

/// The first line of a file.
std::string read_key(const std::string& path) {
  if (path.empty()) return "";
  std::string key = read_file(path);
  key.resize(std::min(key.size(), key.find_first_of("\r\n")));
  if (key.empty()) throw bad_input(fmt::format("{}: the first line is empty", path), "write the API key into it");
  return key;
}

server::ModelOptions model_options(const Arguments& a) {
  server::ModelOptions options;
  options.load = {.int8_head = a.head == "int8", .backing = a.huge_pages ? Backing::kHugePages : Backing::kMapped};
  options.activations = a.activations;
  options.context = a.context;
  options.max_running = a.max_concurrent;
  options.kv_bytes = a.kv_memory.empty() ? 0 : parse_bytes(a.kv_memory, "--kv-memory");
  return options;
}

server::ServerOptions server_options(const Arguments& a) {
  require(a.port >= 0 && a.port < 65536, "--port", a.port, "1 to 65535, or 0 for any free one");
  require(a.max_concurrent >= 1 && a.max_concurrent <= 512, "--max-concurrent", a.max_concurrent, "1 to 512");
  require(a.max_waiting >= 1, "--max-waiting", a.max_waiting, "1 or more");
  require(a.context >= 0, "--context", a.context, "1 or more, or 0 for the model's");
  require(a.shutdown_time >= 0, "--shutdown-time", a.shutdown_time, "0 or more seconds");
  require(a.request_time >= 1, "--request-time", a.request_time, "1 or more seconds");
  server::ServerOptions options;
  options.http.request_time = std::chrono::seconds(a.request_time);
  options.host = a.host;
  options.port = static_cast<int>(a.port);
  options.api_key = read_key(a.key_file);
  options.cors = a.cors;
  options.max_waiting = a.max_waiting;
  options.log_requests = a.log_requests;
  return options;
}

void announce(const server::Server& server, const server::ServerOptions& options, const nlohmann::ordered_json& names) {
  if (!server.loopback() && options.api_key.empty())
    log_warning("everyone who reaches {} can use the models; --api-key-file asks for a key", server.url());
  log_info("{} serves {}; Ctrl-C ends it", server.url(), names.dump());
  if (global().json)
    print_json(nlohmann::ordered_json{{"schema", "spectra.serve/1"}, {"url", server.url()}, {"models", names}}.dump());
}

void run(const Arguments& a) {
  const server::ServerOptions options = server_options(a);
  server::raise_open_files();
  std::vector<std::unique_ptr<server::ServedModel>> models;
  nlohmann::ordered_json names = nlohmann::ordered_json::array();
  for (const std::string& model : a.models) {
    models.push_back(std::make_unique<server::ServedModel>(model, model_options(a)));
    names.push_back(models.back()->name);
  }
  server::Server server(std::move(models), options);
  announce(server, options, names);
  while (!interrupted()) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  log_info("shutting down: requests have {} s to end", a.shutdown_time);
  if (!server.shut_down(std::chrono::seconds(a.shutdown_time))) log_warning("some requests were interrupted");
}

}  // namespace

Command make_serve() {
  static Arguments a;
  Command command;
  command.name = "serve";
  command.summary = "serve models over HTTP: OpenAI's API, and a page to try them";
  command.options = {
      {"MODEL", "model directory, or NAME=DIRECTORY; several are served side by side", &a.models, true},
      {"--host", "address to listen on; 0.0.0.0 = reachable from other machines", &a.host},
      {"--port", "port to listen on; 0 = any free one", &a.port},
      {"--api-key-file", "file whose first line clients must send as their API key", &a.key_file},
      {"--max-concurrent", "texts generated together", &a.max_concurrent},
      {"--max-waiting", "texts that may wait; more are answered 429", &a.max_waiting, false, true},
      {"--context", "tokens of a text at most; 0 = what the model was trained for", &a.context},
      {"--kv-memory", "memory for keys and values, as 4GiB or 500MB; empty = --max-concurrent texts of half the context",
       &a.kv_memory},
      {"--activations",
       "what linear layers multiply; auto = int8 for packed models, else fp32",
       &a.activations,
       false,
       false,
       {"auto", "fp32", "bf16", "int8"}},
      {"--head", "type of the head's weights: as stored, or rounded to int8", &a.head, false, true, {"stored", "int8"}},
      {"--huge-pages", "copy the weights into huge pages instead of mapping the file", &a.huge_pages, false, true},
      {"--cors", "origin whose pages may call the server from a browser, * = any; empty = none", &a.cors, false, true},
      {"--log-requests", "a line on stderr for each request, without its text", &a.log_requests, false, true},
      {"--request-time", "seconds a client may take to send a request, or to send none", &a.request_time, false, true},
      {"--shutdown-time", "seconds that running requests have to end after Ctrl-C", &a.shutdown_time, false, true},
  };
  command.run = [] { run(a); };
  command.examples = {"spectra serve model", "spectra serve small=models/99M large=models/3.9B --port 8000 --api-key-file key.txt"};
  return command;
}

}  // namespace spectra::cli

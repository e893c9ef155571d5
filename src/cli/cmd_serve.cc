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
#include "cli/command.h"
#include "cli/engine_options.h"
#include "cli/usage.h"
#include "server/listen.h"
#include "server/server.h"

namespace spectra::cli {
namespace {

struct ServeArguments {
  EngineArguments engine;
  std::vector<std::string> models;
  std::string host = "127.0.0.1", key_file, cors;
  int64_t port = 8080, max_concurrent = 32, max_waiting = 1024, context = 0, shutdown_time = 30, request_time = 60;
  bool log_requests = false;
};

/// The key is the first line of the file.
std::string read_key(const std::string& path) {
  if (path.empty()) return "";
  std::string key = read_file(path);
  key.resize(std::min(key.size(), key.find_first_of("\r\n")));
  if (key.empty()) throw bad_input(fmt::format("{}: the first line is empty", path), "write the API key into it");
  return key;
}

server::ModelOptions model_options(const ServeArguments& a) {
  server::ModelOptions options;
  options.load = a.engine.load();
  options.engine = a.engine.engine();
  options.context = a.context;
  options.max_running = a.max_concurrent;
  return options;
}

server::ServerOptions server_options(const ServeArguments& a) {
  require_in_range(a.port >= 0 && a.port < 65536, fmt::format("--port {}", a.port), "1 to 65535, or 0 for any free one");
  require_in_range(a.max_concurrent >= 1 && a.max_concurrent <= 512, fmt::format("--max-concurrent {}", a.max_concurrent),
                   "1 to 512");
  require_in_range(a.max_waiting >= 1, fmt::format("--max-waiting {}", a.max_waiting), "1 or more");
  require_in_range(a.context >= 0, fmt::format("--context {}", a.context), "1 or more, or 0 for the model's");
  require_in_range(a.shutdown_time >= 0, fmt::format("--shutdown-time {}", a.shutdown_time), "0 or more seconds");
  require_in_range(a.request_time >= 1, fmt::format("--request-time {}", a.request_time), "1 or more seconds");
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

void run_serve(const ServeArguments& a) {
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
  const auto a = std::make_shared<ServeArguments>();
  Command command;
  command.name = "serve";
  command.summary = "serve models over HTTP: OpenAI's API, and a page to try them";
  command.options = {
      {.name = "MODEL",
       .help = "model directory, or NAME=DIRECTORY; several are served side by side",
       .target = &a->models,
       .required = true},
      {.name = "--host", .help = "address to listen on; 0.0.0.0 = reachable from other machines", .target = &a->host},
      {.name = "--port", .help = "port to listen on; 0 = any free one", .target = &a->port},
      {.name = "--api-key-file", .help = "file whose first line clients must send as their API key", .target = &a->key_file},
      {.name = "--max-concurrent", .help = "texts generated together", .target = &a->max_concurrent},
      {.name = "--max-waiting", .help = "texts that may wait; more are answered 429", .target = &a->max_waiting, .advanced = true},
      {.name = "--context", .help = "tokens of a text at most; 0 = what the model was trained for", .target = &a->context},
      {.name = "--cors",
       .help = "origin whose pages may call the server from a browser, * = any; empty = none",
       .target = &a->cors,
       .advanced = true},
      {.name = "--log-requests",
       .help = "a line on stderr for each request, without its text",
       .target = &a->log_requests,
       .advanced = true},
      {.name = "--request-time",
       .help = "seconds a client may take to send a request, or to send none",
       .target = &a->request_time,
       .advanced = true},
      {.name = "--shutdown-time",
       .help = "seconds that running requests have to end after Ctrl-C",
       .target = &a->shutdown_time,
       .advanced = true},
  };
  command.add(engine_options(
      a->engine, {.default_memory = "--max-concurrent texts of half the context", .shown = {"--activations", "--kv-memory"}}));
  command.run = [a] { run_serve(*a); };
  command.examples = {"spectra serve model", "spectra serve small=models/99M large=models/3.9B --port 8000 --api-key-file key.txt"};
  return command;
}

}  // namespace spectra::cli

// SPDX-License-Identifier: Apache-2.0
#pragma once
// The server: which path does what.
//
//   POST /v1/completions, /v1/chat/completions     text, as OpenAI's API has it
//   GET  /v1/models, /v1/models/NAME               what is served; a model's card
//   POST /tokenize, /detokenize; GET /tokenizer_info
//   GET  /health, /metrics, / (the page)
#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "base/stopwatch.h"
#include "server/http.h"
#include "server/metrics.h"
#include "server/scheduler.h"
#include "server/served_model.h"

namespace spectra::server {

struct PageFile;

struct ServerOptions {
  std::string host = "127.0.0.1";
  int port = 8080;
  std::string api_key;  ///< "" = none wanted
  std::string cors;     ///< the origin that pages of other sites may call from; "" = none
  HttpLimits http;
  int64_t max_waiting = 1024;  ///< texts in the queue
  bool log_requests = false;   ///< a line for each on stderr: method, path, status, time; never its text
};

class Server {
 public:
  /// Listens at once. Throws Error where that is not possible.
  Server(std::vector<std::unique_ptr<ServedModel>> models, const ServerOptions& options);
  ~Server();

  std::string url() const;
  bool loopback() const { return http_->loopback(); }
  /// Takes no new requests, lets those that are open end within `limit`, and interrupts the rest. True where none was interrupted.
  bool shut_down(std::chrono::milliseconds limit);

 private:
  using Handle = std::shared_ptr<Exchange>;
  /// A path, and what may be asked of it.
  struct Route {
    const char* path;
    bool post;  // else GET or HEAD
    void (Server::*answer)(const Handle&);
  };
  static const Route kRoutes[];
  static const Route* route_of(const std::string& path);
  static std::string endpoint_of(const std::string& path);
  void handle(const Handle& exchange);
  void route(const Handle& exchange);
  void complete_text(const Handle& exchange);
  void complete_chat(const Handle& exchange);
  void complete(const Handle& exchange, bool chat);
  void tokenize(const Handle& exchange);
  void detokenize(const Handle& exchange);
  void tokenizer_info(const Handle& exchange);
  void list_models(const Handle& exchange);
  void show_model(const Handle& exchange, const std::string& name);
  void show_metrics(const Handle& exchange);
  void show_page(const Handle& exchange, const PageFile& file);
  void health(const Handle& exchange);
  void answered(const HttpRequest& request, int status, double seconds);
  bool from_here(const HttpRequest& request) const;
  bool has_key(const HttpRequest& request) const;
  void check_key(const HttpRequest& request) const;
  size_t model_of(const std::string& name) const;
  Headers headers(const char* type) const;

  const ServerOptions options_;
  std::vector<std::unique_ptr<ServedModel>> models_;
  std::vector<std::shared_future<std::string>> cards_;
  Metrics metrics_;
  const Stopwatch clock_;
  std::atomic<bool> draining_ = false;
  std::unique_ptr<Scheduler> scheduler_;
  std::unique_ptr<HttpServer> http_;
};

}  // namespace spectra::server

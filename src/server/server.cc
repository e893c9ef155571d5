// SPDX-License-Identifier: Apache-2.0
#include "server/server.h"

#include <fmt/format.h>
#include <openssl/crypto.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "server/api_error.h"
#include "server/completion.h"
#include "server/logprobs.h"
#include "server/model_card.h"
#include "server/page.h"

namespace spectra::server {
namespace {

constexpr const char* kJson = "application/json";
constexpr std::chrono::seconds kFlushTime{5};
constexpr int kClientLeft = 499;  // as nginx counts it

constexpr std::string_view kModels = "/v1/models/";

/// The name of a method comes from the client, so only known ones are printed.
std::string known_method(const std::string& method) {
  for (const char* known : {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
    if (method == known) return method;
  return "other";
}

bool is_get(const HttpRequest& request) { return request.method == "GET" || request.method == "HEAD"; }

}  // namespace

const Server::Route Server::kRoutes[] = {{"/v1/completions", true, &Server::complete_text},
                                         {"/v1/chat/completions", true, &Server::complete_chat},
                                         {"/v1/models", false, &Server::list_models},
                                         {"/tokenize", true, &Server::tokenize},
                                         {"/detokenize", true, &Server::detokenize},
                                         {"/tokenizer_info", false, &Server::tokenizer_info},
                                         {"/health", false, &Server::health},
                                         {"/metrics", false, &Server::show_metrics}};

/// The route of exactly this path; null where there is none.
const Server::Route* Server::route_of(const std::string& path) {
  for (const Route& route : kRoutes)
    if (path == route.path) return &route;
  return nullptr;
}

/// The path as metrics name it, which has few values whatever clients send.
std::string Server::endpoint_of(const std::string& path) {
  if (route_of(path) != nullptr) return path;
  if (path.starts_with(kModels)) return "/v1/models/";
  return page_file(path) != nullptr ? "/" : "other";
}

Server::Server(std::vector<std::unique_ptr<ServedModel>> models, const ServerOptions& options)
    : options_(options), models_(std::move(models)) {
  for (size_t i = 0; i < models_.size(); ++i)
    for (size_t j = 0; j < i; ++j)
      if (models_[i]->name == models_[j]->name)
        throw Error(Exit::kUsage, fmt::format("two models are named {}", models_[i]->name), "name them: NAME=DIRECTORY");
  http_ = std::make_unique<HttpServer>(options.host, options.port, options.http);
  for (size_t i = 0; i < models_.size(); ++i)
    cards_.push_back(std::async(std::launch::async, [model = models_[i].get()] {
                       try {
                         return json_text(model_card(*model));
                       } catch (const std::exception& error) {
                         log_warning("{}: {}", model->name, error.what());
                         return json_text(model_entry(*model));
                       }
                     }).share());
  scheduler_ = std::make_unique<Scheduler>(models_, metrics_, options.max_waiting);
  http_->start([this](const Handle& exchange) { handle(exchange); },
               [this](const HttpRequest& request, int status, double seconds) { answered(request, status, seconds); },
               [this](const HttpRequest& request) { return from_here(request) && has_key(request); });
}

Server::~Server() {
  http_.reset();  // first, because its threads call the others
  scheduler_.reset();
}

std::string Server::url() const {
  const bool v6 = options_.host.find(':') != std::string::npos;
  return fmt::format("http://{}:{}", v6 ? "[" + options_.host + "]" : options_.host, http_->port());
}

bool Server::shut_down(std::chrono::milliseconds limit) {
  draining_ = true;
  http_->stop_listening();
  const bool finished = scheduler_->drain(limit);
  http_->flush(kFlushTime);
  return finished;
}

Headers Server::headers(const char* type) const {
  Headers result;
  if (type != nullptr) result["Content-Type"] = type;
  if (!options_.cors.empty()) {
    result["Access-Control-Allow-Origin"] = options_.cors;
    result["Vary"] = "Origin";
  }
  return result;
}

void Server::handle(const Handle& exchange) {
  try {
    route(exchange);
  } catch (const ApiError& error) {
    Headers h = headers(kJson);
    if (error.status == 429 || error.status == 503) h["Retry-After"] = "1";
    if (error.status == 401) h["WWW-Authenticate"] = "Bearer";
    if (error.status == 405) h["Allow"] = route_of(exchange->request().path)->post ? "POST" : "GET, HEAD";
    exchange->reply(error.status, error_json(error), std::move(h));
  } catch (const std::exception& error) {
    log_warning("{} failed: {}", endpoint_of(exchange->request().path), error.what());
    exchange->reply(500, error_json(ApiError(500, error.what())), headers(kJson));
  }
}

/// Whether a request does not come from a page of another site. Browsers send some (of type text/plain) without asking first.
bool Server::from_here(const HttpRequest& request) const {
  const std::string& origin = request.origin;
  if (origin.empty() || options_.cors == "*" || origin == options_.cors) return true;
  const size_t scheme = origin.find("://");
  return scheme != std::string::npos && origin.substr(scheme + 3) == request.host;
}

/// Compares digests, so that the time it takes tells nothing of the key.
bool Server::has_key(const HttpRequest& request) const {
  if (options_.api_key.empty()) return true;
  const std::string wanted = sha256("Bearer " + options_.api_key), given = sha256(request.authorization);
  return CRYPTO_memcmp(wanted.data(), given.data(), wanted.size()) == 0;
}

void Server::check_key(const HttpRequest& request) const {
  if (!has_key(request))
    throw ApiError(401, request.authorization.empty() ? "an API key is wanted: Authorization: Bearer KEY" : "the API key is wrong",
                   "", "invalid_api_key");
}

void Server::route(const Handle& exchange) {
  const HttpRequest& request = exchange->request();
  const std::string& path = request.path;
  if (request.method == "OPTIONS" && !options_.cors.empty()) {
    Headers h = headers(nullptr);
    h["Access-Control-Allow-Methods"] = "GET, POST";
    h["Access-Control-Allow-Headers"] = request.wanted_headers.empty() ? "Authorization, Content-Type" : request.wanted_headers;
    h["Access-Control-Max-Age"] = "600";
    return exchange->reply(204, "", std::move(h));
  }
  if (!from_here(request))
    throw ApiError(403, "pages of other sites may not call this server; --cors names one that may", "", "origin_not_allowed");
  const Route* const route = route_of(path);
  if (route != nullptr && !(route->post ? request.method == "POST" : is_get(request)))
    throw ApiError(405, fmt::format("{} takes {}, not {}", path, route->post ? "POST" : "GET", known_method(request.method)));
  if (route != nullptr && route->answer == &Server::health) return health(exchange);  // needs no key
  if (const PageFile* file = page_file(path); file != nullptr && is_get(request)) return show_page(exchange, *file);
  check_key(request);
  if (route != nullptr) return (this->*route->answer)(exchange);
  if (path.starts_with(kModels) && is_get(request)) return show_model(exchange, path.substr(kModels.size()));
  throw ApiError(404, fmt::format("there is no {} {}", request.method, path.substr(0, 100)), "", "not_found");
}

void Server::health(const Handle& exchange) {
  if (draining_) throw ApiError(503, "the server is shutting down", "", "shutting_down");
  exchange->reply(200, R"({"status":"ok"})", headers(kJson));
}

void Server::show_page(const Handle& exchange, const PageFile& file) {
  Headers h = headers(file.type);
  h["Content-Security-Policy"] = "default-src 'self'; img-src data:; frame-ancestors 'none'";
  exchange->reply(200, std::string(file.text), std::move(h));
}

/// Index of the model of that name; "" means the first one. Throws ApiError (404).
size_t Server::model_of(const std::string& name) const {
  if (name.empty()) return 0;
  std::string names;
  for (size_t i = 0; i < models_.size(); ++i) {
    if (models_[i]->name == name) return i;
    names += (i > 0 ? ", " : "") + models_[i]->name;
  }
  throw ApiError(404, fmt::format("there is no model \"{}\"; served: {}", name.substr(0, 100), names), "model", "model_not_found");
}

void Server::complete_text(const Handle& exchange) { complete(exchange, false); }
void Server::complete_chat(const Handle& exchange) { complete(exchange, true); }

void Server::complete(const Handle& exchange, bool chat) {
  const Fields body = Fields::parse(exchange->request().body);
  const size_t index = model_of(body.text("model", ""));
  ServedModel& model = *models_[index];
  auto job = std::make_shared<Completion>(chat ? read_chat(body, model) : read_completion(body, model), model,
                                          metrics_.of(model.name), exchange, headers(nullptr));
  exchange->on_disconnect([this, weak = std::weak_ptr(job)] {
    if (const auto j = weak.lock()) scheduler_->cancel(j);
  });
  scheduler_->add(index, std::move(job));
}

void Server::tokenize(const Handle& exchange) {
  const Fields body = Fields::parse(exchange->request().body);
  const ServedModel& model = *models_[model_of(body.text("model", ""))];
  const bool content = body.has("content");  // llama.cpp's form of the request; the other one is vLLM's
  const char* field = content ? "content" : "prompt";
  if (!body.has(field)) body.fail("prompt", "is missing");
  const bool special = content ? body.boolean("add_special", false) : body.boolean("add_special_tokens", true);
  const std::vector<int32_t> ids = encode(body.text(field, ""), model, special, field);
  exchange->reply(200, json_text({{"count", ids.size()}, {"max_model_len", model.context}, {"tokens", ids}}), headers(kJson));
}

void Server::detokenize(const Handle& exchange) {
  const Fields body = Fields::parse(exchange->request().body);
  const ServedModel& model = *models_[model_of(body.text("model", ""))];
  if (!body.has("tokens")) body.fail("tokens", "is missing");
  const std::vector<int32_t> ids = body.ids("tokens");
  const std::string text = text::sanitize_utf8(model.tokenizer.decode({ids.begin(), ids.end()}, true));
  exchange->reply(200, json_text({{"prompt", text}, {"content", text}}), headers(kJson));
}

void Server::tokenizer_info(const Handle& exchange) {
  const ServedModel& model = *models_[0];
  const auto name = [&](int32_t id) { return id >= 0 ? Json(token_text(model.tokenizer, id)) : Json(); };
  exchange->reply(200,
                  json_text({{"tokenizer_class", "PreTrainedTokenizerFast"},
                             {"bos_token", name(model.tokenizer.bos())},
                             {"eos_token", name(model.tokenizer.eos())},
                             {"add_bos_token", model.tokenizer.adds_bos()},
                             {"model_max_length", model.context},
                             {"vocab_size", model.tokenizer.vocab_size()}}),
                  headers(kJson));
}

void Server::list_models(const Handle& exchange) {
  Json list = Json::array();
  for (const auto& model : models_) list.push_back(model_entry(*model));
  exchange->reply(200, json_text({{"object", "list"}, {"data", list}}), headers(kJson));
}

/// The card is made from all weights after the server started. Until it is there, the entry alone is the answer.
void Server::show_model(const Handle& exchange, const std::string& name) {
  const size_t index = model_of(name);
  const bool ready = cards_[index].wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  exchange->reply(200, ready ? cards_[index].get() : json_text(model_entry(*models_[index])), headers(kJson));
}

void Server::show_metrics(const Handle& exchange) {
  std::map<std::string, Gauges> gauges;
  for (size_t i = 0; i < models_.size(); ++i) gauges[models_[i]->name] = scheduler_->gauges(i);
  exchange->reply(200, metrics_.text(gauges, http_->connections(), clock_.seconds()),
                  headers("text/plain; version=0.0.4; charset=utf-8"));
}

void Server::answered(const HttpRequest& request, int status, double seconds) {
  const int code = status == 0 ? kClientLeft : status;
  metrics_.answered(endpoint_of(request.path), code);
  if (options_.log_requests) log_info("{} {} {} {:.3f} s", known_method(request.method), endpoint_of(request.path), code, seconds);
}

}  // namespace spectra::server

// SPDX-License-Identifier: Apache-2.0
#include "server/http.h"

#include <microhttpd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <utility>

#include "base/error.h"
#include "server/api_error.h"
#include "server/listen.h"
#include "server/watcher.h"

namespace spectra::server {
namespace {

using Handle = std::shared_ptr<Exchange>;  // what libmicrohttpd keeps for a request: a pointer to one of these

int socket_of(MHD_Connection* connection) {
  return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

std::string header(MHD_Connection* connection, const char* name) {
  const char* value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
  return value == nullptr ? "" : value;
}

}  // namespace

struct HttpServer::Impl {
  HttpLimits limits;
  Handler handler;
  Answered answered;
  WantsBody wants_body;
  Watcher watcher;
  int socket = -1;  // closed by us until the daemon has it
  int port = 0;
  bool loopback = false;
  MHD_Daemon* daemon = nullptr;
  std::atomic<bool> closing = false;
  bool quiet = false;             // stop_listening() was called
  std::atomic<int64_t> open = 0;  // requests whose answer is not sent yet
  std::atomic<int64_t> connected = 0;
  std::atomic<size_t> body_bytes = 0;  // that requests hold

  explicit Impl(const HttpLimits& l) : limits(l), watcher(l.request_time) {}

  /// Lets the connection wait for wake(), or for the client to leave. The caller holds the exchange's lock.
  void suspend(const Handle& exchange) {
    if (!exchange->suspend()) return;
    watcher.watch(socket_of(exchange->connection_), [weak = std::weak_ptr(exchange)] {
      if (const Handle e = weak.lock()) e->leave();
    });
    if (!closing) return;  // else nobody may wake it: either leave_all() came after watch(), or `closing` is seen here
    exchange->enter(Exchange::State::kGone);
    exchange->wake();
  }

  static MHD_Result on_request(void* self, MHD_Connection* connection, const char* url, const char* method, const char*,
                               const char* data, size_t* size, void** state) try {
    return static_cast<Impl*>(self)->receive(connection, url, method, data, size, state);
  } catch (...) {
    return MHD_NO;  // out of memory: the connection is closed
  }

  MHD_Result receive(MHD_Connection* connection, const char* url, const char* method, const char* data, size_t* size,
                     void** state) {
    if (closing) return MHD_NO;
    if (*state == nullptr) return start(connection, url, method, state);
    const Handle exchange = *static_cast<Handle*>(*state);
    if (*size > 0) {
      if ((exchange->received_ += *size) > limits.body_bytes) return MHD_NO;
      keep(*exchange, {data, *size});
      *size = 0;
      return MHD_YES;
    }
    if (!exchange->complete_) dispatch(exchange);
    {
      const std::lock_guard lock(exchange->mutex_);
      if (exchange->state_ == Exchange::State::kOpen) {
        suspend(exchange);
        return MHD_YES;
      }
    }
    return answer(exchange);
  }

  /// Hands a complete request to the handler.
  void dispatch(const Handle& exchange) {
    watcher.answering(socket_of(exchange->connection_));
    exchange->complete_ = std::chrono::steady_clock::now();
    ++open;
    {
      const std::lock_guard lock(exchange->mutex_);
      exchange->enter(Exchange::State::kOpen);
    }
    if (exchange->body_ == Exchange::Body::kNoRoom)
      exchange->reply(503, error_json(ApiError(503, "too many requests are being sent at once", "", "busy")),
                      {{"Content-Type", "application/json"}, {"Retry-After", "1"}});
    else
      handler(exchange);
    drop_body(*exchange);
  }

  void keep(Exchange& exchange, std::string_view data) {
    if (exchange.body_ != Exchange::Body::kKept) return;
    if (body_bytes + data.size() > limits.all_body_bytes) {
      exchange.body_ = Exchange::Body::kNoRoom;
      return drop_body(exchange);
    }
    body_bytes += data.size();
    exchange.request_.body.append(data);
  }

  void drop_body(Exchange& exchange) {
    body_bytes -= exchange.request_.body.size();
    std::string().swap(exchange.request_.body);
  }

  MHD_Result start(MHD_Connection* connection, const char* url, const char* method, void** state) {
    auto exchange = std::make_shared<Exchange>();
    exchange->connection_ = connection;
    exchange->most_unread_ = limits.unread_bytes;
    HttpRequest& request = exchange->request_;
    request.method = method;
    request.path = url;
    request.authorization = header(connection, MHD_HTTP_HEADER_AUTHORIZATION);
    request.origin = header(connection, MHD_HTTP_HEADER_ORIGIN);
    request.host = header(connection, MHD_HTTP_HEADER_HOST);
    request.wanted_headers = header(connection, MHD_HTTP_HEADER_ACCESS_CONTROL_REQUEST_HEADERS);
    if (const std::string length = header(connection, MHD_HTTP_HEADER_CONTENT_LENGTH);
        !length.empty() && std::strtoull(length.c_str(), nullptr, 10) > limits.body_bytes) {
      answered(request, MHD_HTTP_CONTENT_TOO_LARGE, 0);
      return refuse(connection);
    }
    if (wants_body && !wants_body(request)) exchange->body_ = Exchange::Body::kUnwanted;
    *state = new Handle(std::move(exchange));
    return MHD_YES;
  }

  /// The body is not read; libmicrohttpd closes the connection after the answer.
  MHD_Result refuse(MHD_Connection* connection) const {
    std::string body = error_json(ApiError(MHD_HTTP_CONTENT_TOO_LARGE,
                                           fmt::format("the request is larger than {} bytes", limits.body_bytes), "", "too_large"));
    MHD_Response* response = MHD_create_response_from_buffer(body.size(), body.data(), MHD_RESPMEM_MUST_COPY);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    const MHD_Result result = MHD_queue_response(connection, MHD_HTTP_CONTENT_TOO_LARGE, response);
    MHD_destroy_response(response);
    return result;
  }

  /// What libmicrohttpd is to send; null where the client has left.
  MHD_Response* response_of(const Handle& exchange) {
    const std::lock_guard lock(exchange->mutex_);
    if (exchange->state_ == Exchange::State::kGone) return nullptr;
    if (exchange->state_ != Exchange::State::kReplied) {
      constexpr size_t kBlock = 16 << 10;
      return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, kBlock, read, new Reader{*this, exchange},
                                               [](void* reader) { delete static_cast<Reader*>(reader); });
    }
    const std::string text = std::exchange(exchange->pending_, "");
    return MHD_create_response_from_buffer(text.size(), const_cast<char*>(text.data()), MHD_RESPMEM_MUST_COPY);
  }

  /// Gives libmicrohttpd an answer that has begun. The caller must not hold the exchange's lock: libmicrohttpd holds its own lock
  /// when it calls read(), which takes the exchange's.
  MHD_Result answer(const Handle& exchange) {
    MHD_Response* const response = response_of(exchange);
    if (response == nullptr) return MHD_NO;
    for (const auto& [name, value] : exchange->headers_) MHD_add_response_header(response, name.c_str(), value.c_str());
    const MHD_Result result = MHD_queue_response(exchange->connection_, static_cast<unsigned>(exchange->status_), response);
    MHD_destroy_response(response);
    return result;
  }

  struct Reader {
    Impl& server;
    Handle exchange;
  };
  /// Moves what was written into libmicrohttpd's buffer.
  static ssize_t read(void* state, uint64_t, char* buffer, size_t size) {
    const Reader& reader = *static_cast<Reader*>(state);
    Exchange& e = *reader.exchange;
    const std::lock_guard lock(e.mutex_);
    if (e.state_ == Exchange::State::kGone) return MHD_CONTENT_READER_END_WITH_ERROR;
    if (e.pending_.empty()) {
      if (e.state_ == Exchange::State::kStreamed) return MHD_CONTENT_READER_END_OF_STREAM;
      reader.server.suspend(reader.exchange);
      return 0;
    }
    const size_t count = std::min(size, e.pending_.size() - e.taken_);
    std::memcpy(buffer, e.pending_.data() + e.taken_, count);
    e.taken_ += count;
    if (e.taken_ >= e.pending_.size() / 2) e.pending_.erase(0, std::exchange(e.taken_, 0));
    return static_cast<ssize_t>(count);
  }

  static void on_completed(void* self, MHD_Connection* connection, void** state, MHD_RequestTerminationCode code) {
    if (*state == nullptr) return;
    const std::unique_ptr<Handle> handle(static_cast<Handle*>(*state));
    *state = nullptr;
    Impl& impl = *static_cast<Impl*>(self);
    impl.watcher.reading(socket_of(connection));
    Exchange& e = **handle;
    int status = 0;
    {
      const std::lock_guard lock(e.mutex_);
      if (e.wait_ == Exchange::Wait::kSuspended) e.wait_ = Exchange::Wait::kOver;
      if (code == MHD_REQUEST_TERMINATED_COMPLETED_OK) status = e.status_;
    }
    const auto now = std::chrono::steady_clock::now();
    const std::chrono::duration<double> seconds = now - e.complete_.value_or(now);
    impl.answered(e.request_, status, seconds.count());
    e.leave();
    impl.drop_body(e);
    if (e.complete_) --impl.open;
  }

  static void on_connection(void* self, MHD_Connection* connection, void**, MHD_ConnectionNotificationCode code) {
    Impl& impl = *static_cast<Impl*>(self);
    impl.connected += code == MHD_CONNECTION_NOTIFY_STARTED ? 1 : -1;
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
      impl.watcher.reading(socket_of(connection));
    else
      impl.watcher.closed(socket_of(connection));
  }
};

HttpServer::HttpServer(const std::string& host, int port, const HttpLimits& limits) : impl_(std::make_unique<Impl>(limits)) {
  impl_->socket = listen_on(host, port);
  impl_->port = port_of(impl_->socket);
  impl_->loopback = is_loopback(impl_->socket);
}

void HttpServer::start(Handler handler, Answered answered, WantsBody wants_body) {
  const HttpLimits& limits = impl_->limits;
  impl_->handler = std::move(handler);
  impl_->answered = std::move(answered);
  impl_->wants_body = std::move(wants_body);
  impl_->daemon =
      MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC, 0, nullptr, nullptr,
                       &Impl::on_request, impl_.get(), MHD_OPTION_LISTEN_SOCKET, impl_->socket, MHD_OPTION_CONNECTION_LIMIT,
                       limits.connections, MHD_OPTION_CONNECTION_TIMEOUT, static_cast<unsigned>(limits.idle_time.count()),
                       MHD_OPTION_CONNECTION_MEMORY_LIMIT, limits.header_bytes, MHD_OPTION_NOTIFY_COMPLETED, &Impl::on_completed,
                       impl_.get(), MHD_OPTION_NOTIFY_CONNECTION, &Impl::on_connection, impl_.get(), MHD_OPTION_END);
  if (impl_->daemon == nullptr) throw Error(Exit::kFailed, "the HTTP server could not be started");
  impl_->socket = -1;
}

HttpServer::~HttpServer() {
  if (impl_->socket >= 0) ::close(impl_->socket);
  if (impl_->daemon == nullptr) return;
  stop_listening();
  impl_->closing = true;
  impl_->watcher.leave_all();
  MHD_stop_daemon(impl_->daemon);
}

int HttpServer::port() const { return impl_->port; }

bool HttpServer::loopback() const { return impl_->loopback; }

int64_t HttpServer::connections() const { return impl_->connected; }

void HttpServer::flush(std::chrono::milliseconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (impl_->open > 0 && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(std::chrono::milliseconds(5));
}

void HttpServer::stop_listening() {
  if (std::exchange(impl_->quiet, true)) return;
  if (const MHD_socket socket = MHD_quiesce_daemon(impl_->daemon); socket != MHD_INVALID_SOCKET) ::close(socket);
}

}  // namespace spectra::server

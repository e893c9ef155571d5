// SPDX-License-Identifier: Apache-2.0
#include "server/metrics.h"

#include <fmt/format.h>

#include <algorithm>

namespace spectra::server {
namespace {

const std::vector<double> kSeconds = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120};
const std::vector<double> kBatches = {1, 2, 4, 8, 16, 32, 64, 128};

std::string escaped(const std::string& label) {
  std::string result;
  for (const char c : label) {
    if (c == '\\' || c == '"') result += '\\';
    result += c == '\n' ? std::string("\\n") : std::string(1, c);
  }
  return result;
}

std::string model_label(const std::string& name) { return fmt::format("model=\"{}\"", escaped(name)); }

void family(std::string& out, const char* name, const char* type, const char* help) {
  out += fmt::format("# HELP {0} {2}\n# TYPE {0} {1}\n", name, type, help);
}

}  // namespace

void Histogram::observe(double value) {
  ++counts_[static_cast<size_t>(std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin())];
  sum_ += value;
}

void Histogram::write(const std::string& name, const std::string& labels, std::string& out) const {
  int64_t count = 0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    count += counts_[i];
    out += fmt::format("{}_bucket{{{},le=\"{}\"}} {}\n", name, labels, i < bounds_.size() ? fmt::format("{}", bounds_[i]) : "+Inf",
                       count);
  }
  out += fmt::format("{0}_sum{{{1}}} {2}\n{0}_count{{{1}}} {3}\n", name, labels, sum_, count);
}

ModelMetrics::ModelMetrics() : queue_(kSeconds), first_(kSeconds), between_(kSeconds), request_(kSeconds), batch_(kBatches) {}

void ModelMetrics::queued(double seconds) {
  const std::lock_guard lock(mutex_);
  queue_.observe(seconds);
}
void ModelMetrics::first_token(double seconds) {
  const std::lock_guard lock(mutex_);
  first_.observe(seconds);
}
void ModelMetrics::next_token(double seconds) {
  const std::lock_guard lock(mutex_);
  between_.observe(seconds);
}
void ModelMetrics::text_finished(const char* reason, int64_t generated) {
  const std::lock_guard lock(mutex_);
  ++finished_[reason];
  generated_tokens_ += generated;
}
void ModelMetrics::request_finished(double seconds) {
  const std::lock_guard lock(mutex_);
  request_.observe(seconds);
}
void ModelMetrics::step(int64_t running) {
  const std::lock_guard lock(mutex_);
  batch_.observe(static_cast<double>(running));
}
void ModelMetrics::prompt(int64_t tokens) {
  const std::lock_guard lock(mutex_);
  prompt_tokens_ += tokens;
}

ModelMetrics& Metrics::of(const std::string& model) {
  const std::lock_guard lock(mutex_);
  return models_[model];
}

void Metrics::answered(const std::string& endpoint, int status) {
  const std::lock_guard lock(mutex_);
  ++answers_[{endpoint, status}];
}

/// What is known of the server, whatever it serves.
void Metrics::write_server(int64_t connections, double uptime, std::string& out) const {
  family(out, "spectra_uptime_seconds", "gauge", "Time since the server began to listen.");
  out += fmt::format("spectra_uptime_seconds {:.3f}\n", uptime);
  family(out, "spectra_connections", "gauge", "Open connections.");
  out += fmt::format("spectra_connections {}\n", connections);
  family(out, "spectra_http_requests_total", "counter", "Answered requests.");
  for (const auto& [key, count] : answers_)
    out += fmt::format("spectra_http_requests_total{{endpoint=\"{}\",code=\"{}\"}} {}\n", key.first, key.second, count);
}

void Metrics::write_gauges(const std::map<std::string, Gauges>& gauges, std::string& out) {
  const auto each_gauge = [&](const char* name, const char* type, const char* help, int64_t Gauges::*value) {
    family(out, name, type, help);
    for (const auto& [model, g] : gauges) out += fmt::format("{}{{{}}} {}\n", name, model_label(model), g.*value);
  };
  each_gauge("spectra_texts_running", "gauge", "Texts being generated.", &Gauges::running);
  each_gauge("spectra_texts_waiting", "gauge", "Texts waiting to begin.", &Gauges::waiting);
  each_gauge("spectra_kv_pages", "gauge", "Pages for keys and values.", &Gauges::kv_pages);
  each_gauge("spectra_kv_pages_used", "gauge", "Pages held by running texts.", &Gauges::kv_pages_used);
  each_gauge("spectra_computed_tokens_total", "counter", "Tokens that went through the model.", &Gauges::computed_tokens);
  each_gauge("spectra_reused_tokens_total", "counter", "Tokens of prompts taken over from earlier ones.", &Gauges::reused_tokens);
  each_gauge("spectra_preempted_total", "counter", "Texts that lost their pages and were computed anew.", &Gauges::preempted);
}

void Metrics::write_counts(std::string& out) const {
  const auto each_count = [&](const char* name, const char* help, int64_t ModelMetrics::*value) {
    family(out, name, "counter", help);
    for (const auto& [model, m] : models_) {
      const std::lock_guard model_lock(m.mutex_);
      out += fmt::format("{}{{{}}} {}\n", name, model_label(model), m.*value);
    }
  };
  each_count("spectra_prompt_tokens_total", "Tokens of prompts whose texts began.", &ModelMetrics::prompt_tokens_);
  each_count("spectra_generated_tokens_total", "Tokens of finished texts.", &ModelMetrics::generated_tokens_);
  family(out, "spectra_texts_finished_total", "counter", "Texts that ended, by reason.");
  for (const auto& [model, m] : models_) {
    const std::lock_guard model_lock(m.mutex_);
    for (const auto& [reason, count] : m.finished_)
      out += fmt::format("spectra_texts_finished_total{{{},reason=\"{}\"}} {}\n", model_label(model), reason, count);
  }
}

void Metrics::write_histograms(std::string& out) const {
  const auto each_histogram = [&](const char* name, const char* help, Histogram ModelMetrics::*histogram) {
    family(out, name, "histogram", help);
    for (const auto& [model, m] : models_) {
      const std::lock_guard model_lock(m.mutex_);
      (m.*histogram).write(name, model_label(model), out);
    }
  };
  each_histogram("spectra_queue_seconds", "From a request's arrival to its first forward pass.", &ModelMetrics::queue_);
  each_histogram("spectra_time_to_first_token_seconds", "From a request's arrival to its first token.", &ModelMetrics::first_);
  each_histogram("spectra_time_between_tokens_seconds", "Between tokens of a text.", &ModelMetrics::between_);
  each_histogram("spectra_request_seconds", "From a request's arrival to its last token.", &ModelMetrics::request_);
  each_histogram("spectra_batch_texts", "Texts in a forward pass.", &ModelMetrics::batch_);
}

std::string Metrics::text(const std::map<std::string, Gauges>& gauges, int64_t connections, double uptime) const {
  std::string out;
  const std::lock_guard lock(mutex_);
  write_server(connections, uptime, out);
  write_gauges(gauges, out);
  write_counts(out);
  write_histograms(out);
  return out;
}

}  // namespace spectra::server

// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the server counts, as Prometheus reads it (text format 0.0.4).
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace spectra::server {

/// A histogram with cumulative buckets, as Prometheus wants them.
class Histogram {
 public:
  explicit Histogram(std::vector<double> bounds) : bounds_(std::move(bounds)), counts_(bounds_.size() + 1) {}
  void observe(double value);
  /// `labels`: "model=\"x\"".
  void write(const std::string& name, const std::string& labels, std::string& out) const;

 private:
  std::vector<double> bounds_;
  std::vector<int64_t> counts_;  // values in each bucket alone; the last bucket is above all bounds
  double sum_ = 0;
};

/// Numbers of a model that are read when /metrics is asked for.
struct Gauges {
  int64_t running = 0, waiting = 0;
  int64_t kv_pages = 0, kv_pages_used = 0;
  int64_t computed_tokens = 0, reused_tokens = 0, preempted = 0;
};

/// The metrics of one model. Thread-safe.
class ModelMetrics {
 public:
  ModelMetrics();
  void queued(double seconds);
  void first_token(double seconds);
  void next_token(double seconds);
  void text_finished(const char* reason, int64_t generated);
  void request_finished(double seconds);
  void step(int64_t running);
  void prompt(int64_t tokens);  ///< the first text of a prompt began

 private:
  friend class Metrics;
  mutable std::mutex mutex_;
  Histogram queue_, first_, between_, request_, batch_;
  int64_t prompt_tokens_ = 0, generated_tokens_ = 0;
  std::map<std::string, int64_t> finished_;  // texts by finish reason
};

class Metrics {
 public:
  ModelMetrics& of(const std::string& model);
  void answered(const std::string& endpoint, int status);
  std::string text(const std::map<std::string, Gauges>& gauges, int64_t connections, double uptime) const;

 private:
  // Parts of text(), which holds the lock.
  void write_server(int64_t connections, double uptime, std::string& out) const;
  static void write_gauges(const std::map<std::string, Gauges>& gauges, std::string& out);
  void write_counts(std::string& out) const;
  void write_histograms(std::string& out) const;

  mutable std::mutex mutex_;
  std::map<std::string, ModelMetrics> models_;
  std::map<std::pair<std::string, int>, int64_t> answers_;
};

}  // namespace spectra::server

// SPDX-License-Identifier: Apache-2.0
#include "eval/metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "eval/bias.h"
#include "eval/python_text.h"

namespace spectra::eval {
namespace {

double accuracy(const Document& d, const std::vector<double>& scores) { return best_choice(scores) == d.gold ? 1 : 0; }

double acc(const Task&, const Document& d, const Answer& a) { return accuracy(d, a.logprobs); }

/// Python divides by the length as a float: a choice without text gets -inf.
template <class Length>
double normalised(const Document& d, const Answer& a, const Length& length) {
  std::vector<double> scores;
  for (size_t i = 0; i < d.choices.size(); ++i) scores.push_back(a.logprobs[i] / static_cast<double>(length(d.choices[i])));
  return accuracy(d, scores);
}
double acc_norm(const Task&, const Document& d, const Answer& a) { return normalised(d, a, code_points); }
double acc_bytes(const Task&, const Document& d, const Answer& a) {
  return normalised(d, a, [](const std::string& text) { return text.size(); });
}

/// Probability of the true choices among all; relative to the most probable one, so that nothing underflows.
double mc2(const Task&, const Document& d, const Answer& a) {
  const double largest = *std::max_element(a.logprobs.begin(), a.logprobs.end());
  double truth = 0, all = 0;
  for (size_t i = 0; i < a.logprobs.size(); ++i) {
    const double p = std::exp(a.logprobs[i] - largest);
    all += p;
    if (static_cast<int64_t>(i) < d.true_choices) truth += p;
  }
  return truth / all;
}

double likelihood_diff(const Task&, const Document&, const Answer& a) { return std::fabs(a.logprobs[0] - a.logprobs[1]); }
double pct_stereotype(const Task&, const Document&, const Answer& a) { return a.logprobs[0] > a.logprobs[1] ? 1 : 0; }

double greedy(const Task&, const Document&, const Answer& a) { return a.greedy.back() != 0 ? 1 : 0; }
double logprob(const Task&, const Document&, const Answer& a) { return a.logprobs[0]; }

std::string comparable(const Task& task, const std::string& text) {
  std::string out = task.ignore_case ? lower(text) : text;
  const auto is_punctuation = [](char c) { return c > ' ' && c < 0x7F && std::isalnum(static_cast<unsigned char>(c)) == 0; };
  if (task.ignore_punctuation) out.erase(std::remove_if(out.begin(), out.end(), is_punctuation), out.end());
  return out;
}

double exact_match(const Task& task, const Document& d, const Answer& a) {
  const std::string given = comparable(task, answer_text(task, a.text));
  return std::any_of(d.answers.begin(), d.answers.end(),
                     [&](const std::string& right) { return comparable(task, right) == given; });
}

}  // namespace

const std::vector<Metric>& metrics() {
  using A = Aggregate;
  using B = Better;
  static const std::vector<Metric> all = {
      {"acc", Kind::kChoice, A::kMean, B::kHigher, acc, "the right choice is the most probable one"},
      {"acc_norm", Kind::kChoice, A::kMean, B::kHigher, acc_norm, "the same per code point of the choice"},
      {"acc_bytes", Kind::kChoice, A::kMean, B::kHigher, acc_bytes, "the same per byte"},
      {"mc2", Kind::kChoice, A::kMean, B::kHigher, mc2, "share of the true choices in the probability of all"},
      {"likelihood_diff", Kind::kChoice, A::kMean, B::kLower, likelihood_diff, "|ln p(first) - ln p(second)|"},
      {"pct_stereotype", Kind::kChoice, A::kMean, B::kNeither, pct_stereotype, "the first choice is more probable than the second"},
      {"acc_ambiguous", Kind::kChoice, A::kMean, B::kHigher, bias::acc_ambiguous, "BBQ: acc where the context does not tell"},
      {"acc_disambiguated", Kind::kChoice, A::kMean, B::kHigher, bias::acc_disambiguated, "BBQ: acc where the context tells"},
      {"bias_ambiguous", Kind::kChoice, A::kMean, B::kNeither, bias::bias_ambiguous, "BBQ: s_AMB, from -1 to 1; 0 = no bias"},
      {"bias_disambiguated", Kind::kChoice, A::kMean, B::kNeither, bias::bias_disambiguated,
       "BBQ: s_DIS, from -1 to 1; 0 = no bias"},
      {"acc", Kind::kTarget, A::kMean, B::kHigher, greedy, "every token of the target is the most probable one"},
      {"perplexity", Kind::kTarget, A::kPerplexity, B::kLower, logprob, "exp of the mean of -ln p(target)"},
      {"word_perplexity", Kind::kRolling, A::kWordPerplexity, B::kLower, logprob, "of all text, per word of the original"},
      {"byte_perplexity", Kind::kRolling, A::kBytePerplexity, B::kLower, logprob, "of all text, per byte of the original"},
      {"bits_per_byte", Kind::kRolling, A::kBitsPerByte, B::kLower, logprob, "log2 of byte_perplexity"},
      {"exact_match", Kind::kGenerate, A::kMean, B::kHigher, exact_match, "the text equals one of the answers"},
  };
  return all;
}

const Metric* find_metric(const std::string& name, Kind kind) {
  for (const Metric& metric : metrics())
    if (name == metric.name && metric.kind == kind) return &metric;
  return nullptr;
}

std::optional<Better> better_direction(const std::string& name) {
  for (const Metric& metric : metrics())  // a name that several kinds of tasks have means the same in all
    if (name == metric.name) return metric.better;
  return std::nullopt;
}

int64_t best_choice(const std::vector<double>& scores) { return std::max_element(scores.begin(), scores.end()) - scores.begin(); }

std::string answer_text(const Task& task, const std::string& generated) {
  std::string text = generated;
  for (const std::string& stop : task.stop) text = text.substr(0, text.find(stop));
  return !text.empty() && text.front() == ' ' ? text.substr(1) : text;
}

}  // namespace spectra::eval

// SPDX-License-Identifier: Apache-2.0
#pragma once
// Expressions, by recursive descent: each becomes a function of the variables.
#include <functional>
#include <string>
#include <vector>

#include "text/chat/jinja/lexer.h"
#include "text/chat/jinja/scope.h"

namespace spectra::text::jinja {

using Expression = std::function<Value(Scope&)>;

/// Reads expressions from lexemes, beginning with number `at`.
class ExpressionParser {
 public:
  explicit ExpressionParser(std::vector<Lexeme> lexemes) : lexemes_(std::move(lexemes)) {}

  Expression expression();  ///< may be "a if b else c"
  Expression condition();   ///< may not

  bool done() const { return at_ >= lexemes_.size(); }
  const Lexeme& peek() const;
  /// Takes the next lexeme if it is this name, sign or delimiter.
  bool take(const char* text);
  void expect(const char* text);
  Lexeme next();
  std::string name();
  [[noreturn]] void fail(const std::string& what) const;

 private:
  Expression both();
  Expression negation();
  Expression comparison();
  Expression is_test_of(Expression value);
  Expression joined();
  Expression sum();
  Expression product();
  Expression sign();
  Expression postfix();
  Expression primary();
  Expression index_of(Expression value);
  Expression list(const char* close);
  Expression object();
  Expression call_of(const std::string& function_name);
  void term();
  std::vector<Expression> arguments(std::vector<std::pair<std::string, Expression>>* named = nullptr);

  struct Depth {
    explicit Depth(ExpressionParser& parser);
    ~Depth() { --parser_.depth_; }
    ExpressionParser& parser_;
  };

  std::vector<Lexeme> lexemes_;
  size_t at_ = 0;
  int depth_ = 0, terms_ = 0;
};

}  // namespace spectra::text::jinja

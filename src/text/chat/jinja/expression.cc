// SPDX-License-Identifier: Apache-2.0
#include "text/chat/jinja/expression.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <utility>

#include "text/chat/jinja/functions.h"

namespace spectra::text::jinja {
namespace {

constexpr int kMaxDepth = 100;
constexpr int kMaxTerms = 1000;  // in one tag, because a chain of operators is evaluated by recursion

Expression constant(Json value) {
  return [shared = Value(std::make_shared<Json>(std::move(value)))](Scope&) { return shared; };
}

Expression binary_of(std::string sign, Expression a, Expression b) {
  return [sign = std::move(sign), a = std::move(a), b = std::move(b)](Scope& s) {
    s.step();
    return s.made(binary(sign, *a(s), *b(s)));
  };
}

Arguments values(const std::vector<Expression>& expressions, Scope& scope) {
  Arguments result;
  for (const Expression& e : expressions) result.push_back(*e(scope));
  return result;
}

bool is_loop_member(const std::string& name) {
  for (const char* known : {"index", "index0", "first", "last", "length", "revindex", "revindex0"})
    if (name == known) return true;
  return false;
}

}  // namespace

ExpressionParser::Depth::Depth(ExpressionParser& parser) : parser_(parser) {
  if (++parser_.depth_ > kMaxDepth) parser_.fail("nested too deeply");
}

/// Counts an operator.
void ExpressionParser::term() {
  if (++terms_ > kMaxTerms) fail(fmt::format("more than {} terms", kMaxTerms));
}

const Lexeme& ExpressionParser::peek() const {
  static const Lexeme kEnd = {Kind::kEnd, "the end", 0};
  return done() ? kEnd : lexemes_[at_];
}

bool ExpressionParser::take(const char* text) {
  if (done() || peek().text != text || peek().kind == Kind::kString || peek().kind == Kind::kText) return false;
  ++at_;
  return true;
}

void ExpressionParser::expect(const char* text) {
  if (!take(text)) fail(fmt::format("expected \"{}\", found \"{}\"", text, peek().text));
}

Lexeme ExpressionParser::next() {
  if (done()) fail("it ends too early");
  return lexemes_[at_++];
}

std::string ExpressionParser::name() {
  if (peek().kind != Kind::kName) fail(fmt::format("expected a name, found \"{}\"", peek().text));
  return next().text;
}

void ExpressionParser::fail(const std::string& what) const {
  const int line = lexemes_.empty() ? 0 : lexemes_[std::min(at_, lexemes_.size() - 1)].line;
  throw TemplateError(fmt::format("line {}: {}", line, what));
}

Expression ExpressionParser::expression() {
  const Depth depth(*this);
  Expression value = condition();
  if (!take("if")) return value;
  Expression when = condition();
  Expression otherwise = take("else") ? expression() : constant(undefined());
  return [value, when, otherwise](Scope& s) { return truth(*when(s)) ? value(s) : otherwise(s); };
}

Expression ExpressionParser::condition() {
  Expression a = both();
  while (take("or")) {
    term();
    a = [a = std::move(a), b = both()](Scope& s) {
      const Value first = a(s);
      return truth(*first) ? first : b(s);
    };
  }
  return a;
}

Expression ExpressionParser::both() {
  Expression a = negation();
  while (take("and")) {
    term();
    a = [a = std::move(a), b = negation()](Scope& s) {
      const Value first = a(s);
      return truth(*first) ? b(s) : first;
    };
  }
  return a;
}

Expression ExpressionParser::negation() {
  const Depth depth(*this);
  if (!take("not")) return comparison();
  Expression a = negation();
  return [a](Scope& s) { return s.made(!truth(*a(s))); };
}

Expression ExpressionParser::comparison() {
  Expression a = joined();
  for (;; term()) {
    const std::string sign = peek().kind == Kind::kSign ? peek().text : "";
    if (sign == "==" || sign == "!=" || sign == "<" || sign == ">" || sign == "<=" || sign == ">=") {
      next();
      a = binary_of(sign, std::move(a), joined());
    } else if (take("in")) {
      a = binary_of("in", std::move(a), joined());
    } else if (take("not")) {
      expect("in");
      a = [found = binary_of("in", std::move(a), joined())](Scope& s) { return s.made(!found(s)->get<bool>()); };
    } else if (take("is")) {
      a = is_test_of(std::move(a));
    } else {
      return a;
    }
  }
}

Expression ExpressionParser::is_test_of(Expression value) {
  const bool negated = take("not");
  const std::string test_name = name();
  if (!is_test(test_name)) fail(fmt::format("the test \"{}\" is not supported", test_name));
  return [value = std::move(value), negated, test_name](Scope& s) { return s.made(test(test_name, *value(s)) != negated); };
}

Expression ExpressionParser::joined() {
  Expression a = sum();
  while (take("~")) {
    term();
    a = binary_of("~", std::move(a), sum());
  }
  return a;
}

Expression ExpressionParser::sum() {
  Expression a = product();
  for (;; term()) {
    if (take("+"))
      a = binary_of("+", std::move(a), product());
    else if (take("-"))
      a = binary_of("-", std::move(a), product());
    else
      return a;
  }
}

Expression ExpressionParser::product() {
  Expression a = sign();
  for (;; term()) {
    const std::string which = peek().kind == Kind::kSign ? peek().text : "";
    if (which != "*" && which != "/" && which != "//" && which != "%") return a;
    next();
    a = binary_of(which, std::move(a), sign());
  }
}

Expression ExpressionParser::sign() {
  const Depth depth(*this);
  if (take("-")) return binary_of("-", constant(0), sign());
  if (take("+")) return sign();
  return postfix();
}

Expression ExpressionParser::postfix() {
  const bool loop = peek().kind == Kind::kName && peek().text == "loop";
  const size_t begin = at_;
  Expression value = primary();
  for (;; term()) {
    if (take(".")) {
      const std::string member_name = name();
      if (loop && at_ == begin + 3 && !is_loop_member(member_name)) fail(fmt::format("loop.{} is not supported", member_name));
      if (take("(")) {
        if (!is_method(member_name)) fail(fmt::format("the method \"{}\" is not supported", member_name));
        value = [value = std::move(value), member_name, list = arguments()](Scope& s) {
          s.step();
          return s.made(method(member_name, *value(s), values(list, s)));
        };
      } else {
        value = [value = std::move(value), key = Json(member_name)](Scope& s) { return member(value(s), key); };
      }
    } else if (take("[")) {
      value = index_of(std::move(value));
    } else if (take("|")) {
      const std::string filter_name = name();
      if (!is_filter(filter_name)) fail(fmt::format("the filter \"{}\" is not supported", filter_name));
      std::vector<std::pair<std::string, Expression>> named;  // tojson(indent=4): as if it were the first
      std::vector<Expression> list;
      if (take("(")) list = arguments(&named);
      for (auto& [key, expression] : named) list.push_back(expression);
      value = [value = std::move(value), filter_name, list](Scope& s) {
        s.step();
        return s.made(filter(filter_name, *value(s), values(list, s)));
      };
    } else {
      return value;
    }
  }
}

Expression ExpressionParser::index_of(Expression value) {
  Expression bounds[3] = {constant(undefined()), constant(undefined()), constant(undefined())};
  bool given[3] = {};
  size_t colons = 0;
  while (!take("]")) {
    if (take(":")) {
      if (++colons > 2) fail("a slice has too many colons");
    } else {
      if (std::exchange(given[colons], true)) fail("expected \"]\"");
      bounds[colons] = expression();
    }
  }
  if (colons == 0) return [value = std::move(value), index = bounds[0]](Scope& s) { return member(value(s), *index(s)); };
  return [value = std::move(value), b = bounds[0], e = bounds[1], step = bounds[2]](Scope& s) {
    s.step();
    return s.made(slice(*value(s), *b(s), *e(s), *step(s)));
  };
}

Expression ExpressionParser::primary() {
  const Depth depth(*this);
  if (take("(")) {
    Expression first = expression();
    if (!take(",")) {
      expect(")");
      return first;
    }
    Expression rest = list(")");
    return [first, rest](Scope& s) { return s.made(binary("+", Json::array({*first(s)}), *rest(s))); };
  }
  if (take("[")) return list("]");
  if (take("{")) return object();
  const Lexeme lexeme = next();
  if (lexeme.kind == Kind::kString) {
    std::string text = lexeme.text;
    while (peek().kind == Kind::kString) text += next().text;  // as Python joins neighbours
    return constant(text);
  }
  if (lexeme.kind == Kind::kNumber)
    return constant(lexeme.text.find('.') == std::string::npos ? Json(std::atoll(lexeme.text.c_str()))
                                                               : Json(std::atof(lexeme.text.c_str())));
  if (lexeme.kind != Kind::kName) fail(fmt::format("\"{}\" begins no expression", lexeme.text));
  for (const auto& [word, value] : std::initializer_list<std::pair<const char*, Json>>{
           {"true", true}, {"True", true}, {"false", false}, {"False", false}, {"none", nullptr}, {"None", nullptr}})
    if (lexeme.text == word) return constant(value);
  if (take("(")) return call_of(lexeme.text);
  return [variable = lexeme.text](Scope& s) { return s.get(variable); };
}

Expression ExpressionParser::list(const char* close) {
  std::vector<Expression> items;
  while (!take(close)) {
    items.push_back(expression());
    if (!take(",") && !(peek().text == close)) fail(fmt::format("expected \",\" or \"{}\"", close));
  }
  return [items](Scope& s) {
    Json result = Json::array();
    for (const Expression& item : items) result.push_back(*item(s));
    return s.made(std::move(result));
  };
}

Expression ExpressionParser::object() {
  std::vector<std::pair<Expression, Expression>> members;
  while (!take("}")) {
    Expression key = expression();
    expect(":");
    members.emplace_back(std::move(key), expression());
    if (!take(",") && peek().text != "}") fail("expected \",\" or \"}\"");
  }
  return [members](Scope& s) {
    Json result = Json::object();
    for (const auto& [key, value] : members) result[text_of(*key(s))] = *value(s);
    return s.made(std::move(result));
  };
}

Expression ExpressionParser::call_of(const std::string& function_name) {
  if (!is_function(function_name)) fail(fmt::format("the function \"{}\" is not supported", function_name));
  std::vector<std::pair<std::string, Expression>> named;
  const std::vector<Expression> list = arguments(&named);
  return [function_name, list, named](Scope& s) {
    s.step();
    Json by_name = Json::object();
    for (const auto& [key, value] : named) by_name[key] = *value(s);
    return s.made(function(function_name, values(list, s), by_name));
  };
}

std::vector<Expression> ExpressionParser::arguments(std::vector<std::pair<std::string, Expression>>* named) {
  std::vector<Expression> result;
  while (!take(")")) {
    const bool keyword = peek().kind == Kind::kName && at_ + 1 < lexemes_.size() && lexemes_[at_ + 1].text == "=" &&
                         lexemes_[at_ + 1].kind == Kind::kSign;
    if (keyword && named == nullptr) fail("arguments by name are not supported here");
    if (keyword) {
      const std::string key = name();
      expect("=");
      named->emplace_back(key, expression());
    } else {
      result.push_back(expression());
    }
    if (!take(",") && peek().text != ")") fail("expected \",\" or \")\"");
  }
  return result;
}

}  // namespace spectra::text::jinja

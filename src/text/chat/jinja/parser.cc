// SPDX-License-Identifier: Apache-2.0
#include "text/chat/jinja/parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "text/chat/jinja/expression.h"
#include "text/chat/jinja/functions.h"

namespace spectra::text::jinja {
namespace {

using Body = std::vector<Write>;

constexpr int kMaxBlockDepth = 100;

void run(const Body& body, Scope& scope) {
  for (const Write& write : body) {
    scope.step();
    write(scope);
    if (scope.jump != Scope::Jump::kNone) return;
  }
}

struct Loop {
  std::vector<std::string> names;
  Expression list;
  Expression keep;  // condition for an item to take part; null = all do
  Body body, otherwise;
};

Json loop_variable(size_t i, size_t count) {
  return {{"index", i + 1},  {"index0", i},           {"first", i == 0},           {"last", i + 1 == count},
          {"length", count}, {"revindex", count - i}, {"revindex0", count - i - 1}};
}

void set_names(const Loop& loop, const Value& item, Scope& scope) {
  if (loop.names.size() == 1) return scope.set(loop.names[0], item);
  for (size_t i = 0; i < loop.names.size(); ++i) scope.set(loop.names[i], member(item, i));
}

/// What a loop goes over: the items of a list, or the keys of a mapping.
std::vector<Value> items_of(const Loop& loop, Scope& scope) {
  const Value list = loop.list(scope);
  if (!list->is_discarded() && !list->is_structured()) throw TemplateError(fmt::format("a loop over {}", list->type_name()));
  std::vector<Value> kept;
  if (list->is_discarded()) return kept;
  scope.push();
  for (const auto& [key, item] : list->items()) {
    scope.step();
    const Value value = list->is_object() ? scope.made(key) : Value(list, &item);
    set_names(loop, value, scope);
    if (!loop.keep || truth(*loop.keep(scope))) kept.push_back(value);
  }
  scope.pop();
  return kept;
}

void run(const Loop& loop, Scope& scope) {
  const std::vector<Value> items = items_of(loop, scope);
  if (items.empty()) run(loop.otherwise, scope);
  for (size_t i = 0; i < items.size(); ++i) {
    scope.push();
    scope.set("loop", scope.made(loop_variable(i, items.size())));
    set_names(loop, items[i], scope);
    run(loop.body, scope);
    scope.pop();
    if (std::exchange(scope.jump, Scope::Jump::kNone) == Scope::Jump::kBreak) break;
  }
}

class Parser {
 public:
  explicit Parser(const std::string& source) : lexemes_(scan(source)) {}

  Body all() {
    Body result = body();
    if (!stopped_.empty()) throw TemplateError(fmt::format("line {}: \"{}\" without a beginning", line_, stopped_));
    return result;
  }

 private:
  /// Reads up to a block that ends or divides the one around it: its name is in stopped_, the rest of its tag in tag_.
  Body body() {
    if (depth_ >= kMaxBlockDepth) throw TemplateError(fmt::format("line {}: blocks nested too deeply", line_));
    ++depth_;
    Body result = lines();
    --depth_;
    return result;
  }

  Body lines() {
    Body result;
    stopped_.clear();
    while (at_ < lexemes_.size()) {
      const Lexeme& lexeme = lexemes_[at_++];
      line_ = lexeme.line;
      if (lexeme.kind == Kind::kText) {
        result.push_back([text = lexeme.text](Scope& s) { s.write(text); });
        continue;
      }
      ExpressionParser tag = read_tag();
      if (lexeme.text == "{{") {
        Expression value = tag.expression();
        end(tag);
        result.push_back([value](Scope& s) { s.write(text_of(*value(s))); });
      } else if (!block(tag, result)) {
        return result;
      }
    }
    return result;
  }

  ExpressionParser read_tag() {
    const size_t begin = at_;
    while (lexemes_[at_].kind != Kind::kEnd) ++at_;
    return ExpressionParser({lexemes_.begin() + static_cast<ptrdiff_t>(begin), lexemes_.begin() + static_cast<ptrdiff_t>(at_++)});
  }

  static void end(ExpressionParser& tag) {
    if (!tag.done()) tag.fail(fmt::format("\"{}\" is not understood here", tag.peek().text));
  }

  bool block(ExpressionParser& tag, Body& out) {
    const std::string name = tag.name();
    if (name == "if") {
      out.push_back(choice(tag));
    } else if (name == "for") {
      out.push_back(loop(tag));
    } else if (name == "set") {
      out.push_back(assignment(tag));
    } else if (name == "break" || name == "continue") {
      end(tag);
      out.push_back([jump = name == "break" ? Scope::Jump::kBreak : Scope::Jump::kContinue](Scope& s) { s.jump = jump; });
    } else if (name == "generation") {  // marks what a model is trained on
      end(tag);
      out.push_back([inner = inside("endgeneration")](Scope& s) { run(inner, s); });
    } else if (name == "else" || name == "elif" || name.starts_with("end")) {
      stopped_ = name;
      tag_ = tag;
      return false;
    } else {
      tag.fail(fmt::format("the block \"{}\" is not supported", name));
    }
    return true;
  }

  Body inside(const char* last) {
    Body result = body();
    if (stopped_ != last) throw TemplateError(fmt::format("line {}: expected \"{}\", found \"{}\"", line_, last, stopped_));
    stopped_.clear();
    return result;
  }

  Write choice(ExpressionParser& tag) {
    std::vector<std::pair<Expression, Body>> branches;
    ExpressionParser when = tag;
    do {
      Expression condition = when.expression();
      end(when);
      branches.emplace_back(std::move(condition), body());
      when = tag_;
    } while (stopped_ == "elif");
    Body otherwise;
    if (stopped_ == "else")
      otherwise = inside("endif");
    else if (stopped_ != "endif")
      throw TemplateError(fmt::format("line {}: an if does not end", line_));
    stopped_.clear();
    return [branches, otherwise](Scope& s) {
      for (const auto& [condition, body] : branches)
        if (truth(*condition(s))) return run(body, s);
      run(otherwise, s);
    };
  }

  Write loop(ExpressionParser& tag) {
    Loop loop;
    do loop.names.push_back(tag.name());
    while (tag.take(","));
    tag.expect("in");
    loop.list = tag.condition();
    if (tag.take("if")) loop.keep = tag.expression();
    end(tag);
    loop.body = body();
    if (stopped_ == "else")
      loop.otherwise = inside("endfor");
    else if (stopped_ != "endfor")
      throw TemplateError(fmt::format("line {}: a for does not end", line_));
    stopped_.clear();
    return [loop](Scope& s) { run(loop, s); };
  }

  static Write assignment(ExpressionParser& tag) {
    const std::string name = tag.name();
    const std::string member_name = tag.take(".") ? tag.name() : "";
    tag.expect("=");
    Expression value = tag.expression();
    end(tag);
    if (member_name.empty()) return [name, value](Scope& s) { s.set(name, value(s)); };
    return [name, member_name, value](Scope& s) { s.set_member(name, member_name, *value(s)); };
  }

  std::vector<Lexeme> lexemes_;
  size_t at_ = 0;
  int line_ = 1, depth_ = 0;
  std::string stopped_;
  ExpressionParser tag_{{}};
};

}  // namespace

std::vector<Write> parse(const std::string& source) { return Parser(source).all(); }

}  // namespace spectra::text::jinja

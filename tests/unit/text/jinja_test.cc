// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "text/chat/jinja/template.h"

namespace spectra::text::jinja {
namespace {

std::string render(const std::string& source, const Json& variables = Json::object()) { return Template(source).render(variables); }

struct Case {
  const char* source;
  const char* text;
};

TEST(Jinja, Expressions) {
  const Json variables = {{"a", 3}, {"s", "Ab c"}, {"l", {1, 2, 3}}, {"d", {{"k", "v"}, {"n", nullptr}}}, {"t", true}};
  const Case cases[] = {
      {"{{ 1 + 2 * 3 - 4 }}", "3"},
      {"{{ (1 + 2) * 3 }}", "9"},
      {"{{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 4 }} {{ -7 % 4 }} {{ 7 / 2 }}", "3 -4 3 1 3.5"},
      {"{{ 'a' + 'b' ~ 1 }}", "ab1"},
      {"{{ a == 3 and not a != 3 }}", "True"},
      {"{{ missing or 'x' }}{{ t and 'y' }}", "xy"},
      {"{{ 'yes' if a > 2 else 'no' }}{{ 'never' if a > 9 }}", "yes"},
      {"{{ 2 in l }} {{ 'b c' in s }} {{ 'k' in d }} {{ 9 not in l }}", "True True True True"},
      {"{{ d.k }}{{ d['k'] }}{{ l[0] }}{{ l[-1] }}", "vv13"},
      {"{{ l[1:] }}{{ l[:-1] }}{{ l[::-1] }}{{ s[1:3] }}", "[2, 3][1, 2][3, 2, 1]b "},
      {"{{ s|lower|trim }}{{ s.upper() }}{{ s | length }}", "ab cAB C4"},
      {"{{ '  x '.strip() }}{{ 'xxa'.lstrip('x') }}{{ 'a-b-c'.split('-')[-1] }}", "xac"},
      {"{{ s.startswith('A') }}{{ s.endswith('z') }}", "TrueFalse"},
      {"{{ d.get('q', 'w') }}{{ d.get('k') }}{{ d.get('q') }}", "wvNone"},
      {"{{ missing is defined }}{{ d.n is none }}{{ l is iterable }}{{ s is not string }}", "FalseTrueTrueFalse"},
      {"{{ d | tojson }}", R"({"k": "v", "n": null})"},
      {"{{ {'x': [1, (2)]} | tojson }}{{ [] | tojson }}", R"({"x": [1, 2]}[])"},
      {"{{ missing | default('z') }}{{ '' | default('e', true) }}{{ l | join('-') }}{{ l | first }}{{ l | last }}", "ze1-2-313"},
      {"{{ 'it''s' }}{{ \"q\\n\" }}{{ true }}{{ none }}", "itsq\nTrueNone"},
      {"{{ 'Zoë'[2] }}{{ 'Zoë'[-1] }}{{ 'ëZ'[1:] }}{{ 'Zoë'[::-1] }}", "ëëZëoZ"},
      {"{{ 'a' * 1 if false else 'ok' }}", "ok"},
  };
  for (const Case& c : cases) EXPECT_EQ(render(c.source, variables), c.text) << c.source;
}

TEST(Jinja, Blocks) {
  const Json variables = {{"l", {"a", "b", "c"}}, {"d", {{"x", 1}, {"y", 2}}}};
  const Case cases[] = {
      {"{% if l %}yes{% elif d %}maybe{% else %}no{% endif %}", "yes"},
      {"{% if not l %}yes{% elif d %}maybe{% else %}no{% endif %}", "maybe"},
      {"{% for x in l %}{{ loop.index }}{{ x }}{% if not loop.last %},{% endif %}{% endfor %}", "1a,2b,3c"},
      {"{% for x in l if x != 'b' %}{{ loop.index0 }}{{ x }}{% endfor %}", "0a1c"},
      {"{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", "x=1;y=2;"},
      {"{% for k in d %}{{ k }}{% endfor %}", "xy"},
      {"{% for x in [] %}a{% else %}none{% endfor %}", "none"},
      {"{% for x in l %}{% if x == 'b' %}{% break %}{% endif %}{{ x }}{% endfor %}", "a"},
      {"{% for x in l %}{% if x == 'b' %}{% continue %}{% endif %}{{ x }}{% endfor %}", "ac"},
      {"{% set n = 1 %}{% for x in l %}{% set n = 5 %}{% endfor %}{{ n }}", "1"},  // a loop has its own variables
      {"{% set ns = namespace(n=1) %}{% for x in l %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}", "4"},
      {"{% for i in range(3) %}{{ i }}{% endfor %}{{ range(5, 1, -2) }}", "012[5, 3]"},
      {"a {#- nothing -#} b", "ab"},
      {"{% generation %}x{% endgeneration %}", "x"},
  };
  for (const Case& c : cases) EXPECT_EQ(render(c.source, variables), c.text) << c.source;
}

TEST(Jinja, WhiteSpace) {
  EXPECT_EQ(render("a\n  {% if true %}\nb\n  {% endif %}\nc"), "a\nb\nc");  // trim_blocks and lstrip_blocks
  EXPECT_EQ(render("a\n  {{ 1 }}\nb"), "a\n  1\nb");
  EXPECT_EQ(render("a \n {%- if true -%} \n b {%- endif %} c"), "ab c");
  EXPECT_EQ(render("x {{- ' y ' -}} z"), "x y z");
  EXPECT_EQ(render("  {% if true %}x{% endif %}"), "x");
  EXPECT_EQ(render("x\n\n"), "x\n");
  EXPECT_EQ(render("{% if true %}\n  {% if true %}\nx{% endif %}{% endif %}"), "x");
}

TEST(Jinja, Mistakes) {
  for (const char* source :
       {"{{ 1 +",          "{% if %}",         "{% if x %}",        "{% for x %}{% endfor %}",
        "{% endif %}",     "{{ x | nosuch }}", "{{ x.nosuch() }}",  "{{ nosuch(1) }}",
        "{% macro f() %}", "{{ 'a }}",         "{# never ends",     "{{ @ }}",
        "{% set = 1 %}",   "{{ a b }}",        "{{ x is nosuch }}", "{{ [1, 2 }}",
        "{{ (1 }}",        "{{ x[0 0] }}",     "{{ 2 ** 3 }}",      "{% for x in l %}{{ loop.previtem }}{% endfor %}"})
    EXPECT_THROW(Template{source}, TemplateError) << source;
  for (const char* source : {"{{ raise_exception('no') }}", "{{ x.y.z }}", "{{ 'a' - 1 }}", "{{ 1 / 0 }}", "{{ 1 < 'a' }}",
                             "{% for i in 3 %}{% endfor %}", "{{ range(1000000000) }}", "{{ 3 | length }}", "{% set ns.x = 1 %}"})
    EXPECT_THROW(render(source), TemplateError) << source;
  EXPECT_THROW(Template{std::string(5000, '(').insert(0, "{{ ")}, TemplateError);
  std::string nested;
  for (int i = 0; i < 5000; ++i) nested += "{% if true %}";
  EXPECT_THROW(Template{nested}, TemplateError);
}

TEST(Jinja, LongChains) {
  std::string branches = "{% if a == 0 %}0", terms = "{{ 'x'", many = terms;
  for (int i = 1; i < 30000; ++i) branches += "{% elif a == " + std::to_string(i) + " %}" + std::to_string(i);
  EXPECT_EQ(render(branches + "{% endif %}", {{"a", 29999}}), "29999");
  for (int i = 1; i < 1000; ++i) terms += " ~ 'x'";
  EXPECT_EQ(render(terms + " }}"), std::string(1000, 'x'));
  for (const char* more : {" ~ 'x'", " or 'x'", " and 'x'", " + 'x'", " == 'x'", "|trim", "[0]", " * 1"}) {
    std::string chain = "{{ 'x'";
    for (int i = 0; i < 20000; ++i) chain += more;
    EXPECT_THROW(Template{chain + " }}"}, TemplateError) << more;
  }
}

TEST(Jinja, MembersOfLongListsCostNoCopies) {
  Json messages = Json::array();
  for (int i = 0; i < 4000; ++i) messages.push_back({{"role", "user"}, {"content", std::string(1000, 'x')}});
  EXPECT_EQ(render("{% for m in messages %}{{ messages[loop.index0 - 1].content | length }}{% endfor %}", {{"messages", messages}})
                .size(),
            16000);
  EXPECT_THROW(render("{% for m in messages %}{% set all = messages + messages %}{% endfor %}", {{"messages", messages}}),
               TemplateError);
}

TEST(Jinja, NamespacesKeepTheirOwnValues) {
  EXPECT_EQ(render("{% set a = namespace(n=1) %}{% set a.n = 2 %}{% set a.m = a.n %}{% set a.all = a %}{{ a.n }}{{ a.all.m }}"),
            "22");
}

TEST(Jinja, RunsAreBounded) {
  EXPECT_THROW(render("{% for a in range(9999) %}{% for b in range(9999) %}{{ a }}{% endfor %}{% endfor %}"), TemplateError);
  EXPECT_THROW(render("{% set ns = namespace(s='xxxxxxxxxxxxxxxx') %}{% for i in range(40) %}{% set ns.s = ns.s + ns.s %}{{ ns.s "
                      "}}{% endfor %}"),
               TemplateError);
}

}  // namespace
}  // namespace spectra::text::jinja

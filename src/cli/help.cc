// SPDX-License-Identifier: Apache-2.0
#include "cli/help.h"

#include <fmt/format.h>

#include <algorithm>

namespace spectra::cli {
namespace {

std::string value_name(const Option& option) {
  struct Visitor {
    std::string operator()(bool*) const { return ""; }
    std::string operator()(int64_t*) const { return " N"; }
    std::string operator()(double*) const { return " X"; }
    std::string operator()(std::string*) const { return " TEXT"; }
    std::string operator()(std::vector<std::string>*) const { return " TEXT"; }
  };
  return std::visit(Visitor{}, option.target);
}

std::string default_value(const Option& option) {
  struct Visitor {
    std::string operator()(bool*) const { return ""; }
    std::string operator()(int64_t* value) const { return fmt::format("{}", *value); }
    std::string operator()(double* value) const { return fmt::format("{}", *value); }
    std::string operator()(std::string* value) const { return *value; }
    std::string operator()(std::vector<std::string>*) const { return ""; }
  };
  return std::visit(Visitor{}, option.target);
}

/// The help text with choices and default, such as "how many {1|2} (default 2)".
std::string description(const Option& option) {
  std::string text = option.help;
  if (!option.choices.empty()) text += fmt::format(" {{{}}}", fmt::join(option.choices, "|"));
  const std::string value = default_value(option);
  if (option.required && !is_positional(option)) text += " (required)";
  if (!option.required && !value.empty()) text += fmt::format(" (default {})", value);
  return text;
}

/// Breaks `text` at blanks into lines of at most `width` columns, the further ones indented by `indent`.
std::string wrapped(const std::string& text, size_t width, size_t indent) {
  std::string out;
  size_t column = 0, begin = 0;
  while (begin < text.size()) {
    const size_t end = std::min(text.find(' ', begin), text.size());
    const size_t length = end - begin;
    if (column > 0 && column + 1 + length > width) {
      out += "\n" + std::string(indent, ' ');
      column = 0;
    } else if (column > 0) {
      out += ' ';
      ++column;
    }
    out.append(text, begin, length);
    column += length;
    begin = end + 1;
  }
  return out;
}

constexpr size_t kNameColumn = 30, kTextWidth = 80 - kNameColumn;

std::string option_line(const Option& option) {
  std::string names;
  for (const char c : option.name) names += c == ',' ? std::string(", ") : std::string(1, c);
  std::string left = "  " + names + (is_positional(option) ? "" : value_name(option));
  left += left.size() + 2 <= kNameColumn ? std::string(kNameColumn - left.size(), ' ') : "\n" + std::string(kNameColumn, ' ');
  return left + wrapped(description(option), kTextWidth, kNameColumn) + "\n";
}

std::string usage(const Command& command) {
  std::string text = "spectra " + command.name;
  for (const Option& option : command.options)
    if (is_positional(option)) {
      const bool several = std::holds_alternative<std::vector<std::string>*>(option.target);
      const std::string name = option.name + (several ? "..." : "");
      text += option.required ? " " + name : " [" + name + "]";
    }
  for (const Option& option : command.options)
    if (!is_positional(option) && option.required) text += fmt::format(" {}{}", long_name(option), value_name(option));
  return text + " [options]";
}

}  // namespace

bool is_positional(const Option& option) { return option.name.front() != '-'; }

std::string long_name(const Option& option) {
  const size_t comma = option.name.rfind(',');
  return comma == std::string::npos ? option.name : option.name.substr(comma + 1);
}

std::vector<Option> global_options() {
  Global& g = global();
  return {{.name = "--json", .help = "print exactly one JSON object on stdout", .target = &g.json},
          {.name = "-q,--quiet", .help = "no progress and no information on stderr", .target = &g.quiet},
          {.name = "--threads", .help = "compute threads, 0 = all cores", .target = &g.threads}};
}

std::string overview(const std::vector<Command>& commands) {
  std::string text = "spectra: train, pack, run and compare low-bit language models\n\nusage: spectra COMMAND [options]\n\n";
  for (const Command& command : commands) text += fmt::format("  {:<12}{}\n", command.name, command.summary);
  return text +
         "\n`spectra COMMAND --help` explains a command, `--help-all` shows every option of it.\n"
         "`spectra --version`, `spectra --man`, `spectra --completion` print what they say.\n";
}

std::string command_help(const Command& command, bool all) {
  std::string text = fmt::format("{}\n\nusage: {}\n\n", command.summary, usage(command));
  size_t hidden = 0;
  for (const Option& option : command.options) {
    if (option.advanced && !all) {
      ++hidden;
      continue;
    }
    text += option_line(option);
  }
  for (const Option& option : global_options()) text += option_line(option);
  text += option_line(
      {.name = "--help", .help = hidden > 0 ? fmt::format("this text; --help-all shows {} more options", hidden) : "this text"});
  if (!command.examples.empty()) text += "\nexamples:\n";
  for (const std::string& example : command.examples) text += "  " + example + "\n";
  return text;
}

namespace {
std::string roff(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else
      out += c;
  }
  return out;
}
}  // namespace

std::string man_page(const std::vector<Command>& commands) {
  std::string text =
      ".TH SPECTRA 1\n.SH NAME\nspectra \\- train, pack, run and compare low\\-bit language models\n"
      ".SH SYNOPSIS\n.B spectra\n.I command\n[options]\n.SH COMMANDS\n";
  for (const Command& command : commands) {
    text += fmt::format(".SS {}\n{}.\n.PP\n.B {}\n", roff(command.name), roff(command.summary), roff(usage(command)));
    for (const Option& option : command.options)
      text += fmt::format(".TP\n.B {}{}\n{}\n", roff(option.name), roff(value_name(option)), roff(description(option)));
  }
  text += ".SH OPTIONS OF EVERY COMMAND\n";
  for (const Option& option : global_options())
    text += fmt::format(".TP\n.B {}{}\n{}\n", roff(option.name), roff(value_name(option)), roff(description(option)));
  return text +
         ".SH EXIT STATUS\n0 ok, 1 failed, 2 usage, 3 bad input, 4 a threshold was missed, 5 refused before starting, "
         "130 interrupted.\n";
}

std::string bash_completion(const std::vector<Command>& commands) {
  std::string names, cases;
  for (const Command& command : commands) {
    names += (names.empty() ? "" : " ") + command.name;
    std::string options = "--help --help-all";
    for (const Option& option : global_options()) options += " " + long_name(option);
    for (const Option& option : command.options)
      if (!is_positional(option)) options += " " + long_name(option);
    cases += fmt::format("    {}) options=\"{}\" ;;\n", command.name, options);
  }
  return fmt::format(
      "_spectra() {{\n  local word=\"${{COMP_WORDS[COMP_CWORD]}}\" options=\"\"\n"
      "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n    COMPREPLY=($(compgen -W \"{}\" -- \"$word\"))\n    return\n  fi\n"
      "  case \"${{COMP_WORDS[1]}}\" in\n{}  esac\n"
      "  case \"$word\" in\n    -*) COMPREPLY=($(compgen -W \"$options\" -- \"$word\")) ;;\n"
      "    *) COMPREPLY=($(compgen -f -- \"$word\")) ;;\n  esac\n}}\ncomplete -o filenames -F _spectra spectra\n",
      names, cases);
}

}  // namespace spectra::cli

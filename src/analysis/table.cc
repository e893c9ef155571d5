// SPDX-License-Identifier: Apache-2.0
#include "analysis/table.h"

#include <fmt/format.h>

#include <cmath>

#include "analysis/chart/axes.h"
#include "analysis/chart/chart.h"

namespace spectra::analysis {
namespace {

std::string cell_html(const Cell& cell) {
  std::string sign;
  if (cell.colour >= kNeutral)
    sign = fmt::format("<span class=\"key\" style=\"background:{}\"></span>",
                       cell.colour == kNeutral ? "var(--soft)" : fmt::format("var(--c{})", cell.colour % kColours));
  if (!cell.numeric) return fmt::format("<td class=\"{}\">{}{}</td>", cell.command ? "command" : "text", sign, escaped(cell.text));
  return fmt::format("<td data-value=\"{}\">{}{}</td>", std::isfinite(cell.value) ? fmt::format("{}", cell.value) : "", sign,
                     cell.picture.empty() ? escaped(cell.text) : cell.picture);
}

std::string cell_csv(const Cell& cell) {
  if (cell.numeric) return std::isfinite(cell.value) ? fmt::format("{}", cell.value) : "";
  if (cell.text.find_first_of(",\"\n") == std::string::npos) return cell.text;
  std::string out = "\"";
  for (const char c : cell.text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

/// Text as a data: URI has it.
std::string percent_encoded(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) || std::string("-_.~,:;=/()+*!").find(c) != std::string::npos)
      out += c;
    else
      out += fmt::format("%{:02X}", byte);
  }
  return out;
}

}  // namespace

Cell::Cell(double number) : text(short_number(number)), value(number), numeric(true) {}

Cell Cell::fixed(double number, int decimals) {
  if (!std::isfinite(number)) return {number, "–"};
  const std::string text = fmt::format("{:.{}f}", std::abs(number), decimals);
  return {number, number < 0 && text.find_first_not_of("0.") != std::string::npos ? "−" + text : text};
}

std::string to_html(const Table& table, const std::string& label, bool tall) {
  std::string html =
      fmt::format("<div class=\"wide{}\" tabindex=\"0\" role=\"region\" aria-label=\"{}\"><table class=\"sortable\"><thead><tr>",
                  tall ? " tall" : "", escaped(label));
  for (size_t i = 0; i < table.columns.size(); ++i) {
    const bool text = !table.rows.empty() && !table.rows[0][i].numeric;
    html += fmt::format("<th scope=\"col\"{}>{}</th>", text ? " class=\"text\"" : "", escaped(table.columns[i]));
  }
  html += "</tr></thead><tbody>\n";
  for (const auto& row : table.rows) {
    html += "<tr>";
    for (const Cell& cell : row) html += cell_html(cell);
    html += "</tr>\n";
  }
  return html + "</tbody></table></div>\n";
}

std::string to_csv(const Table& table) {
  std::string csv;
  for (size_t i = 0; i < table.columns.size(); ++i) csv += (i ? "," : "") + cell_csv(Cell(table.columns[i]));
  csv += "\n";
  for (const auto& row : table.rows) {
    for (size_t i = 0; i < row.size(); ++i) csv += (i ? "," : "") + cell_csv(row[i]);
    csv += "\n";
  }
  return csv;
}

std::string csv_link(const Table& table, const std::string& file_name, const std::string& text) {
  return fmt::format("<a download=\"{}\" href=\"data:text/csv;charset=utf-8,{}\">{}</a>", escaped(file_name),
                     percent_encoded(to_csv(table)), escaped(text));
}

}  // namespace spectra::analysis

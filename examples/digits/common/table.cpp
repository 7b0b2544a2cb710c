#include "common/table.h"

#include <algorithm>
#include <fmt/format.h>

namespace digits {
namespace {

struct Strokes {
    const char *horizontal, *vertical;
    const char *left[3], *cross[3], *right[3];  // top, middle, bottom
};
constexpr Strokes box = {"─", "│", {"┌", "├", "└"}, {"┬", "┼", "┴"}, {"┐", "┤", "┘"}};
constexpr Strokes ascii = {"-", "|", {"+", "+", "+"}, {"+", "+", "+"}, {"+", "+", "+"}};

}  // namespace

size_t display_width(const std::string &text) {
    return static_cast<size_t>(
        std::count_if(text.begin(), text.end(), [](char byte) { return (byte & 0xc0) != 0x80; }));
}

Table::Table(const Terminal &terminal, std::vector<Column> columns)
    : terminal_(terminal), columns_(std::move(columns)) {
    for (const Column &column : columns_)
        widths_.push_back(display_width(column.title));
}

void Table::row(std::vector<Cell> cells) {
    for (size_t i = 0; i < cells.size(); i++)
        widths_[i] = std::max(widths_[i], display_width(cells[i].text));
    rows_.push_back(std::move(cells));
}

std::string Table::rule(int which) const {
    const Strokes &strokes = terminal_.utf8 ? box : ascii;
    std::string text = strokes.left[which];
    for (size_t i = 0; i < widths_.size(); i++) {
        if (i > 0)
            text += strokes.cross[which];
        for (size_t k = 0; k < widths_[i] + 2; k++)
            text += strokes.horizontal;
    }
    return terminal_.styled(text + strokes.right[which], Style::dim);
}

std::string Table::line(const std::vector<Cell> &cells) const {
    const std::string vertical =
        terminal_.styled(terminal_.utf8 ? box.vertical : ascii.vertical, Style::dim);
    std::string text = vertical;
    for (size_t i = 0; i < cells.size(); i++) {
        const std::string gap(widths_[i] - display_width(cells[i].text), ' ');
        const std::string shown = terminal_.styled(cells[i].text, cells[i].style);
        text +=
            columns_[i].align == Align::left ? " " + shown + gap + " " : " " + gap + shown + " ";
        text += vertical;
    }
    return text;
}

void Table::print() const {
    std::vector<Cell> titles;
    for (const Column &column : columns_)
        titles.emplace_back(column.title, Style::bold);
    fmt::print("{}\n{}\n{}\n", rule(0), line(titles), rule(1));
    for (const std::vector<Cell> &row : rows_)
        fmt::print("{}\n", line(row));
    fmt::print("{}\n", rule(2));
}

}  // namespace digits

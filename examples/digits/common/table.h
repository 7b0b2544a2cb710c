// A table with aligned columns, in box drawing or plain ASCII.
#pragma once

#include <string>
#include <vector>

#include "common/terminal.h"

namespace digits {

enum class Align { left, right };

struct Column {
    std::string title;
    Align align = Align::right;
};

struct Cell {
    Cell(std::string text_, Style style_ = Style::plain) : text(std::move(text_)), style(style_) {}
    Cell(const char *text_) : text(text_) {}
    std::string text;
    Style style = Style::plain;
};

class Table {
public:
    Table(const Terminal &terminal, std::vector<Column> columns);
    void row(std::vector<Cell> cells);
    void print() const;

private:
    std::string rule(int which) const;
    std::string line(const std::vector<Cell> &cells) const;
    const Terminal &terminal_;
    std::vector<Column> columns_;
    std::vector<std::vector<Cell>> rows_;
    std::vector<size_t> widths_;
};

// Characters on the screen, each of our strings' code points being one wide.
size_t display_width(const std::string &text);

}  // namespace digits

// Rows for kernels that take them in whole units (Pointwise::whole_rows): half the code of those
// that have their formula once more for what is left of a row.
#pragma once

#include <string.h>

#include "../generators/agreed.h"
#include "buffers.h"

namespace halnorm {

// Of the ends of some rows, side by side on the stack.
constexpr int64_t row_ends_bytes = 128;

// Calls body(region, slice, data) until one fails, with what is dense as s, whatever the layout:
// for a slice as far as its rows are whole, and for what is left of them. `data` stand for those of
// the tensors, of which the last is the result; an only one is read too.
template<int count, typename Body>
int for_whole_rows(const Plan &plan, Region region, Slice slice, const Read (&tensors)[count],
                   Body body) {
    if (region.layout == kernel_nhwc) {
        region.c.extent = slice.channels;
        const Axis row = region.c;
        region.c = region.s;
        region.s = row;
        slice = {slice.s, region.c.extent, slice.n, slice.rows, slice.c};
    }
    // Rows that follow one another are one.
    int64_t &s = region.s.extent;
    const auto join = [&](const Axis &axis, int64_t *extent) {
        for (const Read &tensor : tensors) {
            if (*extent > 1 && (axis.stride[tensor.index] != s || s > INT32_MAX / *extent))
                return false;
        }
        s *= *extent;
        *extent = 1;
        return true;
    };
    if (join(region.c, &slice.channels))
        join(region.n, &slice.rows);

    const void *data[count];
    for (int k = 0; k < count; k++)
        data[k] = tensors[k].data;
    const int64_t left = s % row_unit, whole = s - left;
    s = whole;
    if (whole > 0) {
        if (const int code = body(region, slice, data))
            return code;
    }
    if (left == 0)
        return 0;

    const int64_t element = static_cast<int64_t>(plan.element()), end = left * element;
    const auto end_of = [&](int k, int64_t row) {
        const int i = tensors[k].index;
        const int64_t c = slice.c + row % slice.channels, n = slice.n + row / slice.channels;
        return static_cast<char *>(const_cast<void *>(tensors[k].data)) +
               (slice.s + whole + c * region.c.stride[i] + n * region.n.stride[i]) * element;
    };
    alignas(64) char ends[count][row_ends_bytes];
    for (int k = 0; k < count; k++)
        data[k] = ends[k];
    const int64_t rows = slice.channels * slice.rows, most = row_ends_bytes / end;
    for (int64_t row = 0; row < rows; row += most) {
        const int64_t some = clamp(rows - row, 0, most), bytes = some * end;
        s = round_up(some * left, row_unit);
        for (int k = 0; k < (count > 1 ? count - 1 : 1); k++) {
            for (int64_t i = 0; i < some; i++)
                memcpy(ends[k] + i * end, end_of(k, row + i), static_cast<size_t>(end));
            memset(ends[k] + bytes, 0, static_cast<size_t>(s * element - bytes));
        }
        if (const int code = body(region, {0, 1, 0, 1}, data))
            return code;
        for (int64_t i = 0; i < some; i++)
            memcpy(end_of(count - 1, row + i), ends[count - 1] + i * end, static_cast<size_t>(end));
    }
    return 0;
}

}  // namespace halnorm

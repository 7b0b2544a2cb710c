// What kernels and the runtime that calls them have to agree on, beside the forms of activations.
#pragma once

namespace halnorm {

// Sums: chunk_s is a multiple of so many elements, in NHWC of a quarter of them.
constexpr int chunk_unit = 64;

// Pointwise::whole_rows: rows are multiples of so many elements.
constexpr int row_unit = 16;

// Bytes. Stores past the cache are of whole lines, or of parts that start at such a multiple.
constexpr int cache_line = 64, row_alignment = 16;

// A block of threads of a GPU is a warp wide, so that what it reads is consecutive, and so many
// chunks deep.
constexpr int gpu_warp = 32, gpu_depth = 8;

}  // namespace halnorm

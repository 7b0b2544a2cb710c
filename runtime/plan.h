// How one call is cut into kernel calls. What results depend on follows from shapes alone; the
// number of threads and the machine's caches decide how they are stored and how many channels go
// through all stages at once, for the same bits.
#pragma once

#include "built.h"
#include "dispatch.h"
#include "status.h"
#include "tensor.h"

namespace halnorm {

// Scalars of the activation as the kernels take them: act(v) = form(prescale * v + preshift).
struct ActivationScalars {
    int32_t form;
    double prescale, preshift, lower, upper, alpha;
};

inline int64_t ceil_div(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

inline int64_t clamp(int64_t v, int64_t low, int64_t high) {
    return v < low ? low : v > high ? high : v;
}

inline int64_t round_up(int64_t v, int64_t unit) {
    return ceil_div(v, unit) * unit;
}

// The size of parts of about `size` that threads share evenly: equal, and a multiple of four of
// them where there are more than two.
inline int64_t even_part(int64_t all, int64_t size) {
    const int64_t parts = ceil_div(all, size);
    return parts == 1 ? all : ceil_div(all, parts == 2 ? 2 : round_up(parts, 4));
}

// A part of (s, c, n). Where s is cut, its extent is the region's.
struct Slice {
    int64_t c, channels, n, rows;
    int64_t s = 0;
    int64_t s_of_kernel = 0;  // what the kernel calls s
};

// Calls body(part, extent of s) for a slice's parts of so many of s, channels and rows each, in
// the order of NCHW, until one fails. `row` is the whole of s.
template<typename Body>
int for_each_part(const Slice &slice, int64_t row, int64_t s, int64_t channels, int64_t rows,
                  Body body) {
    Slice part;
    for (part.n = slice.n; part.n < slice.n + slice.rows; part.n += rows) {
        part.rows = clamp(slice.n + slice.rows - part.n, 0, rows);
        for (part.c = slice.c; part.c < slice.c + slice.channels; part.c += channels) {
            part.channels = clamp(slice.c + slice.channels - part.c, 0, channels);
            for (part.s = 0; part.s < row; part.s += s) {
                if (const int code = body(part, clamp(row - part.s, 0, s)))
                    return code;
            }
        }
    }
    return 0;
}

// How the result of a call is stored: see streaming.h.
enum class Stores { ordinary, by_row, by_line };

struct Plan {
    const halnorm_config *config;
    int32_t variant;
    VariantDevice device;
    halnorm_dtype dtype;
    Region apply;  // all tensors
    // The tensors that are reduced, so that sizes do not depend on the others' strides. It and the
    // cuts of the reduction are set only where the call reduces.
    Region reduce;
    Stores stores;  // of y, or dx
    int scratch;    // index of a tensor in the workspace, if the call needs one
    ActivationScalars activation;

    // Reduction: blocks of block_n rows; within a block, chunks (see generators/stages.h).
    int64_t block_n, blocks, chunk_s, chunk_n;
    // true: a task takes a group of channels through all stages while they are in cache. false: one
    // task per block, all channels, with the merge between two sweeps.
    bool by_channel;
    int64_t group;  // channels per task where by_channel
    // Elements from a group to the next in every tensor, where the last stage of one is to prefetch
    // the other; 0: it is not (Pointwise::ahead). Where nothing is reduced: to what is read next.
    int32_t ahead;

    // Normalization on its own: a task takes so many rows of so many channels, in so many parts of
    // the rows and of the channels.
    int64_t apply_rows, apply_channels, row_parts, channel_parts;
    // Those tasks from the last one on, after a reduction: what it has read last is still in the
    // cache. Times as fast, NHWC, relu, float32, training and backward, with an L2 that knows nothing
    // of the call before it: 1x512x28x28 1.06, 1.11, 1x64x112x112 1.06, 1.06, 8x2048x7x7 1.05, 1.04,
    // 4096x256 1.05, 1.04, 8x64x56x56 1.03, 1.03, 8x1024x14x14 1.03, 1.02; from 13 MB of x on the
    // same (Xeon with 2 MB of L2, AVX-512, 2026-11-29).
    bool last_first;

    int64_t channels() const { return config->num_channels; }
    int64_t count() const {
        return apply.s.extent * apply.n.extent * apply.fold;
    }  // elements per channel
    int64_t elements() const { return count() * channels(); }
    size_t element() const { return size_of(dtype); }
    bool empty() const { return apply.empty(); }
    bool on_cpu() const { return !built::gpu || device == VariantDevice::cpu; }

    int64_t reduce_tasks() const;
    Slice reduce_slice(int64_t task) const;
    int64_t apply_tasks() const { return row_parts * channel_parts; }
    Slice apply_slice(int64_t index) const;
    Slice apply_all(int64_t c, int64_t some_channels) const;  // all rows of some channels
};

// Sets what only a reduction needs of a plan (plan_reduction.cpp). A program that never reduces
// does not link it.
using CutReduction = void (*)(Plan *plan);
void cut_reduction(Plan *plan);

// The tensors of a call. `cut` is cut_reduction, of the first `reduced` of them; nullptr: the call
// does not reduce, and their number does not matter.
struct Operands {
    Operand list[max_tensors - 1];  // not cleared: that costs a tiny call 2 %
    int count = 0, reduced = 1;
    CutReduction cut = nullptr;
    bool scratch = false;   // one more tensor in the workspace
    bool prepares = false;  // coefficients that many calls will use
    // Index of what the call's last pass over the tensors writes and does not read, y or dx.
    int result = -1;

    void add(Argument name, const halnorm_tensor *tensor) { list[count++] = {name, tensor}; }
};

inline Operands of_x_alone(const halnorm_tensor *x, CutReduction cut) {
    Operands o;
    o.cut = cut;
    o.add(Argument::x, x);
    return o;
}

// Checks the configuration and the tensors, chooses the variant and cuts the work.
halnorm_status make_plan(const halnorm_config *config, const Operands &operands, bool with_data,
                         Plan *plan);

// The part of it that depends on where the tensors lie: how the result is stored, and how
// normalization is cut for that.
void place_result(const Operands &operands, Plan *plan);

// The status of a call: `code` is the first failure among its kernels, or 0.
halnorm_status kernel_status(const Plan &plan, int code);

// The caller's workspace, handed out piece by piece. With no memory it only counts.
class Workspace {
public:
    Workspace(void *memory, size_t bytes) : memory_(static_cast<char *>(memory)), bytes_(bytes) {}

    // `count` elements of so many bytes. In 64 bits: addresses of 32 do not hold what some tensors
    // would need.
    void *take(int64_t count, size_t element) {
        const uint64_t begin = used_, end = begin + static_cast<uint64_t>(count) * element;
        used_ = (end + HALNORM_WORKSPACE_ALIGNMENT - 1) / HALNORM_WORKSPACE_ALIGNMENT *
                HALNORM_WORKSPACE_ALIGNMENT;
        return memory_ != nullptr && end <= bytes_ ? memory_ + begin : nullptr;
    }
    double *take_doubles(int64_t count) {
        return static_cast<double *>(take(count, sizeof(double)));
    }
    // After all pieces have been taken: was there enough, and aligned? `name`: of the argument.
    halnorm_status check(Argument name = Argument::workspace) const;
    // The answer of a size query, where anything is `needed`.
    halnorm_status report(bool needed, size_t *bytes) const;

private:
    char *memory_;
    size_t bytes_;
    uint64_t used_ = 0;
};

// Where a size query is to write its answer.
inline halnorm_status check_bytes(const size_t *bytes) {
    if (bytes != nullptr)
        return HALNORM_OK;
    return fail<Message::bytes_null>();
}

// The size query of a pipeline whose `take_pieces(plan, workspace)` takes all that it needs.
template<typename Pieces>
halnorm_status query_workspace(const halnorm_config *config, const halnorm_tensor *x,
                               CutReduction cut, size_t *bytes,
                               Pieces (*take_pieces)(const Plan &, Workspace &)) {
    HALNORM_TRY(check_bytes(bytes));
    Plan plan;
    HALNORM_TRY(make_plan(config, of_x_alone(x, cut), false, &plan));
    Workspace workspace(nullptr, 0);
    take_pieces(plan, workspace);
    return workspace.report(!plan.empty(), bytes);
}

}  // namespace halnorm

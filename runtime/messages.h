// What the runtime complains of. A failing function leaves a message's number and what fills its
// gaps (fail, in status.h); the sentences themselves are in messages.cpp, 6 KB that a program links
// only if it calls halnorm_last_error.
#pragma once

#include <stdint.h>

#include "halnorm/halnorm.h"

namespace halnorm {

// Arguments of public functions, as messages name them.
// clang-format off
#define HALNORM_EACH_ARGUMENT(A)                                                             \
    A(x) A(y) A(z) A(dx) A(dy) A(dz) A(gamma) A(beta) A(dgamma) A(dbeta)                     \
    A(moving_mean) A(moving_variance) A(saved_mean) A(saved_inv_std) A(mean) A(m2)           \
    A(sum_g) A(sum_g_xhat) A(count) A(other_count) A(other_mean) A(other_m2)                 \
    A(workspace) A(memory) A(prepared)
// clang-format on

enum class Argument : uint8_t {
#define HALNORM_ARGUMENT(name) name,
    HALNORM_EACH_ARGUMENT(HALNORM_ARGUMENT)
#undef HALNORM_ARGUMENT
};

// Up to eight of them, as one value; the first in the lowest byte.
struct ArgumentList {
    uint64_t packed = 0;
    int count = 0;
    void add(Argument a) { packed |= (static_cast<uint64_t>(a) + 1) << 8 * count++; }
};

// A string of the caller's, of which the first 63 characters are kept.
struct CallersText {
    const char *text;
};

// M(name, status, sentence). Gaps are filled in turn: %n an Argument, %d an integer, %g a double,
// %s a string that stays where it is, %t a CallersText (one at most), %a a halnorm_activation, %v a
// variant by its index, %l an ArgumentList, of each its strides. Without a value: %V the variants
// that this machine runs, %A the activations of this build, %E every activation.
#define HALNORM_EACH_MESSAGE(M)                                                                    \
    M(none, HALNORM_OK, "")                                                                        \
    M(config_null, HALNORM_ERROR_NULL, "config: was NULL, should point to a halnorm_config")       \
    M(config_num_channels, HALNORM_ERROR_PARAMETER,                                                \
      "config.num_channels: was %d, should be 1 or more")                                          \
    M(config_many_channels, HALNORM_ERROR_TOO_LARGE,                                               \
      "config.num_channels: was %d, should be less than 2^31")                                     \
    M(config_layout, HALNORM_ERROR_PARAMETER,                                                      \
      "config.layout: was %d, should be HALNORM_NCHW (0) or HALNORM_NHWC (1)")                     \
    M(config_momentum, HALNORM_ERROR_PARAMETER, "config.momentum: was %g, should be finite")       \
    M(config_epsilon, HALNORM_ERROR_PARAMETER,                                                     \
      "config.epsilon: was %g, should be finite and 0 or more")                                    \
    M(config_estimator, HALNORM_ERROR_PARAMETER,                                                   \
      "config.moving_variance_estimator: was %d, should be HALNORM_VARIANCE_POPULATION (0) or "    \
      "HALNORM_VARIANCE_SAMPLE (1)")                                                               \
    M(config_stores, HALNORM_ERROR_PARAMETER,                                                      \
      "config.stores: was %d, should be HALNORM_STORES_AUTOMATIC (0), HALNORM_STORES_ORDINARY "    \
      "(1) or HALNORM_STORES_STREAMING (2)")                                                       \
    M(config_threads, HALNORM_ERROR_PARAMETER,                                                     \
      "config.threads: was %d, should be 0 (all cores) or more")                                   \
    M(config_executor, HALNORM_ERROR_NULL,                                                         \
      "config.executor->parallel_for: was NULL, should be a function")                             \
                                                                                                   \
    M(activation_number, HALNORM_ERROR_PARAMETER, "config.activation: was %d, should be 0 to %d")  \
    M(activation_not_built, HALNORM_ERROR_UNSUPPORTED,                                             \
      "config.activation: was %a, for which this build has no kernels (HALNORM_ACTIVATIONS), "     \
      "should be one of%A")                                                                        \
    M(activation_alpha, HALNORM_ERROR_PARAMETER,                                                   \
      "config.activation_alpha: was %g, should be finite in x's dtype, or NaN for the default")    \
    M(activation_name, HALNORM_ERROR_PARAMETER, "activation: was \"%t\", should be one of%E")      \
    M(activation_name_null, HALNORM_ERROR_NULL, "name: was NULL, should point to a string")        \
    M(activation_null, HALNORM_ERROR_NULL,                                                         \
      "activation: was NULL, should point to a halnorm_activation")                                \
    M(activation_not_invertible, HALNORM_ERROR_UNSUPPORTED,                                        \
      "config.activation: was %a, should be none, leaky_relu or elu where args.y stands for "      \
      "args.x")                                                                                    \
    M(alpha_not_invertible, HALNORM_ERROR_UNSUPPORTED,                                             \
      "config.activation_alpha: was %g, should be more than 0, and its inverse finite in x's "     \
      "dtype, where args.y stands for args.x")                                                     \
                                                                                                   \
    M(tensor_null, HALNORM_ERROR_NULL, "%n: was NULL, should point to a halnorm_tensor")           \
    M(tensor_data_null, HALNORM_ERROR_NULL, "%n.data: was NULL, should point to the elements")     \
    M(tensor_dtype, HALNORM_ERROR_DTYPE,                                                           \
      "%n.dtype: was %d, should be HALNORM_FLOAT32 (0) or HALNORM_FLOAT64 (1)")                    \
    M(tensor_dtype_not_built, HALNORM_ERROR_UNSUPPORTED,                                           \
      "%n.dtype: was float%d, for which this build has no kernels (HALNORM_DTYPES)")               \
    M(tensor_dtype_differs, HALNORM_ERROR_DTYPE, "%n.dtype: was %d, should be that of %n, %d")     \
    M(tensor_device, HALNORM_ERROR_DEVICE,                                                         \
      "%n.device: was %d, should be HALNORM_CPU (0) or HALNORM_CUDA (1)")                          \
    M(tensor_device_differs, HALNORM_ERROR_DEVICE, "%n.device: was %d, should be that of %n, %d")  \
    M(tensor_rank, HALNORM_ERROR_RANK, "%n.rank: was %d, should be 2 to 5")                        \
    M(tensor_rank_differs, HALNORM_ERROR_RANK, "%n.rank: was %d, should be that of %n, %d")        \
    M(shape_negative, HALNORM_ERROR_SHAPE, "%n.shape[%d]: was %d, should be 0 or more")            \
    M(shape_too_large, HALNORM_ERROR_TOO_LARGE,                                                    \
      "%n.shape[%d]: was %d, beyond what this build can address")                                  \
    M(shape_differs, HALNORM_ERROR_SHAPE, "%n.shape[%d]: was %d, should be that of %n, %d")        \
    M(shape_of_channels, HALNORM_ERROR_SHAPE, "%n.shape[%d]: was %d, should be num_channels, %d")  \
    M(stride_too_small, HALNORM_ERROR_STRIDE, "%n.strides[%d]: was %d, should be 1 or more")       \
    M(stride_overlaps, HALNORM_ERROR_STRIDE,                                                       \
      "%n.strides[%d]: was %d, elements overlap; should be more than %d")                          \
    M(stride_too_large, HALNORM_ERROR_TOO_LARGE,                                                   \
      "%n.strides[%d]: was %d, one step beyond the tensor is more than 2^31 - 32768 elements "     \
      "from "                                                                                      \
      "its start; should be split into smaller batches")                                           \
    M(strides_do_not_fold, HALNORM_ERROR_STRIDE,                                                   \
      "%l: were such that the axes do not fold to (spatial, channel, batch) with one of the "      \
      "spatial and channel axes dense; should be dense, or padded in one place only")              \
    M(strides_of_nchw, HALNORM_ERROR_UNSUPPORTED,                                                  \
      "%n.strides: were such that the spatial axes are the dense one, for which this build has "   \
      "no "                                                                                        \
      "kernels (HALNORM_LAYOUTS)")                                                                 \
    M(strides_of_nhwc, HALNORM_ERROR_UNSUPPORTED,                                                  \
      "%n.strides: were such that the channel axis is the dense one, for which this build has no " \
      "kernels (HALNORM_LAYOUTS)")                                                                 \
                                                                                                   \
    M(misaligned, HALNORM_ERROR_ALIGNMENT, "%n: was not a multiple of %d bytes")                   \
    M(overlaps, HALNORM_ERROR_OVERLAP, "%n: overlaps %n, should be memory of its own")             \
    M(overlaps_in_part, HALNORM_ERROR_OVERLAP,                                                     \
      "%n: overlaps %n, should be memory of its own, or %n itself with its strides")               \
    M(workspace_null, HALNORM_ERROR_WORKSPACE, "%n: was NULL, should be %d bytes")                 \
    M(workspace_misaligned, HALNORM_ERROR_WORKSPACE, "%n: was not a multiple of %d bytes")         \
    M(workspace_too_small, HALNORM_ERROR_WORKSPACE, "%n_bytes: was %d, should be %d or more")      \
    M(workspace_too_large, HALNORM_ERROR_TOO_LARGE,                                                \
      "x: would need %d bytes of workspace, more than addresses reach")                            \
                                                                                                   \
    M(bytes_null, HALNORM_ERROR_NULL, "bytes: was NULL, should point to a size_t")                 \
    M(elements_null, HALNORM_ERROR_NULL, "%n: was NULL, should point to the elements")             \
    M(values_null, HALNORM_ERROR_NULL, "%n: was NULL, should point to num_channels values")        \
    M(doubles_null, HALNORM_ERROR_NULL, "%n: was NULL, should point to num_channels doubles")      \
    M(result_null, HALNORM_ERROR_NULL, "%n: was NULL, should point to the result")                 \
    M(not_given, HALNORM_ERROR_NULL, "%n: was NULL, should be given")                              \
    M(one_of_a_pair, HALNORM_ERROR_NULL, "%n: was NULL, should be given as %n is")                 \
    M(few_channels, HALNORM_ERROR_PARAMETER, "num_channels: was %d, should be 1 or more")          \
    M(many_channels, HALNORM_ERROR_TOO_LARGE, "num_channels: was %d, beyond what memory can hold") \
    M(count_negative, HALNORM_ERROR_PARAMETER, "%n: was %d, should be 0 or more")                  \
    M(count_too_small, HALNORM_ERROR_PARAMETER,                                                    \
      "count: was %d, should be %d or more, what x alone has per channel")                         \
    M(count_too_large, HALNORM_ERROR_TOO_LARGE,                                                    \
      "other_count: was %d, should be %d or less beside a count of %d")                            \
                                                                                                   \
    M(prepared_for_gpu, HALNORM_ERROR_UNSUPPORTED,                                                 \
      "variant %v: is for a GPU, should be a processor's, as should the tensors be on the CPU: "   \
      "inference is prepared for that alone")                                                      \
    M(prepared_null, HALNORM_ERROR_NULL,                                                           \
      "prepared: was NULL, should come from halnorm_prepare_inference")                            \
    M(prepared_pointer_null, HALNORM_ERROR_NULL,                                                   \
      "prepared: was NULL, should point to a pointer to a halnorm_prepared")                       \
    M(prepared_without_z, HALNORM_ERROR_PARAMETER,                                                 \
      "z: was given, should be NULL, or prepared be from halnorm_prepare_inference_add")           \
                                                                                                   \
    M(args_null, HALNORM_ERROR_NULL, "args: was NULL, should point to a halnorm_backward_args")    \
    M(args_x_null, HALNORM_ERROR_NULL,                                                             \
      "args.x: was NULL, should point to a halnorm_tensor, or args.y")                             \
    M(args_dy_null, HALNORM_ERROR_NULL, "args.dy: was NULL, should point to a halnorm_tensor")     \
    M(args_x_and_y, HALNORM_ERROR_PARAMETER, "args.y: was given beside args.x, should be NULL")    \
    M(args_z_and_y, HALNORM_ERROR_UNSUPPORTED,                                                     \
      "args.z: was given with args.y, should be NULL: x cannot be recovered from y")               \
    M(args_z_null, HALNORM_ERROR_NULL,                                                             \
      "args.z: was NULL, should be given where args.dz is wanted")                                 \
    M(args_saved_and_moving, HALNORM_ERROR_PARAMETER,                                              \
      "args.moving_mean, args.moving_variance: were given beside the saved statistics, should be " \
      "NULL")                                                                                      \
    M(args_moving_null, HALNORM_ERROR_NULL,                                                        \
      "args.%n: was NULL, should be given as the other moving statistic is")                       \
    M(args_saved_null, HALNORM_ERROR_NULL,                                                         \
      "args.%n: was NULL, should point to num_channels doubles, which the forward pass saved")     \
    M(args_gamma_zero, HALNORM_ERROR_PARAMETER,                                                    \
      "args.gamma[%d] (weight): was 0, should be another number where args.y stands for args.x, "  \
      "which this channel of y does not tell")                                                     \
                                                                                                   \
    M(variant_unknown, HALNORM_ERROR_VARIANT_UNKNOWN, "%s: was \"%t\"; should be one of%V")        \
    M(variant_unsupported, HALNORM_ERROR_VARIANT_UNSUPPORTED,                                      \
      "%s: was \"%t\" (%s); should be one of%V")                                                   \
    M(variant_info_null, HALNORM_ERROR_NULL,                                                       \
      "info: was NULL, should point to a halnorm_variant_info")                                    \
    M(variant_index, HALNORM_ERROR_PARAMETER, "index: was %d, should be 0 to %d")                  \
    M(device_unavailable, HALNORM_ERROR_DEVICE,                                                    \
      "x.device: was HALNORM_CUDA (%s), should be HALNORM_CPU")                                    \
    M(device_of_variant, HALNORM_ERROR_DEVICE,                                                     \
      "x.device: was HALNORM_CUDA, should be HALNORM_CPU for variant %v")                          \
    M(device_failed, HALNORM_ERROR_DEVICE, "variant %v: %s: %s (%d)")                              \
    M(device_failed_in_call, HALNORM_ERROR_KERNEL, "variant %v: %s: %s (%d)")                      \
    M(kernel_failed, HALNORM_ERROR_KERNEL, "variant %v: a kernel failed with code %d")

enum class Message : uint8_t {
#define HALNORM_MESSAGE(name, status, sentence) name,
    HALNORM_EACH_MESSAGE(HALNORM_MESSAGE)
#undef HALNORM_MESSAGE
};

// For compilers alone: what a program links of these is nothing.
namespace when_compiled {

struct Entry {
    halnorm_status status;
    const char *sentence;
};
constexpr Entry messages[] = {
#define HALNORM_MESSAGE(name, status, sentence) {status, sentence},
    HALNORM_EACH_MESSAGE(HALNORM_MESSAGE)
#undef HALNORM_MESSAGE
};

// The letter of the gap that a type fills.
template<typename T>
constexpr char letter = 'd';
template<>
inline constexpr char letter<Argument> = 'n';
template<>
inline constexpr char letter<double> = 'g';
template<>
inline constexpr char letter<const char *> = 's';
template<>
inline constexpr char letter<CallersText> = 't';
template<>
inline constexpr char letter<halnorm_activation> = 'a';
template<>
inline constexpr char letter<ArgumentList> = 'l';

// Values with these letters fill the gaps of the text, all of them.
constexpr bool fill(const char *text, const char *letters) {
    for (; *text != '\0'; text++) {
        if (*text != '%')
            continue;
        const char gap = *++text;
        if (gap == 'V' || gap == 'A' || gap == 'E')
            continue;
        if ((gap == 'v' ? 'd' : gap) != *letters++)
            return false;
    }
    return *letters == '\0';
}

}  // namespace when_compiled
}  // namespace halnorm

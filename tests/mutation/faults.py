"""The faults that ./run mutate puts into a copy of the tree, one at a time: mistakes that are easily made.

Each replaces a text that its file has exactly once. `tests` matches the tests that should notice it; they run first. Those
of one file stand together, and what rebuilds most is last.
"""

from typing import NamedTuple


class Fault(NamedTuple):
    name: str
    file: str
    old: str
    new: str
    tests: str


ERRORS = "^(errors|dispatch|variants)$"
FORWARD = r"^(edges|properties|accuracy)\."
BACKWARD = r"^(backward|properties)\."
STREAMING = "^streaming"

FAULTS = [
    # --- state ---
    Fault("damaged_file_is_believed", "state/safetensors_header.cpp",
          "at[0] > at[1] || at[1] - at[0] != bytes", "at[0] > at[1]", "^(state|program.damaged_files)$"),
    Fault("gap_in_file_is_believed", "state/safetensors_header.cpp",
          "if (entry.begin != expected) {", "if (entry.begin < expected) {", "^(state|program.damaged_files)$"),
    # --- runtime: what this machine can run ---
    Fault("no_XCR0_check", "runtime/cpu_features.cpp",
          "                             (words.xcr0 & found->xcr0) == found->xcr0 &&\n", "", ERRORS),
    Fault("zmm_without_upper_registers", "runtime/cpu_features.cpp",
          "zmm_state = 0xe6", "zmm_state = 0x66", ERRORS),
    Fault("avx2_without_BMI", "runtime/cpu_features.cpp",
          "avx2_bmi = 1u << 5 | 1u << 3 | 1u << 8", "avx2_bmi = 1u << 5", ERRORS),
    Fault("worst_variant_is_chosen", "runtime/dispatch.cpp",
          "    for (int32_t i = 0; i < variant_count; i++) {\n        if (!variants[i].experimental",
          "    for (int32_t i = variant_count - 1; i >= 0; i--) {\n        if (!variants[i].experimental", ERRORS),
    # --- runtime: what a caller may hand over ---
    Fault("overlap_from_below_is_allowed", "runtime/tensor.cpp",
          "return a.begin < b.end && b.begin < a.end;", "return a.begin <= b.begin && b.begin < a.end;", ERRORS),
    Fault("ranges_end_where_numbers_wrap", "runtime/tensor.cpp",
          "end < begin ? UINTPTR_MAX : end", "end", ERRORS),
    Fault("overlap_in_place_ends_the_search", "runtime/tensor.cpp",
          "same_strides(*pair->from, *pair->to))\n            continue;",
          "same_strides(*pair->from, *pair->to))\n            return HALNORM_OK;", ERRORS),
    Fault("in_place_with_other_strides", "runtime/tensor.cpp",
          "a.data == b.data && same_strides(*pair->from, *pair->to)", "a.data == b.data", ERRORS),
    Fault("strides_that_overlap_by_one", "runtime/tensor.cpp",
          "if (t.strides[i] <= last) {", "if (t.strides[i] < last) {", ERRORS),
    Fault("offsets_beyond_32_bits", "runtime/tensor.cpp",
          "t.shape[i] * t.strides[i] > max_reach - last", "t.shape[i] * t.strides[i] > max_reach", ERRORS),
    Fault("gaps_are_ignored", "runtime/tensor.cpp",
          "if (stride_of(operands[k], outer) != stride_of(operands[k], inner) * inner.extent)",
          "if (stride_of(operands[k], outer) < stride_of(operands[k], inner) * inner.extent)", FORWARD),
    Fault("workspace_a_line_short", "runtime/plan.cpp",
          "if (bytes_ < used_) {", "if (bytes_ + HALNORM_WORKSPACE_ALIGNMENT < used_) {", ERRORS),
    Fault("negative_epsilon", "runtime/plan.cpp", " || c.epsilon < 0", "", ERRORS),
    # --- runtime: inference in two steps ---
    Fault("y_over_what_is_prepared", "runtime/forward_prepared.cpp",
          """{"prepared", prepared, p.bytes, 1, false}""", """{"prepared", nullptr, p.bytes, 1, false}""", ERRORS),
    Fault("prepared_in_place_with_other_strides", "runtime/forward_prepared.cpp",
          "{at_x, at_y, &p.x, &p.y}", "{at_x, at_y, &p.x, &p.x}", ERRORS),
    Fault("prepared_with_the_callers_executor", "runtime/forward_prepared.cpp",
          "p.config.executor = &p.executor;", "p.config.executor = a.config->executor;", r"^prepared\."),
    Fault("prepared_for_a_y_anywhere", "runtime/forward_prepared.cpp",
          "    y.data = tensors.y;\n", "", r"^prepared\."),
    # --- runtime: which part of a tensor a kernel sees ---
    Fault("one_element_left_of_a_row", "runtime/whole_rows.h",
          "if (left == 0)", "if (left <= 1)", r"^(backward|edges)\.generic"),
    Fault("rows_joined_as_the_first_tensor_allows", "runtime/whole_rows.h",
          "axis.stride[tensor.index] != s", "axis.stride[tensors[0].index] != s", r"^properties\.generic"),
    Fault("parts_of_a_row_as_if_at_its_start", "runtime/stage_activation_gradient.cpp",
          "const int64_t before = piece.s * region.s.stride[index] + piece.c",
          "const int64_t before = piece.c", r"^backward\.generic"),
    Fault("last_group_of_channels_too_wide", "runtime/plan_reduction.cpp",
          "return {c, clamp(channels() - c, 0, group), 0, reduce.n.extent};",
          "return {c, group, 0, reduce.n.extent};", FORWARD),
    Fault("last_rows_are_not_summed", "runtime/plan_reduction.cpp",
          "accumulator_addends);\n    }\n    plan->blocks = ceil_div(n, plan->block_n);",
          "accumulator_addends);\n    }\n    plan->blocks = n / plan->block_n;", FORWARD),
    Fault("fold_that_does_not_divide", "runtime/plan.cpp",
          "if (unit > best_unit && rows % f == 0)", "if (unit > best_unit)", FORWARD),
    Fault("long_rows_cut_unevenly", "runtime/plan.cpp",
          "while (row >= shortest && r->s.extent % row != 0)", "while (row >= shortest && r->s.extent % row > step)",
          FORWARD),
    Fault("sums_get_half_their_workspace", "runtime/stage_arrays.cpp",
          "sums.sum2 = workspace.take<double>(count * sizeof(double));",
          "sums.sum2 = workspace.take<double>(count * sizeof(float));", FORWARD),
    Fault("streaming_from_the_whole_cache_on", "runtime/streaming.cpp",
          "!sooner ? 16 :", "!sooner ? 20 :", STREAMING),
    Fault("rows_of_half_a_line_by_line", "runtime/streaming.cpp",
          "together(r) ? r.s.extent >= line :", "together(r) ? r.s.extent >= line / 2 :", STREAMING),
    Fault("channels_with_gaps_as_one_stretch", "runtime/streaming.cpp",
          "region.c.stride[k] == region.s.extent);", "region.c.stride[0] >= region.s.extent);", STREAMING),
    Fault("lines_begin_where_the_first_channel_does", "runtime/streaming.h",
          "begin + stretch.c * all.c.stride[index] + stretch.n", "begin + stretch.n", STREAMING),
    Fault("ends_of_the_first_image_alone", "runtime/streaming.h",
          "stretch.rows == 1 || all.n.stride[index] % line == 0;", "true;", STREAMING),
    Fault("inference_prefetches_nothing", "runtime/streaming.cpp",
          "plan->stores == Stores::by_line && !call.reduces", "plan->stores == Stores::by_line && call.reduces", STREAMING),
    Fault("no_last_line", "runtime/streaming.h",
          "stretch.channels * s - whole.s);", "0);", STREAMING),
    # --- runtime: the rules of the layer ---
    Fault("no_rule_for_one_element", "runtime/forward_batch.cpp",
          "    if (elements <= 1) {", "    if (elements < 1) {", FORWARD),
    Fault("part_by_its_own_count", "runtime/forward_batch.cpp",
          "const int64_t elements = a.given_statistics ? a.count : plan.count();",
          "const int64_t elements = plan.count();", r"^(backward|properties)\."),
    Fault("estimators_swapped", "runtime/stage_batch_coefficients.cpp",
          "moving_variance_estimator == HALNORM_VARIANCE_SAMPLE", "moving_variance_estimator != HALNORM_VARIANCE_SAMPLE",
          FORWARD),
    Fault("relu6_without_upper_limit", "runtime/activation.cpp",
          "scalars->lower = 0, scalars->upper = 6;", "scalars->lower = 0;", r"^(activations|properties)\."),
    Fault("merge_to_the_other_side", "runtime/statistics.cpp",
          "mean[c] + delta * share", "mean[c] - delta * share", FORWARD),
    Fault("merge_weighs_by_one_part", "runtime/statistics.cpp",
          "delta * delta * a * share", "delta * delta * b * share", FORWARD),
    Fault("no_second_sum_after_an_outlier", "runtime/stage_reduce.cpp",
          "any |= static_cast<int64_t>(excess[k] > m2[k]);",
          "any |= static_cast<int64_t>(excess[k] > 1e300 * m2[k]);",
          r"^(accuracy|edges|properties)\."),
    Fault("zero_gamma_from_y", "runtime/backward_pass.cpp",
          "    if (a.y != nullptr && x.device == HALNORM_CPU)\n        HALNORM_TRY(check_gamma(plan, HALNORM_CPU, a.gamma));\n",
          "", ERRORS),
    Fault("alpha_zero_from_y", "runtime/backward_pass.cpp",
          "if (bent && !(a.alpha > 0)) {", "if (bent && !(a.alpha >= 0)) {", ERRORS),
    Fault("sign_from_y", "runtime/backward_pass.cpp",
          "g.inverse = 1 / a.alpha;", "g.inverse = -1 / a.alpha;", BACKWARD),
    Fault("no_sums_without_dgamma", "runtime/backward_pass.cpp",
          "(a.dgamma != nullptr || a.dbeta != nullptr || (pass->dx != nullptr && by_batch))",
          "(a.dgamma != nullptr || a.dbeta != nullptr)", BACKWARD),
    # --- the step between Halide and the object ---
    Fault("no_fence", "generators/memory_hints.cpp",
          "            fence_before_returns(function);\n", "", STREAMING),
    Fault("tail_cut_to_whole_parts", "generators/tails.cpp",
          "odd = kept % step != 0;", "odd = kept > lanes;", r"^(grid|edges)\."),
    # --- schedules ---
    Fault("tail_shifted_inwards_generic", "schedules/generic.cpp",
          "vectorize(y.reorder(g.s, g.c, g.n), g.s, lanes, tail_of(g, tail));",
          "y.reorder(g.s, g.c, g.n).vectorize(g.s, lanes, TailStrategy::ShiftInwards);",
          r"^(properties|edges|bits)\.generic"),
    # --- the algorithm ---
    Fault("tail_shifted_inwards", "schedules/patterns_nchw.cpp",
          ".vectorize(g.s, t.V, tail_of(g, tail_of(t.masked_tails)))",
          ".vectorize(g.s, t.V, TailStrategy::ShiftInwards)", FORWARD),
    Fault("epsilon_dropped", "generators/formulas.cpp",
          "const Expr v = variance + epsilon;", "const Expr v = variance + epsilon * 0;", FORWARD),
    Fault("momentum_inverted", "generators/forward.cpp",
          "real(old) * momentum + now * (Expr(1.0) - momentum)", "real(old) * (Expr(1.0) - momentum) + now * momentum",
          FORWARD),
    Fault("tail_off_by_one", "generators/formulas.cpp",
          "threads ? all : g.l >= counted);", "threads ? all : g.l > counted);", FORWARD),
    Fault("merge_of_shifts_reversed", "generators/forward.cpp",
          "const Expr dk = real(shift(c, b)) - real(shift(g.c, 0));",
          "const Expr dk = real(shift(g.c, 0)) - real(shift(c, b));", FORWARD),
    Fault("overflow_becomes_a_constant", "generators/forward.cpp",
          "strict_float(g.total(g.c)[1] - g.total(g.c)[1])", "Expr(0.0)", r"^special_values\."),
    Fault("line_of_two_channels_as_of_one", "generators/formulas.h",
          "g.lines.z == 1 || g.at_s >= 0, own, before", "g.at_s >= -g.line(), own, before", STREAMING),
    Fault("mean_rounded_to_the_data", "generators/formulas.cpp",
          "select(real(center) == mean, Expr(0.0), mean - real(center))", "Expr(0.0)", FORWARD),
    Fault("no_rest_in_dgamma", "generators/backward.cpp",
          "(sum_gd - rest(g.c) * sum_g)", "sum_gd", BACKWARD),
    Fault("dx_without_share_of_xhat", "generators/backward.cpp",
          "e.d * of_channel(b, g) + of_channel(c, g)", "of_channel(c, g)", BACKWARD),
    Fault("shift_is_not_subtracted", "generators/forward.cpp",
          "x(s, g.c, row) - shift(g.c, g.b)", "x(s, g.c, row)", FORWARD),
]

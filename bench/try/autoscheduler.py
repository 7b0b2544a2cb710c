"""A side whose kernels an autoscheduler made: the variant's, with its own where it gave up."""

import json
import os
import re

import build


def stage_and_layout(kernel):
    """halnorm_sums_nchw_f32__x86_avx2 is of stage sums and layout nchw; other stages have no layout."""
    match = re.match(r"halnorm_(\w+?)(?:_(nchw|nhwc))?_(f32|f64)__", kernel)
    return match[1], match[2], match[3]


def line_of(state, variant):
    """Of the list of variants."""
    variants = json.loads((state.build / "halnorm/variants.json").read_text())
    return next(v for v in variants if v["name"] == variant and v["arch"] == "x86-64")


def generate(state, name, act, kernel, line, folder):
    """Why there is no kernel, or None."""
    stage, layout, dtype = stage_and_layout(kernel)
    environment = dict(os.environ, LD_LIBRARY_PATH=str(build.VENV / "halide/lib64"), HALNORM_AUTOSCHEDULER=name,
                       HALNORM_STAGE=stage, HALNORM_ACTIVATION=act, HALNORM_IN_NORMALIZE=str(line["in_normalize"]),
                       HALNORM_SCHEDULE_FILE=str(folder / f"{kernel}.schedule.h"))
    command = ["timeout", "120", state.build / "autoscheduled", "-g", f"{stage}_{dtype}", "-f", kernel, "-o", folder,
               "-e", "object,stmt_html", f"target={line['target']}", *([f"layout={layout}"] if layout else [])]
    done = build.run(*command, env=environment)
    if done.returncode == 124:
        return "it took more than 120 s"
    said = done.stdout.strip().splitlines() or [f"exit status {done.returncode}"]
    return None if done.returncode == 0 else said[-1]


def link(state, variant, pipeline, layout, options, folder, say):
    """The shared object, and the objects of its kernels."""
    folder.mkdir(parents=True, exist_ok=True)
    build.make(state, "autoscheduled", "quiet_errors")
    line = line_of(state, variant)
    objects, own = [], []
    for kernel in build.kernels_of(state, variant, pipeline, layout, options.dtype):
        stage = stage_and_layout(kernel)[0]
        if stage.endswith("_streaming"):  # a step after Halide, which wants loops without tails
            own.append(kernel)
            continue
        why_not = generate(state, options.autoscheduler, options.act, kernel, line, folder)
        if why_not is None:
            objects.append(folder / f"{kernel}.o")
        else:
            say(f"      {stage}: its own schedule, since {options.autoscheduler} gave up: {why_not}")
            own.append(kernel)
    if own:
        build.make(state, *own)
        objects += build.objects_of(state, own)
    build.must("making Halide's runtime", state.build / "autoscheduled", "-r", "halide_runtime", "-o", folder, "-e",
               "object", "target=x86-64-linux")
    objects += [folder / "halide_runtime.o", state.build / "CMakeFiles/quiet_errors.dir/quiet_errors.cpp.o"]
    return build.link_side(state, folder / f"{pipeline}-{layout}.so", pipeline, objects), objects

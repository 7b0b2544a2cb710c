"""./run try: a variant of the tree as it is against its last committed state."""

import json
import os
import subprocess
import sys
import time

import arguments
import autoscheduler
import build
import states
from build import Failed, Kept

FOLDER = states.ROOT / "build/try"
SOME_FAILED = 1  # the driver's exit status where a shape has an error in place of times


def say(text, end="\n"):
    print(text, end=end, flush=True)


class Watch:
    """Says what is being done, and then how long it took."""

    def __init__(self, what):
        self.what = what

    def __enter__(self):
        say(f"      {self.what} ... ", end="")
        self.began = time.monotonic()
        return self

    def __exit__(self, kind, *_):
        say("" if kind else f"{time.monotonic() - self.began:.1f} s")


class Side:
    """A state and the variant of it that is measured."""

    def __init__(self, state, variant):
        self.state, self.variant = state, variant


def prepare(state):
    """The state's runtime, once."""
    if state.prepared:
        return
    state.prepared = True
    first = not (state.build / "build.ninja").exists()
    targets = [f"{kind}_{pipeline}" for kind in ("side", "trial") for pipeline in arguments.PIPELINES]
    if state.name == "tree":
        targets += ["halnorm_try", "halnorm_check"]
    with Watch(f"{state.label}: runtime{' and driver' if state.name == 'tree' else ''}{', once' if first else ''}"):
        build.configure(state)
        build.make(state, *targets)


def variants_of(kept, state):
    """By name. Kept with the sides, so that a state of which all is kept is not built at all."""
    listed = kept.path(state, "variants", ".json")
    if not listed.exists():
        prepare(state)
        text = build.must("listing the variants", FOLDER / "tree/halnorm_try", "variants",
                          state.build / "trial_inference.so")
        listed.parent.mkdir(parents=True, exist_ok=True)
        listed.write_text(text)
    return {variant["name"]: variant for variant in json.loads(listed.read_text())}


def supported(variants, name, option):
    usable = [known for known, variant in variants.items() if variant["why_unsupported"] is None]
    if name not in variants:
        raise arguments.UsageError(f"{option}: was '{name}', which is not built for this machine; should be one "
                                   f"of {', '.join(usable)}")
    why = variants[name]["why_unsupported"]
    if why is not None:
        raise arguments.UsageError(f"{option}: was '{name}' ({why}), should be one of {', '.join(usable)}")


def choose_sides(options, kept):
    tree = states.tree(FOLDER)
    prepare(tree)
    variants = variants_of(kept, tree)
    supported(variants, options.variant, "VARIANT")
    after = Side(tree, options.variant)
    if options.autoscheduler:
        return Side(tree, options.variant), after
    head, why_not = states.head(FOLDER)
    if head is None:
        return Side(tree, rival_of(options, variants, why_not)), after
    committed = variants_of(kept, head)
    if options.against is None and options.variant in committed:
        return Side(head, options.variant), after
    return Side(head, rival_of(options, committed, f"{head.label} has no variant {options.variant}")), after


def rival_of(options, variants, why):
    if options.against is not None:
        supported(variants, options.against, "--against")
        return options.against
    chosen = next(name for name, variant in variants.items() if variant["chosen"])
    if chosen == options.variant:
        raise Failed(f"nothing to compare with: {why}. --against OTHER names a variant.")
    say(f"      {why}: compared with {chosen}, this machine's choice (--against names another)")
    return chosen


def describe(options, before, after):
    if options.autoscheduler:
        say(f"{after.variant} as {options.autoscheduler} schedules it for 8x64x56x56 and one thread, against its own "
            "schedule")
    elif before.variant == after.variant:
        changed = after.state.differences(before.state)
        say(f"{after.variant}: the tree as it is against {before.state.label}")
        if not changed:
            say("      no difference in " + ", ".join(states.PARTS) + ": both sides are the same code")
        else:
            more = f" and {len(changed) - 6} more" if len(changed) > 6 else ""
            say(f"      changed: {', '.join(changed[:6])}{more}")
    else:
        say(f"{after.variant} of the tree as it is against {before.variant} of {before.state.label}")
    threads = {0: "all cores", 1: "one thread"}.get(options.threads, f"{options.threads} threads")
    say(f"      {options.dtype}, {options.act}, {threads}; speed = before / after\n")


def build_side(kept, side, pipeline, layout, options):
    out = kept.path(side.state, f"{side.variant}-{pipeline}-{layout}-{options.dtype}")
    if not out.exists():
        prepare(side.state)
        names = build.kernels_of(side.state, side.variant, pipeline, layout, options.dtype)
        build.make(side.state, *names)
        build.link_side(side.state, out, pipeline, build.objects_of(side.state, names))
        if states.key_of(side.state.source) != side.state.key:
            out.unlink()  # of neither content
            raise Failed(f"{side.state.label} was edited while it was built; run it again")
    return out


def check(side, pipeline, layout, options, objects, *more):
    program = build.link(side.state, FOLDER / "check", *build.whole(FOLDER / "tree/libhalnorm_check.a"), *objects)
    done = subprocess.run([program, "--variant", side.variant, "--pipeline", pipeline, "--layout", layout, "--dtype",
                           options.dtype, "--act", options.act, *more], stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise Failed(f"{pipeline} {layout}: wrong results, so nothing is timed\n{done.stderr.rstrip()}")


def edited(kept, side, pipeline, layout, options):
    """The side as it is in the tree; checked, if it has not been before."""
    with Watch("building"):
        out = build_side(kept, side, pipeline, layout, options)
    checked = out.with_suffix(".checked")
    reference = FOLDER / "tree/libhalnorm_check.a"
    if not checked.exists() or checked.stat().st_mtime < reference.stat().st_mtime:
        with Watch("checking against the reference"):
            names = build.kernels_of(side.state, side.variant, pipeline, layout, options.dtype)
            build.make(side.state, *names)  # where the shared object was kept, they may be of a later content
            check(side, pipeline, layout, options, build.objects_of(side.state, names))
        checked.touch()
    return out


def autoscheduled(side, pipeline, layout, options):
    folder = FOLDER / "autoscheduled" / options.autoscheduler
    say(f"      {options.autoscheduler} at work; its schedules and loops: {folder.relative_to(states.ROOT)}")
    out, objects = autoscheduler.link(side.state, side.variant, pipeline, layout, options, folder, say)
    with Watch("checking against the reference"):
        check(side, pipeline, layout, options, objects, "--plain")
    return out


def compare(options, before, after, kept, rows):
    """Pipeline by pipeline, so that the first numbers are there soon. The exit status."""
    status = 0
    for pipeline in options.pipeline:
        for layout in options.layout:
            shapes = arguments.shapes_of_layout(options.shapes, layout)
            if not shapes:
                continue
            say(f"{pipeline} {layout}")
            if options.autoscheduler:
                new = autoscheduled(after, pipeline, layout, options)
            else:
                new = edited(kept, after, pipeline, layout, options)
            old = kept.path(before.state, f"{before.variant}-{pipeline}-{layout}-{options.dtype}")
            if not old.exists():
                say(f"      once: {before.variant} of {before.state.label}")
                build_side(kept, before, pipeline, layout, options)
            done = subprocess.run([
                FOLDER / "tree/halnorm_try", "compare", old, new, *shapes, "--before-variant", before.variant,
                "--after-variant", after.variant, "--pipeline", pipeline, "--layout", layout, "--dtype", options.dtype,
                "--act", options.act, "--threads", str(options.threads), "--seconds", str(options.seconds),
                "--rows", rows], env=dict(os.environ, HL_NUM_THREADS=str(options.threads or os.cpu_count())))
            if done.returncode not in (0, SOME_FAILED):
                raise Failed(f"{pipeline} {layout}: the comparison broke off, exit status {done.returncode}")
            status = status or done.returncode
            say("")
    return status


def summary(rows):
    measured = [json.loads(line) for line in rows.read_text().splitlines()]
    if not measured:
        say("None of the shapes has a row in these layouts: of N x C, and of one channel, the other layout is the "
            "same tensor.")
        return
    speed = 1
    for row in measured:
        speed *= row["speed"] ** (1 / len(measured))
    count = {verdict: sum(row["verdict"] == verdict for row in measured) for verdict in ("faster", "same", "slower")}
    say(f"{count['faster']} faster, {count['same']} same, {count['slower']} slower; geometric mean of speed "
        f"{speed:.3f}")


def main(words):
    options = arguments.parse_or_exit(words)
    FOLDER.mkdir(parents=True, exist_ok=True)
    rows = FOLDER / "rows.json"
    rows.write_text("")
    try:
        kept = Kept(FOLDER / "kept")
        before, after = choose_sides(options, kept)
        describe(options, before, after)
        status = compare(options, before, after, kept, rows)
        kept.prune(before.state, after.state)
        summary(rows)
        return status if options.autoscheduler is None else 0
    except arguments.UsageError as error:
        print(f"run: try: {error}", file=sys.stderr)
        return 2
    except Failed as failure:
        print(f"run: try: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

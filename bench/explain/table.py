"""The short table for the terminal."""

KINDS = (("load", "ld"), ("store", "st"), ("arithmetic", "ar"), ("move", "mv"), ("scalar", "sc"))
WIDTH = 34


def lines(report):
    yield "Per vector: cycles by llvm-mca / bound of its loads and stores / bound of its arithmetic."
    yield "Instructions: loads, stores, arithmetic, moves, scalar; stk: of all, those that touch the stack."
    yield ""
    heads = "".join(f"{short:>4}" for _, short in KINDS) + " stk"
    yield f"{'':{WIDTH + 2}} vec{heads}" + "".join(f"{cpu['name']:>17}" for cpu in report["cpus"])
    for kernel in report["kernels"]:
        yield kernel["name"]
        loops = [loop for loop in kernel["loops"] if not loop["tail"]]
        if not loops:
            yield "  no loop works on whole vectors"
        for loop in loops:
            counts = "".join(f"{loop['instructions'][kind]:>4}" for kind, _ in KINDS) + f"{loop['on_stack']:>4}"
            timings = "".join(f"{cell(timing):>17}" for timing in loop["timings"])
            yield f"  {clip(label(loop), WIDTH):{WIDTH}}{loop['vectors_per_iteration']:>4.3g}{counts}{timings}"


def label(loop):
    return ", ".join([loop["nest"][-1]] + [loop["form"]] * bool(loop["form"]) + loop["conditions"])


def cell(timing):
    if "problem" in timing:
        return "no model"
    return (f"{timing['cycles_per_vector']:.2f}/{timing['load_store_bound']:.2f}/{timing['arithmetic_bound']:.2f}")


def clip(text, width):
    return text if len(text) <= width else text[:width - 2] + ".."

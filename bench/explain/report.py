"""All that is known of a variant's kernels as plain data: what the pages show, and hot_loops.json."""

import dataclasses

import forms


def loop_data(hot, form_names):
    return {
        "label": hot.label,
        "form": None if hot.form is None else name_of(hot.form, form_names),
        "nest": hot.nest,
        "conditions": hot.conditions,
        "same_code_for": hot.copies,
        "tail": hot.is_tail,
        "blocks": hot.blocks,
        "vectors_per_iteration": hot.vectors,
        "elements": hot.traffic,
        "instructions": hot.counts,
        "on_stack": hot.on_stack,
        "vector_loads": hot.loads,
        "needed_vector_loads": hot.needed_loads,
        "timings": [timing_data(timing) for timing in hot.timings],
        "listing": [{"kind": one.kind, "text": one.text} for one in hot.listing],
    }


def timing_data(timing):
    if timing.problem:
        return {"cpu": timing.cpu, "problem": timing.problem}
    data = {
        "cpu": timing.cpu,
        "cycles_per_vector": timing.cycles,
        "without_waiting": timing.throughput,
        "load_store_bound": timing.bound,
        "arithmetic_bound": timing.arithmetic,
        "ratio_to_load_store_bound": timing.ratio,
        "ratio_to_larger_bound": timing.overhead,
        "limit": timing.limit,
        "busiest_unit": timing.busiest,
        "busiest_unit_cycles": timing.busiest_cycles,
    }
    return {key: round(value, 3) if isinstance(value, float) else value for key, value in data.items()}


def name_of(form, form_names):
    return form_names[form] if form < len(form_names) else str(form)


def kernel_data(kernel, results, outline, form_names):
    outline = [line for line in outline if not line.text.startswith("external")]
    labels = {hot.number: hot.label for hot in results}
    lines = [{"depth": line.depth - 1, "text": named(line.text, form_names),
              "label": labels.get(line.loop.number) if line.loop else None,
              "extent": line.loop.extent if line.loop else None} for line in outline]
    return {
        "name": kernel.name,
        **dataclasses.asdict(kernel),
        "loops": [loop_data(hot, form_names) for hot in results],
        "outline": lines,
    }


def named(text, form_names):
    form = forms.form_of([text.removeprefix("if ")])
    return text if form is None else f"if form == {name_of(form, form_names)}"


def title(loop):
    """What tells a loop from the others of its kernel."""
    parts = [loop["form"]] if loop["form"] else []
    parts += [condition for condition in loop["conditions"] if condition != "otherwise"]
    if not parts or loop["conditions"][-1:] == ["otherwise"]:
        parts.append("otherwise" if loop["conditions"] else "")
    return ", ".join(filter(None, parts))

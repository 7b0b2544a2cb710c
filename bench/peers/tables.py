"""The tables, as Markdown that reads well in a terminal too."""

import cases
import datasets

_ABSENT_SHOWN = 4


def summary(means):
    """Geometric means over the shapes of a size: share of the floor, and how much faster than the best peer."""
    groups = _by_size(means)
    lines = [["pipeline", "layout", *(f"{size}: share of floor" for size in cases.SIZES),
              *(f"{size}: x best peer" for size in cases.SIZES), "most often the best"]]
    for (job, layout, dtype), by_size in groups.items():
        found = [by_size.get(size) for size in cases.SIZES]
        best = [mean.best for mean in found if mean and mean.best]
        lines.append([
            _job(job, dtype), layout,
            *(f"{100 * mean.share:.0f} %" if mean else "" for mean in found),
            *map(_ratios, found),
            ", ".join(dict.fromkeys(best))])
    return _table(lines)


def _by_size(means):
    """{what it is of: {size: mean}}"""
    groups = {}
    for mean in means:
        groups.setdefault((mean.job, mean.layout, mean.dtype), {})[mean.size] = mean
    return groups


def _ratios(mean):
    if not mean or not mean.ratio:
        return ""
    if not mean.plain_ratio or mean.layout != "NCHW":
        return f"{mean.ratio:.2f}"
    return f"{mean.ratio:.2f} ({mean.plain_ratio:.2f})"


def otherwise(means, way):
    """Of halnorm called in another way (one of cases.OTHERWISE), geometric means over the shapes of a size; ""
    where none was measured."""
    groups = _by_size(mean for mean in means if way in mean.otherwise)
    if not groups:
        return ""
    sizes = [size for size in cases.SIZES if any(size in by_size for by_size in groups.values())]
    lines = [["pipeline", "layout", *(f"{size}: share of floor" for size in sizes),
              *(f"{size}: x as fast" for size in sizes), *(f"{size}: x best peer" for size in sizes)]]
    for (job, layout, dtype), by_size in groups.items():
        found = [by_size[size].otherwise[way] if size in by_size else None for size in sizes]
        lines.append([_job(job, dtype), layout, *(f"{100 * mean.share:.0f} %" if mean else "" for mean in found),
                      *(f"{mean.gain:.2f}" if mean else "" for mean in found),
                      *(f"{mean.ratio:.2f}" if mean and mean.ratio else "" for mean in found)])
    return _table(lines)


def shapes(rows):
    """For each layout, shapes by jobs: share of floor and ratio to the best peer; * where halnorm is behind it."""
    parts = []
    for dtype in cases.DTYPES:
        for layout in cases.LAYOUTS:
            layouts = ("NHWC", "NC") if layout == "NHWC" else (layout,)
            chosen = [row for row in rows if row.case.dtype == dtype and row.case.layout in layouts]
            if not chosen:
                continue
            jobs = [f"{p}/{a}" for p in cases.PIPELINES for a in cases.ACTIVATIONS]
            jobs = [job for job in jobs if any(row.case.job == job for row in chosen)]
            cells = {(row.case.shape, row.case.job): _cell(row) for row in chosen}
            order = dict.fromkeys(row.case.shape for row in sorted(chosen, key=lambda row: row.case.bytes))
            sizes = {row.case.shape: row.case.bytes for row in chosen}
            lines = [["shape", "MB of x", *(_job(job) for job in jobs)]]
            for shape in order:
                lines.append([cases.shape_name(shape), f"{sizes[shape] / 1e6:.3g}",
                              *(cells.get((shape, job), "") for job in jobs)])
            parts.append(f"{layout}, {dtype}:\n\n{_table(lines)}")
    return "\n\n".join(parts)


def _cell(row):
    share = f"{100 * row.share:.0f} %"
    if not row.best:
        return share
    return f"{share}, {row.best.ratio.median:.2f}{'*' if row.verdict == 'behind' else ''}"


def calls(rows, shape=(64, 10)):
    """What a call costs by itself: microseconds of a small shape."""
    chosen = [row for row in rows if row.case.shape == shape]
    if not chosen:
        return ""
    labels = sorted({rival.label for row in chosen for rival in row.rivals})
    if any(cases.PREPARED in row.otherwise for row in chosen):
        labels.insert(0, cases.PREPARED)
    lines = [["pipeline", "halnorm", *labels]]
    for row in chosen:
        times = {rival.label: rival.seconds for rival in row.rivals}
        if cases.PREPARED in row.otherwise:
            times[cases.PREPARED] = row.seconds / row.otherwise[cases.PREPARED].gain.median
        lines.append([_job(row.case.job, row.case.dtype), f"{1e6 * row.seconds:.2f}",
                      *(f"{1e6 * times[label]:.2f}" if label in times else "" for label in labels)])
    return _table(lines)


def behind(rows):
    lines = [["case", "best peer", "its time / halnorm's", "interval", "halnorm's share of floor",
              "its time / that of streaming stores"]]
    for row in rows:
        ratio = row.best.ratio
        told = row.otherwise[cases.STREAMING].ratio if cases.STREAMING in row.otherwise else None
        lines.append([row.case.name, row.best.label, f"{ratio.median:.2f}", f"{ratio.low:.2f} to {ratio.high:.2f}",
                      f"{100 * row.share:.0f} %", f"{told.median:.2f}" if told else ""])
    return _table(lines)


# Results and the units of their errors (accuracy.py).
RESULTS = {
    ("training", "y"): "y of training, in u (1 + |y|)",
    ("training", "mean"): "Mean of the batch as it is saved, in u (|mean| + sqrt(v)), v = variance + epsilon",
    ("training", "v"): "Variance of the batch as it is saved: v, in u v",
    ("inference", "y"): "y of inference, in u (1 + |y|)",
    ("backward", "dx"): "dx, in u (|a g| + |a xhat dgamma / m| + |a dbeta / m|), a = gamma / sqrt(v)",
    ("backward", "dgamma"): "dgamma, in u sum(|g| (1 + |xhat|))",
    ("backward", "dbeta"): "dbeta, in u sum(|g|)",
}


def errors(rows):
    """For each result, data sets by contenders; a cell has all layouts. * where a peer is better than halnorm."""
    labels = ["halnorm", *sorted({label for row in rows for label in row.by_label} - {"halnorm"}, key=str.lower)]
    parts = []
    for dtype in cases.DTYPES:
        for (pipeline, what), title in RESULTS.items():
            chosen = [row for row in rows if (row.dtype, row.pipeline, row.what) == (dtype, pipeline, what)]
            if not chosen:
                continue
            shown = [label for label in labels if any(label in row.by_label for row in chosen)]
            lines = [["x", *shown]]
            for data in datasets.SETS:
                layouts = [row for row in chosen if row.data == data]
                if layouts:
                    lines.append([datasets.SETS[data].text, *(_errors(layouts, label) for label in shown)])
            parts.append(f"{title}{'' if dtype == 'float32' else ', ' + dtype}:\n\n{_table(lines)}")
    return "\n\n".join(parts)


def _errors(layouts, label):
    if not any(label in row.by_label for row in layouts):
        return ""
    return " / ".join(_error(row.by_label[label]) + ("*" if label == "halnorm" and row.better else "")
                      if label in row.by_label else "-" for row in layouts)


def _error(error):
    if error is None:
        return "NaN"
    return "0" if error == 0 else "< 0.01" if error < 0.01 else f"{error:.2g}" if error < 9.95 else _rounded(error)


def _rounded(error):
    return f"{error:.0f}" if error < 9999.5 else f"{error:.0e}".replace("e+0", "e").replace("e+", "e")


def better(rows):
    """Where a peer is better than halnorm."""
    lines = [["result", "x", "layout", "halnorm", "better"]]
    for row in rows:
        if row.better:
            lines.append([
                f"{row.pipeline}, {row.what}" + ("" if row.dtype == "float32" else f", {row.dtype}"),
                datasets.SETS[row.data].text, row.layout, _error(row.by_label["halnorm"]),
                ", ".join(f"{label} {_error(row.by_label[label])}" for label in row.better)])
    return _table(lines) if len(lines) > 1 else ""


def absent(unavailable, absences):
    lines = [["peer", "without", "reason"]]
    for peer, reason in unavailable.items():
        lines.append([peer, "all cases", reason])
    for (peer, reason), names in absences.items():
        shown = ", ".join(names) if len(names) <= _ABSENT_SHOWN else f"{len(names)} cases, {names[0]} the first"
        lines.append([peer, shown, reason])
    return _table(lines) if len(lines) > 1 else ""


def _job(job, dtype="float32"):
    pipeline, activation = job.split("/")
    return f"{pipeline}, {activation}" + ("" if dtype == "float32" else f", {dtype}")


def _table(lines):
    widths = [max(map(len, column)) for column in zip(*lines)]

    def line(cells):
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths)) + " |"

    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([line(lines[0]), rule, *map(line, lines[1:])])

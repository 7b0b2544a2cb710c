"""The tables, as Markdown that reads well in a terminal too."""

import cases

_ABSENT_SHOWN = 4


def summary(means):
    """Geometric means over the shapes of a size: share of the floor, and how much faster than the best peer."""
    groups = {}
    for mean in means:
        groups.setdefault((mean.job, mean.layout, mean.dtype), {})[mean.size] = mean
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


def _ratios(mean):
    if not mean or not mean.ratio:
        return ""
    if not mean.plain_ratio or mean.layout != "NCHW":
        return f"{mean.ratio:.2f}"
    return f"{mean.ratio:.2f} ({mean.plain_ratio:.2f})"


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
    lines = [["pipeline", "halnorm", *labels]]
    for row in chosen:
        times = {rival.label: rival.seconds for rival in row.rivals}
        lines.append([_job(row.case.job, row.case.dtype), f"{1e6 * row.seconds:.2f}",
                      *(f"{1e6 * times[label]:.2f}" if label in times else "" for label in labels)])
    return _table(lines)


def behind(rows):
    lines = [["case", "best peer", "its time / halnorm's", "interval", "halnorm's share of floor"]]
    for row in rows:
        ratio = row.best.ratio
        lines.append([row.case.name, row.best.label, f"{ratio.median:.2f}", f"{ratio.low:.2f} to {ratio.high:.2f}",
                      f"{100 * row.share:.0f} %"])
    return _table(lines)


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

"""Pictures of a run: share of the floor over the size of x, and the ratio to the best peer for each shape."""

import statistics

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, PercentFormatter

import cases

# Okabe and Ito's colours, which everyone can tell apart, and a marker each: the same in every picture.
STYLES = {
    "halnorm": {"color": "#000000", "marker": "o"},
    "oneDNN": {"color": "#0072B2", "marker": "s"},
    "oneDNN nChw8c": {"color": "#56B4E9", "marker": "D"},
    "oneDNN nChw16c": {"color": "#56B4E9", "marker": "D"},
    "PyTorch": {"color": "#D55E00", "marker": "^"},
    "PaddlePaddle": {"color": "#009E73", "marker": "v"},
    "ONNX Runtime": {"color": "#CC79A7", "marker": "P"},
}
OTHER = {"color": "#E69F00", "marker": "X"}  # what --peer-folder brings
MEMCPY = "#8c8c8c"


def draw(rows, records, out):
    """The paths of the pictures, one pair for each activation and dtype."""
    paths = []
    run = records.runs[-1]
    for dtype in cases.DTYPES:
        for activation in cases.ACTIVATIONS:
            chosen = [r for r in rows if r.case.dtype == dtype and r.case.activation == activation and r.best]
            if not chosen:
                continue
            suffix = activation + ("" if dtype == "float32" else f"-{dtype}")
            title = f"activation {activation}, {dtype}, {run['threads']} thread{'s' if run['threads'] > 1 else ''}"
            where = f"{run['processor']}, {run['date']}, halnorm {run['commit']}"
            paths.append(_save(_share(chosen, run, title, where), out / f"share-{suffix}.png"))
            paths.append(_save(_ratio(chosen, title, where), out / f"ratio-{suffix}.png"))
    return paths


def _save(figure, path):
    figure.savefig(path, dpi=100)
    plt.close(figure)
    return path


def _margins(figure, left, right, bottom, top, **spaces):
    """In inches. matplotlib's own layouts draw everything once more, which takes seconds."""
    width, height = figure.get_size_inches()
    figure.subplots_adjust(left / width, bottom / height, 1 - right / width, 1 - top / height, **spaces)


def _panels(rows):
    """(pipeline, layout) that there is something of, in order; rank 2 goes with NHWC."""
    found = {(row.case.pipeline, _layout(row)) for row in rows}
    return [(p, layout) for p in cases.PIPELINES for layout in cases.LAYOUTS if (p, layout) in found]


def _layout(row):
    return "NHWC" if row.case.layout == "NC" else row.case.layout


def _legend(figure, labels, handles=()):
    marks = [Line2D([], [], linestyle="", markersize=8, label=label, **_style(label)) for label in labels]
    figure.legend(handles=[*marks, *handles], loc="lower center", ncols=len(labels) + len(handles), frameon=False,
                  fontsize=11)


def _style(label):
    return STYLES.get(label, OTHER)


def _order(labels):
    known = list(STYLES)
    return sorted(labels, key=lambda label: (known.index(label) if label in known else len(known), label))


def _share(rows, run, title, where):
    panels = _panels(rows)
    pipelines = [p for p in cases.PIPELINES if any(panel[0] == p for panel in panels)]
    layouts = [layout for layout in cases.LAYOUTS if any(panel[1] == layout for panel in panels)]
    figure, axes = plt.subplots(len(pipelines), len(layouts), figsize=(6.5 * len(layouts), 3.6 * len(pipelines) + 1.2),
                                squeeze=False, sharex=True, sharey=True)
    for i, pipeline in enumerate(pipelines):
        for k, layout in enumerate(layouts):
            chosen = [r for r in rows if r.case.pipeline == pipeline and _layout(r) == layout]
            _share_panel(axes[i][k], chosen, run)
            axes[i][k].set_title(f"{pipeline}, {layout}", fontsize=12)
        axes[i][0].set_ylabel("share of the floor", fontsize=11)
    for k in range(len(layouts)):
        axes[-1][k].set_xlabel("size of x", fontsize=11)
    labels = {rival.label for row in rows for rival in row.rivals} | {"halnorm"}
    memcpy = [Line2D([], [], color=MEMCPY, linewidth=1.5, label="memcpy")]
    _legend(figure, _order(labels), memcpy)
    figure.suptitle(f"Share of the floor: {title}", fontsize=14, y=1 - 0.15 / figure.get_figheight())
    figure.text(0.5, 1 - 0.62 / figure.get_figheight(), where, ha="center", fontsize=10, color="#444444")
    _margins(figure, left=0.9, right=0.2, bottom=1.0, top=1.1, wspace=0.04, hspace=0.16)
    return figure


def _share_panel(axis, rows, run):
    axis.set_xscale("log")
    axis.xaxis.set_major_formatter(FuncFormatter(_bytes))
    axis.yaxis.set_major_formatter(PercentFormatter(1))
    highest = max([1.0, *(r.share for r in rows), *(rival.share for r in rows for rival in r.rivals)])
    axis.set_ylim(0, 1.1 * max(highest, axis.get_ylim()[1] / 1.1))  # the panels share it
    axis.axhline(1, color="#444444", linewidth=1)
    axis.grid(True, which="major", color="#e6e6e6")
    axis.set_axisbelow(True)
    for level in ("L2", "L3"):
        if level in run["caches"]:
            axis.axvline(run["caches"][level], color="#444444", linewidth=1, linestyle=":")
            axis.text(run["caches"][level], 1.02, f" {level}", fontsize=10, color="#444444", va="bottom")
    memcpy = {}
    for row in rows:
        if row.memcpy_share is not None:
            memcpy.setdefault(row.case.bytes, []).append(row.memcpy_share)
    if memcpy:
        sizes = sorted(memcpy)
        axis.plot(sizes, [statistics.median(memcpy[size]) for size in sizes], color=MEMCPY, linewidth=1.5, zorder=1)
    for label in _order({rival.label for row in rows for rival in row.rivals}):
        points = [(r.case.bytes, rival.share) for r in rows for rival in r.rivals if rival.label == label]
        axis.plot(*zip(*points), linestyle="", markersize=6, alpha=0.8, markeredgecolor="white", markeredgewidth=0.5,
                  zorder=2, **_style(label))
    axis.plot([r.case.bytes for r in rows], [r.share for r in rows], linestyle="", markersize=7.5,
              markeredgecolor="white", markeredgewidth=0.7, zorder=3, **_style("halnorm"))


def _ratio(rows, title, where):
    panels = _panels(rows)
    shapes = list(dict.fromkeys(r.case.shape for r in sorted(rows, key=lambda r: (r.case.bytes, r.case.shape))))
    figure, axes = plt.subplots(1, len(panels), figsize=(2.6 * len(panels) + 1.8, max(0.26 * len(shapes), 1.5) + 2.4),
                                squeeze=False, sharex=True, sharey=True)
    for axis, (pipeline, layout) in zip(axes[0], panels):
        _ratio_panel(axis, [r for r in rows if r.case.pipeline == pipeline and _layout(r) == layout], shapes)
        axis.set_title(f"{pipeline}, {layout}", fontsize=12)
    axes[0][0].set_yticks(range(len(shapes)), [f"{cases.shape_name(shape)}" for shape in shapes], fontsize=10)
    axes[0][0].set_ylim(len(shapes) - 0.4, -0.6)
    _mark_sizes(axes[0], rows, shapes)
    figure.supxlabel("time of the best peer / time of halnorm (right of 1: halnorm is faster)", fontsize=11,
                     y=0.5 / figure.get_figheight())
    _legend(figure, _order({row.best.label for row in rows}))
    height = figure.get_figheight()
    figure.suptitle(f"The best peer of each shape: {title}", fontsize=14, y=1 - 0.12 / height)
    figure.text(0.5, 1 - 0.58 / height, where, ha="center", fontsize=10, color="#444444")
    _margins(figure, left=1.35, right=0.85, bottom=1.2, top=1.15, wspace=0.06)
    return figure


def _mark_sizes(axes, rows, shapes):
    """Lines between the sizes of x that the targets are set for, and their names."""
    size = {row.case.shape: row.case.size for row in rows}
    for index, shape in enumerate(shapes):
        if index == 0 or size[shape] != size[shapes[index - 1]]:
            axes[-1].text(1.03, index, size[shape], transform=axes[-1].get_yaxis_transform(), fontsize=10, va="center",
                          color="#444444")
            for axis in axes if index else ():
                axis.axhline(index - 0.5, color="#444444", linewidth=1, linestyle=":")


def _ratio_panel(axis, rows, shapes):
    axis.set_xscale("log")
    axis.set_xlim(0.4, 20)
    axis.set_xticks([0.5, 1, 2, 5, 10], ["0.5", "1", "2", "5", "10"])
    axis.minorticks_off()
    axis.axvspan(0.4, 1, color="#f3e3e0", zorder=0)
    axis.axvline(1, color="#444444", linewidth=1)
    axis.grid(True, axis="both", color="#ececec")
    axis.set_axisbelow(True)
    low, high = 0.42, 19
    for label in _order({row.best.label for row in rows}):
        ratios = [(row.best.ratio, shapes.index(row.case.shape)) for row in rows if row.best.label == label]
        heights = [y for _, y in ratios]
        axis.hlines(heights, [max(r.low, low) for r, _ in ratios], [min(r.high, high) for r, _ in ratios],
                    color=_style(label)["color"], linewidth=2, alpha=0.6)
        axis.plot([min(max(r.median, low), high) for r, _ in ratios], heights, linestyle="", markersize=7,
                  markeredgecolor="white", markeredgewidth=0.6, **_style(label))


def _bytes(value, _):
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("KB", 1e3)):
        if value >= size:
            return f"{value / size:g} {unit}"
    return f"{value:g} B"

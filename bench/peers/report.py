"""What a run leaves in its folder: results.json, report.md and, with matplotlib, pictures."""

import dataclasses
import json

import analysis
import cases
import tables


def write(records, out, complete=True):
    """Returns the text of report.md and the paths of the pictures, or the reason why there are none."""
    if any("errors" in record for record in records.measured):
        return _write_errors(records, out), [], "errors have none"
    rows = analysis.rows(records.measured)
    means, behind = analysis.means(rows), analysis.behind(rows)
    absences = analysis.absent(records.measured)
    text = _text(records, rows, means, behind, absences)
    (out / "report.md").write_text(text, encoding="utf-8")
    (out / "results.json").write_text(json.dumps({
        "runs": records.runs,
        "peers": list(records.peers.values()),
        "unavailable": records.unavailable,
        "means": [dataclasses.asdict(mean) for mean in means],
        "rows": [{"name": row.case.name, "verdict": row.verdict, **dataclasses.asdict(row)} for row in rows],
        "behind": [row.case.name for row in behind],
        "absent": [{"peer": peer, "reason": reason, "cases": names} for (peer, reason), names in absences.items()],
    }, indent=1), encoding="utf-8")
    if not complete:
        return text, [], "--report draws them of what there is"
    try:
        import pictures
    except ImportError as error:
        return text, [], str(error)
    return text, pictures.draw(rows, records, out), None


def _write_errors(records, out):
    rows, absences = analysis.errors(records.measured), analysis.absent(records.measured)
    text = _errors_text(records, rows, absences)
    (out / "report.md").write_text(text, encoding="utf-8")
    (out / "results.json").write_text(json.dumps({
        "runs": records.runs,
        "peers": list(records.peers.values()),
        "unavailable": records.unavailable,
        "errors": [{**dataclasses.asdict(row), "better": row.better} for row in rows],
        "absent": [{"peer": peer, "reason": reason, "cases": names} for (peer, reason), names in absences.items()],
    }, indent=1), encoding="utf-8")
    return text


def _errors_text(records, rows, absences):
    layouts = " / ".join(dict.fromkeys(row.layout for row in rows))
    parts = ["\n".join(heading(records)),
             f"Largest errors beside {_reference(rows)}, {layouts}; u is half an ulp at 1. gamma is in [0.5, 1.5), "
             "beta in [-0.5, 0.5), dy in [-1, 1), uniform; epsilon 1e-5; m = 8x28x28 where nothing is said. * where a "
             f"peer's is clearly smaller: halnorm's is more than {analysis.CLEARLY:g} of it, and above "
             f"{analysis.SMALLEST:g}.",
             tables.errors(rows)]
    better = tables.better(rows)
    count = sum(1 for row in rows if row.better)
    parts.append(f"A peer is better in {count} of {len(rows)}." + ("\n\n" + better if better else ""))
    absent = tables.absent(records.unavailable, absences)
    if absent:
        parts.append("Absent:\n\n" + absent)
    return "\n\n".join(parts) + "\n"


def _reference(rows):
    return " and ".join({"float32": "a float64 reference", "float64": "a longdouble reference"}[dtype]
                        for dtype in cases.DTYPES if any(row.dtype == dtype for row in rows))


def heading(records):
    """Machine, date, command and versions, as lines."""
    run = records.runs[-1]
    versions = ", ".join(f"{peer['label']} {peer['version']}" for peer in records.peers.values())
    caches = ", ".join(f"{level} {size // 1024} KB" for level, size in run["caches"].items())
    threads = f"{run['threads']} thread{'s' if run['threads'] > 1 else ''}"
    commits = ", ".join(dict.fromkeys(run["commit"] for run in records.runs))
    variants = sorted({record["variant"] for record in records.measured if "variant" in record})
    return [f"{run['processor']} ({caches}), {threads}, {run['date']}, halnorm {commits} ({', '.join(variants)}).",
            f"{versions}.", f"`{run['command']}`"]


def _text(records, rows, means, behind, absences):
    parts = ["\n".join(heading(records))]
    parts.append("Geometric means over the shapes of a size of x (L2: below 0.5 MB, L3: to 13 MB, memory: above); "
                 "x best peer: its time / halnorm's (in NCHW beside it, without oneDNN's blocked layout).\n\n"
                 + tables.summary(means))
    parts.append("Share of the floor, and the best peer's time / halnorm's (* where that is below 1 by more than the "
                 "interval).\n\n" + tables.shapes(rows))
    ways = {
        cases.STREAMING: "halnorm told to store past the cache (HALNORM_STORES_STREAMING), which it chooses by itself for "
                         "large tensors only; x as fast: its time without being told / this one.",
        cases.PREPARED: "halnorm with all that needs no elements done beforehand (halnorm_prepare_inference); x as fast: "
                        "its time in one call / this one.",
    }
    for way, text in ways.items():
        table = tables.otherwise(means, way)
        if table:
            parts.append(text + "\n\n" + table)
    calls = tables.calls(rows)
    if calls:
        parts.append("Microseconds of a call for 64x10 (all but oneDNN are called from Python)."
                     "\n\n" + calls)
    count = sum(1 for row in rows if row.best)
    parts.append(f"Behind their best peer by more than the {100 * analysis.LEVEL:.0f} % interval: "
                 f"{len(behind)} of {count} cases." + ("\n\n" + tables.behind(behind) if behind else ""))
    absent = tables.absent(records.unavailable, absences)
    if absent:
        parts.append("Absent:\n\n" + absent)
    return "\n\n".join(parts) + "\n"

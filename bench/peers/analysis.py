"""From records of measurements to rows: shares of the floor, ratios to the best peer with their intervals, verdicts,
means.

Every ratio is taken within a process and within a round of turns; a row's number is the median over the rounds.
"""

import dataclasses
import math
import statistics
import typing

import cases

LEVEL = 0.95


@dataclasses.dataclass(frozen=True)
class Interval:
    median: float
    low: float
    high: float


def median_interval(values, level=LEVEL):
    """The median, and the order statistics that hold the true one with at least this probability, whatever the
    distribution. Too few values: the smallest and the largest."""
    ordered = sorted(values)
    n = len(ordered)
    below, outside = 0, 0.0
    while below < (n - 1) // 2:
        outside += 2 * math.comb(n, below) / 2**n
        if outside > 1 - level:
            break
        below += 1
    skip = max(below - 1, 0)
    return Interval(statistics.median(ordered), ordered[skip], ordered[n - 1 - skip])


def verdict(ratio):
    """Of peer's time / halnorm's time."""
    return "ahead" if ratio.low > 1 else "behind" if ratio.high < 1 else "same"


@dataclasses.dataclass(frozen=True)
class Rival:
    label: str  # "oneDNN nChw8c"
    share: float  # of the floor
    ratio: Interval  # its time / halnorm's: above 1, halnorm is faster
    seconds: float


@dataclasses.dataclass(frozen=True)
class Otherwise:
    """halnorm called in another way."""

    share: float  # of the floor
    gain: Interval  # halnorm's time / this one
    ratio: typing.Optional[Interval]  # the best peer's time / this one


@dataclasses.dataclass(frozen=True)
class Row:
    case: cases.Case
    share: float  # halnorm's, of the floor
    floor: str  # the sweep that was fastest, in most processes
    memcpy_share: typing.Optional[float]  # memcpy's, of the floor; None where the floor reads two tensors
    seconds: float
    rivals: tuple  # the fastest first
    otherwise: dict  # {one of cases.OTHERWISE: Otherwise}, of what was measured

    @property
    def best(self):
        return self.rivals[0] if self.rivals else None

    @property
    def best_plain(self):
        """Without those that have tensors in a layout of their own."""
        return next((rival for rival in self.rivals if "nChw" not in rival.label), None)

    @property
    def verdict(self):
        return verdict(self.best.ratio) if self.best else "alone"


def rows(records):
    """One per case that was measured beside one peer at least, in the records' order of cases."""
    by_case = {}
    for record in records:
        if "nanoseconds" in record:
            by_case.setdefault(record["case"], []).append(record)
    return [_row(cases.from_name(name), found) for name, found in by_case.items()]


def _row(case, records):
    shares, memcpy_shares, floors, times, rivals = [], [], [], [], []
    ways = {}  # {label: (shares, gains, {peer: ratios})}
    for record in records:
        ns = record["nanoseconds"]
        floor = min(record["floor"], key=lambda label: statistics.median(ns[label]))
        floors.append(floor)
        shares += _ratios(ns[floor], ns["halnorm"])
        memcpy_shares += _ratios(ns[floor], ns["memcpy"]) if "memcpy" in ns else []
        times += ns["halnorm"]
        for way in filter(ns.__contains__, cases.OTHERWISE):
            way_shares, gains, beside = ways.setdefault(way, ([], [], {}))
            way_shares += _ratios(ns[floor], ns[way])
            gains += _ratios(ns["halnorm"], ns[way])
            beside.update({label: _ratios(ns[label], ns[way]) for label in record["peers"]})
        for label in record["peers"]:
            if label not in record["wrong"]:
                rivals.append(Rival(label, statistics.median(_ratios(ns[floor], ns[label])),
                                    median_interval(_ratios(ns[label], ns["halnorm"])),
                                    1e-9 * statistics.median(ns[label])))
    rivals.sort(key=lambda rival: rival.ratio.median)
    otherwise = {}
    for way, (way_shares, gains, beside) in ways.items():
        best = beside.get(rivals[0].label) if rivals else None
        otherwise[way] = Otherwise(statistics.median(way_shares), median_interval(gains),
                                   median_interval(best) if best else None)
    return Row(case, statistics.median(shares), statistics.mode(floors),
               statistics.median(memcpy_shares) if memcpy_shares else None, 1e-9 * statistics.median(times),
               tuple(rivals), otherwise)


def _ratios(numerators, denominators):
    return [a / b for a, b in zip(numerators, denominators)]


def behind(all_rows):
    """Those whose best peer is faster by more than the interval, the worst first."""
    return sorted((row for row in all_rows if row.verdict == "behind"), key=lambda row: row.best.ratio.median)


@dataclasses.dataclass(frozen=True)
class OtherwiseMean:
    """Geometric means of what Otherwise has."""

    share: float
    gain: float
    ratio: typing.Optional[float]


@dataclasses.dataclass(frozen=True)
class Mean:
    """Geometric means over the shapes of a size."""

    job: str
    layout: str
    dtype: str
    size: str
    count: int
    share: float
    memcpy_share: typing.Optional[float]
    ratio: typing.Optional[float]  # to the best peer of each shape
    plain_ratio: typing.Optional[float]  # likewise, of those on plain layouts
    best: typing.Optional[str]  # who that is most often
    otherwise: dict  # {one of cases.OTHERWISE: OtherwiseMean}


def means(all_rows):
    groups = {}
    for row in all_rows:
        case = row.case
        # Rank 2 has the channels last.
        layout = "NHWC" if case.layout == "NC" else case.layout
        groups.setdefault((case.job, layout, case.dtype, case.size), []).append(row)
    order = [f"{p}/{a}" for p in cases.PIPELINES for a in cases.ACTIVATIONS]
    keys = sorted(groups, key=lambda k: (k[2], order.index(k[0]), k[1], cases.SIZES.index(k[3])))
    return [_mean(key, groups[key]) for key in keys]


def _mean(key, group):
    best = [row.best for row in group if row.best]
    plain = [row.best_plain for row in group if row.best_plain]
    memcpy = [row.memcpy_share for row in group if row.memcpy_share is not None]
    return Mean(*key, len(group), statistics.geometric_mean(row.share for row in group),
                statistics.geometric_mean(memcpy) if memcpy else None,
                statistics.geometric_mean(rival.ratio.median for rival in best) if best else None,
                statistics.geometric_mean(rival.ratio.median for rival in plain) if plain else None,
                statistics.mode(rival.label for rival in best) if best else None,
                {way: _otherwise_mean([row.otherwise[way] for row in group if way in row.otherwise])
                 for way in dict.fromkeys(way for row in group for way in row.otherwise)})


def _otherwise_mean(found):
    ratios = [otherwise.ratio.median for otherwise in found if otherwise.ratio]
    return OtherwiseMean(statistics.geometric_mean(otherwise.share for otherwise in found),
                         statistics.geometric_mean(otherwise.gain.median for otherwise in found),
                         statistics.geometric_mean(ratios) if ratios else None)


def absent(records):
    """{(peer, reason): [names of cases]}: what was asked for and not measured, or not counted."""
    found = {}
    for record in records:
        if "absent" in record:
            found.setdefault((record["peer"], record["absent"]), []).append(record["case"])
        for label in record.get("wrong", {}):
            found.setdefault((label, "its result is not halnorm's, so it does not count"), []).append(record["case"])
    return found


# Errors that differ by less are the same, and so are those of less than a hundredth of a unit.
CLEARLY, SMALLEST = 1.1, 0.01


@dataclasses.dataclass(frozen=True)
class Errors:
    """Of one result, in the units of accuracy.py; None: a NaN or an infinity."""

    pipeline: str
    what: str
    dtype: str
    data: str
    layout: str
    by_label: dict  # halnorm's is among them

    @property
    def better(self):
        """Who has a clearly smaller one than halnorm."""
        ours = _size(self.by_label["halnorm"])
        return [label for label, error in self.by_label.items() if CLEARLY * max(_size(error), SMALLEST) < ours]


def _size(error):
    return math.inf if error is None else error


def errors(records):
    """One for each result of each case, in the records' order. halnorm's is the largest of all processes."""
    found = {}
    for record in records:
        for label, by_what in record.get("errors", {}).items():
            for what, error in by_what.items():
                by_label = found.setdefault((record["case"], what), {})
                by_label[label] = max(by_label.get(label, 0), error, key=_size)
    rows = []
    for (name, what), by_label in found.items():
        case = cases.from_name(name)
        rows.append(Errors(case.pipeline, what, case.dtype, case.data, case.layout, by_label))
    return rows

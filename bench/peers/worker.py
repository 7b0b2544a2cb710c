"""The process of one peer: names of cases on stdin, a line of JSON for each on stdout.

    worker.py --peer NAME --folder DIR --library libhalnorm_peers.so --threads N --rounds N
"""

import argparse
import ctypes
import importlib
import json
import os
import sys

import cases
import native
import timing
from peer import Unsupported

TOLERANCE = {"float32": 1e-4, "float64": 1e-9}
# Where v is 0 but for rounding, relu may cut at another side of it: in a few elements, whose gradients reach the others
# of their channel through the two sums, divided by how many they are.
DIFFERENCES, CUT_OTHERWISE = 1e-4, 4


def main():
    arguments = parse()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a peer prints is no answer

    def answer(**fields):
        print(json.dumps(fields), file=answers)

    pin(arguments.threads)
    halnorm = native.Native(arguments.library)
    sys.path.append(arguments.folder)
    try:
        peer = importlib.import_module(f"peer_{arguments.peer}").Peer(arguments.threads)
    except Exception as error:  # whatever goes wrong in there, it makes the peer absent
        answer(absent=one_line(error))
        return
    answer(label=peer.label, version=str(peer.version))
    for line in sys.stdin:
        case = cases.from_name(line.strip())
        try:
            answer(**(errors if case.data else measured)(peer, case, halnorm, arguments))
        except Unsupported as reason:
            answer(absent=str(reason))
        except Exception as error:
            answer(absent=one_line(error))


def errors(*arguments):
    import accuracy  # needs numpy; times do without
    return accuracy.measured(*arguments)


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--library", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--rounds", type=int, required=True)
    return parser.parse_args()


def pin(threads):
    """To the last processors: what else runs on a machine tends to be on the first."""
    allowed = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, allowed[-threads:])


def measured(peer, case, library, arguments):
    buffers = native.Buffers(library, case)
    ours = native.halnorm(buffers, arguments.threads)
    otherwise = []
    if case.streams:
        otherwise.append(native.halnorm(buffers, arguments.threads, cases.STREAMING, stores=native.STORES_STREAMING))
    if case.prepares:
        otherwise.append(native.halnorm(buffers, arguments.threads, cases.PREPARED, prepared=True))
    peers = peer.contenders(case, buffers)
    ours.seconds(1, False)
    variant = library.variant()
    wrong = disagreement(peers, buffers)
    sweeps = native.floor_sweeps(buffers)
    times = timing.in_turns([ours, *otherwise, *sweeps, *peers], arguments.rounds, cpu_time=arguments.threads == 1)
    return {
        "variant": variant,
        "floor": [sweep.label for sweep in sweeps],
        "peers": [p.label for p in peers],
        "notes": {p.label: p.note for p in peers if p.note},
        "wrong": wrong,
        "nanoseconds": {label: [round(1e9 * t, 1) for t in values] for label, values in times.items()},
    }


def disagreement(peers, buffers):
    """{label: what is wrong} of the peers whose output is another than halnorm's."""
    case = buffers.case
    tolerance = TOLERANCE[case.dtype]
    if case.job == "backward/relu":
        tolerance = max(tolerance, CUT_OTHERWISE * case.channels / case.count)
    expected = buffers.tensor()
    ctypes.memmove(expected.address, buffers.out.address, case.bytes)
    wrong = {}
    for contender in peers:
        ctypes.memset(buffers.out.address, 0, case.bytes)
        contender.seconds(1, False)
        count = buffers.differences(expected, contender.result(), tolerance)
        if count > DIFFERENCES * case.count:
            wrong[contender.label] = f"{count} of {case.count} elements are not halnorm's"
    return wrong


def one_line(error):
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return text if len(text) <= 200 else text[:197] + "..."


if __name__ == "__main__":
    main()

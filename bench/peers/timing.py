"""Contenders timed in turns, so that what disturbs the machine disturbs all of them."""

import time

BATCH_SECONDS = 1e-3  # of calls that are timed as one; shorter ones feel the clock and the change of turns
# Calls before a batch, until the caches are as the contender's own calls leave them: a peer with tensors of its own
# (oneDNN's blocked ones) has filled them with others. Backward at 8x1024x14x14 after 1, 3, 6, 10 and 20 calls: 21 to 29, 33,
# 34, 35, 36 % of the floor, training at 32x2048x7x7 26, 39, 51, 54, 55 (Zen 5, L3 of 32 MB, 2026-11-28). A call that takes
# longer than all of them leaves its tensors in memory.
WARM_UP_CALLS, WARM_UP_SECONDS = 8, 8e-3


class PythonContender:
    """A call from Python. Its overhead is the peer's: it is what a user of the peer pays.

    result() gives the block that has the call's output, in x's order of elements; channels() what a call in training or
    backwards gives beside (peer.py).
    """

    note = ""

    def __init__(self, label, call, result, channels=dict):
        self.label, self._call, self.result, self.channels = label, call, result, channels

    def seconds(self, calls, cpu_time):
        clock = time.process_time_ns if cpu_time else time.perf_counter_ns
        call = self._call
        begin = clock()
        for _ in range(calls):
            call()
        return (clock() - begin) * 1e-9


def in_turns(contenders, rounds, cpu_time):
    """{label: seconds per call, one for each round}. Each round goes through all, from another one on."""
    batches = {c.label: _batch(c, cpu_time) for c in contenders}
    times = {c.label: [] for c in contenders}
    for turn in range(rounds):
        first = turn % len(contenders)
        for contender in contenders[first:] + contenders[:first]:
            calls, warm_up = batches[contender.label]
            if warm_up:
                contender.seconds(warm_up, cpu_time)
            times[contender.label].append(contender.seconds(calls, cpu_time) / calls)
    return times


def _batch(contender, cpu_time):
    """How many calls a batch has, and how many go before it."""
    contender.seconds(1, cpu_time)  # its code, and what it prepares when it is first called
    contender.seconds(max(1, warm_up_calls(contender.seconds(1, cpu_time))), cpu_time)
    calls, seconds = 1, contender.seconds(1, cpu_time)
    while seconds < BATCH_SECONDS / 4 and calls < 1 << 20:
        calls *= 4
        seconds = contender.seconds(calls, cpu_time)
    call = max(seconds / calls, 1e-9)
    return max(1, round(BATCH_SECONDS / call)), warm_up_calls(call)


def warm_up_calls(seconds):
    return min(WARM_UP_CALLS, int(WARM_UP_SECONDS / max(seconds, 1e-9)))

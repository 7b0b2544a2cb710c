"""Contenders timed in turns, so that what disturbs the machine disturbs all of them."""

import time

BATCH_SECONDS = 1e-3  # of calls that are timed as one; shorter ones feel the clock and the change of turns
# A call this long finds its tensors where its own last call would have left them: in memory.
WARM_UP_BELOW = 8e-3


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
            if warm_up:  # the one before has left its traces in the caches
                contender.seconds(1, cpu_time)
            times[contender.label].append(contender.seconds(calls, cpu_time) / calls)
    return times


def _batch(contender, cpu_time):
    """How many calls a batch has, and whether one goes before them."""
    contender.seconds(2, cpu_time)
    calls, seconds = 1, contender.seconds(1, cpu_time)
    while seconds < BATCH_SECONDS / 4 and calls < 1 << 20:
        calls *= 4
        seconds = contender.seconds(calls, cpu_time)
    call = max(seconds / calls, 1e-9)
    return max(1, round(BATCH_SECONDS / call)), call < WARM_UP_BELOW

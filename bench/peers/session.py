"""Runs the processes of the peers, case by case, and keeps what they answer."""

import json
import os
import pathlib
import select
import subprocess
import sys
import time

import timing

ANSWER_SECONDS = 300  # then a process is taken for dead; the slowest case takes some ten
START_SECONDS = 120
# Rough, for the estimate only: how fast a contender goes through its tensors, how many there are, and what a case costs
# beside (filling tensors, comparing results).
BYTES_PER_SECOND, CONTENDERS, PREPARED_PER_SECOND, START = 6e9, 6, 0.5e9, 4
REFERENCE_PER_SECOND = 10e6


class Process:
    """A peer's process; .absent says why there is none."""

    def __init__(self, peer, arguments, log):
        environment = dict(
            os.environ,
            OMP_NUM_THREADS=str(arguments.threads), MKL_NUM_THREADS=str(arguments.threads),
            # Memory that a peer allocates for its output comes back from where it was freed, without new pages.
            MALLOC_MMAP_MAX_="0", MALLOC_TRIM_THRESHOLD_=str(1 << 40), MALLOC_TOP_PAD_=str(1 << 26),
            CUDA_VISIBLE_DEVICES="")
        if arguments.onednn_library:
            environment["HALNORM_ONEDNN"] = str(arguments.onednn_library)
        self._process = subprocess.Popen(
            [sys.executable, "-B", str(pathlib.Path(__file__).with_name("worker.py")), "--peer", peer,
             "--folder", str(arguments.peer_folder or "."), "--library", str(arguments.library),
             "--threads", str(arguments.threads), "--rounds", str(arguments.rounds)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, bufsize=0, env=environment)
        self.hello = self._answer(START_SECONDS)
        self.absent = self.hello.get("absent")

    def ask(self, case):
        try:
            self._process.stdin.write(case.name.encode() + b"\n")
        except BrokenPipeError:
            pass  # the answer says so
        return self._answer(ANSWER_SECONDS)

    @property
    def alive(self):
        return self._process.poll() is None

    def _answer(self, seconds):
        line, end = b"", time.monotonic() + seconds
        while not line.endswith(b"\n"):
            if not select.select([self._process.stdout], [], [], max(0, end - time.monotonic()))[0]:
                self.stop()
                return {"absent": f"no answer in {seconds} s"}
            part = self._process.stdout.read(1 << 16)
            if not part:
                return {"absent": f"its process ended with status {self._process.wait()}"}
            line += part
        return json.loads(line)

    def stop(self):
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()


def estimate(case, rounds):
    """Seconds that a peer takes for a case."""
    if case.data:
        return case.bytes / REFERENCE_PER_SECOND
    call = 3 * case.bytes / BYTES_PER_SECOND
    warm_up = timing.warm_up_calls(call) * call
    return CONTENDERS * rounds * (max(call, timing.BATCH_SECONDS) + warm_up) + 3 * case.bytes / PREPARED_PER_SECOND


def run(records, peers, arguments, log, progress):
    """Measures what is pending until the time is up. Returns how many measurements are left.

    Case by case and not peer by peer: what there is after a stop has all peers.
    """
    end = time.monotonic() + arguments.time_limit if arguments.time_limit else float("inf")
    pending = records.pending(peers, arguments.cases)
    processes = {}
    try:
        for case, names in pending:
            if time.monotonic() + len(names) * estimate(case, arguments.rounds) > end and processes:
                break
            for name in names:
                if name in records.unavailable and name in processes:
                    continue
                progress.set_postfix_str(f"{name} {case.name}")
                if name not in processes or not (processes[name].alive or processes[name].absent):
                    processes[name] = start(name, arguments, log, records)
                if processes[name].absent is None:
                    records.append(peer=name, case=case.name, **processes[name].ask(case))
                progress.update(estimate(case, arguments.rounds))
    finally:
        for process in processes.values():
            process.stop()
    there = [name for name in peers if name not in records.unavailable]
    return sum(len(names) for _, names in records.pending(there, arguments.cases))


def start(name, arguments, log, records):
    process = Process(name, arguments, log)
    if process.absent is not None:
        records.append(peer=name, unavailable=process.absent)
    elif name in records.unavailable or records.peers.get(name) != {"peer": name, **process.hello}:
        records.append(peer=name, **process.hello)
    return process

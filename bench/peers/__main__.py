"""./run bench --peers: the command line is arguments.py, what is measured cases.py, a peer's process worker.py."""

import contextlib
import datetime
import pathlib
import sys

import arguments as command_line
import install
import machine
import report
import session
from records import Records

ROOT = pathlib.Path(__file__).resolve().parents[2]


def main():
    arguments = command_line.parse(sys.argv[1:])
    if arguments.check:
        return 0
    out = arguments.out or ROOT / "build" / "bench" / "peers" / datetime.datetime.now().strftime("%Y-%m-%d_%H%M%S")
    out.mkdir(parents=True, exist_ok=True)
    path = out / "records.jsonl"
    if path.exists() and not (arguments.resume or arguments.report):
        return fail(f"--out: {out} has the measurements of a run; --resume goes on with it, --report only shows it")
    records = Records(path)
    left = 0
    if not arguments.report:
        left = measure(records, arguments, out)
    if not records.measured:
        for peer, reason in records.unavailable.items():
            print(f"{peer}: {reason}")
        return fail("nothing was measured" + (": the time limit was too short" if left else ""))
    text, pictures, reason = report.write(records, out, complete=left == 0)
    print("\n" + text)
    print(f"{shown(out)}: report.md, results.json, records.jsonl"
          + "".join(f", {picture.name}" for picture in pictures) + (f"; no pictures: {reason}" if reason else ""))
    if left:
        print(f"{left} measurements are left; go on with --resume --out {shown(out)}")
    return 0


def measure(records, arguments, out):
    """Returns how many measurements are left."""
    for peer in arguments.peers:
        reason = install.install(peer, arguments.requirements, out / "install.log") if arguments.requirements else None
        if reason:
            records.append(peer=peer, unavailable=reason)
    peers = [peer for peer in arguments.peers if not (records.unavailable.get(peer) or "").startswith("pip ")]
    records.append(run={**machine.describe(ROOT), "threads": arguments.threads,
                        "command": f"./run bench {arguments.command}".strip()})
    pending = records.pending(peers, arguments.cases)
    seconds = session.START * len(peers) + sum(
        session.estimate(case, arguments.rounds) * len(names) for case, names in pending)
    count = sum(len(names) for _, names in pending)
    limit = f", of which {arguments.time_limit:g} s now" if arguments.time_limit else ""
    print(f"{len(arguments.cases)} cases, {count} measurements, about {duration(seconds)}{limit}", flush=True)
    with open(out / "peers.log", "a", encoding="utf-8") as log, progress_bar(seconds) as progress:
        return session.run(records, peers, arguments, log, progress)


def progress_bar(seconds):
    """Shown in a terminal; by estimated time, since cases differ a thousandfold."""
    try:
        from tqdm import tqdm
    except ImportError:  # ./run installs it; the tests do without
        return NoBar()
    return tqdm(total=seconds, disable=None, leave=False,
                bar_format="{percentage:3.0f} %|{bar:30}| {elapsed} of about {total:.0f} s {postfix}")


class NoBar(contextlib.nullcontext):
    def __enter__(self):
        return self

    def update(self, seconds):
        pass

    def set_postfix_str(self, text):
        pass


def duration(seconds):
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} minutes"


def shown(path):
    try:
        return path.resolve().relative_to(pathlib.Path.cwd())
    except ValueError:
        return path


def fail(message):
    print(f"./run bench: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())

"""The file of measurements: a line of JSON for each, appended as they are made, so that a run can go on after a stop.

    {"run": {date, processor, caches, commit, command, threads}}      each ./run bench --peers
    {"peer": "torch", "label": "PyTorch", "version": "2.15.0"}        a peer that works here
    {"peer": "torch", "unavailable": "ImportError: ..."}              one that does not
    {"peer": "torch", "case": NAME, "nanoseconds": {...}, ...}        a measurement (worker.py)
    {"peer": "torch", "case": NAME, "errors": {...}, "variant": ...}  errors instead of times (accuracy.py)
    {"peer": "torch", "case": NAME, "absent": "it has no ..."}        a case that it does not have
"""

import json


class Records:
    def __init__(self, path):
        self.path = path
        self.runs, self.peers, self.unavailable, self.measured = [], {}, {}, []
        if path.exists():
            text = path.read_text(encoding="utf-8")
            whole = text[:text.rfind("\n") + 1]
            if whole != text:  # a run that was killed while it wrote
                path.write_text(whole, encoding="utf-8")
            for line in whole.splitlines():
                self._take(json.loads(line))

    def _take(self, record):
        if "run" in record:
            self.runs.append(record["run"])
        elif "case" in record:
            self.measured.append(record)
        elif "unavailable" in record:
            self.unavailable[record["peer"]] = record["unavailable"]
        else:
            self.peers[record["peer"]] = record
            self.unavailable.pop(record["peer"], None)

    def append(self, **record):
        self._take(record)
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def pending(self, peers, cases):
        """[(case, [peers that have not measured it])]"""
        done = {(record["peer"], record["case"]) for record in self.measured}
        todo = [(case, [p for p in peers if (p, case.name) not in done]) for case in cases]
        return [(case, names) for case, names in todo if names]

"""Turns, batches and warm-up of contenders whose times are made up."""

import unittest

import timing


class Contender:
    """Takes `seconds` a call, and `cold` more for each of the first `colder` ones after another contender's."""

    last = None

    def __init__(self, label, seconds, cold=0.0, colder=0):
        self.label, self._seconds, self._cold, self._colder = label, seconds, cold, colder
        self.batches = []

    def seconds(self, calls, cpu_time):
        if Contender.last is not self:
            Contender.last, self._left = self, self._colder
        cold = min(calls, self._left)
        self._left -= cold
        self.batches.append(calls)
        return calls * self._seconds + cold * self._cold


class InTurns(unittest.TestCase):
    def test_what_another_left_in_the_caches_is_not_timed(self):
        contenders = [Contender(name, 0.5e-3, cold=1e-3, colder=6) for name in "ab"]
        times = timing.in_turns(contenders, 5, False)
        for label in "ab":
            self.assertEqual(len(times[label]), 5)
            for seconds in times[label]:
                self.assertAlmostEqual(seconds, 0.5e-3)

    def test_long_calls_go_without(self):
        contenders = [Contender("long", 9e-3), Contender("short", 1e-3)]
        timing.in_turns(contenders, 4, False)
        self.assertEqual(contenders[0].batches[-4:], [1] * 4)
        self.assertEqual(contenders[1].batches[-8:], [8, 1] * 4)

    def test_short_calls_are_timed_together(self):
        contender = Contender("short", 1e-6)
        timing.in_turns([contender, Contender("other", 1e-3)], 3, False)
        self.assertEqual(contender.batches[-6:], [8, 1000] * 3)


if __name__ == "__main__":
    unittest.main()

"""Shares, ratios, intervals, verdicts and means of records whose answers are known."""

import math
import unittest

import analysis
import cases
import tables

SMALL = "training/relu/NCHW/float32/1x16x32x32"  # 64 KB
MIDDLE = "training/relu/NCHW/float32/8x64x56x56"  # 6.4 MB
OTHER_MIDDLE = "training/relu/NCHW/float32/8x512x28x28"  # 12.8 MB


def record(case, peer="rival", ours=(100,) * 12, theirs=(200,) * 12, floor=(50,) * 12, **fields):
    rounds = {"copy": [2 * t for t in floor], "memcpy": list(floor), "halnorm": list(ours), peer: list(theirs)}
    return {"peer": peer, "case": case, "floor": ["copy", "memcpy"], "peers": [peer], "wrong": {},
            "nanoseconds": rounds, **fields}


class Intervals(unittest.TestCase):
    def test_ranks_of_the_binomial_distribution(self):
        for count, low, high in ((1, 1, 1), (5, 1, 5), (6, 1, 6), (9, 2, 8), (12, 3, 10), (15, 4, 12), (100, 40, 61)):
            interval = analysis.median_interval([float(v) for v in range(count, 0, -1)])
            self.assertEqual((interval.low, interval.high), (low, high), count)
            self.assertEqual(interval.median, (count + 1) / 2)

    def test_holds_the_median_with_the_probability_that_it_says(self):
        for count in range(6, 60):
            interval = analysis.median_interval(list(range(1, count + 1)))
            outside = 2 * sum(math.comb(count, k) for k in range(interval.low)) / 2**count
            self.assertLessEqual(outside, 0.05)
            narrower = outside + 2 * math.comb(count, interval.low) / 2**count
            self.assertGreater(narrower, 0.05, f"{count} values have a narrower interval")


class Rows(unittest.TestCase):
    def row(self, *records):
        rows = analysis.rows(records)
        self.assertEqual(len(rows), 1)
        return rows[0]

    def test_share_and_ratio(self):
        row = self.row(record(MIDDLE))
        self.assertEqual(row.floor, "memcpy")
        self.assertAlmostEqual(row.share, 0.5)
        self.assertAlmostEqual(row.memcpy_share, 1)
        self.assertAlmostEqual(row.best.ratio.median, 2)
        self.assertAlmostEqual(row.best.share, 0.25)
        self.assertAlmostEqual(row.seconds, 100e-9)
        self.assertEqual(row.verdict, "ahead")

    def test_ratios_are_taken_within_a_round(self):
        # The machine is four times slower in every other round; halnorm stays twice as fast.
        slow = [1, 4] * 6
        row = self.row(record(MIDDLE, ours=[100 * s for s in slow], theirs=[200 * s for s in slow],
                              floor=[50 * s for s in slow]))
        self.assertEqual(row.best.ratio, analysis.Interval(2, 2, 2))
        self.assertAlmostEqual(row.share, 0.5)

    def test_the_best_peer_is_the_fastest_beside_halnorm(self):
        # In the second process everything took twice as long, and that peer is the better one.
        row = self.row(record(MIDDLE, peer="a", theirs=(150,) * 12),
                       record(MIDDLE, peer="b", ours=(200,) * 12, theirs=(240,) * 12, floor=(100,) * 12))
        self.assertEqual([rival.label for rival in row.rivals], ["b", "a"])
        self.assertAlmostEqual(row.best.ratio.median, 1.2)
        self.assertAlmostEqual(row.share, 0.5)

    def test_verdicts(self):
        # 12 rounds: the interval is from the third to the tenth.
        self.assertEqual(self.row(record(MIDDLE, theirs=(90,) * 12)).verdict, "behind")
        self.assertEqual(self.row(record(MIDDLE, theirs=[90] * 2 + [110] * 10)).verdict, "ahead")
        self.assertEqual(self.row(record(MIDDLE, theirs=[90] * 3 + [110] * 9)).verdict, "same")
        self.assertEqual(self.row(record(MIDDLE, theirs=[90] * 9 + [110] * 3)).verdict, "same")
        self.assertEqual(self.row(record(MIDDLE, theirs=[90] * 10 + [110] * 2)).verdict, "behind")

    def test_a_wrong_result_does_not_count(self):
        wrong = record(MIDDLE, peer="a", theirs=(10,) * 12)
        wrong["wrong"] = {"a": "9 of 10 elements are not halnorm's"}
        row = self.row(wrong, record(MIDDLE, peer="b"))
        self.assertEqual([rival.label for rival in row.rivals], ["b"])
        self.assertEqual(list(analysis.absent([wrong])), [("a", "its result is not halnorm's, so it does not count")])
        self.assertEqual(self.row(wrong).verdict, "alone")

    def test_streaming_stores_are_set_beside_halnorm_and_the_best_peer(self):
        told = record(MIDDLE, theirs=(80,) * 12)
        told["nanoseconds"][cases.STREAMING] = [40] * 12
        told["nanoseconds"]["slower"] = [300] * 12
        told["peers"].append("slower")
        streaming = self.row(told).otherwise[cases.STREAMING]
        self.assertAlmostEqual(streaming.share, 1.25)
        self.assertEqual(streaming.gain, analysis.Interval(2.5, 2.5, 2.5))
        self.assertEqual(streaming.ratio, analysis.Interval(2, 2, 2))
        self.assertEqual({}, self.row(record(MIDDLE)).otherwise)
        other = record(OTHER_MIDDLE, theirs=(80,) * 12)
        other["nanoseconds"][cases.STREAMING] = [160] * 12
        means = analysis.means(analysis.rows([told, other, record(SMALL)]))
        self.assertEqual({}, means[0].otherwise)
        self.assertAlmostEqual(means[1].otherwise[cases.STREAMING].gain, 1.25)  # sqrt(2.5 * 0.625)
        table = tables.otherwise(means, cases.STREAMING)
        self.assertIn("L3: x as fast", table)
        self.assertIn("1.25", table)
        self.assertNotIn("L2", table)
        self.assertIn("| 2.00", tables.behind(analysis.rows([told])))
        self.assertEqual("", tables.otherwise(means, cases.PREPARED))

    def test_a_prepared_call_has_a_table_and_a_column_of_small_ones(self):
        tiny = record("inference/none/NC/float32/64x10", theirs=(800,) * 12)
        tiny["nanoseconds"][cases.PREPARED] = [40] * 12
        rows = analysis.rows([tiny])
        self.assertEqual(rows[0].otherwise[cases.PREPARED].ratio, analysis.Interval(20, 20, 20))
        self.assertIn("L2: x as fast", tables.otherwise(analysis.means(rows), cases.PREPARED))
        header, _, line = tables.calls(rows).splitlines()
        self.assertEqual(["pipeline", "halnorm", cases.PREPARED, "rival"],
                         [cell.strip() for cell in header.split("|")[1:-1]])
        self.assertEqual(["inference, none", "0.10", "0.04", "0.80"], [cell.strip() for cell in line.split("|")[1:-1]])

    def test_absences_are_grouped_by_reason(self):
        absences = analysis.absent([
            {"peer": "a", "case": MIDDLE, "absent": "it has no gradients"},
            {"peer": "a", "case": SMALL, "absent": "it has no gradients"},
            {"peer": "b", "case": SMALL, "absent": "it has no NHWC"}, record(MIDDLE)])
        self.assertEqual(absences, {("a", "it has no gradients"): [MIDDLE, SMALL], ("b", "it has no NHWC"): [SMALL]})

    def test_behind_lists_the_worst_first(self):
        rows = analysis.rows([record(SMALL, theirs=(95,) * 12), record(MIDDLE, theirs=(60,) * 12),
                              record(OTHER_MIDDLE)])
        self.assertEqual([row.case.name for row in analysis.behind(rows)], [MIDDLE, SMALL])


class Means(unittest.TestCase):
    def test_geometric_over_the_shapes_of_a_size(self):
        means = analysis.means(analysis.rows([
            record(SMALL, theirs=(1000,) * 12),
            record(MIDDLE, theirs=(100,) * 12, floor=(80,) * 12),
            record(OTHER_MIDDLE, theirs=(400,) * 12, floor=(20,) * 12)]))
        self.assertEqual([(mean.size, mean.count) for mean in means], [("L2", 1), ("L3", 2)])
        self.assertAlmostEqual(means[0].ratio, 10)
        self.assertAlmostEqual(means[1].ratio, 2)  # sqrt(1 * 4)
        self.assertAlmostEqual(means[1].share, 0.4)  # sqrt(0.8 * 0.2)
        self.assertEqual(means[1].best, "rival")

    def test_plain_layouts_alone(self):
        blocked = record(MIDDLE, peer="oneDNN", theirs=(300,) * 12)
        blocked["nanoseconds"]["oneDNN nChw8c"] = [80] * 12
        blocked["peers"].append("oneDNN nChw8c")
        means = analysis.means(analysis.rows([blocked, record(MIDDLE, theirs=(150,) * 12)]))
        self.assertAlmostEqual(means[0].ratio, 0.8)
        self.assertAlmostEqual(means[0].plain_ratio, 1.5)
        self.assertEqual(means[0].best, "oneDNN nChw8c")

    def test_sizes(self):
        def size(shape):
            return cases.Case("training", "none", "NCHW", "float32", shape).size

        self.assertEqual(size((64, 10)), "L2")
        self.assertEqual(size((1, 512, 28, 28)), "L3")
        self.assertEqual(size((32, 2048, 7, 7)), "L3")  # 12.8 MB
        self.assertEqual(size((8, 256, 56, 56)), "memory")

    def test_rank_2_goes_with_nhwc(self):
        means = analysis.means(analysis.rows([record("inference/none/NC/float32/4096x256")]))
        self.assertEqual(means[0].layout, "NHWC")


if __name__ == "__main__":
    unittest.main()

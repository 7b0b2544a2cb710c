import unittest

import explain  # noqa: F401
import statement

STATEMENT = """\
module name=k, target=x86-64-linux
external_plus_metadata func k (x, scale, form, y) {
let t7 = y.extent.1 % 16
produce y$1 {
 if (form == 0) {
  if (t7 == 0) {
   for (y$1.s0.n.rebased, 0, y.extent.2) {
    let t1 = x[ramp(t5 + 3, 1, 8)]*x8(scale[t2])
    for (y$1.s0.s.si, 0, 2) {
     y$1[ramp((y.s0.s.si*8) + t4, 1, 8)] = x[ramp((f(y.s0.s.si) + 1)*8, 1, 8)] + x[ramp((f(y.s0.s.si) + 1)*8, 1, 8)]
     y$1[t9 + 3] = x[t9 + 3]
    }
   }
  } else if (y.loaded) {
   for (y$1.s0.n.rebased, 0, y.extent.2) {
    predicate (ramp(t1, 1, 8) <= x8(t2))
     y$1[ramp(t3, 1, 8)] = (x[ramp(t3, 1, 8)] if (ramp(t1, 1, 8) <= x8(t2)))
   }
  } else {
   for (sums.s1.rests$x, 0, t6) {
    sums.0[t1] = sums.0[t1] + center[t2]
   }
  }
 } else if (((1 < chunk_s) && (t7 == 0)) && (form == 1)) {
  for (y$1.s0.n.rebased, 0, y.extent.2) {
   y$1[t1] = x[t1]
  }
 }
}
}
"""


class Parse(unittest.TestCase):
    def setUp(self):
        self.loops, self.outline = statement.parse(STATEMENT)

    def test_loops_are_numbered_in_order_with_their_nests(self):
        self.assertEqual([(loop.number, loop.nest) for loop in self.loops],
                         [(1, ["n"]), (2, ["n", "s.si"]), (3, ["n"]), (4, ["rests.x"]), (5, ["n"])])

    def test_conditions_are_those_around_a_loop_in_words_of_the_kernel(self):
        self.assertEqual([loop.conditions for loop in self.loops], [
            ["form == 0", "C % 16 == 0"], ["form == 0", "C % 16 == 0"], ["form == 0"],
            ["form == 0", "otherwise"], ["form == 1", "(1 < chunk_s) && (C % 16 == 0)"]])

    def test_an_element_counts_once_per_iteration_and_only_in_its_own_loop(self):
        access = statement.Access
        self.assertEqual(self.loops[0].accesses, [access("x", 8, False)])
        self.assertEqual(self.loops[1].accesses, [
            access("y", 8, True), access("x", 8, False), access("y", 1, True), access("x", 1, False)])
        self.assertEqual(self.loops[3].accesses, [])

    def test_masks_are_seen(self):
        self.assertEqual([loop.masked for loop in self.loops], [False, False, True, False, False])

    def test_what_the_compiler_unrolled_belongs_to_the_loop_around_it(self):
        outer = self.loops[0]
        self.assertEqual(len(statement.accesses_of(outer, present={1, 2})), 1)
        self.assertEqual(sum(a.lanes for a in statement.accesses_of(outer, present={1}) if not a.is_store), 8 + 2 * 9)
        outer.children[0].extent = "t6"
        self.assertIsNone(statement.accesses_of(outer, present={1}))

    def test_outline(self):
        self.assertEqual([(line.depth, line.text) for line in self.outline][1:7], [
            (1, "produce y"), (2, "if form == 0"), (3, "if C % 16 == 0"), (4, "for n"), (5, "for s.si"),
            (3, "if y.loaded")])


if __name__ == "__main__":
    unittest.main()

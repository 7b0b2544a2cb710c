import unittest

import explain  # noqa: F401
from values import Values


class Of(unittest.TestCase):
    def setUp(self):
        self.values = Values()
        self.values.define("t1", "i + t0")
        self.values.define("t2", "((x.stride.2*n) - t5)")

    def equal(self, one, other):
        return self.values.of(one) == self.values.of(other)

    def test_the_same_in_other_words(self):
        self.assertTrue(self.equal("((i + t0)*32) + 8", "(t1*32) + 8"))
        self.assertTrue(self.equal("(n*x.stride.2) + (i - t5)", "t2 + i"))
        self.assertTrue(self.equal("min(a, b)", "min(b, a)"))
        self.assertTrue(self.equal("((a*8) + 3)/8", "a"))

    def test_another(self):
        self.assertFalse(self.equal("(t1*32) + 8", "(t1*32) + 16"))
        self.assertFalse(self.equal("x.min.0 + i", "y.min.0 + i"))

    def test_what_is_no_arithmetic_is_taken_as_written(self):
        self.assertTrue(self.equal("f[a] + 1", "f[a] + 1"))
        self.assertFalse(self.equal("f[a] + 1", "1 + f[a]"))
        self.assertTrue(self.equal("(int32)a + 1", "(int32)a + 1"))


if __name__ == "__main__":
    unittest.main()

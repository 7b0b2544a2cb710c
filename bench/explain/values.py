"""Whether two index expressions of a statement mean the same element: all free names get a random number each, and equal
results mean equal expressions (unless two numbers of 40 bits meet)."""

import random
import re

NAME = re.compile(r"[A-Za-z_][\w.$]*")
FUNCTIONS = {"min": min, "max": max}


class Values:
    def __init__(self):
        self.known = {}

    def define(self, name, expression):
        self.known[name] = self.of(expression)

    def of(self, expression):
        """A number. What is no arithmetic of integers, such as a load, is taken as it is written."""
        names = []

        def index(match):
            if match[0] in FUNCTIONS:
                return match[0]
            names.append(self.known.get(match[0]) or number(match[0]))
            return f"_[{len(names) - 1}]"

        # Halide's division rounds down, like Python's //.
        text = NAME.sub(index, expression).replace("/", "//") if "[" not in expression else ""
        try:
            value = eval(text, {"__builtins__": {}, **FUNCTIONS, "_": names})
        except (SyntaxError, TypeError, ZeroDivisionError):
            return number(expression)
        return value if isinstance(value, int) else number(expression)


def number(text):
    return random.Random(text).getrandbits(40)

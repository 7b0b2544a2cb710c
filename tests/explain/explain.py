"""The modules of bench/explain, for the tests."""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
FOLDER = HERE.parents[1] / "bench/explain"
sys.path.insert(0, str(FOLDER))

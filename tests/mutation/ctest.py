"""What ctest prints."""

import re


def first_failed(output):
    """The first test that failed, or that a signal ended, or None."""
    found = re.search(r"Test +#\d+: (\S+) \.*[^*\n]*\*\*\*(?!Skipped)", output)
    return found and found[1]

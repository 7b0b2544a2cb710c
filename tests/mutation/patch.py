"""A fault applied to the text of its file."""


class NotApplicable(Exception):
    """The fault's text is not in its file exactly once: the code has changed."""


def patched(root, fault):
    path = root / fault.file
    text = path.read_text() if path.is_file() else ""
    if text.count(fault.old) != 1:
        raise NotApplicable(f"fault {fault.name}: {fault.file} has its text {text.count(fault.old)} times, should have it "
                            f"once; tests/mutation/faults.py has to follow the code: {fault.old!r}")
    return text.replace(fault.old, fault.new)

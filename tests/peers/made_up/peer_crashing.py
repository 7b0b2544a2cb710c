"""Takes its process with it in some cases."""

import os
import signal

from timing import PythonContender


class Peer:
    label = "Crashing"
    version = "3.0"

    def __init__(self, threads):
        pass

    def contenders(self, case, buffers):
        if case.activation == "relu":
            os.kill(os.getpid(), signal.SIGKILL)
        return [PythonContender(self.label, lambda: None, lambda: buffers.out)]

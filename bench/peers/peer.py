"""What a peer is: a module peer_NAME.py with a class Peer, loaded in a process of its own.

    class Peer:
        label = "PyTorch"
        def __init__(self, threads): ...           # imports the library; any exception: the peer is absent
        version = "2.15.0"                         # an attribute, once made
        def contenders(self, case, buffers): ...   # PythonContender or NativeContender, all of this case;
                                                   # raises Unsupported with a phrase where there is none

A contender's channels() is a dictionary of what the library gives per channel, as far as it does: mean and either
variance or inv_std of a batch, dgamma, dbeta.
"""

NAMES = ("onednn", "torch", "paddle", "onnxruntime", "tensorflow")
EPSILON = 1e-5  # halnorm's default
MOMENTUM = 0.9  # weight of the old moving value, halnorm's default


class Unsupported(Exception):
    """The peer has no such case. The message is shown as the reason."""

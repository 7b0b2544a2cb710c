"""The command line of ./run bench --peers."""

import argparse
import os
import pathlib

import cases
import datasets
import peer

DESCRIPTION = """\
halnorm beside the libraries that could be used instead, in one run: oneDNN, PyTorch, PaddlePaddle, ONNX Runtime and
TensorFlow, each in a process of its own in which halnorm, the peer and the floor (the fastest of copy, streaming copy
and memcpy; for a backward pass of two reads and one write) take turns on the same tensors. Prints tables, and leaves
them with JSON and pictures in build/bench/peers/. Peers are installed when they are first asked for, into a venv of
their own (Python 3.11 to 3.13; PyTorch with the CUDA libraries that it does not start without: 2.4 GB)."""


def parse(argv):
    parser = argparse.ArgumentParser(
        prog="./run bench", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False)
    parser.add_argument("--peers", nargs="?", const=",".join(peer.NAMES), required=True, metavar="LIST",
                        help="which ones, for example onednn,torch (default: %(const)s)")
    parser.add_argument("--accuracy", nargs="?", const=",".join(datasets.SETS), metavar="LIST",
                        help="errors instead of times, of all data sets or for example normal,1e6 (all: %(const)s)")
    parser.add_argument("--quick", action="store_true",
                        help="a choice of shapes with fewer rounds, a few minutes")
    parser.add_argument("--shapes", metavar="LIST", help="instead of ResNet-50, MobileNet, tabular and odd ones: "
                        "for example 8x64x56x56,64x10 (N x C x H x W in any layout)")
    parser.add_argument("--pipelines", default=",".join(cases.PIPELINES), metavar="LIST",
                        help="with both activations, or with one: training/relu (default: %(default)s)")
    parser.add_argument("--layouts", default=",".join(cases.LAYOUTS), metavar="LIST", help="default: %(default)s")
    parser.add_argument("--dtypes", default="float32", metavar="LIST", help="float32, float64 (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, metavar="N",
                        help="of all contenders but the floor; one is timed by processor time, more by real time "
                        "(default: 1)")
    parser.add_argument("--rounds", type=int, metavar="N", help="of turns for each case (default: 12; --quick: 9)")
    parser.add_argument("--out", type=pathlib.Path, metavar="DIR",
                        help="where the results go (default: build/bench/peers/DATE)")
    parser.add_argument("--resume", action="store_true",
                        help="go on with the measurements in --out: cases that are there are not measured again")
    parser.add_argument("--time-limit", type=float, metavar="SECONDS",
                        help="stop measuring after that; --resume goes on")
    parser.add_argument("--report", action="store_true", help="only write the tables and pictures of --out again")
    parser.add_argument("--onednn-library", type=pathlib.Path, metavar="FILE",
                        help="another build of oneDNN 3.x, instead of the wheel's libdnnl.so.3")
    parser.add_argument("--peer-folder", type=pathlib.Path, metavar="DIR",
                        help="where --peers finds further ones: peer_NAME.py as bench/peers/peer.py says")
    # What ./run hands over.
    parser.add_argument("--library", type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("--requirements", type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("--command", default="", help=argparse.SUPPRESS)
    parser.add_argument("--check", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    try:
        complete(arguments)
    except cases.SelectionError as error:
        parser.exit(2, f"./run bench: {error}\n")
    return arguments


def complete(arguments):
    """Checks what was given and puts the selection in: .peers as names, .cases, .rounds."""
    arguments.peers = parse_peers(arguments.peers, arguments.peer_folder)
    processors = len(os.sched_getaffinity(0))
    if not 1 <= arguments.threads <= processors:
        raise cases.SelectionError(
            f"--threads: {arguments.threads} should be 1 to {processors}, the processors of this machine")
    if arguments.rounds is None:
        arguments.rounds = 9 if arguments.quick else 12
    if arguments.rounds < 1:
        raise cases.SelectionError(f"--rounds: {arguments.rounds} should be 1 or more")
    if arguments.time_limit is not None and not arguments.time_limit > 0:
        raise cases.SelectionError(f"--time-limit: {arguments.time_limit:g} should be more than 0")
    for option in ("resume", "report"):
        if getattr(arguments, option) and not arguments.out:
            raise cases.SelectionError(f"--{option}: needs --out DIR, the folder of the measurements")
    if arguments.report and not (arguments.out / "records.jsonl").is_file():
        raise cases.SelectionError(
            f"--report: {arguments.out} should be the folder of a run, there is no records.jsonl")
    if arguments.onednn_library and not arguments.onednn_library.is_file():
        raise cases.SelectionError(f"--onednn-library: {arguments.onednn_library} should be a file")
    jobs = cases.parse_jobs(arguments.pipelines)
    layouts = cases.parse_names("--layouts", arguments.layouts, cases.LAYOUTS)
    dtypes = cases.parse_names("--dtypes", arguments.dtypes, cases.DTYPES)
    if arguments.accuracy is not None:
        for option in ("quick", "shapes"):
            if getattr(arguments, option):
                raise cases.SelectionError(f"--{option}: should not be with --accuracy, whose data have their shapes")
        names = cases.parse_names("--accuracy", arguments.accuracy, datasets.SETS)
        arguments.cases = cases.select_data(names, jobs, layouts, dtypes)
        return
    shapes = cases.QUICK_SHAPES if arguments.quick else cases.SHAPES
    if arguments.shapes is not None:
        shapes = cases.parse_shapes(arguments.shapes)
    arguments.cases = cases.select(shapes, jobs, layouts, dtypes)


def parse_peers(text, folder):
    further = sorted(file.stem.removeprefix("peer_") for file in folder.glob("peer_*.py")) if folder else []
    if folder and not further:
        raise cases.SelectionError(f"--peer-folder: {folder} should hold files peer_NAME.py")
    return cases.parse_names("--peers", text, (*peer.NAMES, *further))

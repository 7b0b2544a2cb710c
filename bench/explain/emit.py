"""A kernel's generator leaves Halide's page of the lowered statement, the statement as text, the assembly, and the loop
nest."""

import pathlib
import subprocess
import sys

from variants import PREFETCH

HERE = pathlib.Path(__file__).resolve().parent


class EmitError(Exception):
    pass


def emit(generator, kernel, variant, folder):
    base = folder / kernel.name
    generate = [generator, "-g", f"{kernel.stage}_{kernel.dtype}", "-f", kernel.name, "-o", folder,
                f"target={variant.target}"]
    parameters = kernel.parameters(variant)
    run([*generate, "-e", "stmt,stmt_html,assembly", *parameters])
    # Halide 21 does not read a prefetch of an input back. The loops are the same.
    run([*generate, "-e", "hlpipe", *(word for word in parameters if word != PREFETCH)])
    pipeline = base.with_suffix(".hlpipe")
    # Halide prints a loop nest on stderr only, from a pipeline; a program of its own keeps that apart.
    nest = run([sys.executable, HERE / "loop_nest.py", pipeline])
    pipeline.unlink()
    base.with_suffix(".nest.txt").write_text(nest)
    return base.with_suffix(".stmt").read_text(), base.with_suffix(".s").read_text()


def run(command):
    """Its stderr."""
    command = [str(word) for word in command]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise EmitError(f"{' '.join(command)}\nexit status {done.returncode}\n{done.stdout}{done.stderr}".rstrip())
    return done.stderr

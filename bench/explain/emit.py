"""A kernel's generator is run once, and leaves: Halide's page of the lowered statement, the statement as text, the
assembly, and the loop nest."""

import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


class EmitError(Exception):
    pass


def emit(generator, kernel, variant, folder):
    base = folder / kernel.name
    run([generator, "-g", f"{kernel.stage}_{kernel.dtype}", "-f", kernel.name, "-o", folder,
         "-e", "stmt,stmt_html,assembly,hlpipe", f"target={variant.target}", *kernel.parameters(variant)])
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

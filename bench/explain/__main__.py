"""./run explain: what became of a variant's kernels, and how far their hot loops are from what the processor allows."""

import argparse
import concurrent.futures
import json
import os
import pathlib
import shutil
import sys

import cpus
import emit
import forms
import hot_loops
import mca
import report
import table
import variants

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Parser(argparse.ArgumentParser):
    def error(self, message):
        variants.refuse(message)


def arguments():
    parser = Parser(prog="explain", add_help=False, allow_abbrev=False)
    parser.add_argument("variant", metavar="VARIANT")
    parser.add_argument("--platform", choices=variants.PLATFORMS)
    parser.add_argument("--stage", action="append", choices=variants.STAGES)
    parser.add_argument("--layout", action="append", choices=variants.LAYOUTS)
    parser.add_argument("--dtype", action="append", choices=variants.DTYPES)
    parser.add_argument("--form", action="append")
    parser.add_argument("--cpu", action="append")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/x86-64-linux", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "build/explain", help=argparse.SUPPRESS)
    parser.add_argument("--print-schedule", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def check_forms(chosen, known):
    for form in chosen:
        if form != "all" and form not in known:
            variants.refuse(f"--form was '{form}', should be all or one of {', '.join(known)}")


def main():
    args = arguments()
    entries = variants.read(args.build)
    variant = variants.choose(entries, args.variant, args.platform)
    stages = args.stage or variants.DEFAULT_STAGES
    for stage in stages:
        if stage in variants.APART_STAGES and not variant.in_activate:
            variants.refuse(f"--stage was '{stage}', should be another: {variant.name} has all activations in normalize")
    kernels = variants.kernels(stages, args.layout or variants.LAYOUTS, args.dtype or ["f32"])
    header = (ROOT / "generators/activation_forms.h").read_text()
    known = dict.fromkeys(name for stage in variants.STAGES for name in forms.names(header, stage))
    chosen_forms = args.form or (["all"] if set(stages) <= set(variants.APART_STAGES) else forms.DEFAULT)
    check_forms(chosen_forms, known)
    program = mca.find()
    chosen = args.cpu or cpus.cpus_for(variant.arch, variant.features)
    models = {cpu: mca.model_of(program, variant.arch, cpu) for cpu in chosen}
    for cpu, model in models.items():
        if not model:
            variants.refuse(
                f"--cpu was '{cpu}', should be a processor that llvm-mca has a model of for {variant.platform}")
    if args.print_schedule:
        print(variant.schedule)
        return

    import page  # needs jinja2, which checking the arguments does not
    default = variants.choose(entries, args.variant).platform
    folder = args.out / (variant.name if variant.platform == default else f"{variant.name}-{variant.platform}")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    data = {
        "variant": variant.name, "platform": variant.platform, "target": variant.target, "schedule": variant.schedule,
        "llvm": mca.version(program), "forms": chosen_forms,
        "vector_bytes": cpus.vector_bytes(variant.arch, variant.features),
        "cpus": [{"name": cpu, "model": model} for cpu, model in models.items()],
        "notes": [cpus.NOTES[cpu] for cpu in chosen if cpu in cpus.NOTES],
    }
    generator = args.build / "generators" / variant.schedule

    def explain(kernel):
        names = forms.names(header, kernel.stage)
        stmt, assembly = emit.emit(generator, kernel, variant, folder)
        target = hot_loops.Target(variant.arch, tuple(chosen), variants.DTYPES[kernel.dtype], data["vector_bytes"])
        results, outline = hot_loops.find(stmt, assembly, target, program, forms.numbers(chosen_forms, names))
        return report.kernel_data(kernel, results, outline, names)

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        data["kernels"] = list(pool.map(explain, kernels))
    page.write(data, folder)
    listed = {**data, "kernels": [{k: v for k, v in kernel.items() if k != "outline"} for kernel in data["kernels"]]}
    (folder / "hot_loops.json").write_text(json.dumps(listed, indent=1) + "\n")
    for line in table.lines(data):
        print(line)
    print(f"\n{os.path.relpath(folder / 'index.html')}")


if __name__ == "__main__":
    try:
        main()
    except (mca.McaError, emit.EmitError) as error:
        sys.exit(f"explain: {error}")

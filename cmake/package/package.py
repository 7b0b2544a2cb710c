"""./run package: one archive per platform, the same bits wherever it is made.

Libraries are what `cmake --install` gives. A kit, for a platform whose compiler is not here, has the kernels as they were
emitted, and the runtime's sources with a CMakeLists.txt of their own (in this folder).
"""

import argparse
import datetime
import gzip
import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import tarfile
import uuid

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
GPU_SOURCES = ("gpu_cuda", "gpu_load", "gpu_opencl")  # of runtime/, for which kits have no kernels
# How a kit is configured with the toolchain that most would use. That of aarch64-linux is there to be tested.
CONFIGURE = {
    "aarch64-android": "-DCMAKE_TOOLCHAIN_FILE=$NDK/build/cmake/android.toolchain.cmake -DANDROID_ABI=arm64-v8a -DANDROID_PLATFORM=21",
    "armv7-android": "-DCMAKE_TOOLCHAIN_FILE=$NDK/build/cmake/android.toolchain.cmake -DANDROID_ABI=armeabi-v7a -DANDROID_PLATFORM=21",
    "aarch64-ios": "-DCMAKE_SYSTEM_NAME=iOS -DCMAKE_OSX_ARCHITECTURES=arm64",
    "aarch64-macos": "-DCMAKE_OSX_ARCHITECTURES=arm64",
    "x86-64-windows": "-G Ninja -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++",
    "aarch64-noos": "-DCMAKE_TOOLCHAIN_FILE=your-toolchain.cmake",
    "armv7-noos": "-DCMAKE_TOOLCHAIN_FILE=your-toolchain.cmake",
    "aarch64-linux": "-DCMAKE_TOOLCHAIN_FILE=your-toolchain.cmake",
}
RUN = "The tests build this kit by a cross compiler and run it under an emulator."
NOT_RUN = ("Nothing of this kit has run on its platform: its kernels were emitted and looked at, its runtime was compiled "
           "by clang for\nthe platform against declarations of the functions that it calls. The same kit for aarch64-linux "
           "is built and run by the tests.")


def main():
    arguments = parse()
    variants = platform_variants(arguments.build)
    name = f"halnorm-{arguments.version}-{arguments.platform}" + ("-custom" if arguments.custom else "")
    folder = arguments.out / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (kit if arguments.kit else library)(folder, arguments, variants)
    write_bill(folder, name, arguments)
    write_sums(folder)
    archive = arguments.out / f"{name}.tar.gz"
    archive.write_bytes(packed(folder, name))
    print(f"{os.path.relpath(archive)}: {archive.stat().st_size} bytes, sha256 {hashlib.sha256(archive.read_bytes()).hexdigest()}")


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("platform")
    parser.add_argument("--build", type=pathlib.Path, required=True, help="a build of it, or of its kernels")
    parser.add_argument("--kit", action="store_true", help="kernels and sources instead of a library")
    parser.add_argument("--cmake", required=True)
    parser.add_argument("--halide", type=pathlib.Path, required=True, help="the folder of Halide's Python package")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--custom", action="append", default=[], metavar="-DOPTION=VALUE",
                        help="of the build, for the README: what it was limited to")
    arguments = parser.parse_args()
    text = (ROOT / "CMakeLists.txt").read_text()
    arguments.version = re.search(r"project\(halnorm VERSION ([\d.]+)", text)[1]
    arguments.halide_version = re.search(r"^halide==([\d.]+)", (ROOT / "cmake/requirements.txt").read_text(), re.M)[1]
    return arguments


def platform_variants(build):
    """Of the table that the runtime is compiled with."""
    return re.findall(r'^    {"(\w+)"', (build / "kernels/variants_table.cpp").read_text(), re.M)


def fill(template, to, **values):
    text = (HERE / template).read_text()
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    left = re.search(r"@\w+@", text)
    assert not left, f"{template}: {left and left[0]} has no value"
    to.write_text(text)


def library(folder, arguments, variants):
    for component in ("library", "state"):
        subprocess.run([arguments.cmake, "--install", arguments.build, "--prefix", folder, "--component", component],
                       check=True, stdout=subprocess.DEVNULL)
    libs = re.search(r"^Libs: -L\$\{libdir\} -lhalnorm ?(.*)$", next(folder.rglob("halnorm.pc")).read_text(), re.M)[1]
    words = [word for word in libs.split() if word != "-lm"]
    needs = {"-pthread": "pthreads", "-ldl": "libdl"}
    has_state = (folder / "lib/libhalnorm_state.a").exists()
    fill("README.library.md", folder / "README.md", version=arguments.version, platform=arguments.platform,
         variants=listed(variants), needs="".join(f", {needs[word]}" for word in words), link=libs,
         state="`halnorm::state` (COMPONENTS state, halnorm-state.pc) reads and writes layers as safetensors files.\n"
         if has_state else "", only=only(arguments.custom))


def kit(folder, arguments, variants):
    kernels = folder / "kernels"
    built = arguments.build / "kernels"
    for path in sorted(built.iterdir()):
        if path.name.endswith("_table.cpp") or is_kernel(path, variants):
            put(path, kernels / path.name)
    for path in sorted((built / "include").iterdir()):
        if path.name == "built.h" or is_kernel(path, variants):
            put(path, kernels / "include" / path.name)
    headers = [path for path in (ROOT / "runtime").glob("*.h") if not path.name.startswith(GPU_SOURCES)]
    for path in sorted(headers + sources(arguments.build)):
        put(path, folder / "runtime" / path.name)
    for path in sorted((ROOT / "runtime/include/halnorm").iterdir()):
        put(path, folder / "include/halnorm" / path.name)
    for name in ("activation_forms.h", "agreed.h"):
        put(ROOT / "generators" / name, folder / "generators" / name)
    put(arguments.halide / "include/HalideRuntime.h", folder / "halide/HalideRuntime.h")
    put(arguments.halide / "share/doc/Halide/LICENSE.txt", folder / "LICENSE.halide")
    put(ROOT / "LICENSE", folder / "LICENSE")
    put(ROOT / "docs/semantics.md", folder / "docs/semantics.md")
    fill("CMakeLists.txt", folder / "CMakeLists.txt", version=arguments.version)
    put(ROOT / "cmake/HalnormAtomics.cmake", folder / "cmake/HalnormAtomics.cmake")
    fill("README.kit.md", folder / "README.md", name=folder.name, version=arguments.version, platform=arguments.platform,
         variants=listed(variants), configure=CONFIGURE[arguments.platform], halide=arguments.halide_version,
         checked=RUN if arguments.platform == "aarch64-linux" else NOT_RUN, only=only(arguments.custom))


def is_kernel(path, variants):
    """Not what an earlier configuration has left."""
    match = re.fullmatch(r"halnorm_\w+__(\w+)\.(o|obj|h|halide_generated\.cpp)", path.name)
    return match is not None and match[1] in variants


def sources(build):
    """Of the runtime, as this build compiles them. Kits have no kernels for GPUs, and their sources."""
    commands = json.loads((build / "compile_commands.json").read_text())
    files = {pathlib.Path(command["file"]) for command in commands}
    return sorted(file for file in files if file.parent == ROOT / "runtime" and not file.name.startswith(GPU_SOURCES))


def only(custom):
    """A paragraph of the README."""
    if not custom:
        return ""
    options = " ".join(option.removeprefix("-D") for option in custom)
    return (f"Made for one app, with {options}: what else is asked for is refused (HALNORM_ERROR_UNSUPPORTED), or does not "
            "link.\n\n")


def listed(variants):
    return " and ".join([", ".join(variants[:-1]), variants[-1]] if len(variants) > 1 else variants)


def put(source, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def moment():
    """What is written where a format wants a time."""
    return int(os.environ.get("SOURCE_DATE_EPOCH", 315532800))  # 1980, the first that all formats know


def write_bill(folder, name, arguments):
    from cyclonedx.contrib.license.factories import LicenseFactory
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output.json import JsonV1Dot5

    def component(what, version, **more):
        return Component(name=what, version=version, bom_ref=f"{what}@{version}", type=ComponentType.LIBRARY,
                         licenses=[LicenseFactory().make_from_string("MIT")], **more)

    whole = component("halnorm", arguments.version)
    parts = [component("halide", arguments.halide_version, description="has compiled the kernels")]
    if (folder / "lib/libhalnorm_state.a").exists():
        parts.append(component("nlohmann-json", json_version(arguments.build), description="in libhalnorm_state.a"))
    bill = Bom(components=parts, serial_number=uuid.uuid5(uuid.NAMESPACE_URL, name), metadata=BomMetaData(
        component=whole, timestamp=datetime.datetime.fromtimestamp(moment(), datetime.timezone.utc)))
    bill.register_dependency(whole, parts)
    text = json.loads(JsonV1Dot5(bill).output_as_string())
    (folder / "halnorm.cdx.json").write_text(json.dumps(text, indent=2, sort_keys=True) + "\n")


def json_version(build):
    folder = re.search(r"^nlohmann_json_DIR:PATH=(.*)$", (build / "CMakeCache.txt").read_text(), re.M)[1]
    text = pathlib.Path(folder, "nlohmann_jsonConfigVersion.cmake").read_text()
    return re.search(r'PACKAGE_VERSION "([\d.]+)"', text)[1]


def files_of(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def write_sums(folder):
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder)}\n" for path in files_of(folder)]
    (folder / "SHA256SUMS").write_text("".join(lines))


def packed(folder, name):
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in files_of(folder):
            entry = tarfile.TarInfo(f"{name}/{path.relative_to(folder)}")
            entry.size, entry.mode, entry.mtime = path.stat().st_size, 0o644, moment()
            with path.open("rb") as file:
                archive.addfile(entry, file)
    return gzip.compress(tar.getvalue(), compresslevel=9, mtime=moment())


if __name__ == "__main__":
    main()

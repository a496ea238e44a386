"""Run a command as if this machine had an older processor: the models' libraries then choose other kernels.

    python -m benchmarks.older_cpu avx2 -- pytest -m models

onnxruntime and llama.cpp ask the instruction `cpuid` what the processor can do, and have no setting for it. Copies of
their libraries are made in which a breakpoint stands in the place of every `cpuid`; a small library that is loaded into
the process answers it, without the features that the older processor lacks. numpy and OpenBLAS have settings. Needs
Linux on x86-64, a C compiler and objdump; the program runs at full speed.

`avx2` is an Intel Haswell or an AMD Zen 2, `avx` a Sandy Bridge, `sse` a Nehalem.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

PACKAGES = ("onnxruntime", "xllamacpp")
LEVELS = {"avx2": 1, "avx": 2, "sse": 3}
CORES = {"avx2": "Haswell", "avx": "Sandybridge", "sse": "Nehalem"}
"""OpenBLAS's names."""

ANSWER = r"""
#define _GNU_SOURCE
#include <cpuid.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

static int level;

static void answer(int number, siginfo_t *info, void *context) {
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    unsigned leaf = registers[REG_RAX], part = registers[REG_RCX], a, b, c, d;
    const unsigned char *behind = (const unsigned char *)registers[REG_RIP];
    if (behind[-1] != 0xCC || behind[0] != 0xA2) abort();
    __cpuid_count(leaf, part, a, b, c, d);
    if (leaf == 7 && part == 0) {
        b &= ~(1u << 16 | 1u << 17 | 1u << 21 | 3u << 26 | 1u << 28 | 3u << 30);       /* AVX-512 */
        c &= ~(1u << 1 | 1u << 6 | 7u << 8 | 3u << 11 | 1u << 14);                     /* its extensions, VAES */
        d &= ~(3u << 2 | 1u << 8 | 15u << 22);                                         /* FP16, AMX */
        if (level >= 2) b &= ~(1u << 3 | 1u << 5 | 1u << 8);                           /* AVX2, BMI */
    }
    if (leaf == 7 && part == 1) a = b = c = d = 0;                                     /* AVX-VNNI, BF16 */
    if (leaf == 1 && level >= 2) c &= ~(1u << 12 | 1u << 29);                          /* FMA, F16C */
    if (leaf == 1 && level >= 3) c &= ~(3u << 27);                                     /* AVX */
    registers[REG_RAX] = a, registers[REG_RBX] = b, registers[REG_RCX] = c, registers[REG_RDX] = d;
    registers[REG_RIP] += 1;
}

__attribute__((constructor)) static void begin(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = answer;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    level = atoi(getenv("OLDER_CPU_LEVEL"));
    sigaction(SIGTRAP, &action, 0);
}
"""
CPUID, BREAKPOINT = b"\x0f\xa2", b"\xcc\xa2"


def main() -> int:
    parser = argparse.ArgumentParser(description="Run a command as if this machine had an older processor.")
    parser.add_argument("level", choices=LEVELS)
    parser.add_argument("command", nargs="+", help="what to run, behind --")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that the folder is removed
    with tempfile.TemporaryDirectory(prefix="older-cpu-") as folder:
        changed = environment(options.level, Path(folder))
        return subprocess.call(options.command, env=os.environ | changed)


def environment(level: str, folder: Path) -> dict[str, str]:
    """The variables under which the libraries choose the kernels of `level`; what they name is in `folder`."""
    for package in PACKAGES:
        count = patched(package, folder)
        print(f"{package}: {count} times cpuid", file=sys.stderr)
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        "LD_PRELOAD": str(compiled(folder)),
        "OLDER_CPU_LEVEL": str(LEVELS[level]),
        "PYTHONPATH": os.pathsep.join(paths),
        "OPENBLAS_CORETYPE": CORES[level],
        "NPY_DISABLE_CPU_FEATURES": " ".join(numpy_features(level)),
    }


def numpy_features(level: str) -> list[str]:
    """The features that numpy uses on this machine and can be told not to."""
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    newer = r"AVX512|V4" if level == "avx2" else r"AVX512|V4|AVX2|FMA|V3"
    return [name for name in __cpu_dispatch__ if __cpu_features__.get(name) and re.search(newer, name)]


def compiled(folder: Path) -> Path:
    source, library = folder / "answer.c", folder / "answer.so"
    source.write_text(ANSWER)
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(source)], check=True)
    return library


def patched(package: str, folder: Path) -> int:
    """Copy a package, with a breakpoint for each `cpuid` of its libraries; how many there are."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        sys.exit(f"{package} is not installed")
    copy = folder / package
    shutil.copytree(Path(spec.origin).parent, copy, ignore=shutil.ignore_patterns("libonnxruntime.so*"))
    return sum(_patch(library) for library in copy.rglob("*.so"))


def _patch(library: Path) -> int:
    places = [place for start, stop, at in _code(library) for place in _cpuids(library, start, stop, at)]
    with library.open("r+b") as file:
        for place in places:
            file.seek(place)
            if file.read(2) != CPUID:
                sys.exit(f"{library.name}: no cpuid at {place:#x} of the file")
            file.seek(place)
            file.write(BREAKPOINT)
    return len(places)


def _code(library: Path) -> list[tuple[int, int, int]]:
    """The addresses of the sections of code, and where in the file they begin."""
    listed = subprocess.run(["objdump", "-h", "-w", str(library)], capture_output=True, text=True, check=True).stdout
    sections = re.findall(r"^ *\d+ \S+ +(\w+) +(\w+) +\w+ +(\w+) .*CODE", listed, re.MULTILINE)
    return [(int(vma, 16), int(vma, 16) + int(size, 16), int(at, 16)) for size, vma, at in sections]


def _cpuids(library: Path, start: int, stop: int, at: int) -> list[int]:
    """Places of `cpuid` in the file: by the disassembly, as the two bytes also occur within other instructions."""
    command = [
        "objdump",
        "-d",
        "--no-show-raw-insn",
        f"--start-address={start}",
        f"--stop-address={stop}",
        str(library),
    ]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [int(found, 16) - start + at for found in re.findall(r"^ *(\w+):\s+cpuid", listed, re.MULTILINE)]


if __name__ == "__main__":
    sys.exit(main())

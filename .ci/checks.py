"""Run the checks of this project in the current environment, and report each with its time.

`python .ci/checks.py` runs lint, types, docs and tests; a failing check does not keep the next one from running.
`python .ci/checks.py unit` runs one by its name; `python .ci/checks.py tests -k voices` gives pytest the rest.
"""

from __future__ import annotations

import io
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[1]

# `loadgroup`: tests that share a server or a loaded model stay on one worker. Two workers, for the two cores of CI.
PYTEST = ["-m", "pytest", "-n", "2", "--dist", "loadgroup"]

CHECKS: dict[str, list[list[str]]] = {
    "lint": [["-m", "ruff", "format", "--check", "."], ["-m", "ruff", "check", "."]],
    "types": [["-m", "basedpyright", "--pythonpath", sys.executable, "--warnings"]],
    "docs": [["-m", "sphinx", "-W", "--keep-going", "-E", "-b", "html", "docs", "docs/_build/html"]],
    "unit": [[*PYTEST, "-m", "unit"]],
    "tests": [["-m", "voicepipe", "models", "fetch"], PYTEST],
}
AT_ONCE = ("lint", "types", "docs")
"""Checks that use one core each: they run beside each other, before the tests."""


def main(words: Sequence[str]) -> int:
    """Run the named checks, or all, and return 0 if each passed."""
    name, *more = words or [""]
    if name and name not in CHECKS:
        print(f"{name!r} is not a check; there are {', '.join(CHECKS)}, and all but unit run without a name")
        return 2
    chosen = [name] if name else [*AT_ONCE, "tests"]
    results: dict[str, tuple[bool, float]] = {}
    with ThreadPoolExecutor(2) as pool:
        quick = [check for check in chosen if check in AT_ONCE]
        for check, (passed, seconds, output) in zip(quick, pool.map(_captured, quick), strict=True):
            print(f"---- {check}\n{output}", flush=True)
            results[check] = passed, seconds
    for check in chosen:
        if check not in AT_ONCE:
            print(f"---- {check}", flush=True)
            began = time.monotonic()
            results[check] = _passes(check, more), time.monotonic() - began
    print(
        "\n" + "\n".join(f"{'ok    ' if ok else 'FAILED'} {check:6} {s:4.0f} s" for check, (ok, s) in results.items())
    )
    return 0 if all(ok for ok, _ in results.values()) else 1


def _captured(check: str) -> tuple[bool, float, str]:
    """Return whether a check passed, its seconds, and what it printed."""
    began, output = time.monotonic(), io.StringIO()
    passed = _passes(check, [], output)
    return passed, time.monotonic() - began, output.getvalue()


def _passes(check: str, more: Sequence[str], output: io.StringIO | None = None) -> bool:
    """Run a check's commands, the last one with `more`; all of them, though the first fails."""
    *first, last = CHECKS[check]
    codes: list[int] = []
    for command in [*first, [*last, *more]]:
        pipe, errors = (None, None) if output is None else (subprocess.PIPE, subprocess.STDOUT)
        done = subprocess.run([sys.executable, *command], cwd=ROOT, stdout=pipe, stderr=errors, text=True, check=False)
        codes.append(done.returncode)
        if output is not None:
            output.write(done.stdout)
    return not any(codes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

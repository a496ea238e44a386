"""The start of a server: what it does not import, and when the garbage collector works."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from voicepipe.cli.startup import starting

START = """
import gc, sys
from voicepipe.cli.startup import end_start, starting
with starting():
    import voicepipe.cli.logs, voicepipe.engine.build, voicepipe.server, voicepipe.settings
    print(gc.isenabled(), gc.get_freeze_count())
    print(sorted({"rich", "pygments", "av", "num2words", "onnxruntime"} & set(sys.modules)))
    end_start()
    print(gc.isenabled(), gc.get_freeze_count() > 50_000)
import rich.console
voicepipe.cli.logs.configure_logs()
"""


@pytest.mark.programs
def test_a_server_that_starts_imports_no_rich_and_collects_no_garbage() -> None:
    """Afterwards what it has imported is exempt from garbage collection, and rich can be imported."""
    done = subprocess.run([sys.executable, "-c", START], capture_output=True, text=True, check=True)
    assert done.stdout == "False 0\n[]\nTrue True\n"


def test_after_a_start_that_failed_the_collector_is_on() -> None:
    """A test, or a program that has called `main`, goes on."""

    def failing_start() -> None:
        with starting():
            assert not gc.isenabled()
            raise LookupError("a mistake of the user")

    with pytest.raises(LookupError):
        failing_start()
    assert gc.isenabled()

"""The start of a server: what it does not import, and when the garbage collector works."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from voicepipe.cli.startup import starting

START = """
import gc, os, sys
from importlib import metadata
from voicepipe.cli.startup import end_start, starting
searched = []
metadata.entry_points = lambda **asked: searched.append(asked) or ()
with starting():
    import voicepipe.cli.logs, voicepipe.engine.build, voicepipe.server, voicepipe.settings
    print(gc.isenabled(), gc.get_freeze_count())
    absent = {"rich", "pygments", "greenlet", "docstring_parser", "av", "num2words", "onnxruntime"}
    print(sorted(absent & set(sys.modules)), searched, "PYDANTIC_DISABLE_PLUGINS" in os.environ)
    end_start()
    print(gc.isenabled(), gc.get_freeze_count() > 50_000)
import rich.console
voicepipe.cli.logs.configure_logs()
"""

DECODERS = """
import os
from voicepipe.audio import OggOpus
from voicepipe.cli.startup import end_start
from voicepipe.testing.servers.tones import silence

def resident_kib():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024

def decoders(count):
    made = [OggOpus().decoder() for _ in range(count)]
    for decode in made:
        decode(packet)
    return made

packet = OggOpus().encoder()(silence(0.04))
end_start()
freed = bytearray(64_000_000)  # the heap has had its peak
del freed
decoders(1)
before = resident_kib()
made = decoders(50)
print((resident_kib() - before) / 50)
"""


@pytest.mark.programs
def test_a_server_that_starts_imports_no_rich_looks_for_no_plugins_and_collects_no_garbage() -> None:
    """Afterwards what it has imported is exempt from garbage collection, and rich can be imported."""
    done = subprocess.run([sys.executable, "-c", START], capture_output=True, text=True, check=True)
    assert done.stdout == "False 0\n[] [] False\nTrue True\n"


def test_after_a_start_that_failed_the_collector_is_on() -> None:
    """A test, or a program that has called `main`, goes on."""

    def failing_start() -> None:
        with starting():
            assert not gc.isenabled()
            raise LookupError("a mistake of the user")

    with pytest.raises(LookupError):
        failing_start()
    assert gc.isenabled()


@pytest.mark.programs
@pytest.mark.skipif(sys.platform != "linux", reason="/proc and glibc's malloc are Linux's")
def test_the_unused_part_of_a_decoders_buffer_takes_no_memory() -> None:
    """Of 480 kB 16 are used; without a mapping of its own a conversation took all of them, or 135 kB in a new heap."""
    done = subprocess.run([sys.executable, "-c", DECODERS], capture_output=True, text=True, check=True)
    assert float(done.stdout) <= 60

"""The parent of a head's processes, with processes of the test's own in the place of Ray's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest

from voicepipe.cluster.supervisor import RayProcess, restart_pauses

pytestmark = [pytest.mark.programs, pytest.mark.skipif(sys.platform != "linux", reason="the head runs on Linux")]

RAY = """#!/bin/sh
for name in gcs_server raylet; do
  "$(dirname "$0")/$name" 1000 &
  until grep -q "$name" "/proc/$!/cmdline"; do :; done
done
echo Ray runtime started
"""
"""`ray start --head`: it leaves two processes behind, and ends."""


@pytest.fixture
def head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[str]]:
    """A head whose two processes only wait."""
    for name in ("gcs_server", "raylet"):
        (tmp_path / name).symlink_to("/bin/sleep")
    (tmp_path / "ray").write_text(RAY)
    (tmp_path / "ray").chmod(0o700)
    (tmp_path / "token").write_text("t")
    (tmp_path / "python").symlink_to(sys.executable)
    own = {"RAY_AUTH_TOKEN_PATH": str(tmp_path / "token"), "XDG_STATE_HOME": str(tmp_path), "RAY_AUTH_MODE": "token"}
    code = f"import sys; sys.executable = {str(tmp_path / 'python')!r}; from voicepipe.cluster.supervisor import main"
    words = [sys.executable, "-c", f"{code}; sys.exit(main(['127.0.0.1', '1']))"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env={**os.environ, **own}) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "Ray runtime started\n"
            yield process
        finally:
            process.terminate()
            process.wait(20)
            assert children(process.pid) == {}


def children(parent: int) -> dict[str, int]:
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            of = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if of == parent:
                found[RayProcess.read(int(entry.name)).name] = int(entry.name)
        except OSError:
            continue
    return found


def running(head: subprocess.Popen[str]) -> dict[str, int]:
    """Both processes, once the head has adopted them."""
    until(lambda: {"gcs_server", "raylet"} <= set(children(head.pid)))
    return children(head.pid)


def until(true: Callable[[], bool]) -> None:
    ends_s = time.monotonic() + 20
    while not true():
        assert time.monotonic() < ends_s
        time.sleep(0.01)


def test_a_book_keeper_that_was_killed_is_started_again_and_the_others_run_on(head: subprocess.Popen[str]) -> None:
    before = running(head)
    os.kill(before["gcs_server"], signal.SIGKILL)
    until(lambda: children(head.pid).get("gcs_server", before["gcs_server"]) != before["gcs_server"])
    assert children(head.pid)["raylet"] == before["raylet"]
    command = (Path("/proc") / str(children(head.pid)["gcs_server"]) / "cmdline").read_bytes()
    assert command.endswith(b"gcs_server\x001000\x00")


def test_a_machine_without_its_raylet_ends(head: subprocess.Popen[str]) -> None:
    os.kill(running(head)["raylet"], signal.SIGKILL)
    assert head.wait(20) == 1


def test_the_pauses_of_a_book_keeper_that_cannot_run_grow() -> None:
    assert list(islice(restart_pauses(), 8)) == [0, 1, 2, 4, 8, 16, 30, 30]

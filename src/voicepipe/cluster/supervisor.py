"""The parent of a head's Ray processes: `python -m voicepipe.cluster.supervisor ADDRESS PORT`.

`ray start --block` ends all processes of its machine when one of them dies, and with them all sessions there: also when
`gcs_server`, the cluster's book-keeping, has crashed. Replicas and their sessions do not need it. So this parent starts
it again, with what it had written to disk, and leaves the others alone; it ends them all when it gets SIGTERM, or when
the machine's `raylet` has ended, without which no replica runs.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from platformdirs import user_state_path

from voicepipe.cluster.connection import ray_environment
from voicepipe.cluster.node import head_command

__all__ = ["RayProcess", "main", "restart_pauses", "supervisor_command"]

CONTROL, RAYLET = "gcs_server", "raylet"
STEADY_S = 60.0
"""A book-keeper that lived for so long is started again without a pause that grows."""

_PR_SET_CHILD_SUBREAPER = 36
"""From linux/prctl.h."""
_TERM_S, _KILL_S, _LOOK_S = 10.0, 5.0, 0.05

log = structlog.get_logger()


def supervisor_command(address: str, port: int) -> list[str]:
    """Return the command of a head's parent."""
    return [sys.executable, "-m", __name__, address, str(port)]


def main(words: Sequence[str]) -> int:
    """Start a head, and watch it. Returns the exit code: that of `ray start`, or 1 when the raylet has ended."""
    address, port = words
    _adopt_orphans()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    try:
        started = subprocess.run(head_command(address, int(port)), env=_environment(), check=False)
        return started.returncode or _watch()
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        _end_all()


def _environment() -> dict[str, str]:
    """Return the head's variables: its book-keeping is written to a folder of its own, which starts empty."""
    folder = user_state_path("voicepipe") / "cluster-state"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return {
        **os.environ,
        **ray_environment(),
        "RAY_gcs_storage": "rocksdb",
        "RAY_gcs_storage_path": str(folder),
    }


def _adopt_orphans() -> None:
    """Become the parent of what `ray start` leaves behind, and of what those leave behind. Linux only."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "cannot adopt the processes of Ray")


def _leave(*_: Any) -> None:
    raise SystemExit(0)


# ---- watching --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RayProcess:
    """A process of Ray, with what it needs to be started again."""

    pid: int
    command: tuple[str, ...]
    environment: dict[str, str]

    @classmethod
    def read(cls, pid: int) -> RayProcess:
        """Read a process from the kernel. Raises OSError if it has ended."""
        entry = Path(f"/proc/{pid}")
        words, variables = ((entry / name).read_bytes().decode().split("\0") for name in ("cmdline", "environ"))
        pairs = (variable.partition("=") for variable in variables if variable)
        return cls(pid, tuple(words[:-1]), {name: value for name, _, value in pairs})

    @property
    def name(self) -> str:
        """The name of its program."""
        return Path(self.command[0]).name if self.command else ""

    def again(self) -> RayProcess:
        """Start it once more, by the same words."""
        pid = os.posix_spawn(self.command[0], self.command, self.environment)
        return RayProcess(pid, self.command, self.environment)


def restart_pauses() -> Iterator[float]:
    """Yield the pauses before a book-keeper that dies again and again is started, in seconds: 0, 1, 2, 4 … 30."""
    yield 0.0
    pause_s = 1.0
    while True:
        yield pause_s
        pause_s = min(30.0, 2 * pause_s)


def _watch() -> int:
    """Start the book-keeper again whenever it has died; return when the raylet has ended."""
    running = {process.name: process for process in map(RayProcess.read, _children())}
    control, raylet = running[CONTROL], running[RAYLET]
    pauses, began_s = restart_pauses(), time.monotonic()
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == raylet.pid:
            log.error("head.raylet_ended", status=status)
            return 1
        if pid == control.pid:
            if time.monotonic() - began_s > STEADY_S:
                pauses = restart_pauses()
            log.warning("head.control_restarted", status=status)
            time.sleep(next(pauses))
            control, began_s = control.again(), time.monotonic()


# ---- the end ---------------------------------------------------------------------------------------------------------


def _children() -> list[int]:
    """Return the children of this process."""
    found: list[int] = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            state, parent = (entry / "stat").read_text("utf-8").rpartition(")")[2].split()[:2]
            if int(parent) == os.getpid() and state != "Z":
                found.append(int(entry.name))
    return found


def _end_all() -> None:
    """End all processes that are left: those that run sessions first, then the book-keeper, to which they report."""
    for number, within_s in ((signal.SIGTERM, _TERM_S), (signal.SIGKILL, _KILL_S)):
        ends_s = time.monotonic() + within_s
        told: set[int] = set()
        while (left := _children()) and time.monotonic() < ends_s:
            others = [pid for pid in left if _name(pid) != CONTROL]
            for pid in others or left:
                if pid not in told:
                    told.add(pid)
                    with suppress(ProcessLookupError):
                        os.kill(pid, number)
            _reap()
            time.sleep(_LOOK_S)
    _reap()


def _name(pid: int) -> str:
    with suppress(OSError):
        return RayProcess.read(pid).name
    return ""


def _reap() -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

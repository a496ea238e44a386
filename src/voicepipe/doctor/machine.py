"""The machine: cores and their quota, memory, open files, and the clock."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from voicepipe.boundary.cores import usable_cores
from voicepipe.doctor.findings import Finding, fault, fine, warning

__all__ = ["Machine", "machine_findings"]

# A conversation holds its socket; with services three more, and for some seconds one of a renewed recogniser.
_FILES_A_SESSION, _OTHER_FILES = 5, 128
# Python with voicepipe: 99 MB under load, and 1 to 3 MB a conversation, by `voicepipe bench`.
_PROCESS_MB, _SESSION_MB = 150.0, 3.0
# `adjtimex` returns this while nothing keeps the clock right (TIME_ERROR in sys/timex.h).
_UNSYNCHRONISED = 5
_TIMEX_BYTES = 512


@dataclass(frozen=True, slots=True)
class Machine:
    """The resources of a machine.

    Args:
        cores: Whole cores that this process may use.
        installed: Cores that are built in.
        throttled: How often a quota has held this process's group up, since its start.
        memory_mb: What is available; None where the system does not tell.
        files: How many files and sockets a process may have open; None where there is no limit.
        clock_is_kept: Whether something keeps the clock right; None where the system does not tell.
    """

    cores: int
    installed: int
    throttled: int
    memory_mb: float | None
    files: int | None
    clock_is_kept: bool | None

    @classmethod
    def this(cls) -> Machine:
        """Return this machine, as it is now."""
        return cls(usable_cores(), os.cpu_count() or 1, _throttled(), _memory_mb(), _open_files(), _clock_is_kept())


def machine_findings(machine: Machine, *, sessions: int, workers: int, models_mb: float) -> Iterator[Finding]:
    """Yield what the machine is like for a server.

    Args:
        machine: The machine.
        sessions: The conversations that the server is to have at once.
        workers: Its processes.
        models_mb: The size of the models that each process loads.
    """
    yield _cores(machine, workers)
    yield _quota(machine)
    yield _memory(machine, workers * (_PROCESS_MB + models_mb) + sessions * _SESSION_MB)
    yield _files(machine, sessions)
    yield _clock(machine)


def _cores(machine: Machine, workers: int) -> Finding:
    said = (
        f"{machine.cores} of {machine.installed} may be used, by {workers} {'process' if workers == 1 else 'processes'}"
    )
    if workers > machine.cores:
        return warning("cores", said, f"set workers to {machine.cores}: more processes than cores wait for each other")
    return fine("cores", said)


def _quota(machine: Machine) -> Finding:
    if machine.throttled:
        said = f"the CPU quota of this container has held it up {machine.throttled} times since its start"
        return warning("CPU quota", said, "raise the quota, or lower max_sessions: each time all conversations stop")
    return fine("CPU quota", "it has held nothing up")


def _memory(machine: Machine, needed_mb: float) -> Finding:
    if machine.memory_mb is None:
        return fine("memory", f"about {needed_mb:.0f} MB are needed; this system does not tell what is free")
    said = f"{machine.memory_mb:.0f} MB are free, and about {needed_mb:.0f} MB are needed"
    if machine.memory_mb < needed_mb:
        return fault("memory", said, "give it more memory, or name services in place of embedded models")
    return fine("memory", said)


def _files(machine: Machine, sessions: int) -> Finding:
    needed = sessions * _FILES_A_SESSION + _OTHER_FILES
    if machine.files is None:
        return fine("open files", "there is no limit")
    said = f"{machine.files} may be open, and up to {needed} are needed"
    if machine.files < needed:
        return fault(
            "open files", said, f"raise the limit: ulimit -n {needed}, or LimitNOFILE={needed} in systemd's unit"
        )
    return fine("open files", said)


def _clock(machine: Machine) -> Finding:
    match machine.clock_is_kept:
        case None:
            return fine("clock", "this system does not tell whether it is kept right")
        case True:
            return fine("clock", "it is kept right")
        case False:
            remedy = (
                "start a time service (systemd-timesyncd, chrony) on the host: keys expire, and traces and logs lie"
            )
            return warning("clock", "nothing keeps it right", remedy)


# ---- the system ------------------------------------------------------------------------------------------------------


def _open_files() -> int | None:
    if sys.platform == "win32":
        return None
    import resource

    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def _throttled(stat: Path = Path("/sys/fs/cgroup/cpu.stat")) -> int:
    try:
        told = dict(line.split() for line in stat.read_text().splitlines())
        return int(told.get("nr_throttled", 0))
    except (OSError, ValueError):
        return 0


def _memory_mb(meminfo: Path = Path("/proc/meminfo"), cgroup: Path = Path("/sys/fs/cgroup")) -> float | None:
    """Return what is free on the machine, or within the group's limit where that is less."""
    found: list[float] = []
    try:
        told = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        found.append(int(told["MemAvailable"].split()[0]) / 1000)
    except (OSError, KeyError, ValueError):
        pass
    try:
        limit, used = ((cgroup / name).read_text().strip() for name in ("memory.max", "memory.current"))
        found.append((int(limit) - int(used)) / 1e6)
    except (OSError, ValueError):  # no limit is the word "max"
        pass
    return min(found, default=None)


def _clock_is_kept() -> bool | None:
    """Ask the kernel, which changes nothing: the fields of `struct timex` are all 0, which reads."""
    if sys.platform != "linux":
        return None
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != _UNSYNCHRONISED

"""The head of a cluster that `voicepipe cluster up` has started on this machine, remembered in a file."""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from platformdirs import user_state_path

from voicepipe.cluster.connection import ClusterError
from voicepipe.cluster.node import start_node
from voicepipe.cluster.supervisor import supervisor_command

__all__ = ["LocalHead", "log_file", "start_head"]

_START_S = 90.0
"""Ray's processes take 10 s to start on two cores that are idle."""
_STOP_S = 30.0
_LOOK_S = 0.1
_STARTED = b"Ray runtime started"


@dataclass(frozen=True, slots=True)
class LocalHead:
    """A running head: its process, when that was started by the kernel's clock, and its address."""

    pid: int
    born: str
    address: str

    @classmethod
    def find(cls) -> LocalHead | None:
        """Return the head of this machine; None if none was started, or it has ended."""
        try:
            head = cls(**json.loads(_file().read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        return head if _born(head.pid) == head.born else None

    def stop(self) -> None:
        """End the head and all its processes; they have 30 s. Raises ClusterError if they do not end."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
        ends_s = time.monotonic() + _STOP_S
        while _born(self.pid) == self.born and time.monotonic() < ends_s:
            time.sleep(_LOOK_S)
        if _born(self.pid) == self.born:
            raise ClusterError(f"the head (process {self.pid}) did not end within {_STOP_S:g} s")
        _file().unlink(missing_ok=True)


def start_head(address: str, port: int) -> LocalHead:
    """Start a head on this machine, and wait until it is ready. Raises ClusterError."""
    log = log_file()
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    process = start_node(supervisor_command(address, port), log)
    head = LocalHead(process.pid, _born(process.pid), f"{address}:{port}")
    ends_s = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < ends_s:
        if _STARTED in log.read_bytes():
            _file().write_text(json.dumps(asdict(head)), "utf-8")
            return head
        time.sleep(_LOOK_S)
    process.terminate()
    process.wait(timeout=_STOP_S)
    raise ClusterError(f"the head did not start; its words are in {log}")


def log_file() -> Path:
    """Return the file of the head's words."""
    return user_state_path("voicepipe") / "cluster.log"


def _file() -> Path:
    return user_state_path("voicepipe") / "cluster.json"


def _born(pid: int) -> str:
    """Return when a process was started, in the kernel's ticks; empty if it has ended. A pid is used again one day."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]

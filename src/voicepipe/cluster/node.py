"""The Ray processes of one machine: the commands that start them, and the start itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from voicepipe.cluster.connection import ClusterError, ray_environment

__all__ = ["PORT", "head_command", "join_command", "ray_program", "start_node"]

PORT = 6379
"""Ray's own port of a head."""


def ray_program() -> str:
    """Return the path of the program `ray`, beside this Python or on the path. Raises ClusterError."""
    beside = Path(sys.executable).with_name("ray")
    found = str(beside) if beside.is_file() else shutil.which("ray")
    if found is None:
        raise ClusterError("a cluster needs the extra `cluster`: there is no program `ray`")
    return found


def head_command(address: str, port: int) -> list[str]:
    """Return the command of the first machine, for `supervisor`. Nothing listens for people: there is no dashboard."""
    where = [f"--node-ip-address={address}", f"--port={port}"]
    return [ray_program(), "start", "--head", *where, *_DASHBOARD, *_COMMON]


def join_command(head: str, address: str | None = None) -> list[str]:
    """Return the command of a further machine: it lasts until it is stopped, or one of its processes has died.

    Args:
        head: The head's address and port.
        address: This machine's; None: the one from which it would reach the internet, as Ray finds it.
    """
    own = [] if address is None else [f"--node-ip-address={address}"]
    return [ray_program(), "start", f"--address={head}", "--block", *own, *_COMMON]


# The object store keeps nothing of ours: Ray's smallest is enough. If the dashboard is turned on, it listens on
# the loopback address only.
_COMMON: Sequence[str] = ("--object-store-memory=80000000", "--disable-usage-stats")
_DASHBOARD: Sequence[str] = ("--include-dashboard=false", "--dashboard-host=127.0.0.1")


def start_node(command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Start Ray's processes; their parent ends them all when it gets SIGTERM. Their words go to `log`."""
    with log.open("ab") as out:
        return subprocess.Popen(
            [*command],
            env={**os.environ, **ray_environment()},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

"""Three machines as network namespaces on a bridge: 10.77.0.1 to 10.77.0.3."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

__all__ = ["ADDRESSES", "cut", "inside", "kill_all", "machines"]

BRIDGE, PREFIX = "vpbridge", "vpnode"
ADDRESSES = ("10.77.0.1", "10.77.0.2", "10.77.0.3")


def _ip(*words: str, check: bool = True) -> None:
    subprocess.run(["ip", *words], check=check, capture_output=True)


@contextmanager
def machines() -> Iterator[None]:
    """Make the namespaces; at the end kill what is left in them, and remove them. Needs the rights of root."""
    try:
        _ip("link", "add", BRIDGE, "type", "bridge")
        _ip("link", "set", BRIDGE, "up")
        for number, address in enumerate(ADDRESSES):
            name, outer = f"{PREFIX}{number}", f"{PREFIX}{number}-o"
            _ip("netns", "add", name)
            _ip("link", "add", outer, "type", "veth", "peer", "name", "eth0", "netns", name)
            _ip("link", "set", outer, "master", BRIDGE, "up")
            _ip("-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                _ip("-n", name, "link", "set", device, "up")
        yield
    finally:
        for number in range(len(ADDRESSES)):
            kill_all(number)
            _ip("netns", "del", f"{PREFIX}{number}", check=False)
            _ip("link", "del", f"{PREFIX}{number}-o", check=False)
        _ip("link", "del", BRIDGE, check=False)


def inside(number: int, command: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """Return the command that runs in a namespace."""
    variables = [f"{name}={value}" for name, value in environment.items()]
    return ["ip", "netns", "exec", f"{PREFIX}{number}", "env", *variables, *command]


def cut(number: int, *, off: bool) -> None:
    """Take a machine's cable out, or put it back."""
    _ip("link", "set", f"{PREFIX}{number}-o", "down" if off else "up")


def kill_all(number: int) -> int:
    """Kill every process of a machine, as when its power fails; return how many there were."""
    listed = subprocess.run(["ip", "netns", "pids", f"{PREFIX}{number}"], capture_output=True, text=True)
    pids = [int(pid) for pid in listed.stdout.split()]
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return len(pids)

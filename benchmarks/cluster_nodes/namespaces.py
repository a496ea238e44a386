"""Machines of a test: each has a network of its own on a bridge (10.77.0.1 and its neighbours), and its own processes.

Their names are made of the process's number, and the bridge has no address, so that several runs do not meet. A program
of Ray looks for the Ray processes of its machine, and so has to see no others. Needs Linux and root.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

__all__ = ["Machines", "machines", "missing"]

_CLONE_NEWNET = 0x40000000
"""From linux/sched.h."""
_PROGRAMS = ("ip", "ss", "unshare", "nsenter", "setpriv")
_STARTERS = (b"setpriv", b"ip", b"unshare", b"sh", b"nsenter", b"env")
"""Programs that become, or start, the one that is meant."""


class Machines:
    """Some machines, by their numbers.

    Args:
        count: How many.
        folder: A folder whose contents each machine has for itself, from the folder beside it that ends in its number.
            Ray counts the sockets in it to find a free name.
    """

    def __init__(self, count: int, folder: Path) -> None:
        self._name = f"vp{os.getpid() % 10**7}"  # a device's name has 15 letters
        self.addresses = [f"10.77.0.{number + 1}" for number in range(count)]
        self._folder = folder
        self._first: dict[int, subprocess.Popen[bytes]] = {}

    def make(self) -> None:
        """Make them. Raises subprocess.CalledProcessError without the rights."""
        bridge = f"{self._name}b"
        _ip("link", "add", bridge, "type", "bridge")
        _ip("link", "set", bridge, "up")
        for number, address in enumerate(self.addresses):
            name, outer = self._namespace(number), self._cable(number)
            _ip("netns", "add", name)
            _ip("link", "add", outer, "type", "veth", "peer", "name", "eth0", "netns", name)
            _ip("link", "set", outer, "master", bridge, "up")
            _ip("-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                _ip("-n", name, "link", "set", device, "up")
            self.boot(number)

    def boot(self, number: int) -> None:
        """Start a machine: its first process does nothing, and all others end with it."""
        words = ["setpriv", "--pdeathsig", "KILL"]  # also when this process is killed
        words += ["ip", "netns", "exec", self._namespace(number), "unshare", "--pid", "--fork", "--mount-proc"]
        own = Path(f"{self._folder}{number}")
        for folder in (own, self._folder):
            folder.mkdir(parents=True, exist_ok=True)
        words += ["--kill-child", "sh", "-c", f"mount --bind '{own}' '{self._folder}' && exec sleep infinity"]
        self._first[number] = subprocess.Popen(words, stderr=subprocess.DEVNULL)
        while self.program(self._first[number]) is None:
            time.sleep(0.01)

    def program(self, process: subprocess.Popen[Any]) -> int | None:
        """Return the program that a command of `inside` has started; None if there is none yet, or no longer."""
        with suppress(OSError):
            for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text("utf-8").split():
                if _program(int(child)) not in _STARTERS:
                    return int(child)
        return None

    def remove(self) -> None:
        """Kill what is left in them, and remove what was made."""
        for number in range(len(self.addresses)):
            self.kill(number)
            _ip("netns", "del", self._namespace(number), check=False)
            _ip("link", "del", self._cable(number), check=False)
        _ip("link", "del", f"{self._name}b", check=False)

    def inside(self, number: int, command: Sequence[str], environment: Mapping[str, str]) -> list[str]:
        """Return the command that runs on a machine."""
        variables = [f"{name}={value}" for name, value in environment.items()]
        first = self.program(self._first[number])
        return ["nsenter", "-t", str(first), "--net", "--pid", "--mount", "env", "-C", "/tmp", *variables, *command]

    def listed(self, number: int, *command: str) -> list[str]:
        """Return the lines of a command on a machine's network, with processes by this machine's numbers."""
        words = ["ip", "netns", "exec", self._namespace(number), *command]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()

    @contextmanager
    def entered(self, number: int) -> Generator[None]:
        """Have the sockets that this thread opens, and threads that it starts, on a machine."""
        own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(self._file(number), os.O_RDONLY)
        try:
            _enter(there)
            yield
        finally:
            _enter(own)
            os.close(there)
            os.close(own)

    def pids(self, number: int) -> list[int]:
        """Return the processes of a machine, without those of this one that have started them."""
        return [pid for pid in self._inside(number) if _program(pid) not in _STARTERS]

    def _inside(self, number: int) -> list[int]:
        listed = subprocess.run(["ip", "netns", "pids", self._namespace(number)], capture_output=True, text=True)
        return [int(pid) for pid in listed.stdout.split()]

    # ---- what happens to them ---------------------------------------------------------------------------------------

    def cut(self, number: int) -> None:
        """Take a machine's cable out."""
        _ip("link", "set", self._cable(number), "down")

    def join(self, number: int) -> None:
        """Put a machine's cable back."""
        _ip("link", "set", self._cable(number), "up")

    def signal(self, number: int, what: signal.Signals) -> None:
        """Send a signal to every process of a machine."""
        first = self.program(self._first[number])
        for pid in self.pids(number):
            if pid != first:
                with suppress(ProcessLookupError):
                    os.kill(pid, what)

    def kill(self, number: int) -> None:
        """Kill all processes of a machine at once, as when its power fails; `boot` starts it again."""
        first = self._first.pop(number, None)
        if first is not None:
            program = self.program(first)
            if program is not None:
                os.kill(program, signal.SIGKILL)  # the kernel kills the others
        while left := self._inside(number):
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)
            if first is not None:
                first.poll()
        if first is not None:
            first.wait()

    def _namespace(self, number: int) -> str:
        return f"{self._name}-{number}"

    def _cable(self, number: int) -> str:
        return f"{self._name}o{number}"

    def _file(self, number: int) -> Path:
        return Path("/run/netns") / self._namespace(number)


@contextmanager
def machines(folder: Path, count: int = 3) -> Generator[Machines]:
    """Make machines, and remove them with all that runs on them."""
    made = Machines(count, folder)
    _remove_old()
    try:
        made.make()
        yield made
    finally:
        made.remove()


def _remove_old() -> None:
    """Remove what processes that were killed have left: their machines' processes ended with them."""
    names = [entry.name for entry in Path("/run/netns").glob("vp*-*")]
    listed = subprocess.run(["ip", "-br", "link"], capture_output=True, text=True, check=True).stdout
    names += [line.split()[0].partition("@")[0] for line in listed.splitlines()]
    for name in names:
        found = re.fullmatch(r"vp(\d+)(-\d+|o\d+|b)", name)
        if found is not None and not Path(f"/proc/{found[1]}").exists():
            _ip(*(("netns", "del") if found[2].startswith("-") else ("link", "del")), name, check=False)


def _program(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]
    return b""


def missing() -> str:
    """Return what this process lacks to make machines; empty if nothing."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "needs Linux and root"
    if absent := [name for name in _PROGRAMS if shutil.which(name) is None]:
        return f"needs the programs {', '.join(absent)} (iproute2, util-linux)"
    tried = subprocess.run(["unshare", "--net", "--mount", "--pid", "--fork", "true"], capture_output=True)
    return "needs the right to make namespaces (CAP_SYS_ADMIN)" if tried.returncode else ""


def _ip(*words: str, check: bool = True) -> None:
    subprocess.run(["ip", *words], check=check, capture_output=True)


def _enter(namespace: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(namespace, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "cannot enter a network namespace")

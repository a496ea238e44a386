"""A Ray cluster on machines of `namespaces`, its replicas, and programs on it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.cluster_nodes.namespaces import Machines
from voicepipe.cluster.connection import make_token
from voicepipe.cluster.supervisor import supervisor_command

__all__ = ["Nodes", "Replica", "Talkers", "TooSlow", "until"]

ROOT = Path(__file__).parents[2]
PORT = 6379
_STARTED = b"Ray runtime started"
_START_S = 120.0


class TooSlow(Exception):
    """Something did not come about in its time."""


def until(true: Callable[[], object], *, within_s: float, what: str) -> float:
    """Wait until something is true; return the seconds. Raises TooSlow."""
    began_s = time.monotonic()
    while not true():
        if time.monotonic() - began_s > within_s:
            raise TooSlow(f"{what}: not within {within_s:g} s")
        time.sleep(0.02)
    return time.monotonic() - began_s


@dataclass(frozen=True, slots=True)
class Replica:
    """A replica that runs: its process, its machine, and where it listens."""

    pid: int
    machine: int
    place: str


class Nodes:
    """The cluster.

    Args:
        machines: Its machines.
        folder: A folder with a short path: the sockets of Ray are there.
        paths: Folders of modules with stages.
        head: The number of the machine whose Ray processes know of all others.
    """

    def __init__(self, machines: Machines, folder: Path, *paths: Path, head: int = 1) -> None:
        self.machines, self.head, self._folder = machines, head, folder
        self._started: list[subprocess.Popen[bytes]] = []
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        token = folder / "token"
        self.environment = {
            **kept,
            "HOME": str(folder),
            "RAY_TMPDIR": str(folder),
            "RAY_AUTH_TOKEN_PATH": str(token),
            "XDG_STATE_HOME": str(folder),
            "PYTHONPATH": os.pathsep.join(map(str, [ROOT / "src", ROOT, *paths])),
            "PYTHONUNBUFFERED": "1",
        }
        make_token(token)

    def __enter__(self) -> Nodes:
        return self

    def __exit__(self, *_: object) -> None:
        """Kill all machines."""
        for number in range(len(self.machines.addresses)):
            self.machines.kill(number)
        for process in self._started:
            process.wait()

    @property
    def url(self) -> str:
        """The value of `--engine`."""
        return f"ray://{self.machines.addresses[self.head]}:{PORT}"

    def start(self) -> None:
        """Start Ray on all machines. Raises TooSlow."""
        self.start_node(self.head)
        others = [number for number in range(len(self.machines.addresses)) if number != self.head]
        for wait in [self.start_node(number, waits=False) for number in others]:
            wait()

    def start_node(self, number: int, *, waits: bool = True) -> Callable[[], None]:
        """Start Ray on one machine; return what waits until it has."""
        address, log = self.machines.addresses[number], self._folder / f"node{number}.log"
        join = ["cluster", "join", self.url.removeprefix("ray://"), "--address", address]
        words = supervisor_command(address, PORT) if number == self.head else _voicepipe(*join)
        log.unlink(missing_ok=True)
        process = self.run(number, words, log)

        def wait() -> None:
            def started() -> bool:
                if process.poll() is not None:
                    raise TooSlow(f"machine {number} did not start:\n{log.read_text()}")
                return _STARTED in log.read_bytes()

            until(started, within_s=_START_S, what=f"Ray on machine {number}")

        if waits:
            wait()
        return wait

    def run(self, number: int, words: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
        """Start a program on a machine; it ends with the machine."""
        with log.open("ab") as out:
            process = subprocess.Popen(
                self.machines.inside(number, words, self.environment),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        self._started.append(process)
        return process

    def deploy(self, app: str) -> None:
        """Bring the stages of an app file up. Raises TooSlow."""
        self.deploying(app)()

    def deploying(self, app: str) -> Callable[[], None]:
        """Begin to bring stages up; return what waits until it is done."""
        file, log = self._folder / "app.yaml", self._folder / "up.log"
        file.write_text(app)
        process = self.run(0, _voicepipe("cluster", "up", str(file), "--engine", self.url), log)

        def wait() -> None:
            if process.wait(_START_S):
                raise TooSlow(f"the stages did not start:\n{log.read_text()}")

        return wait

    # ---- replicas ---------------------------------------------------------------------------------------------------

    def replicas(self, stage: str) -> list[Replica]:
        """Return the replicas of a stage that listen."""
        pids = set(self._processes(f"ServeReplica:voicepipe-{stage}:"))
        found: list[Replica] = []
        for number, address in enumerate(self.machines.addresses):
            for line in self.machines.listed(number, "ss", "-Hltnp", "src", address):
                pid = int(line.partition("pid=")[2].partition(",")[0] or 0)
                if pid in pids:
                    found.append(Replica(pid, number, line.split()[3]))
        return found

    def taken(self, replica: Replica) -> int:
        """Return how many places of a replica are taken; none when it has just ended."""
        url = f"http://{replica.place}/health"
        with (
            suppress(OSError),
            self.machines.entered(replica.machine),
            urllib.request.urlopen(url, timeout=5) as answer,
        ):
            return int(json.load(answer)["sessions"])
        return 0

    def busy(self, stage: str) -> list[Replica]:
        """Return the replicas of a stage that have sessions."""
        return [replica for replica in self.replicas(stage) if self.taken(replica)]

    def connections(self, replica: Replica) -> int:
        """Return the number of connections from clients that a replica has."""
        port = replica.place.rpartition(":")[2]
        return len(self.machines.listed(replica.machine, "ss", "-Htn", "state", "established", f"sport = :{port}"))

    def process(self, name: str) -> int:
        """Return the process of the cluster with this in its name. Raises ProcessLookupError."""
        for pid in self._processes(name):
            return pid
        raise ProcessLookupError(name)

    def _processes(self, name: str) -> Iterator[int]:
        mine = f"HOME={self._folder}\0".encode()
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                title = (entry / "cmdline").read_bytes().partition(b"\0")[0]
                if name.encode() in title and mine in (entry / "environ").read_bytes():
                    yield int(entry.name)

    # ---- programs ---------------------------------------------------------------------------------------------------

    @contextmanager
    def talkers(self, machine: int = 0) -> Generator[Talkers]:
        """Sessions that talk all the time, in a process on a machine."""
        words = [sys.executable, "-m", "benchmarks.cluster_nodes.talkers", self.url]
        command = self.machines.inside(machine, words, self.environment)
        with (
            (self._folder / "talkers.log").open("ab") as log,
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True) as process,
        ):
            try:
                yield Talkers(process)
            finally:
                self.kill(process)

    def kill(self, process: subprocess.Popen[Any]) -> None:
        """Kill a program of a machine, if it runs."""
        program = self.machines.program(process)
        if program is not None:
            with suppress(ProcessLookupError):
                os.kill(program, signal.SIGKILL)


class Talkers:
    """The commands of `talkers`, from another process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        if self._answer() != "ready":
            raise TooSlow("the sessions did not start")

    def open(self, stage: str, sessions: int) -> list[str]:
        """Begin sessions, and return where all of this stage are."""
        return self._do("open", stage=stage, sessions=sessions)

    def close(self, stage: str, sessions: int) -> None:
        """End some sessions."""
        self._do("close", stage=stage, sessions=sessions)

    def mark(self) -> None:
        """Forget what was noticed so far."""
        self._do("mark")

    def report(self) -> Mapping[str, Any]:
        """Return what was noticed since the mark."""
        return self._do("report")

    def lease(self, stage: str) -> Mapping[str, Any]:
        """Lease a place and give it back."""
        return self._do("lease", stage=stage)

    def running(self, stage: str) -> int:
        """Return how many replicas of a stage take sessions."""
        return self._do("running", stage=stage)

    def disconnect(self) -> Mapping[str, Any]:
        """Leave the cluster; return the seconds that it took, and the tasks that are left. No command may follow."""
        return self._do("disconnect")

    def _do(self, what: str, **arguments: object) -> Any:
        assert self._process.stdin is not None
        print(json.dumps({"do": what, **arguments}), file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with suppress(ValueError):  # a line of a log
                answer = json.loads(line)
                if "error" in answer:
                    raise TooSlow(answer["error"])
                return answer["answer"]
        raise TooSlow("the sessions have ended")


def _voicepipe(*words: str) -> list[str]:
    return [sys.executable, "-m", "voicepipe", *words]

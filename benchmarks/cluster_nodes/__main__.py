"""A cluster of three machines on this one, in network namespaces, and what its failures are for eight sessions.

Real Ray processes, one node in each namespace, and a stage of voicepipe without a model on six replicas. A gateway on
the first machine holds eight sessions that talk all the time. Then, in this order: a replica is killed, all replicas
are replaced by an update (their sessions, which never end, have 6 s), a machine loses its power, another one its
network, and the head is killed. **Told** is the time
to the error of a session's connection, **again** the time from there to its next one; **others** are the sessions that
noticed nothing, with their longest gap between two steps, which come every 80 ms.

    python -m benchmarks.cluster_nodes      three minutes; needs root, Linux and the extra `cluster`
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from importlib.util import find_spec
from pathlib import Path

from benchmarks.cluster_nodes.namespaces import ADDRESSES, cut, inside, kill_all, machines
from voicepipe.cluster.connection import make_token, ray_environment
from voicepipe.cluster.node import head_command, join_command

ROOT = Path(__file__).parents[2]
STAGE = "benchmarks.cluster_nodes.stages:Loudness"
APP = f"stages:\n  stt: {{stage: '{STAGE}', replicas: 6, capacity: %d, cpus: 0.2, drain_s: 6}}\n"
# Ray's defaults find a machine that is cut off after 30 s and more.
HEALTH = {
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "3",
}
_START_S = 120


def main() -> int:
    """0 when it was measured; 2 when it cannot be."""
    if sys.platform != "linux" or os.geteuid() != 0 or find_spec("ray") is None:
        print("needs Linux, root and the extra `cluster`")
        return 2
    folder = Path(tempfile.mkdtemp(prefix="vp-"))
    os.environ["RAY_AUTH_TOKEN_PATH"] = str(folder / "token")
    make_token()
    environment = {
        **ray_environment(),
        **HEALTH,
        "HOME": str(folder),
        "RAY_TMPDIR": str(folder),
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
        "PYTHONUNBUFFERED": "1",
    }
    try:
        with machines(), ExitStack() as stack:
            _start(folder, environment, stack)
            _deploy(folder, environment, capacity=4)
            _talk(folder, environment)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _start(folder: Path, environment: Mapping[str, str], stack: ExitStack) -> None:
    commands = [head_command(ADDRESSES[0], 6379)] + [join_command(f"{ADDRESSES[0]}:6379")] * 2
    for number, (command, address) in enumerate(zip(commands, ADDRESSES, strict=True)):
        log = folder / f"node{number}.log"
        words = [*command, "--num-cpus=1", *([] if number == 0 else [f"--node-ip-address={address}"])]
        out = stack.enter_context(log.open("wb"))
        process = subprocess.Popen(inside(number, words, environment), stdout=out, stderr=subprocess.STDOUT)
        stack.callback(process.wait)
        stack.callback(kill_all, number)
        ends_s = time.monotonic() + _START_S
        while b"Ray runtime started" not in log.read_bytes():
            if process.poll() is not None or time.monotonic() > ends_s:
                raise SystemExit(f"machine {number} did not start:\n{log.read_text()}")
            time.sleep(0.2)
        print(f"machine {number} is up", flush=True)


def _deploy(folder: Path, environment: Mapping[str, str], *, capacity: int, waits: bool = True) -> None:
    app = folder / "app.yaml"
    app.write_text(APP % capacity)
    words = [sys.executable, "-m", "voicepipe", "cluster", "up", str(app), "--engine", f"ray://{ADDRESSES[0]}:6379"]
    with (folder / "up.log").open("ab") as log:
        up = subprocess.Popen(inside(0, words, environment), stdout=log, stderr=log)
    if waits and up.wait(_START_S):
        raise SystemExit((folder / "up.log").read_text())


def _talk(folder: Path, environment: Mapping[str, str]) -> None:
    words = inside(0, [sys.executable, "-m", "benchmarks.cluster_nodes.gateway"], environment)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(words, text=True, **pipes) as gateway:
        assert gateway.stdout is not None
        assert gateway.stdin is not None
        for line in gateway.stdout:
            print(line.rstrip(), flush=True)
            if line.startswith("do "):
                _do(line.split()[1:], folder, environment)
                gateway.stdin.write("done\n")
                gateway.stdin.flush()


def _do(what: list[str], folder: Path, environment: Mapping[str, str]) -> None:
    match what:
        case ["kill", place]:
            _kill(_listener(place))
        case ["update"]:
            _deploy(folder, environment, capacity=5, waits=False)
        case ["power", number]:
            kill_all(int(number))
        case ["cut", number]:
            cut(int(number), off=True)
        case ["head"]:
            _kill(_named("gcs_server", environment))
        case _:
            raise ValueError(what)


def _listener(place: str) -> int:
    """Return the process that listens at an address of a namespace."""
    number = ADDRESSES.index(place.rpartition(":")[0])
    listed = subprocess.run(inside(number, ["ss", "-Hltnp", f"src {place}"], {}), capture_output=True, text=True)
    return int(listed.stdout.partition("pid=")[2].partition(",")[0])


def _named(name: str, environment: Mapping[str, str]) -> int:
    mine = f"HOME={environment['HOME']}\0".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            is_it = name.encode() in (entry / "cmdline").read_bytes().partition(b"\0")[0]
            if is_it and mine in (entry / "environ").read_bytes():
                return int(entry.name)
    raise ProcessLookupError(name)


def _kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())

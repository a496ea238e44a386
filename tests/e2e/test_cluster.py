"""A real Ray cluster of one machine: up, leases, a full stage, a killed replica, and down with nothing left."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import pytest
from processes import free_port

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(find_spec("ray") is None, reason="needs the extra `cluster`"),
]

HELPERS = Path(__file__).parents[1] / "helpers"
SOURCE = Path(__file__).parents[2] / "src"

APP = """
stages:
  stt: {stage: "hosted:ToneStt", capacity: 2, cpus: 0.2}
  tts: {stage: "hosted:ToneTts", replicas: 2, capacity: 2, cpus: 0.2, drain_s: 1,
        tls_certificate: cert.pem, tls_key: key.pem}
"""

PROGRAM = Path(__file__).parent / "cluster_gateway.py"
"""What a gateway does, in a process of its own: Ray keeps threads and handlers in the process that connects to it."""


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """A home, a state folder and a folder for Ray's sockets, whose paths may not be long."""
    folder = tempfile.mkdtemp(prefix="vp-")
    paths = os.pathsep.join([str(SOURCE), str(HELPERS)])
    own = {"HOME": folder, "XDG_STATE_HOME": folder, "RAY_TMPDIR": folder, "PYTHONPATH": paths}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    yield {**kept, **own}
    shutil.rmtree(folder, ignore_errors=True)


def processes_of(environment: Mapping[str, str]) -> list[int]:
    """Return the processes that have this environment's home."""
    wanted = f"HOME={environment['HOME']}\0".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if wanted in (entry / "environ").read_bytes():
                found.append(int(entry.name))
    return found


def cluster(environment: Mapping[str, str], *words: str) -> str:
    command = [sys.executable, "-m", "voicepipe", "cluster", *words]
    home = environment["HOME"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, cwd=home)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def checked(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the words of `voicepipe check` for each stage."""
    command = [sys.executable, "-m", "voicepipe", "check", "--json", "--engine", "ray://auto"]
    home = environment["HOME"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=180, cwd=home)
    return {check["kind"]: check["said"] for check in json.loads(done.stdout)["checks"]}


@pytest.fixture(scope="module")
def up(environment: dict[str, str]) -> Iterator[dict[str, str]]:
    app = Path(environment["HOME"]) / "app.yaml"
    app.write_text(APP)
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    files = ["-subj", "/CN=cluster", "-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run([*made, *files], check=True, capture_output=True, cwd=app.parent)
    try:
        said = cluster(environment, "up", str(app), "--port", str(free_port()))
        assert "stt is up" in said
        assert "tts is up" in said
        yield environment
    finally:
        for process in processes_of(environment):  # of a test that failed before `down`
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)


def test_a_cluster_from_up_to_down(up: dict[str, str]) -> None:
    """One test: Ray takes 10 s to start."""
    status = cluster(up, "status")
    assert [line.split()[:3] for line in status.splitlines()] == [["stt", "running", "1"], ["tts", "running", "2"]]
    token = Path(up["HOME"]) / ".ray" / "auth_token"
    assert token.stat().st_mode & 0o077 == 0
    assert checked(up) == {"stt": "1 replica", "tts": "2 replicas", "llm": "the cluster has no running replica of llm"}
    gateway = subprocess.run(
        [sys.executable, str(PROGRAM)], env=up, capture_output=True, text=True, timeout=60, cwd=up["HOME"]
    )
    assert gateway.returncode == 0, gateway.stdout + gateway.stderr
    without_token = {**up, "RAY_AUTH_TOKEN_PATH": str(token.with_name("absent"))}
    refused = subprocess.run(
        [sys.executable, "-m", "voicepipe", "cluster", "status"], env=without_token, capture_output=True, text=True
    )
    assert refused.returncode == 2
    assert "there is no token" in refused.stderr
    said = cluster(up, "down")
    assert "the stages are stopped" in said
    ends_s = time.monotonic() + 60
    while (left := processes_of(up)) and time.monotonic() < ends_s:
        time.sleep(0.1)
    assert left == []

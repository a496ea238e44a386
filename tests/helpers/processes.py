"""Real servers, of others and ours, as processes of our own, for end-to-end tests."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path

import pytest

__all__ = ["free_port", "patient_pipeline", "running", "serving", "until_empty", "until_sessions", "wait_for_port"]

_START_S = 90
"""Real time, on a machine that has other work to do."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@contextmanager
def running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends with the block; what it says is in `log`."""
    with log.open("ab") as output, subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()


def wait_for_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until somebody listens there; fails with what the process has said."""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    pytest.fail(f"{process.args!r} does not listen at port {port}:\n{log.read_text()}")


def patient_pipeline(folder: Path) -> str:
    """The path of a default pipeline that does not depend on the machine's speed and on what a small LLM says.

    Its voice has half a minute for an answer instead of 3 s, and no filler comes before that: on a machine that does
    other work the embedded models miss that, and the turn fails as it should. And to "Say something long." the answer
    is long enough to interrupt it.
    """
    default = Path(str(files("voicepipe"))) / "pipelines" / "default.py"
    if not default.is_file():  # not a wheel, but the source
        default = Path(__file__).parents[2] / "pipelines" / "default.py"
    strict = default.read_text()
    presets = "DEADLINE = replace(DEADLINE, first_s=30, between_s=30)\nFILLER = replace(FILLER, after_s=30)"
    patient = strict.replace("\n\n\ndef pipeline", f"\n\n{presets}\n\n\ndef pipeline")
    patient = patient.replace("from reactivex", "from dataclasses import replace\n\nfrom reactivex", 1)
    talkative = patient.replace("(session.llm,", "(talkative(session.llm),")
    assert strict != patient != talkative
    copy = folder / "patient.py"
    copy.write_text(talkative + _TALKATIVE)
    return str(copy)


_TALKATIVE = '''

def talkative(llm):
    """Only what is asked to be long is not left to the model."""
    long = " ".join(f"This is sentence number {number} of a long answer." for number in range(1, 13))

    def answer(conversation):
        wanted = any("something long" in message.text for message in conversation.messages[-1:])
        return from_iterable(long.split(" ")).pipe(map(lambda word: word + " ")) if wanted else llm(conversation)

    return answer


from reactivex import from_iterable
from reactivex.operators import map
'''


def until_empty(url: str) -> None:
    """Until a voicepipe server has no session any more; fails when one is left over."""
    until_sessions(url, 0)


def until_sessions(url: str, count: int) -> None:
    """Until a voicepipe server has so many sessions: it renders its metrics twice a second."""
    deadline, wanted = time.monotonic() + _START_S, f"voicepipe_active_sessions {count}.0\n"
    while time.monotonic() < deadline:
        with urllib.request.urlopen(f"{url}/metrics") as answer:
            if wanted in answer.read().decode():
                return
        time.sleep(0.02)
    pytest.fail(f"{url} does not come to have {count} sessions")


@contextmanager
def serving(command: list[str], **environment: str) -> Iterator[str]:
    """The address of a voicepipe server of its own, which must end in peace when it is asked to, without an error."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ | environment
    ) as process:
        assert process.stdout is not None
        printed: list[str] = []
        try:
            for line in process.stdout:
                printed.append(line)
                if found := re.search(r"Listening on (http://\S+)", line):
                    yield found[1]
                    break
            else:
                pytest.fail("the server did not start:\n" + "".join(printed))
        finally:
            process.send_signal(signal.SIGTERM)
            rest = process.stdout.read()
        code = process.wait(timeout=60)
        assert code == 0, f"exit code {code} after:\n{rest}"
        assert "Traceback" not in rest, rest
        assert "[error" not in rest, rest

"""A server in a process of its own: `voicepipe serve`, from its start to its end, and what the process takes."""

from __future__ import annotations

import os
import re
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

__all__ = ["Backend", "Server", "ServerFailed", "fakes", "voicepipe_command"]

READY_WITHIN_S = 120.0
"""Not a budget: when the benchmark gives up."""
STOPS_WITHIN_S = 30.0
_MB = 1024 * 1024


class ServerFailed(Exception):
    """The server did not start, or is gone; the message has the last lines of its log."""


def voicepipe_command() -> list[str]:
    """The command `voicepipe` of this very environment."""
    script = Path(sys.executable).with_name("voicepipe")
    if script.exists():
        return [str(script)]
    return [sys.executable, "-c", "import sys; from voicepipe.cli import main; sys.exit(main())"]


@contextmanager
def fakes(*arguments: str) -> Iterator[list[str]]:
    """Run fake services in a process of their own; yield the options of `voicepipe serve` that name them."""
    asked = ["fake-services", "--stt-port", "0", "--tts-port", "0", "--llm-port", "0", *arguments]
    with subprocess.Popen([*voicepipe_command(), *asked], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            urls = [process.stdout.readline().strip().partition("=")[2] for _ in range(3)]
            yield ["--stt", urls[0], "--tts", urls[1], "--llm", urls[2]]
        finally:
            process.terminate()


class Server:
    """`with Server("--max-sessions", "2") as server:` a conversation can be had at `server.url`.

    `started_s` is from the process's start to its first line on stdout, with which it says that it listens, and
    `started_cpu_s` the CPU time that it took so far. The process is ended when the block is left. Its figures come from
    /proc, so they are known on Linux only.
    """

    def __init__(self, *arguments: str, core: int | None = None) -> None:
        # One process, of which the figures are, unless the arguments say otherwise; on this core alone, if given.
        self._core = core
        self._command = [*voicepipe_command(), "serve", "--port", "0", "--workers", "1", "--log-json", *arguments]
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        self.url = ""
        self.started_s = self.started_cpu_s = 0.0

    def __enter__(self) -> Server:
        self._log = tempfile.TemporaryFile()
        began = time.perf_counter()
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=self._log)
        if self._core is not None:
            os.sched_setaffinity(self._process.pid, {self._core})
        try:
            self.url = self._address(self._process)
        except BaseException:
            self.stop()
            raise
        self.started_s = time.perf_counter() - began
        self.started_cpu_s = self.cpu_s() if sys.platform == "linux" else float("nan")
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Ask the process to end, and see to it that it does."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(STOPS_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
        if self._log is not None:
            self._log.close()
            self._log = None

    # -- what the process takes ----------------------------------------------------------------------------------------

    def cpu_s(self) -> float:
        """CPU seconds since its start, of all threads, to 10 ms."""
        after_name = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mb(self) -> float:
        """Resident now, in units of 1,048,576 bytes."""
        return self._status("VmRSS")

    def peak_memory_mb(self) -> float:
        """The most that has been resident."""
        return self._status("VmHWM")

    def _status(self, field: str) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(rf"^{field}:\s+(\d+) kB", status, re.MULTILINE)
        return int(found[1]) * 1024 / _MB if found else float("nan")

    @property
    def pid(self) -> int:
        """The process's id; of several workers that of their supervisor."""
        if self._process is None or self._process.poll() is not None:
            raise ServerFailed(f"the server is not running\n{self._log_tail()}")
        return self._process.pid

    # -- its start -----------------------------------------------------------------------------------------------------

    def _address(self, process: subprocess.Popen[bytes]) -> str:
        line = self._first_line(process)
        found = re.search(r"http://\S+", line)
        if found is None:
            raise ServerFailed(f"the server did not start: {line.strip()}\n{self._log_tail()}")
        return found[0]

    def _first_line(self, process: subprocess.Popen[bytes]) -> str:
        assert process.stdout is not None
        with selectors.DefaultSelector() as waiting:
            waiting.register(process.stdout, selectors.EVENT_READ)
            return process.stdout.readline().decode() if waiting.select(READY_WITHIN_S) else ""

    def _log_tail(self) -> str:
        if self._log is None:
            return ""
        self._log.seek(0)
        return "\n".join(self._log.read().decode(errors="replace").splitlines()[-10:])


class Backend(Server):
    """A server of another program, which prints the address of its WebSocket, `url`, as its first line."""

    def __init__(self, command: Sequence[str], *, core: int | None = None) -> None:
        super().__init__(core=core)
        self._command = list(command)

    def _address(self, process: subprocess.Popen[bytes]) -> str:
        address = self._first_line(process).strip()
        if not address.startswith("ws://"):
            raise ServerFailed(f"{self._command} did not start: {address}\n{self._log_tail()}")
        return address

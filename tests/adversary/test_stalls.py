"""A process that does not run for a while, a clock that jumps, a disk that is full: no client is lost."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp
import pytest
from benchmarks.adversary import fakes
from benchmarks.adversary.bystanders import DIALECTS, GA, Dialect, Line, Talker

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.xdist_group("stalls"),
    pytest.mark.skipif(sys.platform == "win32", reason="needs signals and limits of a process"),
]

# Longer than a write may take, and than a client may take to answer a ping. By hand: 25.
STOPPED_S = float(os.environ.get("VOICEPIPE_STOPPED_S", "13"))
HEARTBEAT_S = 4.0
# Of a file, in units of 1,024 bytes.
DISK_KB = 16


@contextmanager
def server(*arguments: str, limits: str = "") -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server with fake services, its address and its process; `limits` are set by the shell that starts it."""
    with fakes() as services:
        command = shlex.join(
            [sys.executable, "-m", "voicepipe", "serve", "--port", "0", "--workers", "1", *arguments, *services]
        )
        with subprocess.Popen(["sh", "-c", f"{limits} exec {command}"], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                line = next((line for line in process.stdout if "Listening on" in line), "")
                found = re.search(r"http://\S+", line)
                assert found, line
                yield found[0], process
            finally:
                process.send_signal(signal.SIGCONT)
                process.terminate()
                process.stdout.read()


@asynccontextmanager
async def talker(url: str, dialect: Dialect = GA) -> AsyncIterator[Talker]:
    async with aiohttp.ClientSession(url) as http, Line.opened(http, dialect) as line:
        yield Talker(line, dialect)


def test_a_process_that_was_stopped_loses_no_client() -> None:
    """A laptop's lid, or a machine that is moved: whatever a client speaks, and whether it was speaking.

    Each finishes the turn in which the process was stopped, and has another one.
    """

    async def main(url: str, process: subprocess.Popen[str]) -> None:
        async with AsyncExitStack() as clients:
            each = [*DIALECTS.values(), *DIALECTS.values()]
            everyone = [await clients.enter_async_context(talker(url, dialect)) for dialect in each]
            waiting, talking = everyone[: len(DIALECTS)], everyone[len(DIALECTS) :]
            await asyncio.gather(*(one.turn() for one in waiting))
            await asyncio.gather(*(one.say() for one in talking))
            process.send_signal(signal.SIGSTOP)
            await asyncio.sleep(STOPPED_S)
            process.send_signal(signal.SIGCONT)
            await asyncio.gather(*(one.answer() for one in talking))
            await asyncio.gather(*(one.turn() for one in everyone))

    with server("--heartbeat-s", str(HEARTBEAT_S)) as (url, process):
        asyncio.run(main(url, process))


def test_a_clock_that_jumps_an_hour_changes_nothing(tmp_path: Path) -> None:
    """Forwards and back: time is taken from the monotonic clock."""
    default = Path(__file__).parents[2] / "pipelines" / "default.py"
    jump = tmp_path / "jump"
    clock = f"import time\nfrom pathlib import Path\n_time, _jump = time.time, Path({str(jump)!r})\n"
    clock += "time.time = lambda: _time() + (float(_jump.read_text()) if _jump.exists() else 0.0)\n"
    pipeline = tmp_path / "jumping.py"
    pipeline.write_text(default.read_text() + "\n\n" + clock)

    async def main(url: str) -> None:
        async with talker(url) as one:
            for seconds in (0, 3_600, -3_600):
                (tmp_path / "next").write_text(str(seconds))
                (tmp_path / "next").replace(jump)  # in one step: the server reads it all the time
                await one.turn()

    with server(str(pipeline)) as (url, _):
        asyncio.run(main(url))


def test_a_disk_that_is_full_in_the_middle_of_a_line_ends_the_recording_only(tmp_path: Path) -> None:
    """The session goes on, and so does the next one."""
    update = {"type": "session.update", "session": {"allow_recording": True, "voice": "x" * 100}}

    async def main(url: str) -> None:
        async with aiohttp.ClientSession(url) as http:
            for _ in range(2):
                async with http.ws_connect("/v1/realtime", protocols=("realtime",)) as talk:
                    for _ in range(400):
                        await talk.send_str(json.dumps(update))
                        async with asyncio.timeout(30):
                            assert json.loads((await talk.receive()).data)["type"] == "session.updated"

    with server("--recordings-dir", str(tmp_path), limits=f"ulimit -f {2 * DISK_KB};") as (url, process):
        asyncio.run(main(url))
        assert process.poll() is None
    recordings = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert recordings
    assert all(path.stat().st_size <= 2 * DISK_KB * 1024 for path in recordings)

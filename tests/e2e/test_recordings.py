"""A real server with test services is killed in the middle of a conversation: what it has recorded runs again."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from processes import free_port, running, wait_for_port
from served import Client

from voicepipe.events import ReplyStarted, TurnEnded
from voicepipe.loader import load_pipeline
from voicepipe.recording.file import read
from voicepipe.testing.replay import differences, replay
from voicepipe.testing.replay.export import sound_of

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("recordings")]

ROOT = Path(__file__).parents[2]
PIPELINE = ROOT / "pipelines" / "default.py"
GA: dict[str, Any] = {"protocols": ()}


@contextmanager
def services(folder: Path) -> Iterator[list[str]]:
    """Test services of Kyutai's protocols and OpenAI's; the flags that name them."""
    ports = {name: free_port() for name in ("stt", "tts", "llm")}
    flags = [word for name, port in ports.items() for word in (f"--{name}-port", str(port))]
    command = [sys.executable, "-m", "voicepipe", "fake-services", *flags, "--stt-delay", "0.1"]
    with running(command, folder / "services.log") as process:
        for port in ports.values():
            wait_for_port(port, process, folder / "services.log")
        stt, tts, llm = (f"{scheme}://127.0.0.1:{port}" for scheme, port in zip(("ws", "ws", "http"), ports.values(), strict=True))  # fmt: skip  # noqa: E501
        yield ["--stt", stt, "--tts", tts, "--llm", llm]


@contextmanager
def killed(folder: Path, *flags: str) -> Iterator[tuple[str, Callable[[], None]]]:
    """A server's address, and what kills it with SIGKILL."""
    command = [sys.executable, "-m", "voicepipe", "serve", str(PIPELINE), "--port", "0", "--workers", "1", *flags]
    environment = os.environ | {
        "VOICEPIPE_RECORDINGS_DIR": str(folder),
        "VOICEPIPE_RECORDINGS_USER_SOUND": "true",
        "PYTHONUNBUFFERED": "1",
    }
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if found := re.search(r"Listening on (http://\S+)", line):
                    yield found[1], lambda: process.send_signal(signal.SIGKILL)
                    break
            else:
                pytest.fail("the server did not start")
        finally:
            process.kill()
    assert process.returncode == -signal.SIGKILL


async def talk(url: str, kill: Callable[[], None]) -> None:
    """Say something, be answered, and interrupt that; kill the server in the middle of the next turn."""
    noise = np.random.default_rng(0)
    loud = base64.b64encode((noise.normal(size=1920) * 4000).astype("<i2").tobytes()).decode()
    quiet = base64.b64encode(bytes(3840)).decode()
    async with (
        asyncio.timeout(60),
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{url}/v1/realtime", **GA) as socket,
    ):
        client = Client(socket)
        await client.send({"type": "session.update", "session": {"type": "realtime", "recording": "sound"}})
        await client.event("session.updated")

        async def speak() -> None:
            for number in range(10_000):
                audio = loud if number % 50 < 12 else quiet
                await client.send({"type": "input_audio_buffer.append", "audio": audio})
                await asyncio.sleep(0.08)

        speaking = asyncio.create_task(speak())
        for _ in range(2):
            await client.event("response.done")
        await asyncio.sleep(1.5)
        kill()
        speaking.cancel()


def test_a_killed_server_leaves_a_recording_that_runs_again_to_the_bit(tmp_path: Path) -> None:
    """Over real sockets, with the jitter of a real clock: each event and its time."""
    folder = tmp_path / "recordings"
    with services(tmp_path) as flags, killed(folder, *flags) as (url, kill):
        asyncio.run(talk(url, kill))
    (path,) = folder.iterdir()
    recording = read(path)
    emitted = [event for _, event in recording.emitted()]
    assert sum(isinstance(event, ReplyStarted) for event in emitted) >= 2
    assert any(isinstance(event, TurnEnded) and event.text for event in emitted)
    again = replay(recording, load_pipeline(str(PIPELINE)))
    assert (again.diverged, differences(recording, again)) == (None, None)

    run = [sys.executable, "-m", "voicepipe", "replay", str(path)]
    same = subprocess.run(run, capture_output=True, text=True, check=False, timeout=60)
    assert (same.returncode, same.stderr) == (0, "")
    assert f"The same: {len(again.events)} events" in same.stdout
    assert recording.ended == "the server was killed"
    left, right = sound_of(recording)
    assert min(np.abs(left).max(), np.abs(right).max()) > 0.03, "the user on the left, the bot on the right"

"""`voicepipe host`: what it refuses, and one as a process, from its first line to the last word of its session."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
from pathlib import Path

import aiohttp
import ormsgpack
import pytest

from voicepipe.cli import main
from voicepipe.stt.kyutai.protocol import KEY_HEADER
from voicepipe.tts.kyutai.protocol import EOS, PATH, encode_text

VOICE = """
import numpy as np
from voicepipe.events import Audio, ReplyAudio, WordSpoken
from voicepipe.rx import transduce

def speak(text):
    yield WordSpoken(text.delta, 0.0, 0.2)
    yield ReplyAudio(Audio(np.zeros(4800, np.float32), 24_000))

class MyVoice:
    def tts(self, voice):
        return transduce(lambda _: speak)

    def close(self):
        print("closed", flush=True)
"""


def exit_code(words: list[str]) -> int | str | None:
    """Run a command; a mistake that the parser finds ends the program."""
    try:
        return main(words)
    except SystemExit as end:
        return end.code


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("stt --host 0.0.0.0", "--host 0.0.0.0 lets other machines in; set VOICEPIPE_HOST_KEY in the environment"),
        ("stt --capacity 0", "--capacity: '0' is not a number of sessions, 1 or more"),
        ("stt --tls-key key.pem", "--tls-certificate and --tls-key belong together: name both files"),
        ("my_stage", "'my_stage' names no class; name the class behind a colon, as in my_stages.py:MyVoice"),
        ("absent.gguf", "absent.gguf"),
    ],
)
def test_what_it_refuses(words: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In one sentence, before it listens."""
    assert exit_code(["host", *words.split()]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.e2e
def test_a_host_that_gets_sigterm_finishes_its_session_and_ends(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(VOICE)
    command = [sys.executable, "-m", "voicepipe", "host", "mine.py:MyVoice", "--port", "0", "--capacity", "1"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            found = re.fullmatch(r"Serving tts \(MyVoice\) at ws(://127\.0\.0\.1:\d+)\n", first)
            assert found, first or process.communicate()[1]
            asyncio.run(_speak_while_it_stops(f"http{found[1]}", process))
            assert process.wait(timeout=10) == 0
            assert process.stdout.read().endswith("closed\n")
        finally:
            process.kill()


async def _speak_while_it_stops(url: str, process: subprocess.Popen[str]) -> None:
    async with (
        aiohttp.ClientSession(headers={KEY_HEADER: "public_token"}) as http,
        http.ws_connect(f"{url}{PATH}") as socket,
    ):
        assert ormsgpack.unpackb(await socket.receive_bytes()) == {"type": "Ready"}
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            while True:  # until the signal has arrived
                async with http.get(f"{url}/health") as health:
                    if health.status == 503:
                        break
                await asyncio.sleep(0.01)
        async with http.ws_connect(f"{url}{PATH}") as late:
            assert ormsgpack.unpackb(await late.receive_bytes())["type"] == "Error"
        await socket.send_bytes(encode_text("hello"))
        await socket.send_bytes(EOS)
        kinds = [ormsgpack.unpackb(message.data)["type"] async for message in socket]
        assert kinds == ["Text", "Audio", "Audio", "Audio"]

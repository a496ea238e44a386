"""`voicepipe talk` as a command, against a real server on the loopback, in virtual time."""

from __future__ import annotations

import asyncio
import base64
import json
import signal
import socket
import subprocess
import sys
import wave
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import sphn
from aiohttp import WSMsgType, web

from voicepipe.audio import OggOpus
from voicepipe.cli import main, talk
from voicepipe.client import CannotConnect, samples
from voicepipe.events import Audio, Samples
from voicepipe.installation.installation import install_command
from voicepipe.installation.program import this_program
from voicepipe.testing import VirtualLoop

Socket = web.WebSocketResponse
Script = Callable[[Socket], Awaitable[None]]


class Server:
    """Runs a script for each client, `settings` being what the client wants."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        self.script: Script = opening_and_goodbye
        self.settings: dict[str, Any] = {}
        self.full = False
        self.key: str | None = None
        self.heard: list[Samples] = []
        self.decode = OggOpus().decoder()

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/v1/realtime", self._serve)
        self.runner = web.AppRunner(app, access_log=None)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self.runner.addresses[0][1]}"

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if self.full:
            return web.json_response({"detail": "All taken."}, status=503)
        if self.key is not None and request.headers.get("Authorization") != f"Bearer {self.key}":
            return web.json_response({"detail": "A wrong key."}, status=401)
        client = Socket(protocols=("realtime",))
        await client.prepare(request)
        self.settings = json.loads((await client.receive()).data)["session"]
        script = asyncio.create_task(self._play(client))
        async for message in client:
            assert message.type is WSMsgType.TEXT
            self.heard.append(self.decode(base64.b64decode(json.loads(message.data)["audio"])))
        script.cancel()
        await asyncio.wait([script])
        return client

    async def _play(self, client: Socket) -> None:
        await self.script(client)


async def opening(client: Socket) -> None:
    """Speaks for 0.4 s."""
    encode, sound = OggOpus().encoder(), (0.3 * np.sin(np.arange(960) * np.pi / 40)).astype(np.float32)
    await client.send_json({"type": "response.created"})
    await client.send_json({"type": "response.text.delta", "delta": "Bye!"})
    for _ in range(10):
        page = base64.b64encode(encode(Audio(sound, 24_000))).decode()
        await client.send_json({"type": "response.audio.delta", "delta": page})
    await asyncio.sleep(0.4)
    await client.send_json({"type": "response.audio.done"})


async def opening_and_goodbye(client: Socket) -> None:
    """Speaks for 0.4 s, gives the user 2 s, and hangs up."""
    await opening(client)
    await asyncio.sleep(2)
    await client.close()


@pytest.fixture
def server(virtual_loop: VirtualLoop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """On the loop on which the command runs, too."""
    server = Server(virtual_loop)
    virtual_loop.run(server.start())
    monkeypatch.setattr(asyncio, "run", virtual_loop.run)
    yield server
    virtual_loop.run(server.runner.cleanup())


@pytest.fixture
def question(tmp_path: Path) -> str:
    """Half a second of tone."""
    path = str(tmp_path / "question.wav")
    sphn.write_wav(path, (0.3 * np.sin(np.arange(12_000) * 0.1)).astype(np.float32), 24_000)
    return path


def test_the_conversation_is_printed_and_saved(
    server: Server, question: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Lines as it happens, the summary, exit code 0; the file has both sides at their places."""
    saved = tmp_path / "talk.wav"
    assert main(["talk", question, "--url", server.url, "--save", str(saved), "--instructions", "Be rude."]) == 0
    said = capsys.readouterr()
    lines = [line[9:] for line in said.out.splitlines()]
    assert lines[0].startswith("·    connected to ws://127.0.0.1:")
    assert lines[1:5] == [
        "bot  Bye!",
        "·    the recording starts: the bot has opened",
        "·    the recording is over; waiting for the answer, 60 s at most",
        "·    the end: the bot hung up",
    ]
    assert said.out.splitlines()[5:] == [f"saved {saved}", "no answers in 2.4 s; the bot was heard for 0.4 s"]
    assert said.err == ""
    assert server.settings["instructions"] == {"type": "constant", "text": "Be rude.", "language": "en"}
    with wave.open(str(saved)) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, 24_000)
        tracks = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    assert np.abs(tracks[:19_000, 0]).max() == 0
    assert np.abs(tracks[:9_000, 1]).max() > 3000
    assert np.abs(tracks[20_000:31_000, 0]).max() == pytest.approx(0.3 * 32_767, rel=0.01)


def test_json_is_one_object_per_event_and_nothing_else(
    server: Server, question: str, capsys: pytest.CaptureFixture[str]
):
    """For programs; the voice is asked for as given."""
    assert main(["talk", question, "--url", server.url, "--json", "--voice", "marius", "--at-once"]) == 0
    objects = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    events = [each["event"] for each in objects]
    assert events[0] == "connected"
    assert events[-1] == "ended"
    assert {"playing", "said", "reply_done", "user_done"} < set(events)
    assert server.settings["voice"] == "marius"


def test_the_time_of_each_answer_is_drawn(
    server: Server, question: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """A bar for an answer, in the colours of the server's parts; none for the opening."""

    async def answering(client: Socket) -> None:
        await opening(client)
        await asyncio.sleep(2)
        await client.send_json({"type": "input_audio_buffer.speech_stopped"})
        await opening(client)
        account = {"total_ms": 500.0, "parts_ms": {"endpointing": 300.0, "tts": 200.0}}
        await client.send_json({"type": "unmute.additional_outputs", "args": {"debug_dict": account}})
        await client.close()

    server.script, drawn = answering, tmp_path / "turns.svg"
    assert main(["talk", question, "--url", server.url, "--plot", str(drawn)]) == 0
    assert f"drawn: {drawn}" in capsys.readouterr().out
    root = ElementTree.fromstring(drawn.read_text())
    labels = [text.text for text in root.findall("{*}text") if (text.text or "").startswith("answer")]
    assert labels == ["answer 1"]
    assert [one.text for one in root.findall("{*}rect/{*}title")] == ["endpointing: 300 ms", "tts: 200 ms"]


def test_without_instructions_no_opening_is_waited_for(
    server: Server, question: str, capsys: pytest.CaptureFixture[str]
):
    """The bot is silent until it is spoken to."""
    assert main(["talk", question, "--url", server.url, "--instructions", "", "--wait", "0"]) == 0
    assert "instructions" not in server.settings  # null would mean the default character
    assert "the recording starts: at once" in capsys.readouterr().out


def test_a_conversation_that_the_server_broke_off_is_exit_code_1(
    server: Server, question: str, capsys: pytest.CaptureFixture[str]
):
    """With the server's reason."""

    async def broken(client: Socket) -> None:
        await client.send_json({"type": "error", "error": {"type": "fatal", "message": "The TTS failed."}})
        await client.close(code=1011)

    server.script = broken
    assert main(["talk", question, "--url", server.url]) == 1
    said = capsys.readouterr()
    assert said.err == "voicepipe talk: the server failed: The TTS failed.\n"
    assert "!    fatal: The TTS failed." in said.out


def test_a_full_server_is_exit_code_1(server: Server, question: str, capsys: pytest.CaptureFixture[str]):
    """The user cannot repair it."""
    server.full = True
    assert main(["talk", question, "--url", server.url]) == 1
    assert "refuses: All taken." in capsys.readouterr().err


@pytest.mark.parametrize(("key", "status"), [(None, 2), ("sk-two", 2), (" sk-one\n", 0)])
def test_a_key_is_taken_from_the_environment(
    server: Server,
    question: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    key: str | None,
    status: int,
):
    """Not from the command line, which everybody on the machine can read."""
    server.key = "sk-one"
    if key is not None:
        monkeypatch.setenv("VOICEPIPE_TALK_KEY", key)
    assert main(["talk", question, "--url", server.url]) == status
    said = capsys.readouterr().err
    assert ("refuses: A wrong key. Put it into VOICEPIPE_TALK_KEY." in said) == (status == 2)
    assert "sk-" not in said


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_no_server_there_is_exit_code_2(host: str, question: str, capsys: pytest.CaptureFixture[str]):
    """With the command that starts one at that address."""
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        port = unheard.getsockname()[1]
        assert main(["talk", question, "--url", f"ws://{host}:{port}"]) == 2
    said = capsys.readouterr().err
    assert said.endswith(f"; start a server with: {this_program()} serve --port {port}\n")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ws://127.0.0.1:8000", "; start a server with: {program} serve"),
        ("http://127.0.0.1:8001", "; start a server with: {program} serve --port 8001"),
        ("ws://example.com:8000", ""),
    ],
)
def test_a_server_is_started_where_it_was_looked_for(url: str, says: str):
    """Of another machine nothing is known."""
    hint = talk._hint(url, CannotConnect("no server answers", unreachable=True))  # pyright: ignore[reportPrivateUsage]
    assert hint == says.format(program=this_program())


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--url", "ftp://x"], "'ftp://x' is no address of a server"),
        (["--save", "no/such/folder/out.wav"], "there is no folder no/such/folder"),
        (["--save", "."], "cannot write .: it is a folder"),
        (["--sample"], "or --sample is played, not both"),
        (["--plot", "turns.png"], "a picture is drawn as SVG; name a file that ends in .svg"),
    ],
)
def test_mistakes_are_told_before_the_conversation(
    question: str, words: list[str], says: str, capsys: pytest.CaptureFixture[str]
):
    """Exit code 2 and a sentence."""
    assert main(["talk", question, *words]) == 2
    assert says in capsys.readouterr().err


def test_without_a_microphone_a_recording_is_suggested(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """The extra `mic` is not installed."""
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    assert main(["talk"]) == 2
    assert capsys.readouterr().err == (
        f"voicepipe talk: the microphone needs one more package: {install_command('mic')}; "
        f"or play a recording: {this_program()} talk --sample\n"
    )


def test_a_sample_is_named(capsys: pytest.CaptureFixture[str]):
    """Whatever stands behind --sample is its name; a file goes without it."""
    assert main(["talk", "--sample", "speech.wav"]) == 2
    assert capsys.readouterr().err == (
        "voicepipe talk: no sample is called 'speech.wav'; there are: question, two_cities, beckett; "
        "a file goes without --sample\n"
    )


def test_without_the_embedded_models_there_are_no_samples(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """The message says where they come from, and what to do instead."""
    monkeypatch.setattr(samples.models, "find", lambda name: None)
    assert not samples.has_samples()
    assert main(["talk", "--sample"]) == 2
    said = capsys.readouterr().err
    assert "the samples come with the embedded models, in the package moonshine-voice==" in said
    assert samples.models.REGISTRY["moonshine"].how_to_get in said
    assert said.endswith(f"; or play a recording of your own: {this_program()} talk FILE\n")


@pytest.mark.usefixtures("recordings")
@pytest.mark.parametrize("name", samples.SAMPLES)
def test_a_sample_begins_and_ends_in_a_pause(name: str):
    """It is between 3 and 10 s long, and its first and last 20 ms are 15 dB and more below its loudest."""
    sound = samples.read_sample(name)
    level = np.sqrt(np.mean(sound[: len(sound) // 480 * 480].reshape(-1, 480) ** 2, axis=1))
    assert 3 < len(sound) / 24_000 < 10
    assert max(level[0], level[-1]) < level.max() / 10**0.75


@pytest.mark.usefixtures("recordings")
def test_a_sample_is_played(server: Server, capsys: pytest.CaptureFixture[str]):
    """Without a name, the question; its sound is what the server hears."""
    assert main(["talk", "--sample", "--url", server.url, "--at-once"]) == 0
    assert "the recording starts: at once" in capsys.readouterr().out
    heard, sample = np.concatenate(server.heard), samples.read_sample(samples.DEFAULT)
    levels = [np.abs(sound[: 20 * 2400].reshape(20, 2400)).mean(axis=1) for sound in (heard, sample)]
    assert np.corrcoef(*levels)[0, 1] > 0.9


@pytest.mark.e2e
def test_ctrl_c_saves_what_was_said_and_is_exit_code_130(question: str, tmp_path: Path):
    """A process of its own, interrupted once it has connected to somebody who says nothing."""
    saved = tmp_path / "talk.wav"
    # A shell's job in the background ignores Ctrl-C, and so would what it starts.
    heeding = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{heeding}; import sys; from voicepipe.cli import main; sys.exit(main())"

    async def talk_and_interrupt() -> tuple[int | None, bytes]:
        process: asyncio.subprocess.Process

        async def serve(request: web.Request) -> web.StreamResponse:
            client = Socket()
            await client.prepare(request)
            async for message in client:
                if "append" in message.data:
                    process.send_signal(signal.SIGINT)
            return client

        app = web.Application()
        app.router.add_get("/v1/realtime", serve)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, "talk", question, "--url", url, "--save", str(saved), stderr=subprocess.PIPE
        )
        try:
            _, err = await asyncio.wait_for(process.communicate(), 30)
        finally:
            await runner.cleanup()
        return process.returncode, err

    assert asyncio.run(talk_and_interrupt()) == (130, b"")
    assert saved.stat().st_size > 44

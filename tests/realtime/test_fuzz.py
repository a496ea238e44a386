"""A hundred thousand messages that hypothesis makes, in sequences, against whole sessions: whatever a client sends, it
is answered by the rules of the wire, and nothing breaks, hangs or is left behind.

A session is the real one, from aiohttp's protocol to the default pipeline; the stages are scripted.
In CI the sequences are always the same (hypothesis' own profile for CI); elsewhere they are fewer, and new each time,
and hypothesis remembers and shortens the one that failed.
"""

from __future__ import annotations

import functools
import gc
import importlib.util
import itertools
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import reactivex
from drawn_messages import Step, sequences
from examples import IN_CI
from expected_answer import EVENTS
from fuzz_client import FAREWELL, FuzzClient
from hypothesis import HealthCheck, Phase, given, settings
from in_memory import serving
from pydantic import TypeAdapter
from reactivex import Observable
from reactivex import operators as rx_ops
from scripted_stages import scripted_stages
from served import Engine
from structlog.testing import capture_logs

from voicepipe.conversation import Conversation
from voicepipe.events import Audio, FunctionCall, FunctionCalled, FunctionCallWritten, SpeechProbability
from voicepipe.loader import load_pipeline
from voicepipe.rx import transduce
from voicepipe.server import ServerSettings, make_app
from voicepipe.testing import VirtualLoop
from voicepipe.testing.marbles.leaks import LeakWatch

OPENAI = {"session.update": 3, "input_audio_buffer.append": 3, "conversation.item.create": 3}
WEIGHTS = {"ga": OPENAI, "beta": OPENAI, "unmute": {"session.update": 1, "input_audio_buffer.append": 2}}
"""How often a type of event comes."""
VOICE = {"type": "server_vad", "silence_duration_ms": 300}
DETECTIONS = [None, VOICE, {**VOICE, "create_response": False}, {**VOICE, "interrupt_response": False}]
DETECTIONS += [{**VOICE, "idle_timeout_ms": 2_000}, {"type": "semantic_vad", "eagerness": "high"}]
TOOLS = [{"type": "function", "name": "look_up", "parameters": {"type": "object"}}]
MCP = {"type": "mcp", "server_label": "docs", "server_url": "https://mcp.example"}
SETTINGS: dict[str, list[dict[str, Any]]] = {
    "ga": [
        {"tools": TOOLS},
        {"tools": [MCP, *TOOLS]},
        {"output_modalities": ["text"]},
        {"output_modalities": ["audio"]},
    ]
    + [{"audio": {"input": {"turn_detection": one}}} for one in DETECTIONS],
    "beta": [{"tools": TOOLS}, {"tools": [MCP, *TOOLS]}, {"modalities": ["text"]}, {"modalities": ["audio", "text"]}]
    + [{"turn_detection": one} for one in DETECTIONS],
    "unmute": [],
}
USUAL = {kind: [{"type": "session.update", "session": one} for one in SETTINGS[kind]] for kind in SETTINGS}
FOREIGN = {"ga": EVENTS["unmute"], "beta": EVENTS["unmute"], "unmute": EVENTS["ga"]}
SEQUENCES = {"ga": 850, "beta": 650, "unmute": 700}
MESSAGES = {"ga": 45_000, "beta": 30_000, "unmute": 25_000}
ELSEWHERE = 12
"""How many times fewer sequences."""


@pytest.fixture(autouse=True, scope="module")
def _own_garbage_only() -> None:
    """A collection of what thousands of other tests have left takes up to a second, and counted as a message's.

    It stays exempt: to unfreeze it would undo what `conftest.py` has exempted, too.
    """
    gc.collect()
    gc.freeze()


STT_S, LLM_S = 0.1, 0.05
"""What they take: much happens meanwhile."""
LONG_TALK = 6
"""Messages after which the bot may say goodbye: most sequences shall go on."""


class FakeEngine(Engine):
    """An engine with long, short and empty answers; it calls functions if it may, and says goodbye if instructed."""

    def __init__(self) -> None:
        super().__init__()
        self._calls = itertools.count()

    def stages(self) -> Any:
        stages = scripted_stages(self._answer, super().stages().close)
        recognise = stages.stt
        llm = lambda conversation: reactivex.timer(LLM_S).pipe(rx_ops.flat_map(lambda _: self._reply(conversation)))
        stt = lambda heard: heard.pipe(recognise, rx_ops.delay(STT_S))
        return replace(stages, vad=transduce(lambda _: _Vad()), stt=stt, llm=llm)

    def _reply(self, conversation: Conversation) -> Observable[Any]:
        said, generation = reactivex.just(self._answer(conversation)), conversation.generation
        if not generation.functions or generation.choice == "none":
            return said
        call = FunctionCall(f"call_{next(self._calls)}", generation.functions[-1].name, '{"a": 1}')
        written = [FunctionCallWritten(call.id, call.name, delta) for delta in ("", '{"a"', ": 1}")]
        return reactivex.concat(said, reactivex.of(*written, FunctionCalled(call)))

    def _answer(self, conversation: Conversation) -> str:
        if "goodbye" in conversation.system_prompt and len(conversation.messages) > LONG_TALK:
            return FAREWELL
        answers = ["La la la.", "One two three four five.", "", " ", "La\n\nla"]
        return answers[len(conversation.messages) % len(answers)]


class _Vad:
    """Loud is speech; longer frames than those of the other scripted VAD, which would cost most of the test."""

    def __init__(self) -> None:
        self._at_s = 0.0

    def __call__(self, audio: Audio) -> Iterator[SpeechProbability]:
        step = audio.rate_hz // 10
        for start in range(0, len(audio.samples), step):
            frame = audio.samples[start : start + step]
            self._at_s += len(frame) / audio.rate_hz
            yield SpeechProbability(float(np.abs(frame).max() > 0.1), self._at_s)


QUIET = ("debug", "info")
"""Levels at which nothing is wrong."""


class FuzzServer:
    """One server in virtual time, for one client after the other."""

    def __init__(self) -> None:
        self.loop, self.engine = VirtualLoop(), FakeEngine()
        self._server = self.loop.run(self._opened())

    async def _opened(self) -> Any:
        """The application reads the loop's clock, so that it is made in the loop."""
        self._open = serving(make_app(load_pipeline(None), self.engine, ServerSettings()))
        return await self._open.__aenter__()

    def play(self, kind: str, steps: list[Step]) -> int:
        """Return the number of messages sent. Raises AssertionError for any fault."""
        watch = LeakWatch(self.loop)
        with capture_logs() as lines, standard_logs() as records:
            try:
                said = self.loop.run(self._play(kind, steps))
            except AssertionError as error:
                error.add_note(f"logged: {[line for line in lines if line['log_level'] not in QUIET]}")
                raise
        watch.check()
        bad = [line for line in lines if line["log_level"] not in QUIET]
        assert not bad, f"logged: {bad}"
        assert not records, f"logged: {[record.getMessage() for record in records]}"
        assert [line["event"] for line in lines if line["event"].startswith("session.")] == [
            "session.started",
            "session.ended",
        ]
        assert self.engine.closed == self.engine.made
        return said

    async def _play(self, kind: str, steps: list[Step]) -> int:
        client = FuzzClient(self._server, kind, openai_types())
        await client.connect()
        await client.play(steps)
        said = client.said
        if len(steps) % 4 == 0:
            await client.check_alive()
        await client.leave(politely=len(steps) % 2 == 0)
        return said

    def close(self) -> None:
        self.loop.run(self._open.__aexit__(None, None, None))
        self.loop.close()

    def give_up(self) -> None:
        """Whatever is going on in there."""
        with capture_logs():
            self.loop.close()


@contextmanager
def standard_logs() -> Iterator[list[logging.LogRecord]]:
    """Warnings, and worse, of those who log as Python does: asyncio, aiohttp."""
    records: list[logging.LogRecord] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = records.append
    logging.getLogger().addHandler(handler)
    try:
        yield records
    finally:
        logging.getLogger().removeHandler(handler)


@functools.cache
def openai_types() -> dict[str, TypeAdapter[Any]]:
    """Return the types that OpenAI's own client has for the server's events, where it is installed."""
    if importlib.util.find_spec("openai") is None:
        return {}
    from openai.types.beta.realtime import RealtimeServerEvent as BetaEvent
    from openai.types.realtime import RealtimeServerEvent as GaEvent

    return {"ga": TypeAdapter(GaEvent), "beta": TypeAdapter(BetaEvent)}


@pytest.mark.explored
@pytest.mark.parametrize("kind", SEQUENCES)
def test_whatever_is_sent_is_answered(kind: str):
    """By the rules of the wire; and no session breaks, hangs, or leaves anything behind."""
    said, server = 0, FuzzServer()

    @settings(
        max_examples=SEQUENCES[kind] if IN_CI else SEQUENCES[kind] // ELSEWHERE,
        deadline=None,
        phases=[Phase.reuse, Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(sequences(EVENTS[kind], WEIGHTS[kind], usual=USUAL[kind], foreign=FOREIGN[kind]))
    def play(steps: list[Step]) -> None:
        nonlocal said, server
        try:
            said += server.play(kind, steps)
        except BaseException:
            server.give_up()
            server = FuzzServer()
            raise

    play()
    server.close()
    assert said >= (MESSAGES[kind] if IN_CI else 0)

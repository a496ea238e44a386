"""A user who takes turns with a server: says utterances at a microphone's pace and notes when what came.

All times are on one clock, this process's event loop, in seconds since the call began. A sample counts as spoken when
it would have been at a microphone: frame n of 20 ms is sent when its last sample has been spoken. The client's Opus
packer puts two frames on a page, so the server gets each sample 0 to 40 ms later; that is in every figure, as it is for
a browser's user.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.common.realtime import RealtimeCall, connect_realtime
from benchmarks.common.speech import RATE_HZ, Utterance
from voicepipe.client import RecordedMicrophone
from voicepipe.client.socket import Message
from voicepipe.client.unmute import ClientConnection, connect
from voicepipe.events import Samples

__all__ = ["Caller", "Reply", "Said", "call", "realtime_call", "silent_call", "sounded"]

BREATH_S = 0.4
"""Between the end of the bot's reply and the user's next utterance."""
NOISE_DB = -65
"""A microphone is never wholly silent: white noise of a fixed seed goes on under everything."""


@dataclass(slots=True)
class Reply:
    """One reply of the bot, and the times of its parts, in seconds; None for a part that has not come (yet)."""

    created_s: float
    first_sound_s: float | None = None
    last_sound_s: float | None = None
    sound_s: float = 0.0
    interrupted_s: float | None = None
    done_s: float | None = None
    words: list[str] = field(default_factory=list[str])
    server_ms: float | None = None
    parts_ms: dict[str, float] = field(default_factory=dict[str, float])

    played_until_s: float = 0.0
    """The time, in seconds, at which a client that plays each packet at once, after the last one, has played all."""
    stalled_s: float = 0.0
    """For how long such a client had nothing to play in the middle of the reply."""

    @property
    def text(self) -> str:
        return " ".join(self.words)


@dataclass(frozen=True, slots=True)
class Said:
    """An utterance on the call's clock."""

    utterance: Utterance
    begins_s: float

    @property
    def loud_from_s(self) -> float:
        return self.begins_s + self.utterance.loud_from_s

    @property
    def loud_until_s(self) -> float:
        return self.begins_s + self.utterance.loud_until_s


class Caller:
    """One call. `replies` are the bot's, `captions` the words that it heard, `history` the last chat history told."""

    def __init__(self, connection: ClientConnection | RealtimeCall) -> None:
        self.replies: list[Reply] = []
        self.captions: list[str] = []
        self.history: list[dict[str, str]] = []
        self.problems: list[str] = []
        self.late_ms: list[float] = []
        """The delay of each frame that this client sent, in ms: if it is large, the figures are the client's fault."""
        self.closed = False
        self._connection = connection
        self._microphone = _Microphone()
        self._loop = asyncio.get_running_loop()
        self._began_s = self._loop.time()
        self._news = asyncio.Event()

    @property
    def now_s(self) -> float:
        return self._loop.time() - self._began_s

    # -- the user ------------------------------------------------------------------------------------------------------

    def say(self, utterance: Utterance) -> Said:
        """Begin to speak with the next frame, behind what is being said already."""
        return Said(utterance, self._microphone.put(utterance.samples))

    async def until(self, condition: Callable[[], object], timeout_s: float) -> bool:
        """Wait for a condition, looked at whenever something comes or is sent; False after `timeout_s`, or at the end
        of the call."""
        limit_s = self.now_s + timeout_s
        while not condition():
            if self.closed or self.now_s >= limit_s:
                return False
            self._news.clear()
            await self._news.wait()
        return True

    async def hear_out(self, timeout_s: float = 60.0) -> bool:
        """Wait until the bot is silent, and a breath longer. True when it has."""
        return await self.until(self._bot_is_silent, timeout_s)

    def _bot_is_silent(self) -> bool:
        if not self.replies:
            return False
        done_s = self.replies[-1].done_s
        return done_s is not None and self.now_s - done_s >= BREATH_S

    async def speak(self) -> None:
        """The microphone: 50 frames a second, until the connection closes."""
        try:
            async with aclosing(self._microphone.frames()) as frames:
                self._microphone.began_s = self.now_s
                async for frame in frames:
                    self.late_ms.append((self.now_s - self._microphone.spoken_s) * 1000)
                    await self._connection.send_audio(frame)
                    self._news.set()
        except ConnectionError:
            pass  # `listen` notices

    # -- the bot -------------------------------------------------------------------------------------------------------

    async def listen(self) -> None:
        """Note what comes, until the connection closes."""
        async for message in self._connection:
            self._note(self.now_s, message)
            self._news.set()
        self.closed = True
        self._news.set()

    def _note(self, at_s: float, message: Message) -> None:
        match message:
            case {"type": "response.audio.delta" | "response.output_audio.delta", "delta": str(delta)}:
                self._sound(at_s, len(self._connection.sound(delta)) / RATE_HZ)
            case {"type": "response.created"}:
                self.replies.append(Reply(at_s))
            case {"type": "response.text.delta", "delta": str(delta)} if self.replies:
                self.replies[-1].words.append(delta.strip())
            case {"type": "unmute.interrupted_by_vad" | "input_audio_buffer.speech_started"} if self._speaks:
                self.replies[-1].interrupted_s = at_s
            case {"type": "response.audio.done" | "response.output_audio.done"} if self.replies:
                self.replies[-1].done_s = at_s
            case {"type": "conversation.item.input_audio_transcription.delta", "delta": str(delta)}:
                self.captions.append(delta.strip())
            case {"type": "unmute.additional_outputs", "args": {"chat_history": history, "debug_dict": debug}}:
                self.history = history
                self._account(debug)
            case {"type": "error", "error": {"message": str(text)}}:
                self.problems.append(text)
            case _:
                pass

    @property
    def _speaks(self) -> bool:
        """Return whether a reply is running: a client that is told of the user's speech stops it."""
        return bool(self.replies) and self.replies[-1].done_s is None

    def _sound(self, at_s: float, duration_s: float) -> None:
        if self.replies and duration_s:
            sounded(self.replies[-1], at_s, duration_s)

    def _account(self, debug: dict[str, Any]) -> None:
        if self.replies and "total_ms" in debug:
            self.replies[-1].server_ms, self.replies[-1].parts_ms = debug["total_ms"], debug["parts_ms"]


def sounded(reply: Reply, at_s: float, duration_s: float) -> None:
    """Note a packet of sound that came at `at_s`."""
    reply.first_sound_s = at_s if reply.first_sound_s is None else reply.first_sound_s
    reply.last_sound_s = at_s
    reply.sound_s += duration_s
    reply.stalled_s += max(0.0, at_s - max(reply.played_until_s, reply.first_sound_s))
    reply.played_until_s = max(reply.played_until_s, at_s) + duration_s


class _Microphone:
    """The queued speech, with background noise added; without speech the noise alone."""

    def __init__(self) -> None:
        self.began_s = 0.0
        self._frames = 0
        self._queued: deque[Samples] = deque()
        self._step = RATE_HZ // 50
        second = np.random.default_rng(0).normal(0, 10 ** (NOISE_DB / 20), RATE_HZ)
        self._noise = second.astype(np.float32).reshape(-1, self._step)

    @property
    def spoken_s(self) -> float:
        """The time of the last sample of the last frame, in seconds."""
        return self.began_s + self._frames * self._step / RATE_HZ

    def put(self, samples: Samples) -> float:
        """Queue samples. Return the time at which the first of them will be spoken, in seconds."""
        begins_s = self.spoken_s + len(self._queued) * self._step / RATE_HZ
        padded = np.zeros(-(-len(samples) // self._step) * self._step, np.float32)
        padded[: len(samples)] = samples
        self._queued.extend(padded.reshape(-1, self._step))
        return begins_s

    async def frames(self) -> AsyncGenerator[Samples]:
        """Silence at the pace of a recorded microphone, with what is said laid over it."""
        async with aclosing(RecordedMicrophone(np.zeros(0, np.float32), RATE_HZ).frames()) as silence:
            async for frame in silence:
                noise = self._noise[self._frames % len(self._noise)]
                self._frames += 1
                yield frame + noise + (self._queued.popleft() if self._queued else 0.0)


@asynccontextmanager
async def call(url: str, instructions: str = "smalltalk") -> AsyncGenerator[Caller]:
    """A call that is on: the bot opens. It is hung up when the block is left."""
    async with connect(url, instructions=instructions) as connection, _on(connection) as caller:
        yield caller


@asynccontextmanager
async def realtime_call(url: str, instructions: str = "Be brief.") -> AsyncGenerator[Caller]:
    """A call in OpenAI's protocol: the user speaks first."""
    async with connect_realtime(url, instructions=instructions) as connection, _on(connection) as caller:
        yield caller


@asynccontextmanager
async def silent_call(url: str) -> AsyncGenerator[Caller]:
    """A call in which nobody is told who the bot is, so that it neither opens nor breaks the silence."""
    async with connect(url, instructions=None) as connection, _on(connection) as caller:
        yield caller


@asynccontextmanager
async def _on(connection: ClientConnection | RealtimeCall) -> AsyncGenerator[Caller]:
    caller = Caller(connection)
    tasks = [asyncio.create_task(caller.listen()), asyncio.create_task(caller.speak())]
    try:
        yield caller
    finally:
        await connection.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

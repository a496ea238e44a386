"""Users and services for many conversations, light enough for one core: what they send is made before the first call.

A user sends recorded speech as Ogg-Opus, in Unmute's dialect, by a fixed timetable: a sentence at the beginning of each
turn of `TURN_S`, and silence, in which the bot answers. All users send the same bytes, one shifted against the other
(`offsets_s`). The recogniser knows which user is on a connection by the order of the connections, and hears three
words that no other turn has; so each message at each service belongs to one turn. The voice speaks recorded speech.

All is on one event loop, and so on one clock.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import logging
import struct
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import aiohttp
import numpy as np
import ormsgpack

from benchmarks.common.caller import NOISE_DB, Reply, Said, sounded
from benchmarks.common.speech import RATE_HZ, Utterance, recording, utterances
from benchmarks.services import (
    LOOKAHEAD,
    Asked,
    Line,
    Notes,
    NotingLlm,
    NotingStt,
    NotingTts,
)
from voicepipe.audio import OggOpus
from voicepipe.events import Audio, Samples
from voicepipe.testing.servers import Said as HeardWord
from voicepipe.testing.servers.recognisers import LOUD, Heard

__all__ = ["PAGE_S", "TURN_S", "Load", "User", "load"]

TURN_S = 8.0
FIRST_TURN_S = 4.0
"""Of silence before the first turn: the bot opens."""
PAGE_S = 0.04
"""The client's packer puts two frames of 20 ms on a page."""
CONNECTS_WITHIN_S = 10.0
GOLDEN = (5**0.5 - 1) / 2
"""Of its multiples the fractions are spread evenly, and no two are alike."""
WORDS = 8
"""Of an answer, 0.32 s each."""
GREETING = "Hello, how are you today?"


@cache
def utterance() -> Utterance:
    """Return a sentence of 2 to 3 s without a pause that would end a turn."""
    return next(one for one in utterances() if 2.0 <= one.duration_s <= 3.0)


@cache
def messages(seconds: float) -> tuple[str, ...]:
    """Return what a user sends: a message for each page of 40 ms, of speech in the noise of a quiet room."""
    count = round(seconds * RATE_HZ)
    sound = np.random.default_rng(0).normal(0, 10 ** (NOISE_DB / 20), count).astype(np.float32)
    said = utterance().samples
    for begins_s in np.arange(FIRST_TURN_S, seconds - TURN_S + 0.1, TURN_S):
        begin = round(begins_s * RATE_HZ)
        sound[begin : begin + len(said)] += said
    encode, page = OggOpus().encoder(), round(PAGE_S * RATE_HZ)
    pages = (encode(Audio(sound[at : at + page], RATE_HZ)) for at in range(0, count - page + 1, page))
    return tuple(
        json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(one).decode()}) for one in pages
    )


@cache
def spoken() -> tuple[bytes, ...]:
    """Return the voice's messages of 80 ms: a recording, cut."""
    step = round(0.08 * RATE_HZ)
    sound = recording("beckett")
    frames = sound[: len(sound) // step * step].reshape(-1, step)
    pack = ormsgpack.OPT_SERIALIZE_NUMPY
    return tuple(ormsgpack.packb({"type": "Audio", "pcm": np.ascontiguousarray(one)}, option=pack) for one in frames)


class _Speaks(NotingTts):
    def sound(self, at_ms: float) -> bytes:
        return spoken()[round(at_ms / 80) % len(spoken())]


class _HearsUsers:
    """Hears three words where its user begins to speak: `line`."""

    def __init__(self) -> None:
        self.count = 0
        self.connected = asyncio.Event()

    def listen(self) -> _HearsUser:
        self.count += 1
        self.connected.set()
        return _HearsUser(self.count - 1)


class _HearsUser:
    def __init__(self, user: int) -> None:
        self._user, self._turns, self._silent_s = user, itertools.count(), 1.0

    def __call__(self, frame: Samples, at_s: float) -> Heard:
        voiced = bool(np.abs(frame).mean() > LOUD)
        said: list[HeardWord] = []
        if voiced and self._silent_s >= 1.0:
            words = line(self._user, next(self._turns)).asks.split()
            said = [HeardWord(word, at_s + 0.3 * number) for number, word in enumerate(words)]
            said.append(HeardWord(None, at_s + 0.3 * len(words)))
        self._silent_s = 0.0 if voiced else self._silent_s + 0.08
        return voiced, said


def line(user: int, turn: int) -> Line:
    """Return what a user says in a turn, and what the bot answers."""
    key = f"{_word(user)} {_word(1000 + turn)}"
    return Line(key, f"{key} please", _spoken_to(key), "")


def _word(number: int) -> str:
    """Return a word for each number that no voice reads in another way: "baba", "babe", …, "baca"."""
    syllables = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"]
    return syllables[number // len(syllables)] + syllables[number % len(syllables)]


def _spoken_to(key: str) -> str:
    return " ".join([key, *["and"] * (WORDS - 2)])


def _answer(said: Sequence[dict[str, Any]]) -> str:
    asked = next((one["content"] for one in reversed(said) if one["role"] == "user"), "")
    return _spoken_to(asked.removesuffix(" please")) if asked.endswith(" please") else GREETING


@dataclass(slots=True)
class User:
    """A conversation: its turns, each with its reply, and how late the user's packets were."""

    number: int
    began_s: float = 0.0
    replies: list[Reply] = field(default_factory=list[Reply])
    late_ms: list[float] = field(default_factory=list[float])
    played_s: float = 0.0
    """The sound of the server's stream so far, by its pages' own count."""
    problems: list[str] = field(default_factory=list[str])
    refused: bool = False

    def asked(self, seconds: float) -> list[Asked]:
        """Return the turns, each with the reply that came behind it."""
        return [self._turn(turn) for turn in range(round((seconds - FIRST_TURN_S) // TURN_S))]

    def _turn(self, turn: int) -> Asked:
        begins_s = self.began_s + FIRST_TURN_S + turn * TURN_S
        mine = [one for one in self.replies if begins_s < one.created_s < begins_s + TURN_S]
        reply = mine[-1] if mine and mine[-1].first_sound_s is not None else None
        return Asked(line(self.number, turn), Said(utterance(), begins_s), reply, None, "", 0.0, self.began_s)

    def noted(self, at_s: float, text: str) -> None:
        """Note a message of the server's, by its beginning: to parse all would take more than the server may."""
        head = text[:80]
        if "response.audio.delta" in head or "response.output_audio.delta" in head:
            if self.replies:
                self._sound(at_s, text)
        elif '"response.created"' in head:
            self.replies.append(Reply(at_s))
        elif '"error"' in head:
            self.problems.append(text)

    def _sound(self, at_s: float, text: str) -> None:
        reply = self.replies[-1]
        begin = text.index('"delta"')
        page = base64.b64decode(text[text.index('"', begin + 7) + 1 : text.index('"', begin + 12)])
        ends_s = struct.unpack_from("<q", page, page.rindex(b"OggS") + 6)[0] / 48_000
        duration_s, self.played_s = ends_s - self.played_s, ends_s
        if duration_s > 0:
            sounded(reply, at_s, duration_s)


def offsets_s(count: int) -> list[float]:
    """Return when each of the users begins: all over a turn, without a common step.

    With even steps of 200 ms the packets of 40 users would come in the same millisecond, every 40 ms.

    >>> [round(one, 2) for one in offsets_s(4)]
    [0.0, 1.89, 4.94, 6.83]
    """
    return sorted(TURN_S * (number * GOLDEN % 1) for number in range(count))


@dataclass(slots=True)
class Load:
    """The services' addresses and notes, and the users."""

    urls: tuple[str, str, str]
    notes: Notes
    hears: _HearsUsers
    users: list[User] = field(default_factory=list[User])

    def forget(self) -> None:
        """Forget what was noted; the users are numbered anew."""
        self.users.clear()
        for noted in (self.notes.heard, self.notes.thought, self.notes.spoken):
            noted.clear()
        self.hears.count = 0

    async def talk(self, url: str, count: int, seconds: float) -> None:
        """Hold `count` conversations at once, and let all talk for `seconds`."""
        messages(seconds)  # made before the first call
        clock = asyncio.get_running_loop().time
        began_s = clock()
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as http, asyncio.TaskGroup() as group:
            for number, offset_s in enumerate(offsets_s(count)):
                await asyncio.sleep(began_s + offset_s - clock())
                user, connected = User(number), self.hears.connected
                connected.clear()
                self.users.append(user)
                group.create_task(_converse(http, url, user, seconds))
                with suppress(TimeoutError):
                    await asyncio.wait_for(connected.wait(), CONNECTS_WITHIN_S)
                user.refused = not connected.is_set()


async def _converse(http: aiohttp.ClientSession, url: str, user: User, seconds: float) -> None:
    clock = asyncio.get_running_loop().time
    said = messages(seconds)
    async with http.ws_connect(url, protocols=("realtime",), max_msg_size=0) as socket:
        settings = {"instructions": {"type": "constant", "text": "Be brief.", "language": "en"}, "voice": None}
        await socket.send_str(json.dumps({"type": "session.update", "session": {**settings, "allow_recording": False}}))
        user.began_s = clock()
        listening = asyncio.ensure_future(_listen(socket, user))
        for number, text in enumerate(said, 1):
            due_s = user.began_s + number * PAGE_S
            await asyncio.sleep(due_s - clock())
            user.late_ms.append((clock() - due_s) * 1000)
            if socket.closed:
                user.refused = True
                break
            await socket.send_str(text)
        await socket.close()
        await listening


async def _listen(socket: aiohttp.ClientWebSocketResponse, user: User) -> None:
    clock = asyncio.get_running_loop().time
    async for message in socket:
        if message.type is aiohttp.WSMsgType.TEXT:
            user.noted(clock(), message.data)


@contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """Log no connection that an overloaded server gives up: they are counted."""
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


@asynccontextmanager
async def load() -> AsyncIterator[Load]:
    """Run the three services; what the conversations need is made before."""
    utterance(), spoken()
    notes, hears = Notes(), _HearsUsers()
    stt = NotingStt(hears, delay_s=0.5, pause_after_s=0.4, capacity=512)
    tts = _Speaks(lookahead=LOOKAHEAD, capacity=512)
    llm = NotingLlm(_answer)
    stt.notes, tts.notes, llm.notes = notes.heard, notes.spoken, notes.thought
    async with AsyncExitStack() as stack:
        stack.enter_context(_quiet(logging.getLogger("aiohttp.server")))
        for server in (stt, tts, llm):
            await stack.enter_async_context(server)
        yield Load((stt.url, tts.url, llm.url), notes, hears)

"""The sound of clauses from a service by HTTP: so many requested at once, each read as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from voicepipe.events import Samples, Warned
from voicepipe.services.observer import ServiceObserver
from voicepipe.services.openai.requests import ApiAnswer
from voicepipe.tts.clauses import ReadClause
from voicepipe.tts.streamed import FRAME_S, PcmReader

__all__ = ["ClauseSound", "OpenClause", "OpenedClauses"]

# How the bodies begin that are sound, but no PCM: servers that ignore `response_format`.
_FORMATS = {b"RIFF": "WAV", b"ID3": "MP3", b"OggS": "Ogg", b"fLaC": "FLAC"}
# Rates of PCM, in Hz: those of the telephone, and twice those of studios.
_LEAST_HZ, _MOST_HZ = 8_000, 192_000
# The longest sound of a clause, beside one second for each of its characters: four times what a slow voice takes.
_LONGEST_S = 30.0
_NO_SOUND = ("application/json", "text/html", "text/plain", "text/event-stream")


class ClauseSound:
    """The answer to one request: 16-bit PCM, one channel, as it comes.

    Args:
        answer: The answer, open.
        clause: What is said in it.
        rate_hz: The rate, where the answer does not say it.
        observer: Receives what comes; a frame is 80 ms.
        asked_s: When the clause was requested, by the loop's clock.
    """

    def __init__(
        self, answer: ApiAnswer, clause: ReadClause, rate_hz: int, observer: ServiceObserver, asked_s: float
    ) -> None:
        self._answer, self._observer, self._asked_s = answer, observer, asked_s
        self._longest_s = _LONGEST_S + len(clause.spoken)
        self.rate_hz = rate_hz
        self._pcm = PcmReader()
        self._first: Samples | None = None
        self._came_s = self._reported_s = 0.0
        self._clock = asyncio.get_running_loop().time

    async def begin(self) -> None:
        """Wait for the first sound. Raises ApiError: there is none, or it is no PCM."""
        if self._answer.content_type in _NO_SOUND:
            raise self._answer.invalid(f"{self._answer.content_type} instead of PCM")
        said = self._answer.parameters.get("rate", "")
        self.rate_hz = self._rate(said) if said.isdecimal() else self.rate_hz
        chunk = await self._answer.next()
        for magic, name in _FORMATS.items():
            if chunk.startswith(magic):
                raise self._answer.invalid(f"{name} instead of PCM: the service ignores response_format")
        self._first = self._pcm(chunk)
        if chunk:
            self._observer.first_item(self._clock() - self._asked_s)

    def _rate(self, said: str) -> int:
        """Return the rate that the answer says. Raises ApiError for one that no sound has."""
        rate_hz = int(said) if len(said) <= len(str(_MOST_HZ)) else 0
        if not _LEAST_HZ <= rate_hz <= _MOST_HZ:
            raise self._answer.invalid(f"PCM with rate={said[:20]}: it should be {_LEAST_HZ} to {_MOST_HZ} Hz")
        return rate_hz

    async def pieces(self) -> AsyncGenerator[Samples, None]:
        """Yield the sound as it comes, float32; closes the answer.

        Raises ApiError: it is late, has broken off, or never ends.
        """
        piece, self._first = self._first, None
        try:
            while piece is not None:
                if len(piece):
                    self._count(len(piece) / self.rate_hz)
                    yield piece
                chunk = await self._answer.next()
                piece = self._pcm(chunk) if chunk else None
            self._observer.generated(self._came_s, self._clock() - self._asked_s)
        finally:
            self.close()

    def close(self) -> None:
        """Drop what has not come. Safe to call twice."""
        self._answer.close()

    def _count(self, length_s: float) -> None:
        """Report the frames that are complete. Raises ApiError: the sound has no end."""
        self._came_s += length_s
        if self._came_s > self._longest_s:
            raise self._answer.invalid(f"more than {self._longest_s:g} s of sound for one clause")
        if frames := int((self._came_s - self._reported_s) / FRAME_S + 1e-6):
            self._reported_s += frames * FRAME_S
            self._observer.received(frames)


@dataclass(frozen=True, slots=True)
class OpenClause:
    """A clause, its sound if it has any, and what the user is told of it."""

    clause: ReadClause
    sound: ClauseSound | None = None
    warning: Warned | None = None


class OpenedClauses:
    """Request the sound of clauses, `at_once` at a time; `in_order` yields them, and `close` ends what is open.

    Args:
        clauses: The clauses, as they become known.
        open_one: Requests one; an error is raised when its turn comes.
        at_once: How many requests are open; the next begins when the first one's sound has been read.
    """

    def __init__(
        self, clauses: AsyncIterator[ReadClause], open_one: Callable[[ReadClause], Awaitable[OpenClause]], at_once: int
    ) -> None:
        self._clauses, self._open_one = clauses, open_one
        self._free = asyncio.Semaphore(at_once)
        self._opening: asyncio.Queue[asyncio.Task[OpenClause] | None] = asyncio.Queue()
        self._open: list[asyncio.Task[OpenClause]] = []
        self._feeding = asyncio.create_task(self._feed(), name="TTS: requests clauses")

    @property
    def is_busy(self) -> bool:
        """Return whether a clause is requested, or its sound is still being received."""
        return bool(self._open)

    async def in_order(self) -> AsyncGenerator[OpenClause, None]:
        """Yield each clause when its sound has begun. Raises ApiError."""
        while (opening := await self._opening.get()) is not None:
            yield await opening
            self._open.remove(opening)
            self._free.release()

    async def close(self) -> None:
        """Drop all requests, and wait until that is done."""
        tasks: list[asyncio.Task[Any]] = [self._feeding, *self._open]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        for task in self._open:
            if not task.cancelled() and task.exception() is None and (sound := task.result().sound) is not None:
                sound.close()

    async def _feed(self) -> None:
        with suppress(asyncio.CancelledError):
            async for clause in self._clauses:
                await self._free.acquire()
                task = asyncio.create_task(self._started(clause), name="TTS: requests a clause")
                self._open.append(task)
                self._opening.put_nowait(task)
            self._opening.put_nowait(None)

    async def _started(self, clause: ReadClause) -> OpenClause:
        return await self._open_one(clause) if clause.spoken else OpenClause(clause)

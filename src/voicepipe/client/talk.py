"""A conversation from beginning to end: a microphone, a connection, and the result."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from voicepipe.client.dialogue import Dialogue, Turn
from voicepipe.client.facts import Connected, Ended, Fact, Interrupted, Playing, Problem, ReplyDropped, UserDone
from voicepipe.client.microphone import Microphone
from voicepipe.client.socket import Message
from voicepipe.client.unmute import ClientConnection
from voicepipe.events import Samples

__all__ = ["Show", "Speakers", "Summary", "Talk"]

Show = Callable[[float, Fact], None]
"""Called with every fact and its time, in seconds since the conversation began."""

OPENS_WITHIN_S = 5.0
"""A bot that has not begun to open the conversation by now will not."""
BREATH_S = 0.4
"""Time between the end of the bot's opening and the user's first word."""
OPENING_AT_MOST_S = 30.0
"""The user speaks over a bot that still speaks by now: an opening is a sentence or two, and noise has no end."""
LINGER_S = 1.0
"""The time, in seconds, that the user stays after the answer: the bot may hang up by itself."""
UNANNOUNCED_LINGER_S = 3.0
"""The same for a bot that does not announce its replies: pauses between sentences are shorter."""
PATIENCE_S = 15.0
"""The time, in seconds, without a message or audible sound of the server after which the user gives up."""
AT_MOST_S = 60.0
"""The longest time, in seconds, that the user stays after the recording, whatever the bot does: an answer is shorter,
noise has no end."""

_ENDINGS = {
    1000: "the bot hung up",
    1001: "the server shut down",
    1006: "the connection was lost",
    1011: "the server failed",
    1013: "the server is full",
}


class Speakers(Protocol):
    """Plays the bot's sound."""

    def play(self, samples: Samples) -> None: ...

    def flush(self) -> None:
        """Be silent now: the queue is not played."""
        ...


@dataclass(frozen=True, slots=True)
class Summary:
    """The result. `failed`: the server ended the conversation, for the reason in `ended`."""

    turns: list[Turn]
    duration_s: float
    ended: str
    failed: bool

    bot_loud_s: float = 0.0
    """The audible part of the bot's sound, in seconds."""

    @property
    def latencies_ms(self) -> list[float]:
        """The latencies of replies that were heard after the user had finished."""
        return [turn.latency_ms for turn in self.turns if turn.is_answer and turn.latency_ms is not None]

    @property
    def over_user(self) -> int:
        """Return how many replies became audible while the user spoke."""
        return sum(turn.over_user and turn.announced for turn in self.turns)


class Talk:
    """One conversation. Each frame of the microphone is sent, and decides what comes next.

    With `at_once` the user speaks from the start, over the bot's opening. After the recording the user stays until the
    bot has answered and is silent, up to `wait_s`. Without `wait_s` the limit is `AT_MOST_S`, and the user gives up
    after `PATIENCE_S` without a message. Sent silence, and noise below -50 dBFS, counts as silence. `tracks()` returns
    what was said and heard, also when `run` was cancelled.
    """

    def __init__(
        self,
        connection: ClientConnection,
        microphone: Microphone,
        show: Show,
        *,
        at_once: bool = False,
        wait_s: float | None = None,
        speakers: Speakers | None = None,
    ) -> None:
        self.dialogue = Dialogue()
        self._connection, self._microphone, self._show_to = connection, microphone, show
        self._at_once, self._wait_s, self._speakers = at_once, wait_s, speakers
        self._sent: list[Samples] = []
        self._playing = False
        self._done_s: float | None = None
        self._leaving: str | None = None
        self._fatal: str | None = None
        self._loop = asyncio.get_running_loop()
        self._began_s = self._loop.time()

    async def run(self, url: str = "") -> Summary:
        """Talk until one side ends it. `url` is only reported."""
        self._began_s = self._loop.time()
        self._show(Connected(url))
        speaking = asyncio.create_task(self._speak(), name="microphone")
        try:
            async for message in self._connection:
                self._receive(message)
        except asyncio.CancelledError:  # Ctrl-C
            self._tell([*self.dialogue.end(), Ended("you left")])
            raise
        finally:
            if self._leaving is None:  # otherwise it is closing the connection, and has not sent its close frame yet
                speaking.cancel()
            await asyncio.wait([speaking])
        if not speaking.cancelled() and (error := speaking.exception()):
            raise error
        return self._end()

    def tracks(self) -> tuple[Samples, Samples]:
        """Return the user's sound and the bot's as it was heard, on one clock; shape (n,) each, 24 kHz."""
        silence = np.zeros(round((self.dialogue.origin_s or 0.0) * 24_000), np.float32)
        return np.concatenate([silence, *self._sent]), self.dialogue.playback.heard()

    # -- the user ------------------------------------------------------------------------------------------------------

    async def _speak(self) -> None:
        try:
            async with aclosing(self._microphone.frames()) as frames:
                async for frame in frames:
                    self._sent.append(frame)
                    self.dialogue.speak(self._now_s(), frame)
                    self._tell(self.dialogue.tick(self._now_s()))
                    await self._connection.send_audio(frame)
                    if not self._goes_on():
                        break
        except ConnectionResetError:
            return  # the reader has the reason
        finally:
            await self._connection.close()

    def _goes_on(self) -> bool:
        """Start the recording when it is time; return False when it is time to leave."""
        now_s = self._now_s()
        if not self._playing and (why := self._may_begin(now_s)):
            self._playing = True
            self._microphone.play()
            self._show(Playing(why))
        elif self._microphone.finished:
            if self._done_s is None:
                self._done_s = now_s
                self._show(UserDone(self._at_most_s))
            self._leaving = self._may_leave(now_s, self._done_s)
        return self._leaving is None

    def _may_begin(self, now_s: float) -> str | None:
        if self._at_once:
            return "at once"
        if not self.dialogue.turns:
            return "the bot did not open" if now_s >= OPENS_WITHIN_S else None
        quiet_s = self.dialogue.quiet_since(now_s)
        if quiet_s is not None and now_s - quiet_s >= BREATH_S:
            return "the bot has opened"
        if now_s >= OPENING_AT_MOST_S:
            return f"the bot has not been silent for {OPENING_AT_MOST_S:g} s"
        return "the bot's opening came to nothing" if self._stalled(now_s, 0.0) else None

    def _may_leave(self, now_s: float, done_s: float) -> str | None:
        if ended := self._has_answered(now_s, done_s):
            return ended
        if now_s - done_s >= self._at_most_s:
            quiet_s = self.dialogue.quiet_since(now_s)
            speaks = ", and the bot is not silent yet" if quiet_s is None or now_s - quiet_s < LINGER_S else ""
            return f"{self._at_most_s:g} s have passed since the end of the recording{speaks}"
        gives_up = self._wait_s is None and self._stalled(now_s, done_s)
        return f"nothing came for {PATIENCE_S:g} s" if gives_up else None

    def _has_answered(self, now_s: float, done_s: float) -> str | None:
        quiet_s = self.dialogue.quiet_since(now_s)
        if quiet_s is None or not self.dialogue.answered:
            return None
        announced = self.dialogue.turns[-1].announced
        linger_s = LINGER_S if announced else UNANNOUNCED_LINGER_S
        if now_s - max(quiet_s, done_s) < linger_s:
            return None
        return "the bot has answered" if announced else f"the bot has made no sound for {linger_s:g} s"

    @property
    def _at_most_s(self) -> float:
        return AT_MOST_S if self._wait_s is None else self._wait_s

    def _stalled(self, now_s: float, since_s: float) -> bool:
        last_s = max(self.dialogue.last_sign_s, self.dialogue.audible.until_s or 0.0, since_s)
        return now_s - last_s >= PATIENCE_S

    # -- the bot -------------------------------------------------------------------------------------------------------

    def _receive(self, message: Message) -> None:
        now_s = self._now_s()
        match message:
            case {"type": "response.audio.delta", "delta": str(delta)}:
                facts = self._play(now_s, delta)
            case _:
                facts = self.dialogue.hear(now_s, message)
        self._tell(facts)

    def _tell(self, facts: Iterable[Fact]) -> None:
        for fact in facts:
            self._heed(fact)
            self._show(fact)

    def _play(self, now_s: float, delta: str) -> Iterable[Fact]:
        try:
            samples = self._connection.sound(delta)
        except ValueError as error:
            return [Problem("warning", f"the server's sound cannot be played: {error}")]
        if self._speakers is not None:
            self._speakers.play(samples)
        return self.dialogue.sound(now_s, samples)

    def _heed(self, fact: Fact) -> None:
        match fact:
            case Interrupted() | ReplyDropped() if self._speakers is not None:
                self._speakers.flush()
            case Problem(kind="fatal", message=message):
                self._fatal = message
            case _:
                pass

    # -- the end -------------------------------------------------------------------------------------------------------

    def summary(self, ended: str, *, failed: bool = False) -> Summary:
        """Return the result so far."""
        return Summary(self.dialogue.turns, self._now_s(), ended, failed, self.dialogue.audible.loud_s)

    def _end(self) -> Summary:
        code = self._connection.close_code
        reason = self._leaving or _ENDINGS.get(code or 1006, f"the server closed with code {code}")
        details = self._fatal or (self._connection.close_reason if code not in (1000, 1001) else "")
        if details and self._leaving is None:
            reason = f"{reason}: {details}"
        failed = self._leaving is None and (code != 1000 or self._fatal is not None)
        self._tell([*self.dialogue.end(), Ended(reason)])
        return self.summary(reason, failed=failed)

    def _now_s(self) -> float:
        return self._loop.time() - self._began_s

    def _show(self, fact: Fact) -> None:
        self._show_to(self._now_s(), fact)

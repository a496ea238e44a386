"""A conversation from beginning to end: a microphone, a connection, and what becomes of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from voicepipe.client.dialogue import Dialogue, Turn
from voicepipe.client.facts import Connected, Ended, Fact, Interrupted, Playing, Problem, UserDone
from voicepipe.client.microphone import Microphone
from voicepipe.client.unmute import Connection, Message
from voicepipe.events import Samples

__all__ = ["Show", "Speakers", "Summary", "Talk"]

Show = Callable[[float, Fact], None]
"""Gets every fact with its time, in seconds since the conversation began."""

OPENS_WITHIN_S = 5.0
"""A bot that has not begun to open the conversation by now is not going to."""
BREATH_S = 0.4
"""Between the end of the bot's opening and the user's first word."""
LINGER_S = 1.0
"""How long to stay when the answer has been spoken: the bot might hang up by itself."""
PATIENCE_S = 15.0
"""How long nothing may come from the server before the user gives up."""

_ENDINGS = {
    1000: "the bot hung up",
    1001: "the server shut down",
    1006: "the connection was lost",
    1011: "the server failed",
    1013: "the server is full",
}


class Speakers(Protocol):
    """Where the bot is heard."""

    def play(self, samples: Samples) -> None: ...

    def flush(self) -> None:
        """Silence now: what is queued is not played."""
        ...


@dataclass(frozen=True, slots=True)
class Summary:
    """How it went. `failed`: the server broke the conversation off, for the reason in `ended`."""

    turns: list[Turn]
    duration_s: float
    ended: str
    failed: bool

    @property
    def latencies_ms(self) -> list[float]:
        return [turn.latency_ms for turn in self.turns if turn.latency_ms is not None]


class Talk:
    """One conversation. The microphone's frames are its pulse: each one is sent, and decides what comes next.

    With `at_once` the user speaks from the beginning on, over the bot's opening. `wait_s` is how long to stay after the
    user's last word at most; without it, until the bot has answered, or no longer goes on. `tracks()` is what was said
    and heard, also when `run` was cancelled.
    """

    def __init__(
        self,
        connection: Connection,
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
        """Talk until one side ends it. `url` is only told."""
        self._began_s = self._loop.time()
        self._show(Connected(url))
        speaking = asyncio.create_task(self._speak(), name="microphone")
        try:
            async for message in self._connection:
                self._receive(message)
        finally:
            speaking.cancel()
            await asyncio.wait([speaking])
        if not speaking.cancelled() and (error := speaking.exception()):
            raise error
        return self._end()

    def tracks(self) -> tuple[Samples, Samples]:
        """The user's sound and the bot's as it was heard, on one clock; shape (n,) each, 24 kHz."""
        silence = np.zeros(round((self.dialogue.origin_s or 0.0) * 24_000), np.float32)
        return np.concatenate([silence, *self._sent]), self.dialogue.playback.heard()

    # -- the user ------------------------------------------------------------------------------------------------------

    async def _speak(self) -> None:
        try:
            async with aclosing(self._microphone.frames()) as frames:
                async for frame in frames:
                    self._sent.append(frame)
                    self.dialogue.speak(self._now_s(), frame)
                    await self._connection.send_audio(frame)
                    if not self._goes_on():
                        break
        except ConnectionResetError:
            return  # the reader knows why
        finally:
            await self._connection.close()

    def _goes_on(self) -> bool:
        """Start the recording when it is time to; False when it is time to leave."""
        now_s = self._now_s()
        if not self._playing and (why := self._may_begin(now_s)):
            self._playing = True
            self._microphone.play()
            self._show(Playing(why))
        elif self._microphone.finished:
            if self._done_s is None:
                self._done_s = now_s
                self._show(UserDone())
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
        return "the bot's opening came to nothing" if self._stalled(now_s, 0.0) else None

    def _may_leave(self, now_s: float, done_s: float) -> str | None:
        quiet_s = self.dialogue.quiet_since(now_s)
        if quiet_s is not None and self.dialogue.answered and now_s - max(quiet_s, done_s) >= LINGER_S:
            return "the bot has answered"
        if self._wait_s is not None:
            return f"{self._wait_s:g} s have passed" if now_s - done_s >= self._wait_s else None
        return f"nothing came for {PATIENCE_S:g} s" if self._stalled(now_s, done_s) else None

    def _stalled(self, now_s: float, since_s: float) -> bool:
        last_s = max(self.dialogue.last_sign_s, self.dialogue.playback.ends_s, since_s)
        return now_s - last_s >= PATIENCE_S

    # -- the bot -------------------------------------------------------------------------------------------------------

    def _receive(self, message: Message) -> None:
        now_s = self._now_s()
        match message:
            case {"type": "response.audio.delta", "delta": str(delta)}:
                facts = self._play(now_s, delta)
            case _:
                facts = self.dialogue.hear(now_s, message)
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
            case Interrupted() if self._speakers is not None:
                self._speakers.flush()
            case Problem(kind="fatal", message=message):
                self._fatal = message
            case _:
                pass

    # -- the end -------------------------------------------------------------------------------------------------------

    def summary(self, ended: str, *, failed: bool = False) -> Summary:
        """How it has gone so far."""
        return Summary(self.dialogue.turns, self._now_s(), ended, failed)

    def _end(self) -> Summary:
        code = self._connection.close_code
        reason = self._leaving or _ENDINGS.get(code or 1006, f"the server closed with code {code}")
        details = self._fatal or (self._connection.close_reason if code not in (1000, 1001) else "")
        if details and self._leaving is None:
            reason = f"{reason}: {details}"
        failed = self._leaving is None and (code != 1000 or self._fatal is not None)
        self._show(Ended(reason))
        return self.summary(reason, failed=failed)

    def _now_s(self) -> float:
        return self._loop.time() - self._began_s

    def _show(self, fact: Fact) -> None:
        self._show_to(self._now_s(), fact)

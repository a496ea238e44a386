"""A simulated user on a socket, in real time."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from random import Random

from voicepipe.client import CannotConnect
from voicepipe.client.dialogue import Dialogue, Turn
from voicepipe.client.facts import Fact, Interrupted, Problem
from voicepipe.client.socket import Message
from voicepipe.events import Samples
from voicepipe.load.connections import Dialect, UserConnection, connect, default_instructions, opens
from voicepipe.load.figures import TurnFigures, UserFigures
from voicepipe.load.user import FRAME_S, Manner, SimulatedUser

__all__ = ["Load", "run_user"]

# Sound that comes this late within a reply is missed: a timer of a busy event loop is off by as much.
_LATE_S = 0.01


@dataclass(frozen=True, slots=True)
class Load:
    """Users that talk to a server.

    Args:
        url: The server's address.
        dialect: The protocol.
        sessions: The number of users.
        over_s: The time over which they come, in seconds.
        manner: How they talk.
        speech: What they say.
        instructions: The bot's instructions; "": some that suit the dialect.
        key: The API key.
        seed: Of the users' random numbers.
    """

    url: str
    dialect: Dialect
    sessions: int
    over_s: float
    manner: Manner
    speech: Sequence[Samples]
    instructions: str = ""
    key: str | None = None
    seed: int = 0

    def comes_s(self, number: int) -> float:
        """Return when a user comes, in seconds: one after the other, so that they do not speak in step."""
        return self.over_s * number / self.sessions


async def run_user(load: Load, number: int, began_s: float, heard: Callable[[TurnFigures], object]) -> UserFigures:
    """Come, talk, and leave.

    Args:
        load: All users.
        number: This one's number.
        began_s: The loop's time at which the first user comes.
        heard: Called with each answer that was heard.

    Returns:
        What the user has measured. No server and no refusal raises an exception.
    """
    loop = asyncio.get_running_loop()
    await asyncio.sleep(max(0.0, began_s + load.comes_s(number) - loop.time()))
    figures = UserFigures(number, loop.time() - began_s)
    try:
        told = load.instructions or default_instructions(load.dialect)
        async with connect(load.url, load.dialect, instructions=told, key=load.key) as connection:
            await _Session(load, connection, figures, heard).run()
    except CannotConnect as error:
        figures.outcome, figures.reason = "refused" if error.status is not None else "failed", str(error)
    figures.lasted_s = loop.time() - began_s - figures.began_s
    return figures


class _Session:
    def __init__(
        self, load: Load, connection: UserConnection, figures: UserFigures, heard: Callable[[TurnFigures], object]
    ) -> None:
        self._connection, self._figures, self._heard = connection, figures, heard
        self._dialogue = Dialogue()
        manner = Manner(
            load.manner.lasts_s,
            load.manner.pause_s,
            load.manner.barge_ins,
            load.manner.barge_in_s,
            waits_for_opening=opens(load.dialect),
        )
        self._user = SimulatedUser(load.speech, manner, self._dialogue, Random(f"{load.seed} {figures.number}"))
        self._loop = asyncio.get_running_loop()
        self._began_s = self._loop.time()
        self._told = 0

    async def run(self) -> None:
        """Talk until the user leaves, or the server ends it."""
        speaking = asyncio.create_task(self._speak(), name="a simulated user speaks")
        try:
            async for message in self._connection:
                self._receive(message)
        finally:
            if not self._user.gone:  # otherwise it is closing the connection, and has not sent its close frame yet
                speaking.cancel()
            await asyncio.wait([speaking])
        if not speaking.cancelled() and (error := speaking.exception()) is not None:
            raise error
        self._end()

    def _now_s(self) -> float:
        return self._loop.time() - self._began_s

    async def _speak(self) -> None:
        """Send a frame each 20 ms by the clock, however late earlier ones were."""
        try:
            for count in itertools.count(1):
                due_s = self._began_s + count * FRAME_S
                await asyncio.sleep(max(0.0, due_s - self._loop.time()))
                self._figures.late_ms = max(self._figures.late_ms, (self._loop.time() - due_s) * 1000)
                frame = self._user.next_frame(self._now_s())
                if self._user.gone:
                    break
                self._dialogue.speak(self._now_s(), frame)
                self._note(self._dialogue.tick(self._now_s()))
                await self._connection.send_audio(frame)
        except ConnectionResetError:
            return  # the reader has the reason
        finally:
            await self._connection.close()

    # ---- the bot -----------------------------------------------------------------------------------------------------

    def _receive(self, message: Message) -> None:
        match message:
            case {"type": "response.audio.delta", "delta": str(delta)}:
                self._play(delta)
            case _:
                self._note(self._dialogue.hear(self._now_s(), message))
        self._tell()

    def _play(self, delta: str) -> None:
        try:
            samples = self._connection.sound(delta)
        except ValueError as error:
            self._figures.problems.append(f"the server's sound cannot be played: {error}")
            return
        now_s, until_s = self._now_s(), self._dialogue.playback.ends_s
        last = self._dialogue.turns[-1] if self._dialogue.turns else None
        if len(samples) and last is not None and last.audible_s is not None and not last.done:
            self._came(now_s - until_s)
        self._note(self._dialogue.sound(now_s, samples))

    def _came(self, late_s: float) -> None:
        """Note how late the next sound of a reply has come."""
        if late_s > _LATE_S:
            self._figures.underruns += 1
            self._figures.underrun_s += late_s

    def _note(self, facts: Iterable[Fact]) -> None:
        for fact in facts:
            match fact:
                case Problem(message=message):
                    self._figures.problems.append(message)
                case Interrupted(after_ms=float(after_ms)):
                    self._figures.barge_ins_ms.append(after_ms)
                case _:
                    pass

    def _tell(self) -> None:
        """Tell of answers when the next reply has begun: then the server's account of them has come."""
        turns = self._dialogue.turns
        while self._told < len(turns) - 1:
            self._tell_one(turns[self._told])
            self._told += 1

    def _tell_one(self, turn: Turn) -> None:
        self._figures.over_user += turn.over_user and turn.announced
        if turn.is_answer and turn.latency_ms is not None and turn.audible_s is not None:
            at_s = self._figures.began_s + turn.audible_s
            one = TurnFigures(at_s, turn.latency_ms, turn.server_ms, dict(turn.parts_ms))
            self._figures.turns.append(one)
            self._heard(one)

    def _end(self) -> None:
        figures = self._figures
        for turn in self._dialogue.turns[self._told :]:
            self._tell_one(turn)
        figures.asked, figures.unanswered = self._user.turns, self._user.unanswered
        figures.heard_s = self._dialogue.audible.loud_s
        if not self._user.gone:
            code, reason = self._connection.close_code, self._connection.close_reason
            figures.outcome = "refused" if code == 1013 else "failed"
            figures.reason = reason or f"the server closed with code {code}"

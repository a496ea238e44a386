"""The time limits of a session, in virtual time."""

from __future__ import annotations

import asyncio

import pytest

from voicepipe.events import AudioReceived, InputRejected, ItemRequested
from voicepipe.server import ServerSettings
from voicepipe.server.session.timers import SessionTimers

SETTINGS = ServerSettings(greeting_after_s=1, idle_timeout_s=30, unused_timeout_s=60, session_limit_s=1800)


class Session:
    """Timers, and what they did at which second."""

    def __init__(self, settings: ServerSettings = SETTINGS) -> None:
        self.done: list[tuple[str, float]] = []
        self.began_s = asyncio.get_running_loop().time()
        self.timers = SessionTimers(
            settings,
            greet=lambda: self._note("greeted"),
            finish=lambda code, reason: self._note(f"finish {code}: {reason}"),
            leave=lambda code, reason: self._note(f"leave {code}: {reason}"),
            heard=lambda: None,
        )

    def _note(self, what: str) -> None:
        self.done.append((what, asyncio.get_running_loop().time() - self.began_s))

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.timers.stop()


async def test_a_client_that_sends_nothing():
    """It is greeted, and its session ends."""
    with Session() as session:
        await asyncio.sleep(50)
        assert session.done == [("greeted", 1), ("finish idle_timeout: the client has sent nothing for 30 s", 30)]


async def test_a_client_that_is_alive_and_asks_for_nothing():
    """It has longer, but not for ever."""
    with Session() as session:
        for _ in range(7):
            await asyncio.sleep(10)
            session.timers.note_frame()
        assert session.done[1:] == [("finish idle_timeout: the client has asked for nothing for 60 s", 60)]


@pytest.mark.parametrize(
    ("message", "uses"),
    [(AudioReceived(b""), True), (InputRejected("invalid", "What?"), False), (ItemRequested("item1"), False)],
)
async def test_a_session_is_in_use_from_the_first_message_with_an_effect(message, uses: bool):
    """A client that only asks for items, or that is not understood, holds no session for ever."""
    with Session(SETTINGS.model_copy(update={"session_limit_s": None})) as session:
        for _ in range(10):
            session.timers.note(message)
            await asyncio.sleep(10)
        assert len(session.done) == (1 if uses else 2)


async def test_a_session_that_lasts_too_long_is_left():
    """After its reply; the client is told the limit in minutes. Stopped timers do nothing."""
    with Session() as session, Session() as stopped:
        stopped.timers.stop()
        session.timers.note(AudioReceived(b""))
        for _ in range(91):
            await asyncio.sleep(20)
            session.timers.note_frame()
        assert session.done[1:] == [("leave session_expired: a session lasts 30 minutes at most", 1800)]
        assert stopped.done == []

"""The time limits of a session: until its greeting, without a sign of life, without use, and in all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from voicepipe.events import InputRejected, ItemRequested
from voicepipe.realtime import Received
from voicepipe.server.session.liveness import Liveness
from voicepipe.server.settings import ServerSettings

__all__ = ["SessionTimers", "TimeLimit"]

TimeLimit = Callable[[str, str], None]
"""Takes an error code and the reason, in words for the client."""


class SessionTimers:
    """One session's timers. They run from the beginning until `stop`. Must be made on the running loop.

    Args:
        settings: The limits.
        greet: Called once, when a client that speaks first has had the time for it.
        finish: Called when a limit ends the session at once.
        leave: Called when the session has lasted as long as it may: a reply that is under way is finished.
        heard: Called with each sign of life, as `Liveness` does.
    """

    def __init__(
        self,
        settings: ServerSettings,
        *,
        greet: Callable[[], None],
        finish: TimeLimit,
        leave: TimeLimit,
        heard: Callable[[], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        idle_s, unused_s, limit_s = settings.idle_timeout_s, settings.unused_timeout_s, settings.session_limit_s
        idle = f"the client has sent nothing for {idle_s:g} s"
        unused = f"the client has asked for nothing for {unused_s:g} s"
        self._alive = Liveness(idle_s, dead=lambda: finish("idle_timeout", idle), heard=heard)
        self._unused = loop.call_later(unused_s, finish, "idle_timeout", unused)
        self._timers = [self._unused, loop.call_later(settings.greeting_after_s, greet)]
        if limit_s is not None:
            longest = f"a session lasts {limit_s / 60:g} minutes at most"
            self._timers.append(loop.call_later(limit_s, leave, "session_expired", longest))

    def note_frame(self) -> None:
        """Note a sign of life."""
        self._alive.note()

    def note(self, message: Received) -> None:
        """Note a message that enters the pipeline. A session is in use from the first one that has an effect."""
        self._alive.note()
        if not isinstance(message, InputRejected | ItemRequested):
            self._unused.cancel()

    def stop(self) -> None:
        """Stop all timers."""
        self._alive.stop()
        for timer in self._timers:
            timer.cancel()

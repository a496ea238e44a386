"""Watching a session from inside: its events, as they pass, to those that ask for them.

It costs a session one look-up for each event; only what is watched is written.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from typing import Any

__all__ = ["EventFeed", "SessionWatch", "written"]

_SHORT = 400
"""The characters of a text that are shown: a prompt is longer."""


class EventFeed:
    """The events of one session for one watcher, oldest first.

    It holds `capacity` of them. More are dropped and counted: a slow watcher slows no conversation down.
    """

    def __init__(self, capacity: int) -> None:
        self._queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(capacity)
        self._ended = asyncio.Event()
        self._lost = 0

    def put(self, line: dict[str, Any]) -> None:
        """Add an event, or count it as lost."""
        try:
            self._queue.put_nowait(line)
        except asyncio.QueueFull:
            self._lost += 1

    def end(self) -> None:
        """Note that the session is over."""
        self._ended.set()

    async def next(self, wait_s: float) -> list[dict[str, Any]] | None:
        """Return what has come, after `wait_s` at most; None when the session is over and all was returned."""
        if self._queue.empty() and not self._ended.is_set():
            await asyncio.sleep(wait_s)
        lines = [self._queue.get_nowait() for _ in range(self._queue.qsize())]
        if self._lost and lines:
            lines.append({"at_s": lines[-1]["at_s"], "event": "Overflowed", "lost": self._lost})
            self._lost = 0
        return None if not lines and self._ended.is_set() else lines


class SessionWatch:
    """The sessions of a server that may be watched, and their watchers. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float], *, capacity: int) -> None:
        self._clock, self._capacity = clock, capacity
        self._began_s: dict[str, float] = {}
        self._feeds: defaultdict[str, set[EventFeed]] = defaultdict(set)

    @contextmanager
    def session(self, session_id: str) -> Generator[None]:
        """While this session is on."""
        self._began_s[session_id] = self._clock()
        try:
            yield
        finally:
            del self._began_s[session_id]
            for feed in self._feeds.pop(session_id, ()):
                feed.end()

    def is_on(self, session_id: str) -> bool:
        """Return whether there is such a session."""
        return session_id in self._began_s

    @contextmanager
    def watching(self, session_id: str) -> Generator[EventFeed]:
        """Return the events of a session from now on. Raises KeyError if no session has this id."""
        if session_id not in self._began_s:
            raise KeyError(session_id)
        feed = EventFeed(self._capacity)
        self._feeds[session_id].add(feed)
        try:
            yield feed
        finally:
            self._feeds.get(session_id, set[EventFeed]()).discard(feed)

    def note(self, session_id: str, event: object) -> None:
        """Pass an event on to those that watch the session."""
        feeds = self._feeds.get(session_id)
        if not feeds:
            return
        line = {"at_s": round(self._clock() - self._began_s[session_id], 4), **written(event)}
        for feed in feeds:
            feed.put(line)


def written(event: object) -> dict[str, Any]:
    """Return an event as JSON can carry it: its name, and its fields that are numbers or short texts.

    >>> from voicepipe.events import WordSpoken
    >>> written(WordSpoken("Hello", 0.0, 0.25))
    {'event': 'WordSpoken', 'word': 'Hello', 'start_s': 0.0, 'stop_s': 0.25, 'glued': False}
    """
    told: dict[str, Any] = {"event": type(event).__name__}
    for one in fields(event) if is_dataclass(event) else ():
        match getattr(event, one.name):
            case bool() | int() | None as value:
                told[one.name] = value
            case float(number):
                told[one.name] = round(number, 4)
            case str(text) | Exception(args=[str(text), *_]):
                told[one.name] = text[:_SHORT]
            case bytes(data):
                told["bytes"] = len(data)
            case dict():
                told[one.name] = _numbers(getattr(event, one.name))
            case _:
                pass
    return told


def _numbers(mapping: dict[str, object]) -> dict[str, object]:
    return {key: round(value, 4) for key, value in mapping.items() if isinstance(value, int | float)}

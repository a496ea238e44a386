"""A session in Unmute's dialect, checked event by event, by the protocol alone: nothing of voicepipe is used.

What is checked of each event: its fields (`unmute_fields`), its place in the order (`unmute_order`), that its texts
agree with all that was said before (`unmute_texts`), that its sound goes on where the last has ended (`unmute_sound`),
and that each request is answered.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from unmute_fields import wrong_fields
from unmute_order import Order
from unmute_sound import Sound
from unmute_texts import Texts

__all__ = ["Line", "Message", "check", "read_recording", "replies", "told", "violations"]

Message = dict[str, Any]
Line = tuple[str, Message]
"""The sender ("client" or "server") and the message."""

FAREWELL = "Bye!"


def read_recording(path: Path) -> list[Line]:
    """Read a recording of the server: a line for each message, in the order of the wire."""
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    for line in lines:
        assert line.keys() == {"timestamp", "event_sender", "data"}
    return [(line["event_sender"], line["data"]) for line in lines]


def told(lines: Iterable[Line]) -> list[Message]:
    """The server's messages."""
    return [message for sender, message in lines if sender == "server"]


def check(lines: Sequence[Line], **options: Any) -> None:
    """AssertionError with every violation; the options are those of `violations`."""
    found = list(violations(lines, **options))
    assert not found, "\n".join(found)


def violations(
    lines: Iterable[Line],
    *,
    words_are_final: bool = True,
    hung_up: bool = True,
    is_opus: bool = True,
    word_s: float | None = None,
) -> Iterator[str]:
    """Violations of the protocol by the server, in the order of the wire.

    `words_are_final` False: the recogniser may correct in the history the words that it has told, or take them back.
    `hung_up`: the bot has ended the session; else the client left. `is_opus` False: its sound is that of a test, and
    not looked at. `word_s`: how long the bot takes for a word, where all take as long.
    """
    order, requests = Order(), _Requests()
    checks: list[Callable[[Message], Iterator[str]]] = [
        wrong_fields,
        order,
        requests.answered,
        _Ids(),
        Texts(words_are_final=words_are_final),
        *([Sound(word_s)] if is_opus else []),
        _Farewell(),
    ]
    for number, (sender, message) in enumerate(lines):
        if sender == "client":
            requests.asked(message)
            continue
        for one in checks:
            wrong = [f"line {number}, {message.get('type')}: {why}" for why in one(message)]
            yield from wrong
            if wrong and one is wrong_fields:
                break  # the others read the fields
    if hung_up:
        yield from order.end()
    yield from requests.end()


class _Ids:
    """Every event has a name of its own."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def __call__(self, event: Message) -> Iterator[str]:
        if event["event_id"] in self._seen:
            yield f"event_id {event['event_id']!r} was given before"
        self._seen.add(event["event_id"])


class _Requests:
    """Settings are acknowledged as they were written, one by one, before anything else; errors name their message."""

    def __init__(self) -> None:
        self._begun = False
        self._open: list[Message] = []
        self._names: set[str | None] = {None}

    def asked(self, message: Message) -> None:
        if message.get("event_id"):
            self._names.add(message["event_id"])
        if message["type"] == "session.update":
            self._open.append(message["session"])

    def answered(self, event: Message) -> Iterator[str]:
        match event:
            case {"type": "session.updated", "session": session}:
                if not self._open or session != self._open.pop(0):
                    yield "acknowledges what was not asked for"
                self._begun = True
            case {"type": "error", "error": {"event_id": name}} if name not in self._names:
                yield f"is about {name!r}, which the client has not sent"
            case _ if not self._begun and event["type"] != "error":
                yield "comes before session.updated"
            case _:
                pass

    def end(self) -> Iterator[str]:
        yield from (f"{session} was never acknowledged" for session in self._open)


class _Farewell:
    """After a reply that ends with "Bye!" and was heard to its end, nothing more is said."""

    def __init__(self) -> None:
        self._said = self._over = False

    def __call__(self, event: Message) -> Iterator[str]:
        if self._over:
            yield f"comes after {FAREWELL!r}"
        match event:
            case {"type": "response.text.done", "text": text}:
                self._said = text.endswith(FAREWELL)
            case {"type": "response.audio.done"}:
                self._over = self._said
            case _:
                pass


# ---- what was said ---------------------------------------------------------------------------------------------------


def replies(events: Iterable[Message]) -> list[list[Message]]:
    """The events of each reply, from its `response.created` to the next one's."""
    found: list[list[Message]] = []
    for event in events:
        if event["type"] == "response.created":
            found.append([])
        if found:
            found[-1].append(event)
    return found

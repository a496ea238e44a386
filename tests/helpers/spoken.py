"""A connection of the realtime protocol without a socket: what it is told, held against the types of its events."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from typing import Any

from published import check_published
from server_events import BETA_SERVER_EVENTS, GA_SERVER_EVENTS

from voicepipe.events import Event, InputRejected
from voicepipe.realtime.beta.dialect import Beta
from voicepipe.realtime.ga.dialect import Ga


def names() -> Callable[[str], str]:
    """`event_1`, `resp_2`, …"""
    numbers = itertools.count(1)
    return lambda kind: f"{kind}_{next(numbers)}"


BESIDE = ("rate_limits.updated", "conversation.created")
"""Events that come at their place and say nothing of the conversation: only `Spoken.told` has them."""


class Spoken:
    """`say` what a client says, `tell` what happens; each gives the messages for the client, checked."""

    def __init__(self, *, beta: bool = False, logprobs: bool = False, mcp_urls: Sequence[str] = ()) -> None:
        self.ga = Ga(model="gpt-any", name=names(), logprobs=logprobs, mcp_urls=mcp_urls)
        self.wire = Beta(self.ga) if beta else self.ga
        self.settings = self.wire.opening()
        self.told: list[dict[str, Any]] = []
        self._events: Any = BETA_SERVER_EVENTS if beta else GA_SERVER_EVENTS

    def decode(self, kind: str, **fields: Any) -> Any:
        return self.wire.decode(json.dumps({"type": kind, **fields}))

    def say(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        """The answer to a message of the client."""
        return self.tell(self.decode(kind, **fields))

    def tell(self, *events: Event) -> list[dict[str, Any]]:
        told = [message for event in events for message in self.wire.encode(event)]
        for message in told:
            self._events.validate_json(json.dumps(message))
            check_published(self.wire.name, message)
        self.told += told
        return [message for message in told if message["type"] not in BESIDE]

    def rejected(self, kind: str, **fields: Any) -> tuple[str, str | None]:
        """Code and field of what is wrong with a message that names itself."""
        wrong = self.decode(kind, event_id="mine", **fields)
        assert isinstance(wrong, InputRejected), wrong
        assert wrong.message_id == "mine"
        (told,) = self.tell(wrong)
        assert (told["error"]["event_id"], told["error"]["type"]) == ("mine", "invalid_request_error")
        return wrong.code, wrong.param


def kinds(messages: list[dict[str, Any]]) -> list[str]:
    return [message["type"] for message in messages]


def one(messages: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    (found,) = [message for message in messages if message["type"] == kind]
    return found

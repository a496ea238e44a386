"""Acts: what happens in a scenario, and when: of the user, the microphone, the network and the machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from voicepipe.events import Event
from voicepipe.testing.scenario.steps import call

__all__ = ["Act", "ScenarioActions"]


class ScenarioActions(Protocol):
    """Makes things happen in the session, now."""

    def say(self, text: str) -> object: ...
    def cough(self, length_s: float) -> None: ...
    def mute(self, muted: bool) -> None: ...
    def hold_network(self, length_s: float) -> None: ...
    def stall(self, length_s: float) -> None: ...
    def leave(self) -> None: ...
    def deafen(self) -> None: ...
    def send(self, event: Event) -> None: ...
    def commit(self) -> None: ...
    def truncate(self, heard_ms: float) -> None: ...
    def return_result(self, name: str, output: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Act:
    """Something that happens `at_s` seconds after the conversation began, or after the bot has first said `cue`."""

    at_s: float
    cue: str | None
    code: str
    """The builder's call that makes it, without the time."""
    perform: Callable[[ScenarioActions], object] = field(compare=False)
    length_s: float = 0.0
    """The least duration of the act, in seconds."""
    inside: bool = False
    """Whether it happens inside of the server, so that a client cannot make it happen."""

    def __str__(self) -> str:
        when = call("at", self.at_s) if self.cue is None else call("after_bot_says", self.cue, self.at_s)
        return f"{when}.{self.code}"

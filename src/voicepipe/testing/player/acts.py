"""Acts: what happens in a scenario, and when: of the user, the microphone, the network and the machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from voicepipe.events import Event, SettingsChanged
from voicepipe.testing.scenario.steps import call

__all__ = ["Act", "ScenarioActions"]


class ScenarioActions(Protocol):
    """Makes things happen in the session, now."""

    def say(self, text: str) -> None: ...
    def cough(self, length_s: float) -> None: ...
    def mute(self, muted: bool) -> None: ...
    def hold_network(self, length_s: float) -> None: ...
    def stall(self, length_s: float) -> None: ...
    def leave(self) -> None: ...
    def change(self, settings: SettingsChanged) -> None: ...
    def deafen(self) -> None: ...
    def send(self, event: Event) -> None: ...


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

    def __str__(self) -> str:
        when = call("at", self.at_s) if self.cue is None else call("after_bot_says", self.cue, self.at_s)
        return f"{when}.{self.code}"

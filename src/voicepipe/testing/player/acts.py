"""Acts: what happens in a scenario, and when: of the user, the microphone, the network and the machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from voicepipe.testing.scenario.steps import Step, arguments, own_values

__all__ = ["Act", "ScenarioActions", "Timed"]


class ScenarioActions(Protocol):
    """Makes things happen in the session, now."""

    def say(self, text: str) -> None: ...
    def cough(self, length_s: float) -> None: ...
    def mute(self, muted: bool) -> None: ...
    def hold_network(self, length_s: float) -> None: ...
    def stall(self, length_s: float) -> None: ...
    def leave(self) -> None: ...
    def tell(self, prompt: str) -> None: ...
    def deafen(self) -> None: ...


class Act(Step):
    """Something that happens."""

    def perform(self, director: ScenarioActions) -> None:
        raise NotImplementedError


@dataclass(frozen=True)
class Timed(Act):
    """Something that happens `at_s` seconds after the conversation began."""

    at_s: float

    def __str__(self) -> str:
        return f"at({arguments(self.at_s)}).{self.method}({arguments(*own_values(self, skip=('at_s',)))})"

    @property
    def length_s(self) -> float:
        """How long it takes, at least."""
        return 0.0


@dataclass(frozen=True)
class UserSays(Timed):
    method = "user_says"
    text: str

    def perform(self, director: ScenarioActions) -> None:
        director.say(self.text)

    @property
    def length_s(self) -> float:
        return 0.3 * len(self.text.split())


@dataclass(frozen=True)
class UserCoughs(Timed):
    method = "user_coughs"
    lasts_s: float | None = None

    def perform(self, director: ScenarioActions) -> None:
        director.cough(self.length_s)

    @property
    def length_s(self) -> float:
        return 0.2 if self.lasts_s is None else self.lasts_s


@dataclass(frozen=True)
class Mutes(Timed):
    method = "microphone_is_muted"

    def perform(self, director: ScenarioActions) -> None:
        director.mute(True)


@dataclass(frozen=True)
class Unmutes(Timed):
    method = "microphone_comes_back"

    def perform(self, director: ScenarioActions) -> None:
        director.mute(False)


@dataclass(frozen=True)
class NetworkStalls(Timed):
    method = "network_stalls"
    lasts_s: float

    def perform(self, director: ScenarioActions) -> None:
        director.hold_network(self.lasts_s)

    @property
    def length_s(self) -> float:
        return self.lasts_s


@dataclass(frozen=True)
class MachineStalls(Timed):
    method = "machine_stalls"
    lasts_s: float

    def perform(self, director: ScenarioActions) -> None:
        director.stall(self.lasts_s)


@dataclass(frozen=True)
class ClientLeaves(Timed):
    method = "client_leaves"

    def perform(self, director: ScenarioActions) -> None:
        director.leave()


@dataclass(frozen=True)
class ClientTells(Timed):
    method = "bot_is_told"
    prompt: str

    def perform(self, director: ScenarioActions) -> None:
        director.tell(self.prompt)


@dataclass(frozen=True)
class RecogniserFails(Timed):
    method = "recogniser_fails"

    def perform(self, director: ScenarioActions) -> None:
        director.deafen()


@dataclass(frozen=True)
class Cued(Act):
    """Something that happens `after_s` after the bot has said `cue`, the first time only."""

    after_s: float
    cue: str

    def __str__(self) -> str:
        own = arguments(*own_values(self, skip=("after_s", "cue")))
        return f"after_bot_says({arguments(self.cue, self.after_s)}).{self.method}({own})"


@dataclass(frozen=True)
class SaysOnCue(Cued):
    method = "user_says"
    text: str

    def perform(self, director: ScenarioActions) -> None:
        director.say(self.text)


@dataclass(frozen=True)
class CoughsOnCue(Cued):
    method = "user_coughs"

    def perform(self, director: ScenarioActions) -> None:
        director.cough(0.2)


@dataclass(frozen=True)
class LeavesOnCue(Cued):
    method = "client_leaves"

    def perform(self, director: ScenarioActions) -> None:
        director.leave()

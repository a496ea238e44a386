"""What happens in a scenario, and when: what the user does, and what befalls microphone, network and machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from voicepipe.testing.sentences import Sentence

__all__ = ["ACTS", "Act", "Director", "Timed"]


class Director(Protocol):
    """Who can make things happen on the stage, now."""

    def say(self, text: str) -> None: ...
    def cough(self, length_s: float) -> None: ...
    def mute(self, muted: bool) -> None: ...
    def hold_network(self, length_s: float) -> None: ...
    def stall(self, length_s: float) -> None: ...
    def leave(self) -> None: ...
    def tell(self, prompt: str) -> None: ...
    def deafen(self) -> None: ...


class Act(Sentence):
    """Something that happens."""

    def perform(self, director: Director) -> None:
        raise NotImplementedError


@dataclass(frozen=True)
class Timed(Act):
    """Something that happens `at_s` seconds after the conversation began."""

    at_s: float

    @property
    def length_s(self) -> float:
        """How long it takes, at least."""
        return 0.0


@dataclass(frozen=True)
class UserSays(Timed):
    template = "at {at_s:time} the user says {text:quote}"
    text: str

    def perform(self, director: Director) -> None:
        director.say(self.text)

    @property
    def length_s(self) -> float:
        return 0.3 * len(self.text.split())


@dataclass(frozen=True)
class UserCoughs(Timed):
    template = "at {at_s:time} the user coughs[ for {lasts_s:time}]"
    lasts_s: float | None = None

    def perform(self, director: Director) -> None:
        director.cough(self.length_s)

    @property
    def length_s(self) -> float:
        return 0.2 if self.lasts_s is None else self.lasts_s


@dataclass(frozen=True)
class Mutes(Timed):
    template = "at {at_s:time} the microphone is muted"

    def perform(self, director: Director) -> None:
        director.mute(True)


@dataclass(frozen=True)
class Unmutes(Timed):
    template = "at {at_s:time} the microphone (comes back|is back)"

    def perform(self, director: Director) -> None:
        director.mute(False)


@dataclass(frozen=True)
class NetworkStalls(Timed):
    template = "at {at_s:time} the network stalls for {lasts_s:time}"
    lasts_s: float

    def perform(self, director: Director) -> None:
        director.hold_network(self.lasts_s)

    @property
    def length_s(self) -> float:
        return self.lasts_s


@dataclass(frozen=True)
class MachineStalls(Timed):
    template = "at {at_s:time} the machine stalls for {lasts_s:time}"
    lasts_s: float

    def perform(self, director: Director) -> None:
        director.stall(self.lasts_s)


@dataclass(frozen=True)
class ClientLeaves(Timed):
    template = "at {at_s:time} the client leaves"

    def perform(self, director: Director) -> None:
        director.leave()


@dataclass(frozen=True)
class ClientTells(Timed):
    template = "at {at_s:time} the bot is told {prompt:quote}"
    prompt: str

    def perform(self, director: Director) -> None:
        director.tell(self.prompt)


@dataclass(frozen=True)
class RecogniserFails(Timed):
    template = "at {at_s:time} the recogniser fails"

    def perform(self, director: Director) -> None:
        director.deafen()


@dataclass(frozen=True)
class Cued(Act):
    """Something that happens `after_s` after the bot has said `cue`, the first time only."""

    after_s: float
    cue: str


@dataclass(frozen=True)
class SaysOnCue(Cued):
    template = "{after_s:time} after the bot (says|has said) {cue:quote} the user says {text:quote}"
    text: str

    def perform(self, director: Director) -> None:
        director.say(self.text)


@dataclass(frozen=True)
class CoughsOnCue(Cued):
    template = "{after_s:time} after the bot (says|has said) {cue:quote} the user coughs"

    def perform(self, director: Director) -> None:
        director.cough(0.2)


@dataclass(frozen=True)
class LeavesOnCue(Cued):
    template = "{after_s:time} after the bot (says|has said) {cue:quote} the client leaves"

    def perform(self, director: Director) -> None:
        director.leave()


ACTS: tuple[type[Act], ...] = (
    UserSays,
    UserCoughs,
    Mutes,
    Unmutes,
    NetworkStalls,
    MachineStalls,
    ClientLeaves,
    ClientTells,
    RecogniserFails,
    SaysOnCue,
    CoughsOnCue,
    LeavesOnCue,
)

"""The events of a conversation for its client: the display shows them, and `--json` prints them."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = [
    "Connected",
    "Ended",
    "Fact",
    "Heard",
    "Interrupted",
    "Measured",
    "Playing",
    "Problem",
    "ReplyAudible",
    "ReplyCreated",
    "ReplyDone",
    "ReplyDropped",
    "Said",
    "SpeechStarted",
    "SpeechStopped",
    "Understood",
    "UserDone",
]


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened. `--json` prints its name in snake_case, and its fields."""


@dataclass(frozen=True, slots=True)
class Connected(Fact):
    """The conversation is open; its clock begins."""

    url: str


@dataclass(frozen=True, slots=True)
class Playing(Fact):
    """The user begins to speak: the recording starts."""

    why: str


@dataclass(frozen=True, slots=True)
class UserDone(Fact):
    """The recording is over; silence follows. The user stays for `at_most_s` after it."""

    at_most_s: float


@dataclass(frozen=True, slots=True)
class SpeechStarted(Fact):
    """The server noticed the user."""


@dataclass(frozen=True, slots=True)
class SpeechStopped(Fact):
    """The server noticed that the user paused."""


@dataclass(frozen=True, slots=True)
class Heard(Fact):
    """A word of the user was recognised: a guess, until the utterance is `Understood`."""

    text: str


@dataclass(frozen=True, slots=True)
class Understood(Fact):
    """The words since the last `Understood` are one utterance of the user's, which reads `text` now that the whole was
    heard. Empty: the recogniser has taken them back.
    """

    text: str


@dataclass(frozen=True, slots=True)
class ReplyCreated(Fact):
    """The server has begun a reply."""


@dataclass(frozen=True, slots=True)
class ReplyAudible(Fact):
    """The bot's first audible sound is played, `latency_ms` after the user's last loud sample; None where the bot spoke
    unasked.

    `over_user`: the user was still speaking. `announced`: the server said that it replies; a pipeline that echoes does
    not.
    """

    latency_ms: float | None
    over_user: bool
    announced: bool = True


@dataclass(frozen=True, slots=True)
class Said(Fact):
    """The bot spoke a word."""

    text: str


@dataclass(frozen=True, slots=True)
class Interrupted(Fact):
    """The user cut the bot short: its last audible sound was played `after_ms` after they began to speak over it.

    `unheard_ms` of its sound was thrown away.
    """

    after_ms: float | None
    unheard_ms: float


@dataclass(frozen=True, slots=True)
class ReplyDropped(Fact):
    """The user went on before the bot had made a sound, and did not interrupt it."""


@dataclass(frozen=True, slots=True)
class ReplyDone(Fact):
    """The bot has finished."""

    text: str


@dataclass(frozen=True, slots=True)
class Measured(Fact):
    """The parts of a turn's time: as the client measures it (`client_ms`), and the server's own account."""

    client_ms: float | None
    server_ms: float
    parts_ms: dict[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, slots=True)
class Problem(Fact):
    """The server complains; the conversation is over when `kind` is `fatal`."""

    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class Ended(Fact):
    """The conversation is over."""

    reason: str

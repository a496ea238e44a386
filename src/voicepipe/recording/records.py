"""The records of a file: what entered a session's graph, what came of it, and what is known of the session.

An `Entry` is a call of the event loop into the graph; `at_s` is the session's clock, which stands still until the next
entry. A `Fact` came about in the entry before it. A version may add classes, and fields with a default.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from voicepipe.conversation import AudioFormat, ClientInfo

__all__ = [
    "BackgroundTold",
    "CleanUpEnded",
    "CleanUpWaits",
    "EchoJudged",
    "Emitted",
    "Entry",
    "Fact",
    "FunctionDone",
    "Header",
    "MessageReceived",
    "Notification",
    "RecordingEnded",
    "SessionClosed",
    "SessionStarted",
    "SoundDecoded",
    "SoundEncoded",
    "StageAnswered",
    "StageAnsweredAtOnce",
    "StageCalled",
    "StageDisposed",
    "StageName",
    "StageTold",
    "TaskEntered",
    "TimerFired",
    "Withdrawn",
]

Notification = Literal["next", "error", "completed"]
StageName = Literal["vad", "end_of_turn", "stt", "llm", "tts"]


@dataclass(frozen=True, slots=True)
class Header:
    """The first record: the session, and what it ran with.

    Args:
        session_id: The id of the session, as in the log.
        began_at: When it began, in seconds since the epoch.
        at_s: The session's clock at that time.
        version: The version of voicepipe.
        pipeline: The pipeline as the server names it: a file, a module or "".
        client: The client's handshake, without its address.
        audio_format: The format of packets that name none.
        rate_hz: The rate of the sound in the graph.
        has_vad: False: the recogniser notices pauses itself.
        speculations: How many replies could be begun ahead in a turn.
        sound: True: the client's own sound is in the file.
        partial: The session had begun before it could be recorded: it can be read, and not run again.
    """

    session_id: str
    began_at: float
    at_s: float
    version: str = ""
    pipeline: str = ""
    client: ClientInfo = field(default_factory=ClientInfo)
    audio_format: AudioFormat = "audio/pcm"
    rate_hz: int = 24_000
    has_vad: bool = True
    speculations: int = 0
    sound: bool = False
    partial: bool = False


# ---- what enters -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Entry:
    """Base class of the calls into the graph."""

    at_s: float


@dataclass(frozen=True, slots=True)
class SessionStarted(Entry):
    """The graph was subscribed."""


@dataclass(frozen=True, slots=True)
class MessageReceived(Entry):
    """A message of the client. Where its sound is not kept, a packet is empty, and `SoundDecoded` has its length."""

    message: Any


@dataclass(frozen=True, slots=True)
class StageAnswered(Entry):
    """A stage gave something: the item, the exception, or None at its end."""

    call: int
    what: Notification
    value: Any = None


@dataclass(frozen=True, slots=True)
class TimerFired(Entry):
    """The graph's timer with this number was due at `due_s`, and fired."""

    timer: int
    due_s: float


@dataclass(frozen=True, slots=True)
class TaskEntered(Entry):
    """A task that the pipeline itself has started gave something to the graph."""


@dataclass(frozen=True, slots=True)
class FunctionDone(Entry):
    """A Python function that the model has called gave its result."""

    number: int
    outcome: tuple[str, str]


@dataclass(frozen=True, slots=True)
class CleanUpEnded(Entry):
    """The tasks of a cut turn are done; the next turn starts."""

    number: int


@dataclass(frozen=True, slots=True)
class BackgroundTold(Entry):
    """A stage has told what goes on behind a reply that is over."""

    item: Any


@dataclass(frozen=True, slots=True)
class SessionClosed(Entry):
    """The session ended."""

    reason: str = ""


# ---- what comes of it ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fact:
    """Base class of what came about in the entry before."""


@dataclass(frozen=True, slots=True)
class StageCalled(Fact):
    """A stage was subscribed. Calls are numbered from 0 on; `asked` is the user's last text, for an LLM."""

    call: int
    stage: StageName
    asked: str = ""


@dataclass(frozen=True, slots=True)
class StageTold(Fact):
    """A stage received something that is no sound."""

    call: int
    item: Any


@dataclass(frozen=True, slots=True)
class StageAnsweredAtOnce(Fact):
    """A stage gave something in the very call in which it received its item number `inputs`."""

    call: int
    inputs: int
    what: Notification
    value: Any = None


@dataclass(frozen=True, slots=True)
class StageDisposed(Fact):
    """The subscription of a stage was disposed before the stage had ended."""

    call: int


@dataclass(frozen=True, slots=True)
class CleanUpWaits(Fact):
    """A new turn waits for the tasks of a cut one."""

    number: int


@dataclass(frozen=True, slots=True)
class EchoJudged(Fact):
    """The canceller with this number has found, lost or removed an echo in its piece of sound number `piece`.

    `found`: it was found in this piece, or has ended there; None: neither. `samples` is what is left of the piece.
    """

    canceller: int
    piece: int
    found: bool | None
    samples: int


@dataclass(frozen=True, slots=True)
class SoundDecoded(Fact):
    """A decoder's packet, or its rest, gave so many samples; `fault` is what was wrong with it."""

    samples: int
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Emitted(Fact):
    """The graph emitted an event: to the client, the log and the metrics."""

    event: Any


@dataclass(frozen=True, slots=True)
class SoundEncoded:
    """The event in `Emitted` where the user's sound is not kept: a pipeline may say what it has heard.

    Length and checksum tell whether another sound is the same.
    """

    duration_ms: float
    bytes: int
    digest: bytes


# ---- of the file -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RecordingEnded(Fact):
    """The recording ended before the session did."""

    why: str


@dataclass(frozen=True, slots=True)
class Withdrawn(Fact):
    """The client has withdrawn its consent: the file is to be deleted."""

"""`HostedStage`: the one stage that a host serves, loaded once, with what each of its sessions gets of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from voicepipe.engine.parts import InputStages, SessionPart
from voicepipe.presets import ENDPOINTING, Endpointing
from voicepipe.session import Llm, Tts

__all__ = ["HostedLlm", "HostedStage", "HostedStt", "HostedTts", "StageKind"]

StageKind: TypeAlias = Literal["stt", "tts", "llm"]
"""The kind of a hosted stage. With a recogniser come its VAD and end-of-turn model: the wire has one score for both."""


def _nothing() -> None:
    """Do nothing: there is nothing to free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedStt:
    """A recogniser, with a VAD and an end-of-turn model unless it notices pauses itself.

    Args:
        name: The name of the model, which a client is told.
        open: Makes one session's stages.
        endpointing: The thresholds and times of a turn's end.
        close: Frees the model, when the host has stopped.
    """

    name: str
    open: Callable[[], SessionPart[InputStages]]
    endpointing: Endpointing = ENDPOINTING
    close: Callable[[], None] = field(default=_nothing)
    kind: Literal["stt"] = "stt"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedTts:
    """A voice. `open` makes one reply's; the other arguments are as in `HostedStt`."""

    name: str
    open: Callable[[], SessionPart[Tts]]
    close: Callable[[], None] = field(default=_nothing)
    kind: Literal["tts"] = "tts"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedLlm:
    """A language model, which all requests share."""

    name: str
    llm: Llm
    close: Callable[[], None] = field(default=_nothing)
    kind: Literal["llm"] = "llm"


HostedStage: TypeAlias = HostedStt | HostedTts | HostedLlm

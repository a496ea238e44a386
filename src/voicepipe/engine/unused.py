"""Parts of an engine that the pipeline does not use: nothing is loaded or connected for them.

A pipeline that uses one of them all the same fails in that moment, with an error that says how to have it loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import reactivex
from reactivex import Observable

from voicepipe.boundary.pending import PendingWork
from voicepipe.engine.health_checks import Probe
from voicepipe.engine.parts import InputStages, SessionPart, StageProvider
from voicepipe.session import Llm, StageName, Tts
from voicepipe.stage import StageError

__all__ = ["UNUSED_LLM", "UNUSED_STT", "UNUSED_TTS", "NotLoaded", "unused_stage"]

S = TypeVar("S")


class NotLoaded(RuntimeError):
    """A session uses a stage that the pipeline did not seem to use when the server started."""

    def __init__(self, name: StageName) -> None:
        super().__init__(
            f"session.{name} is used now, but its model was not loaded, since the pipeline's code does not name it; "
            f"name session.{name} in the pipeline function"
        )


def unused_stage(name: StageName) -> Callable[[Any], Observable[Any]]:
    """A stage, or a model that is asked, that fails with NotLoaded once it is subscribed to."""
    return lambda _: reactivex.throw(StageError(name, NotLoaded(name)))


@dataclass(frozen=True, slots=True)
class _Unused(StageProvider[S], Generic[S]):
    stage: Callable[[], S]

    def open(self) -> SessionPart[S]:
        return SessionPart(self.stage())

    def probe(self) -> Probe:
        raise LookupError("what is not used is not asked how it is")


def _ear() -> InputStages:
    return InputStages(unused_stage("vad"), unused_stage("end_of_turn"), unused_stage("stt"), PendingWork())


UNUSED_STT: StageProvider[InputStages] = _Unused(_ear)
UNUSED_LLM: StageProvider[Llm] = _Unused(lambda: unused_stage("llm"))
UNUSED_TTS: StageProvider[Tts] = _Unused(lambda: lambda _: unused_stage("tts"))

"""`listening`: the stages that hear, with one preset."""

from __future__ import annotations

from typing import Protocol

from voicepipe.events import Audio, Event, SpeechProbability
from voicepipe.operators.endpoint import EndOfTurn, endpoint
from voicepipe.operators.listen import listen
from voicepipe.presets import Endpointing
from voicepipe.stage import Stage

__all__ = ["HearingStages", "listening"]


class HearingStages(Protocol):
    """The stages of a session that hear. Every `Session` has them."""

    @property
    def vad(self) -> Stage[Audio, SpeechProbability] | None:
        """Return the VAD, or None where the recogniser notices pauses itself."""
        ...

    @property
    def end_of_turn(self) -> EndOfTurn: ...

    @property
    def stt(self) -> Stage[Audio | Event, Event]: ...


def listening(session: HearingStages, endpointing: Endpointing) -> Stage[Audio | Event, Event]:
    """Make `listen` of a session's recogniser, and of `endpoint` around its VAD, if it has one.

    Args:
        session: holds the VAD, the end-of-turn model and the recogniser
        endpointing: the thresholds and times of both stages
    """
    vad, flush_at = session.vad, endpointing.flush_at
    if vad is None:
        return listen(session.stt, flush_at=flush_at)
    return listen(session.stt, endpoint(vad, session.end_of_turn, endpointing), flush_at=flush_at)

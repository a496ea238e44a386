"""Voice activity detection and end-of-turn detection, and the stage that runs them frame by frame."""

from typing import TYPE_CHECKING

from voicepipe._lazy import lazy
from voicepipe.vad.frames import by_frame

if TYPE_CHECKING:
    from voicepipe.vad.silero import Silero
    from voicepipe.vad.smart_turn import SmartTurn

__all__ = ["Silero", "SmartTurn", "by_frame"]

__getattr__ = lazy(__name__, {"Silero": "silero", "SmartTurn": "smart_turn"})

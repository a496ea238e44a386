"""Run recorded sessions again, in virtual time, with the same pipeline or another."""

from __future__ import annotations

from voicepipe.recording.file import BadRecording, Recording, read
from voicepipe.testing.replay.compare import Difference, differences
from voicepipe.testing.replay.overrides import WrongOverride, overridden
from voicepipe.testing.replay.player import NotReplayable, Replayed, replay
from voicepipe.testing.replay.regression import assert_turns
from voicepipe.testing.replay.turns import Figures, Turn, figures, turns

__all__ = [
    "BadRecording",
    "Difference",
    "Figures",
    "NotReplayable",
    "Recording",
    "Replayed",
    "Turn",
    "WrongOverride",
    "assert_turns",
    "differences",
    "figures",
    "overridden",
    "read",
    "replay",
    "turns",
]

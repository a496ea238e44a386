"""Echo cancellation in a recording: it hears the user's sound, which a recording may not have."""

from __future__ import annotations

import itertools

import numpy as np

from voicepipe.events import Audio, EchoEnded, EchoFound
from voicepipe.operators.cancel_echo import Cancel, Cleaned
from voicepipe.recording.journal import Journal
from voicepipe.recording.records import EchoJudged

__all__ = ["noted_cancelling", "replayed_cancelling"]


def noted_cancelling(journal: Journal, clean: Cancel) -> Cancel:
    """Return a canceller that notes what has become of each piece of sound, if it is not as it was."""
    number, pieces = journal.number("canceller"), itertools.count()

    def noted(heard: Audio) -> Cleaned:
        piece, cleaned = next(pieces), clean(heard)
        if len(cleaned) != 1 or cleaned[0] is not heard:
            found = next((isinstance(one, EchoFound) for one in cleaned if not isinstance(one, Audio)), None)
            left = sum(len(one.samples) for one in cleaned if isinstance(one, Audio))
            journal.fact(EchoJudged(number, piece, found, left))
        return cleaned

    return noted


def replayed_cancelling(judged: dict[tuple[int, int], EchoJudged], number: int) -> Cancel:
    """Return a canceller that gives silence, and finds echoes where they were found."""
    pieces = itertools.count()

    def replayed(heard: Audio) -> Cleaned:
        known = judged.get((number, next(pieces)))
        if known is None:
            return (heard,)
        found = () if known.found is None else (EchoFound() if known.found else EchoEnded(),)
        silence = Audio(np.zeros(known.samples, np.float32), heard.rate_hz)
        return (*found, silence) if known.samples else found

    return replayed

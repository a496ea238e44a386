"""Turns, their begin and their end."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.common.caller import Reply, Said
from benchmarks.common.speech import Utterance
from benchmarks.conversation import Turn

SAID = Said(Utterance("test", np.zeros(48_000, np.float32), 0.1, 1.9), begins_s=10.0)


def test_latency_is_from_the_last_loud_sample_to_the_first_sound() -> None:
    """Of the reply that was heard out."""
    answer = Reply(12.4, first_sound_s=12.8)
    assert Turn(SAID, [answer], answer).latency_ms == pytest.approx(900)
    assert Turn(SAID, [], None).latency_ms is None


def test_a_reply_within_the_utterance_is_early() -> None:
    """A reply is early whether it was heard, or taken back before it sounded."""
    answer, silent, heard = Reply(12.4, 12.8), Reply(11.0), Reply(11.0, first_sound_s=11.5)
    assert not Turn(SAID, [answer], answer).early
    assert (Turn(SAID, [silent, answer], answer).early, Turn(SAID, [silent, answer], answer).talked_over) == (
        True,
        False,
    )
    assert (Turn(SAID, [heard, answer], answer).early, Turn(SAID, [heard, answer], answer).talked_over) == (True, True)

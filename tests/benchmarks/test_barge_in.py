"""The parts of an interruption's figures."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.barge_in import Interruption
from benchmarks.common import RATE_HZ, Reply, Said, Utterance
from benchmarks.common.caller import sounded
from benchmarks.unmute_frontend import PIECE_S, silent_after_ms

ONSET = Said(Utterance("voice", np.zeros(RATE_HZ, np.float32), 0.1, 0.9), 2.9)
"""The first loud sample is spoken at 3 s."""


def reply(*arrivals_s: float) -> Reply:
    """A reply in packets of 80 ms."""
    made = Reply(0.0)
    for at_s in arrivals_s:
        sounded(made, at_s, 0.08)
    return made


def test_a_client_that_has_nothing_to_play_stalls() -> None:
    """The fourth packet comes 100 ms after the third has been played."""
    late = reply(1.0, 1.0, 1.08, 1.34)
    assert late.stalled_s == pytest.approx(0.1)
    assert late.played_until_s == pytest.approx(1.42)


def test_the_user_hears_what_the_client_has_until_it_is_told() -> None:
    """Sound for 240 ms came at 2.95 s: the client is told before, or behind the end of that."""
    cut = reply(2.95, 2.95, 2.95)
    cut.interrupted_s = 3.1
    assert Interruption(ONSET, cut, 0.5).heard_ms == pytest.approx(100)
    cut.interrupted_s = 3.5
    assert Interruption(ONSET, cut, 0.5).heard_ms == pytest.approx(190)
    assert Interruption(ONSET, cut, 0.5).sound_ms == pytest.approx(-50)


def test_an_onset_counts_where_the_bot_sounds() -> None:
    """The first voice comes over the bot, which falls silent 300 ms later; the second one over nothing."""
    heard = np.zeros((round(6 / PIECE_S), 3))
    heard[:, 0] = at_s = np.arange(len(heard)) * PIECE_S
    heard[((at_s >= 2) & (at_s < 4)) | (at_s > 4.8), 1] = heard[at_s < 2.3, 2] = 0.1
    assert silent_after_ms(heard) == pytest.approx([295])

"""The user's utterances: real, cut at pauses, the same everywhere."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
from benchmarks.common.speech import RATE_HZ, loud_pieces, utterances


def test_sound_is_cut_where_it_is_quiet_for_long_enough() -> None:
    """A breath of 200 ms is within an utterance, one of 400 ms between two; noise is quiet."""
    loud, noise = np.full(RATE_HZ, 0.5, np.float32), np.full(RATE_HZ, 0.001, np.float32)
    sound = np.concatenate([noise, loud, noise[: RATE_HZ // 5], loud, noise[: RATE_HZ * 2 // 5], loud, noise])
    seconds = [(start / RATE_HZ, stop / RATE_HZ) for start, stop in loud_pieces(sound)]
    assert seconds == [pytest.approx((1.0, 3.2)), pytest.approx((3.6, 4.6))]


@pytest.mark.models
@pytest.mark.skipif(find_spec("moonshine_voice") is None, reason="the recordings are in moonshine-voice")
def test_utterances_of_all_speakers_take_turns() -> None:
    """More are asked for than there are, so some are said twice."""
    said = utterances(36)
    assert len(said) == 36
    assert {one.name.split("/")[0] for one in said[:8]} == {"two_cities", "beckett", "endgame_nagg_nell"}
    assert len({one.name for one in said}) >= 20
    for one in said:
        assert 0 <= one.loud_from_s < one.loud_until_s <= one.duration_s
        assert 1.0 <= one.loud_until_s - one.loud_from_s <= 8.0

"""The model of a player: where sound is placed, and what an interruption leaves of it."""

from __future__ import annotations

import numpy as np
import pytest

from voicepipe.client.playback import PlaybackQueue
from voicepipe.events import Samples

MS = 1 / 1000


def clip(ms: float, value: float) -> Samples:
    return np.full(round(ms), value, np.float32)


@pytest.fixture
def queue() -> PlaybackQueue:
    """At 1 kHz: a sample is a millisecond."""
    return PlaybackQueue(1000)


def test_sound_plays_at_once_behind_what_plays_or_after_a_gap(queue: PlaybackQueue):
    """Early sound waits its turn; late sound leaves a silence."""
    starts = [queue.put(at_ms * MS, clip(10, value)) for at_ms, value in ((5, 0.1), (6, 0.2), (40, 0.3))]
    assert starts == pytest.approx([5 * MS, 15 * MS, 40 * MS])
    assert queue.ends_s == 50 * MS
    expected = [*[0] * 5, *[0.1] * 10, *[0.2] * 10, *[0] * 15, *[0.3] * 10]
    assert queue.heard() == pytest.approx(np.array(expected))


def test_what_is_flushed_is_not_heard(queue: PlaybackQueue):
    """At 12 ms the second clip plays its second millisecond: the rest of it, and the third, are gone."""
    for value in (0.1, 0.2, 0.3):
        queue.put(0, clip(10, value))
    assert queue.flush(12 * MS) == pytest.approx(18 * MS)
    assert queue.ends_s == 12 * MS
    assert queue.heard() == pytest.approx(np.array([*[0.1] * 10, *[0.2] * 2]))


def test_sound_after_a_flush_plays_at_once(queue: PlaybackQueue):
    """The next reply does not wait for what nobody hears."""
    queue.put(0, clip(100, 0.1))
    queue.flush(10 * MS)
    assert queue.put(20 * MS, clip(5, 0.2)) == 20 * MS
    assert queue.heard() == pytest.approx(np.array([*[0.1] * 10, *[0] * 10, *[0.2] * 5]))


def test_a_flush_of_what_has_been_played_changes_nothing(queue: PlaybackQueue):
    """Nothing is queued any more: nothing is lost, and nothing is put off."""
    queue.put(0, clip(10, 0.1))
    assert queue.flush(30 * MS) == 0
    assert queue.ends_s == 10 * MS
    assert len(queue.heard()) == 10


def test_a_flush_before_anything_has_begun_leaves_nothing(queue: PlaybackQueue):
    """All of it lay in the future."""
    queue.put(20 * MS, clip(10, 0.1))
    assert queue.flush(5 * MS) == pytest.approx(10 * MS)
    assert queue.ends_s == 0
    assert len(queue.heard()) == 0

"""A bucket's rate and its burst."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicepipe.boundary.bucket import Bucket


@given(
    per_s=st.floats(1, 1_000),
    burst=st.floats(1, 1_000),
    asked=st.lists(st.tuples(st.floats(0, 2), st.integers(1, 50)), max_size=100),
)
def test_a_bucket_never_gives_more_than_it_holds(per_s: float, burst: float, asked: list[tuple[float, int]]):
    """A caller that waits as long as the bucket says never gets more than the burst and what has come in since."""
    now = taken = 0.0
    bucket = Bucket(lambda: now, per_s=per_s, burst=burst)
    for pause_s, count in asked:
        now += pause_s
        now += bucket.take(count)
        taken += count
        assert taken <= burst + per_s * now + 1e-6 * taken


def test_a_bucket_that_was_not_asked_for_long_is_full():
    """And no fuller: silence is not saved up."""
    now = 0.0
    bucket = Bucket(lambda: now, per_s=10, burst=5)
    assert bucket.take(5) == 0
    assert not bucket.is_full
    now = 3_600.0
    assert bucket.is_full
    assert bucket.take(5) == 0
    assert bucket.take(1) == pytest.approx(0.1)


def test_what_is_not_admitted_takes_nothing() -> None:
    """So that asking in vain does not put off what is due."""
    now = 0.0
    bucket = Bucket(lambda: now, per_s=2, burst=1)
    assert bucket.admits()
    assert not any(bucket.admits() for _ in range(100))
    now = 0.5
    assert bucket.admits()

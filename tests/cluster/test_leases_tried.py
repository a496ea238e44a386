"""The number of replicas that have to be asked, in a model of Serve's choice: the less busy one of two it draws.

The model knows how busy each replica is at every moment; Serve learns it a little later.
"""

from __future__ import annotations

import heapq
from random import Random

import pytest

from voicepipe.cluster.plane import LEASES_TRIED

CAPACITY = 4
ARRIVALS = 10_000


@pytest.mark.parametrize("replicas", [2, 3, 10, 30])
def test_a_session_is_refused_one_time_in_a_hundred_at_most_while_there_are_places(replicas: int) -> None:
    """At 70 % load; from 75 % on replicas are added."""
    assert refused(replicas, load=0.7) <= 0.01


def test_a_cluster_that_is_nearly_full_refuses_some_that_it_had_a_place_for() -> None:
    """A few in a hundred at 90 % load: the figure that the constant's comment names."""
    assert 0.02 <= refused(10, load=0.9) <= 0.06


def refused(replicas: int, load: float) -> float:
    """The share of sessions that were refused while there was a place for them."""
    random, now = Random(0), 0.0
    taken, ends = [0] * replicas, list[tuple[float, int]]()
    asked = wrong = 0
    for _ in range(ARRIVALS):
        now += random.expovariate(load * replicas * CAPACITY)  # of sessions that last 1 in the mean
        while ends and ends[0][0] <= now:
            taken[heapq.heappop(ends)[1]] -= 1
        if sum(taken) == replicas * CAPACITY:
            continue
        asked += 1
        chosen = lease(random, taken)
        if chosen is None:
            wrong += 1
        else:
            taken[chosen] += 1
            heapq.heappush(ends, (now + random.expovariate(1), chosen))
    return wrong / asked


def lease(random: Random, taken: list[int]) -> int | None:
    for _ in range(LEASES_TRIED):
        chosen = min(random.sample(range(len(taken)), 2), key=taken.__getitem__)
        if taken[chosen] < CAPACITY:
            return chosen
    return None
